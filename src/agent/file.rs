//! What makes a file the same file, and how much of it is new: device and inode, when it was made, and fingerprints of
//! its head and of the bytes before the place up to which it is counted.
//!
//! Only these few bytes are ever read; how much was appended is a matter of sizes.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many bytes at a file's beginning tell it from another one: enough for a few log lines with their times.
const HEAD_BYTES: u64 = 1_024;
/// How many bytes before the counted end show that it was appended to and not written anew.
const TAIL_BYTES: u64 = 256;
/// How often a file that is cut off while it is looked at is looked at again before it waits for the next round.
const LOOKS: usize = 3;

/// Which file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(about: &Metadata) -> FileId {
        FileId { device: about.dev(), inode: about.ino() }
    }

    pub(super) const fn inode(self) -> u64 {
        self.inode
    }
}

/// Whether a file was touched: all that a look at its directory entry can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(about: &Metadata) -> Stamp {
        Stamp {
            size: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

/// The fingerprint of some bytes of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    /// Of how many bytes.
    pub(super) length: u64,
    hash: [u8; 16],
}

impl Print {
    /// Of `length` bytes at `from`; `None` when there are fewer.
    pub(super) fn of(file: &File, from: u64, length: u64) -> io::Result<Option<Print>> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        match file.read_exact_at(&mut bytes, from) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let digest = Sha256::digest(&bytes);
        let hash = *digest.first_chunk::<16>().expect("a SHA-256 has 32 bytes");
        Ok(Some(Print { length, hash }))
    }

    fn is_at(&self, file: &File, from: u64) -> io::Result<bool> {
        Ok(Print::of(file, from, self.length)? == Some(*self))
    }
}

/// Up to where a file is counted, and how it looked then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// All bytes before it are counted.
    pub(super) offset: u64,
    /// When the file was made, in nanoseconds; 0 where the file system does not say.
    born: u64,
    /// Of its beginning.
    pub(super) head: Print,
    /// Of the bytes before `offset`.
    tail: Print,
}

/// What a look at a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was appended to, or not changed.
    Grown(Mark),
    /// It was cut off or written anew; everything in it is new.
    Anew(Mark),
    /// It changed under the eyes of the reader; the next round will tell.
    Unsteady,
}

/// Opens a file for reading; never waits, whatever it has become since it was seen.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Compares a file with what was known of it.
pub(super) fn look(file: &File, before: Option<&Mark>) -> io::Result<Seen> {
    for _ in 0..LOOKS {
        let seen = look_once(file, before)?;
        if seen != Seen::Unsteady {
            return Ok(seen);
        }
    }
    Ok(Seen::Unsteady)
}

/// The head is read first and compared last: a file that was cut off in between shows.
fn look_once(file: &File, before: Option<&Mark>) -> io::Result<Seen> {
    let first = file.metadata()?;
    let Some(head) = Print::of(file, 0, first.len().min(HEAD_BYTES))? else { return Ok(Seen::Unsteady) };
    let born = born(&first);
    let grown = match before {
        Some(mark) => mark.born == born && mark.is_in(file, first.len())?,
        None => true,
    };
    let offset = file.metadata()?.len();
    let length = offset.min(TAIL_BYTES);
    let Some(tail) = Print::of(file, offset - length, length)? else { return Ok(Seen::Unsteady) };
    if offset < first.len() || !head.is_at(file, 0)? || file.metadata()?.len() < offset {
        return Ok(Seen::Unsteady);
    }
    let mark = Mark { offset, born, head, tail };
    Ok(if grown { Seen::Grown(mark) } else { Seen::Anew(mark) })
}

impl Mark {
    /// Whether both marks are of one file; `None` where the file system does not tell when a file was made.
    pub(super) fn is_same_file(&self, other: &Mark) -> Option<bool> {
        (self.born != 0).then_some(self.born == other.born)
    }

    /// Whether this is that very file, and it was only appended to.
    pub(super) fn is_of(&self, file: &File) -> io::Result<bool> {
        let about = file.metadata()?;
        Ok(self.born == born(&about) && self.is_in(file, about.len())?)
    }

    /// Whether a file of `size` bytes begins with what was counted, as far as the fingerprints show.
    pub(super) fn is_in(&self, file: &File, size: u64) -> io::Result<bool> {
        Ok(size >= self.offset && self.head.is_at(file, 0)? && self.tail.is_at(file, self.offset - self.tail.length)?)
    }

    /// Whether a file of `size` bytes begins with what was counted, or is the beginning of it, as far as that shows.
    pub(super) fn repeats(&self, file: &File, size: u64) -> io::Result<bool> {
        if size < self.offset { self.begins_with(file, size) } else { self.is_in(file, size) }
    }

    /// Whether a file of `size` bytes could be the beginning of what was counted.
    pub(super) fn begins_with(&self, file: &File, size: u64) -> io::Result<bool> {
        Ok(size >= self.head.length && self.head.is_at(file, 0)?)
    }
}

/// Whether all of `copy` is the beginning of `original`, as far as the fingerprints show.
pub(super) fn is_prefix(copy: &File, original: &File) -> io::Result<bool> {
    let size = copy.metadata()?.len();
    if size > original.metadata()?.len() {
        return Ok(false);
    }
    let (head, tail) = (size.min(HEAD_BYTES), size.min(TAIL_BYTES));
    let same = |from, length| -> io::Result<bool> {
        let print = Print::of(copy, from, length)?;
        Ok(print.is_some() && print == Print::of(original, from, length)?)
    };
    Ok(same(0, head)? && same(size - tail, tail)?)
}

fn born(about: &Metadata) -> u64 {
    let since = about.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn grown(seen: Seen) -> Mark {
        if let Seen::Grown(mark) = seen { mark } else { panic!("{seen:?}") }
    }

    #[test]
    fn growth_is_told_from_a_new_beginning() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        let mut file = File::create(&path).expect("a file");
        let reader = open(&path).expect("readable");
        let empty = grown(look(&reader, None).expect("read"));
        assert_eq!(empty.offset, 0);
        file.write_all(b"one\ntwo\n").expect("written");
        let first = grown(look(&reader, Some(&empty)).expect("read"));
        assert_eq!(first.offset, 8);
        file.write_all(&[b'x'; 5_000]).expect("written");
        let second = grown(look(&reader, Some(&first)).expect("read"));
        assert_eq!(second.offset, 5_008);
        assert_eq!(look(&reader, Some(&second)).expect("read"), Seen::Grown(second));

        file.set_len(3).expect("cut");
        assert!(matches!(look(&reader, Some(&second)).expect("read"), Seen::Anew(mark) if mark.offset == 3));
        // longer than before, but not the same beginning
        fs::write(&path, vec![b'y'; 6_000]).expect("written");
        assert!(matches!(look(&reader, Some(&second)).expect("read"), Seen::Anew(mark) if mark.offset == 6_000));
        // the same head, but other bytes before the counted end
        let mut same_head = vec![b'y'; 2_000];
        same_head.extend([b'z'; 8_000]);
        let before = grown(look(&reader, None).expect("read"));
        fs::write(&path, same_head).expect("written");
        assert!(matches!(look(&reader, Some(&before)).expect("read"), Seen::Anew(mark) if mark.offset == 10_000));
    }

    #[test]
    fn another_file_in_the_same_place_is_another_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        fs::write(&path, b"the same head and nothing else").expect("written");
        let file = open(&path).expect("readable");
        let mut mark = grown(look(&file, None).expect("read"));
        mark.born = mark.born.wrapping_sub(1);
        assert!(matches!(look(&file, Some(&mark)).expect("read"), Seen::Anew(_)));
    }

    #[test]
    fn a_copy_is_the_beginning_of_its_original() {
        let dir = tempfile::tempdir().expect("a directory");
        let paths = ["long", "short", "other"].map(|name| dir.path().join(name));
        let text = "line\n".repeat(1_000);
        for (path, text) in paths.iter().zip([text.as_str(), &text[..3_000], &"fine\n".repeat(500)]) {
            fs::write(path, text).expect("written");
        }
        let [long, short, other] = paths.map(|path| open(&path).expect("readable"));
        assert!(is_prefix(&short, &long).expect("read") && is_prefix(&long, &long).expect("read"));
        assert!(!is_prefix(&long, &short).expect("read") && !is_prefix(&other, &long).expect("read"));
    }
}
