//! The types that openraft is configured with, and what peers say to each other.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// Quartermaster's openraft types: a batch of intents goes in, nothing comes out (an answer is found in the
    /// answering node's own apply).
    pub TypeConfig:
        D = Batch,
        R = (),
        NodeId = u64,
        Node = Member,
);

/// One log entry's payload: a batch as `domain::apply` encodes it. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch(pub Bytes);

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} bytes)", self.0.len())
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A member as openraft's membership holds it: where it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What people call it.
    pub name: String,
    /// Host and port where its peers reach it.
    pub peer: String,
    /// URL where clients reach it.
    pub api: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.peer)
    }
}

/// A snapshot as openraft hands it about: a directory with the files of a checkpoint of the `state` database.
#[derive(Debug)]
pub struct SnapshotFiles {
    /// Where the files lie. The receiver of this value owns the directory.
    pub dir: PathBuf,
}
