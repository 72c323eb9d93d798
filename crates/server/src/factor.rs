//! The second factor: codes of an authenticator app (RFC 6238), and recovery codes for when it is lost.
//!
//! A code is good for its own time step and the ones beside it, and each step is good once (HS-14). Secrets are sealed to
//! their user before they are stored; recovery codes are stored as digests.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use qrcode::{EcLevel, QrCode, types::Color};
use totp_rs::{Algorithm, Builder, Totp};
use vestibule_store::{
    Confirmed, Factor, FactorId, FactorKind, LoginId, TenantId, Timestamp, TokenDigest, User, UserId,
};

use crate::{
    app::App,
    clock::Entropy,
    error::{ApiError, Fault},
    keys::Seal,
    letters,
    limits::{AccountKey, Trying},
    mail::Says,
    request::Caller,
};

/// The failed attempts that end a login: whoever needs more begins again, and is slowed down by the account's bucket.
pub const MOST_ATTEMPTS: u32 = 5;

/// What somebody presents as their second factor.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// A code of their app.
    Code(&'a str),
    /// A recovery code.
    Recovery(&'a str),
}

/// Whether what was presented counts. It is used up by this.
pub async fn accepts(app: &App, tenant: &TenantId, user: &UserId, presented: Presented<'_>) -> Result<bool, Fault> {
    match presented {
        Presented::Recovery(text) => match RecoveryCodes::digest(text) {
            Some(digest) => Ok(app.store.use_recovery_code(tenant, user, &digest).await?),
            None => Ok(false),
        },
        Presented::Code(code) => match enrolled(app, tenant, user).await? {
            Some(factor) => uses_step(app, tenant, user, &factor, code).await,
            None => Ok(false),
        },
    }
}

/// The factor that a user has to present; `None` if they have none.
pub async fn enrolled(app: &App, tenant: &TenantId, user: &UserId) -> Result<Option<Factor>, Fault> {
    let factors = app.store.factors(tenant, user).await?;
    Ok(factors.into_iter().find(|factor| factor.confirmed_at.is_some()))
}

/// Begins to enrol a factor, or goes on with the one this login began.
///
/// A factor that another login began is replaced: whoever began that one knows its
/// secret, and may not be who is here now.
pub async fn begin(app: &App, user: &User, login: &LoginId) -> Result<TotpSecret, Fault> {
    let id = pending_id(&app.keys.seal, login);
    let factors = app.store.factors(&user.tenant, &user.id).await?;
    if let Some(begun) = factors.iter().find(|factor| factor.id == id && factor.confirmed_at.is_none()) {
        return TotpSecret::open(&app.keys.seal, &user.id, &begun.sealed);
    }
    let secret = TotpSecret::new(app.entropy.as_ref());
    let factor = Factor {
        id,
        kind: FactorKind::Totp,
        sealed: secret.seal(&app.keys.seal, &user.id)?,
        created_at: app.now(),
        confirmed_at: None,
        last_step: None,
    };
    app.store.begin_factor(&user.tenant, &user.id, &factor).await?;
    Ok(secret)
}

/// Confirms the factor that this login began, if the code is right: from now on it counts, and the user is told by mail.
/// Gives the recovery codes.
pub async fn confirm(app: &App, user: &User, login: &LoginId, code: &str) -> Result<Option<RecoveryCodes>, Fault> {
    let id = pending_id(&app.keys.seal, login);
    let factors = app.store.factors(&user.tenant, &user.id).await?;
    if factors.iter().any(|factor| factor.confirmed_at.is_some()) {
        return Ok(None); // Somebody enrolled meanwhile: theirs is the factor to present.
    }
    let Some(begun) = factors.iter().find(|factor| factor.id == id) else { return Ok(None) };
    let now = app.now();
    let secret = TotpSecret::open(&app.keys.seal, &user.id, &begun.sealed)?;
    let Some(step) = secret.step(code, now) else { return Ok(None) };
    let codes = RecoveryCodes::new(app.entropy.as_ref());
    // Without it nobody would notice that it was somebody else who enrolled.
    let (notice, unsent) = letters::notice(app, user, Says::FactorAdded)?.unzip();
    let confirmed = Confirmed { step, recovery: codes.digests(), notice, at: now };
    if !app.store.confirm_factor(&user.tenant, &user.id, &begun.id, &confirmed).await? {
        return Ok(None);
    }
    if let Some(unsent) = unsent {
        unsent.send(app);
    }
    Ok(Some(codes))
}

/// Checks a second factor at the token endpoint, by the buckets of the account and of the address.
pub async fn check(app: &App, caller: &Caller, user: &UserId, presented: Presented<'_>) -> Result<(), ApiError> {
    app.accounts.limits.factor(&trying(caller, user))?;
    if accepts(app, &caller.tenant, user, presented).await? {
        return Ok(());
    }
    Err(ApiError::refused(StatusCode::FORBIDDEN, "invalid_grant", "Invalid otp_code."))
}

/// Who tries a second factor: somebody who has the password already.
pub(crate) fn trying(caller: &Caller, user: &UserId) -> Trying {
    let account = AccountKey::of(caller.tenant.as_str(), "second factor", user.as_str());
    Trying { address: caller.address, account, browser: None }
}

async fn uses_step(app: &App, tenant: &TenantId, user: &UserId, factor: &Factor, code: &str) -> Result<bool, Fault> {
    let secret = TotpSecret::open(&app.keys.seal, user, &factor.sealed)?;
    match secret.step(code, app.now()) {
        Some(step) => Ok(app.store.use_step(tenant, user, &factor.id, step).await?),
        None => Ok(false),
    }
}

/// The id of the factor that this login may begin.
fn pending_id(seal: &Seal, login: &LoginId) -> FactorId {
    FactorId::new(format!("totp|{}", BASE64_URL_SAFE_NO_PAD.encode(seal.mac("factor id", login.as_str().as_bytes()))))
}

/// The secret that an authenticator app and we share: 160 bits (RFC 4226 §4).
#[derive(Clone)]
pub struct TotpSecret([u8; 20]);

impl TotpSecret {
    /// A new one.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// Sealed to its user, for the store.
    pub fn seal(&self, seal: &Seal, user: &UserId) -> Result<Vec<u8>, Fault> {
        seal.seal(&purpose(user), &self.0)
    }

    /// Opens what the store keeps of this user.
    pub fn open(seal: &Seal, user: &UserId, sealed: &[u8]) -> Result<Self, Fault> {
        let opened = seal.open(&purpose(user), sealed)?;
        opened.try_into().map(Self).map_err(|_| Fault::broken("a TOTP secret of another length"))
    }

    /// As an app takes it from the keyboard: base32, in groups of four.
    #[must_use]
    pub fn key(&self) -> String {
        let plain = self.totp("", "").secret().to_base32();
        let groups: Vec<&str> = plain.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
        groups.join(" ")
    }

    /// As an app takes it from the camera.
    pub fn qr(&self, service: &str, account: &str) -> Result<Qr, Fault> {
        let url = self.totp(service, account).to_url()?;
        let code = QrCode::with_error_correction_level(url, EcLevel::M)?;
        Ok(Qr::of(&code))
    }

    /// The time step that this code belongs to, if it is right: this one, the one before or the one after.
    #[must_use]
    pub fn step(&self, code: &str, now: Timestamp) -> Option<i64> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = u64::try_from(now.0 / 1_000).ok().filter(|_| is_code)?;
        self.totp("", "").check(&digits, seconds).and_then(|step| i64::try_from(step).ok())
    }

    /// The code of a moment, for tests and for clients of ours.
    #[must_use]
    pub fn code(&self, now: Timestamp) -> String {
        self.totp("", "").generate(u64::try_from(now.0 / 1_000).unwrap_or_default()).to_string()
    }

    fn totp(&self, service: &str, account: &str) -> Totp {
        // SHA-1, because apps ignore the parameter; the secret's length is right, and colons would end the label.
        let issuer = (!service.is_empty()).then(|| service.replace(':', " "));
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(self.0)
            .with_account_name(account.replace(':', " "))
            .with_issuer(issuer)
            .build_noncompliant()
    }
}

fn purpose(user: &UserId) -> String {
    format!("totp/{user}")
}

/// A QR code as the path of an SVG image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// The width and height of the image, in modules, with the margin of four that scanners need.
    pub size: usize,
    /// The dark modules.
    pub path: String,
}

impl Qr {
    const MARGIN: usize = 4;

    fn of(code: &QrCode) -> Self {
        let width = code.width();
        let colors = code.to_colors();
        let dark = colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark);
        let path = dark.map(|(at, _)| {
            let (x, y) = (at % width + Self::MARGIN, at / width + Self::MARGIN);
            format!("M{x} {y}h1v1h-1z")
        });
        Self { path: path.collect(), size: width + 2 * Self::MARGIN }
    }
}

/// Codes that let somebody in who lost their app, once each.
#[derive(Clone)]
pub struct RecoveryCodes(Vec<String>);

impl RecoveryCodes {
    const COUNT: usize = 8;
    /// Without letters and digits that look alike. 32 of them: five bits each.
    const ALPHABET: [u8; 32] = *b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    /// 80 bits.
    const LENGTH: usize = 16;

    /// New ones.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self((0..Self::COUNT).map(|_| Self::one(entropy)).collect())
    }

    fn one(entropy: &dyn Entropy) -> String {
        let letters = entropy.bytes::<{ Self::LENGTH }>().map(|byte| usize::from(byte % 32));
        let letters = letters.iter().filter_map(|&letter| Self::ALPHABET.get(letter).copied().map(char::from));
        let mut code = String::new();
        for (at, letter) in letters.enumerate() {
            if at > 0 && at % 4 == 0 {
                code.push('-');
            }
            code.push(letter);
        }
        code
    }

    /// To be shown once.
    #[must_use]
    pub fn shown(&self) -> &[String] {
        &self.0
    }

    /// What is stored of them.
    #[must_use]
    pub fn digests(&self) -> Vec<TokenDigest> {
        self.0.iter().filter_map(|code| Self::digest(code)).collect()
    }

    /// What is stored of a code that somebody typed, in whatever case and grouping. `None` if it cannot be one.
    #[must_use]
    pub fn digest(typed: &str) -> Option<TokenDigest> {
        let plain: String = typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let is_code = plain.len() == Self::LENGTH && plain.bytes().all(|byte| Self::ALPHABET.contains(&byte));
        is_code.then(|| TokenDigest::of(&plain))
    }
}

#[cfg(test)]
mod tests;
