//! The calling side: what this node knows of each peer, and the connections to it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::calls::{Job, as_reply};
use super::dial::dial;
use super::frame::{Bytecount, Link, LinkError};
use super::guard::Guard;
use super::wire::{Acknowledged, Ask, PeerCall, PeerReply, Purpose};
use crate::replica::types::Member;

/// After a failure the next try waits so long at first: less than an election takes.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The wait doubles so often: to a third of a second, so that a peer that comes back is soon heard again.
const PAUSE_DOUBLINGS: u32 = 5;

/// Who this node is to its peers.
#[derive(Clone)]
pub struct Local {
    /// Its id.
    pub node: u64,
    /// Its cluster.
    pub cluster: String,
    /// How connections are protected.
    pub security: Security,
}

/// How connections between peers are protected.
#[derive(Clone)]
pub enum Security {
    /// Both sides show a certificate of the cluster's CA.
    Tls {
        /// For connections that come in.
        server: Arc<rustls::ServerConfig>,
        /// For connections that go out.
        client: Arc<rustls::ClientConfig>,
    },
    /// No protection; only loopback addresses are served and called, and the greeting's word is taken.
    PlainLoopback,
}

/// Why a peer did not answer a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailed {
    /// The call surely did not reach the peer.
    #[error("node {node} cannot be reached: {reason}")]
    Unreachable {
        /// The peer.
        node: u64,
        /// What stood in the way.
        reason: String,
    },
    /// The call was sent, the connection broke before the answer; it may have been done.
    #[error("the connection to node {node} broke before it answered: {reason}")]
    Lost {
        /// The peer.
        node: u64,
        /// What happened.
        reason: String,
    },
    /// The call may have been sent, the deadline passed before the answer; it may have been done.
    #[error("node {node} did not answer before the deadline")]
    Deadline {
        /// The peer.
        node: u64,
    },
}

impl CallFailed {
    /// Whether the peer surely has not seen the call.
    #[must_use]
    pub const fn surely_not_sent(&self) -> bool {
        matches!(self, CallFailed::Unreachable { .. })
    }
}

/// Plain counters of one peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of frames sent to it.
    pub sent_bytes: u64,
    /// Bytes of frames received from it.
    pub received_bytes: u64,
    /// Connections that failed or broke.
    pub failures: u64,
    /// The last measured round trip in microseconds; `None` before the first.
    pub round_trip_us: Option<u64>,
}

/// All peers, as this node calls them. Cheap to clone; openraft's network factory.
#[derive(Clone)]
pub struct Peers {
    inner: Arc<Inner>,
}

struct Inner {
    local: Local,
    peers: Mutex<BTreeMap<u64, Arc<Peer>>>,
}

/// One peer: where it is, what it acknowledged, and the connection for calls.
pub(in crate::replica) struct Peer {
    /// Its id.
    pub(in crate::replica) node: u64,
    member: Mutex<Member>,
    /// What it acknowledged.
    pub(super) guard: Mutex<Guard>,
    /// Leads to the task that owns the call connection, if there is one.
    pub(super) calls: Mutex<Option<mpsc::Sender<Job>>>,
    pause: Mutex<Pause>,
    count: Arc<Bytecount>,
    failures: AtomicU64,
    round_trip_us: AtomicU64,
}

/// When a peer may be tried again.
#[derive(Default)]
struct Pause {
    failures: u32,
    until: Option<Instant>,
}

/// Takes the lock, also after a panic elsewhere: what is behind these locks is whole after every statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The tasks that own call connections hold their peer: only this ends them.
        for peer in lock(&self.peers).values() {
            lock(&peer.calls).take();
        }
    }
}

impl Peers {
    /// No peers yet. Connections are made when they are first needed.
    #[must_use]
    pub fn new(local: Local) -> Self {
        Self { inner: Arc::new(Inner { local, peers: Mutex::default() }) }
    }

    /// Who this node is.
    #[must_use]
    pub fn local(&self) -> &Local {
        &self.inner.local
    }

    /// The members as the log has them now: learns new addresses, and forgets everything about who is no member.
    pub fn set_members(&self, members: &BTreeMap<u64, Member>) {
        let mut peers = lock(&self.inner.peers);
        peers.retain(|node, peer| {
            let stays = members.contains_key(node);
            if !stays {
                lock(&peer.calls).take();
            }
            stays
        });
        for (&node, member) in members.iter().filter(|(node, _)| **node != self.inner.local.node) {
            learn(&mut peers, node, member);
        }
    }

    /// Asks a member.
    ///
    /// # Errors
    /// When it does not answer before `deadline`.
    pub async fn call(&self, node: u64, call: PeerCall, deadline: Instant) -> Result<PeerReply, CallFailed> {
        let Some(peer) = self.get(node) else {
            return Err(CallFailed::Unreachable { node, reason: "it is no known member".to_owned() });
        };
        as_reply(node, self.ask(&peer, Ask::Call(call), deadline).await?)
    }

    /// Peers that were caught with a shorter log than they had acknowledged to this node as leader. They are not spoken
    /// to until they are removed, or this process starts anew.
    #[must_use]
    pub fn reverted(&self) -> Vec<u64> {
        let peers = lock(&self.inner.peers);
        peers.values().filter(|peer| lock(&peer.guard).reverted()).map(|peer| peer.node).collect()
    }

    /// Whether `node` was caught with a shorter log; see [`Peers::reverted`].
    #[must_use]
    pub fn is_reverted(&self, node: u64) -> bool {
        self.get(node).is_some_and(|peer| lock(&peer.guard).reverted())
    }

    /// What `node` acknowledged to this node as leader: the answer to [`PeerCall::Acknowledged`].
    #[must_use]
    pub fn acknowledged(&self, node: u64) -> Option<Acknowledged> {
        self.get(node).and_then(|peer| lock(&peer.guard).acknowledged().cloned())
    }

    /// Counters of every peer.
    #[must_use]
    pub fn traffic(&self) -> BTreeMap<u64, Traffic> {
        lock(&self.inner.peers).values().map(|peer| (peer.node, peer.traffic())).collect()
    }

    /// The peer `node`, if it is known.
    pub(super) fn get(&self, node: u64) -> Option<Arc<Peer>> {
        lock(&self.inner.peers).get(&node).cloned()
    }

    /// What the bytes of `node` are counted in.
    pub(super) fn count(&self, node: u64) -> Arc<Bytecount> {
        self.get(node).map(|peer| Arc::clone(&peer.count)).unwrap_or_default()
    }

    /// The peer `node`, which is reached as `member` says.
    pub(in crate::replica) fn meet(&self, node: u64, member: &Member) -> Arc<Peer> {
        learn(&mut lock(&self.inner.peers), node, member)
    }
}

fn learn(peers: &mut BTreeMap<u64, Arc<Peer>>, node: u64, member: &Member) -> Arc<Peer> {
    let peer = peers.entry(node).or_insert_with(|| Arc::new(Peer::new(node)));
    let mut known = lock(&peer.member);
    if *known != *member {
        *known = member.clone();
    }
    drop(known);
    Arc::clone(peer)
}

impl Peer {
    fn new(node: u64) -> Self {
        Self {
            node,
            member: Mutex::default(),
            guard: Mutex::default(),
            calls: Mutex::default(),
            pause: Mutex::default(),
            count: Arc::default(),
            failures: AtomicU64::new(0),
            round_trip_us: AtomicU64::new(0),
        }
    }

    /// A connection for `purpose`, unless the last failure is too recent or the peer's log went back.
    pub(super) async fn connect(&self, local: Local, purpose: Purpose) -> Result<Link, LinkError> {
        if lock(&self.guard).reverted() {
            return Err(LinkError::Reverted);
        }
        self.check_pause()?;
        let address = lock(&self.member).peer.clone();
        let dialed = dial(local, self.node, address, purpose, Arc::clone(&self.count)).await;
        match &dialed {
            Ok(_) => *lock(&self.pause) = Pause::default(),
            Err(error) => {
                let failures = self.failed();
                // Once per outage is news, the rest is not.
                if failures == 1 {
                    tracing::warn!(node = self.node, ?purpose, %error, "cannot connect to the peer");
                }
            }
        }
        dialed
    }

    /// An error when the last failure is too recent.
    pub(super) fn check_pause(&self) -> Result<(), LinkError> {
        match lock(&self.pause).until {
            Some(until) if until > Instant::now() => Err(LinkError::Paused),
            _ => Ok(()),
        }
    }

    /// A connection failed or broke: the next try waits a little. Says how many have failed in a row.
    pub(super) fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut pause = lock(&self.pause);
        let wait = FIRST_PAUSE.saturating_mul(1 << pause.failures.min(PAUSE_DOUBLINGS));
        pause.until = Some(Instant::now() + wait);
        pause.failures = pause.failures.saturating_add(1);
        pause.failures
    }

    /// A measured way there and back.
    pub(super) fn round_trip(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.round_trip_us.store(micros.max(1), Ordering::Relaxed);
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            sent_bytes: self.count.sent.load(Ordering::Relaxed),
            received_bytes: self.count.received.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            round_trip_us: Some(self.round_trip_us.load(Ordering::Relaxed)).filter(|&micros| micros != 0),
        }
    }
}
