//! What both pictures are drawn with: a card, lines, text, and logarithmic axes.

use std::fmt::Write as _;

use crate::peers::rows::{Isolation, Row};

const STYLE: &str = "text{font-family:'Inter','Segoe UI','Helvetica Neue','DejaVu Sans',sans-serif;fill:#24292f}\
.card{fill:#ffffff;stroke:#d8dee4}.title{font-size:19px;font-weight:bold}.quiet{fill:#656d76;font-size:12.5px}\
.name{font-size:13.5px}.figure{font-size:12.5px;font-weight:bold}.axis{fill:#656d76;font-size:11.5px}.grid{stroke:#e7ebef}.leader{stroke:#b6bec7}\
.ours{fill:#0a7c66;stroke:#0a7c66}.theirs{fill:#c2571a;stroke:#c2571a}.native{fill:#6e7781;stroke:#6e7781}\
.mark{stroke-width:2}.hollow{fill:#ffffff}.line{fill:none;stroke-width:2.2}.whisker{stroke-width:2;stroke-opacity:.38}\
.text-ours{fill:#0a7c66;font-weight:bold}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.card{fill:#0d1117;stroke:#30363d}.quiet,.axis{fill:#9198a1}\
.grid{stroke:#21262d}.leader{stroke:#484f58}.ours{fill:#3fd0ae;stroke:#3fd0ae}.theirs{fill:#f0883e;stroke:#f0883e}.native{fill:#9198a1;stroke:#9198a1}\
.hollow{fill:#0d1117}.line{fill:none}.text-ours{fill:#3fd0ae}}";

/// Pixels of a picture's edge to what is drawn.
pub(super) const MARGIN: f64 = 28.0;

/// A picture in the making. Everything has a class, which says how it looks.
#[derive(Default)]
pub(super) struct Canvas(String);

/// Where a text begins, ends, or has its middle.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let ends = format!(r#"x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}""#);
        let _ = writeln!(self.0, r#"<line class="{class}" {ends}/>"#);
    }

    pub(super) fn path(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.0, r#"<polyline class="{class}" points="{}"/>"#, points.join(" "));
    }

    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let _ = writeln!(self.0, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius}"/>"#);
    }

    /// A text whose middle line is at that height.
    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (y, text) = (y + 4.6, text.replace('`', "").replace('&', "&amp;").replace('<', "&lt;"));
        let _ = writeln!(self.0, r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
    }

    /// The whole picture, with a title and a line below it.
    pub(super) fn finish(self, width: f64, height: f64, title: &str, subtitle: &str) -> String {
        let (inner_width, inner_height, body) = (width - 1.0, height - 1.0, self.0);
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
<style>{STYLE}</style>
<rect class="card" x="0.5" y="0.5" width="{inner_width}" height="{inner_height}" rx="10"/>
<text class="title" x="{MARGIN}" y="40">{title}</text>
<text class="quiet" x="{MARGIN}" y="62">{subtitle}</text>
{body}</svg>
"#
        )
    }
}

/// A logarithmic axis: from one power of ten to another, between two places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// The axis that holds all figures; none without figures.
    pub(super) fn of(figures: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let logs: Vec<f64> = figures.filter(|figure| *figure > 0.0).map(f64::log10).collect();
        let (low, high) = (logs.iter().copied().reduce(f64::min)?, logs.iter().copied().reduce(f64::max)?);
        let (low, high) = ((low - 0.06).floor(), (high + 0.06).ceil());
        Some(Self { low, high, from, to })
    }

    pub(super) fn place(self, figure: f64) -> f64 {
        self.from + (figure.log10() - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    pub(super) fn powers(self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|power| 10_f64.powi(power))
    }
}

/// A time as an axis calls it.
pub(super) fn time(microseconds: f64) -> String {
    match microseconds {
        figure if figure >= 1_000_000.0 => format!("{} s", figure / 1_000_000.0),
        figure if figure >= 1_000.0 => format!("{} ms", figure / 1_000.0),
        figure => format!("{figure} µs"),
    }
}

/// The class of a row's marks.
pub(super) fn class(row: &Row) -> &'static str {
    match row {
        row if row.name.starts_with("Vestibule") => "ours",
        row if row.isolation == Isolation::None => "native",
        _ => "theirs",
    }
}

/// The class of a row's name.
pub(super) fn name_class(row: &Row) -> &'static str {
    if class(row) == "ours" { "name text-ours" } else { "name" }
}
