//! `vestibule client`: who may ask the login service for a login.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use http::Method;
use serde_json::{Map, Value, json};
use vestibule_server::admin::clients::{ClientNote, NewClient, Registered};
use vestibule_store::ClientSettings;

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{BadInput, Done, Exit, Fault},
    output::say,
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
        /// Where codes may be sent, compared exactly, instead of where they were; more than once for more
        #[arg(long = "redirect-uri", value_name = "URL")]
        redirect_uris: Vec<String>,
        /// Where codes may be sent as well
        #[arg(long = "add-redirect-uri", value_name = "URL")]
        more_redirect_uris: Vec<String>,
        /// Where browsers may go after logout, instead of where they could
        #[arg(long = "logout-uri", value_name = "URL")]
        logout_uris: Vec<String>,
        /// It keeps a secret, which is shown once when it is made
        #[arg(long)]
        confidential: bool,
        /// It keeps none: what it had is gone
        #[arg(long, conflicts_with = "confidential")]
        public: bool,
        /// All settings as JSON instead; `--help` shows every one of them
        #[arg(long, value_name = "FILE", long_help = file_help(), conflicts_with_all = ["name", "redirect_uris", "more_redirect_uris", "logout_uris", "confidential", "public"])]
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
        Action::Set { id, name, redirect_uris, more_redirect_uris, logout_uris, confidential, public, file, admin } => {
            let client = admin.client()?;
            let known = client.get::<Vec<ClientNote>>(&["v1", "clients"], &[])?;
            let known = known.into_iter().find(|known| known.client_id == *id);
            let before = known.as_ref().map(|known| known.settings.clone()).unwrap_or_default();
            let settings = match file {
                Some(file) => read(file)?,
                None => {
                    let kind = match (confidential, public) {
                        (true, _) => Some(true),
                        (false, true) => Some(false),
                        (false, false) => None,
                    };
                    let name = name.as_deref();
                    let named = Named { id, name, redirect_uris, more_redirect_uris, logout_uris, kind };
                    named.over(known)
                }
            };
            let registered: Registered = client.send(Method::PUT, &["v1", "clients", id], &settings)?;
            tell(&registered, json)?;
            if !json {
                tell_gone("redirect_uri", &before.redirect_uris, &settings.settings.redirect_uris);
                tell_gone("logout_uri", &before.logout_uris, &settings.settings.logout_uris);
            }
        }
        Action::List { admin } => list(&admin.client()?.get::<Vec<ClientNote>>(&["v1", "clients"], &[])?, json)?,
        Action::Remove { id, admin } => {
            admin.client()?.delete(&["v1", "clients", id])?;
            if json { print_json(&json!({"removed": id}))? } else { say!("`{id}` is gone.") }
        }
    }
    Ok(Exit::Reached)
}

/// What the command line names of a client.
struct Named<'a> {
    id: &'a str,
    name: Option<&'a str>,
    redirect_uris: &'a [String],
    more_redirect_uris: &'a [String],
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
        for uri in self.more_redirect_uris {
            if !settings.redirect_uris.contains(uri) {
                settings.redirect_uris.push(uri.clone());
            }
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
    serde_json::from_str(&text).map_err(|error| {
        let key = wrong_member(&text).map(|key| format!("`{key}`: ")).unwrap_or_default();
        let message = format!("{}: {key}{error}; `vestibule client set --help` shows every member", file.display());
        Fault::bad_input(BadInput::SettingsInvalid, message)
    })
}

/// The member that cannot be read, if there is one by itself.
fn wrong_member(text: &str) -> Option<String> {
    let members: Map<String, Value> = serde_json::from_str(text).ok()?;
    let is_wrong = |(key, value): &(String, Value)| {
        let mut alone = Map::from_iter([("name".to_owned(), Value::from(""))]);
        alone.insert(key.clone(), value.clone());
        serde_json::from_value::<NewClient>(alone.into()).is_err()
    };
    members.into_iter().find(is_wrong).map(|(key, _)| key)
}

/// A file with every member that there is.
const EXAMPLE: &str = include_str!("client/example.json");

fn file_help() -> String {
    format!(
        "All settings as JSON instead. What the file leaves out is not granted, whatever the client had before; only \
         `name` has to be there. `audiences` names the scopes of each audience, times are in seconds and those of the \
         server where they are left out. All that there is:\n\n{EXAMPLE}"
    )
}

/// What a client had and has no more: it was replaced, and nobody is to find that out at the next login.
fn tell_gone(what: &str, before: &[String], now: &[String]) {
    for uri in before.iter().filter(|uri| !now.contains(uri)) {
        say!("replaced       {what} {uri}  (it is registered no more)");
    }
}

fn tell(registered: &Registered, json: bool) -> Result<(), Fault> {
    if json {
        return print_json(registered);
    }
    say!("client_id      {}", registered.client_id);
    if let Some(secret) = &registered.client_secret {
        say!("client_secret  {secret}  (shown this once)");
    }
    Ok(())
}

fn list(clients: &[ClientNote], json: bool) -> Result<(), Fault> {
    if json {
        return print_json(&clients);
    }
    for client in clients {
        let kind = if client.confidential { "confidential" } else { "public" };
        say!("{}  {} ({kind})  {}", client.client_id, client.name, client.settings.redirect_uris.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_shows_every_member_there_is() {
        let shown: Map<String, Value> = serde_json::from_str(EXAMPLE).unwrap();
        let _readable: NewClient = serde_json::from_str(EXAMPLE).unwrap();
        let all = NewClient { name: String::new(), confidential: Some(true), settings: ClientSettings::default() };
        let all = serde_json::to_value(all).unwrap();
        let keys = |members: &Map<String, Value>| members.keys().cloned().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(keys(&shown), keys(all.as_object().unwrap()));
    }

    #[test]
    fn the_member_that_cannot_be_read_is_found() {
        for (text, member) in [
            (r#"{"name": "A", "audiences": ["https://api"]}"#, Some("audiences")),
            (r#"{"name": "A", "redirect_uris": [], "redirect_urls": []}"#, Some("redirect_urls")),
            (r#"{"redirect_uris": []}"#, None),
            ("[", None),
        ] {
            assert_eq!(wrong_member(text).as_deref(), member, "{text}");
        }
    }
}
