//! What happened to seats. Like every event, each carries all that the fold needs.

use serde::{Deserialize, Serialize};

use super::rules::{Principal, SeatRules};
use super::{Place, Session};
use crate::domain::name::{Hash, Name};
use crate::domain::time::Moment;

/// Why a session or a place ended. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EndCause {
    /// Its holder gave it back, or left the line.
    Returned,
    /// Its client was not heard of for a lease, or a borrowed seat's time is over.
    LeaseEnded,
    /// Somebody with the right took it away.
    Released,
    /// Its token was revoked, or its holder's password changed.
    CredentialEnded,
    /// Its holder's account was deleted.
    HolderGone,
    /// What was waited for can never come: the type has fewer workers now than are needed.
    Hopeless,
}

impl EndCause {
    /// The cause as the API and the metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EndCause::Returned => "returned",
            EndCause::LeaseEnded => "lease_ended",
            EndCause::Released => "released",
            EndCause::CredentialEnded => "credential_ended",
            EndCause::HolderGone => "holder_gone",
            EndCause::Hopeless => "hopeless",
        }
    }
}

/// One fact about seats. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeatEvent {
    /// A seat was taken, at once or, if its id was a place's, from the line.
    Taken {
        /// The session.
        session: Box<Session>,
        /// The hash of the token [`Session::token`].
        hash: Option<Hash>,
    },
    /// Somebody waits in line.
    Queued {
        /// Where.
        place: Box<Place>,
    },
    /// A session or place is kept until then.
    Kept {
        /// Its id.
        id: u64,
        /// When it ends now.
        until: Moment,
    },
    /// A session has another token now, and is kept until then.
    Claimed {
        /// The session.
        id: u64,
        /// The token's id.
        token: u64,
        /// The token's version.
        version: u32,
        /// Its hash.
        hash: Hash,
        /// When the session ends now.
        until: Moment,
    },
    /// Sessions and places ended, and their tokens with them.
    Ended {
        /// Their ids.
        ids: Vec<u64>,
        /// Why.
        cause: EndCause,
    },
    /// A session is borrowed until an absolute end.
    Borrowed {
        /// The session.
        id: u64,
        /// Its end.
        until: Moment,
    },
    /// So many seats are kept for somebody.
    Reserved {
        /// Of which type.
        product: Name,
        /// For whom.
        principal: Principal,
        /// How many; 0: none any more.
        seats: u64,
    },
    /// These rules hold for a type.
    RulesSet {
        /// Which type.
        product: Name,
        /// All of them.
        rules: Box<SeatRules>,
    },
}
