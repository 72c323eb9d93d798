//! Whether an answer may be sent to a URI: the very string that is registered (RFC 9700 §4.1.3; HS-29).

use url::{Host, Url};

/// Whether a client registered this URI. For a native client the port of a loopback address is free (RFC 8252 §7.3).
pub(crate) fn is_registered(asked: &str, registered: &[String], is_native: bool) -> bool {
    registered.iter().any(|known| known == asked || (is_native && differs_in_loopback_port(asked, known)))
}

/// Whether both are the same URI on a loopback address but for the port. `localhost` is a name, not an address.
fn differs_in_loopback_port(asked: &str, registered: &str) -> bool {
    let (Some(asked), Some(registered)) = (without_loopback_port(asked), without_loopback_port(registered)) else {
        return false;
    };
    asked == registered
}

/// The URI without its port, unless the parser would have read anything else into it than what is written.
fn without_loopback_port(uri: &str) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    let is_as_written = url.as_str() == uri || url.as_str().strip_suffix('/') == Some(uri);
    let is_loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(_) => false,
    };
    let is_plain = url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
    if !(is_as_written && is_loopback && is_plain) {
        return None;
    }
    url.set_port(None).ok()?;
    Some(url.into())
}

/// Why a URI cannot be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// It is no absolute URI.
    #[error("it is no absolute URI")]
    NotAbsolute,
    /// It has a fragment.
    #[error("it has a fragment")]
    Fragment,
    /// It has a `*`.
    #[error("it has a `*`: redirect URIs are compared to the letter")]
    Wildcard,
    /// It has a user name or a password.
    #[error("it has a user name or a password in it")]
    Credentials,
    /// Its scheme runs script or shows data in the browser.
    #[error("its scheme is one that browsers run")]
    Scheme,
    /// It is not encrypted, and leads elsewhere than to this machine.
    #[error("it is `http` and leads elsewhere than to the loopback interface")]
    Cleartext,
}

/// Whether a URI may be registered for a client at all.
///
/// # Errors
/// [`InvalidRedirectUri`] says what is wrong with it.
pub fn check_registration(uri: &str) -> Result<(), InvalidRedirectUri> {
    let url = Url::parse(uri).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
    let is_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        _ if uri.contains('*') => Err(InvalidRedirectUri::Wildcard),
        _ if url.fragment().is_some() => Err(InvalidRedirectUri::Fragment),
        _ if !url.username().is_empty() || url.password().is_some() => Err(InvalidRedirectUri::Credentials),
        "javascript" | "data" | "vbscript" | "blob" | "file" | "about" => Err(InvalidRedirectUri::Scheme),
        "http" if !is_local => Err(InvalidRedirectUri::Cleartext),
        _ => Ok(()),
    }
}

/// Why a text is no origin of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Browsers write it otherwise, or never: it would never match.
    #[error("write scheme, host and port as browsers do: lower case, no default port, nothing behind it")]
    Form,
    /// Anybody between could be that page.
    #[error("it is `http` and leads elsewhere than to the loopback interface")]
    Cleartext,
}

/// Whether an origin may be registered: written as browsers write it, because it is compared to the letter.
///
/// # Errors
/// [`InvalidOrigin`].
pub fn check_origin(origin: &str) -> Result<(), InvalidOrigin> {
    let url = Url::parse(origin).map_err(|_| InvalidOrigin::Form)?;
    if origin.contains('*') || url.origin().ascii_serialization() != origin {
        return Err(InvalidOrigin::Form);
    }
    match check_registration(origin) {
        Ok(()) => Ok(()),
        Err(InvalidRedirectUri::Cleartext) => Err(InvalidOrigin::Cleartext),
        Err(_) => Err(InvalidOrigin::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERED: &str = "https://app.example.com/cb?x=1";

    #[test]
    fn only_the_very_string_is_registered() {
        let registered = [REGISTERED.to_owned()];
        assert!(is_registered(REGISTERED, &registered, false));
        for other in [
            "https://app.example.com/cb",
            "https://app.example.com/cb?x=1&y=2",
            "https://app.example.com/cb?x=1#f",
            "https://app.example.com/cb/?x=1",
            "https://app.example.com/CB?x=1",
            "https://APP.example.com/cb?x=1",
            "https://app.example.com:443/cb?x=1",
            "https://app.example.com/a/../cb?x=1",
            "https://app.example.com/%63b?x=1",
            "https://user@app.example.com/cb?x=1",
            "https://app.example.com.evil.example/cb?x=1",
            "http://app.example.com/cb?x=1",
            " https://app.example.com/cb?x=1",
        ] {
            assert!(!is_registered(other, &registered, true), "{other}");
        }
    }

    #[test]
    fn the_port_of_a_loopback_address_is_free_for_native_clients_only() {
        let registered = ["http://127.0.0.1/cb".to_owned(), "http://[::1]:1/cb".to_owned()];
        for port in ["http://127.0.0.1:49152/cb", "http://[::1]:8080/cb"] {
            assert!(is_registered(port, &registered, true), "{port}");
            assert!(!is_registered(port, &registered, false), "{port}");
        }
        for other in [
            "http://127.0.0.1:49152/other",
            "http://localhost:49152/cb",
            "http://127.1:49152/cb",
            "http://2130706433:49152/cb",
            "https://127.0.0.1:49152/cb",
            "http://user@127.0.0.1:49152/cb",
            "http://127.0.0.1:49152/x/../cb",
            "http://127.0.0.2:49152/cb",
        ] {
            assert!(!is_registered(other, &registered, true), "{other}");
        }
        let name = ["http://localhost/cb".to_owned()];
        assert!(!is_registered("http://localhost:8080/cb", &name, true));
    }

    #[test]
    fn what_cannot_be_registered_is_named() {
        for (uri, why) in [
            ("/cb", InvalidRedirectUri::NotAbsolute),
            ("https://*.example.com/cb", InvalidRedirectUri::Wildcard),
            ("https://example.com/cb#f", InvalidRedirectUri::Fragment),
            ("https://a:b@example.com/cb", InvalidRedirectUri::Credentials),
            ("javascript:alert(1)", InvalidRedirectUri::Scheme),
            ("http://example.com/cb", InvalidRedirectUri::Cleartext),
        ] {
            assert_eq!(check_registration(uri), Err(why), "{uri}");
        }
        for uri in ["https://example.com/cb", "http://127.0.0.1/cb", "http://localhost:3000/cb", "com.example.app:/cb"]
        {
            assert_eq!(check_registration(uri), Ok(()), "{uri}");
        }
    }
}
