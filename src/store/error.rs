//! What can be wrong on disk, in words for the person who must act on it.

use std::io;
use std::path::{Path, PathBuf};

/// Something is wrong with what lies on disk. Says what, where, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing is there, and it is not this call's business to make it.
    #[error(
        "there is no {what} at {}; a node's data is made only by `quartermaster cluster init` or `quartermaster \
         cluster join`; if it was there before, replace this node: docs/operating.md#replace-a-node", path.display()
    )]
    Missing {
        /// Which part of the data.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// Something is there already, and would be overwritten.
    #[error("there is something at {} already; a {what} is only made where nothing is", path.display())]
    Exists {
        /// Which part of the data was to be made.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("another process holds the {what} at {}; stop that one first: {detail}", path.display())]
    InUse {
        /// Which part of the data.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What the database said.
        detail: String,
    },
    /// The bytes are not what was written.
    #[error(
        "the {what} is damaged: {detail} (at {}); it is not opened, because a node must not guess what it once had: \
         replace this node: docs/operating.md#replace-a-node", path.display()
    )]
    Damaged {
        /// Which part of the data.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The log does not hold the entries that this node acknowledged.
    #[error(
        "the log is shorter than its promise: it {found}, and this node acknowledged entries up to {promised} (at {}); \
         a node that forgets must not vote: replace this node: docs/operating.md#replace-a-node", path.display()
    )]
    Forgotten {
        /// Where the log is.
        path: PathBuf,
        /// What the log says.
        found: String,
        /// What the promise says.
        promised: String,
    },
    /// The log does not hold the vote that this node gave.
    #[error(
        "the vote is gone: the log {found}, and this node voted {promised} (at {}); a node that forgets must not vote: \
         replace this node: docs/operating.md#replace-a-node", path.display()
    )]
    VoteGone {
        /// Where the log is.
        path: PathBuf,
        /// What the log says.
        found: String,
        /// What the promise says.
        promised: String,
    },
    /// The disk or the operating system refused.
    #[error("cannot {doing} the {what} at {}: {detail}; look at the disk (space, permissions, errors)", path.display())]
    Refused {
        /// What was tried.
        doing: &'static str,
        /// With which part of the data.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What was said.
        detail: String,
    },
    /// An earlier write failed; nothing is taken any more until a restart.
    #[error("the {what} takes nothing any more since an earlier failure: {detail}; restart the node")]
    Stopped {
        /// Which part of the data.
        what: &'static str,
        /// The first failure.
        detail: String,
    },
}

impl StoreError {
    /// What RocksDB said, sorted by what a person can do about it.
    pub(super) fn rocks(what: &'static str, path: &Path, doing: &'static str, error: &rocksdb::Error) -> Self {
        let (path, detail) = (path.to_owned(), error.to_string());
        let of_the_lock = detail.contains("lock hold by current process") || detail.contains("While lock file");
        match error.kind() {
            rocksdb::ErrorKind::Corruption => StoreError::Damaged { what, path, detail },
            rocksdb::ErrorKind::IOError if of_the_lock => StoreError::InUse { what, path, detail },
            _ => StoreError::Refused { doing, what, path, detail },
        }
    }

    /// What the operating system said.
    pub(super) fn system(what: &'static str, path: &Path, doing: &'static str, error: &io::Error) -> Self {
        StoreError::Refused { doing, what, path: path.to_owned(), detail: error.to_string() }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        io::Error::other(error)
    }
}
