//! `vestibule client`: who may ask the login service for a login.

use std::path::{Path, PathBuf};

use anstream::println;
use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};
use vestibule_server::admin::clients::{ClientNote, Registered};

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{BadInput, Done, Exit, Fault},
    project,
};

/// Registers, lists and removes clients.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Register a client, or change it
    Set {
        /// Its client id
        id: String,
        /// Its name, shown to people
        #[arg(long)]
        name: Option<String>,
        /// Where codes may be sent, compared exactly; more than once for more
        #[arg(long = "redirect-uri", value_name = "URL")]
        redirect_uris: Vec<String>,
        /// Where browsers may go after logout
        #[arg(long = "logout-uri", value_name = "URL")]
        logout_uris: Vec<String>,
        /// It keeps a secret, which is made now and shown once
        #[arg(long)]
        confidential: bool,
        /// All settings as JSON instead: {"name", "redirect_uris", "grant_types", "audiences", …}
        #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "redirect_uris", "logout_uris", "confidential"])]
        file: Option<PathBuf>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// List clients
    List {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Remove a client, its codes and refresh tokens
    Remove {
        /// Its client id
        id: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    match &args.action {
        Action::Set { id, name, redirect_uris, logout_uris, confidential, file, admin } => {
            let settings = match file {
                Some(file) => read(file)?,
                None => json!({
                    "name": name.as_ref().unwrap_or(id),
                    "confidential": confidential,
                    "redirect_uris": redirect_uris,
                    "logout_uris": logout_uris,
                    "grant_types": ["authorization_code", "refresh_token"],
                    "auth_methods": if *confidential { json!(["client_secret_basic", "client_secret_post"]) } else { json!(["none"]) },
                    "first_party": true,
                }),
            };
            let registered: Registered = admin.client()?.send(Method::PUT, &["v1", "clients", id], &settings)?;
            tell(&registered, json)?;
        }
        Action::List { admin } => list(&admin.client()?.get::<Vec<ClientNote>>(&["v1", "clients"], &[])?, json)?,
        Action::Remove { id, admin } => {
            admin.client()?.delete(&["v1", "clients", id])?;
            if json { print_json(&json!({"removed": id}))? } else { println!("`{id}` is gone.") }
        }
    }
    Ok(Exit::Reached)
}

fn read(file: &Path) -> Result<Value, Fault> {
    let text = project::read_text(file, "it holds the settings of a client as JSON")?;
    serde_json::from_str(&text)
        .map_err(|error| Fault::bad_input(BadInput::SettingsInvalid, format!("{}: {error}", file.display())))
}

fn tell(registered: &Registered, json: bool) -> Result<(), Fault> {
    if json {
        return print_json(registered);
    }
    println!("client_id      {}", registered.client_id);
    if let Some(secret) = &registered.client_secret {
        println!("client_secret  {secret}  (shown this once)");
    }
    Ok(())
}

fn list(clients: &[ClientNote], json: bool) -> Result<(), Fault> {
    if json {
        return print_json(&clients);
    }
    for client in clients {
        let kind = if client.confidential { "confidential" } else { "public" };
        println!("{}  {} ({kind})  {}", client.client_id, client.name, client.settings.redirect_uris.join(" "));
    }
    Ok(())
}
