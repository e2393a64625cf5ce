//! The book on disk: one file of frames. The first frame is a book, each further one some steps that were taken
//! together. One synced frame decides at once what was measured, which sequence carries it and what is acknowledged.
//!
//! A frame is appended and synced before the next one begins, so a crash leaves at most one that is not whole: it never
//! happened. Anything else that is wrong is damage, and the book is lost.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::AgentError;
use super::book::{Book, Step};
use super::disk::Disk;
use crate::codec;

/// The spool's file.
const NAME: &str = "spool";
/// A damaged spool is kept under this name for whoever wants to know.
const DAMAGED: &str = "spool.damaged";
/// Who the slave is, beside the spool, so that it stays the same when the spool is lost.
const SLAVE: &str = "slave";
/// The file whose lock says that an agent uses the directory.
const LOCK: &str = "lock";
/// What every frame begins with, so that frames behind a damaged one are found.
const MAGIC: [u8; 4] = *b"QmSp";
/// Magic, length (4) and checksum (8).
const HEADER: usize = 16;
/// The format of what is in a frame.
const FORMAT: u8 = 1;
/// The file is written anew when it has grown by this much, in bytes, and to twice of what is in it.
const GROWTH: u64 = 1 << 20;

/// How many files one frame of a whole book holds.
const FILES_PER_FRAME: usize = 10_000;

#[derive(Serialize, Deserialize)]
enum Frame {
    Whole(Book),
    Steps(Vec<Step>),
}

/// The book, and the file that it lives in.
#[derive(Debug)]
pub(super) struct Spool {
    disk: Disk,
    book: Book,
    file: File,
    /// Where the last whole frame ends.
    end: u64,
    /// Where the first frame ends: as large as the book was.
    base: u64,
    /// Whether a sync failed: what is on the disk is not known any more.
    unsure: bool,
    _lock: File,
}

/// What a spool's bytes hold.
enum Read {
    Good { book: Book, base: u64, end: u64 },
    Damaged(String),
}

impl Spool {
    /// Opens the directory's spool, or begins one; `slave` must be whose it is. `fresh` draws names that are new.
    pub(super) fn open(disk: Disk, slave: Option<&str>, fresh: impl Fn() -> String) -> Result<Spool, AgentError> {
        let lock = lock(&disk)?;
        let failed = |error: io::Error| AgentError::because(format!("cannot use {}: {error}", disk.path("").display()));
        let known = disk.read(SLAVE).map_err(failed)?.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let lost = match disk.read(NAME).map_err(failed)? {
            None => known.is_some().then(|| "there is none".to_owned()),
            Some(bytes) => match read(&bytes)? {
                Read::Good { book, base, end } => {
                    whose(&disk, &book, slave)?;
                    if bytes.len() as u64 > end {
                        let cut = bytes.len() as u64 - end;
                        tracing::warn!(bytes = cut, "the spool's last step was not finished: it never happened");
                    }
                    if known.is_none() {
                        write_slave(&disk, &book.slave).map_err(failed)?;
                    }
                    let file = disk.open(NAME).map_err(failed)?;
                    return Ok(Spool { disk, book, file, end, base, unsure: false, _lock: lock });
                }
                Read::Damaged(why) => {
                    disk.rename(NAME, DAMAGED).map_err(failed)?;
                    Some(why)
                }
            },
        };
        if let Some(why) = &lost {
            tracing::error!(
                why,
                "the spool is lost: a new epoch begins, what lies in the files now is taken as counted, and what was \
                 measured and not yet reported is not reported any more"
            );
        }
        let slave = slave.map(str::to_owned).or(known).unwrap_or_else(&fresh);
        let book = Book::new(slave, fresh(), lost.is_some());
        let bytes = image(&book);
        let file = disk.replace(NAME, &bytes).map_err(failed)?;
        write_slave(&disk, &book.slave).map_err(failed)?;
        let end = bytes.len() as u64;
        Ok(Spool { disk, book, file, end, base: end, unsure: false, _lock: lock })
    }

    pub(super) const fn book(&self) -> &Book {
        &self.book
    }

    pub(super) const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Up to where the file is surely on the disk.
    #[cfg(test)]
    pub(super) const fn synced(&self) -> u64 {
        self.end
    }

    /// Whether a sync failed, so that the agent must begin anew from what is on the disk.
    pub(super) const fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Takes some steps, together: they are on the disk when it comes back. When it fails, none was taken.
    pub(super) fn commit(&mut self, steps: Vec<Step>) -> io::Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        let steps = Frame::Steps(steps);
        let bytes = frame(&steps);
        self.disk.write_at(&self.file, &bytes, self.end)?;
        if let Err(error) = self.disk.sync(&self.file) {
            self.unsure = true;
            return Err(error);
        }
        self.end += bytes.len() as u64;
        if let Frame::Steps(steps) = steps {
            for step in steps {
                self.book.take(step);
            }
        }
        self.shrink()
    }

    /// Writes the file anew when most of it is history.
    fn shrink(&mut self) -> io::Result<()> {
        if self.end < self.base * 2 + GROWTH {
            return Ok(());
        }
        let bytes = image(&self.book);
        match self.disk.replace(NAME, &bytes) {
            Ok(file) => {
                self.file = file;
                (self.end, self.base) = (bytes.len() as u64, bytes.len() as u64);
                Ok(())
            }
            Err(error) => {
                // which of the two files has the name is not known any more
                self.unsure = true;
                Err(error)
            }
        }
    }
}

/// The book of a directory that an agent may be using right now; `None` when there is none.
pub(super) fn peek(disk: &Disk) -> Result<Option<Book>, AgentError> {
    let bytes = disk.read(NAME).map_err(AgentError::because)?;
    match bytes.map(|bytes| read(&bytes)).transpose()? {
        None => Ok(None),
        Some(Read::Good { book, .. }) => Ok(Some(book)),
        Some(Read::Damaged(why)) => Err(AgentError::because(format!("the spool is damaged: {why}"))),
    }
}

fn lock(disk: &Disk) -> Result<File, AgentError> {
    let failed = |error: &dyn std::fmt::Display| {
        AgentError::because(format!("cannot lock {}: {error}; does another agent use it?", disk.path(LOCK).display()))
    };
    let file = disk.open(LOCK).map_err(|error| failed(&error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| failed(&error))?;
    Ok(file)
}

/// Makes sure whose spool it is: what it has sent as one slave would count again as another.
fn whose(disk: &Disk, book: &Book, slave: Option<&str>) -> Result<(), AgentError> {
    match slave.filter(|slave| *slave != book.slave) {
        None => Ok(()),
        Some(slave) => Err(AgentError::because(format!(
            "{} holds the spool of slave {}: give slave {slave} a state directory of its own",
            disk.path("").display(),
            book.slave
        ))),
    }
}

fn write_slave(disk: &Disk, slave: &str) -> io::Result<()> {
    disk.replace(SLAVE, format!("{slave}\n").as_bytes()).map(drop)
}

/// All frames that make a book: its files apart, so that no frame is large however many there are.
fn image(book: &Book) -> Vec<u8> {
    let mut bytes = frame(&Frame::Whole(Book { files: BTreeMap::new(), ..book.clone() }));
    let files: Vec<_> = book.files.iter().collect();
    for piece in files.chunks(FILES_PER_FRAME) {
        let steps = piece.iter().map(|(id, tracked)| Step::Tracked(**id, Box::new((*tracked).clone())));
        bytes.extend_from_slice(&frame(&Frame::Steps(steps.collect())));
    }
    bytes
}

fn frame(frame: &Frame) -> Vec<u8> {
    let body = codec::encode(FORMAT, frame);
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&checksum(&body));
    bytes.extend_from_slice(&body);
    bytes
}

fn checksum(body: &[u8]) -> [u8; 8] {
    *Sha256::digest(body).first_chunk::<8>().expect("a SHA-256 has 32 bytes")
}

/// The whole frame that begins at `at`; its body.
fn body(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let head = bytes.get(at..at + HEADER)?;
    let length = u32::from_le_bytes(*head[4..].first_chunk::<4>()?) as usize;
    let body = bytes.get(at + HEADER..(at + HEADER).checked_add(length)?)?;
    (head[..4] == MAGIC && head[8..] == checksum(body)).then_some(body)
}

/// Reads all frames. Another format is no damage: a newer agent wrote it.
fn read(bytes: &[u8]) -> Result<Read, AgentError> {
    let mut at = 0;
    let mut good: Option<(Book, u64)> = None;
    while let Some(body) = body(bytes, at) {
        let frame = match codec::decode(FORMAT, body) {
            Ok(frame) => frame,
            Err(error @ codec::Malformed::Format { .. }) => {
                return Err(AgentError::because(format!("the spool was written by another version: {error}")));
            }
            Err(error) => return Ok(Read::Damaged(format!("at byte {at}: {error}"))),
        };
        at += HEADER + body.len();
        match (frame, &mut good) {
            (Frame::Whole(book), None) => good = Some((book, at as u64)),
            (Frame::Steps(steps), Some((book, _))) => steps.into_iter().for_each(|step| book.take(step)),
            _ => return Ok(Read::Damaged(format!("before byte {at}: a frame out of place"))),
        }
    }
    let Some((book, base)) = good else { return Ok(Read::Damaged("it does not begin with a book".to_owned())) };
    let later = (at + 1..bytes.len()).any(|later| bytes[later..].starts_with(&MAGIC) && body(bytes, later).is_some());
    if later {
        return Ok(Read::Damaged(format!("at byte {at}: a frame with a wrong checksum")));
    }
    Ok(Read::Good { book, base, end: at as u64 })
}
