//! Durations and sizes as people write them: `"250ms"`, `"1s"`, `"16MiB"`.

use std::time::Duration;

pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| "not a whole number with `ms` or `s`")?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err("not a whole number with `ms` or `s`"),
    }
}

pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| "not a whole number with `KiB` or `MiB`")?;
    let factor = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err("not a whole number with `KiB` or `MiB`"),
    };
    number.checked_mul(factor).ok_or("more than there is")
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}
