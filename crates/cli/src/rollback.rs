//! `vestibule rollback`: back to what was live before, or to a generation by its number.

use vestibule_server::admin::deploy::{Activation, Version};

use crate::{
    admin::AdminArgs,
    deploy::{activate, confirmed, exit, print_json, tell_rollout},
    exit::{BadInput, Done, Exit, Fault},
    output::say,
    times,
};

/// Goes back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The generation to go back to; without it, the one that was live before
    #[arg(value_name = "NUMBER")]
    number: Option<i64>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let client = args.admin.client()?;
    let versions: Vec<Version> = client.get(&["v1", "generations"], &[])?;
    let live = versions.iter().find(|version| version.live).map(|version| version.number);
    let to = target(&versions, args.number)?;
    let question = format!(
        "Go back to generation {} of {} ({})?",
        to.number,
        times::told(to.activated_at.unwrap_or(to.at)),
        to.rules.join(", ")
    );
    if !args.yes && !confirmed(&question)? {
        say!("Nothing was changed.");
        return Ok(Exit::Reached);
    }
    let rollout = activate(&client, to.number, &Activation { expected: live, rollback: true })?;
    if json {
        print_json(&rollout)?
    } else {
        tell_rollout(&rollout)
    }
    Ok(exit(&rollout))
}

fn target(versions: &[Version], number: Option<i64>) -> Result<&Version, Fault> {
    let found = match number {
        Some(number) => versions.iter().find(|version| version.number == number),
        None => versions
            .iter()
            .filter(|version| !version.live && version.revoked_at.is_none() && version.activated_at.is_some())
            .max_by_key(|version| version.activated_at),
    };
    found.ok_or_else(|| match number {
        Some(number) => Fault::bad_input(BadInput::OptionInvalid, format!("there is no generation {number}")),
        None => Fault::bad_input(BadInput::OptionInvalid, "nothing else was live before"),
    })
}

#[cfg(test)]
mod tests {
    use vestibule_store::Timestamp;

    use super::*;

    fn version(number: i64, activated_at: Option<i64>, live: bool) -> Version {
        Version {
            number,
            digest: String::new(),
            rules: Vec::new(),
            by: String::new(),
            at: Timestamp(number),
            activated_at: activated_at.map(Timestamp),
            revoked_at: None,
            live,
        }
    }

    #[test]
    fn back_is_to_what_was_live_last() {
        let versions = [
            version(4, None, false),
            version(3, Some(30), true),
            version(2, Some(20), false),
            version(1, Some(25), false),
        ];
        assert_eq!(target(&versions, None).unwrap().number, 1);
        assert_eq!(target(&versions, Some(2)).unwrap().number, 2);
        assert!(target(&versions, Some(9)).is_err());
        assert!(target(&versions[..2], None).is_err());
    }
}
