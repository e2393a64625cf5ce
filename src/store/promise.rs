//! The promise: what the log must still hold, kept apart from it.
//!
//! RocksDB opens a log whose tail was cut, or whose file is gone, without a word. So what was acknowledged is written
//! here too, before the acknowledgement. The file has two halves. In one of them promise follows promise, each in pages of its
//! own, and all of them count; when they need not any more, the next one begins the other half. A write that a crash tore
//! promised nothing yet: what was promised before it lies elsewhere. What the bytes mean is the log store's business.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crc32fast::hash as crc32;
use rustix::fs::{Advice, fadvise};

use super::error::StoreError;

const WHAT: &str = "promise";
/// What each promise begins with; the digit is the format.
const MAGIC: &[u8; 8] = b"qmprom01";
/// How long a half is: some eighty rounds of sixty reports, or 256 of a lone client, between two syncs of the log.
const HALF_BYTES: usize = 1 << 20;
/// How long it was in earlier builds, whose files are used as they are: each half held one promise.
const EARLIER_HALF_BYTES: usize = 32 << 10;
/// What is written is rounded up to it: writing one promise never touches another on disk.
const PAGE_BYTES: usize = 4096;
/// Magic, turn, length.
const HEAD_BYTES: usize = 8 + 8 + 4;
/// The checksum behind the payload.
const SUM_BYTES: usize = 4;

/// The promise file of one node.
#[derive(Debug)]
pub struct Promise {
    file: File,
    path: PathBuf,
    half_bytes: usize,
    /// Where the half begins that counts.
    half: usize,
    /// How far it is full.
    used: usize,
    /// The number of the last promise; they count up.
    turn: u64,
    payloads: Vec<Vec<u8>>,
    /// Room for a promise, kept: fresh memory of that size costs more than what is written into it.
    pages: Vec<u8>,
}

impl Promise {
    /// How long a payload may be that begins a half, of any file.
    pub const PAYLOAD_BYTES: usize = EARLIER_HALF_BYTES - HEAD_BYTES - SUM_BYTES;

    /// Makes one that promises `payload`, durably, where nothing is.
    ///
    /// # Errors
    /// When something is there already, or the disk refuses.
    pub fn create(path: &Path, payload: &[u8]) -> Result<Self, StoreError> {
        Self::create_with(path, payload, HALF_BYTES)
    }

    /// One as earlier builds made it.
    #[cfg(test)]
    pub(crate) fn create_small(path: &Path, payload: &[u8]) -> Result<Self, StoreError> {
        Self::create_with(path, payload, EARLIER_HALF_BYTES)
    }

    fn create_with(path: &Path, payload: &[u8], half_bytes: usize) -> Result<Self, StoreError> {
        let error = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists { what: WHAT, path: path.to_owned() },
            _ => StoreError::system(WHAT, path, "make", &error),
        };
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(error)?;
        file.write_all_at(&vec![0; 2 * half_bytes], 0).map_err(error)?;
        let path = path.to_owned();
        let (payloads, pages) = (vec![payload.to_vec()], Vec::new());
        let mut promise = Self { file, path, half_bytes, half: half_bytes, used: 0, turn: 0, payloads, pages };
        promise.begin(payload)?;
        promise.begin(payload)?;
        let dir = promise.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        promise.file.sync_all().and_then(|()| File::open(dir)?.sync_all()).map_err(error)?;
        uncache(&promise.file).map_err(error)?;
        Ok(promise)
    }

    /// Opens the one that must be there.
    ///
    /// # Errors
    /// When it is not there, or a promise in it cannot be read that counts.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { what: WHAT, path: path.to_owned() },
            _ => StoreError::system(WHAT, path, "open", &error),
        })?;
        let bytes = fs::read(path).and_then(|bytes| uncache(&file).map(|()| bytes));
        let bytes = bytes.map_err(|error| StoreError::system(WHAT, path, "read", &error))?;
        let damaged = |detail: String| StoreError::Damaged { what: WHAT, path: path.to_owned(), detail };
        let half_bytes = [HALF_BYTES, EARLIER_HALF_BYTES].into_iter().find(|half| 2 * half == bytes.len());
        let half_bytes = half_bytes.ok_or_else(|| damaged(format!("it is {} bytes long", bytes.len())))?;
        let halves = bytes.chunks(half_bytes).enumerate().filter_map(|(at, half)| Some((at, Whole::of(half)?)));
        let newest = halves.max_by_key(|(_, whole)| whole.turn);
        let (at, Whole { turn, used, payloads }) =
            newest.ok_or_else(|| damaged("neither of its two halves begins with a whole promise".to_owned()))?;
        let mut pages = (0..bytes.len()).step_by(PAGE_BYTES);
        if pages.any(|at| unframe(&bytes[at..]).is_some_and(|(later, _)| later > turn)) {
            return Err(damaged(format!("what follows promise {turn} is not whole, and later ones are")));
        }
        let (path, half) = (path.to_owned(), at * half_bytes);
        Ok(Self { file, path, half_bytes, half, used, turn, payloads, pages: Vec::new() })
    }

    /// One whose every write fails.
    #[cfg(test)]
    pub(crate) fn open_unwritable(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| StoreError::system(WHAT, path, "open", &error))?;
        Ok(Self { file, ..Self::open(path)? })
    }

    /// What counted when it was made or opened, in order.
    #[must_use]
    pub fn payloads(&self) -> &[Vec<u8>] {
        &self.payloads
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a payload of so many bytes can be [appended](Promise::append).
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used + pages_of(bytes) <= self.half_bytes
    }

    /// Whether what counts fills more than half of the room for it.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        self.used > self.half_bytes / 2
    }

    /// Promises `payload`, too, from now on; durable on return.
    ///
    /// # Errors
    /// When there is no room, or the disk refuses; whether it is promised then is unknown.
    pub fn append(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        self.write(self.half, self.used, payload)
    }

    /// Promises `payload`, and nothing else, from now on; durable on return.
    ///
    /// # Errors
    /// When there is no room, or the disk refuses; which of the two is promised then is unknown.
    pub fn begin(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        self.write(self.half_bytes - self.half, 0, payload)
    }

    fn write(&mut self, half: usize, used: usize, payload: &[u8]) -> Result<(), StoreError> {
        let error = |error: io::Error| StoreError::system(WHAT, &self.path, "write", &error);
        if used + pages_of(payload.len()) > self.half_bytes {
            return Err(error(io::Error::other(format!("there is no room for {} bytes", payload.len()))));
        }
        let turn = self.turn + 1;
        frame(&mut self.pages, turn, payload).map_err(error)?;
        let at = (half + used) as u64;
        self.file.write_all_at(&self.pages, at).and_then(|()| self.file.sync_data()).map_err(error)?;
        (self.turn, self.half, self.used) = (turn, half, used + self.pages.len());
        Ok(())
    }
}

/// Has the kernel forget its copy of the whole file: it holds what was written or read at once as one piece, and would look through
/// megabytes at each sync of a few pages. Ten microseconds of fifty.
fn uncache(file: &File) -> io::Result<()> {
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}

/// How many bytes a payload takes in the file.
fn pages_of(payload_bytes: usize) -> usize {
    (HEAD_BYTES + payload_bytes + SUM_BYTES).next_multiple_of(PAGE_BYTES)
}

fn frame(pages: &mut Vec<u8>, turn: u64, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    pages.clear();
    pages.extend_from_slice(MAGIC);
    pages.extend_from_slice(&turn.to_be_bytes());
    pages.extend_from_slice(&length.to_be_bytes());
    pages.extend_from_slice(payload);
    pages.extend_from_slice(&crc32(pages).to_be_bytes());
    pages.resize(pages_of(payload.len()), 0);
    Ok(())
}

/// Turn and payload of a whole promise.
fn unframe(pages: &[u8]) -> Option<(u64, &[u8])> {
    let rest = pages.strip_prefix(MAGIC)?;
    let (turn, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    let sum = u32::from_be_bytes(*rest.first_chunk::<SUM_BYTES>()?);
    (crc32(&pages[..HEAD_BYTES + length]) == sum).then_some((u64::from_be_bytes(*turn), payload))
}

/// The whole promises that a half begins with.
struct Whole {
    turn: u64,
    used: usize,
    payloads: Vec<Vec<u8>>,
}

impl Whole {
    /// Those that follow one another; what lies behind them is of the half's earlier turns, or was torn. `None`: none is whole.
    fn of(half: &[u8]) -> Option<Self> {
        let (turn, payload) = unframe(half)?;
        let mut whole = Self { turn, used: pages_of(payload.len()), payloads: vec![payload.to_vec()] };
        while let Some((_, payload)) =
            half.get(whole.used..).and_then(unframe).filter(|(turn, _)| *turn == whole.turn + 1)
        {
            whole.turn += 1;
            whole.used += pages_of(payload.len());
            whole.payloads.push(payload.to_vec());
        }
        Some(whole)
    }
}
