//! Passwords that were verified lately, so that Basic on every request costs microseconds (decision 16).
//!
//! What is kept is a keyed hash over user, password version and password: without this process' random key it tells
//! nothing, and a changed password has another version, so nothing needs emptying.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

/// How many one generation holds; two are kept.
const GENERATION: usize = 8_192;

pub(super) struct Verified {
    /// `None` when the machine had no randomness: then nothing is remembered.
    key: Option<hmac::Key>,
    seen: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl Default for Verified {
    fn default() -> Verified {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Verified { key, seen: Mutex::default() }
    }
}

impl Verified {
    fn mark(&self, user: &str, version: u64, password: &str) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        // Lengths go first, so that no two triples give the same bytes.
        context.update(&(user.len() as u64).to_be_bytes());
        context.update(user.as_bytes());
        context.update(&version.to_be_bytes());
        context.update(password.as_bytes());
        context.sign().as_ref().try_into().ok()
    }

    pub(super) fn knows(&self, user: &str, version: u64, password: &str) -> bool {
        let Some(mark) = self.mark(user, version, password) else { return false };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.young.contains(&mark) {
            return true;
        }
        let known = seen.old.remove(&mark);
        if known {
            seen.insert(mark);
        }
        known
    }

    pub(super) fn remember(&self, user: &str, version: u64, password: &str) {
        if let Some(mark) = self.mark(user, version, password) {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(mark);
        }
    }
}

impl Generations {
    fn insert(&mut self, mark: [u8; 32]) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verified_password_is_known_until_its_version_changes() {
        let verified = Verified::default();
        verified.remember("ann", 1, "correct horse");
        assert!(verified.knows("ann", 1, "correct horse"));
        assert!(!verified.knows("ann", 2, "correct horse"));
        assert!(!verified.knows("bob", 1, "correct horse"));
        assert!(!verified.knows("ann", 1, "correct mule"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let verified = Verified::default();
        for version in 0..3 * GENERATION as u64 {
            verified.remember("ann", version, "correct horse");
        }
        let seen = verified.seen.lock().expect("nobody panicked");
        assert!(seen.young.len() + seen.old.len() <= 2 * GENERATION);
    }
}
