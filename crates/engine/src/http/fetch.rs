//! One request, from sending to the blanked response: redirects, bounds on size and time, and what each error means.

use std::{error::Error, io, sync::Arc};

use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};
use url::Url;
use vestibule_abi::{codes::FailureCode, limits};

use super::{
    connect::ConnectError,
    egress::Egress,
    exchange::{Received, Response},
    grants::HttpGrants,
    outgoing::Outgoing,
};

/// Headers of the transfer: they do not describe the body the rule gets, whose length it is told otherwise.
const OF_THE_TRANSFER: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Sends a request and reads its response, within its own time limit and the login's deadline; fails at once while the
/// breaker of its origin is open.
pub(super) async fn fetch(
    egress: Arc<Egress>,
    outgoing: Outgoing,
    grants: Arc<HttpGrants>,
    deadline: Instant,
) -> Received {
    let began = Instant::now();
    let origin = outgoing.origin.clone();
    let breaker = grants.breaker(&origin);
    if breaker.is_some_and(|breaker| !breaker.admits(began)) {
        return Received::Error(FailureCode::HttpFailed);
    }
    let deadline = deadline.min(began + outgoing.timeout);
    let received = match timeout_at(deadline, follow(&egress, outgoing, &grants)).await {
        Ok(Ok(response)) => Received::Response(blanked(response, &grants)),
        Ok(Err(code)) => Received::Error(code),
        Err(_) => Received::Error(FailureCode::HttpTimeout),
    };
    if let Some(breaker) = breaker {
        breaker.ended(matches!(received, Received::Response(_)), Instant::now());
    }
    received
}

/// Follows as many redirects as were asked for; the rule sees the one after as it is.
async fn follow(egress: &Egress, mut outgoing: Outgoing, grants: &HttpGrants) -> Result<Response, FailureCode> {
    loop {
        let response = egress.send(outgoing.request()?).await.map_err(|error| code_of(&error))?;
        let next = if outgoing.redirects == 0 { None } else { target(&outgoing.url, &response) };
        let Some(next) = next else {
            return read(response, outgoing.is_head()).await;
        };
        outgoing = outgoing.redirected(next, grants)?;
    }
}

/// Where a redirect leads, if it is one.
fn target<B>(from: &Url, response: &http::Response<B>) -> Option<Url> {
    match response.status() {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => {}
        _ => return None,
    }
    let mut next = from.join(response.headers().get(header::LOCATION)?.to_str().ok()?).ok()?;
    next.set_fragment(None);
    Some(next)
}

async fn read<B>(response: http::Response<B>, is_head: bool) -> Result<Response, FailureCode>
where
    B: http_body::Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (head, body) = response.into_parts();
    let body = if is_head {
        Vec::new() // A decoder would wait for what `content-encoding` promises.
    } else {
        let read = Box::pin(Limited::new(body, limits::HTTP_RESPONSE_BYTES)).collect().await;
        read.map_err(|error| code_of(error.as_ref()))?.to_bytes().into()
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().filter(|(name, _)| !OF_THE_TRANSFER.contains(name));
    Ok(Response {
        status: head.status.as_u16(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body,
    })
}

fn blanked(response: Response, grants: &HttpGrants) -> Response {
    let blank = grants.blank();
    Response {
        status: response.status,
        headers: response.headers.iter().map(|(name, value)| (blank.text(name), blank.text(value))).collect(),
        body: blank.bytes(response.body),
    }
}

/// What an error means for the rule: the innermost cause we know decides.
fn code_of(error: &(dyn Error + 'static)) -> FailureCode {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<ConnectError>() {
            return error.code();
        }
        if error.is::<rustls::Error>() {
            return FailureCode::HttpTls;
        }
        if error.is::<LengthLimitError>() || error.downcast_ref().is_some_and(hyper::Error::is_parse_too_large) {
            return FailureCode::HttpTooLarge;
        }
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside), // `source` would skip the error it wraps.
            None => error.source(),
        };
    }
    FailureCode::HttpFailed
}
