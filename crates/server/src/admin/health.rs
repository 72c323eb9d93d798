//! Whether this node lives, whether it can serve, and what it counted. Nothing in it says more than that.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde_json::json;

use super::Ops;

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`: the database answers, and this node is not stopping.
pub(super) async fn ready(State(ops): State<Ops>) -> impl IntoResponse {
    let database = ops.app.store.ping().await.is_ok();
    let stopping = ops.stopping.is_cancelled();
    let status = if database && !stopping { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": status == StatusCode::OK, "database": database, "stopping": stopping})))
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    ([("content-type", "text/plain; version=0.0.4")], ops.metrics.render())
}
