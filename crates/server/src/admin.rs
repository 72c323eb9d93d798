//! Every route of the admin listener, on one page. It listens on loopback unless told otherwise, and is never reachable
//! from where logins come from.
//!
//! Health and metrics are open; everything else needs a token with the scope under which it stands here. Handlers parse
//! and make one call; what an operation is stands in the files below `admin/`.

pub mod auth;
pub mod clients;
pub mod deploy;
mod health;
pub mod history;
pub mod keys;
pub mod maintenance;
pub mod values;

use std::{ops::Deref, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{get, post, put},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use self::auth::Scope;
use crate::{app::App, bundle::BUNDLE_BYTES, generations::StoredGenerations, run_api};

/// The largest body but for bundles, in bytes.
const BODY_BYTES: usize = 1024 * 1024;

/// What the handlers of the admin listener share.
#[derive(Clone)]
pub struct Ops(Arc<OpsParts>);

/// The parts of [`Ops`].
pub struct OpsParts {
    /// What the public listener works with.
    pub app: App,
    /// The rules that are live here.
    pub generations: Arc<StoredGenerations>,
    /// What `/metrics` answers from.
    pub metrics: PrometheusHandle,
    /// Set when this node stops.
    pub stopping: CancellationToken,
    /// The node's own folder.
    pub data: PathBuf,
    /// The folder that backups go to.
    pub backups: PathBuf,
}

impl Ops {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: OpsParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Ops {
    type Target = OpsParts;

    fn deref(&self) -> &OpsParts {
        &self.0
    }
}

/// The admin listener.
pub fn router(ops: Ops) -> Router {
    let needs =
        |scope: Scope, routes: Router<Ops>| routes.route_layer(from_fn_with_state((ops.clone(), scope), auth::require));
    let open = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics));
    let deploy = Router::new()
        .route("/v1/generations", get(deploy::list).post(deploy::propose).layer(DefaultBodyLimit::max(BUNDLE_BYTES)))
        .route("/v1/generations/{number}/activate", post(deploy::activate))
        .route("/v1/generations/{number}/revoke", post(deploy::revoke))
        .route("/v1/clients", get(clients::list))
        .route("/v1/clients/{id}", put(clients::put).delete(clients::remove));
    let secrets = Router::new()
        .route("/v1/secrets", get(values::list_secrets))
        .route("/v1/secrets/{name}", put(values::set_secret).delete(values::remove_secret))
        .route("/v1/configuration", get(values::list_configuration))
        .route("/v1/configuration/{name}", put(values::set_configuration).delete(values::remove_configuration))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/rotate", post(keys::rotate))
        .route("/v1/tokens", get(auth::list).post(auth::create))
        .route("/v1/tokens/{id}", axum::routing::delete(auth::revoke));
    let read = Router::new()
        .route("/v1/explain", get(history::explain))
        .route("/v1/logins", get(history::logins))
        .route("/v1/logins/{login}", get(history::login))
        .route("/v1/logins/{login}/replay", post(history::replay).layer(DefaultBodyLimit::max(BUNDLE_BYTES)))
        .route("/v1/verify", post(maintenance::verify));
    let backup = Router::new().route("/v1/backup", post(maintenance::backup));
    let run = Router::new().route("/v1/pipeline/run", post(run_api::run));
    let break_glass = Router::new()
        .route("/v1/break-glass", post(maintenance::open_break_glass))
        .route("/v1/factors/reset", post(maintenance::reset_factors));
    open.merge(needs(Scope::Deploy, deploy))
        .merge(needs(Scope::Secrets, secrets))
        .merge(needs(Scope::Read, read))
        .merge(needs(Scope::Backup, backup))
        .merge(needs(Scope::Run, run))
        .merge(needs(Scope::BreakGlass, break_glass))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(ops)
}
