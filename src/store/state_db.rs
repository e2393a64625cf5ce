//! The `state` database: the journal's rows and named values, and checkpoints beside them. It has no log of its own: what
//! was written since the last flush is gone after a crash, all of it from one point on, and the caller makes it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rocksdb::checkpoint::Checkpoint as Links;
use rocksdb::{
    ColumnFamily, DB, DBIterator, Direction, FlushOptions, IteratorMode, ReadOptions, WriteBatch, WriteOptions,
};

use super::error::StoreError;
use super::tuning::{self, Sizes};
use super::upgrade;

pub use super::checkpoint::{Checkpoint, CheckpointChunks, CheckpointWriter};

const WHAT: &str = "state";
/// Table of the rows that are kept: tag, seq.
const KEPT: u8 = b'k';
/// Table of the rows that are dropped by the day: tag, seq.
pub(super) const PASSING: u8 = b'p';
/// Where that table lies: what only ever grows at its end is never merged with anything (docs/adr/0068).
const PASSING_FAMILY: &str = "passing";
/// Where the others lie.
const FAMILY: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
/// Table of the named values: tag, name.
const META: u8 = b'm';

/// One write of many rows: beyond it, memory grows and nothing gets faster.
pub(super) const WRITE_BYTES: usize = 1 << 20;

/// For how long a row is meant to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Until an operator prunes it.
    Kept,
    /// Until its day is dropped ([`StateDb::drop_range`]).
    Passing,
}

impl Shelf {
    const fn tag(self) -> u8 {
        match self {
            Shelf::Kept => KEPT,
            Shelf::Passing => PASSING,
        }
    }

    const fn family(self) -> &'static str {
        match self {
            Shelf::Kept => FAMILY,
            Shelf::Passing => PASSING_FAMILY,
        }
    }
}

/// A row to be written.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its position, unique over both shelves.
    pub seq: u64,
    /// Where it is kept.
    pub shelf: Shelf,
    /// What is stored, one part behind the other.
    pub parts: [&'a [u8]; 2],
}

/// A row that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Its position.
    pub seq: u64,
    /// Where it is kept.
    pub shelf: Shelf,
    /// What was stored.
    pub bytes: Vec<u8>,
}

/// The `state` database of one node.
pub struct StateDb {
    pub(super) db: DB,
    dir: PathBuf,
    /// Held while checkpoints get their names and lose them: a snapshot holds those that it saw.
    pub(super) naming: Mutex<()>,
}

impl StateDb {
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

    /// Opens the one that must be there: made here, or shipped ([`StateDb::snapshot_to`], [`StateDb::replace`]).
    ///
    /// # Errors
    /// When it is not there, is in use, or is damaged.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        finish_replacement(dir)?;
        if !dir.join("CURRENT").exists() {
            return Err(StoreError::Missing { what: WHAT, path: dir.to_owned() });
        }
        let db = Self::open_with(dir, false)?;
        upgrade::bring_up(&db)?;
        Checkpoint::clear_unfinished(dir)?;
        Ok(db)
    }

    fn open_with(dir: &Path, create: bool) -> Result<Self, StoreError> {
        let families = [FAMILY, PASSING_FAMILY].map(|name| (name, tuning::state(create)));
        let db = DB::open_cf_with_opts(&tuning::state(create), dir, families)
            .map_err(|error| StoreError::rocks(WHAT, dir, if create { "make" } else { "open" }, &error))?;
        Ok(Self { db, dir: dir.to_owned(), naming: Mutex::default() })
    }

    /// Puts the files of a snapshot in the place of a database that nobody has open. A crash leaves the old one or
    /// the new one, never neither; [`StateDb::open`] cleans up.
    ///
    /// # Errors
    /// When the snapshot is no database, or the disk refuses.
    pub fn replace(dir: &Path, snapshot: &Path) -> Result<(), StoreError> {
        if !snapshot.join("CURRENT").exists() {
            return Err(StoreError::Missing { what: "snapshot", path: snapshot.to_owned() });
        }
        finish_replacement(dir)?;
        sync_files(snapshot)?;
        let old = old_of(dir);
        let refused = |error: std::io::Error| StoreError::system(WHAT, dir, "replace", &error);
        if dir.exists() {
            fs::rename(dir, &old).map_err(refused)?;
        }
        fs::rename(snapshot, dir).map_err(refused)?;
        sync_dir(dir.parent().unwrap_or(dir))?;
        finish_replacement(dir)
    }

    /// Where it lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes rows, and named values after the last of them; durable with the next [`StateDb::flush`]. A crash may leave
    /// some of the rows without the values that say how far they go: written again, they are the same.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append<'a>(
        &self,
        rows: impl IntoIterator<Item = Row<'a>>,
        meta: &[(&str, &[u8])],
    ) -> Result<(), StoreError> {
        let (mut batch, mut bytes) = (WriteBatch::default(), Vec::new());
        for row in rows {
            bytes.clear();
            row.parts.iter().for_each(|part| bytes.extend_from_slice(part));
            batch.put_cf(self.family(row.shelf), row_key(row.shelf, row.seq), &bytes);
            if batch.size_in_bytes() >= WRITE_BYTES {
                self.write(std::mem::take(&mut batch))?;
            }
        }
        for (name, bytes) in meta {
            batch.put(meta_key(name), bytes);
        }
        self.write(batch)
    }

    /// Makes durable what was written before this call.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> Result<(), StoreError> {
        let families = [self.family(Shelf::Kept), self.family(Shelf::Passing)];
        self.db.flush_cfs_opt(&families, &FlushOptions::default()).map_err(|error| self.error("flush", &error))
    }

    /// A named value.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(meta_key(name)).map_err(|error| self.error("read", &error))
    }

    /// The row at `seq`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, seq: u64) -> Result<Option<StoredRow>, StoreError> {
        for shelf in [Shelf::Kept, Shelf::Passing] {
            let found =
                self.db.get_cf(self.family(shelf), row_key(shelf, seq)).map_err(|error| self.error("read", &error))?;
            if let Some(bytes) = found {
                return Ok(Some(StoredRow { seq, shelf, bytes }));
            }
        }
        Ok(None)
    }

    /// The rows after `after` in order, both shelves: at most `limit`, and as many as fit into `max_bytes`, but the
    /// first one always.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn range(&self, after: u64, limit: usize, max_bytes: usize) -> Result<Vec<StoredRow>, StoreError> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        let view = self.db.snapshot();
        let options = || {
            let mut options = ReadOptions::default();
            options.set_snapshot(&view);
            options
        };
        let mut kept = self.walk(Shelf::Kept, first, options());
        let mut passing = self.walk(Shelf::Passing, first, options());
        let (mut one, mut other) = (kept.next().transpose()?, passing.next().transpose()?);
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        while found.len() < limit {
            let from_kept = match (&one, &other) {
                (Some(one), Some(other)) => one.seq < other.seq,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let row = if from_kept {
                std::mem::replace(&mut one, kept.next().transpose()?)
            } else {
                std::mem::replace(&mut other, passing.next().transpose()?)
            };
            let Some(row) = row else { break };
            bytes = bytes.saturating_add(row.bytes.len());
            if !found.is_empty() && bytes > max_bytes {
                break;
            }
            found.push(row);
        }
        Ok(found)
    }

    /// The lowest position that has a row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn first_seq(&self) -> Result<Option<u64>, StoreError> {
        let kept = self.end(Shelf::Kept, Direction::Forward)?;
        let passing = self.end(Shelf::Passing, Direction::Forward)?;
        Ok(kept.into_iter().chain(passing).min())
    }

    /// The highest position that has a row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last_seq(&self) -> Result<Option<u64>, StoreError> {
        let kept = self.end(Shelf::Kept, Direction::Reverse)?;
        let passing = self.end(Shelf::Passing, Direction::Reverse)?;
        Ok(kept.into_iter().chain(passing).max())
    }

    /// Drops the rows of one shelf from `first` to `last`, both included: whole files at once where it can. Named
    /// values given with it change in the same write.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn drop_range(&self, shelf: Shelf, first: u64, last: u64, meta: &[(&str, &[u8])]) -> Result<(), StoreError> {
        let (family, from, to) = (self.family(shelf), row_key(shelf, first), row_key(shelf, last));
        // No row has the very last position, so the one after `last` exists.
        let end = row_key(shelf, last.saturating_add(1));
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(family, from, end);
        for (name, bytes) in meta {
            batch.put(meta_key(name), bytes);
        }
        self.write(batch)?;
        // Files go only once the deletion is durable: else a crash would bring back some of the rows.
        self.flush()?;
        self.db.delete_file_in_range_cf(family, from, to).map_err(|error| self.error("shorten", &error))?;
        // If the deletion had been compacted into one of those files by now, it went with it.
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(family, from, end);
        self.write(batch)
    }

    /// Begins a checkpoint as of `seq`, in the place of an unfinished one. One at a time.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin_checkpoint(&self, seq: u64) -> Result<CheckpointWriter<'_>, StoreError> {
        CheckpointWriter::begin(self, seq)
    }

    /// The newest finished checkpoint.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn newest_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.checkpoints()?.into_iter().next())
    }

    /// The finished checkpoints, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        Checkpoint::all(&self.dir)
    }

    /// Flushes, and makes a copy in a directory that must not be there yet, by hard links: cheap at any size. It is
    /// a database of its own then.
    ///
    /// # Errors
    /// When the directory is there, or the disk refuses.
    pub fn snapshot_to(&self, dir: &Path) -> Result<(), StoreError> {
        if dir.exists() {
            return Err(StoreError::Exists { what: "snapshot", path: dir.to_owned() });
        }
        let _none_comes_or_goes = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        Links::new(&self.db)
            .and_then(|links| links.create_checkpoint(dir))
            .map_err(|error| StoreError::rocks("snapshot", dir, "make", &error))?;
        Checkpoint::link_all(&self.dir, dir)
    }

    /// What it says about its size.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes::of(&self.db, [self.family(Shelf::Kept), self.family(Shelf::Passing)])
    }

    fn walk<'a>(&'a self, shelf: Shelf, first: u64, mut options: ReadOptions) -> Walk<'a> {
        options.set_iterate_upper_bound(vec![shelf.tag() + 1]);
        let from = row_key(shelf, first);
        let mode = IteratorMode::From(&from, Direction::Forward);
        let items = self.db.iterator_cf_opt(self.family(shelf), options, mode);
        Walk { db: self, shelf, items }
    }

    fn end(&self, shelf: Shelf, direction: Direction) -> Result<Option<u64>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(vec![shelf.tag()]);
        options.set_iterate_upper_bound(vec![shelf.tag() + 1]);
        let mode = match direction {
            Direction::Forward => IteratorMode::Start,
            Direction::Reverse => IteratorMode::End,
        };
        match self.db.iterator_cf_opt(self.family(shelf), options, mode).next() {
            None => Ok(None),
            Some(Ok((key, _))) => Ok(Some(self.seq_of(&key)?)),
            Some(Err(error)) => Err(self.error("read", &error)),
        }
    }

    fn seq_of(&self, key: &[u8]) -> Result<u64, StoreError> {
        key.get(1..9)
            .and_then(|seq| seq.try_into().ok())
            .map(u64::from_be_bytes)
            .ok_or_else(|| self.damaged("a row's key has a wrong length"))
    }

    pub(super) fn family(&self, shelf: Shelf) -> &ColumnFamily {
        self.db.cf_handle(shelf.family()).expect("it is opened with both families")
    }

    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options).map_err(|error| self.error("write", &error))
    }

    pub(super) fn error(&self, doing: &'static str, error: &rocksdb::Error) -> StoreError {
        StoreError::rocks(WHAT, &self.dir, doing, error)
    }

    pub(super) fn damaged(&self, detail: &str) -> StoreError {
        StoreError::Damaged { what: WHAT, path: self.dir.clone(), detail: detail.to_owned() }
    }
}

/// The rows of one shelf, in order.
struct Walk<'a> {
    db: &'a StateDb,
    shelf: Shelf,
    items: DBIterator<'a>,
}

impl Iterator for Walk<'_> {
    type Item = Result<StoredRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.items.next()? {
            Ok((key, bytes)) => {
                self.db.seq_of(&key).map(|seq| StoredRow { seq, shelf: self.shelf, bytes: bytes.into_vec() })
            }
            Err(error) => Err(self.db.error("read", &error)),
        })
    }
}

fn row_key(shelf: Shelf, seq: u64) -> [u8; 9] {
    let mut key = [shelf.tag(); 9];
    key[1..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn meta_key(name: &str) -> Vec<u8> {
    let mut key = vec![META];
    key.extend_from_slice(name.as_bytes());
    key
}

fn old_of(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".old");
    dir.with_file_name(name)
}

/// Ends what a crash interrupted: the old files go when the new ones are in place, and come back when they are not.
fn finish_replacement(dir: &Path) -> Result<(), StoreError> {
    let old = old_of(dir);
    if !old.exists() {
        return Ok(());
    }
    let done = if dir.join("CURRENT").exists() { fs::remove_dir_all(&old) } else { fs::rename(&old, dir) };
    done.map_err(|error| StoreError::system(WHAT, &old, "clear away", &error))
}

fn sync_files(dir: &Path) -> Result<(), StoreError> {
    let sync = || {
        for file in fs::read_dir(dir)? {
            fs::File::open(file?.path())?.sync_all()?;
        }
        Ok(())
    };
    sync().map_err(|error: std::io::Error| StoreError::system("snapshot", dir, "sync", &error))?;
    sync_dir(dir)
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| StoreError::system("data directory", dir, "sync", &error))
}
