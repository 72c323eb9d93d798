//! The pictures: who costs how much, and how that grows with the event, the rules and the tenants. SVG, readable on light and dark pages.
//!
//! The style is in classes, with a dark variant behind a media query; `peers/picture` draws a PNG of each.

mod canvas;
mod growth;
mod ranking;

pub use growth::{by_event, by_rules, by_tenants};
pub use ranking::ranking;

#[cfg(test)]
mod tests {
    use vestibule_contest::{event, rule::Rule};

    use super::*;
    use crate::peers::results::{Cell, Figure, Results, RowResult};

    fn results() -> Results {
        let figures = |factor: f64| {
            let figure = |(size, bytes): (&str, usize)| Figure {
                cell: Cell::one(Rule::Fields, size),
                p50: factor * bytes as f64,
                p99: factor * bytes as f64 * 3.0,
                faults: 0.0,
                memory_mib: 1.0,
            };
            RowResult { figures: event::SIZES.map(figure).to_vec(), ..RowResult::default() }
        };
        let rows = [("rust-fast", figures(0.005)), ("vm-fresh", figures(0.2)), ("native-tree", figures(0.01))];
        Results { rows: rows.map(|(id, row)| (id.to_owned(), row)).into(), ..Results::default() }
    }

    #[test]
    fn a_ranking_names_the_rows_from_the_fastest_on() {
        let svg = ranking(&results()).unwrap();
        let names = ["Vestibule, Rust, fast", "native Rust, tree", "Node vm, fresh context"];
        let places = names.map(|name| svg.find(&format!(">{name}<")).unwrap());
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_growth_has_a_line_for_each_row() {
        let svg = by_event(&results()).unwrap();
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (3, 3 * event::SIZES.len()));
    }

    #[test]
    fn nothing_measured_is_no_picture() {
        let nothing = Results::default();
        let pictures = [ranking(&nothing), by_event(&nothing), by_rules(&nothing), by_tenants(&nothing)];
        assert_eq!(pictures, [const { None }; 4]);
        assert_eq!(by_rules(&results()), None, "one number is no growth");
    }
}
