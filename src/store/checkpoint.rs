//! Checkpoints within the `state` database: numbered chunks, and a mark that says they are all there. The newest two
//! stay; what has no mark, or not all of its chunks, does not count.

use rocksdb::{DBIterator, Direction, IteratorMode, ReadOptions, WriteBatch};

use super::error::StoreError;
use super::state_db::StateDb;

/// Table of the chunks: tag, position, number.
const CHUNK: u8 = b'c';
/// Table of the marks: tag, position; how many chunks there are.
const MARK: u8 = b'f';
/// How many finished checkpoints stay: the newest, and one to fall back on.
const KEPT: usize = 2;

/// A finished checkpoint.
pub struct Checkpoint<'a> {
    db: &'a StateDb,
    seq: u64,
    chunks: u32,
}

/// A checkpoint that is being written.
pub struct CheckpointWriter<'a> {
    db: &'a StateDb,
    seq: u64,
    chunks: u32,
}

/// The chunks of a checkpoint, in order. A chunk that is missing is an error, never an early end.
pub struct CheckpointChunks<'a> {
    db: &'a StateDb,
    items: DBIterator<'a>,
    seq: u64,
    next: u32,
    chunks: u32,
}

impl<'a> CheckpointWriter<'a> {
    pub(super) fn begin(db: &'a StateDb, seq: u64) -> Result<Self, StoreError> {
        let mut batch = WriteBatch::default();
        forget(&mut batch, seq);
        db.write(batch)?;
        Ok(Self { db, seq, chunks: 0 })
    }

    /// Writes the next chunk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.put(chunk_key(self.seq, self.chunks), chunk);
        self.db.write(batch)?;
        self.chunks = self.chunks.checked_add(1).ok_or_else(|| self.db.damaged("a checkpoint has too many chunks"))?;
        Ok(())
    }

    /// Marks it as finished, forgets all but the newest two, and makes it durable.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(self) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.put(mark_key(self.seq), self.chunks.to_be_bytes());
        self.db.write(batch)?;
        // The mark reaches the disk together with the chunks or after them: one table, flushed in order.
        self.db.flush()?;
        self.forget_older()
    }

    fn forget_older(&self) -> Result<(), StoreError> {
        let finished = Checkpoint::all(self.db)?;
        let Some(oldest) = finished.iter().map(|one| one.seq).nth(KEPT - 1) else { return Ok(()) };
        let mut batch = WriteBatch::default();
        batch.delete_range(mark_key(0), mark_key(oldest));
        batch.delete_range(chunk_key(0, 0), chunk_key(oldest, 0));
        self.db.write(batch)
    }
}

impl<'a> Checkpoint<'a> {
    pub(super) fn all(db: &'a StateDb) -> Result<Vec<Self>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(vec![MARK]);
        options.set_iterate_upper_bound(vec![MARK + 1]);
        let mut found = Vec::new();
        for item in db.db.iterator_opt(IteratorMode::End, options) {
            let (key, value) = item.map_err(|error| db.error("read", &error))?;
            let seq = key.get(1..9).and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
            let chunks = value.as_ref().try_into().ok().map(u32::from_be_bytes);
            let (Some(seq), Some(chunks)) = (seq, chunks) else {
                return Err(db.damaged("a checkpoint's mark has a wrong length"));
            };
            found.push(Self { db, seq, chunks });
        }
        Ok(found)
    }

    /// The position as of which it was taken.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Its chunks.
    #[must_use]
    pub fn chunks(&self) -> CheckpointChunks<'a> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(chunk_key(self.seq, self.chunks).to_vec());
        // Read once and never again: it would only push others out of the cache.
        options.fill_cache(false);
        let from = chunk_key(self.seq, 0);
        let items = self.db.db.iterator_opt(IteratorMode::From(&from, Direction::Forward), options);
        CheckpointChunks { db: self.db, items, seq: self.seq, next: 0, chunks: self.chunks }
    }
}

impl Iterator for CheckpointChunks<'_> {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.chunks {
            return None;
        }
        let wanted = chunk_key(self.seq, self.next);
        let item = match self.items.next() {
            Some(Ok((key, chunk))) if key.as_ref() == wanted => Ok(chunk.into_vec()),
            Some(Err(error)) => Err(self.db.error("read", &error)),
            Some(Ok(_)) | None => Err(self.db.damaged("a chunk of a finished checkpoint is missing")),
        };
        // After an error nothing more comes.
        self.next = if item.is_ok() { self.next + 1 } else { self.chunks };
        Some(item)
    }
}

fn forget(batch: &mut WriteBatch, seq: u64) {
    batch.delete(mark_key(seq));
    batch.delete_range(chunk_key(seq, 0), chunk_key(seq, u32::MAX));
}

fn mark_key(seq: u64) -> [u8; 9] {
    let mut key = [MARK; 9];
    key[1..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn chunk_key(seq: u64, number: u32) -> [u8; 13] {
    let mut key = [CHUNK; 13];
    key[1..9].copy_from_slice(&seq.to_be_bytes());
    key[9..].copy_from_slice(&number.to_be_bytes());
    key
}
