//! Files that are kept open: what is appended to a file after the last look at it, and before somebody deletes it, is
//! still there to be measured.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::file::{FileId, open};

/// Most files that are kept open: those that grew last. More than that are seldom written to at once.
const HELD: u64 = 512;

/// Open files, by when they grew.
#[derive(Debug)]
pub(super) struct Held {
    files: BTreeMap<FileId, (File, u64)>,
    limit: usize,
}

impl Default for Held {
    /// As many as the process may open, less what it needs itself.
    fn default() -> Held {
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Held { files: BTreeMap::new(), limit: usize::try_from(HELD.min(allowed / 2)).unwrap_or(0) }
    }
}

impl Held {
    pub(super) fn get(&self, id: FileId) -> Option<&File> {
        self.files.get(&id).map(|(file, _)| file)
    }

    /// A reader of the file that was seen at `path`; `None` when it is not there any more.
    pub(super) fn reader(&self, id: FileId, path: &Path) -> io::Result<Option<File>> {
        if let Some(file) = self.get(id) {
            return file.try_clone().map(Some);
        }
        let file = match open(path) {
            Ok(file) => file,
            // moved or deleted since it was seen: the next round will tell
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        Ok((about.is_file() && FileId::of(&about) == id).then_some(file))
    }

    /// Keeps a file that grew in round `round`; lets go of the one that has not grown for longest.
    pub(super) fn keep(&mut self, id: FileId, file: File, round: u64) {
        self.files.insert(id, (file, round));
        if self.files.len() > self.limit
            && let Some(oldest) = self.files.iter().min_by_key(|(_, (_, grew))| *grew).map(|(id, _)| *id)
        {
            self.files.remove(&oldest);
        }
    }

    /// In which round a file grew last.
    pub(super) fn grew(&self, id: FileId) -> Option<u64> {
        self.files.get(&id).map(|(_, round)| *round)
    }

    pub(super) fn let_go(&mut self, id: FileId) {
        self.files.remove(&id);
    }
}
