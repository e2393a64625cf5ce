//! Cluster time: the leader's stamps. Monotonic time since the last one, slewed to the wall clock; never backward, and far
//! forward only when a majority agrees (decision 13). The one place that reads the wall clock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono_tz::Tz;

use super::calendar;
use crate::domain::time::{Calendar, Moment, Stamp};

/// A forward step beyond this needs a majority whose wall clocks agree: a wrong clock must not end licenses.
pub(super) const FREE_STEP_MS: u64 = 60_000;

/// How long a majority's agreement counts: the question is asked again after that.
const AGREEMENT: Duration = Duration::from_secs(30);

/// The wall clock, in milliseconds since 1970.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the wall clock enters: the leader's stamp is made of it"
)]
pub(super) fn wall() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Cluster time as this node would stamp it.
#[derive(Debug)]
pub(super) struct Clock {
    inner: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    last: Moment,
    read: Instant,
    /// Whether the next reading may jump to the wall clock within [`FREE_STEP_MS`]: at the start of a leadership.
    fresh: bool,
    agreed: Option<(Moment, Instant)>,
    zone: Option<(String, Tz)>,
    calendar: Calendar,
}

impl Clock {
    /// A clock that has seen no stamp.
    #[must_use]
    pub(super) fn new() -> Clock {
        let calendar = Calendar::default();
        let read = Instant::now();
        let inner = Running { last: Moment(0), read, fresh: true, agreed: None, zone: None, calendar };
        Clock { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last stamp that was applied here: cluster time is not before it.
    pub(super) fn seen(&self, applied: Moment) {
        let mut inner = self.lock();
        if applied > inner.last {
            inner.last = applied;
            inner.read = Instant::now();
        }
    }

    /// This node begins to lead: its first stamp may step to its wall clock, if that is not far.
    pub(super) fn takes_over(&self) {
        self.lock().fresh = true;
    }

    /// Cluster time now, for a batch of the cluster whose zone has this name.
    pub(super) fn stamp(&self, zone: &str) -> Stamp {
        let mut inner = self.lock();
        let at = inner.advance(Instant::now(), wall());
        Stamp { at, calendar: inner.calendar(zone, at) }
    }

    /// Cluster time now, without moving anything.
    pub(super) fn now(&self) -> Moment {
        let inner = self.lock();
        inner.last.plus_ms(ms(inner.read.elapsed()))
    }

    /// The wall clock that this node would step to if a majority agreed; `None` when no such step is due.
    pub(super) fn wants_step(&self) -> Option<Moment> {
        let inner = self.lock();
        let (now, wall) = (inner.last.plus_ms(ms(inner.read.elapsed())), wall());
        (inner.last != Moment(0) && wall.0.saturating_sub(now.0) > FREE_STEP_MS).then_some(wall)
    }

    /// A majority's wall clocks are at or beyond `wall`, give or take [`FREE_STEP_MS`].
    pub(super) fn agreed(&self, wall: Moment) {
        self.lock().agreed = Some((wall, Instant::now()));
    }

    /// Wall clock less cluster time, in milliseconds: what slewing has not caught up with.
    pub(super) fn behind_ms(&self) -> i64 {
        let difference = i128::from(wall().0) - i128::from(self.now().0);
        i64::try_from(difference).unwrap_or(0)
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

impl Running {
    fn advance(&mut self, now: Instant, wall: Moment) -> Moment {
        let elapsed = ms(now.saturating_duration_since(self.read));
        let natural = self.last.plus_ms(elapsed);
        let agreed = self.agreed.is_some_and(|(to, when)| {
            now.saturating_duration_since(when) < AGREEMENT
                && wall.0 <= to.0.saturating_add(ms(AGREEMENT) + FREE_STEP_MS)
        });
        let ahead = wall.0.saturating_sub(natural.0);
        let at = if self.last == Moment(0) || (ahead > FREE_STEP_MS && agreed) || (self.fresh && ahead <= FREE_STEP_MS)
        {
            wall.max(natural_or_slower(self.last, elapsed, wall))
        } else if wall < natural {
            natural_or_slower(self.last, elapsed, wall)
        } else if ahead > FREE_STEP_MS {
            natural
        } else {
            natural.plus_ms(ahead.min(elapsed / 2))
        };
        self.last = at;
        // Whole milliseconds only: what is left over of one counts at the next reading.
        self.read += Duration::from_millis(elapsed);
        self.fresh = false;
        at
    }

    fn calendar(&mut self, zone: &str, at: Moment) -> Calendar {
        let known = self.zone.as_ref().is_some_and(|(name, _)| name == zone);
        if !known {
            let tz = calendar::zone(zone).unwrap_or_else(|| {
                tracing::error!(
                    zone,
                    "the cluster's time zone is unknown to this binary; its license day ends at midnight UTC"
                );
                Tz::UTC
            });
            self.zone = Some((zone.to_owned(), tz));
        }
        let stale = !known || at < self.calendar.starts[0] || at >= self.calendar.ends;
        if let (true, Some((_, tz))) = (stale, &self.zone) {
            self.calendar = calendar::calendar(*tz, at);
        }
        self.calendar
    }
}

/// Ahead of the wall clock, time runs at half its speed until the wall clock has caught up; it never stands or goes back.
fn natural_or_slower(last: Moment, elapsed: u64, wall: Moment) -> Moment {
    let natural = last.plus_ms(elapsed);
    if wall < natural { last.plus_ms(elapsed / 2).max(wall.min(natural)) } else { natural }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(last: u64, fresh: bool) -> (Running, Instant) {
        let read = Instant::now();
        let calendar = Calendar::default();
        (Running { last: Moment(last), read, fresh, agreed: None, zone: None, calendar }, read)
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_first_stamp_of_a_cluster_is_the_wall_clock() {
        let (mut clock, start) = running(0, true);
        assert_eq!(clock.advance(start, Moment(1_700_000_000_000)), Moment(1_700_000_000_000));
    }

    #[test]
    fn a_new_leader_steps_a_little_but_not_far() {
        let (mut clock, start) = running(1_000_000, true);
        assert_eq!(clock.advance(after(start, 10), Moment(1_050_000)), Moment(1_050_000));
        let (mut clock, start) = running(1_000_000, true);
        assert_eq!(clock.advance(after(start, 10), Moment(9_000_000)), Moment(1_000_010));
    }

    #[test]
    fn a_far_step_is_taken_when_a_majority_agrees_and_only_then() {
        let (mut clock, start) = running(1_000_000, false);
        assert_eq!(clock.advance(after(start, 1_000), Moment(9_000_000)), Moment(1_001_000));
        clock.agreed = Some((Moment(9_000_000), start));
        assert_eq!(clock.advance(after(start, 2_000), Moment(9_001_000)), Moment(9_001_000));
    }

    #[test]
    fn an_agreement_does_not_cover_a_wall_clock_that_jumped_since() {
        let (mut clock, start) = running(1_000_000, false);
        clock.agreed = Some((Moment(9_000_000), start));
        assert_eq!(clock.advance(after(start, 1_000), Moment(99_000_000)), Moment(1_001_000));
    }

    #[test]
    fn a_small_difference_is_slewed() {
        let (mut clock, start) = running(1_000_000, false);
        assert_eq!(clock.advance(after(start, 1_000), Moment(1_011_000)), Moment(1_001_500));
        assert_eq!(clock.advance(after(start, 2_000), Moment(1_012_000)), Moment(1_003_000));
        assert_eq!(clock.advance(after(start, 102_000), Moment(1_112_000)), Moment(1_112_000));
    }

    #[test]
    fn a_wall_clock_that_is_set_back_slows_time_but_never_turns_it() {
        let (mut clock, start) = running(1_000_000, false);
        assert_eq!(clock.advance(after(start, 1_000), Moment(500_000)), Moment(1_000_500));
        assert_eq!(clock.advance(after(start, 2_000), Moment(501_000)), Moment(1_001_000));
        assert!(clock.advance(after(start, 2_000), Moment(0)) >= Moment(1_001_000));
    }

    #[test]
    fn an_applied_stamp_of_another_leader_moves_the_clock_forward_only() {
        let clock = Clock::new();
        clock.seen(Moment(5_000));
        clock.seen(Moment(4_000));
        assert!(clock.now() >= Moment(5_000));
    }

    #[test]
    fn a_stamp_carries_the_calendar_of_the_zone_it_is_asked_for() {
        let clock = Clock::new();
        let utc = clock.stamp("UTC");
        let kiritimati = clock.stamp("Pacific/Kiritimati");
        assert!(utc.calendar.starts[0] <= utc.at && utc.at < utc.calendar.ends);
        assert_ne!(utc.calendar.ends, kiritimati.calendar.ends);
    }
}
