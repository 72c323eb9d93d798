//! 5.6: effects that no rule may have.

use serde_json::{Value, json};
use vestibule_abi::codes::FailureCode::{
    self, CapabilityDenied, ClaimReserved, MetadataTooLarge, MutationForbidden, MutationLimit, OutputSchema,
    RedirectNotAllowed,
};

use super::{Case, Expect, answer};

const ALLOW: Expect = Expect::Outcome("allow");

/// Every name that a token carries or that the vendor of the rules we replace keeps for itself.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "azp",
    "nonce",
    "acr",
    "amr",
    "auth_time",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "cnf",
    "act",
    "may_act",
    "scope",
    "client_id",
    "typ",
    "cty",
    "kid",
    "jku",
    "jwk",
    "org_id",
    "org_name",
    "gty",
    "permissions",
    "roles",
    "groups",
    "entitlements",
    "events",
    "txn",
    "vot",
    "vtm",
];

fn sets(id: &'static str, bag: &str, key: &str, value: Value, expect: Expect) -> Case {
    let name = format!("{bag}.{}", key.escape_debug().take(40).collect::<String>());
    answer(id, name, json!({"continue": {bag: {key: value}}}).to_string(), expect)
}

/// Claims: HR-79, HR-80, HR-81, HR-89.
#[must_use]
pub fn claims() -> Vec<Case> {
    let reserved = Expect::Failed(ClaimReserved);
    let mut cases: Vec<Case> = ["id_token", "access_token"]
        .into_iter()
        .flat_map(|token| RESERVED.iter().map(move |claim| sets("HR-79", token, claim, json!("x"), reserved)))
        .collect();
    let variants = [
        "Sub",
        "SUB",
        "\u{17f}ub",
        "sub\u{200b}",
        "\u{feff}sub",
        " sub",
        "sub\t",
        "\u{ff53}\u{ff55}\u{ff42}",
        "i\u{17f}s",
        "s\u{ad}ub",
    ];
    cases.extend(variants.into_iter().map(|claim| sets("HR-80", "id_token", claim, json!("x"), reserved)));
    cases.extend([
        sets("HR-80", "id_token", "https://example.com/user", json!({"sub": "auth0|1", "iss": "evil"}), ALLOW),
        sets("HR-80", "id_token", &"c".repeat(10_240), json!(1), Expect::Failed(OutputSchema)),
        sets("HR-80", "id_token", "", json!(1), Expect::Failed(OutputSchema)),
        sets("HR-81", "id_token", "plan", json!("gold"), ALLOW),
        sets("HR-81", "id_token", "javascript:alert(1)", json!(1), ALLOW),
        sets("HR-81", "id_token", "https://auth0.com/plan", json!(1), reserved),
        sets("HR-81", "id_token", "https://x.auth0.com/plan", json!(1), reserved),
        sets("HR-81", "id_token", "HTTPS://AUTH0.COM./plan", json!(1), reserved),
        sets("HR-81", "id_token", "https://notauth0.com/plan", json!(1), ALLOW),
        sets("HR-79", "id_token", "sub", Value::Null, reserved),
    ]);
    cases
}

/// What is the host's: HR-83, HR-84, HR-89.
#[must_use]
pub fn identity() -> Vec<Case> {
    let forbidden = Expect::Failed(MutationForbidden);
    let user = [
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
        "connection",
        "password",
        "user_metadata",
        "app_metadata",
    ];
    let context = [
        "authentication",
        "authorization",
        "multifactor",
        "connection",
        "clientID",
        "protocol",
        "now",
        "seed",
        "sessionID",
        "tenant",
        "request",
        "idToken",
        "accessToken",
        "redirect",
    ];
    let bag = ["blocked", "email", "email_verified", "user_id", "identities", "clientID", "_id", "metadata"];
    let mut cases: Vec<Case> = user.into_iter().map(|key| sets("HR-83", "user", key, json!("x"), forbidden)).collect();
    cases.extend(
        context.into_iter().map(|key| sets("HR-89", "context", key, json!({"methods": [{"name": "mfa"}]}), forbidden)),
    );
    cases.extend(bag.into_iter().map(|key| sets("HR-83", "app_metadata", key, json!("x"), forbidden)));
    cases.extend([
        sets("HR-83", "user", "user_id", Value::Null, forbidden),
        sets("HR-84", "user_metadata", "../auth0|2/plan", json!("gold"), Expect::Failed(OutputSchema)),
        sets("HR-84", "user_metadata", "/~1", json!("gold"), ALLOW), // A key like any other.
        sets("HR-84", "user_metadata", "1000000000", json!("gold"), ALLOW),
        sets("HR-83", "user", "email", json!("boss@example.com"), Expect::Failed(MutationForbidden))
            .under("writes = [\"user.*\"]"),
        sets("HR-83", "id_token", "email_verified", json!(true), Expect::Failed(CapabilityDenied))
            .under("writes = [\"id_token.*\"]"),
        sets("HR-83", "id_token", "Email_Verified", json!(true), Expect::Failed(CapabilityDenied))
            .under("writes = [\"id_token.*\"]"),
    ]);
    cases
}

/// What was not declared: HR-85.
#[must_use]
pub fn undeclared() -> Vec<Case> {
    let denied = |text: &str, manifest| answer("HR-85", text, text, Expect::Failed(CapabilityDenied)).under(manifest);
    const APP: &str = "writes = [\"app_metadata.*\"]";
    const USER: &str = "writes = [\"user_metadata.plan\"]";
    vec![
        denied(r#"{"continue":{"user_metadata":{"plan":"gold"}}}"#, APP),
        denied(r#"{"continue":{"app_metadata":{"plan":"gold"}}}"#, USER),
        denied(r#"{"continue":{"user_metadata":{"plans":"gold"}}}"#, USER),
        denied(r#"{"continue":{"user_metadata":{"PLAN":"gold"}}}"#, USER),
        denied(r#"{"continue":{"user_metadata":{"other":null}}}"#, USER),
        denied(r#"{"continue":{"id_token":{"plan":"gold"}}}"#, APP),
        denied(r#"{"continue":{"scope":["read:orders"]}}"#, APP),
        denied(r#"{"continue":{"second_factor":{}}}"#, APP),
        denied(r#"{"continue":{"redirect":{"url":"https://forms.example.com/"}}}"#, APP),
        denied(r#"{"deny":{"code":"no"}}"#, APP),
        answer(
            "HR-85",
            "a refusal without a manifest's leave to do more",
            r#"{"deny":{"code":"no"}}"#,
            Expect::Outcome("deny"),
        )
        .under(""),
        denied(r#"{"continue":{"shared":{"a":1}}}"#, ""),
        answer("HR-85", "what is declared", r#"{"continue":{"user_metadata":{"plan":"gold"}}}"#, ALLOW).under(USER),
    ]
}

/// Too much of it: HR-86, HR-87.
#[must_use]
pub fn amounts() -> Vec<Case> {
    let keys = |bag: &str, count: usize, value: Value| {
        let members: serde_json::Map<_, _> = (0..count).map(|number| (format!("key{number}"), value.clone())).collect();
        json!({"continue": {bag: members}}).to_string()
    };
    let failed = |code: FailureCode| Expect::Failed(code);
    vec![
        sets("HR-86", "user_metadata", "bulk", json!("x".repeat(33_000)), failed(MetadataTooLarge)),
        sets("HR-86", "app_metadata", "bulk", json!("x".repeat(33_000)), failed(MetadataTooLarge)),
        sets("HR-86", "app_metadata", "bulk", json!("x".repeat(30_000)), ALLOW),
        sets("HR-86", "shared", "bulk", json!("x".repeat(60_000)), ALLOW),
        answer("HR-87", "64 changes", keys("shared", 64, json!(1)), ALLOW),
        answer("HR-87", "65 changes", keys("shared", 65, json!(1)), failed(MutationLimit)),
        answer("HR-87", "65 deletions", keys("user_metadata", 65, Value::Null), failed(MutationLimit)),
        answer("HR-87", "500 changes", keys("shared", 500, json!(1)), failed(MutationLimit)),
    ]
}

/// Where the browser is sent: HR-90.
#[must_use]
pub fn redirects() -> Vec<Case> {
    const MANIFEST: &str = "writes = [\"redirect\"]\n[capabilities]\nredirect = [\"https://forms.example.com\"]";
    let to = |url: &str, expect| {
        let text = json!({"continue": {"redirect": {"url": url}}}).to_string();
        answer("HR-90", url.escape_debug().take(60).collect::<String>(), text, expect).under(MANIFEST)
    };
    let refused = [
        "https://evil.example/",
        "//evil.example/",
        "\\\\evil.example\\",
        "https:\\\\evil.example\\",
        "https:/\\evil.example",
        "/relative",
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://forms.example.com/",
        "https://forms.example.com.evil.example/",
        "https://forms.example.com@evil.example/",
        "https://user@forms.example.com/",
        "https://evil.example#@forms.example.com/",
        "https://forms.example.com:444/",
        "https://xforms.example.com/",
        "https://forms.ex\u{430}mple.com/",
        "https://forms.example.com/\r\nset-cookie: a=b",
        "https://forms.example.com/ x",
        "https://forms.example.com/\u{85}",
        "https://forms.example.com.",
    ];
    let mut cases: Vec<Case> = refused.into_iter().map(|url| to(url, Expect::Failed(RedirectNotAllowed))).collect();
    let long = format!("https://forms.example.com/{}", "x".repeat(9_000));
    cases.push(to(&long, Expect::Failed(RedirectNotAllowed)));
    cases.push(to("https://forms.example.com/ask?user=1", Expect::Outcome("redirect")));
    cases.push(to("HTTPS://FORMS.EXAMPLE.COM:443/ask", Expect::Outcome("redirect")));
    cases
}
