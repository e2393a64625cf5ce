//! What a node is doing, from its start to its end.

use std::fmt;

/// What a node is doing. Health answers from the first moment; requests are answered only while it serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Phase {
    /// Checks and opens what lies on disk.
    #[default]
    Opening,
    /// Folds the journal's rows after the newest checkpoint, then the log's entries after them.
    Replaying {
        /// So many are done.
        done: u64,
        /// Of so many.
        of: u64,
    },
    /// Has what it had; learns from the others what it missed.
    CatchingUp,
    /// Answers.
    Serving,
    /// Ends by itself.
    Stopping,
    /// Stays down: why.
    Failed(String),
}

impl Phase {
    /// Whether requests are answered.
    #[must_use]
    pub const fn serves(&self) -> bool {
        matches!(self, Phase::Serving)
    }

    /// Whether the replica works, even if it does not answer requests yet.
    #[must_use]
    pub const fn runs(&self) -> bool {
        matches!(self, Phase::Serving | Phase::CatchingUp)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Phase::Opening => f.write_str("it is opening its data"),
            Phase::Replaying { done, of } => write!(f, "it is replaying {done} of {of} records"),
            Phase::CatchingUp => f.write_str("it is catching up with the other nodes"),
            Phase::Serving => f.write_str("it serves"),
            Phase::Stopping => f.write_str("it is stopping"),
            Phase::Failed(reason) => f.write_str(reason),
        }
    }
}
