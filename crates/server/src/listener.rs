//! Accepts connections, bounds what one may occupy, and ends them in order.
//!
//! What stands here is what a slow or greedy peer meets before any request is parsed (HS-61): a cap on connections, a time
//! for the head of a request, a time for an idle connection. When the server stops, the listener closes first; requests
//! that were accepted are answered, and what is not done after the drain time is cut (HS-64).

mod patience;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use self::patience::{Patient, Phase};
use crate::{request::TrustedProxies, settings::Limits, shares::Shares, telemetry};

/// The head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// What a peer is told that found all connections taken.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// How long a peer may take to read that.
const GOODBYE: Duration = Duration::from_secs(1);

/// Serves a router until it is told to stop; how many connections had to be cut then.
pub async fn serve(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    limits: Limits,
    proxies: Arc<TrustedProxies>,
    stop: CancellationToken,
) -> usize {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let shares = Shares::new(limits.connections_of_one, proxies);
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    while let Some((stream, peer)) = accept(&listener, &stop).await {
        while tasks.try_join_next().is_some() {}
        telemetry::connections(name, tasks.len());
        let (Some(share), Ok(slot)) = (shares.take(peer.ip()), Arc::clone(&slots).try_acquire_owned()) else {
            telemetry::shed("connection");
            tokio::spawn(timeout(GOODBYE, turn_away(stream)));
            continue;
        };
        let phase = Phase::default();
        let stream = Patient::new(stream, phase.clone(), limits.header.0);
        let router = router.clone();
        let service =
            service_fn(move |request: Request<Incoming>| answer(request, peer, router.clone(), phase.clone()));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle.0) // From the end of the request before; the head itself: `Patient`.
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tasks.spawn(async move {
            let _place = (slot, share);
            // A peer that breaks off or dawdles ends its own connection; nobody has to be told.
            let _ended = connection.await;
        });
    }
    drop(listener); // First of all: who comes now finds another node, or nobody, and loses nothing.
    tokio::select! {
        () = graceful.shutdown() => {}
        () = sleep(limits.drain.0) => {}
    }
    while tasks.try_join_next().is_some() {}
    telemetry::connections(name, 0);
    tasks.len()
}

/// The next connection; none when the server stops.
async fn accept(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let _best_effort = stream.set_nodelay(true);
                return Some((stream, peer));
            }
            Err(error) => {
                // Out of file descriptors, mostly: connections that end make room.
                tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    router: Router,
    phase: Phase,
) -> Result<Response<Body>, Infallible> {
    phase.begin_request();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await;
    phase.end_request();
    response
}

/// Says so and hears the peer out: closing on words nobody read resets the connection, and the answer with it.
async fn turn_away(mut stream: TcpStream) {
    let _gone = stream.write_all(FULL).await;
    let _gone = stream.shutdown().await;
    let _gone = copy(&mut stream.take(HEAD_BYTES as u64), &mut sink()).await;
}
