//! What an allowed leg issues: the session, the code, the refresh token, and what tokens are made of.
//!
//! Secrets are made here and kept as digests in what is committed; they leave in [`Issued`], after the commit.

use serde_json::{Map, Value, json};
use vestibule_pipeline::{manifest, outcome::Allow};
use vestibule_store::{
    Allowed, Bag, Client, FamilyId, KeyWritten, NewCode, NewFamily, NewSession, RefreshUse, RevisionDigest, SessionId,
    SessionUse, User,
};

use super::{Flow, LoginTransaction, Rules};
use crate::{
    app::App,
    clock::Token,
    error::Fault,
    tokens::{Grant, lifetime, standard_claims},
};

/// What an allowed leg issued: in clear for the one it is for, as digests in the store.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) grant: Grant,
    pub(crate) code: Option<Token>,
    /// The cookie of a session that was opened.
    pub(crate) session: Option<Token>,
    pub(crate) refresh: Option<Token>,
}

/// What an allowed leg makes durable, and what it issues.
pub(super) fn issue(
    app: &App,
    login: &LoginTransaction<'_>,
    user: &User,
    allow: Allow,
) -> Result<(Allowed, Issued), Fault> {
    let subject = subject(login, &allow);
    let (session, cookie, id) = session(app, login, &subject);
    let grant = grant(login, &allow, subject, id);
    let (refresh, refresh_token) = refresh(app, login, &grant)?;
    let (code, code_token) = code(app, login, &grant)?;
    let changes = |bag| allow.provenance.iter().any(|change| change.bag == bag);
    let bag = |bag, map: fn(&Allow) -> Map<String, Value>| {
        changes(bag).then(|| Some(map(&allow)).filter(|bag: &Map<String, Value>| !bag.is_empty()))
    };
    let allowed = Allowed {
        read: user.version,
        user_metadata: bag(manifest::Bag::UserMetadata, |allow| allow.profile.user_metadata()),
        app_metadata: bag(manifest::Bag::AppMetadata, |allow| allow.profile.app_metadata()),
        written: written(login, &allow),
        session,
        code,
        refresh,
    };
    Ok((allowed, Issued { grant, code: code_token, session: cookie, refresh: refresh_token }))
}

/// The session of an allowed login: the browser's own if nobody authenticated, else a new one (HS-16).
fn session(app: &App, login: &LoginTransaction<'_>, subject: &str) -> (SessionUse, Option<Token>, Option<SessionId>) {
    let now = app.now();
    let lifetimes = &app.settings.lifetimes;
    let flow = match &login.flow {
        // Whoever was let in without rules is let in here, not everywhere.
        Flow::Browser(_) if login.rules.are_skipped() => return (SessionUse::None, None, None),
        Flow::Browser(flow) => flow,
        Flow::Password { .. } => return (SessionUse::None, None, None),
        Flow::Refresh { family, .. } => return (SessionUse::None, None, family.session.clone()),
    };
    match &flow.session {
        Some(session) if flow.is_silent => {
            let idle_until = now.plus(lifetimes.session_idle);
            let id = session.id.clone();
            (SessionUse::Join { id: id.clone(), idle_until }, None, Some(id))
        }
        replaced => {
            let (id, cookie) = (SessionId::new(app.entropy.token().as_str()), app.entropy.token());
            let new = NewSession {
                id: id.clone(),
                cookie: cookie.digest(),
                replaces: replaced.as_ref().map(|session| session.id.clone()),
                authenticated_at: login.principal.at,
                methods: login.principal.methods.iter().map(|method| json!(method)).collect(),
                document: Map::from_iter([
                    ("connection".to_owned(), json!(login.principal.connection)),
                    ("subject".to_owned(), json!(subject)),
                ]),
                idle_until: now.plus(lifetimes.session_idle),
                expires_at: now.plus(lifetimes.session),
            };
            (SessionUse::Open(new), Some(cookie), Some(id))
        }
    }
}

/// Whom the tokens are about: the user, or an identity that is linked to them (C-6). The pipeline accepts no other.
fn subject(login: &LoginTransaction<'_>, allow: &Allow) -> String {
    let primary = allow.context.get("primaryUser").and_then(Value::as_str);
    primary.unwrap_or(login.principal.user.as_str()).to_owned()
}

fn grant(login: &LoginTransaction<'_>, allow: &Allow, subject: String, session: Option<SessionId>) -> Grant {
    let (granted, audience) = login.granted();
    let nonce = match &login.flow {
        Flow::Browser(flow) => flow.request.nonce.clone(),
        Flow::Password { .. } | Flow::Refresh { .. } => None,
    };
    Grant {
        login: login.id.clone(),
        subject,
        audience: audience.clone(),
        scope: match &login.rules {
            Rules::Of(_) => allow.scope.clone(),
            Rules::BreakGlass { .. } => {
                allow.scope.iter().filter(|scope| *scope != "offline_access").cloned().collect()
            }
        },
        granted: granted.to_vec(),
        nonce,
        authenticated_at: login.principal.at,
        methods: login.principal.methods.clone(),
        connection: login.principal.connection.as_str().to_owned(),
        session,
        grant_type: matches!(login.flow, Flow::Password { .. }).then(|| "password".to_owned()),
        not_after: match &login.rules {
            Rules::Of(_) => None,
            Rules::BreakGlass { until } => Some(*until),
        },
        profile: standard_claims(&allow.profile.user()),
        id_token: allow.id_token.clone(),
        access_token: allow.access_token.clone(),
    }
}

fn code(app: &App, login: &LoginTransaction<'_>, grant: &Grant) -> Result<(Option<NewCode>, Option<Token>), Fault> {
    let Flow::Browser(flow) = &login.flow else { return Ok((None, None)) };
    let code = app.entropy.token();
    let new = NewCode {
        digest: code.digest(),
        client: login.client.id.clone(),
        redirect_uri: flow.request.destination.redirect_uri.clone(),
        challenge: flow.request.challenge.as_str().to_owned(),
        offline: grant.has_scope("offline_access"),
        document: grant.to_document()?,
        expires_at: app.now().plus(app.settings.lifetimes.code),
    };
    Ok((Some(new), Some(code)))
}

fn refresh(app: &App, login: &LoginTransaction<'_>, grant: &Grant) -> Result<(RefreshUse, Option<Token>), Fault> {
    let next = app.entropy.token();
    match &login.flow {
        Flow::Browser(_) => Ok((RefreshUse::None, None)),
        Flow::Password { .. } if grant.has_scope("offline_access") => {
            let issue = RefreshUse::Issue { family: family(app, &login.client, &next), document: grant.to_document()? };
            Ok((issue, Some(next)))
        }
        Flow::Password { .. } => Ok((RefreshUse::None, None)),
        Flow::Refresh { presented, .. } => {
            let (presented, idle_until) = (*presented, family(app, &login.client, &next).idle_until);
            // A public client that kept its token could not tell that it was stolen (RFC 9700 §2.2.2).
            let rotates = login.client.settings.rotate_refresh_tokens.unwrap_or(true) || login.client.secret.is_none();
            match rotates {
                true => Ok((RefreshUse::Rotate { presented, next: next.digest(), idle_until }, Some(next))),
                false => Ok((RefreshUse::Keep { presented, idle_until }, None)),
            }
        }
    }
}

/// A new refresh-token family of a client, with its first token.
pub(crate) fn family(app: &App, client: &Client, first: &Token) -> NewFamily {
    let now = app.now();
    let life = lifetime(client.settings.refresh_token_seconds, app.settings.lifetimes.refresh_token);
    NewFamily {
        id: FamilyId::new(app.entropy.token().as_str()),
        token: first.digest(),
        idle_until: now.plus(lifetime(client.settings.refresh_idle_seconds, life)),
        expires_at: now.plus(life),
    }
}

/// Which rule changed which key of the metadata, and in which revision.
fn written(login: &LoginTransaction<'_>, allow: &Allow) -> Vec<KeyWritten> {
    let Rules::Of(generation) = &login.rules else { return Vec::new() };
    let revision = |name: &manifest::RuleName| {
        let rule = generation.loaded.pipeline.rules().iter().find(|rule| rule.manifest.name == *name);
        RevisionDigest::new(rule.map(|rule| rule.digest.to_string()).unwrap_or_default())
    };
    let bag = |bag| match bag {
        manifest::Bag::UserMetadata => Some(Bag::UserMetadata),
        manifest::Bag::AppMetadata => Some(Bag::AppMetadata),
        manifest::Bag::User
        | manifest::Bag::Context
        | manifest::Bag::Shared
        | manifest::Bag::IdToken
        | manifest::Bag::AccessToken => None,
    };
    let changes = allow.provenance.iter().filter_map(|change| Some((bag(change.bag)?, change)));
    changes
        .map(|(bag, change)| KeyWritten {
            bag,
            key: change.key.clone(),
            rule: change.rule.as_str().to_owned(),
            revision: revision(&change.rule),
        })
        .collect()
}
