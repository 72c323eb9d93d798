//! What stands around every route of a listener: a bound on requests, times, the last resort for a panic, and one line
//! of log and metrics for each answer.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};
use tracing::Instrument as _;

use crate::{error::Refused, settings::Limits, telemetry};

/// What an answer is known by, in the log and to whoever got it.
const REQUEST_ID: &str = "x-request-id";

/// Puts the guard around the routes of a listener. `start` makes the ids of this process unlike those of others.
pub(crate) fn guarded(listener: &'static str, router: Router, limits: Limits, start: u32) -> Router {
    let observer = Observer { listener, start, requests: Arc::default() };
    router
        .layer(RequestBodyTimeoutLayer::new(limits.body.0))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.request.0))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(limits.requests)), shed))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(observer, observe)) // Outermost: it sees every answer.
}

#[derive(Clone)]
struct Observer {
    listener: &'static str,
    start: u32,
    requests: Arc<AtomicU64>,
}

async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let Observer { listener, start, requests } = observer;
    let id = format!("{start:08x}-{:x}", requests.fetch_add(1, Ordering::Relaxed));
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

/// Turns away at once what could only wait (HS-63).
async fn shed(State(slots): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_slot) = slots.try_acquire() else {
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
