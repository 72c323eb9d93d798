//! The login that is measured: a realistic profile and context, filled up to a size.

use serde_json::{Value, json};

/// What an event of a size is called, and how many bytes of JSON it has at least.
pub const SIZES: [(&str, usize); 3] = [("1 kB", 1_000), ("4 kB", 4_000), ("20 kB", 20_000)];

/// The size the bars speak of.
pub const USUAL: usize = 4_000;

/// An event of about that many bytes of JSON text. What fills it is what grows in practice: orders in the user's
/// metadata, permissions in the application's, groups, and what the browser sent along.
#[must_use]
pub fn of_size(bytes: usize) -> Value {
    let fillings = (0..bytes).scan(json_len(&with_fillings(0)), |len, filling| {
        let fits = *len < bytes;
        *len += FILLINGS.get(filling % FILLINGS.len()).map_or(1, |(_, len)| *len);
        fits.then_some(())
    });
    with_fillings(fillings.count())
}

/// Where each filling goes, in turns, and about how many bytes it adds.
const FILLINGS: [(Filling, usize); 4] =
    [(Filling::Order, 117), (Filling::Permission, 29), (Filling::Group, 26), (Filling::Parameter, 30)];

#[derive(Clone, Copy)]
enum Filling {
    Order,
    Permission,
    Group,
    Parameter,
}

fn with_fillings(count: usize) -> Value {
    let (mut orders, mut permissions, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut query = serde_json::Map::new();
    query.insert("scope".to_owned(), json!("openid profile email"));
    for (number, (filling, _)) in FILLINGS.iter().cycle().take(count).enumerate() {
        match filling {
            Filling::Order => orders.push(json!({
                "id": format!("order-{number:05}"),
                "placed_at": "2026-03-14T15:09:26.535Z",
                "total": 1_999 + number,
                "currency": "EUR",
                "items": ["4006381333931", "4006381333948"],
            })),
            Filling::Permission => permissions.push(json!(format!("invoices:{number:05}:read"))),
            Filling::Group => groups.push(json!(format!("team-{number:05}@example"))),
            Filling::Parameter => {
                query.insert(format!("utm_{number:05}"), json!("spring-sale-26"));
            }
        }
    }
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
            "groups": groups,
            "logins_count": 42,
            "user_metadata": { "language": "en", "orders": orders },
            "app_metadata": { "permissions": permissions, "plan": "gold" },
        },
        "context": {
            "tenant": "default",
            "clientID": "shop",
            "clientName": "The Shop",
            "connection": "Username-Password-Authentication",
            "connectionStrategy": "auth0",
            "protocol": "oidc-basic-profile",
            "request": { "ip": "203.0.113.7", "hostname": "login.example.com", "method": "POST", "query": query },
            "stats": { "loginsCount": 42 },
            "authorization": { "roles": ["customer"] },
        },
    })
}

fn json_len(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_as_large_as_it_is_called() {
        for (name, bytes) in SIZES {
            let len = json_len(&of_size(bytes));
            assert!(bytes <= len + bytes / 20 && len <= bytes + bytes / 5, "{name}: {len}");
        }
    }
}
