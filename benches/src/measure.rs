//! The groups of bars, in the order of the issue that set them.

pub mod javascript;
pub mod login;
pub mod pipelines;
pub mod profile;
pub mod sandbox;
pub mod spinners;
pub mod threads;
pub mod uploads;

use crate::{
    report::{Bar, Table},
    rounds::Effort,
};

/// A group of measurements: its name on the command line, and how it is made.
pub type Group = (&'static str, fn(Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)>);

/// All of them.
pub const GROUPS: [Group; 8] = [
    ("sandbox", sandbox::measure),
    ("profile", profile::measure),
    ("pipelines", pipelines::measure),
    ("threads", threads::measure),
    ("spinners", spinners::measure),
    ("uploads", uploads::measure),
    ("javascript", javascript::measure),
    ("login", login::measure),
];
