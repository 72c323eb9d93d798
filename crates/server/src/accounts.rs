//! People's accounts: what all of the pages and endpoints about them share, and the one place that checks a password.
//!
//! Who asks must not learn whether an account exists: an unknown one costs the same time, takes from the same buckets and
//! gets the same answer as a wrong password (HS-03, HS-04, HS-05).

mod known;

use std::{sync::Arc, time::Duration};

use axum_extra::extract::CookieJar;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use vestibule_store::{ConnectionName, TenantId, Timestamp, User, UserId};

use self::known::Known;
use crate::{
    app::App,
    clock::Entropy,
    error::{ApiError, Fault, Refused},
    identifier::Identifier,
    limits::{AccountKey, LimitSettings, Limits, TooMany, Trying},
    mail::{MailError, MailSettings, Mailer},
    password::{Cost, Hasher, Overloaded, Password, Policy, Unhashed, Verified},
    request::Caller,
    signup::SignupSettings,
    telemetry,
};

/// What the operator decides about accounts.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// The service, as pages and mails name it.
    pub service: String,
    /// What hashing costs.
    pub cost: Cost,
    /// Which passwords may be chosen.
    pub policy: Policy,
    /// How often things may be tried.
    pub limits: LimitSettings,
    /// Who may sign up, and what is asked.
    pub signup: SignupSettings,
    /// How mails are sent.
    pub mail: MailSettings,
    /// How long the link in a verification mail is good.
    pub verification: Duration,
    /// How long the link in a reset mail is good.
    pub reset: Duration,
}

/// What the pages and endpoints about accounts share.
pub struct Accounts {
    /// The service, as pages and mails name it.
    pub service: String,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Which passwords may be chosen.
    pub policy: Policy,
    /// How often things may be tried.
    pub limits: Limits,
    /// Who may sign up, and what is asked.
    pub signup: SignupSettings,
    /// Sends mails.
    pub mailer: Mailer,
    /// How long the link in a verification mail is good.
    pub verification: Duration,
    /// How long the link in a reset mail is good.
    pub reset: Duration,
    errands: Errands,
}

/// Why there can be no accounts with these settings.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Mails cannot be sent.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The cost of hashing is out of range.
    #[error("passwords cannot be hashed at this cost")]
    Cost,
}

impl Accounts {
    /// Puts it together. Hashes once, to know what that costs.
    pub fn new(settings: &AccountSettings, entropy: &dyn Entropy) -> Result<Self, AccountsError> {
        Ok(Self {
            service: settings.service.clone(),
            hasher: Hasher::new(settings.cost, entropy).map_err(|_| AccountsError::Cost)?,
            policy: settings.policy.clone(),
            limits: Limits::new(&settings.limits),
            signup: settings.signup.clone(),
            mailer: Mailer::new(&settings.mail)?,
            verification: settings.verification,
            reset: settings.reset,
            errands: Errands::default(),
        })
    }

    /// Does something behind the answer, so that its time tells nothing. It is dropped when too much of that is going on.
    pub fn behind(&self, errand: impl Future<Output = Result<(), Fault>> + Send + 'static) {
        self.errands.run(errand);
    }

    /// Waits until what was begun behind answers is done, and all mails are sent or given up: before the process ends.
    pub async fn drain(&self) {
        self.errands.drain().await;
        self.mailer.drain().await;
    }
}

/// Why nobody was let in. The first two must read alike to whoever asks.
#[derive(Debug)]
pub enum Unauthenticated {
    /// There is no such account, or the password is not its.
    Wrong,
    /// The password is right, and the account is blocked.
    Blocked,
    /// It was tried too often.
    TooMany(TooMany),
    /// Too many passwords are being checked.
    Overloaded(Overloaded),
    /// Ours.
    Fault(Fault),
}

/// A password, and whose it is said to be.
pub struct Claim<'a> {
    /// The connection.
    pub connection: &'a ConnectionName,
    /// What they call themselves.
    pub identifier: &'a str,
    /// Their password; `None` if what came cannot be one.
    pub password: Option<&'a Password>,
    /// In a browser that may be known.
    pub cookies: Option<&'a CookieJar>,
}

/// Somebody who presented the right password.
pub struct Authenticated {
    /// Who.
    pub user: User,
    /// What their browser is known by to this account from now on.
    pub(crate) known: String,
}

/// Checks a password. Whoever comes out is authenticated; whether they may log in is for the rules to say.
pub async fn authenticate(app: &App, caller: &Caller, claim: Claim<'_>) -> Result<Authenticated, Unauthenticated> {
    let authenticated = checked(app, caller, claim).await;
    match &authenticated {
        Err(Unauthenticated::Wrong) => telemetry::outcome("wrong_credentials"),
        Err(Unauthenticated::Blocked) => telemetry::outcome("blocked"),
        Ok(_) | Err(Unauthenticated::TooMany(_) | Unauthenticated::Overloaded(_) | Unauthenticated::Fault(_)) => {}
    }
    authenticated
}

async fn checked(app: &App, caller: &Caller, claim: Claim<'_>) -> Result<Authenticated, Unauthenticated> {
    app.accounts.hasher.has_room().map_err(Unauthenticated::Overloaded)?;
    let identifier = Identifier::parse(claim.identifier);
    let account = account_key(&caller.tenant, claim.connection, claim.identifier, identifier.as_ref());
    let known = claim.cookies.and_then(|cookies| Known::read(app, cookies, account));
    let stranger = Trying { address: caller.address, account, browser: None };
    let trying = Trying { browser: known.as_ref().map(|known| known.browser), ..stranger };
    app.accounts.limits.login(&trying).map_err(Unauthenticated::TooMany)?;
    let password = claim.password.ok_or(Unauthenticated::Wrong)?;

    let user = match &identifier {
        Some(named) => app.store.user_by_identifier(&caller.tenant, claim.connection, named.in_store()).await?,
        None => None,
    };
    // Nobody's password is asked for as well, and nobody's hash is verified: an unknown account takes as long.
    let nobody = UserId::new("auth0|0");
    let id = user.as_ref().map_or(&nobody, |user| &user.id);
    let stored = app.store.password(&caller.tenant, id).await?;
    let set_at = stored.as_ref().map_or(Timestamp(0), |stored| stored.set_at);
    let stored = stored.map(|password| password.phc);
    let known = known.filter(|known| known.set_at == set_at);
    if trying.browser.is_some() && known.is_none() {
        // It knew a password that is no more: whoever holds it now is a stranger.
        app.accounts.limits.login(&stranger).map_err(Unauthenticated::TooMany)?;
    }
    let verified = app.accounts.hasher.verify(password, stored.as_deref()).await?;
    let user = match (verified, user) {
        (Verified::Right | Verified::RightButWeak, Some(user)) if user.blocked => return Err(Unauthenticated::Blocked),
        (Verified::Right | Verified::RightButWeak, Some(user)) => user,
        (Verified::Wrong, _) | (_, None) => return Err(Unauthenticated::Wrong),
    };
    if let (Verified::RightButWeak, Some(old)) = (verified, stored) {
        rehash(app, &user, password, &old).await;
    }
    let known = Known::renewed(app, known, set_at).value(&app.keys.seal, account);
    Ok(Authenticated { user, known })
}

/// Hashes a password anew that was hashed more cheaply. A login does not fail because this did.
async fn rehash(app: &App, user: &User, password: &Password, old: &str) {
    let new = match app.accounts.hasher.hash(password, app.entropy.as_ref()).await {
        Ok(new) => new,
        Err(Unhashed::Overloaded(_)) => return, // The next login will.
        Err(Unhashed::Fault(fault)) => return tracing::error!(?fault, "a password could not be hashed anew"),
    };
    if let Err(error) = app.store.rehash_password(&user.tenant, &user.id, old, &new).await {
        tracing::error!(%error, "a new password hash could not be stored");
    }
}

/// The buckets of an account: by its canonical name, or by what was typed if that can be none.
pub(crate) fn account_key(
    tenant: &TenantId,
    connection: &ConnectionName,
    typed: &str,
    identifier: Option<&Identifier>,
) -> AccountKey {
    AccountKey::of(tenant.as_str(), connection.as_str(), identifier.map_or(typed, Identifier::as_str))
}

/// What is done behind answers.
struct Errands {
    places: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Default for Errands {
    fn default() -> Self {
        const PLACES: usize = 256;
        Self { places: Arc::new(Semaphore::new(PLACES)), tasks: TaskTracker::new() }
    }
}

impl Errands {
    fn run(&self, errand: impl Future<Output = Result<(), Fault>> + Send + 'static) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return tracing::error!("a mail was not begun: too many are");
        };
        self.tasks.spawn(async move {
            if let Err(fault) = errand.await {
                tracing::error!(?fault, "something behind an answer failed");
            }
            drop(place);
        });
    }

    async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

impl From<vestibule_store::StoreError> for Unauthenticated {
    fn from(error: vestibule_store::StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Unhashed> for Unauthenticated {
    fn from(unhashed: Unhashed) -> Self {
        match unhashed {
            Unhashed::Overloaded(overloaded) => Self::Overloaded(overloaded),
            Unhashed::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<Unauthenticated> for ApiError {
    /// For the token endpoint (S-12).
    fn from(why: Unauthenticated) -> Self {
        match why {
            Unauthenticated::Wrong | Unauthenticated::Blocked => {
                Self::refused(http::StatusCode::FORBIDDEN, "invalid_grant", "Wrong email or password.")
            }
            Unauthenticated::TooMany(too_many) => too_many.into(),
            Unauthenticated::Overloaded(overloaded) => Self::Refused(overloaded.into()),
            Unauthenticated::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<TooMany> for Refused {
    fn from(too_many: TooMany) -> Self {
        Self::too_many(too_many.seconds())
    }
}

impl From<Overloaded> for Refused {
    fn from(overloaded: Overloaded) -> Self {
        let busy = "Too many people are logging in. Please try again in a moment.";
        let refused = Self::new(http::StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", busy);
        Self { retry_after: Some(overloaded.retry_after.as_secs().max(1)), ..refused }
    }
}

impl From<Unhashed> for ApiError {
    fn from(unhashed: Unhashed) -> Self {
        match unhashed {
            Unhashed::Overloaded(overloaded) => Self::Refused(overloaded.into()),
            Unhashed::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<TooMany> for ApiError {
    fn from(too_many: TooMany) -> Self {
        Self::Refused(too_many.into())
    }
}
