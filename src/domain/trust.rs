//! Trusted issuer keys: whose signatures make a license count.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::license;
use super::name::{NAME_CHARS, Name, check_text, hex, sha256};
use super::refusal::Refusal;
use super::state::State;
use super::time::Moment;

/// How a key signs. The algorithm comes from here, never from a document (T2). Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519, for our own, Splunk's, Redis', Immuta's and Nuix' formats.
    Ed25519,
    /// RSA-2048 with SHA-512, for Elasticsearch's layout only.
    Rsa2048,
}

/// A public key that the operator trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    /// `ed25519:` or `rsa:` and the first 16 hex digits of the SHA-256 of `public`.
    pub id: Name,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Ed25519: the 32 raw bytes; RSA: SubjectPublicKeyInfo in DER.
    pub public: Vec<u8>,
    /// What the operator calls it.
    pub label: Name,
    /// When it was trusted; set by `decide`.
    pub since: Moment,
    /// Since when it is trusted no more.
    pub distrusted: Option<Moment>,
}

/// Most keys that are kept, distrusted ones too: an operator has a handful.
pub const KEYS: usize = 1_000;
/// Longest public key: an RSA-2048 key in DER is 294 bytes.
const PUBLIC_BYTES: usize = 1_024;

/// The id that a public key has.
#[must_use]
pub fn key_id(algorithm: Algorithm, public: &[u8]) -> Name {
    let prefix = match algorithm {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Rsa2048 => "rsa",
    };
    format!("{prefix}:{}", hex(&sha256(&[public])[..8])).into()
}

/// Trusts a key. One that was distrusted may be trusted again; its licenses count again.
pub(super) fn trust(state: &State, key: &TrustedKey) -> Result<Vec<Event>, Refusal> {
    check_text("label", &key.label, NAME_CHARS)?;
    if key.public.len() > PUBLIC_BYTES || key.id != key_id(key.algorithm, &key.public) {
        return Err(Refusal::BadName { what: "key".into(), name: key.id.clone() });
    }
    match state.keys.get(&key.id) {
        Some(known) if known.distrusted.is_none() => return Err(Refusal::KeyExists { key: key.id.clone() }),
        None if state.keys.len() >= KEYS => return Err(Refusal::TooMany { what: "keys".into(), limit: KEYS as u64 }),
        Some(_) | None => {}
    }
    let key = TrustedKey { since: state.now, distrusted: None, ..key.clone() };
    Ok(vec![Event::KeyTrusted { key }])
}

pub(super) fn trusted(state: &mut State, key: &TrustedKey) {
    state.keys.insert(key.id.clone(), key.clone());
    license::refresh_of_key(state, &key.id);
}

/// Trusts a key no longer: what it signed stops counting at once.
pub(super) fn distrust(state: &State, id: &Name) -> Result<Vec<Event>, Refusal> {
    let key = state.keys.get(id).ok_or_else(|| Refusal::NoSuchKey { key: id.clone() })?;
    Ok(if key.distrusted.is_some() { vec![] } else { vec![Event::KeyDistrusted { key: id.clone() }] })
}

pub(super) fn distrusted(state: &mut State, id: &Name) {
    let now = state.now;
    let key = state.keys.get_mut(id).expect("a distrusted key was trusted before");
    key.distrusted = Some(now);
    license::refresh_of_key(state, id);
}
