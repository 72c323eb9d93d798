//! What the rule of `guests/` does, as ordinary functions of this program: the price without a sandbox.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a login of the rule comes to.
#[derive(Debug, PartialEq)]
pub struct Merged {
    /// The custom claims of the ID token.
    pub id_token: Map<String, Value>,
    /// What is to be stored.
    pub app_metadata: Map<String, Value>,
}

/// Parses the event into a tree, reads three fields, sets two, merges them.
///
/// # Errors
/// When the text is not JSON, or a field is not there.
pub fn with_tree(json: &[u8]) -> anyhow::Result<Merged> {
    let mut event: Value = serde_json::from_slice(json)?;
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).context("no such text").map(str::to_owned);
    let verified = event.pointer("/user/email_verified").and_then(Value::as_bool).context("no such boolean")?;
    anyhow::ensure!(verified, "email_not_verified");
    let (plan, client) = (text("/user/app_metadata/plan")?, text("/context/clientID")?);
    let mut app_metadata = match event.pointer_mut("/user/app_metadata").map(Value::take) {
        Some(Value::Object(app_metadata)) => app_metadata,
        _ => Map::new(),
    };
    app_metadata.insert("last_client".to_owned(), Value::String(client));
    let id_token = Map::from_iter([("https://example.com/plan".to_owned(), Value::String(plan))]);
    Ok(Merged { id_token, app_metadata })
}

/// Parses only what the rule needs into types that borrow from the text, and writes the answer a rule would give.
///
/// # Errors
/// When the text is not JSON, or a field is not there.
pub fn with_types(json: &[u8]) -> anyhow::Result<Vec<u8>> {
    let event: Event<'_> = serde_json::from_slice(json)?;
    anyhow::ensure!(event.user.email_verified, "email_not_verified");
    let id_token = Claims { plan: event.user.app_metadata.plan };
    let app_metadata = Stored { last_client: event.context.client };
    Ok(serde_json::to_vec(&Answer { r#continue: Changes { id_token, app_metadata } })?)
}

#[derive(Deserialize)]
struct Event<'e> {
    #[serde(borrow)]
    user: User<'e>,
    context: Context<'e>,
}

#[derive(Deserialize)]
struct User<'e> {
    email_verified: bool,
    #[serde(borrow)]
    app_metadata: AppMetadata<'e>,
}

#[derive(Deserialize)]
struct AppMetadata<'e> {
    plan: &'e str,
}

#[derive(Deserialize)]
struct Context<'e> {
    #[serde(rename = "clientID")]
    client: &'e str,
}

#[derive(Serialize)]
struct Answer<'e> {
    r#continue: Changes<'e>,
}

#[derive(Serialize)]
struct Changes<'e> {
    id_token: Claims<'e>,
    app_metadata: Stored<'e>,
}

#[derive(Serialize)]
struct Claims<'e> {
    #[serde(rename = "https://example.com/plan")]
    plan: &'e str,
}

#[derive(Serialize)]
struct Stored<'e> {
    last_client: &'e str,
}

/// What both come to, for an event of [`crate::event`]: whatever is compared must do the same.
#[must_use]
pub fn expected_claims() -> Value {
    json!({ "https://example.com/plan": "gold" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_native_rules_do_what_the_guests_do() {
        let event = crate::event::of_size(crate::event::USUAL).to_string();
        let merged = with_tree(event.as_bytes()).unwrap();
        assert_eq!(Value::Object(merged.id_token), expected_claims());
        assert_eq!(merged.app_metadata.get("last_client"), Some(&json!("shop")));
        let answer = with_types(event.as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer.pointer("/continue/id_token"), Some(&expected_claims()));
    }
}
