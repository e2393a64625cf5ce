//! What time alone brings about: licenses that start and end, the license day's close, credentials that expire.
//!
//! Bounded: one batch handles so many deadlines, the next one goes on; until then what is overdue already counts as
//! over wherever a rule looks.

use super::event::Event;
use super::intent::CommandKind;
use super::seat::event::SeatEvent;
use super::state::State;
use super::time::{Moment, NEVER, Stamp};
use super::work::WorkEvent;
use super::{day, license, seat, work};

/// How many deadlines one batch handles, so that apply never stops for 20 ms (decision 12).
pub const PER_BATCH: usize = 1_000;
/// How many deadlines a license counts for: its stack is worked out again.
const LICENSE_COST: usize = 20;

/// How much of a batch's budget these events take. The day's close is free: it is never put off.
#[expect(clippy::wildcard_enum_match_arm, reason = "what time alone does not bring about costs nothing here")]
pub(super) fn cost(events: &[Event]) -> usize {
    let of = |event: &Event| match event {
        Event::LicenseExpired { .. } | Event::LicenseStarted { .. } => LICENSE_COST,
        Event::TokensEnded { ids } => ids.len(),
        Event::LocksEnded { locks } => locks.len(),
        Event::TicketsEnded { nodes } => nodes.len(),
        Event::Seat(SeatEvent::Ended { ids, .. }) => ids.len(),
        Event::Work(WorkEvent::Ended { .. } | WorkEvent::Forgotten { .. }) => 1,
        _other => 0,
    };
    events.iter().map(of).sum()
}

/// The next step of time up to `stamp`, within `budget` deadlines. The order is that of the moments, roughly: licenses
/// that ended within the open day, the day's close, other licenses, seats, credentials.
pub(super) fn next(state: &State, stamp: &Stamp, budget: usize) -> Option<(CommandKind, Vec<Event>)> {
    if state.cluster_id.is_empty() {
        return None;
    }
    let closes = stamp.calendar.today > state.calendar.today;
    let licenses_to = if closes { stamp.at.min(state.calendar.ends.minus_ms(1)) } else { stamp.at };
    if budget >= LICENSE_COST
        && let Some(events) = license::due(state, licenses_to, stamp.at)
    {
        return Some((CommandKind::ExpireLicense, events));
    }
    if closes {
        return Some((CommandKind::CloseDay, vec![day::close(state, stamp)]));
    }
    if stamp.calendar.today == state.calendar.today && stamp.calendar != state.calendar {
        return Some((CommandKind::PassTime, vec![Event::CalendarChanged { calendar: stamp.calendar }]));
    }
    // Before the seats: work keeps its seat, and what waits for it begins when it ends.
    if budget > 0
        && let Some(events) = work::due(state, stamp.at)
    {
        return Some((CommandKind::EndWork, events));
    }
    // Before the credentials: a seat's token ends with its seat.
    if let Some(event) = seat::due(state, stamp.at, budget) {
        return Some((CommandKind::ExpireSeats, vec![Event::Seat(event)]));
    }
    let events = ended(state, stamp.at, budget);
    (!events.is_empty()).then_some((CommandKind::PassTime, events))
}

/// Tokens, lock-outs and tickets whose time has passed, at most `budget`.
fn ended(state: &State, at: Moment, budget: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let ids: Vec<u64> =
        state.token_deadlines.iter().take_while(|due| due.0 <= at).take(budget).map(|due| due.1).collect();
    let budget = budget - ids.len();
    if !ids.is_empty() {
        events.push(Event::TokensEnded { ids });
    }
    let due = state.lock_deadlines.iter().take_while(|due| due.0 <= at).take(budget);
    let locks: Vec<_> = due.map(|(_, user, address)| (user.clone(), address.clone())).collect();
    let budget = budget - locks.len();
    if !locks.is_empty() {
        events.push(Event::LocksEnded { locks });
    }
    let nodes: Vec<u64> =
        state.tickets.values().filter(|ticket| ticket.expires <= at).take(budget).map(|ticket| ticket.node).collect();
    if !nodes.is_empty() {
        events.push(Event::TicketsEnded { nodes });
    }
    events
}

/// When time alone will next bring something about: the leader submits an empty batch then. Before now if more was due
/// than one batch handles.
#[must_use]
pub fn next_deadline(state: &State) -> Moment {
    if state.cluster_id.is_empty() {
        return NEVER;
    }
    let license = state.license_deadlines.get_min().map(|due| due.0);
    let token = state.token_deadlines.get_min().map(|due| due.0);
    let lock = state.lock_deadlines.get_min().map(|due| due.0);
    let ticket = state.tickets.values().map(|ticket| ticket.expires).min();
    let seat = state.seats.deadlines.get_min().map(|due| due.0);
    let line = (!state.seats.ready.is_empty()).then_some(state.now);
    let work = state.works.deadlines.get_min().map(|due| due.0);
    [license, token, lock, ticket, seat, line, work].into_iter().flatten().fold(state.calendar.ends, Moment::min)
}
