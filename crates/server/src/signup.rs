//! Signing up: `POST /dbconnections/signup` (spec S-1 to S-7), and the same for the page.
//!
//! What a stranger may say about their new account is listed here, member by member; anything else is refused by name and
//! never stored (HS-11). No rule runs at signup: rules run at the login that follows.

mod fields;
mod refusal;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use url::Url;
use vestibule_pipeline::json as canonical;
use vestibule_store::{Author, Connection, ConnectionName, Created, NewUser, TakenField, User, UserId};

pub(crate) use fields::ShownField;
pub use fields::{FieldKind, FieldOption, InvalidField, SignupField, Storage};
pub use refusal::{Invalid, SignupRefused};

use crate::{
    accounts::account_key,
    app::App,
    error::Fault,
    identifier::{Email, Username},
    limits::Trying,
    password::{About, Password},
    request::Caller,
    verification,
};

/// The most members of `user_metadata` at signup (M-17).
const MOST_MEMBERS: usize = 10;
/// The most characters of a name there.
const LONGEST_NAME: usize = 100;
/// The most characters of a value there.
const LONGEST_VALUE: usize = 500;

/// Who may sign up, and what is asked. A connection may close signup for itself (`disable_signup`), or ask for a username
/// as well (`requires_username`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignupSettings {
    /// Whether anybody may.
    pub open: bool,
    /// What is asked beside address and password; on the page only.
    pub fields: Vec<SignupField>,
    /// The terms that have to be accepted, if there are any (L-12). Nothing is stored of it.
    pub terms: Option<Terms>,
    /// Whether the endpoint says that an address or username is taken (Auth0's `enable_public_signup_user_exists_error`).
    /// It lets strangers find out who has an account.
    pub reveal_existing: bool,
}

/// Where the terms are: an https URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Terms(Url);

impl Terms {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for Terms {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url = Url::parse(&text).ok().filter(|url| url.scheme() == "https");
        url.map(Self).ok_or_else(|| format!("`{text}` is no https URL"))
    }
}

impl Default for SignupSettings {
    fn default() -> Self {
        Self { open: true, fields: Vec::new(), terms: None, reveal_existing: false }
    }
}

/// An account to be made: all of it checked, but for the password's strength and whether the name is free.
pub struct NewAccount {
    /// Where.
    pub connection: ConnectionName,
    /// The address.
    pub email: Email,
    /// The username, where the connection asks for one.
    pub username: Option<Username>,
    /// The password.
    pub password: Password,
    /// Root properties: only those of `longest_root`.
    pub profile: Map<String, Value>,
    /// Metadata of the user's own.
    pub user_metadata: Map<String, Value>,
}

/// `POST /dbconnections/signup`. JSON in, JSON out; no tokens (S-2).
pub(crate) async fn endpoint(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, SignupRefused> {
    let body: Body = json_body(&headers, &body)?;
    let user = match create(&app, &caller, body.checked()?).await {
        Err(SignupRefused::Taken(_)) if !app.accounts.signup.reveal_existing => return Err(SignupRefused::Closed),
        created => created?,
    };
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(view(&user))).into_response())
}

/// Makes the account, and sends the mail that proves its address.
pub async fn create(app: &App, caller: &Caller, new: NewAccount) -> Result<User, SignupRefused> {
    let account = account_key(&caller.tenant, &new.connection, new.email.as_str(), None);
    let trying = Trying { address: caller.address, account, browser: None };
    app.accounts.limits.signup(&trying).map_err(|too_many| SignupRefused::Failed(too_many.into()))?;
    let connection = app.store.connection(&caller.tenant, &new.connection).await.map_err(Fault::from)?;
    let connection = connection.filter(is_open).filter(|_| app.accounts.signup.open).ok_or(SignupRefused::Closed)?;
    let new = asked_by(&connection, new)?;
    app.accounts.policy.allows(&new.password, about(&new).as_about()).map_err(SignupRefused::Weak)?;
    // Whether the name is free is found out after hashing: a taken one takes as long.
    let phc = app.accounts.hasher.hash(&new.password, app.entropy.as_ref()).await?;
    let user = store(app, caller, new, phc).await?;
    let (behind, base, unverified) = (app.clone(), caller.issuer.clone(), user.clone());
    app.accounts.behind(async move { verification::send(&behind, &base, &unverified).await });
    Ok(user)
}

/// Whether a connection is one of ours, and lets people sign up.
pub(crate) fn is_open(connection: &Connection) -> bool {
    connection.strategy == "auth0" && connection.settings.get("disable_signup") != Some(&Value::Bool(true))
}

/// Whether a connection asks for a username.
pub(crate) fn asks_username(connection: &Connection) -> bool {
    connection.settings.get("requires_username") == Some(&Value::Bool(true))
}

fn asked_by(connection: &Connection, new: NewAccount) -> Result<NewAccount, SignupRefused> {
    match (asks_username(connection), &new.username) {
        (true, None) => Err(Invalid::new("username", "this connection asks for a username").into()),
        (false, Some(_)) => Err(Invalid::new("username", "this connection has no usernames").into()),
        (true, Some(_)) | (false, None) => Ok(new),
    }
}

async fn store(app: &App, caller: &Caller, new: NewAccount, phc: String) -> Result<User, SignupRefused> {
    let id = app.entropy.id::<12>();
    let mut profile = new.profile;
    profile.entry("name").or_insert_with(|| new.email.as_str().into());
    profile.entry("nickname").or_insert_with(|| new.email.local_part().into());
    let identity = json!({
        "connection": new.connection.as_str(), "provider": "auth0", "user_id": id, "isSocial": false,
    });
    let user = NewUser {
        id: UserId::new(format!("auth0|{id}")),
        connection: new.connection,
        email: Some(new.email.as_str().to_owned()),
        email_verified: false,
        username: new.username.map(|username| username.as_str().to_owned()),
        profile,
        user_metadata: (!new.user_metadata.is_empty()).then_some(new.user_metadata),
        app_metadata: None,
        identities: vec![identity],
        password: Some(phc),
        by: Author::User,
        at: app.now(),
    };
    match app.store.create_user(&caller.tenant, &user).await.map_err(Fault::from)? {
        Created::User(user) => Ok(user),
        Created::Taken(TakenField::Id) => Err(Fault::broken("a new user id is taken").into()),
        Created::Taken(field @ (TakenField::Email | TakenField::Username)) => Err(SignupRefused::Taken(field)),
    }
}

/// What the endpoint answers of a user (S-2).
fn view(user: &User) -> Value {
    let id = user.id.as_str();
    let mut view = Map::from_iter([
        ("_id".to_owned(), id.split_once('|').map_or(id, |(_, id)| id).into()),
        ("email_verified".to_owned(), user.email_verified.into()),
    ]);
    view.extend(user.email.iter().map(|email| ("email".to_owned(), email.as_str().into())));
    view.extend(user.username.iter().map(|username| ("username".to_owned(), username.as_str().into())));
    view.extend(user.profile.clone());
    view.extend(user.user_metadata.iter().map(|bag| ("user_metadata".to_owned(), Value::Object(bag.clone()))));
    Value::Object(view)
}

/// The body of the endpoint (S-1). Whatever is not here is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    connection: String,
    email: String,
    password: String,
    username: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    name: Option<String>,
    nickname: Option<String>,
    picture: Option<String>,
    phone_number: Option<String>,
    #[serde(default)]
    user_metadata: Map<String, Value>,
    #[expect(dead_code, reason = "all clients send it, and nothing depends on it")]
    client_id: Option<String>,
    #[serde(rename = "autoLogin")]
    #[expect(dead_code, reason = "Lock sends it; it tells Lock what to do (L-11)")]
    auto_login: Option<bool>,
}

impl Body {
    fn checked(self) -> Result<NewAccount, Invalid> {
        let username = self.username.filter(|username| !username.is_empty());
        let mut profile = Map::new();
        let roots = [
            ("given_name", self.given_name),
            ("family_name", self.family_name),
            ("name", self.name),
            ("nickname", self.nickname),
            ("picture", self.picture),
            ("phone_number", self.phone_number),
        ];
        for (name, value) in roots.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            root_text(name, &value)?;
            profile.insert(name.to_owned(), value.into());
        }
        check_metadata(&self.user_metadata)?;
        Ok(NewAccount {
            connection: ConnectionName::new(self.connection),
            email: email(&self.email)?,
            username: username.map(|text| self::username(&text)).transpose()?,
            password: password(self.password)?,
            profile,
            user_metadata: self.user_metadata,
        })
    }
}

/// Reads a body of JSON. Anything else is refused, and members that are not asked for as well.
pub(crate) fn json_body<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, SignupRefused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = kind.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Invalid::new("content-type", "send application/json").into()); // HS-19: no simple requests.
    }
    let value = canonical::parse(body).map_err(|error| Invalid::new("body", &error.to_string()))?;
    serde_json::from_value(value).map_err(|error| Invalid::new("body", &error.to_string()).into())
}

/// Reads the address of a new account.
pub(crate) fn email(text: &str) -> Result<Email, Invalid> {
    Email::parse(text).map_err(|error| Invalid::new("email", &error.to_string()))
}

/// Reads its username.
pub(crate) fn username(text: &str) -> Result<Username, Invalid> {
    Username::parse(text).map_err(|error| Invalid::new("username", &error.to_string()))
}

/// Reads its password.
pub(crate) fn password(text: String) -> Result<Password, Invalid> {
    Password::parse(text).map_err(|error| Invalid::new("password", &error.to_string()))
}

/// The most characters of a root property that may be given at signup; `None` for all others (L-7, L-9).
fn longest_root(name: &str) -> Option<usize> {
    match name {
        "given_name" | "family_name" => Some(150),
        "name" | "nickname" => Some(300),
        "picture" => Some(2_048),
        "phone_number" => Some(16),
        _ => None,
    }
}

/// Whether a root property may be given this value.
fn root_text(name: &str, value: &str) -> Result<(), Invalid> {
    let longest = longest_root(name).unwrap_or_default();
    if value.trim().is_empty() || value.chars().count() > longest || value.chars().any(char::is_control) {
        return Err(Invalid::new(name, &format!("use 1 to {longest} characters, and no control characters")));
    }
    let is_fine = match name {
        // No script, no inline image (HS-22).
        "picture" => Url::parse(value).is_ok_and(|url| url.scheme() == "https" && url.host_str().is_some()),
        "phone_number" => {
            value.strip_prefix('+').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        }
        _ => true,
    };
    let wanted = if name == "picture" { "an https URL" } else { "a number like +49301234567" };
    if is_fine { Ok(()) } else { Err(Invalid::new(name, &format!("use {wanted}"))) }
}

/// Whether `user_metadata` may be given at signup (M-13, M-17).
fn check_metadata(metadata: &Map<String, Value>) -> Result<(), Invalid> {
    if metadata.len() > MOST_MEMBERS {
        return Err(Invalid::new("user_metadata", &format!("give at most {MOST_MEMBERS} members")));
    }
    metadata.iter().try_for_each(|(name, value)| {
        let invalid = |why: String| Err(Invalid::new("user_metadata", &format!("`{}` {why}", name.escape_debug())));
        if ["__proto__", "constructor", "prototype"].contains(&name.as_str()) || name.contains(['.', '$']) {
            return invalid("cannot be a name: no `.`, no `$`, no `__proto__`, `constructor`, `prototype`".to_owned());
        }
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return invalid(format!("must have a name of 1 to {LONGEST_NAME} characters"));
        }
        match value {
            Value::String(text) if text.chars().count() <= LONGEST_VALUE => Ok(()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                invalid(format!("must be a string of at most {LONGEST_VALUE} characters"))
            }
        }
    })
}

/// What a new password must not hold.
struct Names(String, Vec<String>);

fn about(new: &NewAccount) -> Names {
    let roots = ["name", "nickname", "given_name", "family_name"].map(|name| new.profile.get(name));
    let metadata = ["name", "first", "last"].map(|name| new.user_metadata.get(name));
    let texts = roots.into_iter().chain(metadata).flatten().filter_map(Value::as_str).map(str::to_owned);
    let username = new.username.iter().map(|username| username.as_str().to_owned());
    Names(new.email.as_str().to_owned(), texts.chain(username).collect())
}

impl Names {
    fn as_about(&self) -> About<'_> {
        About { email: Some(&self.0), names: &self.1 }
    }
}
