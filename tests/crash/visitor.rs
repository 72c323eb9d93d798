//! Somebody who logs in, again and again and in every way, and remembers what was acknowledged.
//!
//! What was asked for and not answered is in doubt: it may have been done or not, and both are right. What was answered
//! must hold for ever; if it does not, the visitor panics.

use std::{
    mem,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{StatusCode, header};
use serde_json::{Value, json};
use vestibule_testkit::{guests::TALLY, proof::Dice};

use crate::service::{
    Answer, Browser, CALLBACK, NoAnswer, STRONG, Site as _, VERIFIER, Web, authorization, claims, encoded,
};

/// The client of all visitors.
pub(super) const CLIENT: &str = "visitors";
/// How long a code is kept before it is exchanged: less than it lives.
const KEPT: Duration = Duration::from_secs(20);

/// Their client, as it is registered.
pub(super) fn client() -> Value {
    json!({
        "name": "Visitors",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token", "password"],
        "auth_methods": ["none"],
        "first_party": true,
    })
}

/// A login that was acknowledged: whose, its id, and the number that its rule gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) person: &'static str,
    pub(super) login: String,
    pub(super) number: u64,
}

/// What all visitors have in common while they log in.
#[derive(Debug, Default)]
pub(super) struct Load {
    over: AtomicBool,
    acknowledged: AtomicU64,
}

impl Load {
    /// Waits until so many logins were acknowledged.
    pub(super) async fn reaches(&self, acknowledged: u64) {
        while self.acknowledged() < acknowledged {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }

    /// How many were acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// That is all.
    pub(super) fn ends(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Something that one was given.
#[derive(Debug)]
enum Given<T> {
    /// Not yet, or it is known to be used up.
    Nothing,
    /// It must work.
    Good(T),
    /// It was presented, and nobody answered: it may be used up.
    Doubtful(T),
}

/// Somebody who logs in.
pub(super) struct Visitor<'w> {
    web: &'w Web,
    browser: Browser<'w, Web>,
    person: &'static str,
    dice: Dice,
    session: Given<()>,
    refresh: Given<String>,
    /// A code that was not exchanged yet, and since when.
    code: Option<(String, Instant)>,
    acknowledged: Vec<Acknowledged>,
    unanswered: u64,
}

impl<'w> Visitor<'w> {
    pub(super) fn new(web: &'w Web, person: &'static str, dice: Dice) -> Self {
        Self {
            web,
            browser: web.browser(),
            person,
            dice,
            session: Given::Nothing,
            refresh: Given::Nothing,
            code: None,
            acknowledged: Vec::new(),
            unanswered: 0,
        }
    }

    /// Logs in, in one way after another.
    pub(super) async fn log_in_during(&mut self, load: &Load) {
        while !load.over.load(Ordering::Relaxed) {
            let before = self.acknowledged.len();
            if self.log_in().await.is_err() {
                self.unanswered += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            load.acknowledged.fetch_add((self.acknowledged.len() - before) as u64, Ordering::Relaxed);
        }
    }

    /// What was acknowledged since one asked last.
    pub(super) fn acknowledged(&mut self) -> Vec<Acknowledged> {
        mem::take(&mut self.acknowledged)
    }

    /// How often nobody answered since one asked last.
    pub(super) fn unanswered(&mut self) -> u64 {
        mem::take(&mut self.unanswered)
    }

    async fn log_in(&mut self) -> Result<(), NoAnswer> {
        match self.dice.below(8) {
            0 => self.with_a_password().await,
            1 => self.at_the_page().await,
            2 | 3 => self.by_the_session().await,
            4 => self.exchange().await,
            _ => self.refresh().await,
        }
    }

    async fn with_a_password(&mut self) -> Result<(), NoAnswer> {
        let tokens = password_grant(self.web, self.person).await?;
        self.acknowledge(&tokens)
    }

    /// Types the password, though there may be a session.
    async fn at_the_page(&mut self) -> Result<(), NoAnswer> {
        let asked = self.browser.try_get(&authorize("login")).await?;
        // From here on there may be a new session that nobody told us of, in place of the one we have.
        self.session = Given::Doubtful(());
        let back = self.browser.try_sign_in(&asked, self.person, STRONG).await?;
        self.session = Given::Good(());
        self.take_code(&back).await
    }

    async fn by_the_session(&mut self) -> Result<(), NoAnswer> {
        if matches!(self.session, Given::Nothing) {
            return self.at_the_page().await;
        }
        let back = self.browser.try_get(&authorize("none")).await?;
        match back.sent("error").as_deref() {
            None => self.take_code(&back).await,
            Some("login_required") if matches!(self.session, Given::Doubtful(())) => {
                self.session = Given::Nothing;
                Ok(())
            }
            Some("temporarily_unavailable") => Err(NoAnswer("others were faster".to_owned())),
            Some(other) => panic!("a session that was acknowledged is lost: {other}"),
        }
    }

    /// A code is exchanged at once, or kept for later.
    async fn take_code(&mut self, back: &Answer) -> Result<(), NoAnswer> {
        if back.sent("error").as_deref() == Some("temporarily_unavailable") {
            return Err(NoAnswer("others were faster".to_owned()));
        }
        let kept = self.code.replace((back.code(), Instant::now()));
        if kept.is_some() || self.dice.below(2) == 0 { self.exchange().await } else { Ok(()) }
    }

    async fn exchange(&mut self) -> Result<(), NoAnswer> {
        let Some((code, since)) = self.code.take() else { return Ok(()) };
        if since.elapsed() > KEPT {
            return Ok(());
        }
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let tokens = token(self.web, &form).await?;
        self.acknowledge(&tokens)
    }

    async fn refresh(&mut self) -> Result<(), NoAnswer> {
        let (presented, is_doubtful) = match mem::replace(&mut self.refresh, Given::Nothing) {
            Given::Nothing => return self.with_a_password().await,
            Given::Good(token) => (token, false),
            Given::Doubtful(token) => (token, true),
        };
        self.refresh = Given::Doubtful(presented.clone());
        let form = [("grant_type", "refresh_token"), ("refresh_token", presented.as_str())];
        let tokens = token(self.web, &form).await?;
        if is_doubtful && tokens.status == StatusCode::FORBIDDEN {
            self.refresh = Given::Nothing;
            return Ok(());
        }
        self.acknowledge(&tokens)
    }

    /// Writes down a login that was acknowledged with tokens.
    fn acknowledge(&mut self, answer: &Answer) -> Result<(), NoAnswer> {
        assert_eq!(answer.status, StatusCode::OK, "something that was acknowledged is lost: {}", answer.body);
        let tokens = answer.json();
        if let Some(refresh) = tokens["refresh_token"].as_str() {
            self.refresh = Given::Good(refresh.to_owned());
        }
        self.acknowledged.push(Acknowledged {
            person: self.person,
            login: claims(&tokens["access_token"])["jti"].as_str().unwrap().to_owned(),
            number: claims(&tokens["id_token"])[TALLY].as_u64().unwrap(),
        });
        Ok(())
    }
}

/// The password grant, for somebody.
pub(super) async fn password_grant(web: &Web, person: &str) -> Result<Answer, NoAnswer> {
    let form =
        [("grant_type", "password"), ("username", person), ("password", STRONG), ("scope", "openid offline_access")];
    token(web, &form).await
}

async fn token(web: &Web, form: &[(&str, &str)]) -> Result<Answer, NoAnswer> {
    let form = encoded(&[&[("client_id", CLIENT)], form].concat());
    let request = web.request("POST", "/oauth/token");
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    web.try_send(request.body(Body::from(form)).unwrap()).await
}

/// The path of an authorization request.
fn authorize(prompt: &str) -> String {
    let query = [("client_id", CLIENT), ("scope", "openid offline_access"), ("prompt", prompt)];
    format!("/authorize?{}", authorization(&query))
}
