//! The one place that opens a connection: it resolves the name, keeps what may be reached, and connects to that.
//!
//! Literal addresses, names, redirects and reconnections all pass here, so nothing can reach an address that was not
//! checked (HR-101 to HR-104). A name is resolved once for each connection and never again between check and use.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower_service::Service;
use url::{Host, Url};
use vestibule_abi::{codes::FailureCode, limits};

use super::{address::why_not_public, resolve::Resolve};

/// A future that may be sent between threads.
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Addresses of one name that are tried in turn.
const ADDRESSES_TRIED: usize = 4;

/// Opens a socket to an address that has been checked.
pub trait Dial: Send + Sync {
    /// Connects to `address`.
    fn dial(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>>;
}

/// TCP connections of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemDial;

impl Dial for SystemDial {
    fn dial(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no address of `{0}` may be reached")]
    Blocked(String),
    #[error("no connection within {} ms", limits::HTTP_CONNECT.as_millis())]
    Timeout,
    #[error("as many sockets are open as there may be")]
    TooManySockets,
    #[error("cannot connect")]
    Io(#[from] io::Error),
}

impl ConnectError {
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::Blocked(_) => FailureCode::HttpBlocked,
            Self::Timeout => FailureCode::HttpTimeout,
            Self::TooManySockets | Self::Io(_) => FailureCode::HttpFailed,
        }
    }
}

/// Where connections may lead.
pub(super) struct Guard {
    pub(super) allow: Vec<SocketAddr>,
}

impl Guard {
    /// Whether a connection to this address and port may be made.
    pub(super) fn permits(&self, address: SocketAddr) -> bool {
        let opened = |allowed: &SocketAddr| allowed.ip() == address.ip() && allowed.port() == address.port();
        self.allow.iter().any(opened) || why_not_public(address.ip()).is_none()
    }

    /// Whether this URL leads to a literal address that may not be reached.
    pub(super) fn refuses(&self, url: &Url) -> bool {
        let (host, port) = (url.host(), url.port_or_known_default());
        let address = host.as_ref().and_then(literal).zip(port);
        address.is_some_and(|(address, port)| !self.permits(SocketAddr::new(address, port)))
    }
}

/// Connects to what the guard permits, over plain TCP.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) guard: Arc<Guard>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) dial: Arc<dyn Dial>,
    /// One permit for each socket that may be open, idle ones included.
    pub(super) sockets: Arc<Semaphore>,
}

/// A connection, and its part of the sockets there may be.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TokioIo<TcpStream>,
    _permit: OwnedSemaphorePermit,
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Service<Uri> for Connector {
    type Response = Socket;
    type Error = ConnectError;
    type Future = BoxFuture<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&uri).await })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<Socket, ConnectError> {
        let addresses = self.checked_addresses(uri).await?;
        let permit = Arc::clone(&self.sockets).try_acquire_owned().map_err(|_| ConnectError::TooManySockets)?;
        let share = limits::HTTP_CONNECT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut last = ConnectError::Timeout;
        for address in addresses {
            match timeout(share, self.dial.dial(address)).await {
                Ok(Ok(stream)) => return Ok(Socket { stream: TokioIo::new(stream), _permit: permit }),
                Ok(Err(error)) => last = error.into(),
                Err(_) => last = ConnectError::Timeout,
            }
        }
        Err(last)
    }

    async fn checked_addresses(&self, uri: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
        let name = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or_else(|| if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let blocked = || ConnectError::Blocked(name.to_owned());
        let host = Host::parse(name).map_err(|_| blocked())?;
        let mut addresses = match literal(&host) {
            Some(address) => vec![SocketAddr::new(address, port)],
            None => self.resolver.resolve(name, port).await?,
        };
        // An answer with another port is a fault of the resolver; what is checked is what is connected to.
        addresses.iter_mut().for_each(|address| address.set_port(port));
        if addresses.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        addresses.retain(|address| self.guard.permits(*address));
        addresses.truncate(ADDRESSES_TRIED);
        if addresses.is_empty() { Err(blocked()) } else { Ok(addresses) }
    }
}

const fn literal<T>(host: &Host<T>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
    }
}

/// Bounds the time a connection takes to be made, TLS included.
#[derive(Clone)]
pub(super) struct Within<C> {
    pub(super) limit: Duration,
    pub(super) inner: C,
}

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static, Response: 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.limit, self.inner.call(uri));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(ConnectError::Timeout.into()),
            }
        })
    }
}
