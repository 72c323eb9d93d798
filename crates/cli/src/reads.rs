//! What `reads` of a manifest leaves out, and what it names in vain: notes for an author, never a verdict.

use std::collections::BTreeSet;

use serde_json::Value;
use vestibule_engine::Report;
use vestibule_javascript_analysis::Program;
use vestibule_pipeline::{Manifest, manifest::ReadPath};

use crate::story;

/// Members of `context` that a rule makes, or that are there for every rule.
const MADE: &[&str] = &["idToken", "accessToken", "redirect", "multifactor", "primaryUser", "samlConfiguration"];
/// Members that a note names before it only counts them.
const NAMED: usize = 6;

/// The members that a source reads and `reads` does not give it.
pub(crate) fn unnamed<'p>(program: &'p Program, manifest: &Manifest) -> BTreeSet<&'p str> {
    let Some(reads) = &manifest.reads else { return BTreeSet::new() };
    let reads: Vec<String> = reads.iter().map(plain).collect();
    let of_login = program
        .reads
        .iter()
        .map(|path| path.strip_prefix("event.").filter(|path| path.starts_with("user.")).unwrap_or(path));
    let is_the_hosts = |path: &&str| match path.split('.').collect::<Vec<_>>().as_slice() {
        ["user", _, ..] => true,
        ["context", member, ..] => !MADE.contains(member),
        _ => false,
    };
    of_login.filter(is_the_hosts).filter(|path| !reads.iter().any(|read| overlaps(read, path))).collect()
}

/// The paths of `reads` that no event has; one event is asked for their first level only, since the rest differs from
/// user to user.
pub(crate) fn nowhere(manifest: &Manifest, events: &[&Value]) -> Vec<String> {
    let depth = if events.len() == 1 { 2 } else { usize::MAX };
    let as_far = |path: &ReadPath| path.segments().iter().take(depth).cloned().collect::<Vec<_>>();
    let is_there = |path: &ReadPath| events.iter().any(|event| has(event, &as_far(path)));
    let is_made = |path: &ReadPath| match path.segments() {
        [root, member, ..] => {
            root == "context" && (MADE.contains(&member.as_str()) || ["now", "seed"].contains(&member.as_str()))
        }
        _ => true,
    };
    // What earlier rules leave and what is granted besides is in no event file.
    let is_of_login = |path: &ReadPath| path.segments().first().is_some_and(|root| root == "user" || root == "context");
    // An import names it for every property that it could cover.
    let is_cover = |path: &ReadPath| match path.segments() {
        [user, bag, key] if user == "user" && bag == "app_metadata" => {
            manifest.reads.iter().flatten().any(|other| other.segments() == [user.as_str(), key.as_str()])
        }
        _ => false,
    };
    let paths = manifest.reads.iter().flatten().filter(|path| is_of_login(path) && !is_made(path) && !is_cover(path));
    paths.filter(|path| !is_there(path)).map(ToString::to_string).collect()
}

/// For each rule that failed: what of the event `reads` kept from it.
pub(crate) fn withheld(report: &Report, rules: &[vestibule_pipeline::Rule], event: &Value) -> Vec<String> {
    let of_rule = |name: &str| rules.iter().find(|rule| rule.name() == name);
    let failed = report.rules.iter().filter(|rule| rule.failure.is_some() || story::mistake(rule).is_some());
    let told = failed.filter_map(|failed| {
        let kept = kept_from(&of_rule(&failed.name)?.manifest, event);
        let (first, rest) = kept.split_at(kept.len().min(NAMED));
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        (!kept.is_empty()).then(|| format!("`reads` withheld {}{more} from rule `{}`", first.join(", "), failed.name))
    });
    told.collect()
}

/// The members of an event that `reads` gives no part of.
fn kept_from(manifest: &Manifest, event: &Value) -> Vec<String> {
    let Some(reads) = &manifest.reads else { return Vec::new() };
    let reads: Vec<String> = reads.iter().map(plain).collect();
    let members = ["user", "context"].into_iter().flat_map(|root| {
        let members = event.get(root).and_then(Value::as_object).into_iter().flatten();
        members.map(move |(key, _)| format!("{root}.{key}"))
    });
    members.filter(|member| !reads.iter().any(|read| overlaps(read, member))).collect()
}

/// Whether one path leads through the other.
fn overlaps(one: &str, other: &str) -> bool {
    let is_below =
        |path: &str, above: &str| path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    is_below(one, other) || is_below(other, one)
}

/// Through an array, a path goes on in each element.
fn has(value: &Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match value {
        Value::Array(elements) => elements.iter().any(|element| has(element, path)),
        Value::Object(members) => members.get(first).is_some_and(|member| has(member, rest)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// As the analysis writes paths: without quotes.
fn plain(path: &ReadPath) -> String {
    path.segments().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vestibule_javascript_analysis::analyse;

    use super::*;

    fn manifest(reads: &str) -> Manifest {
        let text = "name = \"r\"\nlanguage = \"javascript\"\nsource = \"rule.js\"\norder = 1\n";
        Manifest::parse(&format!("{text}reads = [{reads}]\n")).unwrap()
    }

    #[test]
    fn what_a_source_reads_and_its_manifest_does_not_name_is_found() {
        let source = "function (user, context, cb) {\n  context.idToken.at = user.email.split('@');\n  \
                      user.nickname = context.request.ip + user.app_metadata.plan;\n  cb(null, user, context);\n}";
        let program = analyse("rule.js", source, vestibule_javascript::table()).unwrap();
        let unnamed = |reads: &str| unnamed(&program, &manifest(reads)).into_iter().collect::<Vec<_>>();
        assert_eq!(unnamed("\"user.name\""), ["context.request.ip", "user.app_metadata.plan", "user.email"]);
        assert_eq!(unnamed("\"user\", \"context.request\""), Vec::<&str>::new());
        assert_eq!(unnamed("\"user.app_metadata.plan.x\", \"context.request.ip\""), ["user.email"]);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_found() {
        let event = json!({"user": {"email": "a", "identities": [{"provider": "auth0"}]}, "context": {}});
        let nowhere = |reads: &str| nowhere(&manifest(reads), &[&event]);
        assert_eq!(nowhere("\"user.emial\", \"user.email\", \"user.identities.provider\""), ["user.emial"]);
        assert_eq!(nowhere("\"user.email\", \"user.app_metadata.email\""), Vec::<String>::new(), "it could cover it");
        assert_eq!(nowhere("\"user.app_metadata.email\""), ["user.app_metadata.email"]);
        let made = nowhere("\"user\", \"context.now\", \"context.idToken\", \"shared.x\", \"context.clientID\"");
        assert_eq!(made, ["context.clientID"]);
    }

    #[test]
    fn what_is_kept_from_a_rule_is_named_by_its_first_level() {
        let event = json!({"user": {"email": "a", "app_metadata": {"plan": 1}}, "context": {"clientID": "x"}});
        assert_eq!(kept_from(&manifest("\"user.app_metadata.plan\""), &event), ["user.email", "context.clientID"]);
        assert!(kept_from(&Manifest::permissive("r"), &event).is_empty());
    }
}
