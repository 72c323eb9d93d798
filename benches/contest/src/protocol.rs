//! How a measuring process is spoken to: one JSON object a line on its standard input, one a line on its output.
//!
//! The process says [`Hello`] first; each [`Ask`] is then answered with one [`Reply`]. `peers/node/peer.mjs` speaks it
//! too, so a change here is a change there.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{host::Outcome, rule::Rule};

/// What is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What each rule does.
    pub rule: Rule,
    /// How many rules run in one login, each deployed apart.
    pub rules: usize,
    /// How many tenants log in by turns, each with rules of its own.
    pub tenants: usize,
}

/// The first line of a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// What it is and in which version.
    pub hello: String,
}

/// What a process is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Deploy this instead of what is deployed.
    Open(Task),
    /// Take this event for all that follows, run one login for each tenant, and say what the last came to.
    Event {
        /// `{"user", "context"}`.
        event: Value,
    },
    /// Run so many logins, one after the other.
    Run {
        /// How many.
        logins: usize,
    },
    /// Run logins on so many threads for so long.
    Throughput {
        /// Threads, each with what it needs of its own.
        threads: usize,
        /// For how long.
        milliseconds: u64,
    },
    /// Say how much memory is resident.
    Memory,
}

/// What a process answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is deployed.
    Opened,
    /// What the login came to.
    Outcome(Outcome),
    /// What each login took.
    Ran {
        /// From the host's copy of the event to the outcome, all dropped.
        nanoseconds: Vec<u64>,
        /// Page faults of one more.
        faults: u64,
    },
    /// Logins in a second, of all threads together.
    Throughput(f64),
    /// Resident memory of the process and those it started.
    Memory {
        /// In KiB.
        kib: u64,
    },
    /// It failed.
    Error(String),
}
