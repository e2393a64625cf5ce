//! What can come of a request, so that a caller knows whether to try again, and whether a write was done.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// A try that brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The node's address.
    pub node: String,
    /// What happened.
    pub why: String,
}

/// An error as the API words it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiError {
    /// Stable, for programs: `quota_beyond_stack`.
    pub code: String,
    /// For people.
    pub message: String,
    /// The numbers behind it.
    pub numbers: Value,
    /// What would help.
    pub hint: Option<String>,
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientError {
    /// The client was set up wrongly; nothing was sent.
    Config(String),
    /// No node could be reached; nothing was done.
    NoNode {
        /// The last try of each node.
        tried: Vec<Attempt>,
    },
    /// Nodes answered, but none of them could serve; nothing was done.
    NotServed {
        /// The last try of each node.
        tried: Vec<Attempt>,
        /// When the cluster asked to be tried again.
        retry_after: Option<Duration>,
    },
    /// A write was sent, and its answer never came: it may have been done. The same key finds out.
    Unknown {
        /// The last try of each node.
        tried: Vec<Attempt>,
        /// The `Idempotency-Key` that it carried.
        key: String,
    },
    /// A node answered no.
    Refused {
        /// The node's address.
        node: String,
        /// The HTTP status.
        status: u16,
        /// Its reasons.
        error: Box<ApiError>,
        /// When it may be tried again, if the node said so.
        retry_after: Option<Duration>,
    },
    /// A node's answer makes no sense to this client.
    Strange {
        /// The node's address.
        node: String,
        /// What is strange about it.
        why: String,
    },
}

impl ClientError {
    /// The tries that brought nothing.
    #[must_use]
    pub fn tried(&self) -> &[Attempt] {
        match self {
            ClientError::NoNode { tried }
            | ClientError::NotServed { tried, .. }
            | ClientError::Unknown { tried, .. } => tried,
            ClientError::Config(_) | ClientError::Refused { .. } | ClientError::Strange { .. } => &[],
        }
    }
}

impl ClientError {
    /// Whether a write may have been done all the same: its answer was lost, or makes no sense. After every other error
    /// it surely was not.
    #[must_use]
    pub const fn may_have_been_done(&self) -> bool {
        matches!(self, ClientError::Unknown { .. } | ClientError::Strange { .. })
    }

    /// When the cluster asked to be tried again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            ClientError::NotServed { retry_after, .. } | ClientError::Refused { retry_after, .. } => *retry_after,
            ClientError::Config(_)
            | ClientError::NoNode { .. }
            | ClientError::Unknown { .. }
            | ClientError::Strange { .. } => None,
        }
    }

    /// Whether the credential was refused.
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        matches!(self, ClientError::Refused { status: 401 | 403, .. })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Config(why) => f.write_str(why),
            ClientError::NoNode { .. } => f.write_str("no node answered"),
            ClientError::NotServed { .. } => f.write_str("no node could serve the request; it was not done"),
            ClientError::Unknown { .. } => f.write_str("no answer in time: the write may or may not have been done"),
            ClientError::Refused { status, error, .. } if error.message.is_empty() => write!(f, "HTTP status {status}"),
            ClientError::Refused { error, .. } => f.write_str(&error.message),
            ClientError::Strange { node, why } => {
                write!(f, "{node} answered what this client does not understand: {why}")
            }
        }
    }
}

impl std::error::Error for ClientError {}

/// What a failed connection or transfer says, without the URL and without the layers above the cause.
pub(super) fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time" } else { "no answer in time" }.to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let text = deepest.to_string();
    // the operating system's own number adds nothing for people
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
