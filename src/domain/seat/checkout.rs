//! Taking a seat: one decision over seats, workers, reservations, lists and limits, so that no two nodes give the last one
//! twice.

use super::event::SeatEvent;
use super::rules::{Principal, SeatRules};
use super::state::Seats;
use super::types::SeatType;
use super::{
    Checkout, Need, Overask, Place, QUEUE, SEATS_PER_TERM, SEATS_PER_USER, SESSIONS, Session, lease, principals,
};
use crate::domain::account::TOKENS;
use crate::domain::intent::Intent;
use crate::domain::memory;
use crate::domain::name::{Hash, NAME_CHARS, Name, check_range, check_text};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::domain::work;

/// Room for one more: how many workers, and on whose reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) workers: u64,
    pub(super) reservation: Option<Principal>,
}

/// Takes a seat or a place in line, or says why not.
pub(super) fn decide(state: &State, intent: &Intent, wanted: &Checkout) -> Result<SeatEvent, Refusal> {
    check_text("address", &wanted.address, NAME_CHARS)?;
    check_text("client", &wanted.client, NAME_CHARS)?;
    if let Some(id) = asked_before(state, intent, wanted) {
        return lease::again(state, &intent.actor, id, wanted.hash);
    }
    let seats = &*state.seats;
    let kind = kind_of(seats, wanted.product.as_ref())?;
    let (product, user) = (&kind.name, &intent.actor.user);
    let (who, rules) = (principals(state, user), seats.rules_of(product));
    if kind.count == 0 {
        return Err(Refusal::SeatTypeExpired { product: product.clone(), expired: kind.expires });
    }
    check_hash(state, wanted.hash)?;
    check_limits(seats, &rules, product, user, &wanted.address)?;
    work::limits::check_user(state, product, user)?;
    if !rules.admits(&who) {
        return Err(Refusal::SeatNotAllowed { product: product.clone(), user: user.clone() });
    }
    let need = need_of(kind, wanted)?;
    let rank = rules.rank(&who);
    let room = room_beside_line(seats, kind, &who, need, rank);
    let id = seats.last + 1;
    let (product, user) = (product.clone(), user.clone());
    let (address, client) = (wanted.address.clone(), wanted.client.clone());
    match room {
        Ok(Room { workers, reservation }) => {
            let session = Session {
                id,
                product,
                user,
                address,
                client,
                workers,
                reservation,
                since: state.now,
                waited_ms: 0,
                beat: state.now,
                ends: state.now.plus_ms(rules.lease_ms),
                borrowed: false,
                token: wanted.hash.map(|_| state.next_token),
            };
            Ok(SeatEvent::Taken { session: Box::new(session), hash: wanted.hash })
        }
        Err(refusal) if !wanted.queue || need.least > kind.workers => Err(refusal),
        Err(_) if seats.tally(&product).waiting >= QUEUE => {
            Err(Refusal::TooMany { what: "clients in line for one type".into(), limit: QUEUE })
        }
        Err(_) => {
            let ends = state.now.plus_ms(rules.place_ms);
            let since = state.now;
            let place = Place { id, product, user, address, client, need, rank, principals: who, since, ends };
            Ok(SeatEvent::Queued { place: Box::new(place) })
        }
    }
}

/// The session or place that this very request was answered with before: by its key, or, when a node proposes it again
/// after the memory of intents has let it go, by its token.
fn asked_before(state: &State, intent: &Intent, wanted: &Checkout) -> Option<u64> {
    memory::token_of_key(state, intent).or_else(|| {
        let token = state.token_hashes.get(&wanted.hash?)?;
        state.seats.tokens.get(token).copied()
    })
}

/// A token is issued once in the cluster's life (S3).
fn check_hash(state: &State, hash: Option<Hash>) -> Result<(), Refusal> {
    if hash.is_some_and(|hash| state.token_hashes.contains_key(&hash)) {
        return Err(Refusal::BadName { what: "token hash".into(), name: Name::default() });
    }
    if hash.is_some() && state.tokens.len() >= TOKENS {
        return Err(Refusal::TooMany { what: "tokens".into(), limit: TOKENS as u64 });
    }
    Ok(())
}

/// The type that is asked for; without a name the first one.
fn kind_of<'a>(seats: &'a Seats, product: Option<&Name>) -> Result<&'a SeatType, Refusal> {
    let found = match product {
        Some(product) => seats.types.get(product),
        None => seats.types.get_min().map(|(_, kind)| kind),
    };
    found.ok_or_else(|| {
        let product: Name =
            product.map_or_else(Name::default, |name| name.chars().take(NAME_CHARS).collect::<String>().into());
        Refusal::NoSuchSeatType { product }
    })
}

fn check_limits(seats: &Seats, rules: &SeatRules, product: &Name, user: &Name, address: &Name) -> Result<(), Refusal> {
    if seats.sessions.len() + seats.places.len() >= SESSIONS {
        return Err(Refusal::TooMany { what: "sessions".into(), limit: SESSIONS as u64 });
    }
    if seats.count_of_user(user) >= SEATS_PER_USER {
        return Err(Refusal::TooMany { what: "seats and places of one user".into(), limit: SEATS_PER_USER as u64 });
    }
    let has = seats.per_user.get(&(user.clone(), product.clone())).copied().unwrap_or(0);
    if let Some(limit) = rules.per_user.filter(|limit| has >= *limit) {
        return Err(Refusal::SeatsPerUser { product: product.clone(), user: user.clone(), limit });
    }
    let has = seats.per_address.get(&(product.clone(), address.clone())).copied().unwrap_or(0);
    match rules.per_address.filter(|limit| has >= *limit) {
        Some(limit) => Err(Refusal::SeatsPerAddress { product: product.clone(), address: address.clone(), limit }),
        None => Ok(()),
    }
}

/// How many workers a checkout is content with (S2): a type without any gives none, one with a fixed number gives that.
fn need_of(kind: &SeatType, wanted: &Checkout) -> Result<Need, Refusal> {
    if let Some(asked) = wanted.workers {
        check_range("workers", asked, u64::from(kind.workers > 0), SEATS_PER_TERM)?;
    }
    let asked = wanted.workers.unwrap_or(u64::from(kind.workers > 0));
    if kind.workers > 0 && !kind.can_choose_workers {
        let fixed = kind.fixed_workers();
        return Ok(Need { least: fixed, most: fixed });
    }
    let least = match wanted.over {
        Overask::Clamp => asked.min(u64::from(kind.workers > 0)),
        Overask::Refuse => asked,
    };
    Ok(Need { least, most: asked.min(kind.workers.max(least)) })
}

/// Room for a newcomer: never a seat that somebody in line has a better claim to.
fn room_beside_line(seats: &Seats, kind: &SeatType, who: &[Principal], need: Need, rank: u8) -> Result<Room, Refusal> {
    let room = room(seats, kind, who, need)?;
    let first = match &room.reservation {
        Some(principal) => seats
            .line_of
            .get_next(&(kind.name.clone(), principal.clone(), 0, 0))
            .filter(|(product, of, ..)| *product == kind.name && of == principal)
            .map(|(.., rank, _)| *rank),
        None => seats
            .line
            .get_next(&(kind.name.clone(), 0, 0))
            .filter(|(product, ..)| *product == kind.name)
            .map(|(_, rank, _)| *rank),
    };
    match first {
        Some(ahead) if ahead <= rank => Err(no_seat(seats, kind)),
        Some(_) | None => Ok(room),
    }
}

/// Room for one more of a type (S1): a seat on a reservation of its own, or one that is kept for nobody; and its workers.
pub(super) fn room(seats: &Seats, kind: &SeatType, who: &[Principal], need: Need) -> Result<Room, Refusal> {
    let tally = seats.tally(&kind.name);
    if tally.held >= kind.count {
        return Err(no_seat(seats, kind));
    }
    let kept = who.iter().find(|principal| {
        let key = (kind.name.clone(), (*principal).clone());
        seats.reservations.get(&key).is_some_and(|reservation| reservation.left() > 0)
    });
    if kept.is_none() && kind.count - tally.held <= tally.held_back {
        return Err(no_seat(seats, kind));
    }
    let free = kind.workers.saturating_sub(tally.workers);
    if need.least > free {
        let product = kind.name.clone();
        return Err(Refusal::NoWorkersLeft { product, asked: need.most.max(need.least), free, workers: kind.workers });
    }
    Ok(Room { workers: need.most.min(free), reservation: kept.cloned() })
}

fn no_seat(seats: &Seats, kind: &SeatType) -> Refusal {
    let tally = seats.tally(&kind.name);
    Refusal::NoSeatLeft {
        product: kind.name.clone(),
        count: kind.count,
        held: tally.held,
        kept: tally.held_back,
        waiting: tally.waiting,
    }
}
