//! Names to addresses. The operating system's resolver cannot be interrupted, so what it may hold is bounded here.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{FutureExt as _, future::Shared};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::BoxFuture;

/// Lookups at one time. One that nobody waits for any more runs on, on a thread of its own, until the system gives up.
const LOOKUPS: usize = 32;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync {
    /// The addresses of `host` for connections to `port`, best first.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>>;
}

/// What looks a name up, and takes as long as it likes.
type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;
/// A lookup that is on its way, for all who wait for it.
type Looking = Shared<BoxFuture<Result<Vec<SocketAddr>, Arc<io::Error>>>>;

/// The resolver of the operating system. A name is looked up once for all who ask at the same time, so that one whose
/// servers do not answer holds one thread.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    lookup: Lookup,
    lookups: Arc<Semaphore>,
    on_their_way: Arc<Mutex<HashMap<String, Looking>>>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::with(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }
}

impl SystemResolver {
    pub(super) fn with(lookup: Lookup) -> Self {
        Self { lookup, lookups: Arc::new(Semaphore::new(LOOKUPS)), on_their_way: Arc::default() }
    }

    /// The lookup of this name that is on its way. An answer serves those who asked before it came, and nobody after.
    fn joined(&self, host: &str) -> Option<Looking> {
        let mut on_their_way = self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner);
        on_their_way.retain(|_, looking| looking.peek().is_none());
        on_their_way.get(host).cloned()
    }

    fn begin(&self, host: &str, port: u16, permit: OwnedSemaphorePermit) -> Looking {
        let (lookup, name) = (self.lookup, host.to_owned());
        let thread = tokio::task::spawn_blocking(move || {
            let found = lookup(&name, port);
            drop(permit); // Kept as long as the thread is, not as long as somebody waits.
            found
        });
        let looking = async { thread.await.map_err(io::Error::other)? };
        let looking: BoxFuture<_> = Box::pin(looking.map(|found: io::Result<_>| found.map_err(Arc::new)));
        let looking = looking.shared();
        let mut on_their_way = self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner);
        on_their_way.insert(host.to_owned(), looking.clone());
        looking
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let (resolver, host) = (self.clone(), host.to_owned());
        Box::pin(async move {
            let looking = match resolver.joined(&host) {
                Some(looking) => looking,
                None => {
                    // Whoever gives up leaves this queue; only who has a permit holds a thread.
                    let permit = Arc::clone(&resolver.lookups).acquire_owned().await.map_err(io::Error::other)?;
                    resolver.joined(&host).unwrap_or_else(|| resolver.begin(&host, port, permit))
                }
            };
            looking.await.map_err(|error| io::Error::new(error.kind(), error))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::{
            OnceLock,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use futures_util::future::join_all;
    use tokio::time::{Instant, timeout};

    use super::*;

    const FOUND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 0);

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_one_lookup() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static RELEASE: OnceLock<()> = OnceLock::new();
        let resolver = SystemResolver::with(|_, _| {
            ASKED.fetch_add(1, Ordering::SeqCst);
            RELEASE.wait();
            Ok(vec![FOUND])
        });
        let mut all = join_all((0..100).map(|_| resolver.resolve("api.example", 443)));
        assert!((&mut all).now_or_never().is_none(), "all ask before there is an answer");
        RELEASE.set(()).unwrap();
        let answers = all.await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == [FOUND]));
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        resolver.resolve("api.example", 443).await.unwrap();
        assert_eq!(ASKED.load(Ordering::SeqCst), 2, "an answer was kept");
    }

    #[tokio::test]
    async fn lookups_that_nobody_waits_for_are_no_more_than_allowed() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static RELEASE: OnceLock<()> = OnceLock::new();
        let resolver = SystemResolver::with(|_, _| {
            RUNNING.fetch_add(1, Ordering::SeqCst);
            RELEASE.wait();
            Err(io::ErrorKind::NotFound.into())
        });
        let name = |number: usize| format!("silent-{number}.example");
        let given_up = join_all((0..200).map(|number| {
            let asking = resolver.resolve(&name(number), 443);
            timeout(Duration::from_millis(50), asking)
        }));
        assert!(given_up.await.iter().all(Result::is_err));
        let deadline = Instant::now() + Duration::from_secs(20);
        while RUNNING.load(Ordering::SeqCst) < LOOKUPS && Instant::now() < deadline {
            tokio::task::yield_now().await; // Their threads begin when the machine has time for them.
        }
        assert_eq!(RUNNING.load(Ordering::SeqCst), LOOKUPS);
        RELEASE.set(()).unwrap();
        let answer = timeout(Duration::from_secs(10), resolver.resolve("next.example", 443)).await.unwrap();
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
