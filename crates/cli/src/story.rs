//! A login told to a person: what each rule did and cost, what changed, how it ended.
//!
//! Everything here is presentation; the same facts for machines are the report's JSON.

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};
use vestibule_abi::host::Level;
use vestibule_engine::{LogLine, Report, RuleReport};
use vestibule_pipeline::{Outcome, Pipeline, Rule};

use crate::{
    output::{self, say},
    workbench::Typical,
};

/// How an engine names mistakes in a source.
const MISTAKES: &[&str] = &["TypeError: ", "ReferenceError: ", "RangeError: ", "SyntaxError: ", "InternalError: "];

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const TITLE: Style = Style::new().bold();

/// Tells a login.
pub(crate) fn tell(event: &Value, report: &Report, typical: &Typical, pipeline: &Pipeline) {
    tell_rules(report, typical, pipeline);
    for bag in ["user_metadata", "app_metadata"] {
        let before = event.pointer(&format!("/user/{bag}")).and_then(Value::as_object).cloned().unwrap_or_default();
        let profile = report.outcome.profile();
        let after = if bag == "user_metadata" { profile.user_metadata() } else { profile.app_metadata() };
        tell_change(bag, &before, &after);
    }
    if let Outcome::Allow(allow) = &report.outcome {
        for (token, claims) in [("id_token", &allow.id_token), ("access_token", &allow.access_token)] {
            if !claims.is_empty() {
                say!("{TITLE}{token}{TITLE:#}");
                output::print(format_args!("{}", indented(&pretty(claims))));
            }
        }
        if !allow.scope.is_empty() {
            say!("{TITLE}scope{TITLE:#} {}", allow.scope.join(" "));
        }
    }
    tell_outcome(&report.outcome);
}

/// What a JavaScript rule threw by mistake, with its place: an uncaught error that no author means.
pub(crate) fn mistake(rule: &RuleReport) -> Option<&str> {
    let is_mistake = |line: &&LogLine| {
        line.level == Level::Error.as_str() && MISTAKES.iter().any(|name| line.text.starts_with(name))
    };
    let line = rule.logs.iter().find(is_mistake).filter(|_| rule.outcome == "denied")?;
    Some(&line.text)
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share of a limit, in percent.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / (whole.max(1)) as f64)
}

fn tell_rules(report: &Report, typical: &Typical, pipeline: &Pipeline) {
    let width = report.rules.iter().map(|rule| rule.name.chars().count()).max().unwrap_or(0).max("rule".len());
    say!("{TITLE}{:width$}  {:<9} {:>22} {:>9} {:>11}{TITLE:#}", "rule", "outcome", "fuel", "memory", "time");
    for (position, told) in report.rules.iter().enumerate() {
        let rule = pipeline.rules().iter().find(|rule| rule.name() == told.name);
        let time = typical.wall_us.get(position).copied().unwrap_or(told.wall_us);
        tell_rule(told, rule, time, width);
    }
    if typical.logins > 0 {
        say!("{QUIET}time: the median of {} logins, a fresh instance for each rule of each{QUIET:#}", typical.logins);
    }
    say!("");
}

fn tell_rule(told: &RuleReport, rule: Option<&Rule>, wall_us: f64, width: usize) {
    let style = match told.outcome {
        "continued" => GOOD,
        "denied" | "failed" => BAD,
        _ => ODD,
    };
    let share = rule.map(|rule| percent(told.fuel, rule.budget.fuel)).unwrap_or_default();
    // Of a run that trapped nobody knows what it used; it is reported with its whole budget, which says nothing of the rule.
    let is_unknown = told.failure.is_some() && rule.is_some_and(|rule| told.fuel == rule.budget.fuel);
    let fuel = if is_unknown { "–".to_owned() } else { format!("{} ({share})", grouped(told.fuel)) };
    let memory = format!("{} KiB", told.peak_memory.div_ceil(1024));
    let time = format!("{wall_us:.1} µs");
    let (name, outcome) = (&told.name, told.outcome);
    say!("{name:width$}  {style}{outcome:<9}{style:#} {fuel:>22} {memory:>9} {time:>11}");
    if let Some(why) = &told.skipped {
        say!("  {QUIET}not for this login:{QUIET:#} {}", serde_json::to_string(why).unwrap_or_default());
    }
    if let Some(failure) = &told.failure {
        say!("  {BAD}{}{BAD:#}: {}", failure.code, failure.message);
    }
    for line in &told.logs {
        say!("  {QUIET}{:<5}{QUIET:#} {}", line.level, line.text);
    }
    for request in &told.http {
        let status = request.status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
        say!("  {QUIET}http {QUIET:#} {} {} → {status}", request.method, request.url);
    }
}

/// What was taken away from a bag and put into it, with what stands around.
fn tell_change(bag: &str, before: &Map<String, Value>, after: &Map<String, Value>) {
    if before == after {
        say!("{TITLE}{bag}{TITLE:#} {QUIET}unchanged{QUIET:#}");
        return;
    }
    say!("{TITLE}{bag}{TITLE:#}");
    // Without commas at the ends of lines: that a value is no longer the last one is no change.
    let [before, after] = [before, after].map(|bag| pretty(bag).replace(",\n", "\n"));
    let diff = TextDiff::from_lines(&before, &after);
    for (position, group) in diff.grouped_ops(2).iter().enumerate() {
        if position > 0 {
            say!("  {QUIET}…{QUIET:#}");
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', BAD),
                ChangeTag::Insert => ('+', GOOD),
                ChangeTag::Equal => (' ', QUIET),
            };
            say!("  {style}{sign} {}{style:#}", change.value().trim_end_matches('\n'));
        }
    }
}

fn tell_outcome(outcome: &Outcome) {
    let word = outcome.as_str();
    match outcome {
        Outcome::Allow(_) => say!("{GOOD}{word}{GOOD:#}"),
        Outcome::Deny { rule, refusal, .. } => {
            say!("{BAD}{word}{BAD:#} by {rule}: {}", serde_json::to_string(refusal).unwrap_or_default());
        }
        Outcome::Redirect { rule, url, .. } => say!("{ODD}{word}{ODD:#} by {rule} to {url}"),
        Outcome::SecondFactor { rule, .. } => say!("{ODD}{word}{ODD:#} demanded by {rule}"),
        Outcome::Failed { rule, failure, .. } => {
            let by = rule.as_ref().map(|rule| format!(" in {rule}")).unwrap_or_default();
            say!("{BAD}{word}{BAD:#}{by}: {failure}");
        }
    }
}

fn pretty(object: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(object).unwrap_or_default()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1 000"), (10_000_000, "10 000 000")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_share_of_nothing_is_shown_without_a_crash() {
        assert_eq!(percent(1, 4), "25.0 %");
        assert_eq!(percent(0, 0), "0.0 %");
    }
}
