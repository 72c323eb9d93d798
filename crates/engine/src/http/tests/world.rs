//! A network of one peer: a server on loopback, a resolver that says what it is told, and a record of every dial.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::pki_types::CertificateDer;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_rustls::TlsAcceptor;
use vestibule_abi::codes::FailureCode;
use vestibule_pipeline::RuleFailure;

use crate::http::{connect::BoxFuture, *};

/// A public address that nobody dials for real.
pub(super) const PUBLIC: &str = "93.184.215.14";

/// What a peer does with a request.
pub(super) enum Reply {
    /// Sends this and closes.
    Now(Vec<u8>),
    /// Sends this once it is told to.
    Once(Arc<Notify>, Vec<u8>),
    /// Sends the first, then the second again and again, with this pause between.
    Forever(Vec<u8>, Vec<u8>, Duration),
}

/// A response with this status line, headers and body.
pub(super) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let len = body.len();
    let mut bytes = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {len}\r\n{headers}\r\n").into();
    Vec::extend_from_slice(&mut bytes, body);
    Reply::Now(bytes)
}

pub(super) fn ok(body: impl AsRef<[u8]>) -> Reply {
    response("200 OK", "", body)
}

/// The network as one test sees it.
pub(super) struct World {
    pub(super) grants: Arc<HttpGrants>,
    pub(super) egress: Arc<Egress>,
    pub(super) net: Arc<Net>,
}

/// What happened on the network.
#[derive(Default)]
pub(super) struct Net {
    names: Mutex<BTreeMap<String, VecDeque<Vec<SocketAddr>>>>,
    peer: Mutex<Option<SocketAddr>>,
    dials: Mutex<Vec<SocketAddr>>,
    seen: Mutex<Vec<String>>,
}

impl Net {
    /// Lets every dial end at this address.
    pub(super) fn is_at(&self, peer: SocketAddr) {
        *self.peer.lock().unwrap() = Some(peer);
    }

    /// Lets every dial be refused.
    pub(super) fn is_gone(&self) {
        *self.peer.lock().unwrap() = None;
    }

    /// Every address that was dialled.
    pub(super) fn dials(&self) -> Vec<String> {
        self.dials.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    /// Every request the peer received, head and body, as text.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Resolve for Arc<Net> {
    fn resolve(&self, host: &str, _: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let mut names = self.names.lock().unwrap();
        let answer = match names.get_mut(host) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        };
        Box::pin(async move { answer.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

impl Dial for Arc<Net> {
    fn dial(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        self.dials.lock().unwrap().push(address);
        let peer = *self.peer.lock().unwrap();
        Box::pin(async move {
            match peer {
                Some(peer) => TcpStream::connect(peer).await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }
}

/// What a world is made of.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) origins: Vec<&'static str>,
    pub(super) secrets: Vec<(&'static str, &'static str, &'static str)>,
    pub(super) allow: Vec<&'static str>,
    /// Answers of the resolver, one list for each time it is asked; the last one stays.
    pub(super) names: Vec<(&'static str, Vec<Vec<&'static str>>)>,
    pub(super) roots: Vec<CertificateDer<'static>>,
}

impl World {
    /// A world with no peer: every dial is refused.
    pub(super) fn new(plan: Plan) -> Self {
        let net = Arc::new(Net::default());
        for (name, answers) in plan.names {
            let addresses =
                |answer: Vec<&str>| answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            net.names.lock().unwrap().insert(name.to_owned(), answers.into_iter().map(addresses).collect());
        }
        let roots = if plan.roots.is_empty() { vec![super::tls::authority().certificate()] } else { plan.roots };
        let settings = EgressSettings {
            allow: EgressSettings::parse_allow(&plan.allow).unwrap(),
            system_roots: false,
            extra_roots: roots,
            resolver: Arc::new(Arc::clone(&net)),
            dial: Arc::new(Arc::clone(&net)),
        };
        let secrets = plan
            .secrets
            .iter()
            .map(|(name, value, origin)| ((*name).to_owned(), (SecretString::from(*value), origin.parse().unwrap())));
        let origins = plan.origins.iter().map(|origin| origin.parse().unwrap()).collect();
        Self {
            grants: Arc::new(HttpGrants::new(origins, secrets.collect()).unwrap()),
            egress: Arc::new(Egress::new(settings).unwrap()),
            net,
        }
    }

    /// A world in which `http://api.example` is a public peer that answers like this.
    pub(super) async fn with_api(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let world = Self::new(Plan {
            origins: vec!["http://api.example"],
            names: vec![("api.example", vec![vec![PUBLIC]])],
            ..Plan::default()
        });
        world.serve(answer).await;
        world
    }

    /// Lets every dial reach a peer that answers like this. It gets the head and the body of the request.
    pub(super) async fn serve(&self, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) {
        self.listen(None, answer).await;
    }

    /// The same over TLS.
    pub(super) async fn serve_tls(&self, tls: TlsAcceptor, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) {
        self.listen(Some(tls), answer).await;
    }

    async fn listen(&self, tls: Option<TlsAcceptor>, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.net.is_at(listener.local_addr().unwrap());
        let (net, answer) = (Arc::clone(&self.net), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (net, answer, tls) = (Arc::clone(&net), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &net, &*answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &net, &*answer).await,
                            Err(error) => Err(error),
                        },
                    }
                });
            }
        });
    }

    /// The requests of one run.
    pub(super) fn run(&self) -> Requests {
        self.run_from(Source::Live(Arc::clone(&self.egress)))
    }

    pub(super) fn run_from(&self, source: Source) -> Requests {
        requests(source, Arc::clone(&self.grants))
    }

    /// One request in a run of its own.
    pub(super) async fn ask(&self, head: Value) -> Asked {
        ask(&mut self.run(), head, "").await
    }
}

/// A run of up to 10 requests.
pub(super) fn requests(source: Source, grants: Arc<HttpGrants>) -> Requests {
    Requests::new(source, grants, 10, Instant::now() + Duration::from_secs(20))
}

/// What a rule gets for a request: the result and the body, or the code that ends its run.
pub(super) type Asked = Result<(Value, String), FailureCode>;

/// A GET of this URL.
pub(super) fn get(url: &str) -> Value {
    json!({"method": "GET", "url": url})
}

/// Starts a request, waits for it and reads it.
pub(super) async fn ask(requests: &mut Requests, head: Value, body: &str) -> Asked {
    let handle = start(requests, &head, body)?;
    wait(requests, &[handle]).await.map_err(|failure| failure.code)?;
    Ok(read(requests, handle))
}

pub(super) fn start(requests: &mut Requests, head: &Value, body: &str) -> Result<u32, FailureCode> {
    requests.start(head.to_string().as_bytes(), body.into()).map_err(|failure| failure.code)
}

pub(super) async fn wait(requests: &mut Requests, handles: &[u32]) -> Result<u32, RuleFailure> {
    poll_fn(|cx| requests.poll_wait(handles, cx)).await
}

pub(super) fn read(requests: &Requests, handle: u32) -> (Value, String) {
    let result = serde_json::from_slice(requests.result(handle).unwrap()).unwrap();
    (result, String::from_utf8_lossy(requests.body(handle).unwrap()).into_owned())
}

/// What a rule got, in one word: a status, an error it can handle, or the code that ended its run.
pub(super) fn word(asked: &Asked) -> String {
    match asked {
        Ok((result, _)) if result["error"].is_string() => format!("value {}", result["error"].as_str().unwrap()),
        Ok((result, _)) => result["status"].to_string(),
        Err(code) => code.to_string(),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    net: &Net,
    answer: &(dyn Fn(&str) -> Reply + Send + Sync),
) -> io::Result<()> {
    let request = receive(&mut stream).await?;
    net.seen.lock().unwrap().push(request.clone());
    match answer(&request) {
        Reply::Now(bytes) => stream.write_all(&bytes).await?,
        Reply::Once(told, bytes) => {
            told.notified().await;
            stream.write_all(&bytes).await?;
        }
        Reply::Forever(first, more, pause) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&more).await?;
                sleep(pause).await;
            }
        }
    }
    stream.shutdown().await
}

async fn receive<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Ok(text);
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Reads an address.
pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
