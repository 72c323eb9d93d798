//! `vestibule verify`: whether anything that was ever committed was lost or altered. With or without a running server.

use std::path::PathBuf;

use anstream::println;
use anstyle::AnsiColor;
use vestibule_server::admin::maintenance::Verified;

use crate::{
    admin::AdminArgs,
    backup::{open, runtime, settings},
    deploy::print_json,
    exit::{Done, Exit, Fault},
    story::grouped,
};

/// Verifies the database.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    admin: AdminArgs,
    /// The settings of a server that does not run
    #[arg(long, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let found = match args.admin.running() {
        Some(client) => client.send(http::Method::POST, &["v1", "verify"], &serde_json::json!({}))?,
        None => offline(args)?,
    };
    if json {
        print_json(&found)?
    } else {
        tell(&found)
    }
    Ok(if found.damage.is_empty() { Exit::Reached } else { Exit::Host })
}

fn offline(args: &Args) -> Result<Verified, Fault> {
    let settings = settings(args.config.clone(), &args.admin)?;
    runtime()?.block_on(async {
        let store = open(&settings).await?;
        let found = store.verify().await.map_err(anyhow::Error::from)?;
        store.close().await;
        Ok(found.into())
    })
}

fn tell(found: &Verified) {
    let Verified { entries, rows, witnessed, damage, remarks } = found;
    println!(
        "Checked {} journal entries, {} rows and {} witnessed commits.",
        grouped(*entries),
        grouped(*rows),
        grouped(*witnessed)
    );
    for remark in remarks {
        println!("Not checked: {remark}");
    }
    let (good, bad) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default());
    if damage.is_empty() {
        println!("{good}Nothing is missing and nothing was altered.{good:#}");
    }
    for damage in damage {
        println!("{bad}damage{bad:#}  {damage}");
    }
}
