//! Browsers that have logged in to an account before: they have a rate of their own there, so that whoever guesses at the
//! account is no burden to its owner (HS-02).
//!
//! What a browser holds says when it was given and which password it knew, and is ours by its MAC. It is good for 90 days,
//! and for that password: who was let in once by a stolen one has nothing left when the owner has set another.

use axum_extra::extract::CookieJar;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;
use vestibule_store::Timestamp;

use crate::{
    app::App,
    keys::Seal,
    limits::{AccountKey, KnownBrowser},
    session::CookieKind,
};

/// How many days it is good for; a login in it renews it.
const DAYS: u32 = 90;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A browser that is known to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Which of them it is; the same for as long as it is renewed.
    pub(super) browser: KnownBrowser,
    /// When the password was set that it knew.
    pub(super) set_at: Timestamp,
    /// The day it was given, counted from 1970.
    day: u32,
}

impl Known {
    /// What this browser is known by to this account, if it is.
    pub(super) fn read(app: &App, cookies: &CookieJar, account: AccountKey) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(CookieKind::Known.read(app, cookies)?.as_str()).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<16>()?;
        let (day, rest) = rest.split_first_chunk::<4>()?;
        let (set_at, proof) = rest.split_first_chunk::<8>()?;
        let known = Self {
            browser: KnownBrowser(*nonce),
            set_at: Timestamp(i64::from_be_bytes(*set_at)),
            day: u32::from_be_bytes(*day),
        };
        let is_ours: bool = proof.ct_eq(&known.proof(&app.keys.seal, account)).into();
        let is_young = today(app).checked_sub(known.day).is_some_and(|age| age < DAYS);
        (is_ours && is_young).then_some(known)
    }

    /// What it is known by from today on: by what it was before, or by something new.
    pub(super) fn renewed(app: &App, known: Option<Self>, set_at: Timestamp) -> Self {
        let browser = known.map_or_else(|| KnownBrowser(app.entropy.bytes()), |known| known.browser);
        Self { browser, set_at, day: today(app) }
    }

    /// The value of the cookie.
    pub(super) fn value(&self, seal: &Seal, account: AccountKey) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([self.bytes().as_slice(), &self.proof(seal, account)].concat())
    }

    fn bytes(&self) -> Vec<u8> {
        [self.browser.0.as_slice(), &self.day.to_be_bytes(), &self.set_at.0.to_be_bytes()].concat()
    }

    fn proof(&self, seal: &Seal, account: AccountKey) -> [u8; 32] {
        seal.mac("known browser", &[self.bytes().as_slice(), account.as_bytes()].concat())
    }
}

fn today(app: &App) -> u32 {
    u32::try_from(app.now().0 / DAY_MS).unwrap_or_default()
}
