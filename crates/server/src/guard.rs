//! What stands around every route of a listener: a bound on requests, times, the last resort for a panic, and one line
//! of log and metrics for each answer.

use std::{
    any::Any,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::{sync::Semaphore, time::timeout};
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};
use tracing::Instrument as _;

use crate::{error::Refused, request::TrustedProxies, settings::Limits, shares::Shares, telemetry};

/// What an answer is known by, in the log and to whoever got it.
const REQUEST_ID: &str = "x-request-id";

/// How the bodies of a listener's requests arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bodies {
    /// Whole, within one deadline, up to so many bytes, before the request takes a place: a body that drips holds none.
    Ahead(usize),
    /// As the handler reads them: they are too large to wait in memory, and come from operators.
    Streamed,
}

/// The ids of requests: one row of numbers for all listeners of a process, behind a start that makes them unlike those of
/// others.
#[derive(Debug, Clone)]
pub(crate) struct RequestIds {
    start: u32,
    next: Arc<AtomicU64>,
}

impl RequestIds {
    pub(crate) fn from(start: u32) -> Self {
        Self { start, next: Arc::default() }
    }

    fn next(&self) -> String {
        format!("{:08x}-{:x}", self.start, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Puts the guard around the routes of a listener.
pub(crate) fn guarded(
    listener: &'static str,
    router: Router,
    (limits, bodies): (Limits, Bodies),
    proxies: Arc<TrustedProxies>,
    ids: RequestIds,
) -> Router {
    let observer = Observer { listener, ids };
    let places = Places {
        all: Arc::new(Semaphore::new(limits.requests)),
        of_one: Shares::new(limits.requests_of_one, Arc::clone(&proxies)),
        proxies,
    };
    let router = router
        .layer(RequestBodyTimeoutLayer::new(limits.body.0)) // Between two pieces of a body, for those that are streamed.
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.request.0))
        .layer(from_fn_with_state(places, shed));
    let router = match bodies {
        Bodies::Ahead(most) => router.layer(from_fn_with_state((most, limits.body.0), arrive)),
        Bodies::Streamed => router,
    };
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(observer, observe)) // Outermost: it sees every answer.
}

#[derive(Clone)]
struct Observer {
    listener: &'static str,
    ids: RequestIds,
}

async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let Observer { listener, ids } = observer;
    let id = ids.next();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = method_word(request.method());
    let span = tracing::info_span!("request", listener, route, method, id, otel.kind = "server");
    let began = Instant::now();
    let answer = async {
        let response = next.run(request).await;
        let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis());
        if listener == "public" {
            tracing::info!(status, ms, "answered");
        } else {
            tracing::debug!(status, ms, "answered");
        }
        response
    };
    let mut response = answer.instrument(span).await;
    telemetry::request(listener, &route, method, response.status().as_u16(), began.elapsed());
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Waits for the whole body, for so long in all, however it is cut into pieces (HS-61).
async fn arrive(State((most, patience)): State<(usize, Duration)>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let told = format!("The body is larger than {most} bytes.");
    if request.body().size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return turn_away(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", told);
    }
    let (parts, body) = request.into_parts();
    match timeout(patience, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            turn_away(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", told)
        }
        Ok(Err(_)) => turn_away(StatusCode::BAD_REQUEST, "invalid_request", "The body broke off.".to_owned()),
        Err(_) => {
            telemetry::shed("body");
            turn_away(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body took too long to arrive.".to_owned())
        }
    }
}

/// The answer to a request whose body nobody reads to its end: the connection goes with it.
fn turn_away(status: StatusCode, error: &'static str, told: String) -> Response {
    let mut response = Refused::new(status, error, told).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The requests that are worked on at one time.
#[derive(Clone)]
struct Places {
    all: Arc<Semaphore>,
    of_one: Shares,
    proxies: Arc<TrustedProxies>,
}

/// Turns away at once what could only wait (HS-63).
async fn shed(State(places): State<Places>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(socket)| socket.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let share = places.of_one.take(places.proxies.client(peer, request.headers()));
    let (Some(_share), Ok(_place)) = (share, places.all.try_acquire()) else {
        telemetry::shed("request");
        let busy = Refused::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "Please try again.");
        return Refused { retry_after: Some(1), ..busy }.into_response();
    };
    next.run(request).await
}

/// The last resort: the request fails, the process goes on. What the panic said may quote anything, so it is not told.
fn panicked(_said: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request panicked");
    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Something went wrong here.").into_response()
}

/// A word from a fixed set: clients may invent methods, and a label must not follow them.
fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
