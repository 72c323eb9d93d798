//! What a rule may not reach: nothing arrives there.

use super::*;

/// HR-101, HR-102: private addresses as literals, in every notation, though the manifest grants them.
#[test]
fn a_literal_address_that_is_not_public_is_blocked() {
    let _alone = alone();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
    ];
    assert_blocked(&hosts.map(|host| format!("http://{host}:9")));
}

/// HR-101, HR-103: names that lead to loopback, whatever they are called.
#[test]
fn a_name_that_leads_inside_is_blocked() {
    let _alone = alone();
    assert_blocked(&["localhost", "localhost.", "LOCALHOST", "public.example"].map(|name| format!("http://{name}:9")));
}

#[track_caller]
fn assert_blocked(origins: &[String]) {
    warm_up();
    let peer = runtime().block_on(Peer::start()); // What is opened is this one port, and nothing else on loopback.
    for origin in origins {
        for profile in PROFILES {
            let rule = calling(profile, &get(&format!("{origin}/")), peer::grants(&[origin], None));
            let run = run(&rule, Source::Live(peer.egress()));
            assert_eq!(failure(&run), FailureCode::HttpBlocked, "{origin}");
        }
    }
    assert_eq!(peer.heads(), Vec::<String>::new());
    benign_login(Profile::Fast).expect("logins go on");
}

/// HR-105: origins that only look like the one that is granted.
#[test]
fn an_origin_that_was_not_granted_is_blocked() {
    let _alone = alone();
    let urls = [
        "https://api.example.com.evil.example/",
        "https://api.example.com@evil.example/",
        "https://evil.example/api.example.com",
        "https://evilapi.example.com/",
        "https://api.example.com:8443/",
        "http://api.example.com/",
        "https://api.ex\u{430}mple.com/",
        "https://api.example.com./",
        "ftp://api.example.com/",
        "file:///etc/passwd",
    ];
    for url in urls {
        let rule = calling(Profile::Fast, &get(url), peer::grants(&["https://api.example.com"], None));
        assert_eq!(failure(&run(&rule, Source::Live(peer::egress(Vec::new())))), FailureCode::HttpBlocked, "{url}");
    }
}

/// HR-104: every hop is checked like the first.
#[test]
fn a_redirect_to_the_inside_is_blocked() {
    let _alone = alone();
    for target in
        ["http://127.0.0.1:9/", "http://169.254.169.254/latest/meta-data/", "//evil.example/", "file:///etc/passwd"]
    {
        for run in ask(&format!("/redirect?to={target}"), json!({"redirects": 1})) {
            assert_eq!(failure(&run), FailureCode::HttpBlocked, "{target}");
        }
    }
}
