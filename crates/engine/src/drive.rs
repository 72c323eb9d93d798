//! The one loop: a login's rules, in order, each in a sandbox of its own.
//!
//! The state machine in `vestibule_pipeline` decides what happens; this loop only runs what it names. A live login, a
//! re-run after a conflict, a replay and the command line all come through here.

use std::sync::Arc;

use serde::Serialize;
use vestibule_abi::limits::Spent;
use vestibule_pipeline::{Login, Outcome, Pipeline, RuleFailure, RuleOutcome, SkipReason, Step};

use crate::{
    EngineError, LogLine, Run, SandboxedRule,
    http::{Asked, Exchange, Source},
};

/// A pipeline whose rules are compiled, linked and proven to start: position by position the same rules.
#[derive(Clone)]
pub struct LoadedPipeline {
    /// What the rules may do.
    pub pipeline: Arc<Pipeline>,
    /// The rules to run, in the order of the pipeline.
    pub rules: Vec<SandboxedRule>,
}

/// How a login's rules ended, and what each of them did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the login becomes.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Every rule of the pipeline that was reached, in order.
    pub rules: Vec<RuleReport>,
}

/// What one rule did on one login.
#[derive(Debug, Serialize)]
pub struct RuleReport {
    /// The rule.
    pub name: String,
    /// `continued`, `denied`, `failed`, `skipped` or `skipped_after_failure`.
    pub outcome: &'static str,
    /// Why it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReason>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<RuleFailure>,
    /// Fuel used; all of its budget where nobody knows.
    pub fuel: u64,
    /// The most linear memory it had, in bytes.
    pub peak_memory: u64,
    /// Time from instantiation to answer, in microseconds.
    pub wall_us: f64,
    /// What it logged.
    pub logs: Vec<LogLine>,
    /// The requests it made.
    pub http: Vec<HttpReport>,
    /// What a further run of this rule in the same login is given ([`crate::http::Source::Replay`]).
    #[serde(skip)]
    pub recorded: Vec<Exchange>,
}

/// One request of a rule, as a report shows it.
#[derive(Debug, Serialize)]
pub struct HttpReport {
    /// The method.
    pub method: String,
    /// The URL, without fragment.
    pub url: String,
    /// The status of the response; `null` when there was none.
    pub status: Option<u16>,
}

/// Runs the rules of a login. `http` gives each rule, by its position, where its HTTP answers come from.
///
/// # Errors
/// [`EngineError`] for a fault of ours: the login has no outcome and must not go on.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn drive(
    login: &mut Login,
    rules: &[SandboxedRule],
    mut http: impl FnMut(usize) -> Source,
) -> Result<Report, EngineError> {
    let mut reports = Vec::with_capacity(rules.len());
    loop {
        let (name, run) = match login.next() {
            Step::Done(outcome) => return Ok(Report { outcome, rules: reports }),
            Step::Skip { rule, why, .. } => {
                reports.push(RuleReport::skipped(rule.name(), why));
                continue;
            }
            Step::Run { position, rule, event, budget } => {
                let sandboxed = rules.get(position).ok_or(EngineError::PipelineMismatch)?;
                (rule.name().to_owned(), sandboxed.run_shared(Arc::clone(event), budget, http(position)).await?)
            }
        };
        let outcome = login.take(run.answer.as_deref().map_err(Clone::clone), &run.spent);
        reports.push(RuleReport::ran(name, &outcome, run));
    }
}

impl RuleReport {
    fn skipped(name: &str, why: SkipReason) -> Self {
        let nothing = Spent::default();
        let ran = Self::spent(name.to_owned(), "skipped", &nothing);
        Self { skipped: Some(why), ..ran }
    }

    fn ran(name: String, outcome: &RuleOutcome, run: Run) -> Self {
        let failure = match outcome {
            RuleOutcome::Failed(failure) | RuleOutcome::SkippedAfterFailure(failure) => Some(failure.clone()),
            RuleOutcome::Continued | RuleOutcome::Denied(_) => None,
        };
        let ran = Self::spent(name, outcome.as_str(), &run.spent);
        let http = run.http.exchanges.iter().map(HttpReport::of).collect();
        Self { failure, logs: run.logs, http, recorded: run.http.into_recorded(), ..ran }
    }

    fn spent(name: String, outcome: &'static str, spent: &Spent) -> Self {
        Self {
            name,
            outcome,
            skipped: None,
            failure: None,
            fuel: spent.fuel_used,
            peak_memory: spent.peak_memory_bytes,
            wall_us: (spent.wall.as_nanos() / 100) as f64 / 10.0,
            logs: Vec::new(),
            http: Vec::new(),
            recorded: Vec::new(),
        }
    }
}

impl HttpReport {
    fn of(exchange: &Exchange) -> Self {
        let Asked { method, url, .. } = exchange.asked.clone();
        Self { method, url, status: exchange.status() }
    }
}
