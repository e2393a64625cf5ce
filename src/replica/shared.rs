//! What all parts of a running replica know of each other.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use openraft::alias::StoredMembershipOf;
use tokio::sync::watch;

use super::ahead::Ahead;
use super::behind::Behind;
use super::clock::Clock;
use super::counters::Counters;
use super::journal::Journal;
use super::machine::Machine;
use super::marks::Marks;
use super::peers::Peers;
use super::phase::Phase;
use super::proposals::Proposals;
use super::published::Window;
use super::reads::Reads;
use super::roster::Roster;
use super::snapshot::Snapshots;
use super::timing::Timing;
use super::types::{Member, TypeConfig};
use super::waiters::Waiters;

/// openraft with this crate's types and state machine.
pub(super) type Raft = openraft::Raft<TypeConfig, Machine>;

/// Who leads, as this node knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lead {
    /// The leader's id, if one is known.
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
}

/// Where a node's data lies.
#[derive(Debug, Clone)]
pub(super) struct Dirs {
    /// The data directory; only the paths below it belong to the replica.
    pub root: PathBuf,
}

impl Dirs {
    /// The log database.
    #[must_use]
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The state database.
    #[must_use]
    pub(super) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// What this node has promised.
    #[must_use]
    pub(super) fn promise(&self) -> PathBuf {
        self.root.join("promise")
    }

    /// This node's own snapshots; cleared at each start.
    #[must_use]
    pub(super) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots/own")
    }

    /// Snapshots of other nodes, while they arrive.
    #[must_use]
    pub(super) fn received(&self) -> PathBuf {
        self.root.join("snapshots/received")
    }

    /// The first command of a new cluster's log, until it is applied.
    #[must_use]
    pub(super) fn init(&self) -> PathBuf {
        self.root.join("init.bin")
    }
}

/// One replica, as its parts see it.
pub(super) struct Shared {
    /// This node's id.
    pub node: u64,
    /// This node, as members know it.
    pub member: Member,
    /// Where its data lies.
    pub dirs: Dirs,
    /// How long what takes.
    pub timing: Timing,
    /// All records.
    pub journal: Journal,
    /// What readers see.
    pub window: Window,
    /// Cluster time.
    pub clock: Clock,
    /// Who waits for which record.
    pub waiters: Waiters,
    /// The way into the log.
    pub proposals: Proposals,
    /// What was proposed here, decoded before it is applied.
    pub ahead: Ahead,
    /// The way to a fresh view.
    pub reads: Reads,
    /// The other nodes, as they are called.
    pub peers: Peers,
    /// The other nodes, as they answered last.
    pub roster: Roster,
    /// Snapshots for peers.
    pub snapshots: Snapshots,
    /// Digests of the whole state, for comparison.
    pub marks: Marks,
    /// The thread that writes behind apply.
    pub behind: Behind,
    /// What is counted.
    pub counters: Counters,
    /// Who leads.
    pub lead: watch::Sender<Lead>,
    /// What this node is doing.
    pub phase: Arc<watch::Sender<Phase>>,
    /// The zone of a cluster that has not begun yet.
    pub first_zone: String,
    /// openraft, once it is built.
    pub raft: OnceLock<Raft>,
}

impl Shared {
    /// openraft, once it is built.
    #[must_use]
    pub(super) fn raft(&self) -> Option<&Raft> {
        self.raft.get()
    }

    /// Whether this node leads, as far as it knows.
    #[must_use]
    pub(super) fn leads(&self) -> bool {
        self.lead.borrow().leader == Some(self.node)
    }

    /// The zone whose midnight ends the license day.
    #[must_use]
    pub(super) fn zone(&self) -> String {
        let published = self.window.newest();
        let begun = !published.state.cluster_id.is_empty();
        if begun { published.state.settings.zone.to_string() } else { self.first_zone.clone() }
    }

    /// The members changed: connections follow.
    pub(super) fn members_changed(&self, membership: &StoredMembershipOf<TypeConfig>) {
        let members = membership.nodes().map(|(&node, member)| (node, member.clone())).collect();
        self.peers.set_members(&members);
    }

    /// Something is broken beyond repair while running: says so, and answers nothing any more.
    pub(super) fn fail(&self, reason: &str) {
        tracing::error!("{reason}");
        self.phase.send_if_modified(|phase| {
            let first = !matches!(phase, Phase::Failed(_));
            if first {
                *phase = Phase::Failed(reason.to_owned());
            }
            first
        });
    }

    /// Proposes again what may have been in entries that this node never applied by itself.
    pub(super) fn propose_again(self: &Arc<Self>) {
        self.waiters.handed_over().into_iter().for_each(|number| self.proposals.propose(number));
    }
}
