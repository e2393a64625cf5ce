//! What this node does with what its peers send.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use openraft::base::BoxStream;

use super::Unavailable;
use super::clock;
use super::members;
use super::peers::wire::{
    AppendRequest, AppendResult, PeerCall, PeerReply, PeerStatus, Purpose, SnapshotMeta, SnapshotResponse,
    TransferRequest, TransferResponse, Vote, VoteRequest, VoteResponse,
};
use super::peers::{Inbound, Stopped};
use super::proposals::Attempt;
use super::reads;
use super::shared::{Raft, Shared};
use super::types::SnapshotFiles;
use openraft::alias::SnapshotOf;

use super::types::TypeConfig;

/// The answering side of a replica.
pub(super) struct Answering {
    shared: Arc<Shared>,
}

impl Answering {
    /// For this replica.
    #[must_use]
    pub(super) const fn new(shared: Arc<Shared>) -> Answering {
        Answering { shared }
    }

    fn raft(&self) -> Result<&Raft, Stopped> {
        self.shared.raft().ok_or_else(|| Stopped("it is starting".to_owned()))
    }

    fn status(&self) -> PeerReply {
        let heads = self.shared.window.newest().state.heads;
        PeerReply::Status(PeerStatus {
            applied_seq: heads.seq,
            digest: heads.digest(),
            states: self.shared.marks.digests(),
            wall_ms: i64::try_from(clock::wall().0).unwrap_or(i64::MAX),
        })
    }

    fn not_leader(&self) -> PeerReply {
        PeerReply::NotLeader { leader: self.shared.lead.borrow().leader }
    }

    async fn read_index(&self) -> PeerReply {
        match reads::index_here(&self.shared).await {
            Some(log_index) => PeerReply::ReadIndex { log_index },
            None => self.not_leader(),
        }
    }

    async fn propose(&self, intents: Vec<bytes::Bytes>) -> PeerReply {
        if !self.shared.leads() {
            return self.not_leader();
        }
        self.shared.counters.forwarded();
        match self.shared.proposals.forwarded(intents).await {
            Some(Attempt::Committed) => PeerReply::Proposed,
            Some(Attempt::No) => self.not_leader(),
            Some(Attempt::Unclear) => PeerReply::Unclear,
            None => PeerReply::Busy,
        }
    }
}

/// What a change of the members ended with, for the node that asked.
fn told(done: Result<(), Unavailable>, shared: &Shared) -> PeerReply {
    match done {
        Ok(()) => PeerReply::Done,
        Err(Unavailable::NoLeader) => PeerReply::NotLeader { leader: shared.lead.borrow().leader },
        Err(Unavailable::Busy) => PeerReply::Busy,
        Err(Unavailable::Unknown) => PeerReply::Unclear,
        Err(no) => PeerReply::Refused(no.to_string()),
    }
}

impl Inbound for Answering {
    fn may_connect(&self, node: u64, purpose: Purpose) -> bool {
        let published = self.shared.window.newest();
        let state = &published.state;
        if state.nodes.get(&node).is_some_and(|node| node.removed.is_some()) {
            return false;
        }
        if matches!(purpose, Purpose::Join) {
            return state.tickets.contains_key(&node) || state.nodes.contains_key(&node);
        }
        // Ids come from the log: one that this node has not read of yet may be the leader that will tell it. A node that
        // is behind must not judge by the members of long ago, or nobody could ever bring it up to date.
        let unheard_of = node >= state.next_node || state.tickets.contains_key(&node);
        let members = &published.membership;
        unheard_of || members.get_node(&node).is_some() || state.nodes.contains_key(&node)
    }

    fn append(
        &self,
        from: u64,
        requests: BoxStream<'static, AppendRequest>,
    ) -> BoxStream<'static, Result<AppendResult, Stopped>> {
        let raft = match self.raft() {
            Ok(raft) => raft,
            Err(stopped) => return Box::pin(futures_util::stream::iter([Err(stopped)])),
        };
        let shared = Arc::clone(&self.shared);
        let heard = requests.inspect(move |request| {
            // The leader's word is not older than its arrival: what it has committed is what there is.
            let committed = request.leader_commit.map_or(0, |log| log.index);
            if shared.lead.borrow().leader == Some(from) && shared.window.has(committed) {
                shared.window.was_fresh(Instant::now());
            }
        });
        Box::pin(raft.stream_append(heard).map(|result| result.map_err(|fatal| Stopped(fatal.to_string()))))
    }

    async fn vote(&self, request: VoteRequest) -> Result<VoteResponse, Stopped> {
        self.raft()?.vote(request).await.map_err(|error| Stopped(error.to_string()))
    }

    async fn pre_vote(&self, request: VoteRequest) -> Result<VoteResponse, Stopped> {
        self.raft()?.pre_vote(request).await.map_err(|error| Stopped(error.to_string()))
    }

    async fn transfer_leader(&self, request: TransferRequest) -> Result<TransferResponse, Stopped> {
        self.raft()?.handle_transfer_leader(request).await.map_err(|error| Stopped(error.to_string()))
    }

    async fn install_snapshot(
        &self,
        vote: Vote,
        meta: SnapshotMeta,
        files: SnapshotFiles,
    ) -> Result<SnapshotResponse, Stopped> {
        let snapshot = SnapshotOf::<TypeConfig, SnapshotFiles> { meta, snapshot: files };
        self.raft()?.install_full_snapshot(vote, snapshot).await.map_err(|fatal| Stopped(fatal.to_string()))
    }

    async fn call(&self, from: u64, call: PeerCall) -> PeerReply {
        match call {
            PeerCall::Propose { intents } => self.propose(intents).await,
            PeerCall::ReadIndex => self.read_index().await,
            PeerCall::Join { node, secret, member } if node == from => {
                members::join(&self.shared, node, &secret, member).await
            }
            PeerCall::Join { .. } => PeerReply::Refused("a node can only join for itself".to_owned()),
            PeerCall::Acknowledged => PeerReply::Acknowledged(self.shared.peers.acknowledged(from)),
            PeerCall::Status => self.status(),
            PeerCall::Members(change) => told(members::here(&self.shared, change).await, &self.shared),
        }
    }
}
