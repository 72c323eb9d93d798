//! How much of what there may be, as an operator sets it.

use std::{num::NonZeroU32, time::Duration};

use governor::Quota;
use serde::Deserialize;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many tries may come at once.
    pub burst: NonZeroU32,
    /// How many more there are an hour.
    pub per_hour: NonZeroU32,
}

/// The rates of one kind of try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// At one account.
    pub account: Rate,
    /// From one address prefix: /24 of IPv4, /56 of IPv6.
    pub prefix: Rate,
    /// By everybody together.
    pub all: Rate,
}

/// The rates of what comes before anybody says who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRates {
    /// From one address prefix: /24 of IPv4, /56 of IPv6.
    pub prefix: Rate,
    /// By everybody together.
    pub all: Rate,
}

/// All rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Logins that are begun: each is kept until somebody logs in, or for a quarter of an hour.
    pub start: OpenRates,
    /// Passwords.
    pub login: Rates,
    /// Codes of a second factor.
    pub factor: Rates,
    /// Client secrets that were wrong; who has failed too often at a client is not heard there for a while.
    pub client: Rates,
    /// New accounts.
    pub signup: Rates,
    /// Mails that somebody asks for.
    pub mail: Rates,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let all = Rate::of(2_000, 720_000);
        Self {
            start: OpenRates { prefix: Rate::of(1_200, 18_000), all: Rate::of(5_000, 720_000) },
            login: Rates { account: Rate::of(20, 600), prefix: Rate::of(200, 7_200), all },
            factor: Rates { account: Rate::of(10, 20), prefix: Rate::of(100, 3_600), all },
            client: Rates { account: Rate::of(20, 600), prefix: Rate::of(200, 7_200), all },
            signup: Rates { account: Rate::of(5, 20), prefix: Rate::of(30, 240), all: Rate::of(500, 36_000) },
            mail: Rates { account: Rate::of(3, 6), prefix: Rate::of(30, 120), all: Rate::of(500, 18_000) },
        }
    }
}

impl Rate {
    pub(super) const fn of(burst: u32, per_hour: u32) -> Self {
        let (Some(burst), Some(per_hour)) = (NonZeroU32::new(burst), NonZeroU32::new(per_hour)) else {
            return Self { burst: NonZeroU32::MIN, per_hour: NonZeroU32::MIN };
        };
        Self { burst, per_hour }
    }

    pub(super) fn quota(self) -> Quota {
        let every = Duration::from_secs(60 * 60) / self.per_hour.get();
        Quota::with_period(every).unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX)).allow_burst(self.burst)
    }
}
