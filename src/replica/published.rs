//! What readers see: one frozen state at a time, swapped by apply, never waited for.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use openraft::alias::{LogIdOf, StoredMembershipOf};
use tokio::sync::watch;

use super::types::TypeConfig;
use crate::domain::state::State;
use crate::projection::usage::UsageHistory;

/// A frozen state, and how far it goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Published {
    /// All that counts.
    pub state: Arc<State>,
    /// What was used, by day and dimension.
    pub usage: Arc<UsageHistory>,
    /// The last log entry that is in it.
    pub log: Option<LogIdOf<TypeConfig>>,
    /// The members as of that entry.
    pub membership: Arc<StoredMembershipOf<TypeConfig>>,
}

impl Published {
    /// The index of the last log entry that is in it; 0 for none, which no entry with content has.
    #[must_use]
    pub(super) fn index(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.index)
    }
}

/// Where apply puts what readers take.
pub(super) struct Window {
    newest: RwLock<Arc<Published>>,
    applied: watch::Sender<u64>,
    /// When this node last knew that the newest state was not behind the cluster.
    fresh: RwLock<Instant>,
}

impl Window {
    /// Shows this state first.
    #[must_use]
    pub(super) fn new(first: Published) -> Window {
        let applied = watch::Sender::new(first.index());
        Window { newest: RwLock::new(Arc::new(first)), applied, fresh: RwLock::new(Instant::now()) }
    }

    /// The newest state.
    #[must_use]
    pub(super) fn newest(&self) -> Arc<Published> {
        Arc::clone(&self.newest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows a newer one, and wakes those who wait for its index.
    pub(super) fn show(&self, newer: Arc<Published>) {
        let index = newer.index();
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = newer;
        self.applied.send_replace(index);
    }

    /// Tells which log index was applied last.
    #[must_use]
    pub(super) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// Whether everything up to `index` is shown.
    #[must_use]
    pub(super) fn has(&self, index: u64) -> bool {
        *self.applied.borrow() >= index
    }

    /// The newest state was up to date at this instant.
    pub(super) fn was_fresh(&self, at: Instant) {
        let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
        *fresh = at.max(*fresh);
    }

    /// For how long this node has not known whether it is up to date.
    #[must_use]
    pub(super) fn age(&self) -> Duration {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
