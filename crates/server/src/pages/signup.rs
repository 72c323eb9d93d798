//! `/u/signup`: a new account, and on with the login it is for.

use std::collections::BTreeMap;

use askama::Template;
use axum::{body::Bytes, extract::Query, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Map;
use vestibule_store::{Connection, Wait};

use super::{Form, Frame, Posted, Problem, State, Visit, leads_to};
use crate::{
    error::{ApiError, PageError, Refused},
    login::{
        self, Method, Principal,
        parked::{self, Pending},
    },
    signup::{self, FieldKind, Invalid, NewAccount, ShownField, SignupField, SignupRefused},
};

/// A signup form as it was posted: its fields depend on the settings.
#[derive(Deserialize)]
#[serde(try_from = "Vec<(String, String)>")]
pub(crate) struct SignupForm(BTreeMap<String, String>);

impl TryFrom<Vec<(String, String)>> for SignupForm {
    type Error = String;

    fn try_from(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            if fields.insert(name.clone(), value).is_some() {
                return Err(format!("duplicate field `{name}`"));
            }
        }
        Ok(Self(fields))
    }
}

impl Posted for SignupForm {
    fn purpose(&self) -> &'static str {
        "signup"
    }

    fn about(&self) -> &str {
        self.text("state")
    }

    fn csrf(&self) -> &str {
        self.text("csrf")
    }
}

impl SignupForm {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Refuses whatever this form does not have (HS-11).
    fn refuse_unknown(&self, fields: &[SignupField]) -> Result<(), Refused> {
        const OWN: [&str; 6] = ["state", "csrf", "email", "username", "password", "terms"];
        let unknown = self.0.keys().find(|name| {
            !OWN.contains(&name.as_str()) && !fields.iter().any(|field| field.id() == **name && !field.is_hidden())
        });
        match unknown {
            Some(name) => Err(Refused::invalid_request(format!("This form has no field `{}`.", name.escape_debug()))),
            None => Ok(()),
        }
    }

    /// The account that it describes, or all that is wrong with it.
    fn checked(&self, visit: &Visit, connection: &Connection) -> Result<NewAccount, Vec<Problem>> {
        let settings = &visit.app.accounts.signup;
        let (mut profile, mut user_metadata) = (Map::new(), Map::new());
        let mut problems = Vec::new();
        let mut note = |invalid: Invalid| problems.push(Problem::new(&invalid.field, invalid.message));
        let email = signup::email(self.text("email")).map_err(&mut note).ok();
        let username =
            signup::asks_username(connection).then(|| signup::username(self.text("username")).map_err(&mut note).ok());
        let password = signup::password(self.text("password").to_owned()).map_err(&mut note).ok();
        for field in &settings.fields {
            let stored = field.store(self.text(&field.id()), &mut profile, &mut user_metadata);
            stored.map_err(&mut note).ok();
        }
        if settings.terms.is_some() && self.text("terms") != "true" {
            note(Invalid::new("terms", "The terms have to be accepted."));
        }
        match (email, password, problems.is_empty()) {
            (Some(email), Some(password), true) => {
                let connection = connection.name.clone();
                Ok(NewAccount { connection, email, username: username.flatten(), password, profile, user_metadata })
            }
            _ => Err(problems),
        }
    }
}

#[derive(Template)]
#[template(path = "signup.html")]
struct SignupPage<'a> {
    frame: Frame,
    form: Form,
    client: &'a str,
    email: &'a str,
    username: &'a str,
    username_field: bool,
    advice: Vec<String>,
    fields: Vec<ShownField<'a>>,
    terms: &'a str,
}

/// `GET /u/signup?state=`
pub(crate) async fn show(visit: Visit, Query(query): Query<State>) -> Result<Response, PageError> {
    let (pending, connection) = open(&visit, &query.state).await?;
    let empty = SignupForm(BTreeMap::from([("state".to_owned(), query.state)]));
    Ok(page(visit, &pending, &connection, &Shown { form: &empty, status: StatusCode::OK, problems: Vec::new() }))
}

/// `POST /u/signup`. Whoever signed up is logged in.
pub(crate) async fn submit(visit: Visit, body: Bytes) -> Result<Response, PageError> {
    let posted: SignupForm = visit.posted(&body)?;
    posted.refuse_unknown(&visit.app.accounts.signup.fields)?;
    let (pending, connection) = open(&visit, posted.about()).await?;
    let account = match posted.checked(&visit, &connection) {
        Ok(account) => account,
        Err(problems) => {
            let shown = Shown { form: &posted, status: StatusCode::BAD_REQUEST, problems };
            return Ok(page(visit, &pending, &connection, &shown));
        }
    };
    match signup::create(&visit.app, &visit.caller, account).await {
        Ok(user) => {
            let now = visit.app.now();
            let methods = vec![Method::password(now)];
            let principal = Principal { user: user.id, connection: connection.name, methods, at: now };
            login::authenticated(&visit.app, &visit.caller, visit.jar, &pending, principal).await
        }
        Err(refused) => {
            let (status, problems, retry_after) = explain(refused)?;
            let mut response = page(visit, &pending, &connection, &Shown { form: &posted, status, problems });
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Ok(response)
        }
    }
}

type Explained = (StatusCode, Vec<Problem>, Option<u64>);

/// What somebody is told who did not get an account.
fn explain(refused: SignupRefused) -> Result<Explained, PageError> {
    let problems = match refused {
        SignupRefused::Invalid(Invalid { field, message }) => vec![Problem::new(&field, message)],
        SignupRefused::Weak(weakness) => {
            weakness.sentences().into_iter().map(|text| Problem::new("password", text)).collect()
        }
        SignupRefused::Taken(_) | SignupRefused::Closed => {
            let text = "This account cannot be made. If you have one already, log in or choose a new password.";
            vec![Problem::new("", text)]
        }
        SignupRefused::Failed(ApiError::Refused(refused)) if refused.retry_after.is_some() => {
            let problem = Problem::new("", "This was tried too often. Please try again in a while.");
            return Ok((refused.status, vec![problem], refused.retry_after));
        }
        SignupRefused::Failed(error) => return Err(error.into()),
    };
    Ok((StatusCode::BAD_REQUEST, problems, None))
}

async fn open(visit: &Visit, state: &str) -> Result<(Pending, Connection), PageError> {
    let pending = parked::open(&visit.app, &visit.caller, &visit.jar, state, Wait::Credentials).await?;
    let connection = visit.connection(Some(&pending)).await?;
    if !visit.app.accounts.signup.open || !signup::is_open(&connection) {
        return Err(Refused::new(StatusCode::NOT_FOUND, "signup_closed", "Nobody can sign up here.").into());
    }
    Ok((pending, connection))
}

struct Shown<'a> {
    form: &'a SignupForm,
    status: StatusCode,
    problems: Vec<Problem>,
}

fn page(visit: Visit, pending: &Pending, connection: &Connection, shown: &Shown<'_>) -> Response {
    let app = visit.app.clone();
    let settings = &app.accounts.signup;
    let typed = |field: &SignupField| shown.form.0.contains_key("email").then(|| shown.form.text(&field.id()));
    let problems = shown.problems.iter().map(|problem| Problem::new(&problem.field, problem.text.clone()));
    let page = SignupPage {
        frame: visit.frame_with(problems.collect()),
        form: visit.form("signup", shown.form.about()),
        client: pending.client_name(),
        email: shown.form.text("email"),
        username: shown.form.text("username"),
        username_field: signup::asks_username(connection),
        advice: app.accounts.policy.advice(),
        fields: settings.fields.iter().map(|field| field.shown(typed(field))).collect(),
        terms: settings.terms.as_ref().map_or("", signup::Terms::as_str),
    };
    let leads_to = leads_to(&app, &visit.caller, pending);
    visit.show(shown.status, &page, &leads_to)
}
