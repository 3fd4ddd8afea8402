//! Dates of the pro forma: RFC 3339, a day or a moment (docs/protocol.md §6.2).

/// Whether `text` is a date of RFC 3339 that exists, or such a date with a time and an offset.
pub fn is_date(text: &str) -> bool {
    span(text).is_some()
}

/// The seconds since 1970 that a date covers, first and last: a day is all of its day in UTC, a moment is itself.
pub fn span(text: &str) -> Option<(i64, i64)> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return None };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    let dashes = bytes[4] == b'-' && bytes[7] == b'-';
    if !(dashes && (1..=12).contains(&month) && (1..=days).contains(&day)) {
        return None;
    }
    let midnight = days_since_1970(i64::from(year), i64::from(month), i64::from(day)) * 86_400;
    if bytes.len() == 10 {
        return Some((midnight, midnight + 86_399));
    }
    let moment = midnight + seconds(&bytes[10..])?;
    Some((moment, moment))
}

/// Whether all of `a` lies before all of `b`. What is no date comes before nothing: that is another fault.
pub fn is_before(a: &str, b: &str) -> bool {
    matches!((span(a), span(b)), (Some((_, end)), Some((begin, _))) if end < begin)
}

/// Days of the Gregorian calendar, whose years are taken to begin in March so that the odd day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Seconds after midnight UTC: `Thh:mm:ss`, a fraction or none, and `Z` or `±hh:mm`.
fn seconds(bytes: &[u8]) -> Option<i64> {
    let two = |at: usize, max: i64| {
        let digits = bytes.get(at..at + 2).filter(|d| d.iter().all(u8::is_ascii_digit))?;
        Some(i64::from(digits[0] - b'0') * 10 + i64::from(digits[1] - b'0')).filter(|n| *n <= max)
    };
    let mark = |at: usize, b: u8| bytes.get(at) == Some(&b);
    if !(mark(0, b'T') && mark(3, b':') && mark(6, b':')) {
        return None;
    }
    let local = two(1, 23)? * 3600 + two(4, 59)? * 60 + two(7, 60)?;
    let mut at = 9;
    if mark(at, b'.') {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        at += 1 + digits;
    }
    if mark(at, b'Z') {
        return Some(local).filter(|_| bytes.len() == at + 1);
    }
    let sign = if mark(at, b'+') { 1 } else { -1 };
    if !(sign == 1 || mark(at, b'-')) || !mark(at + 3, b':') || bytes.len() != at + 6 {
        return None;
    }
    Some(local - sign * (two(at + 1, 23)? * 3600 + two(at + 4, 59)? * 60))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dates_must_exist() {
        for good in ["2024-02-29", "2026-12-31T10:00:00Z", "2026-12-31T10:00:00+02:00", "2026-12-31T10:00:00.25Z"] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "",
            "2023-02-29",
            "2026-13-01",
            "2026-1-1",
            "tomorrow",
            "2026-12-31 10:00",
            "2026-12-31T10",
            "2026-12-31T10:00:00",
            "2026-12-31T10:00:00+2",
            "2026-12-31T10:00:00.Z",
            "2026-12-31T24:00:00Z",
            "２０２６-12-31",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn days_and_moments_are_told_apart_and_compared() {
        assert_eq!(span("1970-01-01"), Some((0, 86_399)));
        assert_eq!(span("2000-03-01T00:00:00Z"), Some((951_868_800, 951_868_800)));
        assert_eq!(span("2026-11-01T01:00:00+02:00"), span("2026-10-31T23:00:00Z"));
        assert!(is_before("2026-10-31", "2026-11-01"));
        assert!(is_before("2026-11-01T10:00:00+02:00", "2026-11-01T08:00:01Z"));
        for (a, b) in [("2026-11-01", "2026-11-01"), ("2026-11-01", "2026-11-01T05:00:00Z"), ("x", "2026-11-01")] {
            assert!(!is_before(a, b) && !is_before(b, a), "{a} {b}");
        }
    }
}
