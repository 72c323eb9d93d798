//! `vestibule backup`: the database as of one moment, in a new file. With or without a running server.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use anyhow::Context as _;
use http::Method;
use serde_json::json;
use vestibule_server::{
    admin::maintenance::{BackedUp, NewBackup},
    clock::SystemEntropy,
    first_start::{self, data_folder},
    serve::database_of,
    settings::Settings,
};
use vestibule_store::{NodeId, Store, Timestamp};

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{BadInput, Done, Exit, Fault},
    output::say,
    serve::SettingsArgs,
};

/// Backs the database up.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file; there must be none
    file: PathBuf,
    #[command(flatten)]
    admin: AdminArgs,
    /// The settings of the server, for one that does not run
    #[arg(long, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    if args.file.exists() {
        let message = format!("`{}` is there already; a backup never replaces a file", args.file.display());
        return Err(Fault::bad_input(BadInput::AlreadyThere, message));
    }
    let file = std::path::absolute(&args.file).context("cannot find where that is")?;
    let settings = settings(args.config.clone(), &args.admin)?;
    match args.admin.running(&settings) {
        Some(client) => {
            let made: BackedUp = client.send(Method::POST, &["v1", "backup"], &NewBackup::default())?;
            if !made.file.exists() {
                return tell_elsewhere(&made.file, json);
            }
            bring(&made.file, &file).with_context(|| {
                format!("the backup is in {}, and could not be brought from there", made.file.display())
            })?;
        }
        None => {
            runtime()?.block_on(async {
                let store = open(&settings).await?;
                store.backup(&file).await.map_err(anyhow::Error::from)?;
                store.close().await;
                Ok::<_, Fault>(())
            })?;
        }
    }
    if json {
        print_json(&json!({"file": file}))?;
    } else {
        say!("The database is in {}.", file.display());
        say!("What is sealed in it opens only with `installation.key` of the data folder: keep that too, elsewhere.");
    }
    Ok(Exit::Reached)
}

/// Moves a backup to where it was wanted, where there is nothing.
fn bring(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_err() {
        let mut source = File::open(from)?;
        let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()?;
    }
    fs::remove_file(from)
}

/// The server's files are not ours to reach.
fn tell_elsewhere(file: &Path, json: bool) -> Done {
    if json {
        print_json(&json!({"file": file, "on": "server"}))?;
    } else {
        say!("The database is in {}, on the server's machine.", file.display());
    }
    Ok(Exit::Reached)
}

/// The settings of the server, running or not; a data folder that is named on the command line goes before the file's.
///
/// # Errors
/// [`Fault::BadInput`] that names the key.
pub(crate) fn settings(config: Option<PathBuf>, admin: &AdminArgs) -> Result<Settings, Fault> {
    SettingsArgs { config, data: admin.data.clone(), database: None }.read()
}

/// A runtime for what needs no server.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    Ok(runtime.context("cannot start the runtime")?)
}

/// Without its address, which may hold a password.
const NO_VESTIBULE: &str = "there is no Vestibule in the database that `database` of the settings names: check the address; \
                            `vestibule serve` sets up a new one, `vestibule restore` fills an empty one from a backup";

/// Opens the database of these settings, and makes none where there is none.
///
/// # Errors
/// [`Fault`] when there is none, or it cannot be opened.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<dyn Store>, Fault> {
    if !vestibule_store::exists(&database_of(settings, &settings.data)).await.context("cannot open the database")? {
        let message = match settings.database {
            Some(_) => NO_VESTIBULE.to_owned(),
            None => format!(
                "there is no database in `{}`; name the server's data folder with --data, or its settings with --config",
                settings.data.display()
            ),
        };
        return Err(Fault::bad_input(BadInput::FileMissing, message));
    }
    let (address, node) = place(settings)?;
    Ok(vestibule_store::open(&address, &node, now()).await.context("cannot open the database")?)
}

/// The address of the database, and the name under which this machine writes to it.
///
/// # Errors
/// [`Fault`] when the data folder cannot be used.
pub(crate) fn place(settings: &Settings) -> Result<(String, NodeId), Fault> {
    let data = data_folder(&settings.data).context("the data folder")?;
    let node = first_start::node_id(&data, &SystemEntropy).context("the name of this node")?;
    Ok((database_of(settings, &data), node))
}

/// Now.
#[expect(clippy::disallowed_methods, reason = "the command line owns a clock")]
pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
