//! A part of the work of a rule: the sandbox, without the event and what becomes of the answer.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;
use vestibule_abi::limits::Budget;
use vestibule_contest::{
    host::{Contestant, Deployed, Lane, Outcome},
    protocol::Task,
    rule::Rule,
};
use vestibule_engine::{LoadedPipeline, Profile, SandboxedRule, http::Source};

use super::{Language, awaited, described, engine, module, runtime};
use crate::{
    bench::{self, Arrival, Bench},
    guests,
};

/// How long one may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sandbox without what stands around it.
pub(super) struct Part {
    language: Language,
    bench: Arc<Bench>,
    /// The instance is made before the login.
    is_ready: bool,
    /// Its `run` is empty.
    is_floor: bool,
}

impl Part {
    pub(super) fn of(language: &str, is_ready: bool) -> anyhow::Result<Self> {
        Ok(Self { language: Language::of(language)?, bench: engine(Profile::Fast)?, is_ready, is_floor: false })
    }

    /// An instance made before the login whose `run` is empty.
    pub(super) fn ready_floor(language: &str) -> anyhow::Result<Self> {
        Ok(Self { is_floor: true, ..Self::of(language, true)? })
    }

    fn load(&self, rule: Rule, number: usize) -> anyhow::Result<SandboxedRule> {
        match self.language {
            Language::Module(folder) if self.is_floor => self.bench.load(&guests::floor(&module(folder, rule)?)?),
            _ => self.bench.load_inspected(&self.language.inspected(rule, number)?),
        }
    }
}

impl Contestant for Part {
    fn described(&self) -> String {
        described()
    }

    fn deploy(&self, task: &Task, tenant: usize) -> anyhow::Result<Box<dyn Deployed>> {
        let (rule, budget) = (self.load(task.rule, tenant)?, self.language.budget(task.rule));
        let declared = self.language.declared(task.rule)?;
        Ok(Box::new(DeployedPart {
            pipeline: self.bench.pipeline_of(vec![rule.clone()], &declared, &budget)?,
            rule,
            budget,
            is_ready: self.is_ready,
            is_floor: self.is_floor,
        }))
    }
}

struct DeployedPart {
    /// What makes the document that the rule gets in a login.
    pipeline: LoadedPipeline,
    rule: SandboxedRule,
    budget: Budget,
    is_ready: bool,
    is_floor: bool,
}

impl Deployed for DeployedPart {
    fn lane(&self) -> anyhow::Result<Box<dyn Lane>> {
        let lane = PartLane {
            pipeline: LoadedPipeline { pipeline: Arc::clone(&self.pipeline.pipeline), rules: Vec::new() },
            rule: self.rule.clone(),
            budget: self.budget,
            is_ready: self.is_ready,
            is_floor: self.is_floor,
            runtime: runtime()?,
            document: Arc::default(),
        };
        Ok(Box::new(lane))
    }
}

struct PartLane {
    pipeline: LoadedPipeline,
    rule: SandboxedRule,
    budget: Budget,
    is_ready: bool,
    is_floor: bool,
    runtime: Runtime,
    document: Arc<Vec<u8>>,
}

impl Lane for PartLane {
    fn arrive(&mut self, event: &str) -> anyhow::Result<()> {
        self.document = bench::document_for(&self.pipeline, &Arrival::of(&serde_json::from_str(event)?)?)?;
        Ok(())
    }

    /// Logins that do not come one upon the other find an instance that was made since the last.
    fn rest(&mut self) -> anyhow::Result<()> {
        let patience = Instant::now();
        while self.is_ready && !self.rule.is_ready() {
            anyhow::ensure!(patience.elapsed() < PATIENCE, "no instance was made ready");
            self.runtime.block_on(tokio::task::yield_now()); // A core that slept would be slow for what follows.
        }
        Ok(())
    }

    /// It has no outcome of a login; that its rule answers is proven here.
    fn outcome(&mut self) -> anyhow::Result<Outcome> {
        let run = self.run()?;
        let answer: Value = match run.answer {
            Ok(answer) => serde_json::from_slice(&answer)?,
            Err(_) if self.is_floor => Value::Null, // An empty rule answers nothing.
            Err(failure) => bail!("the rule failed: {failure}"),
        };
        let claims = answer.pointer("/continue/id_token").and_then(Value::as_object).cloned();
        Ok(Outcome::Allow { id_token: claims.unwrap_or_default(), app_metadata: Map::new() })
    }

    fn login(&mut self) -> anyhow::Result<()> {
        self.run().map(|run| drop(black_box(run)))
    }
}

impl PartLane {
    fn run(&self) -> anyhow::Result<vestibule_engine::Run> {
        let run = self.rule.run_shared(Arc::clone(&self.document), self.budget, Source::Denied);
        if self.is_ready {
            return Ok(self.runtime.block_on(run)?); // It leaves a chore, which a task of this runtime leaves to its own thread.
        }
        Ok(awaited(&self.runtime, run)?)
    }
}
