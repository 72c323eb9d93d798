//! Moments, as people read them.

use jiff::Timestamp;

/// A moment in UTC, to the second.
pub(crate) fn told(at: vestibule_store::Timestamp) -> String {
    let moment = Timestamp::from_millisecond(at.0);
    moment.map_or_else(|_| at.0.to_string(), |moment| moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc() {
        assert_eq!(told(vestibule_store::Timestamp(1_795_163_400_000)), "2026-11-20 08:30:00 UTC");
    }
}
