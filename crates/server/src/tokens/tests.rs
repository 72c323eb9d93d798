use serde_json::json;

use super::*;

fn grant(scope: &[&str]) -> Grant {
    let user = json!({
        "name": "Ada", "nickname": "ada", "email": "ada@example.com", "email_verified": true, "picture": "https://p",
        "phone_number": "+44123", "phone_verified": true, "updated_at": "2026-11-20T07:30:00.000Z",
        "app_metadata": {"plan": "gold"}, "user_metadata": {"a": 1}, "logins_count": 3,
    });
    Grant {
        login: "l".into(),
        subject: "auth0|1".to_owned(),
        audience: Audience::UserInfo,
        scope: scope.iter().map(|scope| (*scope).to_owned()).collect(),
        granted: Vec::new(),
        nonce: None,
        authenticated_at: Timestamp(0),
        methods: Vec::new(),
        connection: "c".to_owned(),
        session: None,
        grant_type: None,
        not_after: None,
        profile: standard_claims(user.as_object().unwrap()),
        id_token: Map::from_iter([
            ("https://example.com/plan".to_owned(), json!("gold")),
            ("picture".to_owned(), json!("https://rule")),
            ("email".to_owned(), json!("rule@example.com")),
        ]),
        access_token: Map::new(),
    }
}

fn names(scope: &[&str]) -> Vec<String> {
    let grant = grant(scope);
    let mut names: Vec<_> = grant.person().claims().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

/// P-2, R-51, S-16.
#[test]
fn a_scope_decides_which_standard_claims_a_client_is_told() {
    assert_eq!(names(&["openid"]), ["https://example.com/plan", "sub"]);
    assert_eq!(names(&["openid", "email"]), ["email", "email_verified", "https://example.com/plan", "sub"]);
    assert_eq!(
        names(&["openid", "profile", "phone"]),
        [
            "https://example.com/plan",
            "name",
            "nickname",
            "phone_number",
            "phone_number_verified",
            "picture",
            "sub",
            "updated_at"
        ]
    );
}

///
#[test]
fn a_rule_overrides_standard_claims_but_never_the_subject() {
    let mut grant = grant(&["openid", "profile", "email"]);
    grant.id_token.insert("sub".to_owned(), json!("auth0|2"));
    let person = grant.person().claims();
    assert_eq!(person["picture"], "https://rule");
    assert_eq!(person["email"], "rule@example.com");
    assert_eq!(person["sub"], "auth0|1");
    assert_eq!(person["updated_at"], 1_795_159_800);
}
