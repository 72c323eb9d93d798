//! Refuses accounts that have ended: contractors, trials, guests.

use vestibule::{Answer, Event, Field, Result};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// From how many days before the end on the application is told.
const NOTICE_DAYS: i64 = 14;

#[vestibule::rule]
fn account_expiry(event: Event<'_>) -> Result<Answer> {
    let Some(expires_at) = event.user().find("app_metadata.expires_at") else {
        return Ok(Answer::allow().into());
    };
    let left_ms = moment(&expires_at)? - event.now()?;
    if left_ms <= 0 {
        return Ok(Answer::deny("account_expired", "This account has expired. Please ask whoever invited you."));
    }
    let days = left_ms / DAY_MS;
    let answer = Answer::allow();
    Ok(if days < NOTICE_DAYS { answer.id_token("https://example.com/expires_in_days", days) } else { answer }.into())
}

/// Milliseconds since 1970 of `2026-01-31`, its first moment, or of `2026-01-31T17:30:00Z`; both in UTC.
fn moment(field: &Field<'_>) -> Result<i64> {
    parse(field.as_str()?).ok_or_else(|| field.expected("a date like `2026-01-31` or `2026-01-31T17:30:00Z`"))
}

fn parse(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        None => (text, "00:00:00"),
        Some((date, time)) => (date, time.strip_suffix('Z')?),
    };
    let time = time.split_once('.').map_or(time, |(seconds, _)| seconds);
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_real = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    is_real.then(|| days_since_1970(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000)
}

/// Three numbers of fixed width with a sign between them.
fn numbers(text: &str, sign: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(sign);
    let numbers = widths.map(|width| {
        let part = parts.next()?;
        (part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
    });
    match (numbers, parts.next()) {
        ([Some(first), Some(second), Some(third)], None) => Some([first, second, third]),
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = |years: i64| years / 4 - years / 100 + years / 400;
    let years = (year - 1970) * 365 + leap_days(before) - leap_days(1969);
    let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use vestibule::testing::{Login, answer};

    use super::*;

    /// 2026-01-05T08:30:00Z.
    const NOW: i64 = 1_767_601_800_000;

    #[track_caller]
    fn check(expires_at: &str, expected: &str) {
        let event =
            format!(r#"{{"user": {{"app_metadata": {{"expires_at": {expires_at}}}}}, "context": {{"now": {NOW}}}}}"#);
        let login = Login::from_json(&event).unwrap();
        assert_eq!(answer(account_expiry(login.event().unwrap())).to_string(), expected, "{expires_at}");
    }

    const ALLOW: &str = r#"{"continue":{}}"#;
    const DENY: &str =
        r#"{"deny":{"code":"account_expired","reason":"This account has expired. Please ask whoever invited you."}}"#;

    #[test]
    fn an_account_without_an_end_passes() {
        check("null", ALLOW);
    }

    #[test]
    fn an_account_ends_at_the_moment_and_not_before() {
        check("\"2026-01-05\"", DENY);
        check("\"2026-01-05T08:30:00Z\"", DENY);
        check("\"2026-01-05T08:30:01.000Z\"", r#"{"continue":{"id_token":{"https://example.com/expires_in_days":0}}}"#);
        check("\"2026-01-08\"", r#"{"continue":{"id_token":{"https://example.com/expires_in_days":2}}}"#);
        check("\"2027-01-01\"", ALLOW);
    }

    #[test]
    fn a_date_that_cannot_be_read_fails() {
        for bad in [
            "2026-02-29",
            "2026-13-01",
            "26-01-01",
            "2026-01-05T08:30",
            "tomorrow",
            "2026-01-05T24:00:00Z",
            "",
            "+026-01-01",
        ] {
            let message = "user.app_metadata.expires_at: expected a date like `2026-01-31` or `2026-01-31T17:30:00Z`, found a string";
            check(&format!("{bad:?}"), &format!(r#"{{"fail":"{message}"}}"#));
        }
        check("1767601800000", r#"{"fail":"user.app_metadata.expires_at: expected a string, found a number"}"#);
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(parse("1970-01-01"), Some(0));
        assert_eq!(parse("2000-03-01"), Some(951_868_800_000));
        assert_eq!(parse("2026-01-05T08:30:00Z"), Some(NOW));
        assert_eq!(parse("2100-02-29"), None);
    }
}
