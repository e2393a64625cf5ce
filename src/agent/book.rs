//! What the agent knows: up to where each file is counted, what was measured and not yet reported, and which reports
//! are not yet acknowledged. It changes by steps alone, each of which is on the disk before it is taken here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::{FileId, Mark};

/// By what bytes are told apart in a report; empty means that it is not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) sourcetype: String,
    pub(super) source: String,
    pub(super) host: String,
    pub(super) index: String,
}

/// A file that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tracked {
    /// Up to where it is counted.
    pub(super) mark: Mark,
    /// The path under which its bytes are reported: its first.
    origin: Vec<u8>,
    /// Its path since it was renamed.
    renamed: Option<Vec<u8>>,
    /// The file whose beginning it repeats. Nothing of it is counted before the original is cut off or the two differ.
    pub(super) copy_of: Option<FileId>,
    /// Since when it is nowhere to be found, in milliseconds since 1970.
    pub(super) gone_ms: Option<u64>,
}

impl Tracked {
    pub(super) fn new(path: &Path, mark: Mark) -> Tracked {
        let origin = path.as_os_str().as_bytes().to_vec();
        Tracked { mark, origin, renamed: None, copy_of: None, gone_ms: None }
    }

    pub(super) fn origin(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.origin))
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.renamed.as_ref().unwrap_or(&self.origin)))
    }

    /// Notes where it was seen.
    pub(super) fn seen_at(&mut self, path: &Path) {
        let path = path.as_os_str().as_bytes();
        self.renamed = (path != self.origin).then(|| path.to_vec());
        self.gone_ms = None;
    }
}

/// What is measured and carries no sequence yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    /// When its first bytes were measured, in milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) rows: BTreeMap<Label, u64>,
    /// How large it is in a request, at most, in bytes.
    pub(super) weight: u64,
}

/// A report, as it is sent until it is acknowledged: never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) epoch: String,
    pub(super) sequence: u64,
    pub(super) at_ms: u64,
    pub(super) rows: Vec<(Label, u64)>,
    pub(super) weight: u64,
}

impl Sealed {
    pub(super) fn bytes(&self) -> u64 {
        self.rows.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Everything that must survive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) slave: String,
    pub(super) epoch: String,
    /// The sequence of the next report.
    pub(super) next: u64,
    /// Whether an earlier book was lost: what lies in files when their watch begins is counted already, or lost with it.
    pub(super) after_loss: bool,
    pub(super) files: BTreeMap<FileId, Tracked>,
    /// Watches whose files were looked at at least once.
    pub(super) begun: BTreeSet<String>,
    pub(super) open: Option<Open>,
    pub(super) sealed: VecDeque<Sealed>,
    /// Bytes that the cluster acknowledged since the book was begun.
    pub(super) counted_bytes: u64,
    /// Bytes of reports that were set aside since then.
    pub(super) set_aside_bytes: u64,
}

/// One step; several are taken together or not at all. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// A file is followed, or counted further.
    Tracked(FileId, Box<Tracked>),
    /// A file is not followed any more.
    Forgotten(FileId),
    /// A watch's files were looked at.
    Begun(String),
    /// Bytes were measured.
    Measured {
        /// When.
        at_ms: u64,
        /// How many of what.
        rows: Vec<(Label, u64)>,
        /// How large the rows are in a request.
        weight: u64,
    },
    /// What is open is a report from now on; an empty one when nothing is.
    Sealed {
        /// When, for an empty one.
        at_ms: u64,
    },
    /// The cluster counted a report.
    Counted {
        /// Its epoch.
        epoch: String,
        /// Its sequence.
        sequence: u64,
    },
    /// The cluster will never count a report; it is kept elsewhere.
    SetAside {
        /// Its epoch.
        epoch: String,
        /// Its sequence.
        sequence: u64,
    },
}

impl Book {
    pub(super) fn new(slave: String, epoch: String, after_loss: bool) -> Book {
        Book {
            slave,
            epoch,
            next: 1,
            after_loss,
            files: BTreeMap::new(),
            begun: BTreeSet::new(),
            open: None,
            sealed: VecDeque::new(),
            counted_bytes: 0,
            set_aside_bytes: 0,
        }
    }

    /// How much waits to be acknowledged, as it would be in requests, in bytes.
    pub(super) fn pending_weight(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.weight) + self.sealed.iter().map(|report| report.weight).sum::<u64>()
    }

    /// Bytes that are measured and not yet acknowledged.
    pub(super) fn pending_bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.rows.values().sum());
        open + self.sealed.iter().map(Sealed::bytes).sum::<u64>()
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Tracked(id, tracked) => drop(self.files.insert(id, *tracked)),
            Step::Forgotten(id) => drop(self.files.remove(&id)),
            Step::Begun(watch) => drop(self.begun.insert(watch)),
            Step::Measured { at_ms, rows, weight } => self.measured(at_ms, rows, weight),
            Step::Sealed { at_ms } => self.seal(at_ms),
            Step::Counted { epoch, sequence } => self.counted_bytes += self.close(&epoch, sequence),
            Step::SetAside { epoch, sequence } => self.set_aside_bytes += self.close(&epoch, sequence),
        }
    }

    fn measured(&mut self, at_ms: u64, rows: Vec<(Label, u64)>, weight: u64) {
        let open = self.open.get_or_insert_with(|| Open { at_ms, ..Open::default() });
        open.weight += weight;
        for (label, bytes) in rows {
            *open.rows.entry(label).or_default() += bytes;
        }
    }

    fn seal(&mut self, at_ms: u64) {
        let open = self.open.take().unwrap_or(Open { at_ms, ..Open::default() });
        self.sealed.push_back(Sealed {
            epoch: self.epoch.clone(),
            sequence: self.next,
            at_ms: open.at_ms,
            rows: open.rows.into_iter().collect(),
            weight: open.weight,
        });
        self.next += 1;
    }

    /// Drops a report; its bytes.
    fn close(&mut self, epoch: &str, sequence: u64) -> u64 {
        let fits = |report: &Sealed| report.sequence == sequence && report.epoch == epoch;
        let Some(place) = self.sealed.iter().position(fits) else { return 0 };
        self.sealed.remove(place).map_or(0, |report| report.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_carried_by_the_next_sequence_and_forgotten_when_counted() {
        let mut book = Book::new("S".to_owned(), "e".to_owned(), false);
        let rows = |bytes| vec![(Label::default(), bytes)];
        book.take(Step::Measured { at_ms: 5, rows: rows(10), weight: 20 });
        book.take(Step::Measured { at_ms: 9, rows: rows(7), weight: 20 });
        assert_eq!((book.pending_bytes(), book.pending_weight()), (17, 40));
        book.take(Step::Sealed { at_ms: 11 });
        book.take(Step::Sealed { at_ms: 12 });
        let sealed: Vec<_> = book.sealed.iter().map(|report| (report.sequence, report.at_ms, report.bytes())).collect();
        assert_eq!(sealed, [(1, 5, 17), (2, 12, 0)]);
        for _ in 0..2 {
            book.take(Step::Counted { epoch: "e".to_owned(), sequence: 1 });
        }
        book.take(Step::SetAside { epoch: "other".to_owned(), sequence: 2 });
        assert_eq!((book.counted_bytes, book.set_aside_bytes, book.sealed.len(), book.next), (17, 0, 1, 3));
    }
}
