//! Demands a second factor on a device that has not been seen before, and remembers the device once it was given.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use vestibule::{Answer, Event, Result};

/// How many devices are remembered; the one not seen for longest goes first.
const MAX_DEVICES: usize = 10;
/// How often it is noted that a device was seen, so that not every login writes.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Deserialize, Serialize)]
struct Device {
    id: String,
    last_seen: i64,
}

#[vestibule::rule]
fn second_factor_new_device(event: Event<'_>) -> Result<Answer> {
    let now = event.now()?;
    let id = device_id(event)?;
    let mut devices: Vec<Device> = event.user().find("app_metadata.devices").map_or(Ok(Vec::new()), |it| it.read())?;
    let known = devices.iter().position(|device| device.id == id);
    if (known.is_none() || is_risky(event)) && !had_second_factor(event)? {
        return Ok(Answer::allow().second_factor().into());
    }
    if known.and_then(|at| devices.get(at)).is_some_and(|device| now - device.last_seen < DAY_MS) {
        return Ok(Answer::allow().into());
    }
    devices.retain(|device| device.id != id);
    devices.push(Device { id, last_seen: now });
    devices.sort_by_key(|device| device.last_seen);
    let too_many = devices.len().saturating_sub(MAX_DEVICES);
    Ok(Answer::allow().set_app_metadata("devices", devices.split_off(too_many)).into())
}

/// Whether a second factor was given in this very login.
fn had_second_factor(event: Event<'_>) -> Result<bool> {
    let Some(methods) = event.context().find("authentication.methods") else { return Ok(false) };
    Ok(methods
        .elements()?
        .any(|method| method.find("name").is_some_and(|name| name.as_str().is_ok_and(|it| it == "mfa"))))
}

/// Whether the host, where it assesses risk, does not know the device either.
fn is_risky(event: Event<'_>) -> bool {
    let code = event.context().find("riskAssessment.assessments.NewDevice.code");
    code.is_some_and(|code| matches!(code.as_str(), Ok("no_match" | "unknown_device")))
}

/// A browser in a network: the user agent without its version numbers, and the first half of the address.
///
/// Not a secret, and no proof: whoever knows the browser and sits in the same network has the same. That is why this rule
/// only ever asks for more.
fn device_id(event: Event<'_>) -> Result<String> {
    let text = |path| event.context().find(path).map_or(Ok(""), |field| field.as_str());
    let agent =
        text("request.userAgent")?.bytes().filter(|byte| !byte.is_ascii_digit() && !matches!(byte, b'.' | b'_'));
    let network = match text("request.ip")?.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => u64::from(address.to_bits() >> 16),
        Ok(IpAddr::V6(address)) => (address.to_bits() >> 80) as u64,
        Err(_) => 0,
    };
    let bytes = agent.chain(network.to_be_bytes());
    // FNV-1a. A short name is all that is wanted: it need not be hard to find another text with the same one.
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Ok(format!("{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use vestibule::testing::{Login, answer};

    use super::*;

    const NOW: i64 = 1_767_601_800_000;
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

    fn login(devices: &Value, agent: &str, ip: &str, methods: &Value) -> Login {
        Login::new(&json!({
            "user": {"app_metadata": {"devices": devices}},
            "context": {"now": NOW, "request": {"userAgent": agent, "ip": ip}, "authentication": {"methods": methods}},
        }))
        .unwrap()
    }

    fn run(login: &Login) -> Value {
        answer(second_factor_new_device(login.event().unwrap()))
    }

    fn id(agent: &str, ip: &str) -> String {
        device_id(login(&Value::Null, agent, ip, &json!([])).event().unwrap()).unwrap()
    }

    const ASK: &str = r#"{"continue":{"second_factor":{"allow_remember_browser":false}}}"#;

    #[test]
    fn a_new_device_needs_a_second_factor() {
        let pwd = json!([{"name": "pwd", "timestamp": NOW}]);
        assert_eq!(run(&login(&Value::Null, FIREFOX, "203.0.113.7", &pwd)).to_string(), ASK);
        let other = json!([{"id": "0123456789abcdef", "last_seen": NOW}]);
        assert_eq!(run(&login(&other, FIREFOX, "203.0.113.7", &pwd)).to_string(), ASK);
    }

    #[test]
    fn a_device_is_remembered_once_the_factor_was_given() {
        let mfa = json!([{"name": "pwd", "timestamp": NOW}, {"name": "mfa", "timestamp": NOW}]);
        let expected = json!({"continue": {"app_metadata": {"devices": [
            {"id": id(FIREFOX, "203.0.113.7"), "last_seen": NOW},
        ]}}});
        assert_eq!(run(&login(&Value::Null, FIREFOX, "203.0.113.7", &mfa)), expected);
    }

    #[test]
    fn a_known_device_passes_and_is_noted_once_a_day() {
        let seen = |last_seen: i64| json!([{"id": id(FIREFOX, "203.0.113.7"), "last_seen": last_seen}]);
        let today = login(&seen(NOW - DAY_MS + 1), FIREFOX, "203.0.113.7", &json!([]));
        assert_eq!(run(&today), json!({"continue": {}}));
        let yesterday = login(&seen(NOW - DAY_MS), FIREFOX, "203.0.113.7", &json!([]));
        assert_eq!(run(&yesterday), json!({"continue": {"app_metadata": {"devices": seen(NOW)}}}));
    }

    #[test]
    fn the_device_not_seen_for_longest_is_forgotten() {
        let many: Vec<Value> = (0..10).map(|n| json!({"id": format!("{n:016}"), "last_seen": NOW - n})).collect();
        let got = run(&login(&json!(many), FIREFOX, "203.0.113.7", &json!([{"name": "mfa"}])));
        let devices = got.pointer("/continue/app_metadata/devices").and_then(Value::as_array).unwrap();
        assert_eq!(devices.len(), MAX_DEVICES);
        assert_eq!(devices[0]["last_seen"], NOW - 8);
        assert_eq!(devices[9]["last_seen"], NOW);
    }

    #[test]
    fn an_update_of_the_browser_is_the_same_device_and_another_network_is_not() {
        let home = id(FIREFOX, "203.0.113.7");
        assert_eq!(id(&FIREFOX.replace("145", "146"), "203.0.200.1"), home);
        assert_eq!(id(FIREFOX, "::ffff:203.0.113.7"), home);
        assert_ne!(id(FIREFOX, "198.51.100.7"), home);
        assert_ne!(id("curl/8.0", "203.0.113.7"), home);
    }

    #[test]
    fn devices_that_are_none_fail() {
        for (devices, message) in [
            (json!("all"), "user.app_metadata.devices: expected a sequence, found a string"),
            (json!([{"id": 7}]), "user.app_metadata.devices[0].id: expected a string, found an integer"),
        ] {
            let got = run(&login(&devices, FIREFOX, "203.0.113.7", &json!([{"name": "mfa"}])));
            assert_eq!(got, json!({"fail": message}));
        }
    }
}
