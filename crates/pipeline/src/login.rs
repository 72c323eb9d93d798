//! One login: its rules in order, and one outcome of them all.
//!
//! This is the page on which the security property stands:
//! - The first refusal, and the first failure that may not be skipped, ends the login; no later rule runs.
//! - What a rule did counts as a whole or not at all, and only [`Outcome::Allow`] carries what rules staged.
//! - Whoever drives the machine in another way than [`Login::next`], [`Login::take`], `next` … gets a failed login.
//!
//! The machine has no I/O: the driver runs the rule that [`Login::next`] names and hands the result to
//! [`Login::take`]. What an answer may say stands in [`crate::answer`], what a login may become in `login/staged.rs`.

mod staged;

#[cfg(test)]
mod tests;

use std::{borrow::Borrow, collections::BTreeSet, mem, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use vestibule_abi::{
    codes::FailureCode,
    limits::{Budget, LoginBudget, Spent},
};

use self::staged::{End, Staged};
use crate::{
    answer::{Answer, Given, Refusal},
    event::{Event, EventSource, InvalidEvent, ScopePolicy},
    failure::RuleFailure,
    manifest::{FailurePolicy, When},
    outcome::{Note, Outcome},
    pipeline::{Pipeline, Rule},
};

/// What the host knows about a login and no rule can change.
#[derive(Debug, Clone)]
pub struct LoginInput<E = Value> {
    /// `{"user", "context", "configuration"?, "shared"?}`: as text ([`crate::event::EventText`]), which is encoded in one pass, or
    /// as a tree.
    pub event: E,
    /// The login's own randomness, a secret; the same again when the login is re-run or replayed.
    pub seed: [u8; 32],
    /// The time of the login, in milliseconds since 1970; the same again when it is re-run or replayed.
    pub now_ms: i64,
    /// What scope a rule may grant.
    pub scopes: ScopePolicy,
    /// What all rules together may spend.
    pub budget: LoginBudget,
}

/// A login on its way through the rules.
#[derive(Debug)]
pub struct Login {
    pipeline: Arc<Pipeline>,
    event: Event,
    staged: Staged,
    budget: LoginBudget,
    stage: Stage,
}

/// Where a login stands. A stage holds only the facts true in it.
#[derive(Debug)]
enum Stage {
    /// The rule at this position is next.
    Next(usize),
    /// The rule at this position was handed out and has not been answered for.
    Running(usize),
    /// A rule ended the login.
    Ended(End),
    /// The outcome was given.
    Over,
}

/// What the driver does next.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an outcome is given once a login; a box would cost every login")]
pub enum Step<'a> {
    /// Run a rule; its result goes to [`Login::take`].
    Run {
        /// Its position in the pipeline.
        position: usize,
        /// The rule.
        rule: &'a Rule,
        /// The event as a document (form 1); a run may share it instead of copying.
        event: &'a Arc<Vec<u8>>,
        /// What the run may spend.
        budget: Budget,
    },
    /// Nothing: a rule does not run on this login.
    Skip {
        /// Its position in the pipeline.
        position: usize,
        /// The rule.
        rule: &'a Rule,
        /// Why not.
        why: SkipReason,
    },
    /// The login's rules are done. Given once.
    Done(Outcome),
}

/// Why a rule does not run on a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The client is not among `when.clients`.
    Client,
    /// The connection is not among `when.connections`.
    Connection,
    /// The protocol the login began with is not among `when.protocols`.
    Protocol,
    /// It could not be started, and its failure policy is `skip`.
    Failed(RuleFailure),
}

/// What became of a rule's run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleOutcome {
    /// Its changes are staged.
    Continued,
    /// It refused the login.
    Denied(Refusal),
    /// It failed, and the login with it.
    Failed(RuleFailure),
    /// It failed; what it did was dropped, and the login goes on.
    SkippedAfterFailure(RuleFailure),
}

impl Login {
    /// Begins a login.
    ///
    /// # Errors
    /// [`InvalidEvent`] when no rule could be given this event.
    pub fn begin<E: EventSource>(pipeline: Arc<Pipeline>, input: LoginInput<E>) -> Result<Self, InvalidEvent> {
        let event = Event::new(&input.event, pipeline.reads(), &input.seed, input.now_ms)?;
        let staged = Staged::new(input.scopes);
        Ok(Self { pipeline, event, staged, budget: input.budget, stage: Stage::Next(0) })
    }

    #[expect(clippy::should_implement_trait, reason = "a step borrows the login, which no iterator's item can")]
    /// What to do next. A [`Step::Run`] has to be answered with [`Login::take`] before the next call.
    pub fn next(&mut self) -> Step<'_> {
        let Self { pipeline, event, staged, budget, stage } = self;
        // Until another stage is decided the login is over: no way out of here lets it through by accident.
        let end = match mem::replace(stage, Stage::Over) {
            Stage::Next(position) => match pipeline.rules().get(position) {
                None => staged.end(),
                Some(rule) => match start(rule, event, staged, budget) {
                    Start::Run(budget) => {
                        *stage = Stage::Running(position);
                        return Step::Run { position, rule, event: event.document(), budget };
                    }
                    Start::Skip(why) => {
                        staged.note(rule, Note::Skipped(why.clone()));
                        *stage = Stage::Next(position + 1);
                        return Step::Skip { position, rule, why };
                    }
                    Start::End(end) => end,
                },
            },
            Stage::Ended(end) => end,
            Stage::Running(_) => End::misuse("the next step was asked for while a rule ran"),
            Stage::Over => End::misuse("the login is over; its outcome was given"),
        };
        Step::Done(staged.conclude(end, event, pipeline))
    }

    /// Takes the result of the rule that was handed out: its raw answer, or why there is none.
    pub fn take(&mut self, result: Result<&[u8], RuleFailure>, spent: &Spent) -> RuleOutcome {
        let Self { pipeline, event, staged, budget, stage } = self;
        budget.spend(spent);
        let running = match mem::replace(stage, Stage::Over) {
            Stage::Running(position) => pipeline.rules().get(position).map(|rule| (position, rule)),
            Stage::Next(_) | Stage::Ended(_) | Stage::Over => None,
        };
        let Some((position, rule)) = running else {
            let failure = RuleFailure::new(FailureCode::HostInternal, "a result was handed in while no rule ran");
            *stage = Stage::Ended(End::Failed { rule: None, failure: failure.clone() });
            return RuleOutcome::Failed(failure);
        };
        let given = result.and_then(Given::parse);
        let answer = given.as_ref().map_err(Clone::clone).and_then(|given| given.checked(&rule.manifest));
        let outcome = match answer {
            Ok(Answer::Deny(refusal)) => RuleOutcome::Denied(refusal),
            Ok(Answer::Continue(patch)) => match staged.stage(patch, position, rule, event) {
                Ok(()) => RuleOutcome::Continued,
                Err(failure) => judge(rule, failure, given.as_ref().ok()),
            },
            Err(failure) => judge(rule, failure, given.as_ref().ok()),
        };
        let name = rule.manifest.name.clone();
        *stage = match outcome.clone() {
            RuleOutcome::Continued => Stage::Next(position + 1),
            RuleOutcome::SkippedAfterFailure(failure) => {
                staged.note(rule, Note::SkippedAfterFailure(failure));
                Stage::Next(position + 1)
            }
            RuleOutcome::Denied(refusal) => Stage::Ended(End::Deny { rule: name, refusal }),
            RuleOutcome::Failed(failure) => Stage::Ended(End::Failed { rule: Some(name), failure }),
        };
        outcome
    }

    /// Bytes of event encoded so far; copies of what was encoded before do not count.
    #[must_use]
    pub const fn encoded_bytes(&self) -> u64 {
        self.event.encoded_bytes()
    }

    /// The rules of this login.
    #[must_use]
    pub const fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }
}

/// How a rule starts on this login.
enum Start {
    Run(Budget),
    Skip(SkipReason),
    End(End),
}

fn start(rule: &Rule, event: &mut Event, staged: &Staged, left: &LoginBudget) -> Start {
    if let Some(why) = rule.manifest.when.skips(event) {
        return Start::Skip(why);
    }
    let budget = rule.budget.within(left);
    match affordable(&budget).and_then(|()| event.assemble(&rule.manifest, staged.demands())) {
        Ok(()) => Start::Run(budget),
        Err(failure) if may_skip(rule, &failure) => Start::Skip(SkipReason::Failed(failure)),
        Err(failure) => Start::End(End::Failed { rule: Some(rule.manifest.name.clone()), failure }),
    }
}

/// Whether the rules before left anything to run this one with.
fn affordable(budget: &Budget) -> Result<(), RuleFailure> {
    let code = match () {
        () if budget.fuel == 0 => FailureCode::FuelExhausted,
        () if budget.wall.is_zero() => FailureCode::DeadlineExceeded,
        () => return Ok(()),
    };
    Err(RuleFailure::new(code, "the rules before it used up what the login may spend"))
}

/// What a failure does. A rule that may be skipped, but asked for something on which security may rest, is not.
fn judge(rule: &Rule, failure: RuleFailure, given: Option<&Given>) -> RuleOutcome {
    if may_skip(rule, &failure) && !given.is_some_and(Given::touches_security) {
        RuleOutcome::SkippedAfterFailure(failure)
    } else {
        RuleOutcome::Failed(failure)
    }
}

/// Whether the manifest lets the login go on after this failure. Our own faults never do (class A of HR §3).
fn may_skip(rule: &Rule, failure: &RuleFailure) -> bool {
    rule.manifest.on_failure == FailurePolicy::Skip && !failure.is_ours()
}

impl When {
    /// Why a rule does not run on this login; `None`: it does. What it asks cannot be changed by a rule.
    fn skips(&self, event: &Event) -> Option<SkipReason> {
        let began_with: Fact = |event| match event.context.value_of("original_protocol") {
            Some(Value::String(protocol)) => Some(protocol),
            Some(_) => None,
            None => event.context_text("protocol"),
        };
        let conditions = [
            (misses(self.clients.as_ref(), event, |event| event.context_text("clientID")), SkipReason::Client),
            (
                misses(self.connections.as_ref(), event, |event| event.context_text("connection")),
                SkipReason::Connection,
            ),
            (misses(self.protocols.as_ref(), event, began_with), SkipReason::Protocol),
        ];
        conditions.into_iter().find(|(misses, _)| *misses).map(|(_, why)| why)
    }
}

/// What a condition looks at of a login; it is decoded only for a rule that has the condition.
type Fact = fn(&Event) -> Option<String>;

fn misses<N: Borrow<str> + Ord>(names: Option<&BTreeSet<N>>, event: &Event, fact: Fact) -> bool {
    names.is_some_and(|names| fact(event).is_none_or(|fact| !names.contains(fact.as_str())))
}

impl RuleOutcome {
    /// The stable word: `continued`, `denied`, `failed` or `skipped_after_failure`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Continued => "continued",
            Self::Denied(_) => "denied",
            Self::Failed(_) => "failed",
            Self::SkippedAfterFailure(_) => "skipped_after_failure",
        }
    }
}
