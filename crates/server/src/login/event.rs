//! What rules see: the user and the context of a login, with the names of Auth0 Rules (spec §1, §2).
//!
//! Everything here is the host's word. Counters and times already tell of this login (U-1, U-6).

use serde_json::{Map, Value, json};
use vestibule_store::{Connection, Timestamp, User};

use super::{Counting, Flow, LoginTransaction, Rules};

/// What `context.protocol` is on every leg after a redirect.
const REDIRECT_CALLBACK: &str = "redirect-callback";

/// The event of a leg, for a user as they are stored now.
pub(super) fn event(login: &LoginTransaction<'_>, user: &User) -> Value {
    let configuration = match &login.rules {
        Rules::Of(generation) => generation.configuration.clone(),
        Rules::BreakGlass { .. } => Map::new(),
    };
    json!({
        "user": person(login, user),
        "context": context(login, user),
        "configuration": configuration,
        "shared": {},
    })
}

fn person(login: &LoginTransaction<'_>, user: &User) -> Map<String, Value> {
    let mut person = user.profile.clone();
    let mut put = |name: &str, value: Value| {
        person.insert(name.to_owned(), value);
    };
    put("user_id", json!(user.id));
    if let Some(email) = &user.email {
        put("email", json!(email));
        put("email_verified", json!(user.email_verified));
    }
    if let Some(username) = &user.username {
        put("username", json!(username));
    }
    put("identities", json!(user.identities));
    put("created_at", date(user.created_at));
    put("logins_count", json!(logins_count(login, user)));
    let (last_login, last_ip) = match login.counting {
        Counting::First => (Some(login.at), Some(login.caller.address.to_string())),
        Counting::Counted | Counting::Never => (user.last_login, user.last_ip.clone()),
    };
    put("updated_at", date(last_login.map_or(user.updated_at, |login| login.max(user.updated_at))));
    if let Some(last_login) = last_login {
        put("last_login", date(last_login));
    }
    if let Some(last_ip) = last_ip {
        put("last_ip", json!(last_ip));
    }
    if let Some(reset) = user.last_password_reset {
        put("last_password_reset", date(reset));
    }
    if let Some(bag) = &user.user_metadata {
        put("user_metadata", json!(bag));
    }
    if let Some(bag) = &user.app_metadata {
        put("app_metadata", json!(bag));
    }
    for (name, value) in &login.user_changes {
        match value {
            Value::Null => drop(person.shift_remove(name)), // A rule had deleted it.
            value => drop(person.insert(name.clone(), value.clone())),
        }
    }
    person
}

fn context(login: &LoginTransaction<'_>, user: &User) -> Map<String, Value> {
    let Connection { name, strategy, settings, metadata } = &login.connection;
    let mut context = Map::new();
    let mut put = |name: &str, value: Value| {
        context.insert(name.to_owned(), value);
    };
    put("tenant", json!(login.caller.tenant));
    put("clientID", json!(login.client.id));
    put("clientName", json!(login.client.name));
    if !login.client.settings.metadata.is_empty() {
        put("clientMetadata", json!(login.client.settings.metadata));
    }
    put("connection", json!(name));
    put("connectionID", json!(format!("con_{name}")));
    put("connectionStrategy", json!(strategy));
    put(
        "connectionOptions",
        settings.get("options").filter(|options| options.is_object()).cloned().unwrap_or(json!({})),
    );
    put("connectionMetadata", json!(metadata));
    match login.is_after_redirect {
        true => {
            put("protocol", json!(REDIRECT_CALLBACK));
            put("original_protocol", json!(login.protocol()));
        }
        false => put("protocol", json!(login.protocol())),
    }
    put("stats", json!({"loginsCount": logins_count(login, user)}));
    put("sso", sso(login));
    if let Some(session) = session(login) {
        put("sessionID", session);
    }
    put("request", request(login));
    put("authentication", json!({"methods": login.principal.methods}));
    put("authorization", json!({"roles": []}));
    context
}

/// How often the user logged in, this login included (U-6).
const fn logins_count(login: &LoginTransaction<'_>, user: &User) -> i64 {
    match login.counting {
        Counting::First => user.logins_count + 1,
        Counting::Counted | Counting::Never => user.logins_count,
    }
}

fn sso(login: &LoginTransaction<'_>) -> Value {
    let session = match &login.flow {
        Flow::Browser(flow) => flow.session.as_ref().filter(|_| flow.is_silent),
        Flow::Password { .. } | Flow::Refresh { .. } => None,
    };
    let clients = session.map(|session| session.clients.as_slice()).unwrap_or_default();
    json!({"with_auth0": session.is_some(), "with_dbconn": session.is_some(), "current_clients": clients})
}

fn session(login: &LoginTransaction<'_>) -> Option<Value> {
    match &login.flow {
        Flow::Browser(flow) => flow.session.as_ref().filter(|_| flow.is_silent).map(|session| json!(session.id)),
        Flow::Refresh { family, .. } => family.session.as_ref().map(|session| json!(session)),
        Flow::Password { .. } => None,
    }
}

fn request(login: &LoginTransaction<'_>) -> Value {
    let mut request = Map::new();
    if let Some(user_agent) = &login.caller.user_agent {
        request.insert("userAgent".to_owned(), json!(user_agent));
    }
    request.insert("ip".to_owned(), json!(login.caller.address.to_string()));
    request.insert("hostname".to_owned(), json!(login.caller.hostname));
    request.insert("query".to_owned(), json!(login.sent.query));
    request.insert("body".to_owned(), json!(login.sent.body));
    Value::Object(request)
}

/// As Auth0 writes times: ISO 8601 with milliseconds, in UTC.
pub(crate) fn date(at: Timestamp) -> Value {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    json!(format!("{at:.3}"))
}
