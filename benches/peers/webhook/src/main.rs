//! A webhook: the same function behind a local HTTP server, over one connection that is kept alive.
//!
//! The server is another process on the loopback interface, as a hook beside an identity server is: axum, JSON in, JSON
//! out, the function of [`vestibule_contest::rule::on_tree`]. The client is hyper on a connection that stays open, without
//! TLS, retries or signatures: the cheapest a webhook can be.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, ensure};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path},
    http::StatusCode,
    routing::post,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use vestibule_contest::{
    host::{Contestant, Decide, Deployed, Library, MakeRule},
    kernel,
    protocol::Task,
    rule::{self, Answer, Rule},
    serve::serve,
};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("server") => Builder::new_current_thread().enable_all().build()?.block_on(hook()),
        _ => serve(&Webhook::start()?),
    }
}

/// The hook: says its port on standard output, ends with its standard input.
async fn hook() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let app = Router::new().route("/{rule}", post(answer)).layer(DefaultBodyLimit::max(1 << 20));
    let orphaned = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    tokio::select! {
        served = axum::serve(listener, app).into_future() => Ok(served?),
        _ = orphaned => std::process::exit(0),
    }
}

async fn answer(Path(rule): Path<Rule>, Json(event): Json<Value>) -> Result<Json<Answer>, StatusCode> {
    rule::on_tree(rule, &event).map(Json).map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)
}

/// The host and its hook's process.
struct Webhook {
    server: Child,
    address: SocketAddr,
}

impl Webhook {
    fn start() -> anyhow::Result<Self> {
        let mut server = Command::new(std::env::current_exe()?);
        let mut server = server.arg("server").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { server, address: line.trim().parse().context("the hook named no address")? })
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        // It ends by itself; there is nobody to tell if not.
        let _ = self.server.wait();
    }
}

impl Contestant for Webhook {
    fn described(&self) -> String {
        format!("axum {}, hyper {}", script::version("axum"), script::version("hyper"))
    }

    fn deploy(&self, task: &Task, tenant: usize) -> anyhow::Result<Box<dyn Deployed>> {
        let address = self.address;
        let deploy = move |rule: Rule, _| -> anyhow::Result<MakeRule> {
            Ok(Box::new(move || Ok(Box::new(Connection::open(address, rule)?))))
        };
        Library { described: String::new(), deploy }.deploy(task, tenant)
    }

    fn others_kib(&self) -> anyhow::Result<u64> {
        kernel::resident_kib_of(self.server.id())
    }
}

struct Connection {
    runtime: Runtime,
    sender: http1::SendRequest<Full<Bytes>>,
    path: String,
    host: String,
}

impl Connection {
    fn open(address: SocketAddr, rule: Rule) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            anyhow::Ok(sender)
        })?;
        Ok(Self { runtime, sender, path: format!("/{}", rule.name()), host: address.to_string() })
    }
}

impl Decide for Connection {
    fn decide(&mut self, event: &str) -> anyhow::Result<Answer> {
        let request = Request::post(&self.path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::from(event.to_owned()))?;
        self.runtime.block_on(async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            ensure!(response.status().is_success(), "the hook said {}", response.status());
            let body = response.into_body().collect().await?.to_bytes();
            Ok(serde_json::from_slice(&body)?)
        })
    }
}
