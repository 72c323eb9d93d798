//! `vestibule versions`: what was deployed, newest first.

use anstyle::{AnsiColor, Style};
use vestibule_server::admin::deploy::Version;

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{Done, Exit},
    output::say,
    times,
};

const LIVE: Style = AnsiColor::Green.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// Lists what was deployed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let versions: Vec<Version> = args.admin.client()?.get(&["v1", "generations"], &[])?;
    if json {
        print_json(&versions)?;
        return Ok(Exit::Reached);
    }
    if versions.is_empty() {
        say!("Nothing was deployed yet: `vestibule deploy DIR`.");
    }
    for version in &versions {
        tell(version);
    }
    Ok(Exit::Reached)
}

fn tell(version: &Version) {
    let (style, word) = match (version.live, version.revoked_at, version.activated_at) {
        (true, _, _) => (LIVE, "live"),
        (false, Some(_), _) => (QUIET, "revoked"),
        (false, None, Some(_)) => (Style::new(), "was live"),
        (false, None, None) => (QUIET, "proposed"),
    };
    let at = times::told(version.activated_at.unwrap_or(version.at));
    let digest = version.digest.get(..12).unwrap_or(&version.digest);
    say!("{style}{:>4}  {word:<8}{style:#}  {at}  {digest}  by {}", version.number, version.by);
    say!("      {QUIET}{}{QUIET:#}", version.rules.join(", "));
}
