//! Whether this node lives, whether it can serve, and what it counted. Nothing in it says more than that.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde_json::json;
use vestibule_store::TenantId;

use super::Ops;
use crate::app::Generations as _;

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`: logins can be committed, and this node is not stopping. `behind` is said and changes nothing: the
/// last good rules serve on a node that cannot take up the ones that are live.
pub(super) async fn ready(State(ops): State<Ops>) -> impl IntoResponse {
    let store = &ops.app.store;
    let live = store.active_generation(&TenantId::default()).await;
    let database = live.is_ok() && store.ping().await.is_ok();
    let stopping = ops.stopping.is_cancelled();
    let serving = ops.generations.active(&TenantId::default()).number;
    let behind = live.is_ok_and(|live| live.map(|live| live.number) != serving);
    let status = if database && !stopping { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let told = json!({
        "ready": status == StatusCode::OK, "database": database, "stopping": stopping,
        "generation": serving, "behind": behind,
    });
    (status, Json(told))
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    ([("content-type", "text/plain; version=0.0.4")], ops.metrics.render())
}
