//! What is asked of a login service, by as many callers at a time as wanted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use http::StatusCode;

use crate::{
    connection::{Answer, Connection},
    node::{CALLBACK, CLIENT, Node, PASSWORD, SECRET, email},
    rounds::Samples,
};

/// A code verifier and its challenge (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What callers do, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// The password grant: one request.
    PasswordGrant,
    /// The code flow with PKCE, from `/authorize` through the login page to the tokens: four requests.
    BrowserLogin,
    /// The refresh of their own last refresh token.
    Refresh,
}

/// Callers with connections, and users, of their own.
pub struct Callers {
    doing: Doing,
    callers: Vec<Caller>,
    users: usize,
    next: Arc<AtomicUsize>,
}

struct Caller {
    connection: Connection,
    refresh: String,
}

impl Callers {
    /// So many callers of a node with so many users. For refreshing each logs in once.
    ///
    /// # Errors
    /// When nobody answers, or refuses.
    pub async fn of(node: &Node, doing: Doing, callers: usize, users: usize) -> anyhow::Result<Self> {
        let caller = || Caller { connection: Connection::new(node.public), refresh: String::new() };
        let mut all = Self {
            doing,
            callers: std::iter::repeat_with(caller).take(callers).collect(),
            users,
            next: Arc::default(),
        };
        if doing == Doing::Refresh {
            for (number, caller) in all.callers.iter_mut().enumerate() {
                caller.password_grant(number).await?;
            }
        }
        Ok(all)
    }

    /// Lets all of them go on for so long, each as soon as it is answered; how many a second were done. Those that are
    /// under way at the end are counted with the time they take.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn go_on(&mut self, length: Duration, samples: &mut Samples) -> anyhow::Result<f64> {
        let began = Instant::now();
        let (doing, users, next) = (self.doing, self.users, &self.next);
        let each = self.callers.iter_mut().map(|caller| async move {
            let mut samples = Samples::default();
            while began.elapsed() < length {
                let number = next.fetch_add(1, Ordering::Relaxed) % users;
                let asked = Instant::now();
                caller.once(doing, number).await?;
                samples.push(asked.elapsed());
            }
            anyhow::Ok(samples)
        });
        let mut done = 0;
        for of_caller in try_join_all(each).await? {
            done += of_caller.len();
            samples.append(of_caller);
        }
        Ok(done as f64 / began.elapsed().as_secs_f64())
    }
}

impl Caller {
    async fn once(&mut self, doing: Doing, number: usize) -> anyhow::Result<()> {
        match doing {
            Doing::PasswordGrant => self.password_grant(number).await,
            Doing::BrowserLogin => self.browser_login(number).await,
            Doing::Refresh => self.refresh().await,
        }
    }

    async fn password_grant(&mut self, number: usize) -> anyhow::Result<()> {
        let email = email(number);
        let form = [
            ("grant_type", "password"),
            ("username", email.as_str()),
            ("password", PASSWORD),
            ("scope", "openid profile offline_access"),
        ];
        self.tokens(&form).await
    }

    async fn refresh(&mut self) -> anyhow::Result<()> {
        let refresh = std::mem::take(&mut self.refresh);
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await
    }

    async fn browser_login(&mut self, number: usize) -> anyhow::Result<()> {
        self.connection.forget();
        let authorize = serde_urlencoded::to_string([
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile"),
            ("state", "of-the-benchmarks"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])?;
        let page = self.connection.get(&format!("/authorize?{authorize}")).await?.leads_to()?;
        let path = page.find("/u/login").and_then(|at| page.get(at..)).context("no login page")?;
        let page = self.connection.get(path).await?.text();
        let field = |name| hidden(&page, name).with_context(|| format!("the login page has no `{name}`"));
        let (state, csrf, email) = (field("state")?, field("csrf")?, email(number));
        let form = [("state", state), ("csrf", csrf), ("identifier", &email), ("password", PASSWORD)];
        let back = self.connection.post_patiently("/u/login", &form).await?.leads_to()?;
        let (_, code) = back.split_once("code=").with_context(|| format!("no code: {back}"))?;
        let code = code.split('&').next().unwrap_or_default();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.tokens(&form).await
    }

    async fn tokens(&mut self, form: &[(&str, &str)]) -> anyhow::Result<()> {
        let form = as_client(form);
        let answer = self.connection.post_patiently("/oauth/token", &form).await?;
        ensure!(answer.status == StatusCode::OK, "{}: {}", answer.status, answer.text());
        let refresh = answer.json()?;
        self.refresh = refresh.get("refresh_token").and_then(|token| token.as_str()).unwrap_or_default().to_owned();
        Ok(())
    }
}

/// Asks the token endpoint, as the client that all benchmarks are.
///
/// # Errors
/// When nobody answers.
pub async fn token_request(connection: &mut Connection, form: &[(&str, &str)]) -> anyhow::Result<Answer> {
    connection.post("/oauth/token", &as_client(form)).await
}

fn as_client<'a>(form: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("client_id", CLIENT), ("client_secret", SECRET)], form].concat()
}

/// The value of a hidden field; ours hold nothing that is escaped.
fn hidden<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(&format!("type=\"hidden\" name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0)
}
