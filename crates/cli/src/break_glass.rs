//! `vestibule break-glass`: when rules keep everybody out, one account gets in without them, for a while.

use std::time::Duration;

use clap::Subcommand;
use http::Method;
use vestibule_server::{
    admin::maintenance::{NewWindow, Window},
    settings::Span,
};

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{Done, Exit},
    output::say,
    times,
};

/// Opens a window.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Open a window for one account, for at most 15 minutes
    ///
    /// The account has to have a second factor. It logs in through a client with the management audience, `api/v2/` behind
    /// the public URL, and asks for that audience; everywhere else the rules still run. Everybody who reads the journal
    /// sees it.
    Open {
        /// The user: an id such as `auth0|…`, or an e-mail address
        user: String,
        /// Why; it goes into the journal
        #[arg(long)]
        reason: String,
        /// For how long
        #[arg(long = "for", value_name = "TIME", default_value = "15m")]
        length: Span,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let Action::Open { user, reason, length: Span(length), admin } = &args.action;
    let seconds = Duration::as_secs(length);
    let new = NewWindow { user: user.clone(), seconds, reason: reason.clone() };
    let window: Window = admin.client()?.send(Method::POST, &["v1", "break-glass"], &new)?;
    if json {
        print_json(&window)?;
    } else {
        say!(
            "{} gets in without rules, with its second factor, until {}: at a client that has the management audience \
             and asks for it.",
            window.user,
            times::told(window.until)
        );
    }
    Ok(Exit::Reached)
}
