//! Where a login for `run` and `bench` comes from: an event file, and the options that complete it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use vestibule_abi::limits::LoginBudget;
use vestibule_pipeline::{LoginInput, ScopePolicy, json, pipeline::Digest};

use crate::{
    exit::{BadInput, Fault},
    project,
};

/// The options that say which login it is.
#[derive(Debug, clap::Args)]
pub(crate) struct EventArgs {
    /// The event: {"user", "context"} with the field names of Auth0 Rules
    #[arg(long = "event", value_name = "FILE")]
    file: PathBuf,
    /// A configuration value for rules that are granted its key
    #[arg(long = "config", value_name = "KEY=VALUE", value_parser = key_value)]
    configuration: Vec<(String, String)>,
    /// The time of the login; without it `context.now` of the event, else the clock
    #[arg(long, value_name = "MS")]
    now: Option<i64>,
    /// The login's randomness, as 64 hexadecimal digits; without it made from the event, so that runs repeat
    #[arg(long, value_name = "HEX", value_parser = seed)]
    seed: Option<[u8; 32]>,
}

impl EventArgs {
    /// Reads the login; what the options do not set of the configuration comes from this file.
    ///
    /// # Errors
    /// [`Fault::BadInput`] when a file is missing or holds no JSON of the canonical profile.
    pub(crate) fn read(&self, configuration: Option<&Path>) -> Result<LoginInput, Fault> {
        let next_step = "write one such as events/sample.json of `vestibule new`";
        let bytes = project::read_bytes(&self.file, next_step)?;
        let event = json::parse_event(&bytes).map_err(|error| {
            let message =
                format!("{}: {error}; an event is {{\"user\": {{…}}, \"context\": {{…}}}}", self.file.display());
            Fault::bad_input(BadInput::EventInvalid, message)
        })?;
        let mut values = configuration.map(configuration_in).transpose()?.unwrap_or_default();
        values.extend(self.configuration.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))));
        let seed = self.seed.unwrap_or_else(|| Digest::of(&bytes).0);
        Ok(login_input(event, values, self.now, seed))
    }

    /// The keys of the configuration values.
    pub(crate) fn configuration_keys(&self) -> impl Iterator<Item = &str> {
        self.configuration.iter().map(|(key, _)| key.as_str())
    }

    /// The event file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

/// The values of a configuration file that are filled in.
///
/// # Errors
/// [`Fault::BadInput`] when it is missing or no JSON object of texts.
pub(crate) fn configuration_in(file: &Path) -> Result<Map<String, Value>, Fault> {
    let text = project::read_text(file, "name a file of configuration values")?;
    let values: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|error| {
        let message = format!("{}: {error}; write {{\"KEY\": \"value\"}}", file.display());
        Fault::bad_input(BadInput::OptionInvalid, message)
    })?;
    let filled_in = values.into_iter().filter(|(_, value)| !value.is_empty());
    Ok(filled_in.map(|(key, value)| (key, Value::from(value))).collect())
}

/// Completes an event to what the pipeline takes: configuration added, time and seed chosen.
pub(crate) fn login_input(
    mut event: Value,
    configuration: Map<String, Value>,
    now: Option<i64>,
    seed: [u8; 32],
) -> LoginInput {
    let now_ms = now.or_else(|| event.pointer("/context/now")?.as_i64()).unwrap_or_else(clock);
    if let (Some(event), false) = (event.as_object_mut(), configuration.is_empty()) {
        let values = event.entry("configuration").or_insert_with(|| Value::Object(Map::new()));
        if let Some(values) = values.as_object_mut() {
            values.extend(configuration);
        }
    }
    let scopes = ScopePolicy::of_event(&event);
    LoginInput { event, seed, now_ms, scopes, budget: LoginBudget::STANDARD }
}

/// Splits `KEY=VALUE`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".into()),
    }
}

fn seed(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "a seed has 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong());
    }
    let mut seed = [0; 32];
    for (byte, digits) in seed.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(seed)
}

#[expect(clippy::disallowed_methods, reason = "the command line owns a clock; rules get the time as a value")]
fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_is_the_options_then_the_events_then_the_clocks() {
        let event = json!({"user": {}, "context": {"now": 5}});
        assert_eq!(login_input(event.clone(), Map::new(), Some(7), [0; 32]).now_ms, 7);
        assert_eq!(login_input(event, Map::new(), None, [0; 32]).now_ms, 5);
        assert!(login_input(json!({"user": {}, "context": {}}), Map::new(), None, [0; 32]).now_ms > 1_700_000_000_000);
    }

    #[test]
    fn a_seed_is_64_hexadecimal_digits() {
        assert_eq!(seed(&"0f".repeat(32)), Ok([15; 32]));
        for wrong in ["", "0f", &"0g".repeat(32), &"é".repeat(32)] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_configuration_value_may_hold_an_equals_sign() {
        assert_eq!(key_value("URL=https://x/?a=b"), Ok(("URL".into(), "https://x/?a=b".into())));
        assert!(key_value("URL").is_err());
        assert!(key_value("=x").is_err());
    }
}
