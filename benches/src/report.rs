//! What is printed: tables of figures, and each bar with its figure; and the part of `README.md` that is made of them.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::machine;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// One figure that has to stay within a limit.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub figure: String,
    /// What it may be.
    pub limit: String,
    /// Whether it is.
    pub verdict: Verdict,
}

/// What a figure means for its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is within the limit.
    Pass,
    /// It is not.
    Miss,
    /// There is no figure: what it takes could not be measured here.
    Missing,
}

impl Verdict {
    fn of(figure: f64, is_met: bool) -> Self {
        match (figure.is_nan(), is_met) {
            (true, _) => Self::Missing,
            (false, true) => Self::Pass,
            (false, false) => Self::Miss,
        }
    }

    /// How it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Miss => "MISS",
            Self::Missing => "MISSING",
        }
    }
}

impl Bar {
    /// The bar that a figure is at most so much.
    #[must_use]
    pub fn at_most(what: impl Into<String>, figure: f64, most: f64, unit: &str) -> Self {
        let (what, limit) = (what.into(), format!("≤ {}{unit}", shown(most)));
        Self { what, figure: told(figure, unit), limit, verdict: Verdict::of(figure, figure <= most) }
    }

    /// The bar that a figure is at least so much.
    #[must_use]
    pub fn at_least(what: impl Into<String>, figure: f64, least: f64, unit: &str) -> Self {
        let (what, limit) = (what.into(), format!("≥ {}{unit}", shown(least)));
        Self { what, figure: told(figure, unit), limit, verdict: Verdict::of(figure, figure >= least) }
    }

    /// The same with something to know beside the figure.
    #[must_use]
    pub fn beside(mut self, note: &str) -> Self {
        let _ = write!(self.figure, ", {note}");
        self
    }
}

fn told(figure: f64, unit: &str) -> String {
    if figure.is_nan() { "not measured".to_owned() } else { format!("{}{unit}", shown(figure)) }
}

/// Figures that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What they are about, with their unit.
    pub title: String,
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows, as wide as the head.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(title: &str, head: &[&str]) -> Self {
        Self { title: title.to_owned(), head: head.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, figures: impl IntoIterator<Item = String>) {
        self.rows.push(std::iter::once(name.into()).chain(figures).collect());
    }
}

/// All that one run of the benchmarks came to.
#[derive(Debug, Default)]
pub struct Report {
    /// The bars, in the order of the issue that set them.
    pub bars: Vec<Bar>,
    /// What the bars were made of, and what is worth knowing beside them.
    pub tables: Vec<Table>,
}

impl Report {
    /// Takes what one group of measurements came to, and prints its bars.
    pub fn add(&mut self, bars: Vec<Bar>, tables: Vec<Table>) {
        for bar in &bars {
            println!("{}  {}  {} ({})", bar.verdict.as_str(), bar.what, bar.figure, bar.limit);
        }
        self.bars.extend(bars);
        self.tables.extend(tables);
    }

    /// How many bars were missed, or could not be measured.
    #[must_use]
    pub fn missed(&self) -> usize {
        self.bars.iter().filter(|bar| bar.verdict != Verdict::Pass).count()
    }

    /// The report as Markdown.
    #[must_use]
    pub fn to_markdown(&self, command: &str) -> String {
        let mut bars = Table::new("The bars", &["", "bar", "figure", "limit"]);
        for bar in &self.bars {
            bars.row(bar.verdict.as_str(), [bar.what.clone(), bar.figure.clone(), bar.limit.clone()]);
        }
        let mut text = format!(
            "Measured with `{command}` on {}; load before it began: {}.\n",
            machine::described(),
            machine::load()
        );
        for table in std::iter::once(&bars).chain(&self.tables) {
            let _ = write!(text, "\n### {}\n\n{}", table.title, markdown(table));
        }
        text
    }

    /// Puts the report into `benches/README.md`, between its marks.
    ///
    /// # Errors
    /// When the file cannot be read or written, or has no marks.
    pub fn write_readme(&self, command: &str) -> anyhow::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = replaced(&readme, &self.to_markdown(command)).context("benches/README.md has lost its marks")?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A figure with about three digits that mean something.
#[must_use]
pub fn shown(figure: f64) -> String {
    match figure.abs() {
        size if size.is_nan() => "not measured".to_owned(),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// Puts what was measured between the marks of a text.
#[must_use]
pub fn replaced(readme: &str, measured: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{measured}{END}{after}"))
}

/// A table as Markdown.
#[must_use]
pub fn markdown(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_owned(); table.head.len()];
    let rows: String = table.rows.iter().map(|row| line(row)).collect();
    format!("{}{}{rows}", line(&table.head), line(&rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_up_to_its_limit() {
        let verdicts = [
            Bar::at_most("", 1.5, 1.5, "×"),
            Bar::at_most("", 1.51, 1.5, "×"),
            Bar::at_least("", 1.5, 1.5, "×"),
            Bar::at_least("", 1.49, 1.5, "×"),
            Bar::at_least("", f64::NAN, 1.0, ""), // What was not measured is not met.
        ]
        .map(|bar| bar.verdict);
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Miss, Verdict::Pass, Verdict::Miss, Verdict::Missing]);
    }

    #[test]
    fn a_report_replaces_what_stands_between_the_marks() {
        let readme = format!("prose\n{BEGIN}\nold\n{END}\nmore prose\n");
        assert_eq!(replaced(&readme, "new\n").unwrap(), format!("prose\n{BEGIN}\nnew\n{END}\nmore prose\n"));
        assert_eq!(replaced("no marks", "new"), None);
    }
}
