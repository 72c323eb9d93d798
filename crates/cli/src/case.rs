//! Case files: read from their folder, and compared with what came of them.
//!
//! `expect` is a subset: what it names must be so, what it does not name may be anything.

use std::{fmt::Display, path::Path};

use serde_json::{Map, Value};
use similar::TextDiff;
use vestibule_engine::Case;

use crate::{
    exit::{BadInput, Fault},
    project,
};

/// Reads a case file.
///
/// # Errors
/// [`Fault::BadInput`] that names the file, the place and the key.
pub(crate) fn read(path: &Path) -> Result<Case, Fault> {
    let bytes = project::read_bytes(path, "cases stand in the `cases` folder of a rule")?;
    let text = project::without_mark(&bytes).map_err(|problem| malformed(path, problem))?;
    Case::parse(text).map_err(|error| malformed(path, error))
}

/// Compares what a case expects with what came of it: [`None`] when every expected part is there, else a diff.
pub(crate) fn mismatch(expected: &Map<String, Value>, actual: &Value) -> Option<String> {
    let expected = Value::Object(expected.clone());
    let actual = part(&expected, actual);
    if expected == actual {
        return None;
    }
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let (expected, actual) = (pretty(&expected), pretty(&actual));
    let diff = TextDiff::from_lines(&expected, &actual);
    Some(diff.unified_diff().context_radius(2).header("expected", "came").to_string())
}

/// The part of what came that the expectation speaks about.
fn part(expected: &Value, actual: &Value) -> Value {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let member = |(key, expected): (&String, &Value)| {
                // An expected `null` stands for absence too.
                let actual = actual.get(key).or_else(|| expected.as_null().map(|()| &Value::Null))?;
                Some((key.clone(), part(expected, actual)))
            };
            Value::Object(expected.iter().filter_map(member).collect())
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            Value::Array(expected.iter().zip(actual).map(|(expected, actual)| part(expected, actual)).collect())
        }
        _ => actual.clone(),
    }
}

fn malformed(path: &Path, problem: impl Display) -> Fault {
    let message = format!(
        "{}: {problem}; a case is {{\"event\", \"configuration\", \"http\", \"expect\"}}, `vestibule schema case` prints \
         its schema",
        path.display()
    );
    Fault::bad_input(BadInput::CaseInvalid, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(expected: Value, actual: Value, matches: bool) {
        let diff = mismatch(expected.as_object().unwrap(), &actual);
        assert_eq!(diff.is_none(), matches, "{expected} against {actual}: {diff:?}");
    }

    #[test]
    fn an_expectation_is_a_part_of_what_came() {
        check(json!({"outcome": "allow"}), json!({"outcome": "allow", "user": {"a": 1}}), true);
        check(json!({"deny": {"code": "x"}}), json!({"deny": {"code": "x", "rule": "r"}}), true);
        check(json!({"scope": ["a", "b"]}), json!({"scope": ["a", "b"]}), true);
        check(json!({"rules": [{"name": "a"}]}), json!({"rules": [{"name": "a", "fuel": 1}]}), true);
        check(json!({"id_token": {"plan": null}}), json!({"id_token": {}}), true);
        check(json!({"deny": null}), json!({"deny": null}), true);
    }

    #[test]
    fn what_differs_is_a_mismatch() {
        check(json!({"outcome": "allow"}), json!({"outcome": "deny"}), false);
        check(json!({"id_token": {"plan": "gold"}}), json!({"id_token": {}}), false);
        check(json!({"id_token": {"plan": "gold"}}), json!({"id_token": null}), false);
        check(json!({"id_token": {"plan": null}}), json!({"id_token": {"plan": "gold"}}), false);
        check(json!({"scope": ["a"]}), json!({"scope": ["a", "b"]}), false);
        check(json!({"rules": [{"name": "a"}]}), json!({"rules": [{"name": "b"}]}), false);
    }

    #[test]
    fn a_mismatch_shows_both_sides_of_what_was_expected_and_nothing_else() {
        let expected = json!({"deny": {"code": "no_plan"}});
        let actual = json!({"deny": {"code": "expired", "rule": "r"}, "user": {"email": "ada@example.com"}});
        let diff = mismatch(expected.as_object().unwrap(), &actual).unwrap();
        assert_eq!(
            diff,
            "--- expected\n+++ came\n@@ -1,5 +1,5 @@\n {\n   \"deny\": {\n-    \"code\": \"no_plan\"\n+    \"code\": \
             \"expired\"\n   }\n }\n\\ No newline at end of file\n"
        );
    }
}
