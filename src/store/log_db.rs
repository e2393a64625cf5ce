//! The `log` database: entries by index and a few named values, synced when the caller says so.
//!
//! The two lie apart (docs/adr/0072): entries come at the end and go at the beginning, and whole files go with them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, ReadOptions, WriteBatch, WriteOptions};

use super::error::StoreError;
use super::tuning::{self, Sizes};

const WHAT: &str = "log";
/// Table of the entries: tag, index.
const ENTRY: u8 = b'e';
/// Where that table lies.
const ENTRIES: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
/// Table of the named values: tag, name.
const META: u8 = b'm';
/// Where that table lies; earlier builds had it beside the entries.
const VALUES: &str = "values";

/// The `log` database of one node.
pub struct LogDb {
    db: DB,
    dir: PathBuf,
}

/// What is written at once, or not at all.
#[derive(Default)]
pub struct LogBatch {
    entries: WriteBatch,
    values: Vec<(Vec<u8>, Vec<u8>)>,
}

impl LogBatch {
    /// Adds an entry.
    pub fn put_entry(&mut self, index: u64, bytes: &[u8]) {
        self.entries.put(entry_key(index), bytes);
    }

    /// Sets a named value.
    pub fn put_meta(&mut self, name: &str, bytes: &[u8]) {
        self.values.push((meta_key(name), bytes.to_vec()));
    }

    /// Deletes the entries of a range.
    pub fn delete_entries(&mut self, range: Range<u64>) {
        self.entries.delete_range(entry_key(range.start), entry_key(range.end));
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
        let db = Self::open_with(dir, false)?;
        db.bring_up()?;
        Ok(db)
    }

    fn open_with(dir: &Path, create: bool) -> Result<Self, StoreError> {
        let families = [ENTRIES, VALUES].map(|name| (name, tuning::log(create)));
        let db = DB::open_cf_with_opts(&tuning::log(create), dir, families)
            .map_err(|error| StoreError::rocks(WHAT, dir, if create { "make" } else { "open" }, &error))?;
        Ok(Self { db, dir: dir.to_owned() })
    }

    /// Puts the values where they belong that an earlier build wrote beside the entries: all of them at once.
    fn bring_up(&self) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound([META + 1]);
        let mut batch = WriteBatch::default();
        for value in self.db.iterator_opt(IteratorMode::From(&[META], Direction::Forward), options) {
            let (key, bytes) = value.map_err(|error| self.error("read", &error))?;
            batch.put_cf(self.family(VALUES), &key, bytes);
            batch.delete(key);
        }
        if batch.is_empty() {
            return Ok(());
        }
        tracing::info!(dir = %self.dir.display(), "moving what an earlier build wrote to where it is kept now; once");
        self.db.write(batch).map_err(|error| self.error("write", &error))?;
        self.sync()
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("it was opened with the database")
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
        let LogBatch { entries: mut batch, values } = batch;
        for (key, bytes) in values {
            batch.put_cf(self.family(VALUES), key, bytes);
        }
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.db.write_opt(batch, &options).map_err(|error| self.error("write", &error))
    }

    /// Lets go of files that hold nothing but entries before `first`, which nobody may ask for any more. Others of them stay for a
    /// while.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn drop_before(&self, first: u64) -> Result<(), StoreError> {
        let Some(last) = first.checked_sub(1) else { return Ok(()) };
        let (from, to) = (entry_key(0), entry_key(last));
        self.db.delete_file_in_range(from, to).map_err(|error| self.error("drop files of", &error))
    }

    /// Makes durable what was written before this call.
    ///
    /// # Errors
    /// When the disk refuses; what is durable then is unknown.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|error| self.error("sync", &error))
    }

    /// Brings all entries into one file, as time does.
    #[cfg(test)]
    pub(crate) fn compact(&self) {
        self.db.flush().expect("entries are flushed");
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
    }

    /// A named value.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.family(VALUES), meta_key(name)).map_err(|error| self.error("read", &error))
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
        Sizes::of(&self.db, [ENTRIES, VALUES].map(|name| self.family(name)))
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
