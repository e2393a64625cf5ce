//! Seats: what there is of each type, who holds what, who waits. Everything of one answer comes from one state (S7).

use crate::domain::name::Name;
use crate::domain::seat::history::SeatDay;
use crate::domain::seat::rules::Principal;
use crate::domain::seat::state::{Reservation, Tally};
use crate::domain::seat::types::SeatType;
use crate::domain::seat::{Place, Session, queue};
use crate::domain::state::State;
use crate::domain::time::Day;

/// A seat type and how much of it is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeView<'a> {
    /// What its licenses add up to.
    pub kind: &'a SeatType,
    /// What is in use.
    pub tally: Tally,
    /// Seats that nobody holds; `free` and held seats are all there are, unless licenses shrank below use.
    pub free: u64,
    /// Workers that nobody holds.
    pub free_workers: u64,
    /// How long the next one in line would wait, in milliseconds, if that is known.
    pub estimate_ms: Option<u64>,
}

/// A session or a place in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatView<'a> {
    /// A held seat.
    Session(&'a Session),
    /// A place in line, and what is known of its turn.
    Place {
        /// The place.
        place: &'a Place,
        /// 1 is next.
        position: u64,
        /// How long it will wait, in milliseconds, if that is known.
        estimate_ms: Option<u64>,
    },
}

/// All types, by name: the first one is what a checkout without a name asks for.
pub fn types(state: &State) -> impl Iterator<Item = TypeView<'_>> {
    state.seats.types.values().map(move |kind| view(state, kind))
}

/// One type.
#[must_use]
pub fn of_type<'a>(state: &'a State, product: &str) -> Option<TypeView<'a>> {
    state.seats.types.get(product).map(|kind| view(state, kind))
}

fn view<'a>(state: &'a State, kind: &'a SeatType) -> TypeView<'a> {
    let tally = state.seats.tally(&kind.name);
    TypeView {
        kind,
        tally,
        free: kind.count.saturating_sub(tally.held),
        free_workers: kind.workers.saturating_sub(tally.workers),
        estimate_ms: queue::estimate_ms(&state.seats, &kind.name, tally.waiting + 1),
    }
}

/// A session or place by its id.
#[must_use]
pub fn seat(state: &State, id: u64) -> Option<SeatView<'_>> {
    let session = state.seats.sessions.get(&id).map(|session| SeatView::Session(session));
    session.or_else(|| state.seats.places.get(&id).map(|found| place(state, found)))
}

fn place<'a>(state: &'a State, place: &'a Place) -> SeatView<'a> {
    let position = queue::position(&state.seats, place);
    SeatView::Place { place, position, estimate_ms: queue::estimate_ms(&state.seats, &place.product, position) }
}

/// The session that a token belongs to, by the token's id.
#[must_use]
pub fn session_of_token(state: &State, token: u64) -> Option<&Session> {
    state.seats.sessions.get(state.seats.tokens.get(&token)?).map(AsRef::as_ref)
}

/// A type's line, first come first, each with its position.
pub fn line<'a>(state: &'a State, product: &Name) -> impl Iterator<Item = SeatView<'a>> + 'a {
    let seats = &state.seats;
    let wanted = product.clone();
    let places = seats.line.range((product.clone(), 0, 0)..).take_while(move |(of, ..)| *of == wanted);
    places.zip(1..).filter_map(move |((product, _, id), position)| {
        let estimate_ms = queue::estimate_ms(seats, product, position);
        seats.places.get(id).map(|place| SeatView::Place { place, position, estimate_ms })
    })
}

/// A type's reservations.
pub fn reservations<'a>(state: &'a State, product: &Name) -> impl Iterator<Item = (&'a Principal, Reservation)> + 'a {
    state.seats.reservations_of(product)
}

/// What happened to a type on the days from `from` to `to`, oldest first; days on which nothing did are left out.
pub fn days<'a>(state: &'a State, product: &Name, from: Day, to: Day) -> impl Iterator<Item = (Day, &'a SeatDay)> + 'a {
    let wanted = product.clone();
    let all = state.seats.days.range((from, Name::default())..).take_while(move |((day, _), _)| *day <= to);
    all.filter(move |((_, of), _)| *of == wanted).map(|((day, _), of)| (*day, of))
}
