//! Every route of the public listener, on one page. The admin listener has a page of its own.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::{app::App, change_password, pages, signup};

/// The largest body of any request, in bytes; a route may allow less.
const BODY_BYTES: usize = 64 * 1024;

/// The public listener.
pub fn router(app: App) -> Router {
    Router::new()
        // OpenID Connect and OAuth 2.0, for clients: oauth/*.rs
        // GET, POST /authorize · GET, POST /continue · POST /oauth/token · GET, POST /userinfo · POST /oauth/revoke
        // GET /.well-known/openid-configuration · GET /.well-known/jwks.json
        // GET /v2/logout · GET, POST /oidc/logout
        // Accounts, for clients.
        .route("/dbconnections/signup", post(signup::endpoint))
        .route("/dbconnections/change_password", post(change_password::endpoint))
        // Pages, for people: with `?state=`, the handle of a parked login, or `?token=`, of a link in a mail.
        .route("/u/login", get(pages::login::show).post(pages::login::submit))
        .route("/u/signup", get(pages::signup::show).post(pages::signup::submit))
        .route("/u/mfa", get(pages::factor::show).post(pages::factor::submit))
        .route("/u/forgot", get(pages::reset::show_forgot).post(pages::reset::forgot))
        .route("/u/reset", get(pages::reset::show_reset).post(pages::reset::reset))
        .route("/u/verify", get(pages::verify::show).post(pages::verify::submit))
        .route("/u/logged-out", get(pages::logged_out))
        .route("/u/style.css", get(pages::style))
        .route("/u/icon.svg", get(pages::icon))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(app)
}
