//! The promise: a few bytes that say what the log must still hold, kept apart from it.
//!
//! RocksDB opens a log whose tail was cut, or whose file is gone, without a word. So what was acknowledged is written
//! here too, before the acknowledgement. Two blocks take turns: while one is written, the other holds what was promised
//! before, so a write that a crash tore promised nothing yet. What the bytes mean is the log store's business.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crc32fast::hash as crc32;

use super::error::StoreError;

const WHAT: &str = "promise";
/// What a block begins with; the digit is the format.
const MAGIC: &[u8; 8] = b"qmprom01";
/// Where the second block begins: whole pages, so that writing one never touches the other on disk.
const BLOCK_BYTES: usize = 32 << 10;
/// What is written is rounded up to it, for the same reason.
const PAGE_BYTES: usize = 4096;
/// Magic, turn, length.
const HEAD_BYTES: usize = 8 + 8 + 4;
/// The checksum behind the payload.
const SUM_BYTES: usize = 4;
/// How long a payload may be.
const PAYLOAD_BYTES: usize = BLOCK_BYTES - HEAD_BYTES - SUM_BYTES;

/// The promise file of one node.
#[derive(Debug)]
pub struct Promise {
    file: File,
    path: PathBuf,
    turn: u64,
    payload: Vec<u8>,
    /// Room for a block, kept: fresh memory of that size costs more than what is written into it.
    block: Vec<u8>,
}

impl Promise {
    /// How long a payload may be.
    pub const PAYLOAD_BYTES: usize = PAYLOAD_BYTES;

    /// Makes one that promises `payload`, durably, where nothing is.
    ///
    /// # Errors
    /// When something is there already, or the disk refuses.
    pub fn create(path: &Path, payload: &[u8]) -> Result<Self, StoreError> {
        let error = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists { what: WHAT, path: path.to_owned() },
            _ => StoreError::system(WHAT, path, "make", &error),
        };
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(error)?;
        let mut promise = Self { file, path: path.to_owned(), turn: 0, payload: payload.to_vec(), block: Vec::new() };
        promise.file.write_all_at(&[0; 2 * BLOCK_BYTES], 0).map_err(error)?;
        promise.write(payload)?;
        promise.write(payload)?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        promise.file.sync_all().and_then(|()| File::open(dir)?.sync_all()).map_err(error)?;
        Ok(promise)
    }

    /// Opens the one that must be there.
    ///
    /// # Errors
    /// When it is not there, or neither block can be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { what: WHAT, path: path.to_owned() },
            _ => StoreError::system(WHAT, path, "open", &error),
        })?;
        let bytes = fs::read(path).map_err(|error| StoreError::system(WHAT, path, "read", &error))?;
        let newest = bytes.chunks(BLOCK_BYTES).take(2).filter_map(unframe).max_by_key(|(turn, _)| *turn);
        let Some((turn, payload)) = newest else {
            let detail = "neither of its two blocks is whole".to_owned();
            return Err(StoreError::Damaged { what: WHAT, path: path.to_owned(), detail });
        };
        Ok(Self { file, path: path.to_owned(), turn, payload: payload.to_vec(), block: Vec::new() })
    }

    /// One whose every write fails.
    #[cfg(test)]
    pub(crate) fn open_unwritable(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| StoreError::system(WHAT, path, "open", &error))?;
        Ok(Self { file, ..Self::open(path)? })
    }

    /// What was promised when it was made or opened.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Promises `payload` from now on; durable on return.
    ///
    /// # Errors
    /// When the disk refuses; which of the two is promised then is unknown.
    pub fn write(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        let turn = self.turn + 1;
        let error = |error: io::Error| StoreError::system(WHAT, &self.path, "write", &error);
        frame(&mut self.block, turn, payload).map_err(error)?;
        let at = if turn.is_multiple_of(2) { 0 } else { BLOCK_BYTES as u64 };
        self.file.write_all_at(&self.block, at).and_then(|()| self.file.sync_data()).map_err(error)?;
        self.turn = turn;
        Ok(())
    }
}

fn frame(block: &mut Vec<u8>, turn: u64, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= PAYLOAD_BYTES);
    let length = length.ok_or_else(|| io::Error::other(format!("{} bytes do not fit into a block", payload.len())))?;
    block.clear();
    block.extend_from_slice(MAGIC);
    block.extend_from_slice(&turn.to_be_bytes());
    block.extend_from_slice(&length.to_be_bytes());
    block.extend_from_slice(payload);
    block.extend_from_slice(&crc32(block).to_be_bytes());
    block.resize(block.len().next_multiple_of(PAGE_BYTES), 0);
    Ok(())
}

/// Turn and payload of a whole block.
fn unframe(block: &[u8]) -> Option<(u64, &[u8])> {
    let rest = block.strip_prefix(MAGIC)?;
    let (turn, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    let sum = u32::from_be_bytes(*rest.first_chunk::<SUM_BYTES>()?);
    (crc32(&block[..HEAD_BYTES + length]) == sum).then_some((u64::from_be_bytes(*turn), payload))
}
