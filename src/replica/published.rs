//! What readers see: one frozen state at a time, swapped by apply.
//!
//! A state that somebody holds is copied where it changes. So nobody holds one while waiting for something, and where the thread
//! that applies is the one that answers, the window itself lets go of it for the while (docs/adr/0071).

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
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

/// What becomes of the newest state while apply changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// They take it and never wait: what changes is copied.
    Apart,
    /// They wait until it is changed, which is done in place: for those that the same thread answers, there is nothing to wait for.
    Together,
}

/// Where apply puts what readers take.
pub(super) struct Window {
    newest: RwLock<Arc<Published>>,
    readers: Readers,
    applied: watch::Sender<u64>,
    /// When this node last knew that the newest state was not behind the cluster.
    fresh: RwLock<Instant>,
}

impl Window {
    /// Shows this state first.
    #[must_use]
    pub(super) fn new(first: Published, readers: Readers) -> Window {
        let applied = watch::Sender::new(first.index());
        Window { newest: RwLock::new(Arc::new(first)), readers, applied, fresh: RwLock::new(Instant::now()) }
    }

    /// The newest state.
    #[must_use]
    pub(super) fn newest(&self) -> Arc<Published> {
        Arc::clone(&self.newest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a change of the newest state. An end without [`Turn::show`] is for a node that has failed: there is no state then.
    pub(super) fn turn(&self) -> Turn<'_> {
        let held = match self.readers {
            Readers::Apart => None,
            Readers::Together => {
                let mut held = self.newest.write().unwrap_or_else(PoisonError::into_inner);
                *held = Arc::default();
                Some(held)
            }
        };
        Turn { window: self, held }
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

/// A change of the newest state that is under way.
pub(super) struct Turn<'a> {
    window: &'a Window,
    held: Option<RwLockWriteGuard<'a, Arc<Published>>>,
}

impl Turn<'_> {
    /// Shows what it became, and wakes those who wait for its index.
    pub(super) fn show(self, newer: Arc<Published>) {
        let Turn { window, held } = self;
        let index = newer.index();
        *held.unwrap_or_else(|| window.newest.write().unwrap_or_else(PoisonError::into_inner)) = newer;
        window.applied.send_replace(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: u64) -> Arc<Published> {
        let mut published = Published::default();
        Arc::make_mut(&mut published.state).heads.seq = seq;
        Arc::new(published)
    }

    fn seen(window: &Window) -> u64 {
        window.newest().state.heads.seq
    }

    #[test]
    fn readers_apart_see_the_state_of_before_while_it_changes() {
        let window = Window::new(Published::clone(&at(1)), Readers::Apart);
        let turn = window.turn();
        assert_eq!(seen(&window), 1);
        turn.show(at(2));
        assert_eq!(seen(&window), 2);
    }

    #[test]
    fn on_the_same_thread_nothing_holds_a_state_that_changes() {
        let first = at(1);
        let window = Window::new(Published::clone(&first), Readers::Together);
        assert_eq!(Arc::strong_count(&first.state), 2);
        let turn = window.turn();
        assert_eq!(Arc::strong_count(&first.state), 1);
        turn.show(at(2));
        assert_eq!(seen(&window), 2);
    }

    #[test]
    fn on_the_same_thread_nobody_sees_a_state_that_changes() {
        let window = Window::new(Published::clone(&at(1)), Readers::Together);
        let turn = window.turn();
        assert!(window.newest.try_read().is_err(), "a reader of another thread waits");
        turn.show(at(2));
        assert_eq!(seen(&window), 2);
    }
}
