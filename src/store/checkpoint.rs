//! Checkpoints: files beside the tables of the `state` database (docs/adr/0067). Written once, read once, dropped whole;
//! the newest two stay. A file has its name only when all of it, and every row up to it, is on disk.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use crc32fast::hash as crc32;

use super::error::StoreError;
use super::state_db::{StateDb, sync_dir};

const WHAT: &str = "checkpoint";
/// What a file begins with; the digits are the format. Behind it come chunks: length, checksum, bytes.
const MAGIC: &[u8; 8] = b"qmckpt01";
/// What the name of a finished one begins with; its position follows.
const FINISHED: &str = "checkpoint-";
/// The name of the one that is being written.
const UNFINISHED: &str = "unfinished-checkpoint";
/// In the place of a length: no chunk, but the number of chunks before, and the end.
const END: u32 = u32::MAX;
/// Bytes that go to the disk at a time: the log syncs to the same one, and must not wait behind all of it.
const SYNC_BYTES: usize = 8 << 20;
/// How many finished checkpoints stay: the newest, and one to fall back on.
const KEPT: usize = 2;

/// A finished checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    seq: u64,
    path: PathBuf,
}

/// A checkpoint that is being written.
pub struct CheckpointWriter<'a> {
    db: &'a StateDb,
    seq: u64,
    path: PathBuf,
    file: BufWriter<File>,
    chunks: u32,
    unsynced: usize,
}

/// The chunks of a checkpoint, in order. A chunk that is missing is an error, never an early end.
pub struct CheckpointChunks {
    path: PathBuf,
    file: BufReader<File>,
    /// Bytes that are still to be read.
    left: u64,
    read: u32,
    ended: bool,
}

impl<'a> CheckpointWriter<'a> {
    pub(super) fn begin(db: &'a StateDb, seq: u64) -> Result<Self, StoreError> {
        let path = db.dir().join(UNFINISHED);
        let begun = File::create(&path).map(BufWriter::new).and_then(|mut file| {
            file.write_all(MAGIC)?;
            Ok(file)
        });
        let file = begun.map_err(|error| StoreError::system(WHAT, &path, "make", &error))?;
        Ok(Self { db, seq, path, file, chunks: 0, unsynced: 0 })
    }

    /// Writes the next chunk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        self.write(chunk).map_err(|error| StoreError::system(WHAT, &self.path, "write", &error))
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        let length = u32::try_from(chunk.len()).ok().filter(|length| *length != END);
        let length = length.ok_or_else(|| io::Error::other("a chunk is too long"))?;
        self.file.write_all(&length.to_be_bytes())?;
        self.file.write_all(&crc32(chunk).to_be_bytes())?;
        self.file.write_all(chunk)?;
        self.chunks += 1;
        self.unsynced += chunk.len();
        if self.unsynced >= SYNC_BYTES {
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Makes it durable, with every row up to it; then it counts, and all but the newest two go.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> Result<(), StoreError> {
        let ended = self.end();
        ended.map_err(|error| StoreError::system(WHAT, &self.path, "write", &error))?;
        self.db.flush()?;
        let _no_snapshot_meanwhile = self.db.naming.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = path_of(self.db.dir(), self.seq);
        fs::rename(&self.path, &finished).map_err(|error| StoreError::system(WHAT, &finished, "finish", &error))?;
        sync_dir(self.db.dir())?;
        for old in Checkpoint::all(self.db.dir())?.iter().skip(KEPT) {
            fs::remove_file(&old.path).map_err(|error| StoreError::system(WHAT, &old.path, "remove", &error))?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.file.write_all(&END.to_be_bytes())?;
        self.file.write_all(&self.chunks.to_be_bytes())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

impl Checkpoint {
    /// The finished ones in a directory, the newest first.
    pub(super) fn all(dir: &Path) -> Result<Vec<Self>, StoreError> {
        let files = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let files = files.map_err(|error| StoreError::system(WHAT, dir, "look for", &error))?;
        let seq = |file: &fs::DirEntry| file.file_name().to_str()?.strip_prefix(FINISHED)?.parse().ok();
        let mut found: Vec<_> =
            files.iter().filter_map(|file| Some(Self { seq: seq(file)?, path: file.path() })).collect();
        found.sort_unstable_by_key(|one| std::cmp::Reverse(one.seq));
        Ok(found)
    }

    /// Removes what a crash left of one that was being written.
    pub(super) fn clear_unfinished(dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(UNFINISHED);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::system(WHAT, &path, "remove", &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Puts links to the finished ones into another directory.
    pub(super) fn link_all(from: &Path, to: &Path) -> Result<(), StoreError> {
        for one in Self::all(from)? {
            let link = path_of(to, one.seq);
            fs::hard_link(&one.path, &link).map_err(|error| StoreError::system(WHAT, &link, "link", &error))?;
        }
        Ok(())
    }

    /// The position as of which it was taken.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// How many bytes it has.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let about = fs::metadata(&self.path).map_err(|error| StoreError::system(WHAT, &self.path, "read", &error))?;
        Ok(about.len())
    }

    /// Its chunks.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn chunks(&self) -> Result<CheckpointChunks, StoreError> {
        let refused = |error: io::Error| StoreError::system(WHAT, &self.path, "read", &error);
        let file = File::open(&self.path).map_err(refused)?;
        let left = file.metadata().map_err(refused)?.len();
        let path = self.path.clone();
        let mut chunks = CheckpointChunks { path, file: BufReader::new(file), left, read: 0, ended: false };
        if chunks.array()? != *MAGIC {
            return Err(chunks.damaged("it does not begin like a checkpoint"));
        }
        Ok(chunks)
    }
}

impl CheckpointChunks {
    fn damaged(&self, detail: &str) -> StoreError {
        StoreError::Damaged { what: WHAT, path: self.path.clone(), detail: detail.to_owned() }
    }

    /// Reads exactly so much.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StoreError> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| self.damaged("it is cut off"))?;
        self.file.read_exact(bytes).map_err(|error| StoreError::system(WHAT, &self.path, "read", &error))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, StoreError> {
        self.array().map(u32::from_be_bytes)
    }

    fn chunk(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let length = self.number()?;
        if length == END {
            return if self.number()? == self.read { Ok(None) } else { Err(self.damaged("chunks are missing")) };
        }
        let sum = self.number()?;
        // Before memory is taken for it: a damaged length may say anything.
        if u64::from(length) > self.left {
            return Err(self.damaged("it is cut off"));
        }
        let mut chunk = vec![0; length as usize];
        self.fill(&mut chunk)?;
        if crc32(&chunk) != sum {
            return Err(self.damaged("a chunk is not what was written"));
        }
        self.read += 1;
        Ok(Some(chunk))
    }
}

impl Iterator for CheckpointChunks {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.chunk().transpose();
        // After an error nothing more comes.
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

fn path_of(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{FINISHED}{seq:020}"))
}
