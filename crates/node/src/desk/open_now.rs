//! Whether an office is open: its hours, in its own time zone.

use lapwing_record::directory::{Contact, Hours, Role};

/// Whether a point of contact is open at `now`, milliseconds UTC. One that states no hours is not known to be open,
/// unless it is reached at any hour.
pub(super) fn open_now(contact: &Contact, now: u64) -> bool {
    contact.role == Role::Urgent || within(&contact.hours, &contact.time_zone, now)
}

fn within(hours: &[Hours], zone: &str, now: u64) -> bool {
    let Some(at) = i64::try_from(now).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) else {
        return false;
    };
    // a zone that this machine does not know says nothing
    let Ok(local) = at.in_tz(zone) else { return false };
    let weekday = u64::try_from(local.weekday().to_monday_one_offset()).unwrap_or_default();
    let minute = u64::try_from(i64::from(local.hour()) * 60 + i64::from(local.minute())).unwrap_or_default();
    hours.iter().any(|h| h.days.contains(&weekday) && (h.from_min..h.to_min).contains(&minute))
}

/// Whether a name stands for a time zone.
pub(super) fn is_zone(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[u64], from_min: u64, to_min: u64) -> Vec<Hours> {
        vec![Hours { days: days.to_vec(), from_min, to_min }]
    }

    fn at(text: &str) -> u64 {
        let at: jiff::Timestamp = text.parse().expect("a time");
        u64::try_from(at.as_millisecond()).expect("after 1970")
    }

    #[test]
    fn the_same_moment_is_office_time_in_one_zone_and_night_in_another() {
        let week = hours(&[1, 2, 3, 4, 5], 9 * 60, 17 * 60);
        let friday_noon = at("2026-11-20T12:00:00Z");
        assert!(within(&week, "Europe/London", friday_noon));
        assert!(!within(&week, "Asia/Seoul", friday_noon), "21:00 there");
        assert!(within(&week, "America/Sao_Paulo", friday_noon), "09:00 there");
        assert!(!within(&week, "America/Sao_Paulo", friday_noon - 1), "a moment before nine");
    }

    #[test]
    fn days_are_those_of_the_zone_and_clocks_that_change_are_followed() {
        let monday = hours(&[1], 0, 1440);
        assert!(within(&monday, "Asia/Seoul", at("2026-11-22T15:00:00Z")), "Monday in Seoul, Sunday in London");
        assert!(!within(&monday, "Europe/London", at("2026-11-22T15:00:00Z")));
        let nine = hours(&[3], 9 * 60, 10 * 60);
        assert!(within(&nine, "Europe/Amsterdam", at("2026-07-01T07:30:00Z")), "summer");
        assert!(!within(&nine, "Europe/Amsterdam", at("2026-12-02T07:30:00Z")), "winter");
        assert!(within(&nine, "Europe/Amsterdam", at("2026-12-02T08:30:00Z")));
    }

    #[test]
    fn an_unknown_zone_or_unstated_hours_are_not_open() {
        assert!(!within(&hours(&[1, 2, 3, 4, 5, 6, 7], 0, 1440), "Mars/Base", at("2026-11-20T12:00:00Z")));
        assert!(!within(&[], "Europe/London", at("2026-11-20T12:00:00Z")));
        assert!(is_zone("Africa/Nairobi") && !is_zone("Africa/Nowhere"));
    }
}
