//! `vestibule verify`: whether anything that was ever committed was lost or altered. With or without a running server.
//!
//! A database of which its witness says that history was lost is read and never written (HR-125). What to do about it is
//! for a person to say: go back to a backup, or, with `--accept-damage`, go on with what is there.

use std::path::PathBuf;

use anstyle::AnsiColor;
use anyhow::Context as _;
use serde_json::Map;
use vestibule_server::{admin::maintenance::Verified, settings::Settings};
use vestibule_store::{Event, Store, TenantId};

use crate::{
    admin::AdminArgs,
    backup::{now, open, runtime, settings},
    deploy::print_json,
    exit::{BadInput, Done, Exit, Fault},
    output::say,
    story::grouped,
};

/// Verifies the database.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    admin: AdminArgs,
    /// The settings of the server, for one that does not run
    #[arg(long, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    config: Option<PathBuf>,
    /// Go on with a database that lost history: what is lost stays lost, and the journal says that you knew (server stopped)
    #[arg(long)]
    accept_damage: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let settings = settings(args.config.clone(), &args.admin)?;
    let found = match args.admin.running(&settings) {
        Some(_) if args.accept_damage => {
            let message = "the server runs: stop it first, so that nobody logs in while history is decided about";
            return Err(Fault::bad_input(BadInput::OptionInvalid, message));
        }
        Some(client) => client.send(http::Method::POST, &["v1", "verify"], &serde_json::json!({}))?,
        None => offline(args, &settings)?,
    };
    if json {
        print_json(&found)?
    } else {
        tell(&found)
    }
    Ok(if found.damage.is_empty() { Exit::Reached } else { Exit::Host })
}

fn offline(args: &Args, settings: &Settings) -> Result<Verified, Fault> {
    runtime()?.block_on(async {
        let store = open(settings).await?;
        if args.accept_damage {
            accept(store.as_ref()).await.context("the damage cannot be accepted")?;
        }
        let found = store.verify().await.map_err(anyhow::Error::from)?;
        store.close().await;
        Ok(found.into())
    })
}

/// Lets the witness begin anew with the database as it is, and writes down what was accepted.
async fn accept(store: &dyn Store) -> anyhow::Result<()> {
    let Some(damage) = store.damage() else { return Ok(()) };
    let at = now();
    store.accept_damage(at).await?;
    let summary = Map::from_iter([("damage".to_owned(), damage.to_string().into())]);
    let event = Event { kind: "damage_accepted".to_owned(), user: None, by: "command line".to_owned(), summary, at };
    Ok(store.record(&TenantId::default(), &event).await?)
}

fn tell(found: &Verified) {
    let Verified { entries, rows, witnessed, damage, remarks } = found;
    say!(
        "Checked {} journal entries, {} rows and {} witnessed commits.",
        grouped(*entries),
        grouped(*rows),
        grouped(*witnessed)
    );
    for remark in remarks {
        say!("Not checked: {remark}");
    }
    let (good, bad) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default());
    if damage.is_empty() {
        say!("{good}Nothing is missing and nothing was altered.{good:#}");
    }
    for damage in damage {
        say!("{bad}damage{bad:#}  {damage}");
    }
    if !damage.is_empty() {
        say!("");
        say!(
            "Go back to a backup with `vestibule restore FILE`, into a folder of its own: nothing here is overwritten."
        );
        say!("Or, where history was lost and no backup has it, go on with what is there: stop the server, and");
        say!("`vestibule verify --accept-damage`. Rows that were altered stay as they are, and stay reported.");
    }
}
