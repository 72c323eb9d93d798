//! Who the client is, at the endpoints for programs (RFC 6749 §2.3, §3.2.1; HS-07, HS-38).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq as _;
use vestibule_store::{Client, ClientId, TokenDigest};

use super::parameters::Parameters;
use crate::{
    app::App,
    error::{ApiError, Refused},
    limits::{AccountKey, Trying},
    request::Caller,
};

/// The ways in which clients authenticate; also what discovery says.
pub(crate) const METHODS: &[&str] = &["client_secret_basic", "client_secret_post", "none"];

/// What a client presents.
struct Presented {
    id: ClientId,
    secret: Option<String>,
    method: &'static str,
}

/// The client, authenticated as its registration wants it.
///
/// # Errors
/// `401 invalid_client`, the same for an unknown client and a wrong secret; `invalid_request` for two methods at once; `429`
/// after too many failures at this client from this neighbourhood, whether it exists or not.
pub(crate) async fn authenticate(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Client, ApiError> {
    parameters.check()?;
    let presented = presented(headers, parameters)?;
    let account = AccountKey::of(caller.tenant.as_str(), "client", presented.id.as_str());
    let trying = Trying { address: caller.address, account, browser: None };
    app.accounts.limits.client(&trying)?;
    let client = app.store.client(&caller.tenant, &presented.id).await?;
    match client.filter(|client| is_authentic(client, &presented)) {
        Some(client) => Ok(client),
        None => {
            app.accounts.limits.client_failed(&trying)?;
            Err(invalid_client(presented.method).into())
        }
    }
}

fn presented(headers: &HeaderMap, parameters: &Parameters) -> Result<Presented, Refused> {
    if parameters.get("client_assertion").is_some() {
        return Err(invalid_client("client_secret_post"));
    }
    let in_body = parameters.get("client_secret");
    match headers.get(header::AUTHORIZATION) {
        Some(_) if in_body.is_some() => Err(Refused::invalid_request("Two client authentication methods at once")),
        Some(value) => {
            let (id, secret) =
                value.to_str().ok().and_then(basic).ok_or_else(|| invalid_client("client_secret_basic"))?;
            match parameters.get("client_id") {
                Some(other) if other != id => {
                    Err(Refused::invalid_request("client_id differs from that in Authorization"))
                }
                Some(_) | None => Ok(Presented { id: id.into(), secret: Some(secret), method: "client_secret_basic" }),
            }
        }
        None => Ok(Presented {
            id: parameters.require("client_id")?.into(),
            secret: in_body.map(str::to_owned),
            method: if in_body.is_some() { "client_secret_post" } else { "none" },
        }),
    }
}

/// `Basic` credentials, form-encoded inside (RFC 6749 §2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    let whole = format!("x={text}");
    let mut pairs = url::form_urlencoded::parse(whole.as_bytes());
    // A raw `&` in it means that the client did not encode: then it is as it stands.
    match (pairs.next(), pairs.next()) {
        (Some((_, value)), None) => value.into_owned(),
        _ => text.to_owned(),
    }
}

/// Whether a client presents what its registration asks for. A public client has nothing to present.
fn is_authentic(client: &Client, presented: &Presented) -> bool {
    let methods = &client.settings.auth_methods;
    let may = |method: &str| methods.is_empty() || methods.iter().any(|allowed| allowed == method);
    match (&client.secret, &presented.secret) {
        (None, None) => may("none"),
        (Some(known), Some(secret)) => may(presented.method) && bool::from(known.0.ct_eq(&TokenDigest::of(secret).0)),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn invalid_client(method: &str) -> Refused {
    let refused = Refused::new(StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed.");
    let authenticate = (method == "client_secret_basic").then_some("Basic realm=\"oauth\"");
    Refused { authenticate, ..refused }
}
