//! `vestibule explain`: who wrote a user's metadata, when, and in which login.

use anstyle::Style;
use vestibule_server::admin::history::Explained;
use vestibule_store::Author;

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{Done, Exit},
    output::say,
    times,
};

const KEY: Style = Style::new().bold();

/// Explains metadata.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The user: an id such as `auth0|…`, or an e-mail address
    user: String,
    /// The key, such as `app_metadata.plan`; without it, all of them
    key: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let mut query = vec![("user", args.user.as_str())];
    query.extend(args.key.as_deref().map(|key| ("key", key)));
    let explained: Vec<Explained> = args.admin.client()?.get(&["v1", "explain"], &query)?;
    if json {
        print_json(&explained)?;
        return Ok(Exit::Reached);
    }
    if explained.is_empty() {
        say!("Nothing is stored there, and nobody ever wrote it.");
    }
    for explained in &explained {
        let value = match (&explained.value, explained.deleted) {
            (Some(value), _) => format!("= {value}"),
            (None, true) => "was deleted".to_owned(),
            (None, false) => "is not set".to_owned(),
        };
        say!("{KEY}{}{KEY:#} {value}", explained.key);
        say!("  {}", author(explained));
    }
    Ok(Exit::Reached)
}

fn author(explained: &Explained) -> String {
    let at = explained.at.map(|at| format!(", {}", times::told(at))).unwrap_or_default();
    match &explained.by {
        Some(Author::Rule { rule, revision, login }) => {
            let revision = revision.as_str().get(..12).unwrap_or(revision.as_str());
            format!("by rule {rule} (revision {revision}) in login {login}{at}")
        }
        Some(Author::User) => format!("by the user{at}"),
        Some(Author::Client { client }) => format!("by client {client}{at}"),
        Some(Author::Operator { name }) => format!("by operator {name}{at}"),
        None => "it was there before anybody kept account".to_owned(),
    }
}
