//! What is always true of seats: S1, S2, S5, that tallies and indexes agree with sessions and places, and that no line
//! stands still that could move on.

use std::collections::BTreeMap;

use quartermaster::domain::license::Standing;
use quartermaster::domain::name::Name;
use quartermaster::domain::seat::state::{Seats, Tally};
use quartermaster::domain::state::State;
use quartermaster::domain::user::TokenKind;

pub(crate) fn check(state: &State) {
    let seats = &*state.seats;
    types(state);
    tallies(seats);
    reservations(seats);
    indexes(seats);
    tokens(state);
    assert!(seats.ready.is_empty(), "whoever can be served is served in the same batch: {:?}", seats.ready);
    assert!(state.seats.sessions.values().all(|session| state.users.contains_key(&session.user)));
    assert!(state.seats.places.values().all(|place| state.users.contains_key(&place.user)));
}

/// K2 for seats: a type is what its licenses that count add up to.
fn types(state: &State) {
    let mut sums: BTreeMap<&Name, (u64, u64)> = BTreeMap::new();
    for license in state.licenses.values() {
        let counts = u64::from(license.standing(state, state.now) == Standing::Valid);
        for grant in license.seat_grants() {
            let sum = sums.entry(&grant.product).or_default();
            *sum = (sum.0 + counts * grant.count, sum.1 + counts * grant.workers);
        }
    }
    for kind in state.seats.types.values() {
        assert_eq!((kind.count, kind.workers), sums.remove(&kind.name).unwrap_or_default(), "K2 of {}", kind.name);
    }
    assert!(sums.is_empty(), "every license has its type: {sums:?}");
}

fn tallies(seats: &Seats) {
    let mut counted: BTreeMap<&Name, Tally> = BTreeMap::new();
    for session in seats.sessions.values() {
        let tally = counted.entry(&session.product).or_default();
        tally.held += 1;
        tally.workers += session.workers;
        tally.borrowed += u64::from(session.borrowed);
    }
    for place in seats.places.values() {
        counted.entry(&place.product).or_default().waiting += 1;
    }
    for (product, tally) in &seats.tallies {
        let counted = counted.remove(product).unwrap_or_default();
        let kept: u64 = seats.reservations_of(product).map(|(_, reservation)| reservation.left()).sum();
        assert_eq!((tally.held, tally.workers, tally.borrowed), (counted.held, counted.workers, counted.borrowed));
        assert_eq!((tally.waiting, tally.held_back), (counted.waiting, kept), "{product}");
        assert!(tally.held == 0 || seats.types.contains_key(product), "what is held has its type");
    }
    assert!(counted.is_empty());
}

fn reservations(seats: &Seats) {
    for ((product, principal), reservation) in &seats.reservations {
        let on_it = |of: &&std::sync::Arc<quartermaster::domain::seat::Session>| {
            of.product == *product && of.reservation.as_ref() == Some(principal)
        };
        assert_eq!(reservation.used, seats.sessions.values().filter(on_it).count() as u64);
        assert!(reservation.seats > 0 || reservation.used > 0, "no leftovers");
    }
}

fn indexes(seats: &Seats) {
    let both = seats.sessions.len() + seats.places.len();
    assert!(seats.sessions.keys().all(|id| !seats.places.contains_key(id)), "a seat is held or waited for");
    assert_eq!((seats.of_user.len(), seats.deadlines.len()), (both, both));
    assert_eq!(seats.line.len(), seats.places.len());
    assert_eq!(seats.per_user.values().map(|count| *count as usize).sum::<usize>(), both);
    assert_eq!(seats.per_address.values().map(|count| *count as usize).sum::<usize>(), both);
    let may_use: usize = seats.places.values().map(|place| place.principals.len()).sum();
    assert_eq!(seats.line_of.len(), may_use);
    assert!(seats.sessions.keys().chain(seats.places.keys()).all(|id| *id <= seats.last));
}

/// S5: a session's token lives exactly as long as the session, and both end at the same moment.
fn tokens(state: &State) {
    let of_seats = state.tokens.values().filter(|token| token.kind == TokenKind::Seat).count();
    let with_token = state.seats.sessions.values().filter(|session| session.token.is_some()).count();
    assert_eq!((of_seats, state.seats.tokens.len()), (with_token, with_token));
    for (token, id) in &state.seats.tokens {
        let session = &state.seats.sessions[id];
        let token = &state.tokens[token];
        assert_eq!((token.expires, &token.user, session.token), (session.ends, &session.user, Some(token.id)));
    }
}
