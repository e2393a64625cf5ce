//! What one round of looking at files has found so far, over a book that has not changed yet.

use std::collections::{BTreeMap, BTreeSet};

use super::book::{Book, Label, Step, Tracked};
use super::file::FileId;
use crate::client::Row;

/// A round under way.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) book: &'a Book,
    pub(super) now_ms: u64,
    /// How large the rows may become in a request, in bytes.
    budget: u64,
    changed: BTreeMap<FileId, Option<Tracked>>,
    pub(super) rows: BTreeMap<Label, u64>,
    pub(super) weight: u64,
    /// Files that are there, by whatever name.
    pub(super) present: BTreeSet<FileId>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(book: &'a Book, now_ms: u64, budget: u64, present: BTreeSet<FileId>) -> Draft<'a> {
        Draft { book, now_ms, budget, changed: BTreeMap::new(), rows: BTreeMap::new(), weight: 0, present }
    }

    pub(super) fn known(&self, id: FileId) -> Option<&Tracked> {
        match self.changed.get(&id) {
            Some(changed) => changed.as_ref(),
            None => self.book.files.get(&id),
        }
    }

    /// The file that the book has under this place, unless the file system gave its place to another one meanwhile.
    pub(super) fn still(&self, id: FileId) -> Option<&Tracked> {
        let before = self.book.files.get(&id)?;
        self.known(id).filter(|now| now.mark.is_same_file(&before.mark) != Some(false))
    }

    /// A file of the book that is not there any more, also when its place was given to another one meanwhile.
    pub(super) fn gone(&self, id: FileId) -> Option<&Tracked> {
        match self.still(id) {
            Some(still) => Some(still).filter(|_| !self.present.contains(&id)),
            None => self.book.files.get(&id),
        }
    }

    pub(super) fn put(&mut self, id: FileId, tracked: Tracked) {
        let same = self.book.files.get(&id) == Some(&tracked);
        if same {
            self.changed.remove(&id);
        } else {
            self.changed.insert(id, Some(tracked));
        }
    }

    pub(super) fn forget(&mut self, id: FileId) {
        self.changed.insert(id, None);
    }

    pub(super) fn count(&mut self, label: Label, bytes: u64) {
        if bytes == 0 {
            return;
        }
        if !self.rows.contains_key(&label) {
            self.weight += weight(&label, u64::MAX);
        }
        *self.rows.entry(label).or_default() += bytes;
    }

    /// Whether there is no room for more rows.
    pub(super) fn is_full(&self) -> bool {
        self.weight >= self.budget
    }

    /// What became of the files.
    pub(super) fn steps(self) -> (Vec<Step>, BTreeMap<Label, u64>) {
        let step = |(id, tracked): (FileId, Option<Tracked>)| match tracked {
            Some(tracked) => Some(Step::Tracked(id, Box::new(tracked))),
            None => self.book.files.contains_key(&id).then_some(Step::Forgotten(id)),
        };
        (self.changed.into_iter().filter_map(step).collect(), self.rows)
    }
}

/// The row of a request.
pub(super) fn row(label: &Label, bytes: u64) -> Row {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    Row {
        bytes,
        sourcetype: given(&label.sourcetype),
        host: given(&label.host),
        source: given(&label.source),
        index: given(&label.index),
    }
}

/// How large a row is in a request, in bytes.
pub(super) fn weight(label: &Label, bytes: u64) -> u64 {
    // plain text always makes JSON
    serde_json::to_vec(&row(label, bytes)).map_or(0, |json| json.len() as u64 + 1)
}
