//! All that is known of seats: the part of the state that seat events fold into, with its indexes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::history::SeatDay;
use super::rules::{Principal, SeatRules};
use super::types::SeatType;
use super::{Place, Session};
use crate::domain::name::{Map, Name, Set};
use crate::domain::time::{Day, Moment};

/// How much of a type is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Seats held.
    pub held: u64,
    /// Workers held.
    pub workers: u64,
    /// Seats held that are borrowed; also in `held`.
    pub borrowed: u64,
    /// Free seats that are kept for somebody.
    pub held_back: u64,
    /// Clients in line.
    pub waiting: u64,
    /// When a seat was last given back.
    pub last_freed: Moment,
    /// How far apart seats are given back, averaged over the last ones; 0: not known yet.
    pub pace_ms: u64,
}

/// Seats kept for a user or a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// How many are kept.
    pub seats: u64,
    /// How many of them are held.
    pub used: u64,
}

impl Reservation {
    /// How many it keeps from others now.
    #[must_use]
    pub const fn left(self) -> u64 {
        self.seats.saturating_sub(self.used)
    }
}

/// Everything about seats. Empty before the first license that grants some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seats {
    /// The last id given to a session or place.
    pub last: u64,
    /// Types: what licenses add up to.
    pub types: Map<Name, SeatType>,
    /// Their rules, where an operator has set any.
    pub rules: Map<Name, Arc<SeatRules>>,
    /// Reservations by type and whom they are for.
    pub reservations: Map<(Name, Principal), Reservation>,
    /// How much of each type is in use.
    pub tallies: Map<Name, Tally>,
    /// Held seats.
    pub sessions: Map<u64, Arc<Session>>,
    /// Places in line.
    pub places: Map<u64, Arc<Place>>,
    /// What happened, by day and type.
    pub days: Map<(Day, Name), SeatDay>,

    /// Who goes first: type, rank, place. This and what follows is worked out from the above.
    pub line: Set<(Name, u8, u64)>,
    /// The same for each reservation that a place may use.
    pub line_of: Set<(Name, Principal, u8, u64)>,
    /// Sessions and places by user.
    pub of_user: Set<(Name, u64)>,
    /// How many sessions and places a user has of a type.
    pub per_user: Map<(Name, Name), u32>,
    /// How many users have sessions or places of a type.
    pub users_of: Map<Name, u64>,
    /// How many sessions and places an address has of a type.
    pub per_address: Map<(Name, Name), u32>,
    /// When sessions and places end.
    pub deadlines: Set<(Moment, u64)>,
    /// Sessions by the id of their token.
    pub tokens: Map<u64, u64>,
    /// Types whose line can move on now.
    pub ready: Set<Name>,
}

impl Seats {
    /// A type's rules, or those that hold when nobody has set any.
    #[must_use]
    pub fn rules_of(&self, product: &str) -> Arc<SeatRules> {
        self.rules.get(product).cloned().unwrap_or_default()
    }

    /// How much of a type is in use.
    #[must_use]
    pub fn tally(&self, product: &str) -> Tally {
        self.tallies.get(product).copied().unwrap_or_default()
    }

    /// Whether nothing was ever said about seats: then a checkpoint has no chunk of them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last == 0 && self.types.is_empty() && self.rules.is_empty() && self.days.is_empty()
    }

    /// Whose session or place an id is.
    #[must_use]
    pub fn holder_of(&self, id: u64) -> Option<&Name> {
        let session = self.sessions.get(&id).map(|session| &session.user);
        session.or_else(|| self.places.get(&id).map(|place| &place.user))
    }

    /// How many sessions and places a user has in all.
    #[must_use]
    pub fn count_of_user(&self, user: &Name) -> usize {
        let mine = self.per_user.range((user.clone(), Name::default())..);
        mine.take_while(|((of, _), _)| of == user).map(|(_, count)| *count as usize).sum()
    }

    /// The ids of a user's sessions and places.
    pub fn ids_of_user<'a>(&'a self, user: &Name) -> impl Iterator<Item = u64> + 'a {
        self.of_user.range((user.clone(), 0)..=(user.clone(), u64::MAX)).map(|(_, id)| *id)
    }

    /// Reservations of a type.
    pub fn reservations_of<'a>(&'a self, product: &Name) -> impl Iterator<Item = (&'a Principal, Reservation)> + 'a {
        let wanted = product.clone();
        self.reservations
            .range((product.clone(), Principal::first())..)
            .take_while(move |((of, _), _)| *of == wanted)
            .map(|((_, principal), reservation)| (principal, *reservation))
    }
}
