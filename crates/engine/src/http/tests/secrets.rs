//! A secret goes into a header for its own origin and nowhere else, and never comes back.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use vestibule_abi::codes::FailureCode;

use super::world::*;
use crate::http::HttpGrants;

const SECRET: &str = r#"s3/cr+3t t0"k3n=="#;

fn plan() -> Plan {
    Plan {
        origins: vec!["http://api.example", "http://other.example"],
        secrets: vec![("TOKEN", SECRET, "http://api.example"), ("OTHER", "another-value", "http://other.example")],
        names: vec![("api.example", vec![vec![PUBLIC]]), ("other.example", vec![vec![PUBLIC]])],
        ..Plan::default()
    }
}

fn with_header(url: &str, name: &str, value: &str) -> Value {
    json!({"method": "GET", "url": url, "headers": [[name, value]]})
}

#[tokio::test]
async fn a_secret_is_put_in_where_it_is_named_and_not_recorded() {
    let cases = [
        ("{{secret:TOKEN}}", SECRET.to_owned()),
        ("Bearer {{secret:TOKEN}}", format!("Bearer {SECRET}")),
        ("a={{secret:TOKEN}}, b={{secret:TOKEN}};", format!("a={SECRET}, b={SECRET};")),
        ("{{TOKEN}} {secret:TOKEN}", "{{TOKEN}} {secret:TOKEN}".to_owned()),
    ];
    for (written, sent) in cases {
        let world = World::new(plan());
        world.serve(|_| ok("")).await;
        let mut run = world.run();
        assert_eq!(word(&ask(&mut run, with_header("http://api.example/", "X-Key", written), "").await), "200");
        assert!(world.net.seen()[0].contains(&format!("x-key: {sent}\r\n")), "{:?}", world.net.seen());
        let record = run.finish().exchanges;
        assert_eq!(record[0].asked.headers, [("X-Key".to_owned(), written.to_owned())]);
        assert!(!serde_json::to_string(&record).unwrap().contains("cr+3t"));
    }
}

#[test]
fn a_secret_anywhere_else_is_refused() {
    let here = "http://api.example/";
    let cases = [
        (with_header(here, "x", "{{secret:UNKNOWN}}"), ""),
        (with_header(here, "x", "{{secret:}}"), ""),
        (with_header(here, "x", "{{secret:TOKEN"), ""),
        (with_header(here, "x", "{{secret:{{secret:TOKEN}}}}"), ""),
        (with_header(here, "x", "{{secret:OTHER}}"), ""), // Granted for another origin.
        (with_header("http://other.example/", "x", "{{secret:TOKEN}}"), ""), // The same, the other way round.
        (with_header(here, "{{secret:TOKEN}}", "x"), ""),
        (get("http://api.example/{{secret:TOKEN}}"), ""),
        (get("http://api.example/?key={{secret:TOKEN}}"), ""),
        (json!({"method": "{{secret:TOKEN}}", "url": here}), ""),
        (json!({"method": "POST", "url": here}), r#"{"key": "{{secret:TOKEN}}"}"#),
    ];
    for (head, body) in cases {
        let world = World::new(plan());
        assert_eq!(start(&mut world.run(), &head, body), Err(FailureCode::HostcallBadArgs), "{head}");
        assert_eq!(world.net.dials(), Vec::<String>::new());
    }
}

/// Every form in which a peer may echo the secret by accident.
fn echoes() -> Vec<String> {
    let percent_all: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let unicode: String = SECRET.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    vec![
        SECRET.to_owned(),
        SECRET.to_uppercase(),
        r#"s3/cr+3t t0\"k3n=="#.to_owned(),
        r#"s3\/cr+3t t0\"k3n=="#.to_owned(),
        "s3%2Fcr%2B3t%20t0%22k3n%3D%3D".to_owned(),
        "s3%2fcr%2b3t+t0%22k3n%3d%3d".to_owned(),
        percent_all,
        unicode,
        BASE64_STANDARD.encode(SECRET),
        BASE64_URL_SAFE_NO_PAD.encode(SECRET),
        BASE64_STANDARD.encode(format!("user:{SECRET}")),
        BASE64_STANDARD.encode(format!("me:{SECRET}!")),
        BASE64_URL_SAFE_NO_PAD.encode(format!("a:{SECRET}??")),
    ]
}

#[tokio::test]
async fn an_echo_of_a_secret_is_blanked_in_headers_and_body() {
    for echo in echoes() {
        let reply = echo.clone();
        let world = World::new(plan());
        world.serve(move |_| response("200 OK", &format!("x-echo: <{reply}>\r\n"), format!("<{reply}> kept"))).await;
        let (result, body) = world.ask(get("http://api.example/")).await.unwrap();
        assert!(body.starts_with('<') && body.ends_with("> kept") && body.contains("***"), "{echo}: {body}");
        assert!(body.len() < "<***> kept".len() + 12, "{echo}: {body}"); // What stands around it stays.
        assert_eq!(result["body_len"], body.len());
        let header = result["headers"][0][1].as_str().unwrap();
        assert!(header.contains("***") && header.len() < "<***>".len() + 12, "{echo}: {header}");
    }
}

#[tokio::test]
async fn an_echo_as_the_name_of_a_header_is_blanked() {
    let secrets = vec![("HEX", "0123456789abcdef", "http://api.example")];
    let world = World::new(Plan { secrets, ..plan() });
    world.serve(|_| response("200 OK", "X-0123456789ABCDEF: 1\r\n", "")).await;
    let (result, _) = world.ask(get("http://api.example/")).await.unwrap();
    assert_eq!(result["headers"], json!([["x-***", "1"]]));
}

#[tokio::test]
async fn what_only_looks_like_a_secret_is_kept() {
    let innocent = r#"s3/cr+3t t0"k3n= s3%2Fcr %zz %2 \u00 \ + s3"#;
    let world = World::new(plan());
    world.serve(move |_| ok(innocent)).await;
    assert_eq!(world.ask(get("http://api.example/")).await.unwrap().1, innocent);
}

#[test]
fn a_secret_that_no_header_can_carry_is_refused_at_once() {
    for value in ["", " ", "a\r\nb", "a\0", "ä"] {
        let origin = "http://api.example".parse().unwrap();
        let secrets = BTreeMap::from([("KEY".to_owned(), (value.into(), origin))]);
        let error = HttpGrants::new(vec![], secrets).unwrap_err().to_string();
        assert!(error.contains("`KEY`"), "{error}");
    }
}

#[test]
fn grants_do_not_show_their_secrets() {
    let shown = format!("{:?}", World::new(plan()).grants);
    assert!(shown.contains("TOKEN") && !shown.contains("cr+3t") && !shown.contains("another"), "{shown}");
}
