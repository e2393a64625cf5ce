//! All that is known of work: the part of the state that work's events fold into, with its indexes.

use std::sync::Arc;

use super::limits::SeatLimits;
use super::{Stage, Work};
use crate::domain::name::{Map, Name, Set};
use crate::domain::time::{Day, Moment};

/// Everything about work. Empty before the first piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Works {
    /// The last id given to a piece of work.
    pub last: u64,
    /// Running, waiting and remembered pieces.
    pub works: Map<u64, Arc<Work>>,
    /// Sessions that end when their work does; whether ended work holds nothing up.
    pub closing: Map<u64, bool>,
    /// By seat type: bytes that audited work has read on a license day.
    pub audited: Map<Name, (Day, u64)>,
    /// By seat type: what its licenses limit beside seats and workers.
    pub limits: Map<Name, SeatLimits>,

    /// Pieces by key. This and what follows is worked out from the above.
    pub keys: Map<Name, u64>,
    /// Pieces by session.
    pub by_session: Set<(u64, u64)>,
    /// When a running piece ends, and when an ended one is forgotten.
    pub deadlines: Set<(Moment, u64)>,
    /// By seat type: legal holds that run or wait.
    pub holds: Map<Name, u64>,
}

impl Works {
    /// Whether nothing was ever said about work: then a checkpoint has no chunk of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last == 0 && self.limits.is_empty()
    }

    /// A piece of work.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<&Work> {
        self.works.get(self.keys.get(key)?).map(AsRef::as_ref)
    }

    /// A session's pieces in the order in which they were asked for, ended ones that are remembered too.
    pub fn of_session(&self, session: u64) -> impl Iterator<Item = &Work> {
        let ids = self.by_session.range((session, 0)..=(session, u64::MAX));
        ids.filter_map(|(_, id)| self.works.get(id)).map(AsRef::as_ref)
    }

    /// A session's pieces that run or wait.
    pub fn open_of(&self, session: u64) -> impl Iterator<Item = &Work> {
        self.of_session(session).filter(|work| work.is_open())
    }

    /// How many pieces run.
    #[must_use]
    pub fn running(&self, session: u64) -> usize {
        self.of_session(session).filter(|work| work.stage == Stage::Running).count()
    }
}
