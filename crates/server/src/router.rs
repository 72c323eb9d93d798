//! Every route of the public listener, on one page. The admin listener has a page of its own.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::{
    app::App,
    oauth::{authorize, discovery, logout, resume, revoke, token, userinfo},
};

/// The largest body of any request, in bytes; a route may allow less.
const BODY_BYTES: usize = 64 * 1024;

/// The public listener.
pub fn router(app: App) -> Router {
    Router::new()
        // OpenID Connect, for browsers
        .route("/authorize", get(authorize::get).post(authorize::post))
        .route("/continue", get(resume::get).post(resume::post))
        .route("/v2/logout", get(logout::classic))
        .route("/oidc/logout", get(logout::get).post(logout::post))
        .route("/u/logout", post(logout::confirmed))
        // OpenID Connect, for programs
        .route("/oauth/token", post(token::post))
        .route("/oauth/revoke", post(revoke::post))
        .route("/userinfo", get(userinfo::show).post(userinfo::show))
        .route("/.well-known/openid-configuration", get(discovery::configuration))
        .route("/.well-known/jwks.json", get(discovery::keys))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(app)
}
