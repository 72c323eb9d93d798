//! Where an answer may send the browser (HR-90).

use url::Url;
use vestibule_abi::{codes::FailureCode, limits};

use crate::{
    failure::RuleFailure,
    manifest::{Redirects, is_browsable},
};

/// Checks a URL and gives it as it will be sent: parsed and written again, so that browser and host agree on it.
pub(super) fn checked(text: &str, allowed: &Redirects) -> Result<String, RuleFailure> {
    let url = parse(text).map_err(refused)?;
    let is_allowed = match allowed {
        Redirects::Anywhere => true,
        Redirects::To(targets) => targets.iter().any(|target| target.holds(&url)),
    };
    if !is_allowed {
        let origin = url.origin().ascii_serialization();
        return Err(refused(format!("`{origin}` with this path is not among `capabilities.redirect`; add it there")));
    }
    Ok(url.into())
}

fn parse(text: &str) -> Result<Url, String> {
    if text.len() > limits::REDIRECT_URL_BYTES {
        return Err(format!("the URL is longer than {} bytes", limits::REDIRECT_URL_BYTES));
    }
    // URL parsers repair these, each in its own way.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("the URL holds a space, a control character or `\\`".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("not an absolute URL: {error}"))?;
    if !is_browsable(&url) {
        return Err("the URL is not `https` (`http` only for this machine)".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user".to_owned());
    }
    let written = url.as_str().len();
    if written > limits::REDIRECT_URL_BYTES {
        return Err(format!("the URL is longer than {} bytes", limits::REDIRECT_URL_BYTES));
    }
    Ok(url)
}

fn refused(message: String) -> RuleFailure {
    RuleFailure::new(FailureCode::RedirectNotAllowed, message)
}
