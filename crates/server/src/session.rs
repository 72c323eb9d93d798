//! The browser's cookies: its session, what binds it to a parked login, and whether it may leave a second factor out.
//!
//! Every one of them is a random handle to something in the store; nothing that a browser holds is believed (HS-18).

use std::time::Duration;

use axum_extra::extract::{CookieJar, cookie::Cookie, cookie::SameSite};
use vestibule_store::{Purpose, Session, StoreError, TokenDigest, UserId};

use crate::{app::App, clock::Token, request::Caller};

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieKind {
    /// The session.
    Session,
    /// The browser itself, so that a parked login goes on where it began.
    Browser,
    /// A browser in which a second factor was passed.
    Remembered,
    /// A browser that has logged in to an account before, and has a rate of its own there.
    Known,
}

impl CookieKind {
    /// Its name. The prefix makes browsers refuse one that was set by a sibling host or without TLS (HS-17); a service
    /// on a plain loopback URL, for trying it out, cannot have it.
    fn name(self, app: &App) -> &'static str {
        match (self, is_secure(app)) {
            (Self::Session, true) => "__Host-vestibule-session",
            (Self::Browser, true) => "__Host-vestibule-browser",
            (Self::Remembered, true) => "__Host-vestibule-remembered",
            (Self::Known, true) => "__Host-vestibule-known",
            (Self::Session, false) => "vestibule-session",
            (Self::Browser, false) => "vestibule-browser",
            (Self::Remembered, false) => "vestibule-remembered",
            (Self::Known, false) => "vestibule-known",
        }
    }

    /// The token that the browser holds.
    pub(crate) fn read(self, app: &App, jar: &CookieJar) -> Option<Token> {
        jar.get(self.name(app)).map(|cookie| Token::presented(cookie.value()))
    }

    /// Gives the browser a token, for so long; without a time, until it is closed.
    pub(crate) fn set(self, app: &App, jar: CookieJar, token: &Token, life: Option<Duration>) -> CookieJar {
        let mut cookie = self.cookie(app, token.as_str());
        if let Some(life) = life {
            cookie.set_max_age(life.try_into().ok());
        }
        jar.add(cookie)
    }

    /// Takes it away.
    pub(crate) fn remove(self, app: &App, jar: CookieJar) -> CookieJar {
        let mut cookie = self.cookie(app, "");
        cookie.make_removal();
        jar.add(cookie)
    }

    fn cookie(self, app: &App, value: &str) -> Cookie<'static> {
        Cookie::build((self.name(app), value.to_owned()))
            .path("/")
            .secure(is_secure(app))
            .http_only(true)
            .same_site(SameSite::Lax)
            .build()
    }
}

fn is_secure(app: &App) -> bool {
    app.settings.public_url.scheme() == "https"
}

/// The session of a browser, if it has one that has not ended.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn current(app: &App, caller: &Caller, jar: &CookieJar) -> Result<Option<Session>, StoreError> {
    match CookieKind::Session.read(app, jar) {
        None => Ok(None),
        Some(cookie) => app.store.session(&caller.tenant, &cookie.digest(), app.now()).await,
    }
}

/// What binds a parked login to this browser; a browser that has nothing yet gets it now.
pub(crate) fn browser(app: &App, jar: CookieJar) -> (TokenDigest, CookieJar) {
    match CookieKind::Browser.read(app, &jar) {
        Some(token) => (token.digest(), jar),
        None => {
            let token = app.entropy.token();
            (token.digest(), CookieKind::Browser.set(app, jar, &token, None))
        }
    }
}

/// Whether this user passed a second factor in this browser, and asked to be remembered.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn is_remembered(
    app: &App,
    caller: &Caller,
    jar: &CookieJar,
    user: &UserId,
) -> Result<bool, StoreError> {
    let Some(token) = CookieKind::Remembered.read(app, jar) else { return Ok(false) };
    let known = app.store.token(&caller.tenant, Purpose::RememberedBrowser, &token.digest(), app.now()).await?;
    Ok(known.is_some_and(|known| known.user == *user))
}
