//! `vestibule replay`: a recorded login on what is live, or on a candidate, with the difference. Nothing is sent or stored.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};
use vestibule_server::admin::history::Replayed;

use crate::{
    admin::AdminArgs,
    deploy::{packed, print_json},
    exit::{Done, Exit},
    output::say,
};

/// What a login comes to; figures such as times are no difference.
const COMPARED: [&str; 9] = [
    "outcome",
    "deny",
    "failure",
    "redirect",
    "second_factor",
    "user_metadata",
    "app_metadata",
    "id_token",
    "access_token",
];

/// Replays a login.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The login's id, as `logins`, `explain` and the log show it
    login: String,
    /// A pipeline.toml, a folder that holds one, or a rule's folder to replay it on, instead of what is live
    #[arg(long, value_name = "PATH")]
    on: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let bundle = args.on.as_deref().map(packed).transpose()?.unwrap_or_default();
    let replayed: Replayed = args.admin.client()?.send_bundle(&["v1", "logins", &args.login, "replay"], bundle)?;
    if json {
        print_json(&replayed)?;
        return Ok(Exit::Reached);
    }
    let generation = replayed.generation.map_or_else(|| "no rules".to_owned(), |number| format!("generation {number}"));
    let on = replayed.on.as_str().map_or_else(|| format!("generation {}", replayed.on), str::to_owned);
    say!("Login {} came to `{}` on {generation}.", replayed.login, replayed.then);
    tell_ended_by(&replayed.summary);
    say!("On {on} it comes to `{}`.", replayed.now.get("outcome").and_then(Value::as_str).unwrap_or("?"));
    tell_ended_by(&replayed.now);
    match &replayed.before {
        Some(before) => tell_difference(before, &replayed.now),
        None => say!("The rules that ran then are not kept, so there is nothing to compare in detail."),
    }
    Ok(Exit::Reached)
}

/// Which rule ended a login, and why; in a journal's summary the why is one level deeper than in a report.
fn tell_ended_by(ended: &Value) {
    let by = ["deny", "failure"].iter().find_map(|how| ended.get(how).filter(|by| by.is_object()));
    let Some(by) = by else { return };
    let why = by.get("refusal").or_else(|| by.get("failure")).unwrap_or(by);
    let word = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let rule = word(by, "rule").map_or_else(|| "the host".to_owned(), |rule| format!("rule `{rule}`"));
    let code = word(why, "code").unwrap_or_default();
    let said = word(why, "reason").or_else(|| word(why, "message")).filter(|said| !said.is_empty());
    say!("  by {rule}: {code}{}", said.map(|said| format!(": {said}")).unwrap_or_default());
}

fn tell_difference(before: &Value, now: &Value) {
    let [before, now] = [before, now].map(compared);
    if before == now {
        say!("Nothing differs: outcome, metadata and claims are the same.");
        return;
    }
    let diff = TextDiff::from_lines(&before, &now);
    for change in diff.iter_all_changes() {
        let (sign, style) = match change.tag() {
            ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
            ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
            ChangeTag::Equal => (' ', Style::new().dimmed()),
        };
        say!("{style}{sign} {}{style:#}", change.value().trim_end_matches('\n'));
    }
}

fn compared(report: &Value) -> String {
    let part = |key: &&str| Some(((*key).to_owned(), report.get(*key)?.clone()));
    let parts: Map<String, Value> = COMPARED.iter().filter_map(part).collect();
    serde_json::to_string_pretty(&parts).unwrap_or_default()
}
