//! What rules see: the user and the context of a login, with the names of Auth0 Rules (spec §1, §2).
//!
//! Everything here is the host's word. Counters and times already tell of this login (U-1, U-6). The event is written as
//! text at once, from what is stored, without the credentials of the request and without configuration that no rule was
//! granted: that text is what rules are given, and what the journal keeps for a replay.

use serde::{Serialize, Serializer};
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};
use vestibule_pipeline::{Pipeline, event::hide_credentials};
use vestibule_store::{Connection, Timestamp, User};

use super::{Counting, Flow, LoginTransaction, Rules};

/// What `context.protocol` is on every leg after a redirect (R-34).
const REDIRECT_CALLBACK: &str = "redirect-callback";

/// The event of a leg, for a user as they are stored now.
///
/// # Errors
/// None that can happen: everything in it has a text.
pub(super) fn event(login: &LoginTransaction<'_>, user: &User) -> Result<Box<RawValue>, serde_json::Error> {
    let mut configuration = Object::default();
    if let Rules::Of(generation) = &login.rules {
        for (key, value) in granted(&generation.configuration, &generation.loaded.pipeline) {
            configuration.put(key, Field::Stored(value));
        }
    }
    let mut event = Object::default();
    event.put("user", Field::Object(person(login, user)));
    event.put("context", Field::Object(context(login, user)));
    event.put("configuration", Field::Object(configuration));
    event.put("shared", Field::Object(Object::default()));
    to_raw_value(&event)
}

/// The configuration that some rule was granted: no rule needs more, and whoever replays must not read it.
fn granted<'g>(
    configuration: &'g Map<String, Value>,
    pipeline: &Pipeline,
) -> impl Iterator<Item = (&'g String, &'g Value)> {
    configuration.iter().filter(|(key, _)| {
        let mut rules = pipeline.rules().iter();
        rules.any(|rule| rule.manifest.capabilities.configuration.contains(*key))
    })
}

/// An object on its way into the text, in the order in which its members came.
#[derive(Default)]
struct Object<'e>(Vec<(&'e str, Field<'e>)>);

/// What a member is.
#[derive(Serialize)]
#[serde(untagged)]
enum Field<'e> {
    /// As it is stored.
    Stored(&'e Value),
    /// A bag, as it is stored.
    Bag(&'e Map<String, Value>),
    /// A list, as it is stored.
    List(&'e [Value]),
    /// Made for this login.
    Made(Value),
    Object(Object<'e>),
}

impl<'e> Object<'e> {
    /// Sets a member; one of that name keeps its place.
    fn put(&mut self, name: &'e str, field: Field<'e>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = field,
            None => self.0.push((name, field)),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, field)| (name, field)))
    }
}

fn person<'e>(login: &'e LoginTransaction<'_>, user: &'e User) -> Object<'e> {
    let mut person = Object::default();
    for (name, value) in &user.profile {
        person.put(name, Field::Stored(value));
    }
    let mut put = |name: &'static str, value: Value| person.put(name, Field::Made(value));
    put("user_id", json!(user.id));
    if let Some(email) = &user.email {
        put("email", json!(email));
        put("email_verified", json!(user.email_verified));
    }
    if let Some(username) = &user.username {
        put("username", json!(username));
    }
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
    person.put("identities", Field::List(&user.identities));
    if let Some(bag) = &user.user_metadata {
        person.put("user_metadata", Field::Bag(bag));
    }
    if let Some(bag) = &user.app_metadata {
        person.put("app_metadata", Field::Bag(bag));
    }
    for (name, value) in &login.user_changes {
        match value {
            Value::Null => person.remove(name), // A rule had deleted it.
            value => person.put(name, Field::Stored(value)),
        }
    }
    person
}

fn context<'e>(login: &'e LoginTransaction<'_>, user: &User) -> Object<'e> {
    let Connection { name, strategy, settings, metadata } = &login.connection;
    let mut context = Object::default();
    let mut put = |name: &'static str, value: Value| context.put(name, Field::Made(value));
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
    let mut request = Value::Object(request);
    hide_credentials(&mut request);
    request
}

/// As Auth0 writes times: ISO 8601 with milliseconds, in UTC.
pub(crate) fn date(at: Timestamp) -> Value {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    json!(format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use vestibule_abi::limits::Budget;
    use vestibule_pipeline::{Digest, Manifest, Rule};

    use super::*;

    #[test]
    fn only_configuration_that_a_rule_was_granted_is_in_an_event() {
        let rule = |name: &str, order: i64, keys: &[&str]| {
            let mut manifest = Manifest::permissive(name);
            manifest.order = order;
            manifest.capabilities.configuration = keys.iter().map(|key| (*key).to_owned()).collect();
            Rule::new(manifest, Digest::of(name.as_bytes()), &Budget::CEILING).unwrap()
        };
        let pipeline = Pipeline::new(vec![rule("a", 1, &["REGION"]), rule("b", 2, &["PLAN", "ABSENT"])]).unwrap();
        let configuration = json!({"REGION": "eu", "PLAN": "gold", "SMTP_PASSWORD": "canary"});
        let granted: Vec<_> = granted(configuration.as_object().unwrap(), &pipeline).collect();
        assert_eq!(json!(granted), json!([["REGION", "eu"], ["PLAN", "gold"]]));
    }

    #[test]
    fn a_member_that_is_set_again_keeps_its_place_and_stands_there_once() {
        let stored = json!("stored");
        let mut object = Object::default();
        object.put("a", Field::Stored(&stored));
        object.put("b", Field::Made(json!(1)));
        object.put("a", Field::Made(json!({"c": null})));
        assert_eq!(to_raw_value(&object).unwrap().get(), r#"{"a":{"c":null},"b":1}"#);
        object.remove("a");
        assert_eq!(to_raw_value(&object).unwrap().get(), r#"{"b":1}"#);
    }
}
