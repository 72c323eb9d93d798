//! The way out to the network: TLS, the HTTP client and the operator's settings. One for each process.
//!
//! There is no system proxy, no cookie jar, no redirect and no HTTP/2 here: one request, one response.

use std::{fmt, future::poll_fn, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};
use tokio::sync::Semaphore;
use tower_http::decompression::{Decompression, DecompressionBody};
use tower_service::Service;
use url::Url;
use vestibule_abi::limits;

use super::{
    connect::{Connector, Dial, Guard, SystemDial, Within},
    resolve::{Resolve, SystemResolver},
};

/// Header lines of a response, at most (HR-107).
const RESPONSE_HEADERS: usize = 100;
/// The head of a response, in bytes, at most (HR-107).
const RESPONSE_HEAD_BYTES: usize = 64 * 1024;
/// How long a connection that is not used is kept.
const IDLE: Duration = Duration::from_secs(10);
/// Connections to one origin that are kept while they are not used.
const IDLE_PER_ORIGIN: usize = 4;
/// Connections to all origins, those in use and those that are kept: what this process spends of its file descriptors.
const SOCKETS: usize = 512;

/// What the operator decides about outbound requests.
#[derive(Clone)]
pub struct EgressSettings {
    /// Destinations that may be reached though they are not public: exact address and port.
    pub allow: Vec<SocketAddr>,
    /// Whether the certificate authorities of the operating system are trusted.
    pub system_roots: bool,
    /// Certificate authorities that are trusted besides.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What finds the addresses of names.
    pub resolver: Arc<dyn Resolve>,
    /// What opens sockets to addresses that have been checked.
    pub dial: Arc<dyn Dial>,
}

impl Default for EgressSettings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            system_roots: true,
            extra_roots: Vec::new(),
            resolver: Arc::new(SystemResolver::default()),
            dial: Arc::new(SystemDial),
        }
    }
}

impl EgressSettings {
    /// Reads `[egress] allow = ["10.1.2.3:443", "[fd00::1]:8080"]`.
    ///
    /// # Errors
    ///
    /// [`EgressError::Allow`] for an entry that is not an address and a port. Names are not accepted: they would open
    /// whatever they point to tomorrow.
    pub fn parse_allow<T: AsRef<str>>(entries: &[T]) -> Result<Vec<SocketAddr>, EgressError> {
        let parse = |entry: &T| entry.as_ref().parse().map_err(|_| EgressError::Allow(entry.as_ref().to_owned()));
        entries.iter().map(parse).collect()
    }
}

/// Why there is no way out to the network. The fault of the installation, not of a rule.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// An entry of `[egress] allow` is not an address and a port.
    #[error("`{0}` in `[egress] allow` is not an address and a port; write it as in `10.1.2.3:443` or `[fd00::1]:443`")]
    Allow(String),
    /// No certificate authority is trusted.
    #[error("no TLS root certificate was found; install the system's `ca-certificates` or configure roots of your own")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("cannot set up TLS for outbound requests")]
    Tls(#[from] rustls::Error),
}

type HttpClient = Client<Within<HttpsConnector<Connector>>, Full<Bytes>>;

/// The process's way out to the network. Cheap to share; connections are reused.
pub struct Egress {
    guard: Arc<Guard>,
    client: Decompression<HttpClient>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("allow", &self.guard.allow).finish_non_exhaustive()
    }
}

impl Egress {
    /// Loads the trusted roots and makes the client. Connects to nothing.
    ///
    /// # Errors
    ///
    /// [`EgressError`] if no root certificate is trusted, or one given is not a certificate.
    pub fn new(settings: EgressSettings) -> Result<Self, EgressError> {
        let tls = tls_config(settings.system_roots, settings.extra_roots)?;
        let guard = Arc::new(Guard { allow: settings.allow });
        let connector = Connector {
            guard: Arc::clone(&guard),
            resolver: settings.resolver,
            dial: settings.dial,
            sockets: Arc::new(Semaphore::new(SOCKETS)),
        };
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_ORIGIN)
            .http1_max_headers(RESPONSE_HEADERS)
            .http1_max_buf_size(RESPONSE_HEAD_BYTES)
            .build(Within { limit: limits::HTTP_CONNECT, inner: https });
        Ok(Self { guard, client: Decompression::new(client) })
    }

    /// Whether this URL leads to a literal address that may not be reached. Names are decided where they are resolved.
    pub(super) fn refuses(&self, url: &Url) -> bool {
        self.guard.refuses(url)
    }

    /// Sends one request. The body of the response is decoded as it is read, without a bound of its own.
    pub(super) async fn send(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<DecompressionBody<Incoming>>, legacy::Error> {
        let mut client = self.client.clone();
        poll_fn(|cx| Service::<http::Request<Full<Bytes>>>::poll_ready(&mut client, cx)).await?;
        client.call(request).await
    }
}

fn tls_config(system_roots: bool, extra_roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, EgressError> {
    let mut roots = RootCertStore::empty();
    if system_roots {
        let found = rustls_native_certs::load_native_certs();
        // System stores hold certificates that do not parse; each one that does is enough for its own peers.
        roots.add_parsable_certificates(found.certs);
    }
    for root in extra_roots {
        roots.add(root)?;
    }
    if roots.is_empty() {
        return Err(EgressError::NoRoots);
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
