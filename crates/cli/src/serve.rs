//! `vestibule serve`: the login service.

use std::path::PathBuf;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::json;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use vestibule_server::{
    error::Fault as ServerFault,
    serve::{Announcement, serve},
    settings::{Overrides, Settings, SettingsError},
    telemetry::Telemetry,
};
use vestibule_store::StoreError;

use crate::{
    exit::{BadInput, Done, Exit, Fault},
    output::say,
};

/// Serves logins.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Make a client and a user to try it with, on this machine only
    #[arg(long)]
    demo: bool,
}

/// Where a server finds its settings.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SettingsArgs {
    /// A TOML file with settings; variables such as VESTIBULE_PUBLIC_URL go over it
    #[arg(long, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The folder for keys, the SQLite database and undelivered mail
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// postgres://user:password@host/name instead of SQLite in the data folder
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let settings = args.settings.read()?;
    // A core file would hold keys and passwords (HS-68).
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).context("cannot switch off core files")?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(settings.log).context("cannot start logging")?;
        let stop = stopped_by_signal()?;
        let announce = move |announcement: &Announcement| announcement_told(announcement, json);
        serve(settings, args.demo, telemetry, stop, Box::new(announce)).await.map_err(told)
    })?;
    Ok(Exit::Reached)
}

impl SettingsArgs {
    /// The settings of file, environment and command line.
    ///
    /// # Errors
    /// [`Fault::BadInput`] that names the key.
    pub(crate) fn read(&self) -> Result<Settings, Fault> {
        let overrides = Overrides { data: self.data.clone(), database: self.database.clone() };
        Settings::read(self.config.as_deref(), &overrides)
            .map_err(|error| Fault::bad_input(BadInput::SettingsInvalid, error.to_string()))
    }
}

/// Cancelled by the first SIGTERM or SIGINT; the second ends the process as it would any other.
fn stopped_by_signal() -> Result<CancellationToken, Fault> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (
        signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
    );
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        stopped.cancel();
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(stop)
}

fn told(fault: ServerFault) -> Fault {
    let cause = fault.into_cause();
    if let Some(error) = cause.downcast_ref::<SettingsError>() {
        return Fault::bad_input(BadInput::SettingsInvalid, error.to_string());
    }
    match cause.downcast_ref() {
        Some(StoreError::Damaged(_)) => {
            Fault::Host(cause.context("cannot serve; `vestibule verify` tells all that is wrong, and what can be done"))
        }
        Some(_) | None => Fault::Host(cause.context("cannot serve")),
    }
}

fn announcement_told(announcement: &Announcement, json: bool) {
    let Announcement { public, admin, public_url, admin_token, demo, generation } = announcement;
    if json {
        let demo = demo.as_ref().map(|demo| json!({"email": demo.email, "password": demo.password}));
        let told = json!({
            "public": public, "admin": admin, "public_url": public_url.as_str(), "admin_token": admin_token,
            "demo": demo, "generation": generation,
        });
        say!("{told}");
        return;
    }
    say!("Vestibule serves. Stop it with Ctrl-C.");
    say!("  public  {public_url}  (listening on {public})");
    say!("  admin   http://{admin}  (health, metrics, and what `vestibule deploy` speaks to)");
    match generation {
        Some(number) => say!("  rules   generation {number}"),
        None => say!("  rules   none yet: `vestibule deploy DIR`"),
    }
    if let Some(token) = admin_token {
        say!("");
        say!("The admin token, shown this once. Commands on this machine find it in the data folder.");
        say!("  {token}");
    }
    if let Some(demo) = demo {
        say!("");
        say!("To try it, open {public_url}demo and log in with");
        say!("  {}", demo.email);
        say!("  {}", demo.password);
    }
}
