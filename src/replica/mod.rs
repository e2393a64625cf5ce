//! The only room that names openraft: intents go in on any node, records come out of this node's own apply.

mod ahead;
mod behind;
mod calendar;
mod clock;
mod cluster;
mod counters;
mod folded;
mod inbound;
mod journal;
pub mod log;
mod machine;
mod marks;
mod members;
mod network;
pub mod peers;
mod phase;
mod proposals;
mod published;
mod reads;
mod retention;
mod roster;
mod shared;
mod snapshot;
pub mod solo;
mod start;
mod stats;
mod submit;
mod timing;
mod turns;
pub mod types;
mod upkeep;
pub mod verify;
mod waiters;

#[cfg(test)]
mod cluster_test;
#[cfg(test)]
mod durability_test;
#[cfg(test)]
mod rig_test;

pub use behind::Pace;
pub use cluster::Cluster;
pub use phase::Phase;
pub use published::Readers;
pub use start::{CannotStart, Options, create};
pub use stats::Stats;
pub use timing::Timing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use peers::wire::MembersCall;

use crate::domain::intent::{Command, IdempotencyKey};
use crate::domain::name::Hash;
use crate::domain::record::{Outcome, Stored};
use crate::domain::state::State;
use crate::domain::time::Moment;
use crate::domain::user::Actor;
use crate::projection::usage::UsageHistory;

/// What a submitted command became, on this node: it has applied it by now.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The record's position; for a repeated request, the position of the record that answered it first.
    pub seq: u64,
    /// Cluster time of that record.
    pub at: Moment,
    /// What was decided; never [`Outcome::Repeated`].
    pub outcome: Outcome,
    /// Whether this answers a request that was answered before (idempotency key or a retry).
    pub repeated: bool,
    /// The state right after, or later.
    pub view: View,
}

/// A frozen state.
#[derive(Debug, Clone)]
pub struct View {
    /// All that counts, as of `state.heads.seq`.
    pub state: Arc<State>,
    /// What was used, by day and dimension, as of the same record.
    pub usage: Arc<UsageHistory>,
    /// How long ago this node last knew that it was up to date; zero for a linearizable read.
    pub age: Duration,
}

impl View {
    fn of(published: &published::Published, age: Duration) -> View {
        View { state: Arc::clone(&published.state), usage: Arc::clone(&published.usage), age }
    }
}

/// Whether something is submitted only once this node serves, as requests are, or before that, as a node's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    UntilServing,
    EvenWhileCatchingUp,
}

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Sees every write that was acknowledged anywhere before the read began (decision 15).
    Linearizable,
    /// What this node has; says how old it is.
    Stale,
}

/// This node's no: never recorded. The caller may try again, here or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No leader is known, or it cannot be reached; nothing was proposed.
    #[error("no leader is known: the cluster has no quorum, or an election is under way")]
    NoLeader,
    /// The deadline passed after the command was handed over.
    #[error("no answer before the deadline; the write may or may not have happened")]
    Unknown,
    /// This node takes no more for now; nothing was proposed.
    #[error("too many requests wait on this node")]
    Busy,
    /// The request is larger than a log entry may be; nothing was proposed.
    #[error("the request is too large: {bytes} bytes, at most {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The node is starting, stopping, or has failed; nothing was proposed.
    #[error("this node does not serve: {0}")]
    NotServing(String),
    /// A request about members that cannot be done as asked.
    #[error("{0}")]
    Membership(String),
}

impl Unavailable {
    /// Whether the write surely did not happen (E2): only then is it safe to send it again without a key.
    #[must_use]
    pub const fn surely_not_done(&self) -> bool {
        !matches!(self, Unavailable::Unknown)
    }
}

/// What a node says about itself and its cluster, from its own knowledge.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// This node's id.
    pub node: u64,
    /// The leader's id, if one is known.
    pub leader: Option<u64>,
    /// The Raft term.
    pub term: u64,
    /// The last applied record.
    pub applied_seq: u64,
    /// The journal's digest at it.
    pub digest: Hash,
    /// The members as this node knows them.
    pub members: Vec<MemberStatus>,
    /// Why this node does not serve, if it does not.
    pub trouble: Option<String>,
}

/// One member, as the answering node knows it.
#[derive(Debug, Clone, Default)]
pub struct MemberStatus {
    /// Its id.
    pub id: u64,
    /// Its name and addresses.
    pub member: types::Member,
    /// `leader`, `follower` or `learner`.
    pub role: &'static str,
    /// The last record it was known to have applied; `None` if it did not say.
    pub applied_seq: Option<u64>,
    /// How long ago it was heard of, in milliseconds; `None` if never.
    pub last_contact_ms: Option<u64>,
}

/// Which journal records a reader wants.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Records after this position.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
}

/// A node's handle on the replicated truth. Cheap to clone.
#[derive(Clone)]
pub enum Replica {
    /// One ledger in memory, with a clock that tests set: for transcripts.
    Solo(Arc<solo::Solo>),
    /// A node of a cluster, of any size.
    Cluster(Arc<Cluster>),
}

impl Replica {
    /// Has the command decided, and waits until this node has applied it. The node proposes it again by itself until
    /// `deadline`; it is never done twice.
    ///
    /// # Errors
    /// This node's no; a rule's no is an [`Outcome::Refused`].
    pub async fn submit(
        &self,
        actor: &Actor,
        key: Option<&IdempotencyKey>,
        command: &Command,
        deadline: Instant,
    ) -> Result<Answer, Unavailable> {
        match self {
            Replica::Solo(solo) => Ok(solo.submit(actor.clone(), key.cloned(), command.clone())),
            Replica::Cluster(cluster) => cluster.submit(actor, key, command, deadline).await,
        }
    }

    /// One frozen state, as fresh as asked.
    ///
    /// # Errors
    /// When a linearizable read finds no quorum before `deadline`.
    pub async fn view(&self, consistency: Consistency, deadline: Instant) -> Result<View, Unavailable> {
        match self {
            Replica::Solo(solo) => Ok(solo.view()),
            Replica::Cluster(cluster) => cluster.view(consistency, deadline).await,
        }
    }

    /// What this node knows of itself and its cluster.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Replica::Solo(solo) => solo.status(),
            Replica::Cluster(cluster) => cluster.status(),
        }
    }

    /// Records of the journal, in order; waits up to `wait` for the first one when there is none yet.
    ///
    /// # Errors
    /// When the records were dropped already, or cannot be read.
    pub async fn journal(&self, page: Page, wait: Duration) -> Result<Vec<Stored>, Unavailable> {
        match self {
            Replica::Solo(solo) => Ok(solo.journal(page)),
            Replica::Cluster(cluster) => cluster.journal(page, wait).await,
        }
    }

    /// The journal's digest at a position that this node has; `None` if it has not got there, or has dropped it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn digest_at(&self, seq: u64) -> Result<Option<Hash>, Unavailable> {
        match self {
            Replica::Solo(solo) => Ok(solo.digest_at(seq)),
            Replica::Cluster(cluster) => cluster.digest_at(seq).await,
        }
    }

    /// Makes a learner that has caught up a voter.
    ///
    /// # Errors
    /// When there is no such learner, or no quorum.
    pub async fn promote(&self, node: u64, deadline: Instant) -> Result<(), Unavailable> {
        match self {
            Replica::Solo(_) => Err(Unavailable::Membership(format!("node {node} is no learner"))),
            Replica::Cluster(cluster) => cluster.change(MembersCall::Promote(node), deadline).await,
        }
    }

    /// Takes a node out of the members; its id is never used again.
    ///
    /// # Errors
    /// When there is no such member, or what is left would have no quorum.
    pub async fn remove(&self, node: u64, deadline: Instant) -> Result<(), Unavailable> {
        match self {
            Replica::Solo(_) => Err(Unavailable::Membership(format!("node {node} is no member"))),
            Replica::Cluster(cluster) => cluster.change(MembersCall::Remove(node), deadline).await,
        }
    }

    /// Hands leadership to a voter.
    ///
    /// # Errors
    /// When it is no voter, or does not take over before `deadline`.
    pub async fn transfer(&self, node: u64, deadline: Instant) -> Result<(), Unavailable> {
        match self {
            Replica::Solo(_) => Err(Unavailable::Membership(format!("node {node} is no voter"))),
            Replica::Cluster(cluster) => cluster.change(MembersCall::Transfer(node), deadline).await,
        }
    }

    /// What this node is doing, from its start to its end, and when that changes.
    #[must_use]
    pub fn phase(&self) -> watch::Receiver<Phase> {
        match self {
            Replica::Solo(_) => watch::Sender::new(Phase::Serving).subscribe(),
            Replica::Cluster(cluster) => cluster.phase(),
        }
    }

    /// Plain numbers for the metrics; `None` before there are any.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match self {
            Replica::Solo(_) => None,
            Replica::Cluster(cluster) => cluster.stats(),
        }
    }

    /// Ends this node: hands over the lead, flushes, closes. Returns when all is closed.
    pub async fn stop(&self) {
        match self {
            Replica::Solo(_) => {}
            Replica::Cluster(cluster) => cluster.stop().await,
        }
    }
}

/// For what is told to somebody who may have gone, and for waits that may end early: either way is right.
fn either_way<T>(_done: T) {}
