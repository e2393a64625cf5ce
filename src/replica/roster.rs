//! The other nodes as they answered last: how far they are, and what time they have.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock;
use super::peers::wire::PeerStatus;
use crate::domain::time::Moment;

/// An answer older than this says nothing about now.
const RECENT: Duration = Duration::from_secs(5);

/// What one node answered.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// Its answer.
    pub status: PeerStatus,
    /// When.
    pub at: Instant,
    /// Its wall clock less ours, in milliseconds.
    pub skew_ms: i64,
}

/// What all nodes answered last.
#[derive(Default)]
pub(super) struct Roster {
    heard: Mutex<BTreeMap<u64, Heard>>,
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node has answered.
    pub(super) fn heard(&self, node: u64, status: PeerStatus) {
        let ours = i64::try_from(clock::wall().0).unwrap_or(i64::MAX);
        let skew_ms = status.wall_ms.saturating_sub(ours);
        self.lock().insert(node, Heard { status, at: Instant::now(), skew_ms });
    }

    /// Forgets who is no member any more.
    pub(super) fn keep(&self, members: impl Fn(u64) -> bool) {
        self.lock().retain(|&node, _| members(node));
    }

    /// What a node answered last.
    #[must_use]
    pub(super) fn get(&self, node: u64) -> Option<Heard> {
        self.lock().get(&node).cloned()
    }

    /// Whether a node answered lately.
    #[must_use]
    pub(super) fn is_live(&self, node: u64) -> bool {
        self.lock().get(&node).is_some_and(|heard| heard.at.elapsed() < RECENT)
    }

    /// Whether a node's wall clock, as far as heard lately, is at `wall` or beyond it, give or take a free step.
    #[must_use]
    pub(super) fn agrees(&self, node: u64, wall: Moment) -> bool {
        let least = i64::try_from(wall.minus_ms(clock::FREE_STEP_MS).0).unwrap_or(i64::MAX);
        let heard = self.lock();
        heard.get(&node).is_some_and(|heard| heard.at.elapsed() < RECENT && heard.status.wall_ms >= least)
    }

    /// The largest distance between another node's wall clock and ours, in milliseconds.
    #[must_use]
    pub(super) fn largest_skew_ms(&self) -> u64 {
        let heard = self.lock();
        heard
            .values()
            .filter(|heard| heard.at.elapsed() < RECENT)
            .map(|heard| heard.skew_ms.unsigned_abs())
            .max()
            .unwrap_or(0)
    }
}
