//! Times as the API writes them: RFC 3339, UTC, milliseconds.

use lapwing_api::types::Time;

/// A moment. Beyond the year 9999 (an author's clock may say anything) the last moment of it.
pub(crate) fn rfc3339(ms: u64) -> Time {
    let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", at.unwrap_or(jiff::Timestamp::MAX))
}

/// Milliseconds UTC of the beginning of a date of RFC 3339, or of the day of a time.
pub(super) fn day(text: &str) -> Option<u64> {
    let date: jiff::civil::Date = text.get(..10)?.parse().ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(at.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339(u64::MAX), rfc3339(u64::MAX >> 1));
        assert_eq!(day("1970-01-02"), Some(86_400_000));
        assert_eq!(day("1970-01-02T10:00:00Z"), Some(86_400_000));
        assert_eq!(day("soon"), None);
    }
}
