//! `vestibule logins`: what logins came to, newest first, to find the one that somebody asks about.

use anstyle::AnsiColor;
use vestibule_server::admin::history::LoginNote;

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{Done, Exit},
    output::say,
    times,
};

/// Lists logins.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this user: an id such as `auth0|…`, or an e-mail address
    #[arg(long)]
    user: Option<String>,
    /// Only those that came to this: allow, deny, redirect, second_factor, blocked, a failure's code, or `failed` for any
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// How many, at most 500; one or a few more where several began in the last one's millisecond
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Only those before this moment, in milliseconds since 1970, as the last line of a longer list names it
    #[arg(long, value_name = "MS")]
    before: Option<i64>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let (limit, before) = (args.limit.to_string(), args.before.map(|before| before.to_string()));
    let mut query = vec![("limit", limit.as_str())];
    let named = [("user", &args.user), ("outcome", &args.outcome), ("before", &before)];
    query.extend(named.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    let logins: Vec<LoginNote> = args.admin.client()?.get(&["v1", "logins"], &query)?;
    if json {
        print_json(&logins)?;
        return Ok(Exit::Reached);
    }
    if logins.is_empty() {
        say!("There are none.");
    }
    for login in &logins {
        tell(login);
    }
    if let Some(last) = logins.last().filter(|_| logins.len() >= args.limit as usize) {
        say!("Older ones: the same with --before {}", last.at.0);
    }
    Ok(Exit::Reached)
}

fn tell(login: &LoginNote) {
    let style = match login.outcome.as_str() {
        "allow" => AnsiColor::Green.on_default(),
        "redirect" | "second_factor" => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Red.on_default(),
    };
    let by = match (&login.rule, &login.code) {
        (Some(rule), Some(code)) => format!(" by rule {rule}: {code}"),
        (None, Some(code)) => format!(": {code}"),
        (Some(_) | None, None) => String::new(),
    };
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
    let (outcome, user, client) = (&login.outcome, name(&login.user), name(&login.client));
    say!("{}  {}  {style}{outcome}{style:#}{by}  {user} at {client}", times::told(login.at), login.login);
}
