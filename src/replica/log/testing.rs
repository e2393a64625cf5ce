//! What the log's tests share: a node's directory, entries, and copies of it as a crash leaves them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use tempfile::TempDir;

use super::{Entry, LogId, LogOptions, LogStore, Vote};
use crate::replica::types::{Batch, TypeConfig};
use crate::store::StoreError;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with a log and a promise.
pub(super) struct Disk {
    pub(super) dir: TempDir,
}

pub(super) type Flushed = openraft::alias::OneshotReceiverOf<TypeConfig, io::Result<()>>;

impl Disk {
    /// A fresh one.
    pub(super) fn new() -> Self {
        let disk = Self { dir: TempDir::new().expect("a temporary directory") };
        LogStore::create(&disk.log(), &disk.promise()).expect("an empty directory takes a log");
        disk
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub(super) fn promise(&self) -> PathBuf {
        self.dir.path().join("promise")
    }

    pub(super) fn open(&self) -> Result<LogStore, StoreError> {
        LogStore::open(&self.log(), &self.promise(), LogOptions::default())
    }

    pub(super) fn store(&self) -> LogStore {
        self.open().expect("the log opens")
    }

    /// One that writes to the database as soon as nobody waits.
    pub(super) fn eager_store(&self) -> LogStore {
        let options = LogOptions { written_together: 0, ..LogOptions::default() };
        LogStore::open(&self.log(), &self.promise(), options).expect("the log opens")
    }

    /// Why it does not open.
    pub(super) fn refusal(&self) -> StoreError {
        self.open().expect_err("the log must not open")
    }

    /// What a crash of the process would leave now. The promise is copied first: what it carries may get into the log meanwhile, but
    /// nothing gets out of either.
    pub(super) fn copy(&self) -> Self {
        let copy = Self { dir: TempDir::new().expect("a temporary directory") };
        fs::copy(self.promise(), copy.promise()).expect("the promise is copied");
        copy_dir(&self.log(), &copy.log());
        copy
    }

    /// Takes the promise of another disk.
    pub(super) fn take_promise(&self, other: &Self) {
        fs::copy(other.promise(), self.promise()).expect("the promise is copied");
    }

    /// The newest write-ahead log.
    pub(super) fn wal(&self) -> PathBuf {
        let files = fs::read_dir(self.log()).expect("the log's directory").map(|file| file.expect("a file").path());
        files.filter(|file| file.extension().is_some_and(|kind| kind == "log")).max().expect("a write-ahead log")
    }

    /// Changes the write-ahead log's bytes.
    pub(super) fn change_wal(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.wal()).expect("the write-ahead log");
        change(&mut bytes);
        fs::write(self.wal(), bytes).expect("the write-ahead log takes bytes");
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for file in fs::read_dir(from).expect("a directory") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("a file is copied");
    }
}

pub(super) fn id(term: u64, index: u64) -> LogId {
    LogId::new(openraft::alias::LeaderIdOf::<TypeConfig>::new(term, 1).to_committed(), index)
}

pub(super) fn vote(term: u64) -> Vote {
    Vote::new(term, 1)
}

/// An entry that carries its own index and so many bytes.
pub(super) fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let mut payload = index.to_be_bytes().to_vec();
    payload.resize(bytes.max(payload.len()), b'.');
    Entry::new_normal(id(term, index), Batch(Bytes::from(payload)))
}

/// Appends `indexes`, and waits until they are acknowledged.
pub(super) async fn append(store: &mut LogStore, term: u64, indexes: std::ops::RangeInclusive<u64>) {
    let entries: Vec<_> = indexes.map(|index| entry(term, index, 100)).collect();
    store.blocking_append(entries).await.expect("entries are appended");
}

/// Appends `indexes`, and waits until they are acknowledged and in the database of a store that is [eager](Disk::eager_store).
pub(super) async fn append_written(store: &mut LogStore, term: u64, indexes: std::ops::RangeInclusive<u64>) {
    let last = *indexes.end();
    append(store, term, indexes).await;
    let written = async {
        while store.shared.db.entry(last).expect("the database reads").is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.expect("entries are written while nobody waits");
}

/// Appends `indexes`, and does not wait.
pub(super) async fn append_unsynced(
    store: &mut LogStore,
    term: u64,
    indexes: std::ops::RangeInclusive<u64>,
) -> Flushed {
    let (told, flushed) = TypeConfig::oneshot();
    let entries: Vec<_> = indexes.map(|index| entry(term, index, 100)).collect();
    store.append(entries, IOFlushed::signal(told)).await.expect("entries are appended");
    flushed
}

/// The log ids that a reader finds.
pub(super) async fn ids(store: &mut LogStore) -> Vec<LogId> {
    let entries = store.get_log_reader().await.try_get_log_entries(..).await.expect("the log reads");
    entries.into_iter().map(|entry| entry.log_id()).collect()
}

pub(super) fn ids_of(term: u64, indexes: std::ops::RangeInclusive<u64>) -> Vec<LogId> {
    indexes.map(|index| id(term, index)).collect()
}
