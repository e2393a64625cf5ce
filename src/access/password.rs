//! Passwords: argon2id, a bounded number at a time, the same work whether or not the user exists (T9).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::oneshot;

use super::Denied;
use crate::domain::name::Name;

/// Shortest password, in bytes.
pub const LEAST_BYTES: usize = 8;
/// Longest password, in bytes: more would only be work for us.
pub const MOST_BYTES: usize = 1024;
/// How many run at once: each takes a core and 19 MiB (L7).
const RUNNING: usize = 2;
/// How many may wait for that; more are told that the node is busy. A quarter of the connections that one address may
/// have: at 25 ms each on two threads the last one waits for 3 s, well within a request's deadline (docs/adr/0050).
const WAITING: usize = 256;
/// How much the threads that run it stand back: whoever has a token or a password that was checked before must not feel
/// the others' first logins.
const NICE: i32 = 10;

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

type Job = Box<dyn FnOnce() + Send>;

/// Runs argon2 on threads of its own, in turn.
pub(super) struct Hasher {
    queue: SyncSender<Job>,
    nobody: Arc<OnceLock<Name>>,
}

impl Default for Hasher {
    fn default() -> Hasher {
        let (queue, jobs) = sync_channel(WAITING);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 1..=RUNNING {
            let jobs = jobs.clone();
            let thread = std::thread::Builder::new().name(format!("passwords-{number}"));
            if let Err(error) = thread.spawn(move || work(&jobs)) {
                tracing::error!(%error, "no thread for passwords");
            }
        }
        Hasher { queue, nobody: Arc::default() }
    }
}

/// Does one job after the other until nobody can send any more.
fn work(jobs: &Mutex<Receiver<Job>>) {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "passwords are checked at everybody's priority");
    }
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_nobody_sends) => return,
        }
    }
}

impl Hasher {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Denied> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever asked may have gone away while this waited: then nobody wants it.
            if !done.is_closed() && done.send(work()).is_err() {
                tracing::debug!("a password was checked for nobody");
            }
        });
        self.queue.try_send(job).map_err(|_full| Denied::Busy)?;
        result.await.map_err(|_stopping| Denied::Busy)
    }

    /// Hashes a new password.
    pub(super) async fn hash(&self, password: String) -> Result<Name, Denied> {
        self.run(move || hash(&password)).await?.map(Name::from).map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            Denied::Busy
        })
    }

    /// Checks a password against a hash, or against nobody's: an unknown user takes the same time. `before` may say no
    /// when its turn has come, `wrong` hears of a wrong one before the next turn: so that thousands of guesses that came
    /// at once are not all looked at.
    pub(super) async fn verify<T: Send + 'static>(
        &self,
        password: &str,
        hash: Option<Name>,
        before: impl FnOnce() -> Result<(), Denied> + Send + 'static,
        wrong: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, Denied> {
        let (password, nobody) = (password.to_owned(), self.nobody.clone());
        self.run(move || {
            before()?;
            let known = hash.is_some();
            let fallback = || self::hash("nobody has this password").unwrap_or_default().into();
            let hash = hash.unwrap_or_else(|| nobody.get_or_init(fallback).clone());
            let right = verify(&password, &hash) && known;
            Ok(if right { None } else { Some(wrong()) })
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn so_many_wait_and_no_more() {
        let hasher = Hasher::default();
        let (go, gate) = sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let blocked = || {
            let gate = gate.clone();
            Box::pin(hasher.run(move || gate.lock().expect("nobody panics").recv().is_err()))
        };
        let jobs = RUNNING + WAITING;
        let mut waiting: Vec<_> = (0..jobs).map(|_| blocked()).collect();
        // Every one is asked for once, so that it stands in line; none can end before the gate opens.
        let mut stood = 0;
        while stood < jobs {
            match futures_util::poll!(&mut waiting[stood]) {
                std::task::Poll::Pending => stood += 1,
                // The line was full for a moment, before a thread took the first ones out of it.
                std::task::Poll::Ready(_) => waiting[stood] = blocked(),
            }
        }
        assert_eq!(hasher.run(|| ()).await, Err(Denied::Busy));
        drop(go);
        for one in waiting {
            assert_eq!(one.await, Ok(true));
        }
        assert_eq!(hasher.run(|| 7).await, Ok(7));
    }

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
