//! Keeping, claiming, borrowing and giving back what was taken.

use super::event::{EndCause, SeatEvent};
use super::{Place, Session};
use crate::domain::name::Hash;
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::domain::time::Stamp;
use crate::domain::user::Actor;

/// What an id stands for now. What is overdue counts as ended before its turn.
enum Held<'a> {
    Session(&'a Session),
    Place(&'a Place),
}

fn held(state: &State, id: u64) -> Result<Held<'_>, Refusal> {
    let seats = &*state.seats;
    let session = seats.sessions.get(&id).map(|session| Held::Session(session));
    let found = session.or_else(|| seats.places.get(&id).map(|place| Held::Place(place)));
    let alive = found.filter(|held| {
        let ends = match held {
            Held::Session(session) => session.ends,
            Held::Place(place) => place.ends,
        };
        ends > state.now
    });
    alive.ok_or(if (1..=seats.last).contains(&id) { Refusal::SeatEnded { id } } else { Refusal::NoSuchSeat { id } })
}

/// What an id stands for, if it is the actor's own.
fn own<'a>(state: &'a State, actor: &Actor, id: u64) -> Result<Held<'a>, Refusal> {
    let held = held(state, id)?;
    let user = match &held {
        Held::Session(session) => &session.user,
        Held::Place(place) => &place.user,
    };
    if *user == actor.user { Ok(held) } else { Err(Refusal::NotYourSeat { id }) }
}

/// Keeps a session or a place for another lease. A borrowed seat needs no beat.
pub(super) fn beat(state: &State, actor: &Actor, id: u64) -> Result<Option<SeatEvent>, Refusal> {
    let held = own(state, actor, id)?;
    let until = match held {
        Held::Session(session) if session.borrowed => return Ok(None),
        Held::Session(session) => state.now.plus_ms(state.seats.rules_of(&session.product).lease_ms),
        Held::Place(place) => state.now.plus_ms(state.seats.rules_of(&place.product).place_ms),
    };
    Ok(Some(SeatEvent::Kept { id, until }))
}

/// A checkout that was asked before: the same seat with the fresh token, or the same place in line.
pub(super) fn again(state: &State, actor: &Actor, id: u64, hash: Option<Hash>) -> Result<SeatEvent, Refusal> {
    match (own(state, actor, id)?, hash) {
        (Held::Session(_), Some(hash)) => claim(state, actor, id, hash),
        (Held::Session(session), None) => {
            Ok(SeatEvent::Kept { id, until: session.ends.max(lease_end(state, session)) })
        }
        (Held::Place(place), _) => {
            let until = state.now.plus_ms(state.seats.rules_of(&place.product).place_ms);
            Ok(SeatEvent::Kept { id, until })
        }
    }
}

fn lease_end(state: &State, session: &Session) -> crate::domain::time::Moment {
    state.now.plus_ms(state.seats.rules_of(&session.product).lease_ms)
}

/// Gives a session a token in place of the one it had (S3: never one that was issued before).
pub(super) fn claim(state: &State, actor: &Actor, id: u64, hash: Hash) -> Result<SeatEvent, Refusal> {
    let Held::Session(session) = own(state, actor, id)? else { return Err(Refusal::SeatNotGranted { id }) };
    let before = session.token.and_then(|token| state.tokens.get(&token));
    let same = before.is_some_and(|token| token.hash == hash);
    if !same && state.token_hashes.contains_key(&hash) {
        return Err(Refusal::BadName { what: "token hash".into(), name: "".into() });
    }
    let until = if session.borrowed { session.ends } else { lease_end(state, session) };
    let (token, version) = match before {
        Some(token) if same => (token.id, token.version),
        Some(token) => (token.id, token.version + 1),
        None => (state.next_token, 1),
    };
    Ok(SeatEvent::Claimed { id, token, version, hash, until })
}

/// Gives back one's own.
pub(super) fn give_back(state: &State, actor: &Actor, id: u64) -> Result<SeatEvent, Refusal> {
    own(state, actor, id)?;
    Ok(SeatEvent::Ended { ids: vec![id], cause: EndCause::Returned })
}

/// Takes anybody's away.
pub(super) fn release(state: &State, id: u64, even_borrowed: bool) -> Result<SeatEvent, Refusal> {
    match held(state, id)? {
        Held::Session(session) if session.borrowed && !even_borrowed => {
            Err(Refusal::SeatIsBorrowed { id, user: session.user.clone(), until: session.ends })
        }
        Held::Session(_) | Held::Place(_) => Ok(SeatEvent::Ended { ids: vec![id], cause: EndCause::Released }),
    }
}

/// Borrows: the seat stays taken until an absolute end, however long its client is away, but not beyond its licenses.
pub(super) fn borrow(state: &State, stamp: &Stamp, actor: &Actor, id: u64, for_ms: u64) -> Result<SeatEvent, Refusal> {
    let Held::Session(session) = own(state, actor, id)? else { return Err(Refusal::SeatNotGranted { id }) };
    let product = &session.product;
    let rules = state.seats.rules_of(product);
    let borrowed = state.seats.tally(product).borrowed;
    if !session.borrowed && borrowed >= rules.borrow_seats {
        return Err(Refusal::BorrowBeyondLimit { product: product.clone(), borrowed, limit: rules.borrow_seats });
    }
    crate::domain::name::check_range("for_ms", for_ms, 1_000, rules.borrow_ms)?;
    let kind = state.seats.types.get(product).filter(|kind| kind.count > 0);
    let Some(kind) = kind else {
        let expired = state.seats.types.get(product).map_or(stamp.at, |kind| kind.expires);
        return Err(Refusal::SeatTypeExpired { product: product.clone(), expired });
    };
    Ok(SeatEvent::Borrowed { id, until: stamp.at.plus_ms(for_ms).min(kind.expires) })
}

/// Sessions and places whose time has passed, at most `budget`.
pub(in crate::domain) fn due(state: &State, at: crate::domain::time::Moment, budget: usize) -> Option<SeatEvent> {
    let due = state.seats.deadlines.iter().take_while(|due| due.0 <= at).take(budget);
    let ids: Vec<u64> = due.map(|due| due.1).collect();
    (!ids.is_empty()).then_some(SeatEvent::Ended { ids, cause: EndCause::LeaseEnded })
}
