//! Plain numbers that only grow, and how large the log's recent entries are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ::metrics::{Histogram, histogram};

use super::proposals::Attempt;
use crate::metrics;

/// Applies that are remembered with their size: what the purge looks back on.
const REMEMBERED: usize = 100_000;

/// What is counted.
pub(super) struct Counters {
    /// Records applied since the start.
    pub records: AtomicU64,
    /// Bytes of log entries applied since the start.
    pub log_bytes: AtomicU64,
    /// Intents committed from this node.
    pub committed: AtomicU64,
    /// Intents whose attempt ended with a clear no and was repeated.
    pub repeated: AtomicU64,
    /// Intents whose attempt ended without a clear answer.
    pub unclear: AtomicU64,
    /// Batches that other nodes forwarded to this one.
    pub forwarded: AtomicU64,
    /// Journal rows folded at the last start.
    pub replayed: AtomicU64,
    /// How long intents of this node waited for their record; held, because looking a series up costs more than counting.
    pub waited: Histogram,
    sizes: Mutex<Sizes>,
}

#[derive(Default)]
struct Sizes {
    applies: VecDeque<(u64, u64)>,
    total: u64,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            records: AtomicU64::default(),
            log_bytes: AtomicU64::default(),
            committed: AtomicU64::default(),
            repeated: AtomicU64::default(),
            unclear: AtomicU64::default(),
            forwarded: AtomicU64::default(),
            replayed: AtomicU64::default(),
            waited: histogram!(metrics::PROPOSAL_DURATION),
            sizes: Mutex::default(),
        }
    }
}

impl Counters {
    /// An apply ended at `index`.
    pub(super) fn applied(&self, records: usize, index: u64, log_bytes: u64) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.log_bytes.fetch_add(log_bytes, Ordering::Relaxed);
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.applies.push_back((index, log_bytes));
        sizes.total += log_bytes;
        if sizes.applies.len() > REMEMBERED
            && let Some((_, bytes)) = sizes.applies.pop_front()
        {
            sizes.total -= bytes;
        }
    }

    /// Bytes of log entries applied since the start.
    #[must_use]
    pub(super) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Another node forwarded a batch.
    pub(super) fn forwarded(&self) {
        self.forwarded.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt with so many intents ended.
    pub(super) fn proposed(&self, intents: usize, attempt: Attempt) {
        let counter = match attempt {
            Attempt::Committed => &self.committed,
            Attempt::No => &self.repeated,
            Attempt::Unclear => &self.unclear,
        };
        counter.fetch_add(intents as u64, Ordering::Relaxed);
    }

    /// The log index up to which entries may go if about `keep` bytes of the newest shall stay; `live` is how much the
    /// whole log holds.
    #[must_use]
    pub(super) fn purge_to(&self, keep: u64, live: u64) -> Option<u64> {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if sizes.total <= keep {
            // What is older than all that is remembered goes first.
            let older = live.saturating_sub(sizes.total) > keep;
            return sizes.applies.front().filter(|_| older).map(|(index, _)| index.saturating_sub(1));
        }
        let mut last = None;
        while sizes.total > keep
            && let Some((index, bytes)) = sizes.applies.pop_front()
        {
            sizes.total -= bytes;
            last = Some(index);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bytes_of_the_log_stay() {
        let counters = Counters::default();
        for index in 1..=10 {
            counters.applied(1, index, 100);
        }
        assert_eq!(counters.purge_to(1_000, 1_000), None);
        assert_eq!(counters.purge_to(300, 1_000), Some(7));
        assert_eq!(counters.purge_to(300, 300), None);
    }

    #[test]
    fn what_is_older_than_this_start_goes_when_it_is_too_much() {
        let counters = Counters::default();
        counters.applied(1, 50, 10);
        assert_eq!(counters.purge_to(300, 200), None);
        assert_eq!(counters.purge_to(300, 5_000), Some(49));
    }
}
