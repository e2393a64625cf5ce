//! Time as the rules see it: moments that come from the log, and license days.
//!
//! Nothing here reads a clock or knows a time zone: the leader stamps every batch with its moment and the
//! calendar around it (docs/adr/0002).

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many closed days back a late report may still land in (decision 11 of the founding notes; ADR 0010).
pub const LATE_DAYS: usize = 3;

/// A moment of cluster time: milliseconds since 1970-01-01T00:00:00Z. Never goes back within a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(pub u64);

/// The last moment there is: what "never" is where a moment is asked for.
pub const NEVER: Moment = Moment(u64::MAX);

impl Moment {
    /// This moment plus `ms` milliseconds; stops at [`NEVER`].
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }

    /// This moment less `ms` milliseconds; stops at 1970.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Moment {
        Moment(self.0.saturating_sub(ms))
    }

    /// Whole seconds since 1970, as most dialects write times.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// A license day: the calendar date in the cluster's zone, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub u32);

impl Day {
    /// The day `days` before this one.
    #[must_use]
    pub const fn back(self, days: u32) -> Day {
        Day(self.0.saturating_sub(days))
    }
}

impl fmt::Display for Day {
    /// Writes the calendar date, `2026-11-22` (civil-from-days, proleptic Gregorian).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = u64::from(self.0) + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// The license days around a batch, as its leader computed them from the cluster's zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// The day that holds the batch's moment.
    pub today: Day,
    /// When `today` began, when the day before began, and so on back.
    pub starts: [Moment; LATE_DAYS + 1],
    /// When `today` ends: the cluster's next midnight.
    pub ends: Moment,
}

impl Calendar {
    /// The day that holds `moment`: today or one of the last [`LATE_DAYS`]; `None` if older. A moment after
    /// `ends` (a slave's clock runs ahead) counts as today.
    #[must_use]
    pub fn day_of(&self, moment: Moment) -> Option<Day> {
        let back = self.starts.iter().position(|start| moment >= *start)?;
        Some(self.today.back(u32::try_from(back).ok()?))
    }
}

/// What the leader puts on each batch: when it was, by cluster time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Cluster time of the batch; `apply` uses the later of this and the last one.
    pub at: Moment,
    /// The license days around it.
    pub calendar: Calendar,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_prints_as_its_calendar_date() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day(11_016).to_string(), "2000-02-29");
        assert_eq!(Day(20_779).to_string(), "2026-11-22");
    }

    #[test]
    fn a_moment_falls_into_one_of_the_last_days_or_none() {
        let calendar =
            Calendar { today: Day(9), starts: [Moment(90), Moment(80), Moment(70), Moment(60)], ends: Moment(100) };
        assert_eq!(calendar.day_of(Moment(95)), Some(Day(9)));
        assert_eq!(calendar.day_of(Moment(170)), Some(Day(9)));
        assert_eq!(calendar.day_of(Moment(60)), Some(Day(6)));
        assert_eq!(calendar.day_of(Moment(59)), None);
    }
}
