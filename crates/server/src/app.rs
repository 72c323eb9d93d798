//! What all handlers share: the store, the rules that are live, keys, settings, time and randomness.
//!
//! A handler takes it as axum's state, parses what came, makes one call, and answers (STYLE P10):
//! ```text
//! pub(crate) async fn show(State(app): State<App>, caller: Caller, jar: CookieJar) -> Result<Response, PageError> {
//!     let pending = login::parked::open(&app, &caller, &jar, &query.state).await?; // a parked login of this browser
//!     …
//! }
//! ```
//! - [`App`] is cheap to clone, and all of it is reached through it: `app.store.user(…)`, `app.now()`,
//!   `app.entropy.token()`. Nothing is global: a test builds as many as it likes with [`App::new`].
//! - [`crate::request::Caller`] says who asks: tenant (by host name), address, user agent.
//! - An endpoint for programs answers [`crate::error::ApiError`], one for a browser [`crate::error::PageError`].
//! - Credentials make a [`crate::login::Principal`]; `login::authenticated` takes it from there, through the rules to
//!   the answer. No handler calls the rules, and none makes a code, a session or a token.
//!
//! A part that needs state of its own (a hasher, buckets, a mailer) is one more field of [`Parts`].

use std::{ops::Deref, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use url::Url;
use vestibule_abi::limits::LoginBudget;
use vestibule_engine::{LoadedPipeline, http::Egress};
use vestibule_pipeline::Digest;
use vestibule_store::{GenerationNumber, Store, TenantId, Timestamp};

use crate::{
    accounts::Accounts,
    clock::{Clock, Entropy},
    keys::Keys,
    request::TrustedProxies,
};

/// What all handlers share.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// Everything that outlives the process.
    pub store: Arc<dyn Store>,
    /// The rules that are live.
    pub generations: Arc<dyn Generations>,
    /// What tokens are signed and sealed with.
    pub keys: Keys,
    /// What the operator decided about logins.
    pub settings: LoginSettings,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Passwords, limits, mails: what the pages and endpoints about accounts share.
    pub accounts: Arc<Accounts>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Parts {
    /// Now, in milliseconds since 1970.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The rules that are live, per tenant.
pub trait Generations: Send + Sync {
    /// The generation that a login begins with. It stays alive as long as a login holds it.
    fn active(&self, tenant: &TenantId) -> Arc<Generation>;

    /// The generation a parked login began with; `None` when it was revoked or is no longer kept, and the login begins
    /// again on the active one.
    fn pinned(&self, tenant: &TenantId, number: GenerationNumber) -> Option<Arc<Generation>>;
}

/// A generation of rules, compiled and ready, with what its rules are configured with.
pub struct Generation {
    /// Its number in the tenant; none where no rules are deployed and the pipeline is empty.
    pub number: Option<GenerationNumber>,
    /// The rules.
    pub loaded: LoadedPipeline,
    /// All configuration keys; each rule sees those it was granted.
    pub configuration: Map<String, Value>,
    /// The rules' way out to the network.
    pub egress: Arc<Egress>,
}

impl Generation {
    /// What it is known by: the digest of its rules in their order.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.loaded.pipeline.generation()
    }
}

/// What the operator decides about logins.
#[derive(Debug, Clone)]
pub struct LoginSettings {
    /// Where browsers and clients reach the service: the base of every link, and of the issuer. Never taken from a
    /// request (HS-41). An `http` URL is accepted for loopback only.
    pub public_url: Url,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// What happens when a rule demands a second factor of somebody who has none.
    pub enrolment: Enrolment,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// What all rules of a login together may spend.
    pub budget: LoginBudget,
}

/// Whether somebody without a second factor may enrol one because a rule demands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// They enrol on the spot.
    OnDemand,
    /// The login is denied: whoever stole a password must not be able to enrol.
    Deny,
}

/// How long things last.
#[derive(Debug, Clone)]
pub struct Lifetimes {
    /// An authorization code: at most a minute (ASVS 10.4.3, level 3).
    pub code: Duration,
    /// From `/authorize` to the credentials.
    pub login: Duration,
    /// A login that waits for the browser to come back from a redirect (R-37).
    pub redirect: Duration,
    /// An MFA token of the password grant.
    pub mfa: Duration,
    /// A session that is not used.
    pub session_idle: Duration,
    /// A session, however much it is used.
    pub session: Duration,
    /// An access token, unless the client says otherwise.
    pub access_token: Duration,
    /// An ID token, unless the client says otherwise.
    pub id_token: Duration,
    /// A refresh token family, unless the client says otherwise.
    pub refresh_token: Duration,
}

impl Lifetimes {
    /// The defaults: those of Auth0 where it has them (S-11, S-13, R-37).
    pub const STANDARD: Self = Self {
        code: Duration::from_secs(60),
        login: Duration::from_secs(15 * 60),
        redirect: Duration::from_secs(60 * 60),
        mfa: Duration::from_secs(10 * 60),
        session_idle: Duration::from_secs(3 * 24 * 60 * 60),
        session: Duration::from_secs(7 * 24 * 60 * 60),
        access_token: Duration::from_secs(24 * 60 * 60),
        id_token: Duration::from_secs(10 * 60 * 60),
        refresh_token: Duration::from_secs(30 * 24 * 60 * 60),
    };
}

impl LoginSettings {
    /// The defaults, for a service that is reached at this URL.
    #[must_use]
    pub fn new(public_url: Url) -> Self {
        Self {
            public_url,
            trusted_proxies: TrustedProxies::default(),
            enrolment: Enrolment::Deny, // DESIGN §2: it must not let a password thief enrol.
            lifetimes: Lifetimes::STANDARD,
            budget: LoginBudget::STANDARD,
        }
    }
}
