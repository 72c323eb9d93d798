//! How the cost grows: with the event, with the rules of a login, with the tenants of a host. A line a row.

use vestibule_contest::{event, rule::Rule};

use super::canvas::{Anchor, Canvas, Scale, class, name_class, time};
use crate::peers::{
    results::{Cell, Results},
    rows::{ROWS, Row},
};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 640.0;
const LEFT: f64 = 84.0;
/// Where lines end; names stand behind it.
const RIGHT: f64 = WIDTH - 296.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = HEIGHT - 70.0;
/// Pixels between two names.
const APART: f64 = 17.0;

/// What a login is made larger by.
struct Growth {
    title: &'static str,
    subtitle: &'static str,
    axis: &'static str,
    points: Vec<Point>,
}

/// A place on the axis.
struct Point {
    name: String,
    size: f64,
    cell: Cell,
}

/// A row with its points: what it was made larger by, and microseconds.
type Line = (&'static Row, Vec<(f64, f64)>);

/// How the cost grows with the event; none when fewer than two sizes were measured.
#[must_use]
pub fn by_event(results: &Results) -> Option<String> {
    let point = |(name, bytes): (&str, usize)| Point {
        name: name.to_owned(),
        size: bytes as f64,
        cell: Cell::one(Rule::Fields, name),
    };
    let growth = Growth {
        title: "How the cost grows with the event",
        subtitle: "The rule that reads three fields: median of one login. Both axes are logarithmic.",
        axis: "JSON text of the event",
        points: event::SIZES.into_iter().map(point).collect(),
    };
    growth.draw(results)
}

/// How the cost grows with the rules of a login; none when fewer than two numbers were measured.
#[must_use]
pub fn by_rules(results: &Results) -> Option<String> {
    let growth = Growth {
        title: "How the cost grows with the number of rules",
        subtitle: "Rules of a login that run one after the other, 4 kB event: median of one login. Both axes are logarithmic.",
        axis: "rules in one login, each deployed apart",
        points: counted(results, |rules| Cell { rules, ..Cell::usual() }),
    };
    growth.draw(results)
}

/// How the cost grows with tenants; none when fewer than two numbers were measured.
#[must_use]
pub fn by_tenants(results: &Results) -> Option<String> {
    let growth = Growth {
        title: "How the cost grows with the number of tenants",
        subtitle: "Tenants that log in by turns, 4 kB event: median of one login. Both axes are logarithmic.",
        axis: "tenants, each with a rule of its own",
        points: counted(results, |tenants| Cell { tenants, ..Cell::usual() }),
    };
    growth.draw(results)
}

fn counted(results: &Results, cell: impl Fn(usize) -> Cell) -> Vec<Point> {
    let is_measured = |cell: &Cell| ROWS.iter().any(|row| results.figure(row.id, cell).is_some());
    let point = |count: usize| Point { name: count.to_string(), size: count as f64, cell: cell(count) };
    (1..=1_000).map(point).filter(|point| is_measured(&point.cell)).collect()
}

impl Growth {
    fn draw(&self, results: &Results) -> Option<String> {
        let lines = self.lines(results);
        let y = Scale::of(lines.iter().flat_map(|(_, points)| points.iter().map(|(_, took)| *took)), BOTTOM, TOP)?;
        let (first, last) = (self.points.first()?, self.points.last()?);
        let x = Scale { low: first.size.log10(), high: last.size.log10(), from: LEFT, to: RIGHT };
        let mut canvas = Canvas::default();
        canvas.text("axis", (LEFT - 58.0, TOP - 22.0), Anchor::Start, "time of one login");
        for power in y.powers() {
            let at = y.place(power);
            canvas.line("grid", (LEFT, at), (RIGHT, at));
            canvas.text("axis", (LEFT - 10.0, at), Anchor::End, &time(power));
        }
        for point in &self.points {
            let at = x.place(point.size);
            canvas.line("grid", (at, TOP), (at, BOTTOM));
            canvas.text("axis", (at, BOTTOM + 18.0), Anchor::Middle, &point.name);
        }
        canvas.text("axis", (f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0), Anchor::Middle, self.axis);
        for (row, points) in &lines {
            let places = points.iter().map(|(size, took)| (x.place(*size), y.place(*took)));
            canvas.path(&format!("{} line", class(row)), places.clone());
            places.for_each(|place| canvas.dot(class(row), place, 3.0));
        }
        let ends = lines.iter().filter_map(|(row, points)| Some((*row, y.place(points.last()?.1))));
        for (row, end, label) in labels(ends.collect()) {
            canvas.line("leader", (RIGHT + 6.0, end), (RIGHT + 24.0, label));
            canvas.text(name_class(row), (RIGHT + 28.0, label), Anchor::Start, row.name);
        }
        Some(canvas.finish(WIDTH, HEIGHT, self.title, self.subtitle))
    }

    /// Rows that were measured up to the last point.
    fn lines(&self, results: &Results) -> Vec<Line> {
        let rows = ROWS.iter().filter(|row| !row.is_part && !row.id.ends_with("-hardened") && !row.is_decision_only);
        let points = |row: &Row| {
            let measured = self.points.iter();
            measured
                .filter_map(|point| Some((point.size, results.figure(row.id, &point.cell)?.p50)))
                .collect::<Vec<_>>()
        };
        rows.map(|row| (row, points(row))).filter(|(_, points)| points.len() > 1).collect()
    }
}

/// Where the name of each line goes, beside its end: moved apart where ends are close.
fn labels(ends: Vec<(&Row, f64)>) -> Vec<(&Row, f64, f64)> {
    let mut labels: Vec<(&Row, f64, f64)> = ends.into_iter().map(|(row, end)| (row, end, end)).collect();
    labels.sort_by(|(_, one, _), (_, other, _)| one.total_cmp(other));
    let mut free = TOP - 8.0;
    for (_, _, label) in &mut labels {
        *label = label.max(free);
        free = *label + APART;
    }
    let mut free = BOTTOM + 8.0;
    for (_, _, label) in labels.iter_mut().rev() {
        *label = label.min(free);
        free = *label - APART;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_touch() {
        let ends = ROWS.iter().take(7).map(|row| (row, 300.0)).collect();
        let places: Vec<f64> = labels(ends).into_iter().map(|(_, _, label)| label).collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= APART - 0.1), "{places:?}");
    }
}
