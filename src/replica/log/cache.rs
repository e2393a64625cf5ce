//! The newest entries in memory, bounded by bytes: replication and apply read what was just appended, and must neither
//! read the database nor decode for it.

use std::collections::VecDeque;

use super::Entry;

/// What the cache may hold unless told otherwise. Payloads are shared with whoever reads them, so this is about the most it keeps alive.
pub(super) const CACHE_BYTES: usize = 64 << 20;
/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 128;

/// Entries without a gap, up to the log's last one.
#[derive(Default)]
pub(super) struct Cache {
    entries: VecDeque<(Entry, usize)>,
    bytes: usize,
    limit: usize,
    /// The first one that the database does not hold yet: from there on they stay, whatever they take.
    unwritten: u64,
}

impl Cache {
    /// Sets what it may take.
    pub(super) const fn limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// The lowest index it holds.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|(entry, _)| entry.log_id.index)
    }

    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        let bytes = bytes + ENTRY_BYTES;
        self.bytes += bytes;
        self.entries.push_back((entry, bytes));
        self.shrink();
    }

    /// The database holds what comes before `end`.
    pub(super) fn written(&mut self, end: u64) {
        self.unwritten = end;
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > self.limit && self.first().is_some_and(|first| first < self.unwritten) {
            self.drop_front();
        }
    }

    /// Drops what comes after `index`; `None` is everything.
    pub(super) fn truncate(&mut self, index: Option<u64>) {
        self.unwritten = self.unwritten.min(index.map_or(0, |index| index + 1));
        while let Some((entry, bytes)) = self.entries.back() {
            if Some(entry.log_id.index) <= index {
                break;
            }
            self.bytes -= bytes;
            self.entries.pop_back();
        }
    }

    /// Drops what is at or below `index`.
    pub(super) fn purge(&mut self, index: u64) {
        while self.first().is_some_and(|first| first <= index) {
            self.drop_front();
        }
    }

    /// The entries from `start` on, before `end`: as many as fit into `max_bytes`, but one always. Empty when `start`
    /// is not held.
    pub(super) fn read(&self, start: u64, end: u64, max_bytes: usize) -> Vec<Entry> {
        let Some(skip) = self.first().and_then(|first| start.checked_sub(first)) else { return Vec::new() };
        let Ok(skip) = usize::try_from(skip) else { return Vec::new() };
        let mut bytes = 0_usize;
        let mut found = Vec::new();
        for (entry, size) in self.entries.range(skip.min(self.entries.len())..) {
            bytes += size;
            if entry.log_id.index >= end || (!found.is_empty() && bytes > max_bytes) {
                break;
            }
            found.push(entry.clone());
        }
        found
    }

    fn drop_front(&mut self) {
        if let Some((_, bytes)) = self.entries.pop_front() {
            self.bytes -= bytes;
        }
    }
}
