//! `vestibule factor`: second factors, for whoever looks after accounts.

use clap::Subcommand;
use http::Method;
use vestibule_server::admin::maintenance::{FactorReset, FactorsReset};

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{Done, Exit},
    output::say,
};

/// Looks after second factors.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take an account's second factor away: lost, or added by somebody else
    ///
    /// Its recovery codes go with it, and all that was opened ends: sessions, refresh tokens, logins on their way. Make sure
    /// who asks: whoever has the password needs nothing else from then on.
    Reset {
        /// The user: an id such as `auth0|…`, or an e-mail address
        user: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let Action::Reset { user, admin } = &args.action;
    let reset = FactorReset { user: user.clone() };
    let done: FactorsReset = admin.client()?.send(Method::POST, &["v1", "factors", "reset"], &reset)?;
    if json {
        print_json(&done)?;
    } else if done.factors == 0 {
        say!("{} had no second factor. All that was open has ended.", done.user);
    } else {
        say!("{} has no second factor any more, and all that was open has ended.", done.user);
    }
    Ok(Exit::Reached)
}
