//! Forged forms are refused: each form carries a token, and each POST comes from a page of ours (HS-19).
//!
//! The token is a MAC over the browser's cookie, what the form does, and what it does it to. So it is good in no other
//! browser and for no other form, and nothing is stored for it. The `Origin` header is checked besides: browsers set it.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::{keys::Seal, request::Caller};

/// One form in one browser.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// What the form does: `login`, `signup`, `reset` …
    pub purpose: &'static str,
    /// What it does it to: the handle of a login, a token of a link.
    pub about: &'a str,
    /// The value of the browser's cookie.
    pub browser: &'a str,
}

/// Why a POST is not believed to come from a page of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The `Origin` header is another's, or missing.
    #[error("the form was sent from another site")]
    Origin,
    /// The token is missing, of another browser, or of another form.
    #[error("the form is out of date")]
    Token,
}

impl Form<'_> {
    /// The token that the form carries.
    #[must_use]
    pub fn token(&self, seal: &Seal) -> String {
        let purpose = ["form/", self.purpose].concat();
        let data = [self.browser, "\0", self.about].concat(); // A cookie's value holds no NUL.
        BASE64_URL_SAFE_NO_PAD.encode(seal.mac(&purpose, data.as_bytes()))
    }

    /// Whether what was posted carries it, and comes from a page of ours.
    pub fn check(&self, token: &str, seal: &Seal) -> Result<(), Forged> {
        let is_right: bool = self.token(seal).as_bytes().ct_eq(token.as_bytes()).into();
        if is_right { Ok(()) } else { Err(Forged::Token) }
    }
}

/// Whether a POST was sent by a page of ours. All browsers in use name the origin of a POST.
pub fn same_origin(headers: &HeaderMap, caller: &Caller) -> Result<(), Forged> {
    let ours = Url::parse(&caller.issuer).map_err(|_| Forged::Origin)?.origin().ascii_serialization();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin.as_bytes() == ours.as_bytes() => Ok(()),
        (Some(_) | None, _) => Err(Forged::Origin),
    }
}

#[cfg(test)]
mod tests;
