//! Every violation of an answer with its exact code (HR-67 … HR-92), and what is allowed.

use proptest::prelude::*;
use vestibule_abi::codes::FailureCode;

use super::{Answer, Given};
use crate::{
    manifest::{Bag, Manifest},
    outcome::Note,
};

/// What an answer comes to under the permissive manifest: `ok`, or the code of the failure.
#[track_caller]
fn check(answer: &str, expect: &str) {
    check_under(&Manifest::permissive("rule"), answer, expect);
}

#[track_caller]
fn check_under(manifest: &Manifest, answer: &str, expect: &str) {
    let given = Given::parse(answer.as_bytes());
    let code = match given.as_ref().map_err(Clone::clone).and_then(|given| given.checked(manifest)) {
        Ok(_) => "ok",
        Err(failure) => failure.code.as_str(),
    };
    assert_eq!(code, expect, "{answer}");
}

/// A rule that writes and may do just this.
fn writes(writes: &str, more: &str) -> Manifest {
    let text =
        format!("name = \"rule\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = 1\nwrites = [{writes}]\n{more}");
    Manifest::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_answer_has_one_shape() {
    for (answer, expect) in [
        (r#"{"continue":{}}"#, "ok"),
        (r#"{"deny":{"code":"no"}}"#, "ok"),
        (r#"{"deny":{"code":"no_2","reason":"because"}}"#, "ok"),
        (r#"{"continue":{},"deny":{"code":"no"}}"#, "output_schema"),
        (r"{}", "output_schema"),
        (r"[]", "output_schema"),
        (r"null", "output_schema"),
        (r#"{"continue":null}"#, "output_schema"),
        (r#"{"continue":[]}"#, "output_schema"),
        (r#"{"proceed":{}}"#, "output_schema"),
        (r#"{"continue":{"user_id":"x"}}"#, "output_schema"),
        (r#"{"continue":{"app_metadata":"x"}}"#, "output_schema"),
        (r#"{"continue":{"user":null}}"#, "output_schema"),
        (r#"{"deny":{}}"#, "output_schema"),
        (r#"{"deny":{"code":"No"}}"#, "output_schema"),
        (r#"{"deny":{"code":"1no"}}"#, "output_schema"),
        (r#"{"deny":{"code":"no","reason":1}}"#, "output_schema"),
        (r#"{"deny":{"code":"no","html":"x"}}"#, "output_schema"),
        (r#"{"continue":{"second_factor":null}}"#, "output_schema"),
        (r#"{"continue":{"second_factor":{"provider":"none"}}}"#, "output_schema"),
        (r#"{"continue":{"second_factor":{"allow_remember_browser":"yes"}}}"#, "output_schema"),
        (r#"{"continue":{"second_factor":{}}}"#, "ok"),
        (r#"{"continue":{"scope":"openid"}}"#, "output_schema"),
        (r#"{"continue":{"scope":["a b"]}}"#, "output_schema"),
        (r#"{"continue":{"scope":["read:x"]}}"#, "ok"),
        (r#"{"continue":{"redirect":{"url":1}}}"#, "output_schema"),
        (r#"{"continue":{"redirect":{"href":"https://x.example"}}}"#, "output_schema"),
        (r#"{"continue":{"shared":{"a":1,"a":2}}}"#, "output_bad_json"),
        (r#"{"continue":{"shared":{"a":1e400}}}"#, "output_bad_json"),
        ("{\"continue\":{}}\u{feff}", "output_bad_json"),
        (r#"{"continue":{}"#, "output_bad_json"),
    ] {
        check(answer, expect);
    }
    let code = Given::parse(b"{\"continue\":{\"shared\":{\"a\":\"\xed\xa0\x80\"}}}");
    assert_eq!(code.unwrap_err().code, FailureCode::OutputNotUtf8);
}

#[test]
fn an_answer_ends_at_64_kib() {
    let padded = |len: usize| format!("{{\"continue\":{{}}}}{}", " ".repeat(len - 15));
    check(&padded(64 * 1024), "ok");
    check(&padded(64 * 1024 + 1), "output_too_large");
    check(&" ".repeat(64 * 1024), "output_bad_json");
}

#[test]
fn metadata_names_and_texts_are_checked_at_every_level() {
    for (value, expect) in [
        (r#"{"a":{"b":[{"c":1}]}}"#, "ok"),
        (r#"{"":1}"#, "ok"),
        (r#"{"toString":1}"#, "ok"),
        (r#"{"a":"tab\tline\nend\r😀\u202e"}"#, "ok"),
        (r#"{"a.b":1}"#, "output_schema"),
        (r#"{"$a":1}"#, "output_schema"),
        (r#"{"a":[{"b.c":1}]}"#, "output_schema"),
        (r#"{"a":{"$set":1}}"#, "output_schema"),
        (r#"{"__proto__":{}}"#, "output_schema"),
        (r#"{"a":{"constructor":1}}"#, "output_schema"),
        (r#"{"a":[[{"prototype":1}]]}"#, "output_schema"),
        (r#"{"a":"\u0000"}"#, "output_schema"),
        (r#"{"a":"\u001b[31m"}"#, "output_schema"),
        (r#"{"a":"\u0085"}"#, "output_schema"),
        (r#"{"a":{"\u0007":1}}"#, "output_schema"),
    ] {
        check(&format!(r#"{{"continue":{{"user_metadata":{value}}}}}"#), expect);
        check(&format!(r#"{{"continue":{{"app_metadata":{value}}}}}"#), expect);
    }
    check(&format!(r#"{{"continue":{{"user_metadata":{{"{}":1}}}}}}"#, "k".repeat(1_024)), "ok");
    check(&format!(r#"{{"continue":{{"user_metadata":{{"{}":1}}}}}}"#, "k".repeat(1_025)), "output_schema");
}

#[test]
fn what_belongs_to_the_host_cannot_be_changed() {
    for key in [
        "user_id",
        "identities",
        "blocked",
        "multifactor",
        "created_at",
        "updated_at",
        "last_login",
        "last_ip",
        "last_password_reset",
        "logins_count",
        "user_metadata",
        "app_metadata",
        "password",
        "connection",
    ] {
        check(&format!(r#"{{"continue":{{"user":{{"{key}":null}}}}}}"#), "mutation_forbidden");
    }
    for key in [
        "tenant",
        "clientID",
        "connection",
        "protocol",
        "original_protocol",
        "stats",
        "sessionID",
        "request",
        "authentication",
        "authorization",
        "organization",
        "riskAssessment",
        "now",
        "seed",
        "idToken",
        "accessToken",
        "multifactor",
        "redirect",
    ] {
        check(&format!(r#"{{"continue":{{"context":{{"{key}":{{}}}}}}}}"#), "mutation_forbidden");
    }
    for key in [
        "__tenant",
        "_id",
        "blocked",
        "clientID",
        "created_at",
        "email_verified",
        "email",
        "globalClientID",
        "global_client_id",
        "identities",
        "lastIP",
        "lastLogin",
        "loginsCount",
        "metadata",
        "multifactor_last_modified",
        "multifactor",
        "updated_at",
        "user_id",
    ] {
        check(&format!(r#"{{"continue":{{"app_metadata":{{"{key}":1}}}}}}"#), "mutation_forbidden");
        check(&format!(r#"{{"continue":{{"user_metadata":{{"{key}":1}}}}}}"#), "ok");
    }
    check(r#"{"continue":{"context":{"samlConfiguration":{},"primaryUser":"auth0|1","mine":1}}}"#, "ok");
    check(r#"{"continue":{"user":{"nickname":"j","groups":["a"]}}}"#, "ok");
}

#[test]
fn reserved_claims_are_refused_in_every_spelling() {
    let reserved = "acr act active amr at_hash ath attest aud auth_time authorization_details azp c_hash client_id cnf cty \
        dest entitlements events exp groups gty htm htu iat internalService iss jcard jku jti jwe jwk kid may_act mky nbf \
        nonce object_id org_id org_name orig origid permissions roles rph s_hash scope sid sip_callid sip_cseq_num \
        sip_date sip_from_tag sip_via_branch sub sub_jwk toe txn typ uuid vot vtm x5t#S256";
    let variants = [
        "Sub",
        "SUB",
        "ſub",
        "su\u{200b}b",
        "sub\u{200b}",
        "ｓｕｂ",
        "s\u{ad}ub",
        " sub",
        "ıss",
        "iß",
        "$x",
        "$",
        "urn:auth0:x",
        "URN:AUTH0:x",
        "https://auth0.com/x",
        "https://x.auth0.com/plan",
        "HTTPS://WEBTASK.IO/",
        "http://a.webtask.run:8/x",
        "https://auth0.com./x",
        "https://%61uth0.com/x",
        "https://auth0。com/x",
        "https:auth0.com/x",
        "https:\\\\auth0.com/x",
        "https://user@auth0.com/x",
        "\u{2060}aud",
    ];
    for name in reserved.split_whitespace().chain(variants) {
        let name = serde_json::to_string(name).unwrap();
        for token in ["id_token", "access_token"] {
            check(&format!(r#"{{"continue":{{"{token}":{{{name}:1}}}}}}"#), "claim_reserved");
            check(&format!(r#"{{"continue":{{"{token}":{{{name}:null}}}}}}"#), "claim_reserved");
        }
    }
}

#[test]
fn other_claims_are_allowed() {
    for name in [
        "plan",
        "https://example.com/plan",
        "https://example.com/sub",
        "urn:example:plan",
        "locale",
        "nickname",
        "email",
        "subs",
        "ѕub-but-cyrillic",
        "https://notauth0.com/x",
        "https://auth0.com.example.com/x",
        "toString",
    ] {
        check(&format!(r#"{{"continue":{{"id_token":{{"{name}":{{"sub":"nested"}}}}}}}}"#), "ok");
    }
    check(r#"{"continue":{"id_token":{"":1}}}"#, "output_schema");
    check(&format!(r#"{{"continue":{{"id_token":{{"{}":1}}}}}}"#, "k".repeat(10_000)), "output_schema");
}

#[test]
fn undeclared_writes_are_refused() {
    let rule = writes(r#""app_metadata.plan", "id_token.https://example.com/*", "user.tmp_*""#, "");
    for (answer, expect) in [
        (r#"{"continue":{"app_metadata":{"plan":"gold"}}}"#, "ok"),
        (r#"{"continue":{"app_metadata":{"plans":"gold"}}}"#, "capability_denied"),
        (r#"{"continue":{"app_metadata":{"plan":null}}}"#, "ok"),
        (r#"{"continue":{"user_metadata":{"plan":"gold"}}}"#, "capability_denied"),
        (r#"{"continue":{"id_token":{"https://example.com/a":1}}}"#, "ok"),
        (r#"{"continue":{"id_token":{"https://example.org/a":1}}}"#, "capability_denied"),
        (r#"{"continue":{"access_token":{"https://example.com/a":1}}}"#, "capability_denied"),
        (r#"{"continue":{"user":{"tmp_a":1}}}"#, "ok"),
        (r#"{"continue":{"user":{"name":"x"}}}"#, "capability_denied"),
        (r#"{"continue":{"shared":{"x":1}}}"#, "capability_denied"),
        (r#"{"continue":{"context":{"x":1}}}"#, "capability_denied"),
        (r#"{"continue":{"scope":[]}}"#, "capability_denied"),
        (r#"{"continue":{"second_factor":{}}}"#, "capability_denied"),
        (r#"{"continue":{"redirect":{"url":"https://x.example"}}}"#, "capability_denied"),
        (r#"{"deny":{"code":"no"}}"#, "capability_denied"),
    ] {
        check_under(&rule, answer, expect);
    }
}

#[test]
fn who_the_user_is_has_to_be_named_to_the_letter() {
    let wild = writes(r#""id_token.*", "access_token.*", "user.*""#, "");
    let named = writes(r#""id_token.email", "id_token.email_verified", "user.email_verified""#, "");
    for (answer, by_wildcard, by_name) in [
        (r#"{"continue":{"id_token":{"email":"a@b.c"}}}"#, "capability_denied", "ok"),
        (r#"{"continue":{"id_token":{"email_verified":true}}}"#, "capability_denied", "ok"),
        (r#"{"continue":{"id_token":{"Email":"a@b.c"}}}"#, "capability_denied", "capability_denied"),
        (r#"{"continue":{"access_token":{"email":"a@b.c"}}}"#, "capability_denied", "capability_denied"),
        (r#"{"continue":{"user":{"email_verified":true}}}"#, "mutation_forbidden", "ok"),
        (r#"{"continue":{"user":{"email":"a@b.c"}}}"#, "mutation_forbidden", "mutation_forbidden"),
    ] {
        check_under(&wild, answer, by_wildcard);
        check_under(&named, answer, by_name);
    }
    check(r#"{"continue":{"user":{"email":"a@b.c"}}}"#, "mutation_forbidden");
}

#[test]
fn a_redirect_leads_only_where_the_manifest_allows() {
    let rule = writes(
        r#""redirect""#,
        "[capabilities]\nredirect = [\"https://forms.example.com\", \"https://a.example/form\", \"http://127.0.0.1:8080\"]",
    );
    for (url, expect) in [
        ("https://forms.example.com", "ok"),
        ("https://forms.example.com/any/path?and=query", "ok"),
        ("https://FORMS.example.com:443/x", "ok"),
        ("https://a.example/form", "ok"),
        ("https://a.example/form/2?x", "ok"),
        ("http://127.0.0.1:8080/x", "ok"),
        ("https://a.example/former", "redirect_not_allowed"),
        ("https://a.example/form/../x", "redirect_not_allowed"),
        ("https://a.example/", "redirect_not_allowed"),
        ("http://forms.example.com/", "redirect_not_allowed"),
        ("https://forms.example.com:444/", "redirect_not_allowed"),
        ("https://forms.example.com.evil.example/", "redirect_not_allowed"),
        ("https://forms.example.com@evil.example/", "redirect_not_allowed"),
        ("https://user@forms.example.com/", "redirect_not_allowed"),
        ("https://fоrms.example.com/", "redirect_not_allowed"),
        ("//forms.example.com/", "redirect_not_allowed"),
        ("\\\\\\\\evil", "redirect_not_allowed"),
        ("https:\\\\\\\\forms.example.com", "redirect_not_allowed"),
        ("javascript:alert(1)", "redirect_not_allowed"),
        ("data:text/html,x", "redirect_not_allowed"),
        ("/relative", "redirect_not_allowed"),
        ("", "redirect_not_allowed"),
        ("https://forms.example.com/\\r\\nset-cookie: a", "redirect_not_allowed"),
        ("https://forms.example.com/\\ta", "redirect_not_allowed"),
        (" https://forms.example.com/", "redirect_not_allowed"),
    ] {
        check_under(&rule, &format!(r#"{{"continue":{{"redirect":{{"url":"{url}"}}}}}}"#), expect);
    }
    let long = format!("https://forms.example.com/{}", "a".repeat(8 * 1024));
    check_under(&rule, &format!(r#"{{"continue":{{"redirect":{{"url":"{long}"}}}}}}"#), "redirect_not_allowed");
}

#[test]
fn a_rule_asks_for_at_most_64_changes() {
    let keys = |count: usize| (0..count).map(|key| format!("\"k{key}\":1")).collect::<Vec<_>>().join(",");
    check(&format!(r#"{{"continue":{{"shared":{{{}}}}}}}"#, keys(64)), "ok");
    check(&format!(r#"{{"continue":{{"shared":{{{}}}}}}}"#, keys(65)), "mutation_limit");
    check(&format!(r#"{{"continue":{{"shared":{{{}}},"scope":[]}}}}"#, keys(64)), "mutation_limit");
    check(&format!(r#"{{"continue":{{"shared":{{{}}},"user":{{{}}}}}}}"#, keys(40), keys(25)), "mutation_limit");
}

#[test]
fn a_reason_is_one_harmless_line_of_256_characters() {
    let answer = format!(r#"{{"deny":{{"code":"no","reason":"a\n<b>\u001b[1m\u202e{}"}}}}"#, "é".repeat(1_000));
    let given = Given::parse(answer.as_bytes()).unwrap();
    let Ok(Answer::Deny(refusal)) = given.checked(&Manifest::permissive("rule")) else { panic!("no refusal") };
    assert_eq!(refusal.reason, format!("a <b>[1m{}", "é".repeat(248)));
}

#[test]
fn imported_rules_lose_reserved_claims_and_go_on() {
    let rule = writes(r#""id_token.*""#, "").with_reserved_claims_dropped();
    let answer = br#"{"continue":{"id_token":{"Sub":"x","plan":"gold"}}}"#;
    let given = Given::parse(answer).unwrap();
    let Ok(Answer::Continue(patch)) = given.checked(&rule) else { panic!("refused") };
    assert_eq!(patch.changes.len(), 1);
    assert_eq!(patch.dropped, [Note::ClaimDropped { token: Bag::IdToken, claim: "Sub".to_owned() }]);
    assert_eq!(patch.mutations(), 2);
}

#[test]
fn a_script_loses_what_says_who_the_user_is_unless_its_manifest_names_it() {
    let answer = br#"{"continue":{"user":{"email":"b@example.com","nickname":"b"}}}"#;
    let given = Given::parse(answer).unwrap();
    let mut rule = writes(r#""user.*""#, "");
    let Err(failure) = given.checked(&rule) else { panic!("only scripts are forgiven") };
    assert_eq!(failure.code, FailureCode::MutationForbidden);
    rule.language = crate::manifest::Language::JavaScript;
    let Ok(Answer::Continue(patch)) = given.checked(&rule) else { panic!("refused") };
    assert_eq!(patch.changes.iter().map(|change| change.key).collect::<Vec<_>>(), ["nickname"]);
    assert_eq!(patch.dropped, [Note::ChangeDropped { key: "email".to_owned() }]);
    let mut named = writes(r#""user.*", "user.email""#, "");
    named.language = crate::manifest::Language::JavaScript;
    let Ok(Answer::Continue(patch)) = given.checked(&named) else { panic!("refused") };
    assert_eq!((patch.changes.len(), patch.dropped.len()), (2, 0));
}

impl Manifest {
    fn with_reserved_claims_dropped(mut self) -> Self {
        self.reserved_claims = crate::manifest::ReservedClaims::Drop;
        self
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_answer_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Given::parse(&bytes).map(|given| given.checked(&Manifest::permissive("rule")).is_ok());
    }

    #[test]
    fn no_strings_in_an_answer_make_the_parser_panic(key in any::<String>(), text in any::<String>()) {
        let (key, text) = (serde_json::json!(key), serde_json::json!(text));
        for answer in [
            format!(r#"{{"continue":{{"id_token":{{{key}:{text}}},"app_metadata":{{{key}:{text}}}}}}}"#),
            format!(r#"{{"continue":{{"redirect":{{"url":{text}}},"scope":[{key}],"user":{{{key}:{text}}}}}}}"#),
            format!(r#"{{"deny":{{"code":{key},"reason":{text}}}}}"#),
        ] {
            let given = Given::parse(answer.as_bytes()).unwrap();
            if let Ok(Answer::Deny(refusal)) = given.checked(&Manifest::permissive("rule")) {
                prop_assert!(!refusal.reason.chars().any(char::is_control));
            }
        }
    }
}
