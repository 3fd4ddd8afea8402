//! Times as the API writes them: RFC 3339, UTC, milliseconds.

pub(super) use crate::office::rfc3339;

/// Milliseconds UTC of the beginning of a date of RFC 3339, or of the day of a time.
pub(super) fn day(text: &str) -> Option<u64> {
    let date: jiff::civil::Date = text.get(..10)?.parse().ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(at.timestamp().as_millisecond()).ok()
}

/// Milliseconds UTC of a time of RFC 3339.
pub(super) fn moment(text: &str) -> Option<u64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
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
