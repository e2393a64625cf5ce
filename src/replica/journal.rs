//! The journal as readers see it: rows in the database, and behind them the tail that is still in memory only.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use openraft::alias::{LogIdOf, StoredMembershipOf};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::types::TypeConfig;
use crate::codec::{self, Malformed};
use crate::domain::intent::Class;
use crate::domain::name::Hash;
use crate::domain::record::Stored;
use crate::domain::time::Day;
use crate::store::{Row, Shelf, StateDb, StoreError, StoredRow};

/// Bytes that one read of the database may take: a page is cut there, and the caller asks for the next.
pub(super) const PAGE_BYTES: usize = 4 << 20;
/// The tail's size at which this node takes no more writes until the disk has caught up.
pub(super) const FULL_TAIL_BYTES: usize = 512 << 20;
/// The meta row that holds the [`Position`] up to which the database goes.
pub(super) const POSITION_KEY: &str = "position";
/// The format of that row.
const POSITION_FORMAT: u8 = 1;
/// What a row has before its record: the digest.
const DIGEST_BYTES: usize = 32;

/// How far something goes: in the log, in the journal, and which members that made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The last log entry that is in it.
    pub log: Option<LogIdOf<TypeConfig>>,
    /// The members as of that entry.
    pub membership: Arc<StoredMembershipOf<TypeConfig>>,
    /// The last record of that entry, or of the last entry before it that had one.
    pub seq: u64,
    /// Closed license days with the positions at which they were closed, oldest first: where bulk rows may be dropped.
    pub days: Arc<Vec<(Day, u64)>>,
}

impl Position {
    /// As the database's meta row.
    #[must_use]
    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(POSITION_FORMAT, self)
    }

    /// Reads the database's meta row.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn decode(bytes: &[u8]) -> Result<Position, Malformed> {
        codec::decode(POSITION_FORMAT, bytes)
    }
}

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The database says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row is not what was written.
    #[error("row {0} of the journal is malformed")]
    Row(u64),
    /// A snapshot is being installed, or the node has stopped.
    #[error("the journal is closed for the moment")]
    Closed,
}

/// Where records of this class are kept.
#[must_use]
pub(super) const fn shelf(class: Class) -> Shelf {
    match class {
        Class::Audit => Shelf::Kept,
        Class::Bulk => Shelf::Passing,
    }
}

/// A row as the record that it holds.
///
/// # Errors
/// When it is not a digest and the bytes that it covers.
pub(super) fn stored(row: StoredRow) -> Result<Stored, Unreadable> {
    let StoredRow { seq, shelf, bytes } = row;
    let class = match shelf {
        Shelf::Kept => Class::Audit,
        Shelf::Passing => Class::Bulk,
    };
    let digest: Hash = bytes.get(..DIGEST_BYTES).and_then(|head| head.try_into().ok()).ok_or(Unreadable::Row(seq))?;
    Ok(Stored { seq, class, digest, bytes: Bytes::from(bytes).slice(DIGEST_BYTES..) })
}

/// What was applied and is not yet in the database, in the pieces that it was applied in: all of it is taken out without touching a
/// record while apply waits.
#[derive(Debug, Default)]
struct Tail {
    pieces: VecDeque<Arc<Piece>>,
    bytes: usize,
    position: Position,
}

/// Records that follow one another, one at least.
#[derive(Debug)]
struct Piece {
    rows: Vec<Stored>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, rows: Vec<Stored>) {
        if rows.is_empty() {
            return;
        }
        let bytes = rows.iter().map(|stored| stored.bytes.len() + DIGEST_BYTES).sum();
        self.bytes += bytes;
        self.pieces.push_back(Arc::new(Piece { rows, bytes }));
    }

    /// The database has the first `count` pieces: memory lets go of them.
    fn forget(&mut self, count: usize) {
        self.bytes -= self.pieces.drain(..count).map(|piece| piece.bytes).sum::<usize>();
    }

    /// Where it begins.
    fn first(&self) -> Option<u64> {
        self.pieces.front().and_then(|piece| piece.rows.first()).map(|first| first.seq)
    }

    /// What it has from this position on.
    fn rows_from(&self, seq: u64) -> impl Iterator<Item = &Stored> {
        let before = self.pieces.partition_point(|piece| piece.rows.last().is_some_and(|last| last.seq < seq));
        let pieces = self.pieces.range(before..);
        pieces.flat_map(|piece| &piece.rows).skip_while(move |stored| stored.seq < seq)
    }
}

/// All records that this node has.
pub(super) struct Journal {
    db: RwLock<Option<StateDb>>,
    tail: Mutex<Tail>,
    grown: watch::Sender<u64>,
    /// Held while the tail goes into the database, so that it never goes into another one than it belongs to.
    writing: Mutex<()>,
}

impl Journal {
    /// The journal over an open database that goes as far as `position`.
    #[must_use]
    pub(super) fn new(db: StateDb, position: Position) -> Journal {
        let grown = watch::Sender::new(position.seq);
        let tail = Mutex::new(Tail { position, ..Tail::default() });
        Journal { db: RwLock::new(Some(db)), tail, grown, writing: Mutex::default() }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the database, which stays open meanwhile.
    ///
    /// # Errors
    /// What `work` says, or that the journal is closed.
    pub(super) fn with_db<T>(&self, work: impl FnOnce(&StateDb) -> Result<T, StoreError>) -> Result<T, Unreadable> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        Ok(work(db.as_ref().ok_or(Unreadable::Closed)?)?)
    }

    /// Appends what an apply brought about; readers see it at once.
    pub(super) fn append(&self, records: Vec<Stored>, position: Position) {
        let seq = position.seq;
        {
            let mut tail = self.tail();
            tail.push(records);
            tail.position = position;
        }
        self.grown.send_if_modified(|grown| std::mem::replace(grown, seq) != seq);
    }

    /// Moves the tail into the database, durable with the database's next flush. Says how far it goes then.
    ///
    /// # Errors
    /// When the disk refuses, or the journal is closed; the tail stays.
    pub(super) fn write_tail(&self) -> Result<Position, Unreadable> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (pieces, position) = {
            let tail = self.tail();
            (tail.pieces.iter().cloned().collect::<Vec<_>>(), tail.position.clone())
        };
        let rows = pieces.iter().flat_map(|piece| &piece.rows).map(|stored| Row {
            seq: stored.seq,
            shelf: shelf(stored.class),
            parts: [stored.digest.as_slice(), stored.bytes.as_ref()],
        });
        self.with_db(|db| db.append(rows, &[(POSITION_KEY, &position.encode())]))?;
        self.tail().forget(pieces.len());
        Ok(position)
    }

    /// How many bytes only memory holds.
    #[must_use]
    pub(super) fn tail_bytes(&self) -> usize {
        self.tail().bytes
    }

    /// How far it goes.
    #[must_use]
    pub(super) fn position(&self) -> Position {
        self.tail().position.clone()
    }

    /// Tells when records come.
    #[must_use]
    pub(super) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Records after a position, in order; fewer than `limit` at the end, and when they are large.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn page(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Unreadable> {
        // The tail first: what leaves it meanwhile is in the database already.
        let (first, from_tail) = {
            let tail = self.tail();
            let from_tail: Vec<_> = tail.rows_from(after + 1).take(limit).cloned().collect();
            (tail.first().unwrap_or(u64::MAX), from_tail)
        };
        if after + 1 >= first {
            return Ok(from_tail);
        }
        let rows = self.with_db(|db| db.range(after, limit, PAGE_BYTES))?;
        let nothing_older = rows.is_empty();
        let mut page = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| row.seq < first) {
            page.push(stored(row)?);
        }
        if nothing_older || page.last().map_or(after, |last| last.seq) + 1 == first {
            let room = limit.saturating_sub(page.len());
            page.extend(from_tail.into_iter().take(room));
        }
        Ok(page)
    }

    /// One record; `None` if this node has not got there, or has dropped it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn get(&self, seq: u64) -> Result<Option<Stored>, Unreadable> {
        let in_tail = self.tail().rows_from(seq).next().filter(|stored| stored.seq == seq).cloned();
        if in_tail.is_some() {
            return Ok(in_tail);
        }
        self.with_db(|db| db.get(seq))?.map(stored).transpose()
    }

    /// Closes the database, lets `swap` put another in its place, and goes on from there with an empty tail.
    ///
    /// # Errors
    /// What `swap` says; the journal is closed then.
    pub(super) fn replace<E>(&self, swap: impl FnOnce() -> Result<(StateDb, Position), E>) -> Result<(), E> {
        let _nothing_is_written = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        drop(db.take());
        let (new, position) = swap()?;
        let seq = position.seq;
        *db = Some(new);
        *self.tail() = Tail { position, ..Tail::default() };
        drop(db);
        self.grown.send_replace(seq);
        Ok(())
    }

    /// Closes the database for good.
    pub(super) fn close(&self) {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        drop(db.take());
    }
}
