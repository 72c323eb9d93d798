//! What happened: who wrote which key, what a login came to, and what it would come to on other rules.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, Query, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vestibule_abi::codes::FailureCode;
use vestibule_engine::{
    LoadedPipeline, Report, drive,
    http::{Source, Unrecorded},
};
use vestibule_pipeline::Login;
use vestibule_store::{
    Author, Bag, Identifier, LoginId, LoginQuery, LoginRecord, Provenance, TenantId, Timestamp, User, UserId,
};

use super::{
    Ops,
    auth::{Admin, Scope},
    deploy::{refused, unloadable},
};
use crate::{
    app::Generations as _,
    error::{ApiError, Fault, Refused},
    login::recording::Recording,
};

/// How many logins are listed where nobody says how many.
const LOGINS: u32 = 50;
/// The most that are listed at once.
const MOST_LOGINS: u32 = 500;

/// Whom, and which key, an explanation is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    user: String,
    key: Option<String>,
}

/// Who wrote a metadata key last.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The bag and the key, as in `app_metadata.plan`.
    pub key: String,
    /// What is stored there.
    pub value: Option<Value>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Who wrote it; none where it was there before anybody kept account.
    pub by: Option<Author>,
    /// When.
    pub at: Option<Timestamp>,
}

/// Which logins are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// By id or e-mail address.
    user: Option<String>,
    /// `failed` means any code of a failure.
    outcome: Option<String>,
    /// Only those that began before, in milliseconds since 1970: the time of the last one that is known already.
    before: Option<i64>,
    limit: Option<u32>,
}

/// A leg of a login, as a list shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoginNote {
    /// The login.
    pub login: String,
    /// Its leg: a redirect or a second factor begins another.
    pub leg: u32,
    /// When it began.
    pub at: Timestamp,
    /// Whom it is about.
    pub user: Option<String>,
    /// The client that asked.
    pub client: Option<String>,
    /// The generation that ran.
    pub generation: Option<i64>,
    /// What it came to: `allow`, `deny`, the code of a failure …
    pub outcome: String,
    /// The rule that ended it.
    pub rule: Option<String>,
    /// The code of its refusal or failure; what it said is in the login itself.
    pub code: Option<String>,
}

/// A replay: what the login came to, and what it comes to now.
#[derive(Debug, Serialize, Deserialize)]
pub struct Replayed {
    /// The login.
    pub login: String,
    /// The generation it ran on.
    pub generation: Option<i64>,
    /// What it was replayed on: the number of the live generation, or `candidate`.
    pub on: Value,
    /// Its outcome then.
    pub then: String,
    /// What its rules did then.
    pub summary: Value,
    /// Its report now, as `vestibule run --json` prints it.
    pub now: Value,
    /// What it would be on the rules that ran then, if they are still kept.
    pub before: Option<Value>,
}

/// `GET /v1/explain?user=…&key=app_metadata.plan`; without a key, all of them.
pub(super) async fn explain(
    State(ops): State<Ops>,
    Query(question): Query<Question>,
) -> Result<Json<Vec<Explained>>, ApiError> {
    let user = ops.user(&question.user).await?;
    let provenance = ops.app.store.provenance(&TenantId::default(), &user.id).await?;
    Ok(Json(explained(&user, &provenance, question.key.as_deref())?))
}

/// `GET /v1/logins?user=…&outcome=…&before=…&limit=…`: newest first; `limit` of them, and all of the last one's millisecond.
pub(super) async fn logins(
    State(ops): State<Ops>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<LoginNote>>, ApiError> {
    let limit = wanted.limit.unwrap_or(LOGINS);
    if !(1..=MOST_LOGINS).contains(&limit) {
        return Err(Refused::invalid_request(format!("`limit` is a number from 1 to {MOST_LOGINS}")).into());
    }
    let user = match &wanted.user {
        Some(named) => Some(ops.user(named).await?.id),
        None => None,
    };
    let outcomes = match wanted.outcome.as_deref() {
        Some("failed") => FailureCode::ALL.iter().map(ToString::to_string).collect(),
        Some(word) => vec![word.to_owned()],
        None => Vec::new(),
    };
    let query = LoginQuery { user, outcomes, before: wanted.before.map(Timestamp), limit };
    let found = ops.app.store.logins(&TenantId::default(), &query).await?;
    Ok(Json(found.into_iter().map(LoginNote::of).collect()))
}

/// `GET /v1/logins/{login}`: what the journal tells of a login.
pub(super) async fn login(State(ops): State<Ops>, Path(login): Path<String>) -> Result<Json<Value>, ApiError> {
    let LoginRecord { login, leg, user, client, generation, at, outcome, summary, .. } = ops.login(&login).await?;
    Ok(Json(json!({
        "login": login, "leg": leg, "user": user, "client": client, "generation": generation, "at": at,
        "outcome": outcome, "summary": summary,
    })))
}

/// `POST /v1/logins/{login}/replay`: on the live generation, or on a candidate in the body. Nothing is sent and nothing
/// is stored. A candidate is code of whoever brings it, and sees what it asks to be granted: it needs `deploy` too.
pub(super) async fn replay(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(login): Path<String>,
    body: Bytes,
) -> Result<Json<Replayed>, ApiError> {
    if !body.is_empty() {
        admin.needs(Scope::Deploy)?;
    }
    let record = ops.login(&login).await?;
    Ok(Json(ops.replay(record, &body).await?))
}

impl Ops {
    /// A user by id or e-mail address.
    pub(super) async fn user(&self, named: &str) -> Result<User, ApiError> {
        let (store, tenant) = (&self.app.store, TenantId::default());
        if let Some(user) = store.user(&tenant, &UserId::from(named)).await? {
            return Ok(user);
        }
        let email = named.to_lowercase();
        for connection in store.connections(&tenant).await? {
            for identifier in [Identifier::Email(&email), Identifier::Username(&email)] {
                if let Some(user) = store.user_by_identifier(&tenant, &connection.name, identifier).await? {
                    return Ok(user);
                }
            }
        }
        Err(ApiError::refused(StatusCode::NOT_FOUND, "not_found", "there is no such user"))
    }

    async fn login(&self, login: &str) -> Result<LoginRecord, ApiError> {
        let record = self.app.store.login(&TenantId::default(), &LoginId::from(login)).await?;
        record.ok_or_else(|| ApiError::refused(StatusCode::NOT_FOUND, "not_found", "there is no such login"))
    }

    async fn replay(&self, record: LoginRecord, bundle: &[u8]) -> Result<Replayed, ApiError> {
        let Some(sealed) = &record.replay else {
            let told = "this login kept nothing to replay: its rules did not run, or it was erased";
            return Err(ApiError::refused(StatusCode::GONE, "nothing_recorded", told));
        };
        let recording = Recording::open(&self.app.keys.seal, &record.login, record.leg, sealed)?;
        let (on, loaded) = self.candidate(bundle).await?;
        let before = match self.ran_on(&record).await? {
            Some(loaded) => Some(self.again(&record.login, &recording, &loaded).await?),
            None => None,
        };
        Ok(Replayed {
            login: record.login.to_string(),
            generation: record.generation.map(|number| number.0),
            on,
            then: record.outcome,
            summary: record.summary.into(),
            now: self.again(&record.login, &recording, &loaded).await?,
            before,
        })
    }

    async fn candidate(&self, bundle: &[u8]) -> Result<(Value, LoadedPipeline), ApiError> {
        let tenant = TenantId::default();
        if bundle.is_empty() {
            let live = self.generations.active(&tenant);
            return Ok((json!(live.number), live.loaded.clone()));
        }
        let rules = self.generations.inspect(bundle).map_err(refused)?;
        let values = self.generations.values(&tenant).await.map_err(unloadable)?;
        let loaded = self.generations.load(None, &rules, values).await.map_err(unloadable)?;
        Ok((json!("candidate"), loaded.loaded.clone()))
    }

    /// The rules that ran then, loaded again; none when they are not kept.
    async fn ran_on(&self, record: &LoginRecord) -> Result<Option<LoadedPipeline>, ApiError> {
        let tenant = TenantId::default();
        let Some(number) = record.generation else { return Ok(None) };
        if let Some(pinned) = self.generations.pinned(&tenant, number) {
            return Ok(Some(pinned.loaded.clone()));
        }
        let Some(stored) = self.app.store.generation(&tenant, number).await? else { return Ok(None) };
        let rules = self.generations.stored_rules(&tenant, &stored).await.map_err(unloadable)?;
        let values = self.generations.values(&tenant).await.map_err(unloadable)?;
        // A secret that is gone since does not keep a login from being explained.
        Ok(self.generations.load(Some(number), &rules, values).await.ok().map(|loaded| loaded.loaded.clone()))
    }

    /// Runs the rules again on what was recorded; a request that was not made then ends the login.
    async fn again(&self, login: &LoginId, recording: &Recording, loaded: &LoadedPipeline) -> Result<Value, ApiError> {
        let mut login =
            Login::begin(Arc::clone(&loaded.pipeline), recording.input(&self.app, login)).map_err(Fault::from)?;
        let rules = loaded.pipeline.rules();
        let source = |position: usize| {
            let name = rules.get(position).map_or("", vestibule_pipeline::Rule::name);
            let recorded = recording.exchanges.iter().find(|of_rule| of_rule.rule == name);
            Source::Replay {
                recorded: recorded.map(|of_rule| of_rule.exchanges.clone()).unwrap_or_default(),
                otherwise: Unrecorded::Fail(FailureCode::HttpNotRecorded),
            }
        };
        let report: Report = drive(&mut login, &loaded.rules, source).await.map_err(Fault::from)?;
        Ok(serde_json::to_value(&report).map_err(Fault::from)?)
    }
}

fn explained(user: &User, provenance: &[Provenance], key: Option<&str>) -> Result<Vec<Explained>, ApiError> {
    let empty = serde_json::Map::new();
    let bags = [
        ("user_metadata", Bag::UserMetadata, user.user_metadata.as_ref().unwrap_or(&empty)),
        ("app_metadata", Bag::AppMetadata, user.app_metadata.as_ref().unwrap_or(&empty)),
    ];
    let mut told = Vec::new();
    for (name, bag, stored) in bags {
        let written: Vec<_> = provenance.iter().filter(|written| written.bag == bag).collect();
        let unwritten = stored.keys().filter(|key| !written.iter().any(|written| written.key == **key));
        told.extend(unwritten.map(|key| Explained::of(name, key, stored.get(key), None)));
        told.extend(
            written.iter().map(|written| Explained::of(name, &written.key, stored.get(&written.key), Some(written))),
        );
    }
    if let Some(key) = key {
        let is_one = (key.starts_with("user_metadata.") || key.starts_with("app_metadata.")) && !key.contains('\0');
        if !is_one {
            let told = "a key is written as in `app_metadata.plan` or `user_metadata.language`";
            return Err(Refused::invalid_request(told).into());
        }
        told.retain(|explained| explained.key == key);
    }
    told.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(told)
}

impl LoginNote {
    fn of(record: LoginRecord) -> Self {
        let LoginRecord { login, leg, user, client, generation, at, outcome, summary, .. } = record;
        let ended = ["deny", "failure"].iter().find_map(|how| summary.get(*how));
        let word =
            |of: Option<&Value>, key: &str| of.and_then(|of| of.get(key)).and_then(Value::as_str).map(str::to_owned);
        let why = ended.and_then(|ended| ended.get("refusal").or_else(|| ended.get("failure")));
        Self {
            login: login.to_string(),
            leg,
            at,
            user: user.map(|user| user.to_string()),
            client: client.map(|client| client.to_string()),
            generation: generation.map(|number| number.0),
            outcome,
            rule: word(ended, "rule"),
            code: word(why, "code"),
        }
    }
}

impl Explained {
    fn of(bag: &str, key: &str, value: Option<&Value>, written: Option<&Provenance>) -> Self {
        Self {
            key: format!("{bag}.{key}"),
            value: value.cloned(),
            deleted: written.is_some_and(|written| written.deleted),
            by: written.map(|written| written.by.clone()),
            at: written.map(|written| written.at),
        }
    }
}
