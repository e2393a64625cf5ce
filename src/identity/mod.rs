//! Who is who: the cluster's own certificate authority, the nodes' certificates, the tickets that let a node in, and the
//! TLS configurations made of them.
//!
//! The authority's key stays with the operator and never lies on a node. A node's certificate names its cluster and its
//! id; both are checked on every connection between peers.

mod authority;
mod certificate;
mod files;
mod statement;
mod ticket;
mod tls;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use authority::{Certified, ClusterCa};
pub use certificate::{PeerName, expires, peer_of};
pub use files::NodeIdentity;
pub use statement::{Signer, check};
pub use ticket::{Ticket, TicketMember};
pub use tls::{api_server, peer_client, peer_server};

/// What can go wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("cannot {verb} {}: {source}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key or certificate is not usable.
    #[error("{what}: {reason}")]
    Unusable {
        /// Which one.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A name that a certificate cannot carry.
    #[error("`{0}` cannot stand in a certificate as a host: give a DNS name or an IP address")]
    Host(String),
    /// A ticket file that is none.
    #[error("this is no ticket: {0}; ask for a new one with `quartermaster cluster ticket`")]
    Ticket(String),
}

impl IdentityError {
    fn unusable(what: &'static str, reason: impl fmt::Display) -> Self {
        IdentityError::Unusable { what, reason: reason.to_string() }
    }
}

/// Text that must not be shown: a private key, or a ticket's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` out of sight.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for those who need it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests;
