//! The line: who is next, and what it costs in time. A seat that comes free is granted by a record of its own, in the same
//! entry of the log, so that no node and no client can come between.

use super::event::{EndCause, SeatEvent};
use super::rules::Principal;
use super::state::Seats;
use super::{Place, Session, checkout, fold};
use crate::domain::event::Event;
use crate::domain::name::Name;
use crate::domain::state::State;
use crate::domain::time::Moment;

/// What the lines can do now: at most `budget` steps. Empty when nobody can be served.
pub(in crate::domain) fn grants(state: &State, budget: usize) -> Vec<Event> {
    if state.seats.ready.is_empty() {
        return Vec::new();
    }
    let mut draft = (*state.seats).clone();
    let mut events = Vec::new();
    while events.len() < budget {
        let Some(product) = draft.ready.get_min().cloned() else { break };
        let Some(event) = next(&draft, &product, state.now) else { break };
        fold::fold(&mut draft, &event, state.now, state.calendar.today);
        events.push(Event::Seat(event));
    }
    events
}

/// The next step of a type's line: its first is served, or can never be.
pub(super) fn next(seats: &Seats, product: &Name, now: Moment) -> Option<SeatEvent> {
    let kind = seats.types.get(product).filter(|kind| kind.count > 0)?;
    let place = candidates(seats, product).into_iter().find_map(|id| {
        let place = seats.places.get(&id)?;
        let hopeless = place.need.least > kind.workers;
        let room = checkout::room(seats, kind, &place.principals, place.need).ok();
        (hopeless || room.is_some()).then_some((place, room))
    });
    let (place, room) = place?;
    let Some(room) = room else {
        return Some(SeatEvent::Ended { ids: vec![place.id], cause: EndCause::Hopeless });
    };
    Some(SeatEvent::Taken { session: Box::new(granted(seats, place, room, now)), hash: None })
}

/// The first of the whole line, and the first of each reservation that has something left.
fn candidates(seats: &Seats, product: &Name) -> Vec<u64> {
    let mut first = seats.line.get_next(&(product.clone(), 0, 0)).filter(|(of, ..)| of == product).map(|(.., id)| *id);
    let tally = seats.tally(product);
    let kept = || {
        let with_some = seats.reservations_of(product).filter(|(_, reservation)| reservation.left() > 0);
        with_some.filter_map(|(principal, _)| first_of(seats, product, principal)).collect::<Vec<u64>>()
    };
    let kept = if tally.held_back > 0 && first.is_some() { kept() } else { Vec::new() };
    first.take().into_iter().chain(kept).collect()
}

fn first_of(seats: &Seats, product: &Name, principal: &Principal) -> Option<u64> {
    let first = seats.line_of.get_next(&(product.clone(), principal.clone(), 0, 0))?;
    (first.0 == *product && first.1 == *principal).then_some(first.3)
}

/// The session that comes of a place. Its client has as long to claim it as it had to ask for its place.
fn granted(seats: &Seats, place: &Place, room: checkout::Room, now: Moment) -> Session {
    Session {
        id: place.id,
        product: place.product.clone(),
        user: place.user.clone(),
        address: place.address.clone(),
        client: place.client.clone(),
        workers: room.workers,
        reservation: room.reservation,
        since: now,
        waited_ms: now.0.saturating_sub(place.since.0),
        beat: now,
        ends: now.plus_ms(seats.rules_of(&place.product).place_ms),
        borrowed: false,
        token: None,
    }
}

/// Where somebody stands: 1 is next. Walks the line up to there, so it is for answers, not for rules.
#[must_use]
pub fn position(seats: &Seats, place: &Place) -> u64 {
    let ahead = seats.line.range((place.product.clone(), 0, 0)..(place.product.clone(), place.rank, place.id));
    1 + ahead.count() as u64
}

/// How long the one at this position will wait, going by how fast seats came back lately; `None` when none did yet.
#[must_use]
pub fn estimate_ms(seats: &Seats, product: &str, position: u64) -> Option<u64> {
    let pace = seats.tally(product).pace_ms;
    (pace > 0).then(|| pace.saturating_mul(position))
}
