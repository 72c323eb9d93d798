use std::net::{IpAddr, Ipv4Addr};

use vestibule_store::TenantId;

use super::*;

fn form(purpose: &'static str, about: &'static str, browser: &'static str) -> Form<'static> {
    Form { purpose, about, browser }
}

#[test]
fn a_token_is_good_for_its_form_in_its_browser_and_nowhere_else() {
    let seal = Seal::new(&[1; 32]).unwrap();
    let token = form("login", "handle", "browser").token(&seal);
    assert_eq!(form("login", "handle", "browser").check(&token, &seal), Ok(()));
    for other in [
        form("signup", "handle", "browser"),
        form("login", "handle2", "browser"),
        form("login", "handle", "browser2"),
        form("login", "", "browser"),
        form("login", "rhandle", "browse"),
    ] {
        assert_eq!(other.check(&token, &seal), Err(Forged::Token), "{other:?}");
    }
    assert_eq!(form("login", "handle", "browser").check(&token, &Seal::new(&[2; 32]).unwrap()), Err(Forged::Token));
    for text in ["", &token[1..], &format!("{token}=")] {
        assert_eq!(form("login", "handle", "browser").check(text, &seal), Err(Forged::Token));
    }
}

#[test]
fn a_form_comes_from_our_origin_to_the_letter() {
    let caller = Caller {
        tenant: TenantId::default(),
        issuer: "https://login.example.com/".to_owned(),
        hostname: "login.example.com".to_owned(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        user_agent: None,
    };
    let check = |origins: &[&str]| {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        same_origin(&headers, &caller)
    };
    assert_eq!(check(&["https://login.example.com"]), Ok(()));
    for wrong in [
        &[][..],
        &["null"],
        &["http://login.example.com"],
        &["https://login.example.com:8443"],
        &["https://login.example.com.evil.example"],
        &["https://evil-login.example.com"],
        &["https://LOGIN.example.com"],
        &["https://login.example.com", "https://login.example.com"],
    ] {
        assert_eq!(check(wrong), Err(Forged::Origin), "{wrong:?}");
    }
}
