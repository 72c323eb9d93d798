//! The answer to an authorization request: at the redirect URI, in the response mode asked for, with `iss` (RFC 9207).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::request::{Destination, ResponseMode};
use crate::{
    error::{Fault, Refused},
    pages,
};

/// What the client is told.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    /// A code.
    Code(&'a str),
    /// Why there is none.
    Error(&'a Refused),
}

/// Sends the browser back to the client.
///
/// # Errors
/// [`Fault`] when the redirect URI, which was registered, is no URL.
pub(crate) fn respond(to: &Destination, answer: &Answer<'_>, issuer: &str) -> Result<Response, Fault> {
    let mut parameters: Vec<(&str, Cow<'_, str>)> = match answer {
        Answer::Code(code) => vec![("code", Cow::Borrowed(*code))],
        Answer::Error(refused) => {
            vec![("error", refused.error.clone()), ("error_description", allowed(&refused.description).into())]
        }
    };
    parameters.extend(to.state.as_deref().map(|state| ("state", Cow::Borrowed(state))));
    parameters.push(("iss", Cow::Borrowed(issuer)));
    match to.response_mode {
        ResponseMode::Query => {
            let mut url = Url::parse(&to.redirect_uri)?;
            url.query_pairs_mut().extend_pairs(&parameters);
            see_other(url.as_str())
        }
        ResponseMode::FormPost => Ok(form_post(&to.redirect_uri, &parameters)),
    }
}

/// `303 See Other`, never 307: what was posted here is not posted there (RFC 9700 §4.12; HS-37).
///
/// # Errors
/// [`Fault`] when the URL cannot stand in a header.
pub(crate) fn see_other(url: &str) -> Result<Response, Fault> {
    let location = HeaderValue::try_from(url)?;
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

fn form_post(action: &str, parameters: &[(&str, Cow<'_, str>)]) -> Response {
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    pages::form_post(action, &parameters)
}

/// What `error_description` may hold: printable ASCII without `"` and `\` (RFC 6749 §4.1.2.1). A rule's reason in another
/// script is a row of question marks; its code says what happened in any language.
fn allowed(description: &str) -> String {
    let allowed = |c: char| match c {
        '"' => '\'',
        '\\' => '/',
        c if c.is_control() => ' ',
        ' '..='~' => c,
        _ => '?',
    };
    description.chars().map(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_holds_what_the_rfc_allows_and_nothing_else() {
        assert_eq!(
            allowed("Please `verify` your e-mail: it's 50 % done!"),
            "Please `verify` your e-mail: it's 50 % done!"
        );
        assert_eq!(allowed("say \"no\"\\\r\nZo\u{eb} \u{202e}\u{7f}\u{85}"), "say 'no'/  Zo? ?  ");
        let all: String = (char::MIN..='\u{2fff}').collect();
        let is_allowed = |c: char| matches!(c, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
        assert!(allowed(&all).chars().all(is_allowed));
    }
}
