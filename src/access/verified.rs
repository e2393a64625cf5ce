//! Passwords that were verified lately, so that Basic on every request costs microseconds (decision 16).
//!
//! What is kept is a keyed hash over user, stored password hash and password: without this process' random key it tells
//! nothing, and a changed password has another stored hash, so nothing needs emptying. Not over the password's version:
//! a user that was deleted and created again begins at the same version with another password.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use tokio::sync::OnceCell;

use super::Denied;

/// How many one generation holds; two are kept.
const GENERATION: usize = 8_192;

/// Stands for a user, the stored hash of its password, and a password that somebody gave.
pub(super) type Mark = [u8; 32];
/// Checks that run, by what they check.
type Running = Mutex<HashMap<Mark, Arc<OnceCell<bool>>>>;

pub(super) struct Verified {
    /// `None` when the machine had no randomness: then nothing is remembered.
    key: Option<hmac::Key>,
    seen: Mutex<Generations>,
    running: Running,
}

#[derive(Default)]
struct Generations {
    young: HashSet<Mark>,
    old: HashSet<Mark>,
}

impl Default for Verified {
    fn default() -> Verified {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Verified { key, seen: Mutex::default(), running: Mutex::default() }
    }
}

impl Verified {
    /// What stands for this user, stored hash and password; `None` without randomness.
    pub(super) fn mark(&self, user: &str, stored: &str, password: &str) -> Option<Mark> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        // Lengths go first, so that no two triples give the same bytes.
        for part in [user, stored] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(password.as_bytes());
        context.sign().as_ref().try_into().ok()
    }

    pub(super) fn knows(&self, mark: &Mark) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.young.contains(mark) {
            return true;
        }
        let known = seen.old.remove(mark);
        if known {
            seen.insert(*mark);
        }
        known
    }

    pub(super) fn remember(&self, mark: Mark) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(mark);
    }

    /// Has a password checked once, however many requests bring it at the same time: they all wait for one answer.
    pub(super) async fn once<F>(&self, mark: Mark, check: impl FnOnce() -> F) -> Result<bool, Denied>
    where
        F: Future<Output = Result<bool, Denied>>,
    {
        let together = Together::join(&self.running, mark);
        together.answer.get_or_try_init(check).await.copied()
    }
}

/// A check that runs, and everybody who waits for it.
struct Together<'a> {
    running: &'a Running,
    mark: Mark,
    answer: Arc<OnceCell<bool>>,
}

impl Together<'_> {
    fn join(running: &Running, mark: Mark) -> Together<'_> {
        let answer = running.lock().unwrap_or_else(PoisonError::into_inner).entry(mark).or_default().clone();
        Together { running, mark, answer }
    }
}

impl Drop for Together<'_> {
    /// The last one to leave, with an answer or without, takes the check along.
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = Arc::strong_count(&self.answer) == 2;
        if alone {
            running.remove(&self.mark);
        }
    }
}

impl Generations {
    fn insert(&mut self, mark: Mark) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(verified: &Verified, user: &str, stored: &str, password: &str) -> Mark {
        verified.mark(user, stored, password).expect("the machine has randomness")
    }

    #[test]
    fn a_verified_password_is_known_until_another_is_stored() {
        let verified = Verified::default();
        verified.remember(mark(&verified, "ann", "$1", "correct horse"));
        assert!(verified.knows(&mark(&verified, "ann", "$1", "correct horse")));
        assert!(!verified.knows(&mark(&verified, "ann", "$2", "correct horse")));
        assert!(!verified.knows(&mark(&verified, "bob", "$1", "correct horse")));
        assert!(!verified.knows(&mark(&verified, "ann", "$1", "correct mule")));
    }

    #[test]
    fn the_memory_is_bounded() {
        let verified = Verified::default();
        for version in 0..3 * GENERATION {
            verified.remember(mark(&verified, "ann", &version.to_string(), "correct horse"));
        }
        let seen = verified.seen.lock().expect("nobody panicked");
        assert!(seen.young.len() + seen.old.len() <= 2 * GENERATION);
    }

    #[tokio::test]
    async fn ten_thousand_who_bring_the_same_password_have_it_checked_once() {
        let verified = Verified::default();
        let mark = mark(&verified, "ann", "$1", "correct horse");
        let (open, gate) = tokio::sync::watch::channel(false);
        let checks = std::sync::atomic::AtomicUsize::new(0);
        let one = || {
            let mut gate = gate.clone();
            let checks = &checks;
            verified.once(mark, move || async move {
                checks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                gate.wait_for(|open| *open).await.map(|_| true).map_err(|_closed| Denied::Busy)
            })
        };
        let all = futures_util::future::join_all((0..10_000).map(|_| one()));
        let (answers, _) = tokio::join!(all, async { open.send_replace(true) });
        assert!(answers.iter().all(|answer| *answer == Ok(true)));
        assert_eq!(checks.into_inner(), 1);
        assert!(verified.running.lock().expect("nobody panicked").is_empty(), "nothing is left of them");
    }
}
