//! The `log` database: entries by index and a few named values, synced when the caller says so.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rocksdb::{DB, Direction, IteratorMode, ReadOptions, WriteBatch, WriteOptions};

use super::error::StoreError;
use super::tuning::{self, Sizes};

const WHAT: &str = "log";
/// Table of the entries: tag, index.
const ENTRY: u8 = b'e';
/// Table of the named values: tag, name.
const META: u8 = b'm';

/// The `log` database of one node.
pub struct LogDb {
    db: DB,
    dir: PathBuf,
}

/// What is written at once, or not at all.
#[derive(Default)]
pub struct LogBatch {
    batch: WriteBatch,
}

impl LogBatch {
    /// Adds an entry.
    pub fn put_entry(&mut self, index: u64, bytes: &[u8]) {
        self.batch.put(entry_key(index), bytes);
    }

    /// Sets a named value.
    pub fn put_meta(&mut self, name: &str, bytes: &[u8]) {
        self.batch.put(meta_key(name), bytes);
    }

    /// Deletes the entries of a range.
    pub fn delete_entries(&mut self, range: Range<u64>) {
        self.batch.delete_range(entry_key(range.start), entry_key(range.end));
    }

    /// How many bytes this takes in the log.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }
}

impl LogDb {
    /// Makes an empty one where nothing is.
    ///
    /// # Errors
    /// When something is there already, or the disk refuses.
    pub fn create(dir: &Path) -> Result<Self, StoreError> {
        if dir.join("CURRENT").exists() {
            return Err(StoreError::Exists { what: WHAT, path: dir.to_owned() });
        }
        Self::open_with(dir, true)
    }

    /// Opens the one that must be there.
    ///
    /// # Errors
    /// When it is not there, is in use, or is damaged.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        if !dir.join("CURRENT").exists() {
            return Err(StoreError::Missing { what: WHAT, path: dir.to_owned() });
        }
        Self::open_with(dir, false)
    }

    fn open_with(dir: &Path, create: bool) -> Result<Self, StoreError> {
        let db = DB::open(&tuning::log(create), dir)
            .map_err(|error| StoreError::rocks(WHAT, dir, if create { "make" } else { "open" }, &error))?;
        Ok(Self { db, dir: dir.to_owned() })
    }

    /// Where it lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a batch: readable at once, durable with the next [`LogDb::sync`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, batch: LogBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.db.write_opt(batch.batch, &options).map_err(|error| self.error("write", &error))
    }

    /// Makes durable what was written before this call.
    ///
    /// # Errors
    /// When the disk refuses; what is durable then is unknown.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|error| self.error("sync", &error))
    }

    /// A named value.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(meta_key(name)).map_err(|error| self.error("read", &error))
    }

    /// The entry at `index`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(entry_key(index)).map_err(|error| self.error("read", &error))
    }

    /// The entries of a range that are there, in order, as of this call: as many as fit into `max_bytes`, but the
    /// first one always.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn entries(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        self.each_entry(range, |index, entry| {
            bytes += entry.len();
            let fits = found.is_empty() || bytes <= max_bytes;
            if fits {
                found.push((index, entry.to_vec()));
            }
            fits
        })?;
        Ok(found)
    }

    /// Walks over the entries of a range, until `visit` says no.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn each_entry(&self, range: Range<u64>, mut visit: impl FnMut(u64, &[u8]) -> bool) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let (from, to) = (entry_key(range.start), entry_key(range.end));
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to.to_vec());
        for item in self.db.iterator_opt(IteratorMode::From(&from, Direction::Forward), options) {
            let (key, value) = item.map_err(|error| self.error("read", &error))?;
            if !visit(index_of(&key), &value) {
                break;
            }
        }
        Ok(())
    }

    /// What it says about its size.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes::of(|name| self.db.property_int_value(name).ok().flatten().unwrap_or_default())
    }

    fn error(&self, doing: &'static str, error: &rocksdb::Error) -> StoreError {
        StoreError::rocks(WHAT, &self.dir, doing, error)
    }
}

fn entry_key(index: u64) -> [u8; 9] {
    let mut key = [ENTRY; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

fn meta_key(name: &str) -> Vec<u8> {
    let mut key = vec![META];
    key.extend_from_slice(name.as_bytes());
    key
}

/// The index in an entry's key; keys of another length are never written to this table.
fn index_of(key: &[u8]) -> u64 {
    key.get(1..9).and_then(|index| index.try_into().ok()).map_or(u64::MAX, u64::from_be_bytes)
}
