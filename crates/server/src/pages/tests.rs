use super::*;

#[test]
fn a_policy_names_where_a_form_may_end_and_nothing_that_could_run() {
    let leads_to = ["https://app.example.com".to_owned(), "com.example.app:".to_owned()];
    let policy = Policy { leads_to: &leads_to, script: None }.header().unwrap();
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self' https://app.example.com \
         com.example.app:; frame-ancestors 'none'"
    );
}

#[test]
fn a_redirect_uri_becomes_a_source() {
    for (uri, source) in [
        ("https://app.example.com/callback?x=1", Some("https://app.example.com")),
        ("http://127.0.0.1:4000/cb", Some("http://127.0.0.1:4000")),
        ("com.example.app:/callback", Some("com.example.app:")),
        ("com.example.app://callback; script-src *", None),
        ("com.example.app:callback; script-src *", Some("com.example.app:")),
        ("nonsense", None),
    ] {
        assert_eq!(source_of(uri).as_deref(), source, "{uri}");
    }
}
