//! The Raft log on disk: openraft's log storage over the `log` database and the promise.
//!
//! What is appended is readable at once, out of the cache. One thread makes it durable, in openraft's order: it takes all that
//! waits, promises it, says so, and writes it to the database behind that. What must wait for what came before (a vote, a truncation)
//! goes through the same thread. After a failed write or sync nothing is taken any more.

mod cache;
mod check;
mod reader;
mod shared;
mod sync;

#[cfg(test)]
mod fault_test;
#[cfg(test)]
mod order_test;
#[cfg(test)]
mod power_test;
#[cfg(test)]
mod suite_test;
#[cfg(test)]
mod testing;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use openraft::OptionalSend;
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};

use self::check::Carried;
use self::shared::{PURGED, Shared, VALUE_FORMAT, VOTE};
use self::sync::{Done, Job, Syncer, What};
use super::types::TypeConfig;
use crate::codec;
use crate::store::{LogBatch, LogDb, Promise, StoreError};

pub use self::reader::LogReader;

/// A log id of ours.
pub type LogId = LogIdOf<TypeConfig>;
type Entry = EntryOf<TypeConfig>;
type Vote = VoteOf<TypeConfig>;

/// Told how long it took to make each group of writes durable.
pub type SyncObserver = Arc<dyn Fn(Duration) + Send + Sync>;

/// How a log store is opened.
#[derive(Clone)]
pub struct LogOptions {
    /// What the newest entries may take in memory, those aside that the database does not hold yet.
    pub cache_bytes: usize,
    /// How many bytes of entries are written to the database together, behind the promise.
    pub written_together: usize,
    /// Told how long each sync took; for the metrics.
    pub on_sync: Option<SyncObserver>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { cache_bytes: cache::CACHE_BYTES, written_together: sync::WRITTEN_TOGETHER, on_sync: None }
    }
}

/// What the log store counts, from its opening on.
#[derive(Debug, Default)]
pub struct LogStats {
    /// Syncs of the log's database.
    pub log_syncs: AtomicU64,
    /// Syncs of the promise: one for every group of acknowledgements.
    pub syncs: AtomicU64,
    /// Entries appended.
    pub entries: AtomicU64,
    /// Bytes appended.
    pub bytes: AtomicU64,
    /// Entries that were read from the database, because the cache did not hold them.
    pub read_from_disk: AtomicU64,
}

impl LogStats {
    fn count(&self, entries: &[(Entry, usize)]) {
        let bytes: usize = entries.iter().map(|(_, bytes)| bytes).sum();
        self.entries.fetch_add(entries.len() as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }
}

/// openraft's log storage. One per node; not cloned, because its calls have one order.
pub struct LogStore {
    shared: Arc<Shared>,
    syncer: Arc<Syncer>,
}

/// A view from outside on a log store that openraft owns.
#[derive(Clone)]
pub struct LogHandle {
    shared: Arc<Shared>,
    syncer: Arc<Syncer>,
}

impl LogStore {
    /// Makes an empty log and its promise where nothing is: only for `cluster init` and `cluster join`.
    ///
    /// # Errors
    /// When something is there already, or the disk refuses.
    pub fn create(log_dir: &Path, promise: &Path) -> Result<(), StoreError> {
        LogDb::create(log_dir)?.sync()?;
        Promise::create(promise, &check::Pledge::default().encode())?;
        Ok(())
    }

    /// Opens the log and checks it against the promise, before any election.
    ///
    /// # Errors
    /// When something is missing or damaged, or the log does not hold what this node acknowledged.
    pub fn open(log_dir: &Path, promise: &Path, options: LogOptions) -> Result<Self, StoreError> {
        Self::start(LogDb::open(log_dir)?, Promise::open(promise)?, options)
    }

    fn start(db: LogDb, promise: Promise, options: LogOptions) -> Result<Self, StoreError> {
        let (mut found, pledge) = check::check(&db, &promise)?;
        found.cache.limit(options.cache_bytes);
        let shared = Arc::new(Shared::new(db, found, pledge.last));
        let syncer = Arc::new(Syncer::start(Arc::clone(&shared), promise, pledge, options)?);
        Ok(Self { shared, syncer })
    }

    /// The view from outside.
    #[must_use]
    pub fn handle(&self) -> LogHandle {
        LogHandle { shared: Arc::clone(&self.shared), syncer: Arc::clone(&self.syncer) }
    }

    fn write(&self, batch: LogBatch) -> io::Result<()> {
        Ok(self.shared.write(batch)?)
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.syncer.shutdown();
    }
}

impl fmt::Debug for LogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStore").field("dir", &self.shared.db.dir()).finish_non_exhaustive()
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let view = self.shared.view();
        Ok(LogState { last_purged_log_id: view.purged, last_log_id: view.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let mut batch = LogBatch::default();
        batch.put_meta(VOTE, &codec::encode(VALUE_FORMAT, vote));
        self.write(batch)?;
        self.shared.view_mut().vote = Some(*vote);
        self.syncer.wait(|done| Job::Commit { what: What::Vote(*vote), done }).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        // It goes into the database with the next entries, or at the end. A node that dies before that begins one round
        // earlier, and hears from its leader how far it is; a write of its own would cost every round as much as an append.
        let mut view = self.shared.view_mut();
        view.committed_unsaved |= view.committed != committed;
        view.committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let view = self.shared.view();
        Ok(view.committed.min(view.last))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.shared.refuse_after_failure()?;
        let (mut added, mut carried) = (Vec::new(), Vec::new());
        let mut last = self.shared.view().last;
        for entry in entries {
            shared::refuse_gap(last, entry.log_id)?;
            last = Some(entry.log_id);
            let bytes = shared::encode_entry(&entry);
            let index = entry.log_id.index;
            added.push((entry, bytes.len()));
            carried.push(Carried { index, bytes: bytes.into() });
        }
        if !added.is_empty() {
            self.shared.stats.count(&added);
            self.shared.view_mut().append(added);
        }
        let what = What::Entries { last, entries: carried };
        self.syncer.send(Job::Commit { what, done: Done::Openraft(callback) });
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let (first, end) = {
            let view = self.shared.view();
            (shared::after(last_log_id), shared::after(view.last))
        };
        if first >= end {
            return Ok(());
        }
        // First the promise, durably; what waits for its sync is synced and promised before that.
        let to = last_log_id.max(self.shared.view().purged);
        self.syncer.wait(|done| Job::Lower { to, done }).await?;
        let mut batch = LogBatch::default();
        batch.delete_entries(first..end);
        // The view first: whoever reads meanwhile sees that entries went, and does not take it for a hole.
        self.shared.view_mut().truncate(last_log_id);
        self.write(batch)
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let (first, last) = {
            let view = self.shared.view();
            (shared::after(view.purged), view.last)
        };
        let end = shared::after(Some(log_id));
        if first >= end {
            return Ok(());
        }
        let mut batch = LogBatch::default();
        batch.put_meta(PURGED, &codec::encode(VALUE_FORMAT, &log_id));
        self.shared.view_mut().purge(log_id);
        self.write(batch)?;
        if shared::after(last) <= end {
            // A snapshot stands for the log now, and this node will say that it has got so far.
            self.syncer.wait(|done| Job::Commit { what: What::Snapshot(log_id), done }).await?;
        }
        self.syncer.send(Job::Drop { before: end });
        Ok(())
    }
}

impl LogHandle {
    /// What it counted.
    #[must_use]
    pub fn stats(&self) -> &LogStats {
        &self.shared.stats
    }

    /// What the database says about its size.
    #[must_use]
    pub fn sizes(&self) -> crate::store::Sizes {
        self.shared.db.sizes()
    }

    /// The last entry, durable or not.
    #[must_use]
    pub fn last(&self) -> Option<LogId> {
        self.shared.view().last
    }

    /// The last entry that this node ever said to be durable, and that was not truncated since.
    #[must_use]
    pub fn acknowledged(&self) -> Option<LogId> {
        self.shared.acknowledged()
    }

    /// The last entry that is purged.
    #[must_use]
    pub fn purged(&self) -> Option<LogId> {
        self.shared.view().purged
    }

    /// About how many bytes the entries take that are there.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.shared.view().live_bytes
    }

    /// Why the store refuses everything, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.failure()
    }

    /// Syncs what waits, ends the sync thread and waits for it. Call it after `Raft::shutdown`; dropping the
    /// [`LogStore`] does the same.
    pub fn shutdown(&self) {
        self.syncer.shutdown();
    }
}
