//! Where a login for `run` and `bench` comes from: an event file, and the options that complete it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    io::{Read as _, stdin},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use jiff::Timestamp;
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
    /// The event: {"user", "context"} with the field names of Auth0 Rules; `-` reads it from standard input
    #[arg(long = "event", value_name = "FILE")]
    file: EventFile,
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
    /// [`Fault::BadInput`] when a file is missing or holds no JSON of the canonical profile, [`Fault::Usage`] when a
    /// configuration key stands twice.
    pub(crate) fn read(&self, configuration: Option<&Path>) -> Result<LoginInput, Fault> {
        let given = self.file.read()?;
        let mut values = configuration.map(configuration_in).transpose()?.unwrap_or_default();
        values.extend(configuration_of(&self.configuration)?);
        let seed = self.seed.unwrap_or(given.seed);
        login_input(given.event, values, self.now, seed).map_err(|fault| self.file.about(fault))
    }

    /// The keys of the configuration values.
    pub(crate) fn configuration_keys(&self) -> impl Iterator<Item = &str> {
        self.configuration.iter().map(|(key, _)| key.as_str())
    }

    /// Where the event comes from.
    pub(crate) fn file(&self) -> &EventFile {
        &self.file
    }
}

/// Where an event comes from.
#[derive(Debug, Clone)]
pub(crate) enum EventFile {
    /// Standard input, which can be read once.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// An event, and the randomness that is made from its text.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// The event.
    pub(crate) event: Value,
    /// The same for the same text, so that runs repeat.
    pub(crate) seed: [u8; 32],
}

impl EventFile {
    /// Reads the event.
    ///
    /// # Errors
    /// [`Fault::BadInput`] when it is missing or no JSON of the canonical profile.
    pub(crate) fn read(&self) -> Result<Given, Fault> {
        let bytes = match self {
            Self::File(file) => project::read_bytes(
                file,
                "write one such as events/sample.json of `vestibule new`, and name it with --event FILE",
            )?,
            Self::Stdin => {
                let mut bytes = Vec::new();
                stdin().read_to_end(&mut bytes).context("cannot read the event from standard input")?;
                bytes
            }
        };
        let refused = |problem: String| self.about(Fault::bad_input(BadInput::EventInvalid, problem));
        let text = project::without_mark(&bytes).map_err(|problem| refused(problem.to_owned()))?;
        let event = json::parse_event(text)
            .map_err(|error| refused(format!("{error}; an event is {{\"user\": {{…}}, \"context\": {{…}}}}")))?;
        Ok(Given { event, seed: Digest::of(&bytes).0 })
    }

    /// Names the event in a complaint about it.
    pub(crate) fn about(&self, fault: Fault) -> Fault {
        fault.about(self)
    }
}

impl From<OsString> for EventFile {
    fn from(argument: OsString) -> Self {
        if argument == "-" { Self::Stdin } else { Self::File(argument.into()) }
    }
}

impl fmt::Display for EventFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(file) => write!(f, "{}", file.display()),
        }
    }
}

/// The configuration values of a command line.
///
/// # Errors
/// [`Fault::Usage`] when a key stands twice.
pub(crate) fn configuration_of(values: &[(String, String)]) -> Result<Map<String, Value>, Fault> {
    let values = once("--config", values)?;
    Ok(values.into_iter().map(|(key, value)| (key, Value::from(value))).collect())
}

/// The pairs of an option, each name once: of two values it would be a guess which is meant.
///
/// # Errors
/// [`Fault::Usage`] that names the one that stands twice.
pub(crate) fn once(option: &str, pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, Fault> {
    let mut values = BTreeMap::new();
    for (name, value) in pairs {
        if values.insert(name.clone(), value.clone()).is_some() {
            return Err(Fault::Usage(format!("`{option} {name}` stands twice: give it one value")));
        }
    }
    Ok(values)
}

/// The values of a configuration file that are filled in.
///
/// # Errors
/// [`Fault::BadInput`] when it is missing or no JSON object of texts.
pub(crate) fn configuration_in(file: &Path) -> Result<Map<String, Value>, Fault> {
    let bytes = project::read_bytes(file, "name a file of configuration values")?;
    let refused = |problem: String| {
        let message = format!("{}: {problem}; write {{\"KEY\": \"value\"}}", file.display());
        Fault::bad_input(BadInput::OptionInvalid, message)
    };
    let text = project::without_mark(&bytes).map_err(|problem| refused(problem.to_owned()))?;
    let values: BTreeMap<String, String> = serde_json::from_slice(text).map_err(|error| refused(error.to_string()))?;
    let filled_in = values.into_iter().filter(|(_, value)| !value.is_empty());
    Ok(filled_in.map(|(key, value)| (key, Value::from(value))).collect())
}

/// Completes an event to what the pipeline takes: configuration added, time and seed chosen.
///
/// # Errors
/// [`Fault::BadInput`] when the event says a time that is none: the clock's would be another one on each run.
pub(crate) fn login_input(
    mut event: Value,
    configuration: Map<String, Value>,
    now: Option<i64>,
    seed: [u8; 32],
) -> Result<LoginInput, Fault> {
    let now_ms = match (now, event.pointer("/context/now")) {
        (Some(now), _) => now,
        (None, Some(now)) => moment(now)?,
        (None, None) => clock(),
    };
    if let (Some(event), false) = (event.as_object_mut(), configuration.is_empty()) {
        let values = event.entry("configuration").or_insert_with(|| Value::Object(Map::new()));
        if let Some(values) = values.as_object_mut() {
            values.extend(configuration);
        }
    }
    let scopes = ScopePolicy::of_event(&event);
    Ok(LoginInput { event, seed, now_ms, scopes, budget: LoginBudget::STANDARD })
}

/// A time as events have it, or as people write it.
fn moment(now: &Value) -> Result<i64, Fault> {
    let moment = match now {
        Value::Number(ms) => ms.as_i64(),
        Value::String(text) => text.parse().ok().map(Timestamp::as_millisecond),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    moment.ok_or_else(|| {
        let message = "`context.now` is no time: write the milliseconds since 1970, such as 1767601800000, or \
                       \"2026-01-05T08:30:00Z\"";
        Fault::bad_input(BadInput::EventInvalid, message)
    })
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
        let at =
            |now: Value, option| login_input(json!({"user": {}, "context": {"now": now}}), Map::new(), option, [0; 32]);
        assert_eq!(at(json!(5), Some(7)).unwrap().now_ms, 7);
        assert_eq!(at(json!(5), None).unwrap().now_ms, 5);
        let clocks = login_input(json!({"user": {}, "context": {}}), Map::new(), None, [0; 32]).unwrap();
        assert!(clocks.now_ms > 1_700_000_000_000);
        for text in ["2026-01-05T08:30:00Z", "2026-01-05T09:30:00.000+01:00"] {
            assert_eq!(at(json!(text), None).unwrap().now_ms, 1_767_601_800_000, "{text}");
        }
        for none in
            [json!("yesterday"), json!("2026-01-05"), json!("1767601800000"), json!(1.5), json!(null), json!({})]
        {
            assert_eq!(at(none.clone(), None).unwrap_err().code(), "event_invalid", "{none}");
        }
        assert_eq!(at(json!("yesterday"), Some(7)).unwrap().now_ms, 7);
    }

    #[test]
    fn an_option_gives_a_name_one_value() {
        let pairs = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "v".to_owned())).collect::<Vec<_>>();
        assert_eq!(once("--config", &pairs(&["A", "B"])).unwrap().len(), 2);
        let twice = once("--config", &pairs(&["A", "B", "A"])).unwrap_err();
        assert_eq!(
            (twice.code(), twice.to_string().as_str()),
            ("usage", "`--config A` stands twice: give it one value")
        );
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
