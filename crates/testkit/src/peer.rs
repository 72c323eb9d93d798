//! A local HTTP server that behaves as each path says, well or badly; it ends when it is dropped.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use vestibule_engine::http::{Egress, EgressSettings, HttpGrants, Resolve};
use vestibule_pipeline::manifest::Origin;

/// A server on loopback.
#[derive(Debug)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Peer {
    /// Starts serving on a free port. Must be called within a tokio runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        Self { address, heads, _serving: serving }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests that came.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The way out for rules: this peer is opened to them, and nothing else that is not public.
    #[must_use]
    pub fn egress(&self) -> Arc<Egress> {
        egress(vec![self.address])
    }
}

/// A way out to public addresses and these; every name leads to loopback, so that no test can ask the real network.
#[must_use]
pub fn egress(allow: Vec<SocketAddr>) -> Arc<Egress> {
    let root = rcgen::generate_simple_self_signed(["peer.test".to_owned()]).expect("a certificate");
    let settings = EgressSettings {
        allow,
        system_roots: false,
        extra_roots: vec![root.cert.der().clone()],
        resolver: Arc::new(LoopbackNames),
        ..EgressSettings::default()
    };
    Arc::new(Egress::new(settings).expect("a way out"))
}

/// Grants of these origins, and of one secret for the first of them.
#[must_use]
pub fn grants(origins: &[&str], secret: Option<(&str, &str)>) -> Arc<HttpGrants> {
    let origins: Vec<Origin> = origins.iter().map(|origin| origin.parse().expect("an origin")).collect();
    let secrets = secret.map(|(name, value)| (name.to_owned(), (SecretString::from(value), origins[0].clone())));
    Arc::new(HttpGrants::new(origins, secrets.into_iter().collect()).expect("grants"))
}

struct LoopbackNames;

impl Resolve for LoopbackNames {
    fn resolve(&self, _: &str, port: u16) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    while let Some(head) = read_head(&mut stream).await {
        heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
        if respond(&mut stream, &head).await.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn respond(stream: &mut TcpStream, head: &str) -> io::Result<()> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if let Some(target) = path.strip_prefix("/redirect?to=") {
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        return stream.write_all(answer.as_bytes()).await;
    }
    match path {
        "/json" => json(stream, r#"{"plan":"gold"}"#).await,
        "/later" => {
            tokio::time::sleep(Duration::from_millis(150)).await;
            json(stream, r#"{"plan":"late"}"#).await
        }
        // Everything the rule sent comes back to it: what it must not know would be in here.
        "/echo" => json(stream, &serde_json::json!({ "head": head }).to_string()).await,
        "/silent" => std::future::pending().await,
        "/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x-drip: 1\r\n").await?;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = [b"8000\r\n".as_slice(), &[b'x'; 0x8000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await?;
            }
        }
        "/headers" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            for number in 0..10_000 {
                stream.write_all(format!("x-{number}: {number}\r\n").as_bytes()).await?;
            }
            stream.write_all(b"content-length: 0\r\n\r\n").await
        }
        "/reset" => Err(io::ErrorKind::ConnectionReset.into()),
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await,
    }
}

async fn json(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await
}
