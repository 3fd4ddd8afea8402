//! Durations and dates as people write them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Reads a duration: `14d`, `3s`, `500ms`, `1d12h`. Units: ms, s, m, h, d, w.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no duration: write 14d, 12h, 90s, 500ms or 1d12h");
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(bad()),
        };
        total = number.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(bad)?;
        rest = &rest[letters..];
    }
    Ok(Duration::from_millis(total))
}

/// Milliseconds of a duration.
pub fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration for people: the largest units that say it exactly.
pub fn show(mut ms: u64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")] {
        if ms >= unit {
            out.push_str(&format!("{}{name}", ms / unit));
            ms %= unit;
        }
    }
    out
}

/// Reads a point in time from which on something holds: as [`point`], but a date is its begin.
pub fn begin(text: &str) -> Result<u64, String> {
    let Ok(date) = text.parse::<Date>() else { return point(text) };
    let at = date.to_zoned(TimeZone::system()).map_err(|e| format!("`{text}`: {e}"))?.timestamp();
    u64::try_from(at.as_millisecond()).map_err(|_| format!("`{text}` lies before 1970"))
}

/// Reads a point in time: a date (its end, in the local zone), an RFC 3339 time, or a duration from now. Milliseconds.
pub fn point(text: &str) -> Result<u64, String> {
    let at = if let Ok(at) = text.parse::<jiff::Timestamp>() {
        at
    } else if let Ok(date) = text.parse::<Date>() {
        let end = date.at(23, 59, 59, 0).to_zoned(TimeZone::system());
        end.map_err(|e| format!("`{text}`: {e}"))?.timestamp()
    } else {
        let from_now = duration(text).map_err(|_| {
            format!("`{text}` is no date, time or duration: write 2027-01-31, 2027-01-31T12:00:00Z or 14d")
        })?;
        return Ok(lapwing_node::keys::now_ms().saturating_add(ms(from_now)));
    };
    u64::try_from(at.as_millisecond()).map_err(|_| format!("`{text}` lies before 1970"))
}

/// Reads minutes after midnight: `09:30`, `24:00`.
pub fn minutes(text: &str) -> Result<u64, String> {
    let read = || {
        let (h, m) = text.split_once(':')?;
        let (h, m): (u64, u64) = (h.parse().ok()?, m.parse().ok()?);
        (m < 60 && h * 60 + m <= 1440).then_some(h * 60 + m)
    };
    read().ok_or_else(|| format!("`{text}` is no time of day: write 09:30"))
}

/// Minutes after midnight for people.
pub fn clock(minutes: u64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, expected) in [
            ("14d", 14 * 86_400_000),
            ("3s", 3000),
            ("500ms", 500),
            ("1d12h", 129_600_000),
            ("2w", 1_209_600_000),
            ("90m", 5_400_000),
        ] {
            assert_eq!(ms(duration(text).unwrap()), expected, "{text}");
            assert_eq!(ms(duration(&show(expected)).unwrap()), expected, "{text}");
        }
        for bad in ["", "14", "d", "-1d", "1.5h", "1y", "99999999999999999999d", "99999999999999999w", "1 d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(show(90_061_001), "1d1h1m1s1ms");
    }

    #[test]
    fn points_in_time_are_dates_times_or_durations() {
        assert_eq!(point("2027-01-31T12:00:00Z").unwrap(), 1_801_396_800_000);
        assert!(point("2027-01-31").unwrap() > 1_801_300_000_000);
        assert!(point("14d").unwrap() > lapwing_node::keys::now_ms() + 13 * 86_400_000);
        assert!(point("soon").is_err() && point("2027-02-30").is_err());
    }

    #[test]
    fn times_of_day_are_minutes() {
        assert_eq!((minutes("09:30").unwrap(), minutes("24:00").unwrap()), (570, 1440));
        assert!(["9", "24:01", "10:60", "a:b"].iter().all(|t| minutes(t).is_err()));
        assert_eq!(clock(570), "09:30");
    }
}
