//! Passwords: argon2id, a bounded number at a time, the same work whether or not the user exists (T9).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::Denied;
use crate::domain::name::Name;

/// Shortest password, in bytes.
pub const LEAST_BYTES: usize = 8;
/// Longest password, in bytes: more would only be work for us.
pub const MOST_BYTES: usize = 1024;
/// How many run at once: each takes a core and 19 MiB (L7).
const RUNNING: usize = 2;
/// How many may wait for that; more are told that the node is busy (L7).
const WAITING: usize = 16;

/// OWASP's second recommendation: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).expect("these parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Whether a password may be set, and if not, why.
///
/// # Errors
/// Says what is wrong.
pub fn check(password: &str) -> Result<(), String> {
    match password.len() {
        LEAST_BYTES..=MOST_BYTES => Ok(()),
        bytes => Err(format!("a password has {LEAST_BYTES} to {MOST_BYTES} bytes, this one has {bytes}")),
    }
}

/// The PHC string of a password. Takes tens of milliseconds of a core.
///
/// # Errors
/// When the machine has no randomness or memory for it.
pub fn hash(password: &str) -> Result<String, String> {
    argon2().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Whether a password belongs to a PHC string.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Runs argon2 off the async threads, in turn.
pub(super) struct Hasher {
    running: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
    nobody: Arc<std::sync::OnceLock<Name>>,
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher { running: Arc::new(Semaphore::new(RUNNING)), inside: Arc::default(), nobody: Arc::default() }
    }
}

/// Counts one out again, also when its request was dropped.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hasher {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Denied> {
        let inside = Inside(self.inside.clone());
        if self.inside.fetch_add(1, Ordering::Relaxed) >= RUNNING + WAITING {
            return Err(Denied::Busy);
        }
        let permit = self.running.clone().acquire_owned().await.map_err(|_closed| Denied::Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            // Both end with the work, not with the request that may have gone away meanwhile.
            drop((permit, inside));
            done
        });
        task.await.map_err(|_stopping| Denied::Busy)
    }

    /// Hashes a new password.
    pub(super) async fn hash(&self, password: String) -> Result<Name, Denied> {
        self.run(move || hash(&password)).await?.map(Name::from).map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            Denied::Busy
        })
    }

    /// Checks a password against a hash, or against nobody's: an unknown user takes the same time.
    pub(super) async fn verify(&self, password: &str, hash: Option<Name>) -> Result<bool, Denied> {
        let (password, nobody) = (password.to_owned(), self.nobody.clone());
        self.run(move || {
            let known = hash.is_some();
            let fallback = || self::hash("nobody has this password").unwrap_or_default().into();
            let hash = hash.unwrap_or_else(|| nobody.get_or_init(fallback).clone());
            verify(&password, &hash) && known
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_belongs_to_its_own_hash_only() {
        let phc = hash("correct horse").expect("hashes");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify("correct horse", &phc));
        assert!(!verify("correct mule", &phc));
        assert!(!verify("correct horse", "not a hash"));
    }

    #[test]
    fn a_password_has_8_to_1024_bytes() {
        assert!(check("1234567").is_err());
        assert!(check("12345678").is_ok());
        assert!(check(&"x".repeat(1024)).is_ok());
        assert!(check(&"x".repeat(1025)).is_err());
    }
}
