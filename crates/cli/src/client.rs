//! `vestibule client`: who may ask the login service for a login.

use std::path::{Path, PathBuf};

use anstream::println;
use clap::Subcommand;
use http::Method;
use serde_json::json;
use vestibule_server::admin::clients::{ClientNote, NewClient, Registered};
use vestibule_store::ClientSettings;

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
    /// Register a client, or change of it what is named
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
        /// It keeps a secret, which is shown once when it is made
        #[arg(long)]
        confidential: bool,
        /// It keeps none: what it had is gone
        #[arg(long, conflicts_with = "confidential")]
        public: bool,
        /// All settings as JSON instead: {"name", "redirect_uris", "grant_types", "audiences", …}
        #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "redirect_uris", "logout_uris", "confidential", "public"])]
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
        Action::Set { id, name, redirect_uris, logout_uris, confidential, public, file, admin } => {
            let client = admin.client()?;
            let settings = match file {
                Some(file) => read(file)?,
                None => {
                    let known = client.get::<Vec<ClientNote>>(&["v1", "clients"], &[])?;
                    let known = known.into_iter().find(|known| known.client_id == *id);
                    let kind = match (confidential, public) {
                        (true, _) => Some(true),
                        (false, true) => Some(false),
                        (false, false) => None,
                    };
                    let named = Named { id, name: name.as_deref(), redirect_uris, logout_uris, kind };
                    named.over(known)
                }
            };
            let registered: Registered = client.send(Method::PUT, &["v1", "clients", id], &settings)?;
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

/// What the command line names of a client.
struct Named<'a> {
    id: &'a str,
    name: Option<&'a str>,
    redirect_uris: &'a [String],
    logout_uris: &'a [String],
    /// Whether it is to be confidential.
    kind: Option<bool>,
}

impl Named<'_> {
    /// The client as it is to be: what is named, over what it was. Nothing else of it changes.
    fn over(self, known: Option<ClientNote>) -> NewClient {
        let was = known.as_ref().map(|known| known.confidential);
        let (name, mut settings) = match known {
            Some(known) => (known.name, known.settings),
            None => (self.id.to_owned(), new_settings()),
        };
        let confidential = self.kind.or(was).unwrap_or(false);
        if was != Some(confidential) {
            settings.auth_methods = methods(confidential);
        }
        if !self.redirect_uris.is_empty() {
            settings.redirect_uris = self.redirect_uris.to_vec();
        }
        if !self.logout_uris.is_empty() {
            settings.logout_uris = self.logout_uris.to_vec();
        }
        NewClient { name: self.name.map_or(name, str::to_owned), confidential: Some(confidential), settings }
    }
}

/// What a client may do that says nothing else.
fn new_settings() -> ClientSettings {
    ClientSettings {
        grant_types: ["authorization_code", "refresh_token"].map(str::to_owned).to_vec(),
        first_party: true,
        ..ClientSettings::default()
    }
}

fn methods(confidential: bool) -> Vec<String> {
    let methods: &[&str] = if confidential { &["client_secret_basic", "client_secret_post"] } else { &["none"] };
    methods.iter().map(|method| (*method).to_owned()).collect()
}

fn read(file: &Path) -> Result<NewClient, Fault> {
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
