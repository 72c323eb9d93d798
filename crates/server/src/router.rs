//! Every route of the public listener, on one page. The admin listener has a page of its own.

use axum::{Router, extract::DefaultBodyLimit};

use crate::app::App;

/// The largest body of any request, in bytes; a route may allow less.
const BODY_BYTES: usize = 64 * 1024;

/// The public listener.
pub fn router(app: App) -> Router {
    Router::new()
        // OpenID Connect and OAuth 2.0, for clients: oauth/*.rs
        // GET, POST /authorize · GET, POST /continue · POST /oauth/token · GET, POST /userinfo · POST /oauth/revoke
        // GET /.well-known/openid-configuration · GET /.well-known/jwks.json
        // GET /v2/logout · GET, POST /oidc/logout
        // Accounts, for clients: signup.rs, change_password.rs
        // POST /dbconnections/signup · POST /dbconnections/change_password
        // Pages, for people: pages/*.rs
        // GET, POST /u/login · GET, POST /u/signup · GET, POST /u/mfa … (all with ?state=, the handle of a parked login)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(app)
}
