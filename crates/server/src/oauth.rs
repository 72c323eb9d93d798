//! OpenID Connect and OAuth 2.0, as clients see them (OpenID Connect Core, RFC 6749, RFC 7636, RFC 9207, RFC 9700).
//!
//! `/authorize` reads a request (`request`) and hands it to the login; `respond` carries the answer back. What a
//! client may ask for stands in `scope`, where an answer may go in `redirect_uri`.

pub(crate) mod authorize;
pub mod discovery;
pub(crate) mod logout;
pub(crate) mod resume;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod userinfo;

pub(crate) mod client_auth;
pub(crate) mod cors;
pub(crate) mod parameters;
pub(crate) mod pkce;
pub mod redirect_uri;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod scope;
