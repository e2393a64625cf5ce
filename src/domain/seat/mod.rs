//! Seats: taken and given back, never more than were bought (S1-S7); the words, the commands, the limits.
//!
//! A seat type's name (`product`) is what licenses call it. A session holds one seat and perhaps workers until it is
//! returned or its lease ends; whoever finds none may wait in line. Nothing here loops over all sessions: every question
//! has its index (docs/adr/0040).

mod checkout;
pub mod event;
mod fold;
pub mod history;
mod lease;
pub mod queue;
pub mod rules;
pub mod state;
pub mod types;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::intent::{CommandKind, Intent};
use super::name::{Hash, Name, Set};
use super::refusal::Refusal;
use super::state::State;
use super::time::{Moment, Stamp};
use rules::{ChangeSeatRules, Principal};

pub(super) use fold::{day_closed, evolve, tokens_ended, user_gone};
pub(super) use lease::due;
pub(super) use queue::grants;

/// Most sessions at a time in the cluster: a quarter of a million are about 150 MB.
pub const SESSIONS: usize = 250_000;
/// Most sessions and places of one user: deleting a user ends them all at once.
pub const SEATS_PER_USER: usize = 1_000;
/// Most clients that wait for one seat type: longer lines are never served in a day's work.
pub const QUEUE: u64 = 20_000;
/// Most seat types: each license change works out those that it names.
pub const TYPES: usize = 1_000;
/// Most seats, and most workers, that one license grants of a type: sums over all licenses stay far within 64 bits.
pub const SEATS_PER_TERM: u64 = 1_000_000_000;

/// What somebody does when fewer workers are free than were asked for (decision 21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overask {
    /// Takes what there is, at least one.
    Clamp,
    /// Rather has none.
    Refuse,
}

/// Asks for a seat and workers, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// Which type; `None`: the first one listed.
    pub product: Option<Name>,
    /// How many workers; `None`: one, or the type's fixed number.
    pub workers: Option<u64>,
    /// What becomes of it when fewer are free.
    pub over: Overask,
    /// SHA-256 of a fresh token that shall be good as long as the session lives; `None`: no token is wanted.
    pub hash: Option<Hash>,
    /// Whether to wait in line when none is free.
    pub queue: bool,
    /// The address that asks.
    pub address: Name,
    /// What the client calls itself, such as a host or a job; may be empty.
    pub client: Name,
}

/// What can be asked about seats. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeatCommand {
    /// Takes a seat, or a place in line. Repeated with the same idempotency key it answers the same seat, with the fresh
    /// token in place of the first.
    Checkout(Checkout),
    /// Keeps one's own session, or one's place in line, for another lease.
    Beat {
        /// [`Session::id`] or [`Place::id`]
        id: u64,
    },
    /// Gives one's own session a token, in place of the one it had: how a client gets the seat that came up in line.
    Claim {
        /// [`Session::id`]
        id: u64,
        /// SHA-256 of the token.
        hash: Hash,
    },
    /// Gives back one's own seat, or leaves the line.
    Return {
        /// [`Session::id`] or [`Place::id`]
        id: u64,
    },
    /// Takes anybody's seat or place away ([`super::user::Right::ManageSeats`]).
    Release {
        /// [`Session::id`] or [`Place::id`]
        id: u64,
        /// Also a borrowed one, whose holder works offline and will go on doing so until its proof ends.
        even_borrowed: bool,
    },
    /// Keeps one's own seat for offline use until an absolute end.
    Borrow {
        /// [`Session::id`]
        id: u64,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// Keeps seats of a type for a user or a group, from now on; 0 ends it.
    Reserve {
        /// The type.
        product: Name,
        /// For whom.
        principal: Principal,
        /// How many.
        seats: u64,
    },
    /// Changes who may have how much of a type; absent fields stay.
    SetRules {
        /// The type.
        product: Name,
        /// What changes.
        changes: Box<ChangeSeatRules>,
    },
}

impl SeatCommand {
    /// The kind of record that answers it.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            SeatCommand::Checkout(_) => CommandKind::TakeSeat,
            SeatCommand::Beat { .. } => CommandKind::KeepSeat,
            SeatCommand::Claim { .. } => CommandKind::ClaimSeat,
            SeatCommand::Return { .. } => CommandKind::ReturnSeat,
            SeatCommand::Release { .. } => CommandKind::ReleaseSeat,
            SeatCommand::Borrow { .. } => CommandKind::BorrowSeat,
            SeatCommand::Reserve { .. } => CommandKind::ReserveSeats,
            SeatCommand::SetRules { .. } => CommandKind::SetSeatRules,
        }
    }
}

/// A held seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Counts up within the cluster, with places in line.
    pub id: u64,
    /// The seat's type.
    pub product: Name,
    /// Who holds it.
    pub user: Name,
    /// From which address it was taken.
    pub address: Name,
    /// What the client calls itself.
    pub client: Name,
    /// How many workers came with it.
    pub workers: u64,
    /// Whose reservation it counts on; `None`: nobody's.
    pub reservation: Option<Principal>,
    /// Since when it is held.
    pub since: Moment,
    /// How long it was waited for.
    pub waited_ms: u64,
    /// When its client was last heard of.
    pub beat: Moment,
    /// When it ends unless it is heard of again; for a borrowed one its absolute end.
    pub ends: Moment,
    /// Whether it was taken along for offline use.
    pub borrowed: bool,
    /// The id of its token.
    pub token: Option<u64>,
}

/// How many workers a checkout is content with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Not fewer.
    pub least: u64,
    /// Not more.
    pub most: u64,
}

/// A place in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Counts up within the cluster; the session that comes of it has the same.
    pub id: u64,
    /// The type that is waited for.
    pub product: Name,
    /// Who waits.
    pub user: Name,
    /// From which address.
    pub address: Name,
    /// What the client calls itself.
    pub client: Name,
    /// Workers.
    pub need: Need,
    /// Who goes first: lower is earlier; within a rank the lower id.
    pub rank: u8,
    /// Whose reservations it may use, as of when it began to wait.
    pub principals: Vec<Principal>,
    /// Since when.
    pub since: Moment,
    /// When the place is lost unless its client asks again.
    pub ends: Moment,
}

/// Decides what is asked about seats.
pub(super) fn decide(
    state: &State,
    stamp: &Stamp,
    intent: &Intent,
    command: &SeatCommand,
) -> Result<Vec<Event>, Refusal> {
    let actor = &intent.actor;
    let event = match command {
        SeatCommand::Checkout(checkout) => checkout::decide(state, intent, checkout)?,
        SeatCommand::Beat { id } => match lease::beat(state, actor, *id)? {
            Some(event) => event,
            None => return Ok(vec![]),
        },
        SeatCommand::Claim { id, hash } => lease::claim(state, actor, *id, *hash)?,
        SeatCommand::Return { id } => lease::give_back(state, actor, *id)?,
        SeatCommand::Release { id, even_borrowed } => lease::release(state, *id, *even_borrowed)?,
        SeatCommand::Borrow { id, for_ms } => lease::borrow(state, stamp, actor, *id, *for_ms)?,
        SeatCommand::Reserve { product, principal, seats } => {
            return rules::reserve(state, product, principal, *seats);
        }
        SeatCommand::SetRules { product, changes } => return rules::change(state, product, changes),
    };
    Ok(vec![Event::Seat(event)])
}

/// Whose lists, limits and reservations hold for a user: its own, and its groups'.
#[must_use]
pub fn principals(state: &State, user: &Name) -> Vec<Principal> {
    let groups = state.groups_of.get(user).into_iter().flatten().cloned().map(Principal::Group);
    std::iter::once(Principal::User(user.clone())).chain(groups).collect()
}

/// The names that two sets have in common: whether there is any.
fn any_of(set: &Set<Principal>, who: &[Principal]) -> bool {
    who.iter().any(|principal| set.contains(principal))
}
