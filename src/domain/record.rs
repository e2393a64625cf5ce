//! Records: one per intent, also when the answer was no; chained, stored once, hashed as stored (decision 7).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::intent::{Class, CommandKind, IdempotencyKey, IntentId};
use super::name::{Hash, sha256};
use super::refusal::Refusal;
use super::state::Heads;
use super::time::Moment;
use super::user::Actor;
use crate::codec;

/// The format number of record bytes that these rules write.
pub const RECORD_FORMAT: u8 = 1;

/// What was decided about one intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done; these facts follow. Empty when nothing had to change.
    Done(Vec<Event>),
    /// A rule said no.
    Refused(Refusal),
    /// It was answered before, by the record at this position: proposed again, or asked again with the same key.
    Repeated {
        /// That record's position.
        seq: u64,
    },
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its position: gap-free from 1 within a cluster id.
    pub seq: u64,
    /// Cluster time at which it was applied.
    pub at: Moment,
    /// Who wanted it.
    pub actor: Actor,
    /// The intent that it answers; zero for what time alone brought about.
    pub intent: IntentId,
    /// The idempotency key that came with it.
    pub key: Option<IdempotencyKey>,
    /// What kind of command it answers.
    pub kind: CommandKind,
    /// What was decided.
    pub outcome: Outcome,
}

/// A record as it is stored: bytes, and the digest of the whole journal up to and with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its position.
    pub seq: u64,
    /// Its chain.
    pub class: Class,
    /// The record, encoded; what the chain hashes.
    pub bytes: Bytes,
    /// [`Heads::digest`] after it.
    pub digest: Hash,
}

impl Record {
    /// The bytes that are stored and hashed.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        Bytes::from(codec::encode(RECORD_FORMAT, self))
    }

    /// Reads stored bytes of any format that was ever written.
    ///
    /// # Errors
    /// When the bytes are no record.
    pub fn decode(bytes: &[u8]) -> Result<Record, codec::Malformed> {
        codec::decode(RECORD_FORMAT, bytes)
    }
}

impl Heads {
    /// The heads after one more record with these bytes.
    #[must_use]
    pub fn after(&self, class: Class, bytes: &[u8]) -> Heads {
        let mut heads = Heads { seq: self.seq + 1, ..*self };
        match class {
            Class::Audit => heads.audit = sha256(&[&self.audit, bytes]),
            Class::Bulk => heads.bulk = sha256(&[&self.bulk, bytes]),
        }
        heads
    }

    /// The journal's public digest at this position: covers both chains.
    #[must_use]
    pub fn digest(&self) -> Hash {
        sha256(&[b"quartermaster journal 1", &self.seq.to_be_bytes(), &self.audit, &self.bulk])
    }
}
