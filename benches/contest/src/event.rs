//! The login that everybody is given: a profile and a context of a size.

use serde_json::{Map, Value, json};

/// What an event of a size is called, and about how many bytes of JSON text it has.
pub const SIZES: [(&str, usize); 5] =
    [("1 kB", 1_000), ("2 kB", 2_000), ("4 kB", 4_000), ("20 kB", 20_000), ("100 kB", 100_000)];

/// The size most bars speak of.
pub const USUAL: &str = "4 kB";
/// The size that the bars of JavaScript's sandbox speak of.
pub const SMALL: &str = "2 kB";

/// The groups of every event of 4 kB and more: names become longer, as they do in directories, not more.
pub const GROUPS: usize = 200;

/// How many of them the rule that loops looks for.
pub const SALES_GROUPS: usize = GROUPS / 4;

/// An event of about that many bytes of JSON text. Most of a large one are the groups; the rest are orders in the
/// user's metadata, permissions in the application's, and what the browser sent along.
#[must_use]
pub fn of_size(bytes: usize) -> Value {
    let mut event = without_filling();
    let groups = if bytes < 4_000 { Vec::new() } else { groups(bytes * 7 / 10) };
    put(&mut event, "/user/groups", Value::Array(groups));
    let mut number = 0;
    while event.to_string().len() + 100 < bytes {
        fill(&mut event, number);
        number += 1;
    }
    event
}

/// The same login by somebody whose address was never verified: every rule refuses it.
#[must_use]
pub fn unverified(mut event: Value) -> Value {
    put(&mut event, "/user/email_verified", Value::Bool(false));
    event
}

/// Names of groups, with so many bytes of JSON text in all.
fn groups(bytes: usize) -> Vec<Value> {
    let len = (bytes / GROUPS).saturating_sub(3).max(11);
    (0..GROUPS)
        .map(|number| {
            let kind = if number % (GROUPS / SALES_GROUPS) == 1 { "sales" } else { "teams" };
            let mut name = format!("{kind}:{number:05}");
            while name.len() < len {
                name.push_str(if name.len() + 12 < len { "/OU=Division" } else { "." });
            }
            Value::String(name)
        })
        .collect()
}

fn fill(event: &mut Value, number: usize) {
    match number % 4 {
        0 => push(
            event,
            "/user/user_metadata/orders",
            json!({
                "id": format!("order-{number:05}"), "placed_at": "2026-03-14T15:09:26.535Z", "total": 1_999 + number,
                "currency": "EUR", "items": ["4006381333931", "4006381333948"],
            }),
        ),
        1 => push(event, "/user/app_metadata/permissions", json!(format!("invoices:{number:05}:read"))),
        2 => push(event, "/user/app_metadata/regions", json!(format!("region-{number:05}"))),
        _ => push(event, "/context/request/languages", json!(format!("en-x-{number:05}"))),
    }
}

fn without_filling() -> Value {
    json!({
        "user": {
            "user_id": "auth0|5f7c8ec7c33c6c004bbafe82",
            "email": "ada@example.com",
            "email_verified": true,
            "name": "Ada Lovelace",
            "nickname": "ada",
            "picture": "https://cdn.example.com/avatars/ada.png",
            "created_at": "2024-11-05T08:12:44.120Z",
            "updated_at": "2026-11-20T07:59:01.004Z",
            "identities": [{
                "provider": "auth0", "user_id": "5f7c8ec7c33c6c004bbafe82",
                "connection": "Username-Password-Authentication", "isSocial": false,
            }],
            "groups": [],
            "logins_count": 42,
            "user_metadata": { "language": "en", "orders": [] },
            "app_metadata": { "permissions": [], "regions": [], "plan": "gold" },
        },
        "context": {
            "tenant": "default",
            "clientID": "shop",
            "connection": "Username-Password-Authentication",
            "protocol": "oidc-basic-profile",
            "request": { "ip": "203.0.113.7", "hostname": "login.example.com", "method": "POST", "query": Map::new(), "languages": [] },
            "stats": { "loginsCount": 42 },
            "authorization": { "roles": ["customer"] },
        },
    })
}

fn put(event: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = event.pointer_mut(pointer) {
        *place = value;
    }
}

fn push(event: &mut Value, pointer: &str, value: Value) {
    if let Some(Value::Array(list)) = event.pointer_mut(pointer) {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_as_large_as_it_is_called() {
        for (name, bytes) in SIZES {
            let len = of_size(bytes).to_string().len();
            assert!(bytes * 9 / 10 <= len && len <= bytes * 11 / 10, "{name}: {len}");
        }
    }

    #[test]
    fn every_event_from_4_kb_on_has_the_same_groups() {
        for (name, bytes) in SIZES.into_iter().skip(2) {
            let event = of_size(bytes);
            let groups = event.pointer("/user/groups").and_then(Value::as_array).unwrap();
            let sales = groups.iter().filter(|group| group.as_str().unwrap().starts_with("sales:"));
            assert_eq!((groups.len(), sales.count()), (GROUPS, SALES_GROUPS), "{name}");
        }
    }
}
