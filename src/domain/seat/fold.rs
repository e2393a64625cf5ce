//! Folding facts about seats. Never refuses: the decision was taken when the event was written.

use std::sync::Arc;

use super::event::{EndCause, SeatEvent};
use super::rules::Principal;
use super::state::Seats;
use super::{Place, Session, history, queue};
use crate::domain::name::{Hash, Map, Name};
use crate::domain::state::State;
use crate::domain::time::{Day, Moment};
use crate::domain::user::{Token, TokenKind};
use crate::domain::{account, work};

/// How many ends the average pace looks back at, roughly.
const PACE: u64 = 8;

/// Folds a fact into the state: seats, and the tokens that live and end with them.
pub(in crate::domain) fn evolve(state: &mut State, event: &SeatEvent) {
    if let SeatEvent::Ended { ids, .. } = event {
        work::sessions_gone(state, ids);
    }
    match event {
        SeatEvent::Taken { session, hash } => put_token(state, session, 1, *hash),
        SeatEvent::Claimed { id, token, version, hash, until } => {
            if let Some(session) = state.seats.sessions.get(id) {
                let session = Session { token: Some(*token), ends: *until, ..(**session).clone() };
                put_token(state, &session, *version, Some(*hash));
            }
        }
        SeatEvent::Kept { id, until } | SeatEvent::Borrowed { id, until } => {
            let token = state.seats.sessions.get(id).and_then(|session| state.tokens.get(&session.token?)).cloned();
            if let Some(token) = token {
                account::token_put(state, &Token { expires: *until, ..token });
            }
        }
        SeatEvent::Ended { ids, .. } => {
            let sessions = ids.iter().filter_map(|id| state.seats.sessions.get(id));
            let tokens: Vec<u64> = sessions.filter_map(|session| session.token).collect();
            account::tokens_ended(state, &tokens);
        }
        SeatEvent::Queued { .. } | SeatEvent::Reserved { .. } | SeatEvent::RulesSet { .. } => {}
    }
    let (now, today) = (state.now, state.calendar.today);
    fold(Arc::make_mut(&mut state.seats), event, now, today);
}

fn put_token(state: &mut State, session: &Session, version: u32, hash: Option<Hash>) {
    let (Some(id), Some(hash)) = (session.token, hash) else { return };
    let token = Token {
        id,
        version,
        user: session.user.clone(),
        hash,
        kind: TokenKind::Seat,
        label: session.product.clone(),
        created: state.now,
        expires: session.ends,
    };
    account::token_put(state, &token);
}

/// Sessions whose tokens were revoked end with them.
pub(in crate::domain) fn tokens_ended(state: &mut State, tokens: &[u64]) {
    let ids: Vec<u64> = tokens.iter().filter_map(|token| state.seats.tokens.get(token).copied()).collect();
    if !ids.is_empty() {
        evolve(state, &SeatEvent::Ended { ids, cause: EndCause::CredentialEnded });
    }
}

/// Whatever a deleted user held or waited for is free.
pub(in crate::domain) fn user_gone(state: &mut State, user: &Name) {
    let ids: Vec<u64> = state.seats.ids_of_user(user).collect();
    if !ids.is_empty() {
        evolve(state, &SeatEvent::Ended { ids, cause: EndCause::HolderGone });
    }
}

/// A day ended: its entries stay, those of too long ago go.
pub(in crate::domain) fn day_closed(state: &mut State, today: Day) {
    if !state.seats.days.is_empty() {
        history::forget(Arc::make_mut(&mut state.seats), today);
    }
}

/// Folds a fact into the seats alone: what a draft needs to look ahead.
pub(super) fn fold(seats: &mut Seats, event: &SeatEvent, now: Moment, today: Day) {
    match event {
        SeatEvent::Taken { session, .. } => taken(seats, session, today),
        SeatEvent::Queued { place } => queued(seats, place, today),
        SeatEvent::Kept { id, until } => kept(seats, *id, *until, now, today),
        SeatEvent::Claimed { id, token, until, .. } => {
            kept(seats, *id, *until, now, today);
            if let Some(session) = seats.sessions.get_mut(id) {
                Arc::make_mut(session).token = Some(*token);
                seats.tokens.insert(*token, *id);
            }
        }
        SeatEvent::Ended { ids, cause } => {
            for id in ids {
                ended(seats, *id, *cause, now, today);
            }
        }
        SeatEvent::Borrowed { id, until } => borrowed(seats, *id, *until, now, today),
        SeatEvent::Reserved { product, principal, seats: kept } => reserved(seats, product, principal, *kept),
        SeatEvent::RulesSet { product, rules } => {
            seats.rules.insert(product.clone(), Arc::new((**rules).clone()));
        }
    }
}

fn taken(seats: &mut Seats, session: &Session, today: Day) {
    let product = &session.product;
    let from_line = seats.places.get(&session.id).cloned();
    match &from_line {
        Some(place) => leave_line(seats, place),
        None => count_in(seats, &session.user, product, &session.address, session.id),
    }
    let tally = seats.tallies.entry(product.clone()).or_default();
    tally.held += 1;
    tally.workers += session.workers;
    if let Some(principal) = &session.reservation
        && let Some(reservation) = seats.reservations.get_mut(&(product.clone(), principal.clone()))
    {
        let before = reservation.left();
        reservation.used += 1;
        tally.held_back -= before - reservation.left();
    }
    if let Some(token) = session.token {
        seats.tokens.insert(token, session.id);
    }
    seats.last = seats.last.max(session.id);
    seats.deadlines.insert((session.ends, session.id));
    seats.sessions.insert(session.id, Arc::new(session.clone()));
    let day = history::on(seats, today, product);
    if from_line.is_some() {
        day.served += 1;
        day.waited_ms = day.waited_ms.saturating_add(session.waited_ms);
    } else {
        day.granted += 1;
    }
    settle(seats, product);
}

fn queued(seats: &mut Seats, place: &Place, today: Day) {
    let (product, id) = (&place.product, place.id);
    count_in(seats, &place.user, product, &place.address, id);
    seats.line.insert((product.clone(), place.rank, id));
    for principal in &place.principals {
        seats.line_of.insert((product.clone(), principal.clone(), place.rank, id));
    }
    seats.tallies.entry(product.clone()).or_default().waiting += 1;
    seats.last = seats.last.max(id);
    seats.deadlines.insert((place.ends, id));
    seats.places.insert(id, Arc::new(place.clone()));
    history::on(seats, today, product).queued += 1;
    settle(seats, product);
}

fn leave_line(seats: &mut Seats, place: &Place) {
    let (product, id) = (&place.product, place.id);
    seats.places.remove(&id);
    seats.deadlines.remove(&(place.ends, id));
    seats.line.remove(&(product.clone(), place.rank, id));
    for principal in &place.principals {
        seats.line_of.remove(&(product.clone(), principal.clone(), place.rank, id));
    }
    seats.tallies.entry(product.clone()).or_default().waiting -= 1;
}

fn kept(seats: &mut Seats, id: u64, until: Moment, now: Moment, today: Day) {
    if let Some(session) = seats.sessions.get_mut(&id) {
        seats.deadlines.remove(&(session.ends, id));
        let session = Arc::make_mut(session);
        session.beat = now;
        session.ends = until;
        let product = session.product.clone();
        history::on(seats, today, &product);
    } else if let Some(place) = seats.places.get_mut(&id) {
        seats.deadlines.remove(&(place.ends, id));
        Arc::make_mut(place).ends = until;
    } else {
        return;
    }
    seats.deadlines.insert((until, id));
}

fn borrowed(seats: &mut Seats, id: u64, until: Moment, now: Moment, today: Day) {
    kept(seats, id, until, now, today);
    let Some(session) = seats.sessions.get_mut(&id) else { return };
    let first = !session.borrowed;
    Arc::make_mut(session).borrowed = true;
    let product = session.product.clone();
    if first {
        seats.tallies.entry(product.clone()).or_default().borrowed += 1;
    }
    history::on(seats, today, &product).borrowed += 1;
}

fn ended(seats: &mut Seats, id: u64, cause: EndCause, now: Moment, today: Day) {
    if let Some(place) = seats.places.get(&id).cloned() {
        leave_line(seats, &place);
        count_out(seats, &place.user, &place.product, &place.address, id);
        history::on(seats, today, &place.product).unserved += 1;
        forget_unlicensed(seats, &place.product);
        settle(seats, &place.product);
        return;
    }
    let Some(session) = seats.sessions.remove(&id) else { return };
    let product = &session.product;
    seats.deadlines.remove(&(session.ends, id));
    if let Some(token) = session.token {
        seats.tokens.remove(&token);
    }
    count_out(seats, &session.user, product, &session.address, id);
    let day = history::on(seats, today, product);
    history::ended(day, cause, now.0.saturating_sub(session.since.0));
    let tally = seats.tallies.entry(product.clone()).or_default();
    tally.held -= 1;
    tally.workers -= session.workers;
    tally.borrowed -= u64::from(session.borrowed);
    let gap = now.0.saturating_sub(tally.last_freed.0);
    let known = tally.last_freed != Moment(0);
    tally.pace_ms = match (known, tally.pace_ms) {
        (false, _) => 0,
        (true, 0) => gap.max(1),
        (true, pace) => (pace.saturating_mul(PACE - 1).saturating_add(gap) / PACE).max(1),
    };
    tally.last_freed = now;
    give_up_reservation(seats, &session);
    forget_unlicensed(seats, product);
    settle(seats, product);
}

fn give_up_reservation(seats: &mut Seats, session: &Session) {
    let Some(principal) = &session.reservation else { return };
    let key = (session.product.clone(), principal.clone());
    let Some(reservation) = seats.reservations.get_mut(&key) else { return };
    let before = reservation.left();
    reservation.used -= 1;
    seats.tallies.entry(session.product.clone()).or_default().held_back += reservation.left() - before;
    if reservation.seats == 0 && reservation.used == 0 {
        seats.reservations.remove(&key);
    }
}

fn reserved(seats: &mut Seats, product: &Name, principal: &Principal, kept: u64) {
    let key = (product.clone(), principal.clone());
    let reservation = seats.reservations.entry(key.clone()).or_default();
    let before = reservation.left();
    reservation.seats = kept;
    let (after, gone) = (reservation.left(), kept == 0 && reservation.used == 0);
    if gone {
        seats.reservations.remove(&key);
    }
    let tally = seats.tallies.entry(product.clone()).or_default();
    tally.held_back = tally.held_back + after - before;
    settle(seats, product);
}

/// A type that no license names is gone with its last session and place.
pub(super) fn forget_unlicensed(seats: &mut Seats, product: &Name) {
    let tally = seats.tally(product);
    let unlicensed = seats.types.get(product).is_some_and(|kind| !kind.licensed);
    if unlicensed && tally.held == 0 && tally.waiting == 0 {
        seats.types.remove(product);
    }
}

/// Notes whether a type's line can move on.
pub(super) fn settle(seats: &mut Seats, product: &Name) {
    let can = seats.tally(product).waiting > 0 && queue::next(seats, product, Moment(0)).is_some();
    if can {
        seats.ready.insert(product.clone());
    } else {
        seats.ready.remove(product);
    }
}

pub(super) fn count_in(seats: &mut Seats, user: &Name, product: &Name, address: &Name, id: u64) {
    seats.of_user.insert((user.clone(), id));
    let mine = seats.per_user.entry((user.clone(), product.clone())).or_default();
    *mine += 1;
    if *mine == 1 {
        *seats.users_of.entry(product.clone()).or_default() += 1;
    }
    *seats.per_address.entry((product.clone(), address.clone())).or_default() += 1;
}

fn count_out(seats: &mut Seats, user: &Name, product: &Name, address: &Name, id: u64) {
    seats.of_user.remove(&(user.clone(), id));
    if one_less(&mut seats.per_user, (user.clone(), product.clone())) {
        let users = seats.users_of.get(product).map_or(0, |users| users.saturating_sub(1));
        if users == 0 {
            seats.users_of.remove(product);
        } else {
            seats.users_of.insert(product.clone(), users);
        }
    }
    one_less(&mut seats.per_address, (product.clone(), address.clone()));
}

/// Counts one down; whether it was the last.
fn one_less(counts: &mut Map<(Name, Name), u32>, key: (Name, Name)) -> bool {
    let Some(count) = counts.get_mut(&key) else { return false };
    *count -= 1;
    let last = *count == 0;
    if last {
        counts.remove(&key);
    }
    last
}

impl Seats {
    /// Puts a session of a checkpoint back, with what follows from it.
    pub(in crate::domain) fn load_session(&mut self, session: Arc<Session>) {
        count_in(self, &session.user, &session.product, &session.address, session.id);
        self.deadlines.insert((session.ends, session.id));
        if let Some(token) = session.token {
            self.tokens.insert(token, session.id);
        }
        self.sessions.insert(session.id, session);
    }

    /// All chunks of a checkpoint are back: works out which lines can move on.
    pub(in crate::domain) fn loaded(&mut self) {
        let waited_for: Vec<Name> =
            self.tallies.iter().filter(|(_, tally)| tally.waiting > 0).map(|(name, _)| name.clone()).collect();
        for product in &waited_for {
            settle(self, product);
        }
    }

    /// Puts a place of a checkpoint back, with what follows from it.
    pub(in crate::domain) fn load_place(&mut self, place: Arc<Place>) {
        count_in(self, &place.user, &place.product, &place.address, place.id);
        self.deadlines.insert((place.ends, place.id));
        self.line.insert((place.product.clone(), place.rank, place.id));
        for principal in &place.principals {
            self.line_of.insert((place.product.clone(), principal.clone(), place.rank, place.id));
        }
        self.places.insert(place.id, place);
    }
}
