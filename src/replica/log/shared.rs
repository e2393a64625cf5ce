//! What the store, its readers and its sync thread share: the database, and what is known of it without reading.

use std::io;
use std::mem;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::cache::Cache;
use super::{Entry, LogId, LogStats, Vote};
use crate::codec::{self, Malformed};
use crate::store::{LogBatch, LogDb, StoreError};

/// Format of an entry in the database.
pub(super) const ENTRY_FORMAT: u8 = 1;
/// Format of the named values, and of the promise.
pub(super) const VALUE_FORMAT: u8 = 1;
/// Name of the vote.
pub(super) const VOTE: &str = "vote";
/// Name of the last entry known to be committed.
pub(super) const COMMITTED: &str = "committed";
/// Name of the last entry that is purged.
pub(super) const PURGED: &str = "purged";

/// What the log says about itself.
#[derive(Default)]
pub(super) struct View {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// Whether the database has an older one.
    pub(super) committed_unsaved: bool,
    pub(super) purged: Option<LogId>,
    /// Where the entries begin: behind what is purged, or with the first one that was ever appended.
    pub(super) first: u64,
    /// The last entry; what is purged stands for it when there is none.
    pub(super) last: Option<LogId>,
    pub(super) live_bytes: u64,
    /// How often entries were taken away at the end; a reader that sees it change begins again.
    pub(super) truncations: u64,
    pub(super) cache: Cache,
}

pub(super) struct Shared {
    pub(super) db: LogDb,
    pub(super) stats: LogStats,
    view: RwLock<View>,
    acknowledged: RwLock<Option<LogId>>,
    failure: OnceLock<String>,
}

impl Shared {
    pub(super) fn new(db: LogDb, view: View, acknowledged: Option<LogId>) -> Self {
        Self {
            db,
            stats: LogStats::default(),
            view: RwLock::new(view),
            acknowledged: RwLock::new(acknowledged),
            failure: OnceLock::new(),
        }
    }

    pub(super) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch, and with it the last entry known to be committed if the database has an older one.
    pub(super) fn write(&self, mut batch: LogBatch) -> Result<(), StoreError> {
        self.refuse_after_failure()?;
        let committed = {
            let mut view = self.view_mut();
            mem::take(&mut view.committed_unsaved).then_some(view.committed)
        };
        if let Some(committed) = committed {
            batch.put_meta(COMMITTED, &codec::encode(VALUE_FORMAT, &committed));
        }
        self.db.write(batch).map_err(|error| self.fail(&error))
    }

    pub(super) fn acknowledged(&self) -> Option<LogId> {
        *self.acknowledged.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acknowledge(&self, last: Option<LogId>) {
        *self.acknowledged.write().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// Remembers the first failure: what is durable is unknown now, so nothing is taken and nothing acknowledged.
    pub(super) fn fail(&self, error: &StoreError) -> StoreError {
        let first = self.failure.get_or_init(|| error.to_string());
        tracing::error!(error = %error, %first, "the log store stops");
        error.clone()
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    pub(super) fn refuse_after_failure(&self) -> Result<(), StoreError> {
        match self.failure.get() {
            None => Ok(()),
            Some(detail) => Err(StoreError::Stopped { what: "log", detail: detail.clone() }),
        }
    }

    pub(super) fn decode_entry(&self, index: u64, bytes: &[u8]) -> Result<Entry, StoreError> {
        let entry: Entry = codec::decode(ENTRY_FORMAT, bytes).map_err(|error| damaged(&self.db, index, &error))?;
        if entry.log_id.index != index {
            return Err(gap(&self.db, index));
        }
        Ok(entry)
    }
}

impl View {
    pub(super) fn append(&mut self, entries: Vec<(Entry, usize)>) {
        for (entry, bytes) in entries {
            if self.last == self.purged {
                self.first = entry.log_id.index;
            }
            self.last = Some(entry.log_id);
            self.live_bytes += bytes as u64;
            self.cache.push(entry, bytes);
        }
    }

    pub(super) fn truncate(&mut self, last: Option<LogId>) {
        self.forget(after(self.last) - after(last));
        self.cache.truncate(last.map(|last| last.index));
        self.truncations += 1;
        self.last = last.max(self.purged);
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        self.forget(after(Some(upto)).min(after(self.last)) - after(self.purged));
        self.cache.purge(upto.index);
        self.purged = Some(upto);
        self.first = after(self.purged);
        if after(self.last) <= after(Some(upto)) {
            self.last = Some(upto);
        }
    }

    /// Takes the share of so many entries from the bytes: an estimate that needs no reading, and ends at nothing.
    fn forget(&mut self, entries: u64) {
        let all = (after(self.last) - after(self.purged)).max(1);
        let share = u128::from(self.live_bytes) * u128::from(entries.min(all)) / u128::from(all);
        self.live_bytes = self.live_bytes.saturating_sub(u64::try_from(share).unwrap_or(u64::MAX));
    }
}

pub(super) fn encode_entry(entry: &Entry) -> Vec<u8> {
    codec::encode(ENTRY_FORMAT, entry)
}

/// The index after a log id's.
pub(super) fn after(log_id: Option<LogId>) -> u64 {
    log_id.map_or(0, |log_id| log_id.index + 1)
}

/// An entry that does not follow the last one would leave a hole, or hide an entry that was never truncated.
pub(super) fn refuse_gap(last: Option<LogId>, next: LogId) -> io::Result<()> {
    match last {
        Some(last) if last.index + 1 != next.index => {
            Err(io::Error::other(format!("the entry {next} does not follow the last one, {last}")))
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn gap(db: &LogDb, index: u64) -> StoreError {
    let detail = format!("the entry at index {index} is missing");
    StoreError::Damaged { what: "log", path: db.dir().to_owned(), detail }
}

pub(super) fn damaged(db: &LogDb, index: u64, error: &Malformed) -> StoreError {
    let detail = format!("the entry at index {index} cannot be read: {error}");
    StoreError::Damaged { what: "log", path: db.dir().to_owned(), detail }
}
