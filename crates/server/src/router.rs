//! Every route of the public listener, on one page. The admin listener has a page of its own.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{get, post},
};

use crate::{
    app::App,
    change_password, headers,
    oauth::{authorize, cors, discovery, logout, resume, revoke, token, userinfo},
    pages, signup,
};

/// The largest body of any request, in bytes; a route may allow less.
pub(crate) const BODY_BYTES: usize = 64 * 1024;

/// The public listener.
pub fn router(app: App) -> Router {
    Router::new()
        // OpenID Connect, for browsers
        .route("/authorize", get(authorize::get).post(authorize::post))
        .route("/continue", get(resume::get).post(resume::post))
        .route("/v2/logout", get(logout::classic))
        .route("/oidc/logout", get(logout::get).post(logout::post))
        // OpenID Connect, for programs, and for scripts of registered origins
        .merge(for_programs(&app))
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
        .route("/u/logout", post(logout::confirmed))
        .route("/u/logged-out", get(pages::logged_out))
        .route("/u/style.css", get(pages::style))
        .route("/u/icon.svg", get(pages::icon))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(app.clone(), headers::complete))
        .with_state(app)
}

/// What clients call by themselves; no cookie counts here.
fn for_programs(app: &App) -> Router<App> {
    Router::new()
        .route("/oauth/token", post(token::post))
        .route("/oauth/revoke", post(revoke::post))
        .route("/userinfo", get(userinfo::show).post(userinfo::show))
        .route("/.well-known/openid-configuration", get(discovery::configuration))
        .route("/.well-known/jwks.json", get(discovery::keys))
        .method_not_allowed_fallback(token::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), cors::allow))
}
