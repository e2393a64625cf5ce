//! What happened to a type's seats on each day: peaks, checkouts, denials, and who was served after all.
//!
//! A denial that was later served from the line is none: it is counted as queued and served. What was refused outright,
//! and who left the line unserved, are the true denials.

use serde::{Deserialize, Serialize};

use super::event::EndCause;
use super::state::Seats;
use crate::domain::intent::CommandKind;
use crate::domain::name::Name;
use crate::domain::record::{Outcome, Record};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::domain::time::Day;

/// How many days are kept: thirteen months, so that a month can be compared with the one a year before.
pub const DAYS: u32 = 400;
/// How many entries one day's close lets go of.
const FORGET: usize = 2 * super::TYPES;

/// One day of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatDay {
    /// Checkouts that got a seat at once.
    pub granted: u64,
    /// Checkouts that had to wait.
    pub queued: u64,
    /// Those that waited and got a seat.
    pub served: u64,
    /// Those that left the line without one, or lost their place.
    pub unserved: u64,
    /// Refused: no seat was free.
    pub no_seats: u64,
    /// Refused: too few workers were free.
    pub no_workers: u64,
    /// Refused: no license of the type counted.
    pub expired: u64,
    /// Refused: a list or a limit of the type's rules.
    pub by_rule: u64,
    /// Sessions given back by their holders.
    pub returned: u64,
    /// Sessions whose lease ended.
    pub lease_ended: u64,
    /// Sessions that were taken away, or whose holder's credential or account ended.
    pub taken_away: u64,
    /// Borrows.
    pub borrowed: u64,
    /// Most seats held at a time.
    pub peak_held: u64,
    /// Most workers held at a time.
    pub peak_workers: u64,
    /// Most clients in line at a time.
    pub peak_waiting: u64,
    /// Seats that licenses gave at the day's last change.
    pub count: u64,
    /// How long the sessions that ended were held, together, in milliseconds.
    pub held_ms: u64,
    /// How long those that were served had waited, together, in milliseconds.
    pub waited_ms: u64,
}

/// The entry of a day and type, begun with what is in use.
pub(super) fn on<'a>(seats: &'a mut Seats, today: Day, product: &Name) -> &'a mut SeatDay {
    let (tally, count) = (seats.tally(product), seats.types.get(product).map_or(0, |kind| kind.count));
    let day = seats.days.entry((today, product.clone())).or_default();
    day.count = count;
    day.peak_held = day.peak_held.max(tally.held);
    day.peak_workers = day.peak_workers.max(tally.workers);
    day.peak_waiting = day.peak_waiting.max(tally.waiting);
    day
}

/// A session's end in its day.
pub(super) fn ended(day: &mut SeatDay, cause: EndCause, held_ms: u64) {
    day.held_ms = day.held_ms.saturating_add(held_ms);
    match cause {
        EndCause::Returned => day.returned += 1,
        EndCause::LeaseEnded => day.lease_ended += 1,
        EndCause::Released | EndCause::CredentialEnded | EndCause::HolderGone | EndCause::Hopeless => {
            day.taken_away += 1;
        }
    }
}

/// Counts a checkout that was refused: the record says so, and no event follows from it.
#[expect(clippy::wildcard_enum_match_arm, reason = "other refusals are not about how many seats there are")]
pub(in crate::domain) fn remember(state: &mut State, record: &Record) {
    let (Outcome::Refused(refusal), CommandKind::TakeSeat) = (&record.outcome, record.kind) else { return };
    let today = state.calendar.today;
    let count: (&Name, fn(&mut SeatDay)) = match refusal {
        Refusal::NoSeatLeft { product, .. } => (product, |day| day.no_seats += 1),
        Refusal::NoWorkersLeft { product, .. } => (product, |day| day.no_workers += 1),
        Refusal::SeatTypeExpired { product, .. } => (product, |day| day.expired += 1),
        Refusal::SeatNotAllowed { product, .. }
        | Refusal::SeatsPerUser { product, .. }
        | Refusal::SeatsPerAddress { product, .. } => (product, |day| day.by_rule += 1),
        _other => return,
    };
    let seats = std::sync::Arc::make_mut(&mut state.seats);
    count.1(on(seats, today, count.0));
}

/// Lets go of days that are too old.
pub(super) fn forget(seats: &mut Seats, today: Day) {
    let oldest = today.back(DAYS);
    for _ in 0..FORGET {
        let Some((key, _)) = seats.days.get_min().filter(|((day, _), _)| *day < oldest) else { return };
        let key = key.clone();
        seats.days.remove(&key);
    }
}
