//! The event of a login, read where it lies: nothing is parsed or copied that the rule does not ask for.

use alloc::{borrow::ToOwned, format, string::String};

use serde::Deserialize;
use vestibule_abi::document::{Document, Key, Node};

use crate::{Error, Result};

/// What a rule can take as its argument: an [`Event`], or any type that derives `serde::Deserialize`.
///
/// A type with the few fields wanted is read in one pass, borrowing, without allocating:
///
/// ```
/// use serde::Deserialize;
/// use vestibule::{Answer, Result};
///
/// #[derive(Deserialize)]
/// struct Event<'a> {
///     #[serde(borrow)]
///     user: User<'a>,
/// }
///
/// #[derive(Deserialize)]
/// struct User<'a> {
///     email: &'a str,
///     #[serde(default)]
///     email_verified: bool,
/// }
///
/// #[vestibule::rule]
/// fn verified(event: Event<'_>) -> Result<Answer> {
///     Ok(Answer::allow().id_token("https://example.com/trusted", event.user.email_verified).into())
/// }
/// # let login = vestibule::testing::Login::from_json(r#"{"user": {"email": null}}"#)?;
/// # let error = login.event::<Event<'_>>().err();
/// # assert_eq!(error.map(|error| error.to_string()).as_deref(), Some("user.email: expected a string, found null"));
/// # Ok::<(), vestibule::Error>(())
/// ```
pub trait FromEvent<'a>: Sized {
    /// Reads the event.
    ///
    /// # Errors
    /// When the event does not have the shape asked for; the message names the field.
    fn from_event(event: Event<'a>) -> Result<Self>;
}

impl<'a, T: Deserialize<'a>> FromEvent<'a> for T {
    #[inline]
    fn from_event(event: Event<'a>) -> Result<Self> {
        Ok(T::deserialize(event.root)?)
    }
}

impl<'a> FromEvent<'a> for Event<'a> {
    #[inline]
    fn from_event(event: Self) -> Result<Self> {
        Ok(event)
    }
}

/// The event of one login, to be walked: `event.user().get("email")?.as_str()?`.
///
/// What `rule.toml` does not name under `reads` is not there, if it names anything at all.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    root: Node<'a>,
}

impl<'a> Event<'a> {
    pub(crate) fn new(document: Document<'a>) -> Self {
        Self { root: document.root() }
    }

    /// The profile of who logs in, with `user_metadata` and `app_metadata`.
    #[must_use]
    pub fn user(&self) -> Field<'a> {
        self.section("user")
    }

    /// The login: client, connection, protocol, request, time.
    #[must_use]
    pub fn context(&self) -> Field<'a> {
        self.section("context")
    }

    /// The configuration keys that `rule.toml` grants.
    #[must_use]
    pub fn configuration(&self) -> Field<'a> {
        self.section("configuration")
    }

    /// What earlier rules of this login left for later ones.
    #[must_use]
    pub fn shared(&self) -> Field<'a> {
        self.section("shared")
    }

    /// The time of this login, in milliseconds since 1970; the same when the login is run again.
    ///
    /// # Errors
    /// When the rule's `reads` leave out `context.now`.
    pub fn now(&self) -> Result<i64> {
        self.context().get("now")?.as_i64()
    }

    fn section(&self, name: &'static str) -> Field<'a> {
        let node = self.root.get(name);
        Field { section: name, top: node, node }
    }
}

/// One value of the event. Its errors name it: `user.app_metadata.plan: expected a string, found null`.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    section: &'static str,
    top: Option<Node<'a>>,
    /// `None` only for a section that is not in the event.
    node: Option<Node<'a>>,
}

/// What a [`Field`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    const fn with_article(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl<'a> Field<'a> {
    /// The member of that name, which has to be there; it may be `null`.
    ///
    /// # Errors
    /// When there is no such member, or this is no object.
    #[inline]
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Result<Self> {
        let key = key.into();
        match self.member(key) {
            Some(found) => Ok(found),
            None => Err(self.missing(key)),
        }
    }

    /// The value at a path of member names with dots between them; `None` if it, or anything on the way to it, is
    /// absent or `null`. For a name that has a dot itself, take steps with [`Field::get`].
    #[inline]
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Self> {
        let found = path.split('.').try_fold(*self, |field, key| field.member(Key::Text(key)))?;
        (!found.is_null()).then_some(found)
    }

    /// What kind of value it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        use vestibule_abi::document::Kind as Wire;
        match self.node.and_then(|node| node.kind()) {
            None | Some(Wire::Null) => Kind::Null,
            Some(Wire::Bool(_)) => Kind::Bool,
            Some(Wire::Integer(_) | Wire::Float(_)) => Kind::Number,
            Some(Wire::String(_)) => Kind::String,
            Some(Wire::Array(_)) => Kind::Array,
            Some(Wire::Object(_)) => Kind::Object,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.node.is_none_or(|node| node.is_null())
    }

    /// The string.
    ///
    /// # Errors
    /// When it is none.
    #[inline]
    pub fn as_str(&self) -> Result<&'a str> {
        self.node.and_then(|node| node.as_str()).ok_or_else(|| self.expected("a string"))
    }

    /// The boolean.
    ///
    /// # Errors
    /// When it is none.
    #[inline]
    pub fn as_bool(&self) -> Result<bool> {
        self.node.and_then(|node| node.as_bool()).ok_or_else(|| self.expected("a boolean"))
    }

    /// The integer, within ±(2^53 − 1).
    ///
    /// # Errors
    /// When it is none.
    #[inline]
    pub fn as_i64(&self) -> Result<i64> {
        self.node.and_then(|node| node.as_i64()).ok_or_else(|| self.expected("an integer"))
    }

    /// The number, integral or not.
    ///
    /// # Errors
    /// When it is none.
    #[inline]
    pub fn as_f64(&self) -> Result<f64> {
        self.node.and_then(|node| node.as_f64()).ok_or_else(|| self.expected("a number"))
    }

    /// The elements of the array, in order.
    ///
    /// # Errors
    /// When it is none.
    pub fn elements(&self) -> Result<impl Iterator<Item = Self> + use<'a>> {
        let elements = self.node.and_then(|node| node.as_array()).ok_or_else(|| self.expected("an array"))?;
        let field = *self;
        Ok(elements.map(move |node| Self { node: Some(node), ..field }))
    }

    /// The members of the object, in insertion order.
    ///
    /// # Errors
    /// When it is none.
    pub fn members(&self) -> Result<impl Iterator<Item = (&'a str, Self)> + use<'a>> {
        let members = self.node.and_then(|node| node.as_object()).ok_or_else(|| self.expected("an object"))?;
        let field = *self;
        Ok(members.map(move |(name, node)| (name, Self { node: Some(node), ..field })))
    }

    /// Reads the value as a type of its own.
    ///
    /// # Errors
    /// When it does not have the shape asked for; the message names the field.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T> {
        let node = self.node.ok_or_else(|| self.expected("a value"))?;
        Ok(T::deserialize(node).map_err(|error| error.inside(&self.path()))?)
    }

    /// An error about this value, for a check of your own: `user.app_metadata.plan: expected a known plan, found …`.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn expected(&self, what: &str) -> Error {
        let found = if self.node.is_some() { self.kind().with_article() } else { "nothing" };
        Error::new(format!("{}: expected {what}, found {found}", self.path()))
    }

    fn member(&self, key: Key<'_>) -> Option<Self> {
        let node = self.node?.get(key)?;
        Some(Self { node: Some(node), ..*self })
    }

    #[cold]
    #[inline(never)]
    fn missing(&self, key: Key<'_>) -> Error {
        if self.node.is_some() && self.kind() != Kind::Object {
            return self.expected("an object");
        }
        Error::new(format!("{}.{}: missing", self.path(), key.text().unwrap_or("?")))
    }

    /// Where this value is. Only errors ask, so it is searched for instead of being carried along.
    fn path(&self) -> String {
        let inner = match (self.top, self.node) {
            (Some(top), Some(node)) => path_between(top, node).unwrap_or_default(),
            _ => String::new(),
        };
        self.section.to_owned() + &inner
    }
}

/// The path from one node down to another, `.app_metadata.plan` or `.identities[1].provider`.
fn path_between(from: Node<'_>, to: Node<'_>) -> Option<String> {
    if from.is_same(&to) {
        return Some(String::new());
    }
    if let Some(members) = from.as_object() {
        return members.into_iter().find_map(|(name, node)| Some(format!(".{name}{}", path_between(node, to)?)));
    }
    let elements = from.as_array()?;
    elements.enumerate().find_map(|(index, node)| Some(format!("[{index}]{}", path_between(node, to)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Login;

    const EVENT: &str = r#"{
        "user": {"email": null, "age": 1.5, "identities": [{"provider": "auth0"}, {"provider": 7}],
                 "app_metadata": {"plan": "gold", "a.b": true}},
        "context": {"now": 1700000000000}
    }"#;

    #[track_caller]
    fn check(look: impl FnOnce(Event<'_>) -> Result<String>, expected: &str) {
        let login = Login::from_json(EVENT).unwrap();
        let text = match look(login.event().unwrap()) {
            Ok(value) => value,
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn values_are_read_where_they_lie() {
        check(|event| Ok(event.now()?.to_string()), "1700000000000");
        check(|event| Ok(event.user().get("age")?.as_f64()?.to_string()), "1.5");
        check(|event| event.user().get("app_metadata")?.get("plan")?.read(), "gold");
        check(|event| Ok(event.user().get("app_metadata")?.get("a.b")?.as_bool()?.to_string()), "true");
        check(|event| Ok(event.user().find("app_metadata.plan").unwrap().as_str()?.to_owned()), "gold");
        check(|event| Ok(event.user().get("app_metadata")?.members()?.map(|(name, _)| name).collect()), "plana.b");
    }

    #[test]
    fn what_is_absent_or_null_is_not_found() {
        for path in ["email", "nobody", "app_metadata.nothing", "age.of", "email.length"] {
            check(|event| Ok(event.user().find(path).is_none().to_string()), "true");
        }
        check(|event| Ok(event.configuration().find("KEY").is_none().to_string()), "true");
    }

    #[test]
    fn errors_name_the_field() {
        let text = |field: Field<'_>| Ok(field.as_str()?.to_owned());
        check(|event| text(event.user().get("email")?), "user.email: expected a string, found null");
        check(|event| text(event.user().get("nick")?), "user.nick: missing");
        check(|event| text(event.user().get("age")?.get("of")?), "user.age: expected an object, found a number");
        check(|event| text(event.configuration().get("KEY")?), "configuration.KEY: missing");
        check(|event| text(event.shared()), "shared: expected a string, found nothing");
        check(
            |event| event.user().get("identities")?.elements()?.map(|each| text(each.get("provider")?)).collect(),
            "user.identities[1].provider: expected a string, found a number",
        );
        check(
            |event| event.user().get("app_metadata")?.get("a.b")?.read(),
            "user.app_metadata.a.b: expected a string, found a boolean",
        );
    }
}
