//! Who may have how much of a type: lists, limits, leases, reservations. An operator's choice, effective at once; nobody
//! who holds a seat is thrown out by it.

use serde::{Deserialize, Serialize};

use super::any_of;
use super::event::SeatEvent;
use crate::domain::event::Event;
use crate::domain::name::{Map, Name, Set, check_name, check_range};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;

/// How long a session lives without a beat when nobody says otherwise: what S6 asks for.
pub const LEASE_MS: u64 = 15 * 60_000;
/// How long a place in line is kept without a question, and a seat that came up there without an answer.
pub const PLACE_MS: u64 = 60_000;
/// Longest lease, and longest borrow: a license year and a day.
const MOST_MS: u64 = 366 * 24 * 3_600_000;
/// Shortest lease: a beat every third of it is still no load.
const LEAST_MS: u64 = 5_000;
/// How long a seat may be borrowed when nobody says otherwise: a week, as the field's default is.
const BORROW_MS: u64 = 7 * 24 * 3_600_000;
/// Most names in a list of a type's rules.
pub const LISTED: usize = 1_000;
/// Most reservations of one type: each change of what is free looks at them all.
pub const RESERVATIONS: usize = 256;

/// A user, or a group of users. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Principal {
    /// One user.
    User(Name),
    /// All users of a group.
    Group(Name),
}

impl Principal {
    /// What no principal comes before.
    #[must_use]
    pub fn first() -> Principal {
        Principal::User(Name::default())
    }

    /// Its name, without what kind it is.
    #[must_use]
    pub const fn name(&self) -> &Name {
        match self {
            Principal::User(name) | Principal::Group(name) => name,
        }
    }

    /// `user:ann` or `group:lab` as a principal; `None` when it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Principal> {
        match text.split_once(':')? {
            ("user", name) => Some(Principal::User(name.into())),
            ("group", name) => Some(Principal::Group(name.into())),
            _other => None,
        }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Principal::User(name) => write!(f, "user:{name}"),
            Principal::Group(name) => write!(f, "group:{name}"),
        }
    }
}

/// The rules of a seat type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatRules {
    /// Who may have seats; `None`: everybody with the right.
    pub allow: Option<Set<Principal>>,
    /// Who may not, whatever `allow` says.
    pub deny: Set<Principal>,
    /// Most seats and places of one user.
    pub per_user: Option<u32>,
    /// Most seats and places of one address.
    pub per_address: Option<u32>,
    /// Who waits before others: 1 to 255, the others have 0. The highest that a user's principals have counts.
    pub priorities: Map<Principal, u8>,
    /// How long a session lives without a beat, in milliseconds.
    pub lease_ms: u64,
    /// How long a place in line lives without a question, in milliseconds.
    pub place_ms: u64,
    /// Most seats that are borrowed at a time; 0: none may be.
    pub borrow_seats: u64,
    /// Longest borrow, in milliseconds.
    pub borrow_ms: u64,
}

impl Default for SeatRules {
    fn default() -> SeatRules {
        SeatRules {
            allow: None,
            deny: Set::new(),
            per_user: None,
            per_address: None,
            priorities: Map::new(),
            lease_ms: LEASE_MS,
            place_ms: PLACE_MS,
            borrow_seats: 0,
            borrow_ms: BORROW_MS,
        }
    }
}

impl SeatRules {
    /// Whether somebody may have seats.
    #[must_use]
    pub fn admits(&self, who: &[Principal]) -> bool {
        !any_of(&self.deny, who) && self.allow.as_ref().is_none_or(|allow| any_of(allow, who))
    }

    /// Where somebody stands in line: lower is earlier.
    #[must_use]
    pub fn rank(&self, who: &[Principal]) -> u8 {
        let priority = who.iter().filter_map(|principal| self.priorities.get(principal)).max().copied().unwrap_or(0);
        u8::MAX - priority
    }

    /// When a client should beat next: a third of the lease, less up to a tenth of it by its id, so that clients that
    /// came together do not beat together.
    #[must_use]
    pub const fn next_beat_ms(&self, id: u64) -> u64 {
        let spread = self.lease_ms / 10;
        let drawn = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        self.lease_ms / 3 - drawn % (spread + 1)
    }
}

/// What changes about a type's rules; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSeatRules {
    /// [`SeatRules::allow`]
    pub allow: Option<Option<Set<Principal>>>,
    /// [`SeatRules::deny`]
    pub deny: Option<Set<Principal>>,
    /// [`SeatRules::per_user`]
    pub per_user: Option<Option<u32>>,
    /// [`SeatRules::per_address`]
    pub per_address: Option<Option<u32>>,
    /// [`SeatRules::priorities`]
    pub priorities: Option<Map<Principal, u8>>,
    /// [`SeatRules::lease_ms`]
    pub lease_ms: Option<u64>,
    /// [`SeatRules::place_ms`]
    pub place_ms: Option<u64>,
    /// [`SeatRules::borrow_seats`]
    pub borrow_seats: Option<u64>,
    /// [`SeatRules::borrow_ms`]
    pub borrow_ms: Option<u64>,
}

/// Changes what is given; no change, no event.
pub(super) fn change(state: &State, product: &Name, changes: &ChangeSeatRules) -> Result<Vec<Event>, Refusal> {
    known(state, product)?;
    let now = state.seats.rules_of(product);
    let changes = changes.clone();
    let rules = SeatRules {
        allow: changes.allow.unwrap_or_else(|| now.allow.clone()),
        deny: changes.deny.unwrap_or_else(|| now.deny.clone()),
        per_user: changes.per_user.unwrap_or(now.per_user),
        per_address: changes.per_address.unwrap_or(now.per_address),
        priorities: changes.priorities.unwrap_or_else(|| now.priorities.clone()),
        lease_ms: changes.lease_ms.unwrap_or(now.lease_ms),
        place_ms: changes.place_ms.unwrap_or(now.place_ms),
        borrow_seats: changes.borrow_seats.unwrap_or(now.borrow_seats),
        borrow_ms: changes.borrow_ms.unwrap_or(now.borrow_ms),
    };
    check(&rules)?;
    let event = SeatEvent::RulesSet { product: product.clone(), rules: Box::new(rules.clone()) };
    Ok(if rules == *now { vec![] } else { vec![Event::Seat(event)] })
}

fn check(rules: &SeatRules) -> Result<(), Refusal> {
    let listed = rules.allow.iter().flatten().chain(&rules.deny).chain(rules.priorities.keys());
    let mut count = 0;
    for principal in listed {
        check_name("user or group", principal.name())?;
        count += 1;
    }
    check_range("names in the lists", count, 0, LISTED as u64)?;
    check_range("lease_ms", rules.lease_ms, LEAST_MS, MOST_MS)?;
    check_range("place_ms", rules.place_ms, LEAST_MS, MOST_MS)?;
    check_range("borrow_ms", rules.borrow_ms, LEAST_MS, MOST_MS)?;
    for limit in [rules.per_user, rules.per_address].into_iter().flatten() {
        check_range("seats of one user or address", u64::from(limit), 1, u64::from(u32::MAX))?;
    }
    Ok(())
}

fn known(state: &State, product: &Name) -> Result<(), Refusal> {
    let known = state.seats.types.contains_key(product);
    if known { Ok(()) } else { Err(Refusal::NoSuchSeatType { product: product.clone() }) }
}

/// Keeps seats for somebody. What is kept never adds up to more than there are.
pub(super) fn reserve(state: &State, product: &Name, principal: &Principal, seats: u64) -> Result<Vec<Event>, Refusal> {
    known(state, product)?;
    check_name("user or group", principal.name())?;
    let kind = &state.seats.types[product];
    let before = state.seats.reservations.get(&(product.clone(), principal.clone())).map_or(0, |kept| kept.seats);
    if seats == before {
        return Ok(vec![]);
    }
    let others: u64 =
        state.seats.reservations_of(product).filter(|(of, _)| *of != principal).map(|(_, kept)| kept.seats).sum();
    let free = kind.count.saturating_sub(others);
    if seats > before && seats > free {
        return Err(Refusal::ReservedBeyondCount { product: product.clone(), asked: seats, free, count: kind.count });
    }
    if before == 0 && state.seats.reservations_of(product).count() >= RESERVATIONS {
        return Err(Refusal::TooMany { what: "reservations of one type".into(), limit: RESERVATIONS as u64 });
    }
    let event = SeatEvent::Reserved { product: product.clone(), principal: principal.clone(), seats };
    Ok(vec![Event::Seat(event)])
}
