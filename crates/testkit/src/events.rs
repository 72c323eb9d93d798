//! Events of logins as they are: the profile and context of a real product's user, in the sizes that are measured.

use serde_json::{Map, Value, json};

/// A credential that stands where the host must take it out: in the body of the request and in an identity. No output
/// of any login may hold it.
pub const CANARY: &str = "canary-7d1f0c52-must-never-be-seen";

/// How large an event is, as canonical JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// About 1 kB: a user with little history.
    Small,
    /// About 4 kB: the usual one.
    Medium,
    /// About 20 kB: a user with much metadata.
    Large,
}

impl Size {
    /// All sizes, ascending.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The size aimed at, in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => 1_300,
            Self::Medium => 4_096,
            Self::Large => 20_480,
        }
    }
}

/// A login of a user, about as large as asked for.
#[must_use]
pub fn event(size: Size) -> Value {
    let mut event = smallest();
    let mut visit = 0;
    while vestibule_pipeline::json::to_text(&event).len() < size.bytes() {
        let visits = event["user"]["user_metadata"]["visits"].as_array_mut().expect("the fixture has visits");
        visits.push(json!({
            "at": format!("2026-{:02}-{:02}T08:{:02}:00.000Z", visit % 12 + 1, visit % 28 + 1, visit % 60),
            "page": format!("/catalogue/shoes/{}", 1_000 + visit * 37),
            "seconds": visit * 13 % 600,
            "bought": visit % 5 == 0,
        }));
        visit += 1;
    }
    event
}

/// The same login with other metadata.
#[must_use]
pub fn event_with(user_metadata: Value, app_metadata: Value) -> Value {
    let mut event = smallest();
    event["user"]["user_metadata"] = user_metadata;
    event["user"]["app_metadata"] = app_metadata;
    event
}

/// An event in document form, without what the pipeline adds or takes out.
#[must_use]
pub fn document(event: &Value) -> Vec<u8> {
    vestibule_abi::document::encode(event).expect("the fixture is canonical")
}

/// A metadata bag of an event.
#[must_use]
pub fn bag(event: &Value, name: &str) -> Map<String, Value> {
    event["user"][name].as_object().cloned().unwrap_or_default()
}

fn smallest() -> Value {
    json!({
        "user": {
            "user_id": "auth0|5f7c8ec7c33c6c004bbafe82",
            "email": "ada.lovelace@example.com",
            "email_verified": true,
            "name": "Ada Lovelace",
            "nickname": "ada",
            "picture": "https://cdn.example.com/avatars/al.png",
            "created_at": "2024-02-29T10:11:12.345Z",
            "updated_at": "2026-11-20T07:30:00.000Z",
            "last_ip": "203.0.113.17",
            "logins_count": 42,
            "identities": [{
                "connection": "Username-Password-Authentication",
                "provider": "auth0",
                "user_id": "5f7c8ec7c33c6c004bbafe82",
                "isSocial": false,
                "access_token": CANARY,
            }],
            "user_metadata": {"language": "en-GB", "visits": []},
            "app_metadata": {"plan": "gold", "consents": {"terms": 3, "privacy": 5}},
        },
        "context": {
            "clientID": "shop",
            "clientName": "Shop",
            "connection": "Username-Password-Authentication",
            "connectionStrategy": "auth0",
            "protocol": "oidc-basic-profile",
            "stats": {"loginsCount": 42},
            "request": {
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
                "ip": "203.0.113.17",
                "hostname": "login.example.com",
                "query": {"scope": "openid profile read:orders", "client_id": "shop"},
                "body": {"username": "ada", "password": CANARY},
                "geoip": {"country_code": "GB", "city_name": "London", "latitude": 51.509, "longitude": -0.118},
            },
            "authentication": {"methods": [{"name": "pwd", "timestamp": 1_795_163_400_000_i64}]},
            "authorization": {"roles": ["customer"]},
        },
    })
}
