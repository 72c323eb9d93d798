//! Logins that wait for a browser: for credentials, for its return from a redirect, for a second factor.
//!
//! The browser holds a handle (in `state`) and a cookie; both are needed, each is worth nothing alone, and a handle works
//! once. What waits keeps no metadata and no claims (DESIGN §2).

use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule_store::{Client, ClientId, GenerationNumber, LoginId, Parked, TenantId, TokenDigest, UserId, Wait};

use super::{Counting, Principal, Sent};
use crate::{
    app::App,
    clock::Token,
    error::{ApiError, Fault, PageError, Refused},
    oauth::request::AuthorizationRequest,
    request::Caller,
    session::{self, CookieKind},
};

/// What is kept of a login that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) request: AuthorizationRequest,
    pub(crate) stage: Stage,
}

/// Where it stands. A stage holds only the facts true in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Nobody has authenticated.
    Started,
    /// The rules sent the browser elsewhere.
    Redirected {
        leg: NextLeg,
        /// What was posted to `/continue`: a POST from another site carries no cookie, so it waits for the GET.
        posted: Option<Map<String, Value>>,
    },
    /// The rules, or the client, want a second factor.
    SecondFactor { leg: NextLeg, may_remember: bool },
}

/// What the next leg begins with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NextLeg {
    pub(crate) leg: u32,
    pub(crate) principal: Principal,
    pub(crate) is_silent: bool,
    pub(crate) counting: Counting,
    /// The generation it is pinned to.
    pub(crate) generation: Option<GenerationNumber>,
    pub(crate) is_after_redirect: bool,
    pub(crate) sent: Sent,
    /// Root properties that rules put on the user (U-4).
    pub(crate) user_changes: Map<String, Value>,
}

impl Stage {
    /// What the next leg begins with, where somebody has authenticated.
    const fn leg(&self) -> Option<&NextLeg> {
        match self {
            Self::Started => None,
            Self::Redirected { leg, .. } | Self::SecondFactor { leg, .. } => Some(leg),
        }
    }
}

impl Waiting {
    /// # Errors
    /// [`Fault`] when it is no object, which cannot be.
    pub(crate) fn to_document(&self) -> Result<Map<String, Value>, Fault> {
        match serde_json::to_value(self)? {
            Value::Object(document) => Ok(document),
            _ => Err(Fault::broken("a parked login is no object")),
        }
    }

    fn from_document(document: Map<String, Value>) -> Result<Self, Fault> {
        Ok(serde_json::from_value(Value::Object(document))?)
    }
}

/// A parked login of this very browser.
#[derive(Debug)]
pub struct Pending {
    pub(crate) parked: Parked,
    pub(crate) waiting: Waiting,
    pub(crate) client: Client,
}

impl Pending {
    /// The name of the client, for people.
    #[must_use]
    pub fn client_name(&self) -> &str {
        &self.client.name
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Who the client thinks it is, to be filled in; untrusted text.
    #[must_use]
    pub fn login_hint(&self) -> Option<&str> {
        self.waiting.request.login_hint.as_deref()
    }

    /// The connection the client asks for.
    #[must_use]
    pub fn connection(&self) -> Option<&str> {
        self.waiting.request.connection.as_deref()
    }

    /// Where the login ends.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.waiting.request.destination.redirect_uri
    }

    /// The user, once somebody authenticated.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        self.parked.user.as_ref()
    }

    /// Whether the page may offer to remember this browser.
    #[must_use]
    pub const fn may_remember(&self) -> bool {
        matches!(self.waiting.stage, Stage::SecondFactor { may_remember: true, .. })
    }

    /// The digest of its handle, by which attempts are counted.
    #[must_use]
    pub const fn handle(&self) -> &TokenDigest {
        &self.parked.handle
    }

    /// The login's id.
    #[must_use]
    pub const fn login(&self) -> &LoginId {
        &self.parked.login
    }
}

/// Looks at the login that waits under a handle, in this browser; it goes on waiting.
///
/// # Errors
/// A page that says it is gone: unknown, over, used, or another browser's.
pub(crate) async fn open(
    app: &App,
    caller: &Caller,
    jar: &CookieJar,
    handle: &str,
    wait: Wait,
) -> Result<Pending, PageError> {
    let digest = Token::presented(handle).digest();
    let parked = app.store.parked(&caller.tenant, &digest, wait, app.now()).await?;
    let browser = CookieKind::Browser.read(app, jar).map(|token| token.digest());
    match parked {
        Some(parked) if Some(parked.browser) == browser => {
            let pending = pending(app, caller, parked).await?;
            match pending.waiting.stage.leg() {
                Some(leg) if !still_holds(app, caller, jar, leg).await? => Err(gone().into()),
                Some(_) | None => Ok(pending),
            }
        }
        Some(_) | None => Err(gone().into()),
    }
}

/// Whether what the first leg knew of the person is still so: a page must not do for a login (enrol a factor) what its
/// end would refuse. The session that said who it is has not ended, and the password is the one that was given.
async fn still_holds(app: &App, caller: &Caller, jar: &CookieJar, leg: &NextLeg) -> Result<bool, ApiError> {
    if leg.is_silent {
        let session = session::current(app, caller, jar).await?;
        if session.is_none_or(|session| session.user != leg.principal.user) {
            return Ok(false);
        }
    }
    let user = app.store.user(&caller.tenant, &leg.principal.user).await?;
    Ok(user.is_some_and(|user| user.last_password_reset.is_none_or(|reset| reset <= leg.principal.at)))
}

/// Takes the login that waits under a handle: once, and only in its browser.
///
/// # Errors
/// As [`open`].
pub(crate) async fn take(
    app: &App,
    caller: &Caller,
    jar: &CookieJar,
    handle: &TokenDigest,
    wait: Wait,
) -> Result<Pending, PageError> {
    let browser = CookieKind::Browser.read(app, jar).map(|token| token.digest()).ok_or_else(gone)?;
    let parked = app.store.take_parked(&caller.tenant, handle, wait, &browser, app.now()).await?;
    pending(app, caller, parked.ok_or_else(gone)?).await
}

async fn pending(app: &App, caller: &Caller, parked: Parked) -> Result<Pending, PageError> {
    let waiting = Waiting::from_document(parked.document.clone())?;
    let client = client(app, &caller.tenant, &parked.client).await?;
    Ok(Pending { parked, waiting, client })
}

/// Parks a login that waits for credentials, and gives its handle.
///
/// # Errors
/// [`Fault`] when it cannot be stored.
pub(crate) async fn start(
    app: &App,
    caller: &Caller,
    request: AuthorizationRequest,
    browser: TokenDigest,
) -> Result<Token, Fault> {
    let (handle, now) = (app.entropy.token(), app.now());
    let parked = Parked {
        handle: handle.digest(),
        wait: Wait::Credentials,
        browser,
        client: request.destination.client.clone(),
        login: new_login(app),
        user: None,
        document: Waiting { request, stage: Stage::Started }.to_document()?,
        at: now,
        expires_at: now.plus(app.settings.lifetimes.login),
        attempts: 0,
    };
    app.store.park(&caller.tenant, &parked).await?;
    Ok(handle)
}

/// Keeps what another site posted to `/continue` until the browser comes with its cookie; whether somebody waits for it.
///
/// # Errors
/// [`Fault`] when it cannot be stored.
pub(crate) async fn keep_posted(
    app: &App,
    caller: &Caller,
    handle: &TokenDigest,
    body: Map<String, Value>,
) -> Result<bool, Fault> {
    let (tenant, now) = (&caller.tenant, app.now());
    let Some(parked) = app.store.parked(tenant, handle, Wait::Redirect, now).await? else { return Ok(false) };
    let mut waiting = Waiting::from_document(parked.document)?;
    if let Stage::Redirected { posted, .. } = &mut waiting.stage {
        *posted = Some(body);
    }
    Ok(app.store.amend_parked(tenant, handle, Wait::Redirect, &waiting.to_document()?, now).await?)
}

/// A new login's id.
pub(crate) fn new_login(app: &App) -> LoginId {
    LoginId::new(app.entropy.token().as_str())
}

/// A client that a parked login or a refresh token speaks of.
async fn client(app: &App, tenant: &TenantId, id: &ClientId) -> Result<Client, ApiError> {
    app.store.client(tenant, id).await?.ok_or_else(|| ApiError::Refused(gone()))
}

fn gone() -> Refused {
    Refused::invalid_request(
        "This login is no longer here: it took too long, or was finished or begun elsewhere. Go back to the application and log in again.",
    )
}
