//! `vestibule token`: who may do what on the admin listener.

use clap::Subcommand;
use http::Method;
use serde_json::json;
use vestibule_server::admin::auth::{Admin, NewToken, Scope, TokenNote};

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{Done, Exit},
    output::say,
    times,
};

/// Makes, lists and revokes admin tokens.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; it is shown once
    Make {
        /// Who or what it is for, as the journal will name it
        name: String,
        #[arg(long = "scope", value_name = "SCOPE", required = true, help = scopes_help())]
        scopes: Vec<Scope>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// List tokens
    List {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Revoke a token
    Revoke {
        /// Its id, as `list` shows it
        id: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

fn scopes_help() -> String {
    format!("What it may do: {}; more than once for more", Scope::ALL.map(|scope| scope.as_str()).join(", "))
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    match &args.action {
        Action::Make { name, scopes, admin } => {
            let new = Admin { name: name.clone(), scopes: scopes.iter().copied().collect() };
            let made: NewToken = admin.client()?.send(Method::POST, &["v1", "tokens"], &new)?;
            if json {
                print_json(&made)?
            } else {
                say!("{}  (shown this once; revoke it with `{}`)", made.token, made.id)
            }
        }
        Action::List { admin } => {
            let tokens: Vec<TokenNote> = admin.client()?.get(&["v1", "tokens"], &[])?;
            if json {
                print_json(&tokens)?;
            }
            for token in tokens.iter().filter(|_| !json) {
                let scopes: Vec<&str> = token.admin.scopes.iter().map(|scope| scope.as_str()).collect();
                say!("{}  {}  {}  made {}", token.id, token.admin.name, scopes.join(","), times::told(token.at));
            }
        }
        Action::Revoke { id, admin } => {
            admin.client()?.delete(&["v1", "tokens", id])?;
            if json { print_json(&json!({"revoked": id}))? } else { say!("`{id}` is good for nothing now.") }
        }
    }
    Ok(Exit::Reached)
}
