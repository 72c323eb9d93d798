//! How often things may be tried: by account, by address prefix, and by everybody together.
//!
//! Token buckets, in memory, per process. Nobody is ever locked out: a bucket fills again by itself, and a browser that
//! has logged in to an account before has a bucket of its own, which a stranger who guesses at the account cannot empty
//! (HS-01, HS-02). An account that does not exist has buckets like any other (HS-05).

mod buckets;
mod rates;

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use self::buckets::{Buckets, Everybody, Metre};
pub use self::rates::{LimitSettings, OpenRates, Rate, Rates};
use crate::telemetry;

/// Which account somebody tries at, whether it exists or not. Holds nothing personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountKey([u8; 16]);

impl AccountKey {
    /// The account with this identifier, canonical, in this tenant and connection.
    #[must_use]
    pub fn of(tenant: &str, connection: &str, identifier: &str) -> Self {
        let mut digest = Sha256::new();
        for part in [tenant, connection, identifier] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        Self(std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A browser that has logged in to an account before, as its cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KnownBrowser(pub [u8; 16]);

/// Who tries.
#[derive(Debug, Clone, Copy)]
pub struct Trying {
    /// From where.
    pub address: IpAddr,
    /// At which account.
    pub account: AccountKey,
    /// In a browser known to that account.
    pub browser: Option<KnownBrowser>,
}

/// Something was tried too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many tries; try again in {} s", self.seconds())]
pub struct TooMany {
    /// After so long there is a place in the bucket again.
    pub retry_after: Duration,
}

impl TooMany {
    /// For the header `Retry-After`.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.retry_after.as_secs().saturating_add(1)
    }
}

/// Tells how much time has passed since some point.
pub type Ticks = Arc<dyn Fn() -> Duration + Send + Sync>;

/// All buckets.
pub struct Limits {
    starts: Door,
    logins: Gate,
    factors: Gate,
    clients: Failures,
    signups: Gate,
    mails: Gate,
    /// Of accounts, whoever asks for a mail to them from wherever.
    mailboxes: Buckets<AccountKey>,
}

impl Limits {
    /// Full buckets, filled by the machine's clock.
    #[must_use]
    pub fn new(settings: &LimitSettings) -> Self {
        let started = Instant::now(); // Monotonic: a clock that is set back must not lock anybody out.
        Self::with_ticks(settings, Arc::new(move || started.elapsed()))
    }

    /// Full buckets, filled by these ticks.
    #[must_use]
    pub fn with_ticks(settings: &LimitSettings, ticks: Ticks) -> Self {
        let gate = |rates: &Rates| Gate::new(rates, &Metre(Arc::clone(&ticks)));
        Self {
            starts: Door::new(settings.start, &Metre(Arc::clone(&ticks))),
            logins: gate(&settings.login),
            factors: gate(&settings.factor),
            clients: Failures::new(gate(&settings.client)),
            signups: gate(&settings.signup),
            mails: gate(&settings.mail),
            mailboxes: Buckets::new(settings.mail.account, &Metre(Arc::clone(&ticks))),
        }
    }

    /// Asks whether a login may be begun, which is kept until there are credentials.
    pub fn start(&self, address: IpAddr) -> Result<(), TooMany> {
        self.starts.pass(address)
    }

    /// Asks whether a password may be tried.
    pub fn login(&self, trying: &Trying) -> Result<(), TooMany> {
        noted("login", self.logins.takes(trying))
    }

    /// Asks whether a code of a second factor may be tried.
    pub fn factor(&self, trying: &Trying) -> Result<(), TooMany> {
        noted("factor", self.factors.takes(trying))
    }

    /// Asks whether a client may authenticate from this address: not while it is shut out there.
    pub fn client(&self, trying: &Trying) -> Result<(), TooMany> {
        noted("client", self.clients.are_few(trying))
    }

    /// Counts a client that did not authenticate; the refusal of the one that is too many.
    pub fn client_failed(&self, trying: &Trying) -> Result<(), TooMany> {
        noted("client", self.clients.count(trying))
    }

    /// Asks whether an account may be made.
    pub fn signup(&self, trying: &Trying) -> Result<(), TooMany> {
        noted("signup", self.signups.takes(trying))
    }

    /// Asks whether a mail may be asked for from this address.
    pub fn mail_from(&self, address: IpAddr) -> Result<(), TooMany> {
        noted("mail", self.mails.door.pass(address))
    }

    /// Asks whether a mail may go to this account. The caller is not told: what they see must not depend on it.
    pub fn mail_to(&self, account: AccountKey) -> Result<(), TooMany> {
        noted("mail", self.mailboxes.take(&account))
    }
}

/// Counts what was refused.
fn noted(what: &'static str, asked: Result<(), TooMany>) -> Result<(), TooMany> {
    asked.inspect_err(|_| telemetry::limited(what))
}

/// The buckets of whoever comes, before it is known what for.
struct Door {
    all: Everybody,
    prefix: Buckets<Prefix>,
}

impl Door {
    fn new(rates: OpenRates, metre: &Metre) -> Self {
        Self { all: Everybody::new(rates.all, metre), prefix: Buckets::new(rates.prefix, metre) }
    }

    fn pass(&self, address: IpAddr) -> Result<(), TooMany> {
        self.prefix.take(&Prefix::of(address))?;
        self.all.take()
    }
}

/// The buckets of one kind of try.
struct Gate {
    door: Door,
    /// Of accounts, for all who are not known to them, by where they come from: an attacker elsewhere is no burden.
    account_here: Buckets<(AccountKey, Prefix)>,
    /// Of accounts, for all who are not known to them: five times as much, for attackers with many addresses.
    account: Buckets<AccountKey>,
    browser: Buckets<(AccountKey, KnownBrowser)>,
    /// Of all known browsers: strangers, however many, do not empty it.
    browsers: Everybody,
}

impl Gate {
    fn new(rates: &Rates, metre: &Metre) -> Self {
        let Rate { burst, per_hour } = rates.account;
        let five = NonZeroU32::MIN.saturating_add(4);
        let wide = Rate { burst: burst.saturating_mul(five), per_hour: per_hour.saturating_mul(five) };
        Self {
            door: Door::new(OpenRates { prefix: rates.prefix, all: rates.all }, metre),
            account_here: Buckets::new(rates.account, metre),
            account: Buckets::new(wide, metre),
            browser: Buckets::new(rates.account, metre),
            browsers: Everybody::new(rates.all, metre),
        }
    }

    /// A known browser takes from its own bucket, and from that of all known browsers: what strangers do, at its account,
    /// near it or everywhere, is no burden to it, and to be known is no way to try without end.
    fn takes(&self, trying: &Trying) -> Result<(), TooMany> {
        if let Some(browser) = trying.browser {
            self.browser.take(&(trying.account, browser))?;
            return self.browsers.take();
        }
        self.door.pass(trying.address)?;
        self.account_here.take(&(trying.account, Prefix::of(trying.address)))?;
        self.account.take(&trying.account)
    }
}

/// A gate for failures alone: what succeeds takes nothing, however often it comes. Who has failed too often waits for the
/// bucket, and is not heard meanwhile, right or wrong; others elsewhere are.
struct Failures {
    gate: Gate,
    /// Until when.
    shut: Mutex<HashMap<(AccountKey, Prefix), Duration>>,
}

impl Failures {
    /// So many may be shut out before those whose time is over are forgotten.
    const SWEEP: usize = 4_096;

    fn new(gate: Gate) -> Self {
        Self { gate, shut: Mutex::default() }
    }

    fn are_few(&self, trying: &Trying) -> Result<(), TooMany> {
        let now = self.gate.browsers.now();
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        let until = shut.get(&(trying.account, Prefix::of(trying.address))).filter(|until| **until > now);
        until.map_or(Ok(()), |until| Err(TooMany { retry_after: until.saturating_sub(now) }))
    }

    fn count(&self, trying: &Trying) -> Result<(), TooMany> {
        let counted = self.gate.takes(trying);
        if let Err(TooMany { retry_after }) = counted {
            let now = self.gate.browsers.now();
            let mut shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
            if shut.len() >= Self::SWEEP {
                shut.retain(|_, until| *until > now);
            }
            shut.insert((trying.account, Prefix::of(trying.address)), now + retry_after);
        }
        counted
    }
}

/// The neighbourhood of an address: what one customer of a provider has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    V4([u8; 3]),
    V6([u8; 7]),
}

impl Prefix {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

#[cfg(test)]
mod tests;
