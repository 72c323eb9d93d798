//! Who costs how much: a line a row, fastest first.

use super::canvas::{Anchor, Canvas, MARGIN, Scale, class, name_class, time};
use crate::{
    peers::{
        results::{Cell, Figure, Results},
        rows::{Isolation, ROWS, Row},
    },
    report::shown,
};

const WIDTH: f64 = 960.0;
/// Where the axis begins; names stand before it.
const LEFT: f64 = 336.0;
/// Where the first row begins.
const TOP: f64 = 92.0;
/// The height of a row.
const ROW: f64 = 27.0;

const SUBTITLE: &str = "4 kB event: median in µs, with a line to the 99th percentile; the axis is logarithmic. Filled: a fresh sandbox \
                        for each login; hollow: shared, or none.";

/// The picture; none when nothing was measured.
#[must_use]
pub fn ranking(results: &Results) -> Option<String> {
    let usual = Cell::usual();
    let rows = ROWS.iter().filter(|row| !row.is_part);
    let mut rows: Vec<(&Row, &Figure)> = rows.filter_map(|row| Some((row, results.figure(row.id, &usual)?))).collect();
    rows.sort_by(|(_, one), (_, other)| one.p50.total_cmp(&other.p50));
    let figures = rows.iter().flat_map(|(_, figure)| [figure.p50, figure.p99]);
    let scale = Scale::of(figures, LEFT, WIDTH - MARGIN - 46.0)?;
    let bottom = TOP + ROW * rows.len() as f64;
    let mut canvas = Canvas::default();
    for power in scale.powers() {
        let x = scale.place(power);
        canvas.line("grid", (x, TOP - 8.0), (x, bottom));
        canvas.text("axis", (x, bottom + 14.0), Anchor::Middle, &time(power));
    }
    for (position, (row, figure)) in rows.into_iter().enumerate() {
        draw(&mut canvas, scale, TOP + ROW * (position as f64 + 0.5), row, figure);
    }
    canvas.text("axis", (f64::midpoint(scale.from, scale.to), bottom + 36.0), Anchor::Middle, "time of one login");
    Some(canvas.finish(WIDTH, bottom + 60.0, "What one rule costs one login", SUBTITLE))
}

fn draw(canvas: &mut Canvas, scale: Scale, y: f64, row: &Row, figure: &Figure) {
    let (x, far) = (scale.place(figure.p50), scale.place(figure.p99));
    let class = class(row);
    let filling = if row.isolation == Isolation::Fresh { "" } else { " hollow" };
    canvas.text(name_class(row), (LEFT - 24.0, y), Anchor::End, row.name);
    canvas.line(&format!("{class} whisker"), (x, y), (far, y));
    canvas.dot(&format!("{class} mark{filling}"), (x, y), 5.5);
    canvas.text("figure", (far.max(x + 5.5) + 9.0, y), Anchor::Start, &shown(figure.p50));
}
