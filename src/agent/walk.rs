//! Which files there are now: the watches' patterns against the file system.
//!
//! A link to a file is followed, a linked directory is not (it could lead in circles) unless a pattern names it. A file
//! that has several names is one file, under the name found first.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::config::Watch;
use super::file::{FileId, Stamp};
use super::pattern::Part;

/// Most files that one agent measures: each costs about half a kilobyte of memory.
pub(super) const FILES: usize = 1_000_000;
/// Deepest nesting that is followed below a watch.
const DEPTH: usize = 64;
/// Most paths that are told as not readable.
const PROBLEMS: usize = 1_000;

/// A file that a watch means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: FileId,
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    /// Which watch, by its place.
    pub(super) watch: usize,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) files: Vec<Found>,
    pub(super) ids: BTreeSet<FileId>,
    /// What could not be looked at, and why.
    pub(super) problems: BTreeMap<PathBuf, String>,
    watch: usize,
}

/// Every file that the watches mean, in a fixed order.
pub(super) fn walk(watches: &[Watch]) -> Walk {
    let mut walk = Walk::default();
    for (place, watch) in watches.iter().enumerate() {
        walk.watch = place;
        walk.step(watch, Path::new("/"), &watch.pattern.parts, 0);
    }
    walk
}

impl Walk {
    /// Goes on from `path` with the rest of the pattern.
    fn step(&mut self, watch: &Watch, path: &Path, rest: &[Part], depth: usize) {
        match rest.split_first() {
            None => self.take(watch, path, depth),
            Some((Part::Name(name), rest)) => {
                self.step(watch, &path.join(OsStr::from_bytes(name)), rest, depth);
            }
            Some((part @ Part::Wild(_), rest)) => {
                for (name, _) in self.entries(path).into_iter().filter(|(name, _)| part.fits(name)) {
                    self.step(watch, &path.join(name), rest, depth);
                }
            }
            Some((Part::Deep, after)) => {
                self.step(watch, path, after, depth);
                for (name, _) in self.entries(path).into_iter().filter(|(_, kind)| kind.is_dir()) {
                    let below = path.join(name);
                    if depth < DEPTH && !watch.excludes(&below) {
                        self.step(watch, &below, rest, depth + 1);
                    }
                }
            }
        }
    }

    /// Takes what a whole pattern matched: a file, or all below a directory.
    fn take(&mut self, watch: &Watch, path: &Path, depth: usize) {
        if watch.excludes(path) {
            return;
        }
        match fs::metadata(path) {
            Ok(about) if about.is_file() => self.add(path, &about),
            Ok(about) if about.is_dir() && depth < DEPTH => {
                for (name, kind) in self.entries(path) {
                    let below = path.join(name);
                    // a link that leads to a directory is not followed
                    if kind.is_symlink() && below.is_dir() {
                        continue;
                    }
                    self.take(watch, &below, depth + 1);
                }
            }
            Ok(about) if about.is_dir() => self.complain(path, format!("nested more than {DEPTH} deep")),
            // neither: a pipe, a socket, a device
            Ok(_) => {}
            // gone since its directory was read, or not there yet
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth > 0 => {}
            Err(error) => self.complain(path, error),
        }
    }

    fn add(&mut self, path: &Path, about: &fs::Metadata) {
        let id = FileId::of(about);
        if self.files.len() >= FILES {
            self.complain(path, format!("beyond {FILES} files; split them among agents"));
        } else if self.ids.insert(id) {
            self.files.push(Found { id, path: path.to_owned(), stamp: Stamp::of(about), watch: self.watch });
        }
    }

    /// The entries of a directory by name.
    fn entries(&mut self, path: &Path) -> Vec<(OsString, fs::FileType)> {
        let read = fs::read_dir(path).and_then(|entries| {
            entries.map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)))).collect()
        });
        match read {
            Ok(entries) => {
                let mut entries: Vec<(OsString, fs::FileType)> = entries;
                entries.sort_by(|left, right| left.0.cmp(&right.0));
                entries
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Vec::new(),
            Err(error) => {
                self.complain(path, error);
                Vec::new()
            }
        }
    }

    fn complain(&mut self, path: &Path, why: impl ToString) {
        if self.problems.len() < PROBLEMS {
            self.problems.insert(path.to_owned(), why.to_string());
        }
    }
}
