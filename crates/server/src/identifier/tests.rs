use super::*;

#[test]
fn all_spellings_of_an_address_are_one() {
    for (typed, canonical) in [
        ("Ada@Example.COM", "ada@example.com"),
        (" ada@example.com\t", "ada@example.com"),
        ("ZOE\u{308}@example.com", "zoë@example.com"),
        ("zoë@example.com", "zoë@example.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("a.d.a@example.com", "a.d.a@example.com"),
        ("ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"),
    ] {
        assert_eq!(Email::parse(typed).map(|email| email.to_string()), Ok(canonical.to_owned()), "{typed:?}");
    }
}

#[test]
fn a_canonical_address_is_canonical() {
    for typed in
        ["Ada@Example.COM", "ZOE\u{308}@example.com", "İstanbul@example.com", "ﬁsh@example.com", "ǅ@example.com"]
    {
        if let Ok(email) = Email::parse(typed) {
            assert_eq!(Email::parse(email.as_str()), Ok(email.clone()), "{typed}");
        }
    }
}

#[test]
fn a_look_alike_is_somebody_else() {
    assert_ne!(Email::parse("аda@example.com").unwrap(), Email::parse("ada@example.com").unwrap()); // A Cyrillic а.
}

#[test]
fn what_is_no_address_or_hides_something_is_refused() {
    for text in [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@127.0.0.1",
        "ada@[::1]",
        "a da@example.com",
        "ada@exam ple.com",
        "ada\u{0}@example.com",
        "ada\u{200b}@example.com",
        "ada\u{202e}@example.com",
        "ada\r\nBcc: eve@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "\"ada\"@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..b@example.com",
        "ada@example..com",
        "ada@example.com.",
        "ada@example.com,eve@example.com",
        "<ada@example.com>",
        "ada@example.com/path",
        "ada@example.com:25",
    ] {
        assert!(Email::parse(text).is_err(), "{text:?} is taken for an address: {:?}", Email::parse(text));
    }
    assert!(Email::parse(&format!("{}@example.com", "x".repeat(65))).is_err());
}

#[test]
fn lettre_can_send_to_every_address_that_is_accepted() {
    for text in
        ["Ada@Example.COM", "zoë@example.com", "ada@BÜCHER.example", "o'neil+x{y}|z~@example.com", "a=b/c?@example.com"]
    {
        let email = Email::parse(text).unwrap();
        assert!(email.as_str().parse::<lettre::Address>().is_ok(), "{email}");
    }
}

#[test]
fn a_username_is_short_visible_and_no_address() {
    for (typed, canonical) in
        [("Ada", "ada"), ("ada_lovelace-1815", "ada_lovelace-1815"), ("ZOE\u{308}", "zoë"), ("a@b", "a@b")]
    {
        assert_eq!(Username::parse(typed).map(|name| name.as_str().to_owned()), Ok(canonical.to_owned()));
    }
    for text in ["", "ada lovelace", "ada@example.com", "ada\u{200b}", "<b>", "ada/../x", &"x".repeat(129)] {
        assert!(Username::parse(text).is_err(), "{text:?}");
    }
}
