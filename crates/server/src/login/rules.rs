//! The rules of a login, run once: on the event of this attempt, with the answers of the network that it may use.

use std::sync::Arc;

use serde_json::value::RawValue;
use vestibule_abi::codes::FailureCode;
use vestibule_engine::{
    Report, drive,
    http::{Exchange, Source, Unrecorded},
};
use vestibule_pipeline::{CanonicalText, Login, LoginInput, Pipeline};
use vestibule_store::{GenerationNumber, LoginId, Timestamp, User};

use super::{LoginTransaction, event};
use crate::{
    app::{App, Generation},
    error::Fault,
};

/// Which rules run.
#[derive(Clone)]
pub(crate) enum Rules {
    /// Those of a generation.
    Of(Arc<Generation>),
    /// None: the operator opened a window for this one account (DESIGN §2, break-glass).
    BreakGlass {
        /// When it closes.
        until: Timestamp,
    },
}

impl Rules {
    /// Whether none run, because a window is open.
    pub(crate) const fn are_skipped(&self) -> bool {
        match self {
            Self::Of(_) => false,
            Self::BreakGlass { .. } => true,
        }
    }

    /// The number of the generation that runs; none if no rules do.
    pub(crate) fn generation(&self) -> Option<GenerationNumber> {
        match self {
            Self::Of(generation) => generation.number,
            Self::BreakGlass { .. } => None,
        }
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Of(generation) => write!(f, "Of({})", generation.digest()),
            Self::BreakGlass { until } => write!(f, "BreakGlass(until {})", until.0),
        }
    }
}

/// The attempts of a leg. What changes from one to the next is where the answers of host calls come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    /// With the answers recorded so far; what was not asked before is sent.
    Second,
    /// In the user's turn and without I/O: it fails closed if a rule asks for anything new.
    Last,
}

/// The exchanges of each rule, by its position, on the attempts so far.
pub(super) type Recorded = Vec<Vec<Exchange>>;

/// Runs all rules once. The event is given back for the journal.
pub(super) async fn run_rules(
    app: &App,
    login: &LoginTransaction<'_>,
    user: &User,
    attempt: Attempt,
    recorded: &mut Recorded,
) -> Result<(Report, Box<RawValue>), Fault> {
    let event = event::event(login, user)?;
    let input = LoginInput {
        event: CanonicalText(&event),
        seed: seed(app, &login.id),
        now_ms: login.at.0,
        scopes: login.scopes(),
        budget: app.settings.budget,
    };
    let report = match &login.rules {
        Rules::BreakGlass { .. } => {
            drive(&mut Login::begin(Arc::new(Pipeline::new(Vec::new())?), input)?, &[], |_| Source::Denied).await?
        }
        Rules::Of(generation) => {
            let mut machine = Login::begin(Arc::clone(&generation.loaded.pipeline), input)?;
            let source = |position: usize| source(generation, attempt, recorded, position);
            drive(&mut machine, &generation.loaded.rules, source).await?
        }
    };
    for (position, rule) in report.rules.iter().enumerate() {
        if recorded.len() <= position {
            recorded.resize(position + 1, Vec::new());
        }
        if let Some(of_rule) = recorded.get_mut(position) {
            of_rule.clone_from(&rule.recorded);
        }
    }
    Ok((report, event))
}

/// Where the answers to a rule's requests come from.
fn source(generation: &Generation, attempt: Attempt, recorded: &Recorded, position: usize) -> Source {
    let rule = generation.loaded.pipeline.rules().get(position);
    if rule.is_none_or(|rule| rule.manifest.capabilities.http.is_empty()) {
        return Source::Denied;
    }
    let otherwise = match attempt {
        Attempt::First | Attempt::Second => Unrecorded::Send(Arc::clone(&generation.egress)),
        Attempt::Last => Unrecorded::Fail(FailureCode::ConflictExhausted),
    };
    Source::Replay { recorded: recorded.get(position).cloned().unwrap_or_default(), otherwise }
}

/// The login's own randomness: nobody without the installation's key can tell it, and it is the same on every attempt.
pub(super) fn seed(app: &App, login: &LoginId) -> [u8; 32] {
    app.keys.seal.mac("login seed", login.as_str().as_bytes())
}
