//! The tables of `PEERS.md`, their short form in the README, and a paragraph for each row.

use std::{collections::BTreeSet, fmt::Write as _};

use vestibule_contest::{event, rule::Rule};

use super::{
    bars::bars,
    results::{Cell, Figure, Results, RowResult},
    rows::{ROWS, Row},
};
use crate::report::{Table, markdown, shown};

/// All of it, as Markdown.
#[must_use]
pub fn full(results: &Results) -> String {
    let mut text = format!(
        "Measured with `{}` on {}; load before it began: {}.\n",
        results.command, results.machine, results.load
    );
    let tables = [bar_table(results), usual(results)]
        .into_iter()
        .chain(results.profile.clone())
        .chain(Rule::ALL.map(|rule| by_size(results, rule)))
        .chain([by_rules(results), by_tenants(results)]);
    for table in tables.filter(|table| !table.rows.is_empty()) {
        let _ = write!(text, "\n### {}\n\n{}", table.title, markdown(&table));
    }
    text.push_str(&missing(results));
    text.push_str(&about(results));
    text
}

/// The rows that are whole logins, fastest first, for the README.
#[must_use]
pub fn short(results: &Results) -> String {
    let usual = Cell::usual();
    let ours = results.p50("rust-fast", &usual);
    let mut rows: Vec<(&Row, &Figure)> = measured(results, &usual).filter(|(row, _)| !row.is_part).collect();
    rows.sort_by(|(_, one), (_, other)| one.p50.total_cmp(&other.p50));
    let mut table = Table::new("", &["one rule, one login, 4 kB event", "isolation", "p50, µs", "against ours"]);
    for (row, figure) in rows {
        let against = if row.id == "rust-fast" { "—".to_owned() } else { format!("{}×", shown(figure.p50 / ours)) };
        table.row(row.name, [row.isolation.as_str().to_owned(), shown(figure.p50), against]);
    }
    format!("{}\n{}; `{}`.\n", markdown(&table), results.machine, results.command)
}

fn measured<'r>(results: &'r Results, cell: &'r Cell) -> impl Iterator<Item = (&'static Row, &'r Figure)> {
    ROWS.iter().filter_map(move |row| Some((row, results.figure(row.id, cell)?)))
}

fn bar_table(results: &Results) -> Table {
    let mut table = Table::new("The bars", &["", "bar", "figure", "limit"]);
    for bar in bars(results) {
        table.row(bar.verdict.as_str(), [bar.what, bar.figure, bar.limit]);
    }
    table
}

fn usual(results: &Results) -> Table {
    let head = [
        "",
        "isolation",
        "p50, µs",
        "p99, µs",
        "against ours",
        "page faults",
        "resident, MiB",
        "cold start, ms",
        "logins/s, 1 thread",
        "2 threads",
    ];
    let mut table = Table::new("The rule that reads three fields, 4 kB", &head);
    let ours = results.p50("rust-fast", &Cell::usual());
    let nothing = RowResult::default();
    for (row, figure) in measured(results, &Cell::usual()) {
        let result = results.rows.get(row.id).unwrap_or(&nothing);
        let optional = |figure: Option<f64>| figure.map_or_else(|| "—".to_owned(), shown);
        let [one, two] = result.throughput.map_or([None, None], |rates| rates.map(Some));
        table.row(
            row.name,
            [
                row.isolation.as_str().to_owned(),
                shown(figure.p50),
                shown(figure.p99),
                format!("{}×", shown(figure.p50 / ours)),
                shown(figure.faults),
                optional(result.memory_mib),
                optional(result.cold_ms),
                optional(one),
                optional(two),
            ],
        );
    }
    table
}

/// A table of medians: a column for each cell.
fn by(results: &Results, title: &str, cells: &[(String, Cell)], shown_as: impl Fn(&Figure) -> String) -> Table {
    let is_measured = |(_, cell): &&(String, Cell)| ROWS.iter().any(|row| results.figure(row.id, cell).is_some());
    let cells: Vec<&(String, Cell)> = cells.iter().filter(is_measured).collect();
    let head: Vec<&str> = std::iter::once("").chain(cells.iter().map(|(name, _)| name.as_str())).collect();
    let mut table = Table::new(title, &head);
    for row in ROWS {
        let figures: Vec<Option<&Figure>> = cells.iter().map(|(_, cell)| results.figure(row.id, cell)).collect();
        if figures.iter().any(Option::is_some) {
            table.row(row.name, figures.into_iter().map(|figure| figure.map_or_else(|| "—".to_owned(), &shown_as)));
        }
    }
    table
}

fn by_size(results: &Results, rule: Rule) -> Table {
    let title = match rule {
        Rule::Fields => "The rule that reads three fields, by the size of the event, µs (p50)",
        Rule::Groups => "The rule that goes through two hundred groups, by the size of the event, µs (p50)",
        Rule::Compute => "The rule that computes for a millisecond, by the size of the event, µs (p50)",
    };
    let cells = event::SIZES.map(|(size, _)| (size.to_owned(), Cell::one(rule, size)));
    by(results, title, &cells, |figure| shown(figure.p50))
}

fn by_rules(results: &Results) -> Table {
    let cells =
        counted(results, |cell| (cell.tenants == 1).then_some(cell.rules), |rules| Cell { rules, ..Cell::usual() });
    by(results, "Logins through several rules, each deployed apart, 4 kB, µs (p50)", &cells, |figure| {
        shown(figure.p50)
    })
}

fn by_tenants(results: &Results) -> Table {
    let cells =
        counted(results, |cell| (cell.rules == 1).then_some(cell.tenants), |tenants| Cell { tenants, ..Cell::usual() });
    by(
        results,
        "Tenants that log in by turns, each with a rule of its own, 4 kB: µs (p50), resident MiB",
        &cells,
        |figure| format!("{}, {}", shown(figure.p50), shown(figure.memory_mib)),
    )
}

/// The cells that differ from the usual one in a count, by that count.
fn counted(
    results: &Results,
    of: impl Fn(&Cell) -> Option<usize>,
    cell: impl Fn(usize) -> Cell,
) -> Vec<(String, Cell)> {
    let figures = results.rows.values().flat_map(|row| &row.figures);
    let usual = figures.filter(|figure| figure.cell.rule == Rule::Fields && figure.cell.size == event::USUAL);
    let counts: BTreeSet<usize> = usual.filter_map(|figure| of(&figure.cell)).collect();
    counts.into_iter().map(|count| (count.to_string(), cell(count))).collect()
}

fn missing(results: &Results) -> String {
    let mut text = String::new();
    for row in ROWS {
        for why in results.rows.get(row.id).iter().flat_map(|result| &result.missing) {
            let _ = writeln!(text, "- **{}**: {}. To get it: {}.", row.name, why, row.how_to_get());
        }
    }
    if text.is_empty() { text } else { format!("\n### Not measured here\n\n{text}") }
}

fn about(results: &Results) -> String {
    let mut text = "\n### What each row is, and what is comparable\n".to_owned();
    for row in ROWS {
        let version =
            results.rows.get(row.id).map(|result| result.described.as_str()).filter(|version| !version.is_empty());
        let version = version.map(|version| format!(" ({version})")).unwrap_or_default();
        let _ = write!(text, "\n**{}**{version}. {}\n", row.name, row.about);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::results::Ratio;

    /// A contest as small as one can be: two rows with figures, one without.
    fn results() -> Results {
        let figures = |p50| {
            let cells = [Cell::usual(), Cell { rules: 5, ..Cell::usual() }, Cell::one(Rule::Groups, "20 kB")];
            cells.map(|cell| Figure { cell, p50, p99: p50 * 2.0, faults: 0.0, memory_mib: 20.0 }).to_vec()
        };
        let row = |p50| RowResult {
            described: "thing 1.2.3".to_owned(),
            figures: figures(p50),
            throughput: Some([1_000.0, 1_900.0]),
            ..RowResult::default()
        };
        let out = RowResult { missing: vec!["it is not built".to_owned()], ..RowResult::default() };
        let rows = [("rust-fast", row(20.0)), ("vm-fresh", row(800.0)), ("boa", out)];
        Results {
            command: "cargo xtask bench --peers".to_owned(),
            rows: rows.map(|(id, row)| (id.to_owned(), row)).into(),
            ratios: vec![Ratio {
                cell: Cell::usual(),
                over: "vm-fresh".into(),
                under: "rust-fast".into(),
                times: 41.0,
            }],
            ..Results::default()
        }
    }

    #[test]
    fn a_page_shows_what_was_measured_and_names_what_was_not() {
        let page = full(&results());
        let expected = [
            "| PASS | Rust rule, 4 kB: times faster than a fresh `vm` context | 41.0× | ≥ 35.0× |",
            "| MISSING | Rust rule, 4 kB: times faster than the webhook | not measured | ≥ 12.0× |",
            "| Node `vm`, fresh context | fresh sandbox | 800 | 1600 | 40.0× |",
            "### Logins through several rules",
            "- **Boa, fresh context**: it is not built. To get it: `cargo build",
            "**Node `vm`, fresh context** (thing 1.2.3).",
        ];
        for line in expected {
            assert!(page.contains(line), "`{line}` is not in\n{page}");
        }
        assert!(short(&results()).contains("| Vestibule, Rust, fast | fresh sandbox | 20.0 | — |"));
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        results().write(&path).unwrap();
        assert_eq!(Results::read(&path).unwrap(), results());
    }
}
