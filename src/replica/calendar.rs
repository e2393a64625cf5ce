//! License days by the cluster's zone: the leader's answer to "which day is it", so that no rule ever asks (decision 13).

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::time::{Calendar, Day, LATE_DAYS, Moment};

/// How far into a day its first moment is sought when midnight does not exist: longer than any gap in a zone's history
/// (a whole day was skipped in Apia in 2011).
const LONGEST_GAP_MINUTES: u32 = 26 * 60;

/// The zone of this IANA name.
#[must_use]
pub(super) fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The license days around `moment` in `zone`.
#[must_use]
pub(super) fn calendar(zone: Tz, moment: Moment) -> Calendar {
    let today = day_of(zone, moment);
    let mut starts = [Moment(0); LATE_DAYS + 1];
    let mut day = today;
    for start in &mut starts {
        *start = start_of(zone, day);
        day = day.checked_sub_days(Days::new(1)).unwrap_or(day);
    }
    let ends = start_of(zone, today.checked_add_days(Days::new(1)).unwrap_or(today));
    Calendar { today: Day(number(today)), starts, ends }
}

/// The last day that has begun at `moment`. Not simply the local date: where clocks are put back over midnight, a date
/// comes twice, and a license day that began does not end because of it.
fn day_of(zone: Tz, moment: Moment) -> NaiveDate {
    let ms = i64::try_from(moment.0).unwrap_or(i64::MAX);
    let utc = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let local = utc.with_timezone(&zone).date_naive();
    let next = local.checked_add_days(Days::new(1)).unwrap_or(local);
    if start_of(zone, next) <= moment { next } else { local }
}

/// The first moment of a day: midnight, the earlier one if it comes twice, or the first moment after it if it does not
/// exist.
fn start_of(zone: Tz, day: NaiveDate) -> Moment {
    let midnight = NaiveDateTime::new(day, NaiveTime::MIN);
    let found = (0..=LONGEST_GAP_MINUTES).find_map(|minute| {
        let local = midnight.checked_add_signed(TimeDelta::minutes(i64::from(minute)))?;
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.timestamp_millis()),
            LocalResult::None => None,
        }
    });
    let ms = found.unwrap_or_else(|| midnight.and_utc().timestamp_millis());
    Moment(u64::try_from(ms).unwrap_or(0))
}

/// Days since 1970-01-01.
fn number(day: NaiveDate) -> u32 {
    u32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment(
            u64::try_from(DateTime::parse_from_rfc3339(text).expect("a date").timestamp_millis()).expect("after 1970"),
        )
    }

    fn around(name: &str, text: &str) -> (String, Moment, Moment) {
        let calendar = calendar(zone(name).expect("a zone"), at(text));
        (calendar.today.to_string(), calendar.starts[0], calendar.ends)
    }

    #[test]
    fn a_day_runs_from_local_midnight_to_the_next() {
        let (today, start, ends) = around("Europe/Berlin", "2026-11-22T23:30:00Z");
        assert_eq!(today, "2026-11-23");
        assert_eq!(start, at("2026-11-23T00:00:00+01:00"));
        assert_eq!(ends, at("2026-11-24T00:00:00+01:00"));
    }

    #[test]
    fn days_of_a_clock_change_have_23_and_25_hours() {
        let (_, start, ends) = around("Europe/Berlin", "2026-03-29T12:00:00Z");
        assert_eq!(ends.0 - start.0, 23 * 3_600_000);
        let (_, start, ends) = around("Europe/Berlin", "2026-10-25T12:00:00Z");
        assert_eq!(ends.0 - start.0, 25 * 3_600_000);
    }

    #[test]
    fn a_day_without_midnight_starts_at_its_first_moment() {
        let (today, start, _) = around("America/Sao_Paulo", "2018-11-04T12:00:00Z");
        assert_eq!((today.as_str(), start), ("2018-11-04", at("2018-11-04T01:00:00-02:00")));
        let (today, start, ends) = around("Africa/Cairo", "2026-04-24T08:00:00Z");
        assert_eq!((today.as_str(), start), ("2026-04-24", at("2026-04-24T01:00:00+03:00")));
        assert_eq!(ends, at("2026-04-25T00:00:00+03:00"));
    }

    #[test]
    fn a_midnight_that_comes_twice_counts_once_and_the_day_never_goes_back() {
        // St. John's put its clocks back at 00:01, so that 23:01 to 24:00 of the day before came again.
        let zone = zone("America/St_Johns").expect("a zone");
        let first = at("2010-11-07T00:00:00-02:30");
        let mut last = (Day(0), Moment(0));
        for minute in 0..180 {
            let moment = Moment(first.0 - 3_600_000 + minute * 60_000);
            let calendar = calendar(zone, moment);
            assert!(calendar.starts[0] <= moment && moment < calendar.ends, "minute {minute}");
            assert!((calendar.today, calendar.starts[0]) >= last, "minute {minute} goes back");
            assert_eq!(calendar.today.to_string(), if moment < first { "2010-11-06" } else { "2010-11-07" });
            last = (calendar.today, calendar.starts[0]);
        }
    }

    #[test]
    fn a_day_that_a_zone_skipped_holds_no_moment() {
        let zone = zone("Pacific/Apia").expect("a zone");
        let calendar = calendar(zone, at("2011-12-31T12:00:00+14:00"));
        assert_eq!(calendar.today.to_string(), "2011-12-31");
        assert_eq!(calendar.starts[0], calendar.starts[1]);
        assert_eq!(calendar.day_of(at("2011-12-29T12:00:00-10:00")).expect("two days back").to_string(), "2011-12-29");
    }

    #[test]
    fn every_moment_of_ten_years_lies_in_its_day_in_awkward_zones() {
        for name in ["Africa/Cairo", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Gaza", "Asia/Tehran"]
        {
            let zone = zone(name).expect("a zone");
            let mut moment = at("2020-01-01T00:00:00Z");
            while moment < at("2030-01-01T00:00:00Z") {
                let calendar = calendar(zone, moment);
                assert!(calendar.starts[0] <= moment && moment < calendar.ends, "{name} at {moment:?}");
                let next = super::calendar(zone, calendar.ends);
                assert_eq!(next.today.0, calendar.today.0 + 1, "{name} at {moment:?}");
                assert_eq!(next.starts[0], calendar.ends, "{name} at {moment:?}");
                moment = calendar.ends.plus_ms(35 * 60_000);
            }
        }
    }
}
