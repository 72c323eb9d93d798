//! What one contest came to. It is kept as JSON, so that tables and pictures can be made again without measuring.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use vestibule_contest::{protocol::Task, rule::Rule};

use crate::report::Table;

/// One contest.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Results {
    /// The command that made it.
    pub command: String,
    /// The machine and the versions of the host's parts.
    pub machine: String,
    /// The mean number of runnable threads before it began.
    pub load: String,
    /// What each row came to, by its id.
    pub rows: BTreeMap<String, RowResult>,
    /// What the bars compare.
    pub ratios: Vec<Ratio>,
    /// Where the time of our own login goes; not when only some rows were asked for.
    pub profile: Option<Table>,
}

/// What one row came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RowResult {
    /// What it says it is.
    pub described: String,
    /// What there are no figures of, and why.
    pub missing: Vec<String>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// Resident memory after a few hundred logins of the usual event, in MiB.
    pub memory_mib: Option<f64>,
    /// From starting the process to the end of the first login, in milliseconds.
    pub cold_ms: Option<f64>,
    /// Logins a second with one and with two threads.
    pub throughput: Option<[f64; 2]>,
}

/// What logins of one kind took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Of which kind.
    pub cell: Cell,
    /// The median, in microseconds.
    pub p50: f64,
    /// 99 of 100 were faster, in microseconds.
    pub p99: f64,
    /// Page faults of one login: the median.
    pub faults: f64,
    /// Resident memory meanwhile, in MiB.
    pub memory_mib: f64,
}

/// One row over another, in turns of both that came one upon the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Of which kind the logins were.
    pub cell: Cell,
    /// The row above the line.
    pub over: String,
    /// The row below it.
    pub under: String,
    /// The median of what the couples of pairs came to: a pair is the median of the one turn over that of the other, a couple the
    /// geometric mean of both orders.
    pub times: f64,
}

/// A kind of login.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// What its rules do.
    pub rule: Rule,
    /// The size of the event, as [`vestibule_contest::event::SIZES`] calls it.
    pub size: String,
    /// Rules in one login.
    pub rules: usize,
    /// Tenants that log in by turns.
    pub tenants: usize,
}

impl Cell {
    /// One rule, one tenant.
    #[must_use]
    pub fn one(rule: Rule, size: &str) -> Self {
        Self { rule, size: size.to_owned(), rules: 1, tenants: 1 }
    }

    /// What the bars speak of.
    #[must_use]
    pub fn usual() -> Self {
        Self::one(Rule::Fields, vestibule_contest::event::USUAL)
    }

    /// In words.
    #[must_use]
    pub fn described(&self) -> String {
        let many = |count: usize, what: &str| if count == 1 { String::new() } else { format!(", {count} {what}") };
        format!("`{}`, {}{}{}", self.rule.name(), self.size, many(self.rules, "rules"), many(self.tenants, "tenants"))
    }

    /// What is deployed for it.
    #[must_use]
    pub fn task(&self) -> Task {
        Task { rule: self.rule, rules: self.rules, tenants: self.tenants }
    }
}

impl Results {
    /// What a row came to in a cell, if it was measured.
    #[must_use]
    pub fn figure(&self, row: &str, cell: &Cell) -> Option<&Figure> {
        self.rows.get(row)?.figures.iter().find(|figure| figure.cell == *cell)
    }

    /// The median of a row in a cell, in microseconds; NaN if it was not measured.
    #[must_use]
    pub fn p50(&self, row: &str, cell: &Cell) -> f64 {
        self.figure(row, cell).map_or(f64::NAN, |figure| figure.p50)
    }

    /// How many times what one row takes another one takes; NaN if they were not compared.
    #[must_use]
    pub fn ratio(&self, cell: &Cell, over: &str, under: &str) -> f64 {
        let is = |ratio: &&Ratio| ratio.cell == *cell && ratio.over == over && ratio.under == under;
        self.ratios.iter().find(is).map_or(f64::NAN, |ratio| ratio.times)
    }

    /// Reads what an earlier contest came to.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is of another version", path.display()))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
