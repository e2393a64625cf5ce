//! Credentials into actors: passwords, tokens, lock-out, rights. Decides nothing about licenses; `decide` checks every
//! credential again when the command is applied.

pub mod failures;
pub mod password;
pub mod token;
mod verified;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use tokio::time::Instant;

use crate::domain::account;
use crate::domain::intent::Command;
use crate::domain::name::{Name, Set, SlaveId, is_name, sha256};
use crate::domain::right;
use crate::domain::state::State;
use crate::domain::user::{Actor, Credential, Right, User, UserCommand};
use crate::domain::work;
use crate::replica::Replica;

/// How long a lock-out may take to be agreed upon; this node keeps it for itself meanwhile.
const LOCK_OUT_DEADLINE: Duration = Duration::from_secs(2);

/// Why a credential was not taken, or does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// None was given.
    Anonymous,
    /// The header is no credential that we know.
    Unreadable,
    /// Wrong user, password or token, or an ended one: which of them is not told.
    Wrong,
    /// Too many failures of this user from this address.
    LockedOut {
        /// When to come again.
        retry_after_s: u64,
    },
    /// The roles do not allow it.
    Forbidden {
        /// What would.
        needs: Right,
    },
    /// Too many passwords wait to be checked.
    Busy,
    /// The license that this account needs has ended, and shuts its people out.
    LicenseEnded,
}

impl Denied {
    /// The reason as metrics name it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Denied::Anonymous => "anonymous",
            Denied::Unreadable => "unreadable",
            Denied::Wrong => "bad_credentials",
            Denied::LockedOut { .. } => "locked_out",
            Denied::Forbidden { .. } => "forbidden",
            Denied::Busy => "busy",
            Denied::LicenseEnded => "license_ended",
        }
    }
}

/// Who asks, as one frozen state knows them.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Goes with every command.
    pub actor: Actor,
    /// What its roles allow.
    pub rights: Set<Right>,
    /// The one slave that it may report for.
    pub slave: Option<SlaveId>,
    /// Whether it came with the token of a session that is closing: such a one may ask how its work stands, and nothing
    /// else.
    pub closing: bool,
}

impl Caller {
    /// Checks one right.
    ///
    /// # Errors
    /// When the caller does not have it.
    pub fn must(&self, needs: Right) -> Result<(), Denied> {
        if self.rights.contains(&needs) { Ok(()) } else { Err(Denied::Forbidden { needs }) }
    }

    /// Whether the caller has it.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

/// What a request's `Authorization` header says.
pub enum Presented {
    /// A name and a password.
    Password {
        /// The user.
        user: String,
        /// The password, in clear.
        password: String,
    },
    /// A token.
    Token(String),
}

impl Presented {
    /// Reads the header.
    ///
    /// # Errors
    /// When there is none, or it is neither Basic nor Bearer.
    pub fn of(headers: &HeaderMap) -> Result<Presented, Denied> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Denied::Anonymous)?;
        if values.next().is_some() {
            return Err(Denied::Unreadable);
        }
        let value = value.to_str().map_err(|_not_ascii| Denied::Unreadable)?;
        let (scheme, rest) = value.trim().split_once(' ').ok_or(Denied::Unreadable)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Ok(Presented::Token(rest.to_owned()));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let bytes = STANDARD.decode(rest).or_else(|_padding| STANDARD_NO_PAD.decode(rest));
            let text = String::from_utf8(bytes.map_err(|_not_base64| Denied::Unreadable)?);
            let text = text.map_err(|_not_utf8| Denied::Unreadable)?;
            let (user, password) = text.split_once(':').ok_or(Denied::Unreadable)?;
            return Ok(Presented::Password { user: user.to_owned(), password: password.to_owned() });
        }
        Err(Denied::Unreadable)
    }
}

/// A node's gatekeeper.
pub struct Access {
    replica: Replica,
    hasher: password::Hasher,
    verified: verified::Verified,
    failures: Arc<failures::Failures>,
}

impl Access {
    /// A gatekeeper that remembers nothing yet.
    #[must_use]
    pub fn new(replica: Replica) -> Access {
        Access {
            replica,
            hasher: password::Hasher::default(),
            verified: verified::Verified::default(),
            failures: Arc::default(),
        }
    }

    /// Hashes a new password, in turn with all others.
    ///
    /// # Errors
    /// When too many wait.
    pub async fn hash(&self, password: String) -> Result<Name, Denied> {
        self.hasher.hash(password).await
    }

    /// Who presents this, by that state. Read the state after the barrier when the answer must be linearizable.
    ///
    /// # Errors
    /// When the credential is not good.
    pub async fn authenticate(&self, presented: &Presented, state: &State, peer: IpAddr) -> Result<Caller, Denied> {
        match presented {
            Presented::Token(token) => by_token(token, state),
            // Boxed: it is fifteen hundred bytes that every request would carry along, and be moved with.
            Presented::Password { user, password } => Box::pin(self.by_password(user, password, state, peer)).await,
        }
    }

    async fn by_password(&self, user: &str, password: &str, state: &State, peer: IpAddr) -> Result<Caller, Denied> {
        let address = peer.to_string();
        if let Some(retry_after_s) = self.locked(user, &address, state) {
            return Err(Denied::LockedOut { retry_after_s });
        }
        let account = state.users.get(user);
        if !self.is_right(user, password, account, &Origin { address: &address, state }).await? {
            return Err(Denied::Wrong);
        }
        let account = live_user(state, user)?;
        self.failures.forget(user, &address);
        let credential = Credential::Password { version: account.password_version };
        let actor = Actor { user: user.into(), credential };
        Ok(Caller { actor, rights: rights_of(state, user), slave: account.slave.clone(), closing: false })
    }

    /// Whether it is the account's password. Checked lately, it costs microseconds; an account that does not exist costs
    /// as much as one that does.
    async fn is_right(
        &self,
        user: &str,
        password: &str,
        account: Option<&User>,
        origin: &Origin<'_>,
    ) -> Result<bool, Denied> {
        if password.len() > password::MOST_BYTES {
            return Ok(false);
        }
        let hash = account.map(|account| account.password.clone());
        let Some(mark) = self.verified.mark(user, hash.as_deref().unwrap_or_default(), password) else {
            return self.check(user, password, hash, origin).await;
        };
        if account.is_some() && self.verified.knows(&mark) {
            return Ok(true);
        }
        let right = self.verified.once(mark, || self.check(user, password, hash, origin)).await?;
        if right {
            self.verified.remember(mark);
        }
        Ok(right)
    }

    /// Has a password checked in its turn. A wrong one counts here; the lock-out alone is replicated, else anybody could
    /// write the log (T9).
    async fn check(&self, user: &str, password: &str, hash: Option<Name>, origin: &Origin<'_>) -> Result<bool, Denied> {
        let settings = &origin.state.settings;
        let (most, lockout_ms) = (settings.lockout_failures, settings.lockout_ms);
        let pair = (user.to_owned(), origin.address.to_owned());
        let (failures, of) = (self.failures.clone(), pair.clone());
        let before = move || match failures.locked(&of.0, &of.1, most) {
            Some(retry_after_s) => Err(Denied::LockedOut { retry_after_s }),
            None => Ok(()),
        };
        let failures = self.failures.clone();
        let wrong = move || failures.count(&pair.0, &pair.1, Duration::from_millis(lockout_ms));
        match self.hasher.verify(password, hash, before, wrong).await? {
            None => Ok(true),
            Some(failures) => {
                if failures == most && is_name(user) {
                    self.lock_out(user, origin.address, lockout_ms).await;
                }
                Ok(false)
            }
        }
    }

    /// For how many seconds more this user is locked out from this address: by the cluster, or by this node until the
    /// cluster has heard of it.
    fn locked(&self, user: &str, address: &str, state: &State) -> Option<u64> {
        let agreed = account::locked_until(state, &user.into(), &address.into());
        match agreed {
            Some(until) => Some((until.0 - state.now.0).div_ceil(1000)),
            None => self.failures.locked(user, address, state.settings.lockout_failures),
        }
    }

    /// Has the cluster agree upon a lock-out; this node keeps it for itself meanwhile.
    async fn lock_out(&self, user: &str, address: &str, for_ms: u64) {
        let command = UserCommand::LockOut { user: user.into(), address: address.into(), for_ms };
        let actor = Actor { user: "system".into(), credential: Credential::System };
        let deadline = Instant::now() + LOCK_OUT_DEADLINE;
        if let Err(error) = self.replica.submit(&actor, None, &Command::User(command), deadline).await {
            tracing::warn!(%error, "a lock-out holds on this node only");
        }
    }
}

/// Where a password came from, and what was known then.
struct Origin<'a> {
    address: &'a str,
    state: &'a State,
}

fn by_token(token: &str, state: &State) -> Result<Caller, Denied> {
    let id = state.token_hashes.get(&sha256(&[token.as_bytes()])).ok_or(Denied::Wrong)?;
    let token = state.tokens.get(id).filter(|token| token.expires > state.now).ok_or(Denied::Wrong)?;
    let account = live_user(state, &token.user)?;
    let credential = Credential::Token { id: token.id, version: token.version };
    let actor = Actor { user: token.user.clone(), credential };
    let closing = work::is_closing(state, credential);
    let rights = if closing { Set::new() } else { rights_of(state, &token.user) };
    Ok(Caller { actor, rights, slave: account.slave.clone(), closing })
}

/// The account, if it may come in: a disabled one is as good as none.
fn live_user<'a>(state: &'a State, name: &str) -> Result<&'a User, Denied> {
    right::live_user(state, name).ok_or_else(|| match state.users.get(name) {
        Some(account) if !account.disabled => Denied::LicenseEnded,
        Some(_) | None => Denied::Wrong,
    })
}

/// What a user's roles allow together.
#[must_use]
pub fn rights_of(state: &State, user: &str) -> Set<Right> {
    state.users.get(user).map(|account| right::rights_of(state, user, account)).unwrap_or_default()
}
