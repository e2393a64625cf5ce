//! Who belongs to the cluster: taken in as a learner, made a voter, taken out, made the leader. Asked on any node, done
//! by the leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::{ChangeMembers, Instant as _};
use tokio::time::{Instant, sleep, timeout_at};

use super::peers::wire::{MembersCall, PeerCall, PeerReply};
use super::shared::{Raft, Shared};
use super::submit;
use super::types::{Member, TypeConfig};
use super::{Unavailable, Waited};
use crate::domain::intent::Command;
use crate::domain::name::sha256;
use crate::domain::node::{JoinNode, NodeAddress, NodeCommand};
use crate::domain::record::Outcome;
use crate::domain::user::{Actor, Credential};

/// A learner that lags by more log entries than this is not made a voter: writes would wait for it.
const PROMOTE_LAG: u64 = 1_000;
/// How long the leader itself works on a change; the caller's own deadline may end the wait sooner.
const CHANGE: Duration = Duration::from_secs(30);
/// How long until the leader is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// The cluster itself, as an actor.
#[must_use]
pub(super) fn system() -> Actor {
    Actor { user: "system".into(), credential: Credential::System }
}

/// Has the leader do it, wherever it is.
///
/// # Errors
/// When it cannot be done as asked, or no leader does it before `deadline`.
pub(super) async fn change(shared: &Arc<Shared>, change: MembersCall, deadline: Instant) -> Result<(), Unavailable> {
    let mut perhaps = false;
    let work = async {
        loop {
            // Not in the match itself: that would hold the lock while waiting, and stop the raft thread.
            let leader = shared.lead.borrow().leader;
            let done = match leader {
                Some(leader) if leader == shared.node => here(shared, change).await,
                Some(leader) => there(shared, leader, change, deadline).await,
                None => Err(Unavailable::NoLeader),
            };
            match done {
                Err(Unavailable::NoLeader | Unavailable::Busy) => {}
                // Each of the changes may be asked for twice.
                Err(Unavailable::Unknown) => perhaps = true,
                done => return done,
            }
            sleep(AGAIN).await;
        }
    };
    match timeout_at(deadline, work).await {
        Ok(done) => done,
        Err(_) if perhaps => Err(Unavailable::Unknown),
        Err(_) => Err(Unavailable::NoLeader),
    }
}

async fn there(shared: &Shared, leader: u64, change: MembersCall, deadline: Instant) -> Result<(), Unavailable> {
    match shared.peers.call(leader, PeerCall::Members(change), deadline).await {
        Ok(PeerReply::Done) => Ok(()),
        Ok(PeerReply::Refused(why)) => Err(Unavailable::Membership(why)),
        Ok(PeerReply::NotLeader { .. } | PeerReply::Busy) => Err(Unavailable::NoLeader),
        Err(failed) if failed.surely_not_sent() => Err(Unavailable::NoLeader),
        Ok(_) | Err(_) => Err(Unavailable::Unknown),
    }
}

/// As the leader.
///
/// # Errors
/// When it cannot be done as asked, or this node does not lead.
pub(super) async fn here(shared: &Arc<Shared>, change: MembersCall) -> Result<(), Unavailable> {
    let raft = shared.raft().ok_or(Unavailable::NoLeader)?;
    let work = async {
        match change {
            MembersCall::Promote(node) => promote(raft, node).await,
            MembersCall::Remove(node) => remove(shared, raft, node).await,
            MembersCall::Transfer(node) => transfer(shared, raft, node).await,
        }
    };
    timeout_at(Instant::now() + CHANGE, work).await.unwrap_or(Err(Unavailable::Unknown))
}

/// Who votes, who learns, and how far each is behind, as the leader knows it.
struct Now {
    voters: BTreeSet<u64>,
    learners: BTreeSet<u64>,
    lag: BTreeMap<u64, u64>,
}

fn now(raft: &Raft) -> Now {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let membership = metrics.membership_config.membership();
    let last = metrics.last_log_index.map_or(0, |index| index + 1);
    let lag = |matched: &Option<openraft::alias::LogIdOf<TypeConfig>>| {
        last - matched.map_or(0, |log| log.index + 1).min(last)
    };
    let replication = metrics.replication.iter().flatten();
    Now {
        voters: membership.voter_ids().collect(),
        learners: membership.learner_ids().collect(),
        lag: replication.map(|(&node, matched)| (node, lag(matched))).collect(),
    }
}

async fn promote(raft: &Raft, node: u64) -> Result<(), Unavailable> {
    let now = now(raft);
    if now.voters.contains(&node) {
        return Ok(());
    }
    if !now.learners.contains(&node) {
        return Err(no(format!("node {node} is no learner; let it join first")));
    }
    let lag = now.lag.get(&node).copied().unwrap_or(u64::MAX);
    if lag > PROMOTE_LAG {
        return Err(no(format!("node {node} lags by {lag} log entries; wait until it has caught up")));
    }
    written(raft.change_membership(ChangeMembers::AddVoterIds(BTreeSet::from([node])), true).await)
}

async fn remove(shared: &Arc<Shared>, raft: &Raft, node: u64) -> Result<(), Unavailable> {
    let now = now(raft);
    if now.voters.contains(&node) {
        rest_has_quorum(shared, raft, node, &now.voters).await?;
    }
    if node == shared.node {
        let heir = now.voters.iter().copied().filter(|&voter| voter != node && is_live(shared, raft, voter));
        let heir = heir.min_by_key(|voter| now.lag.get(voter).copied().unwrap_or(u64::MAX));
        transfer(shared, raft, heir.ok_or_else(|| no("no other live voter can lead".to_owned()))?).await?;
        // The new leader is asked next.
        return Err(Unavailable::NoLeader);
    }
    if now.voters.contains(&node) {
        written(raft.change_membership(ChangeMembers::RemoveVoters(BTreeSet::from([node])), false).await)?;
    } else if now.learners.contains(&node) {
        written(raft.change_membership(ChangeMembers::RemoveNodes(BTreeSet::from([node])), false).await)?;
    }
    record_removal(shared, node).await
}

/// Refuses to leave voters behind of which no majority lives. A node that answered nothing yet gets the time of an
/// election to do so.
async fn rest_has_quorum(shared: &Shared, raft: &Raft, node: u64, voters: &BTreeSet<u64>) -> Result<(), Unavailable> {
    let rest: Vec<u64> = voters.iter().copied().filter(|&voter| voter != node).collect();
    if rest.is_empty() {
        return Err(no(format!("node {node} is the only voter; promote another node first")));
    }
    let until = Instant::now() + shared.timing.barrier();
    loop {
        let live = rest.iter().filter(|&&voter| is_live(shared, raft, voter)).count();
        if live * 2 > rest.len() {
            return Ok(());
        }
        if Instant::now() >= until {
            let of = rest.len();
            return Err(no(format!(
                "without node {node} only {live} of {of} voters would be live, which is no quorum; bring one back first"
            )));
        }
        sleep(AGAIN).await;
    }
}

/// Whether a node answered a heartbeat of this leader lately, or said how it is.
pub(super) fn is_live(shared: &Shared, raft: &Raft, node: u64) -> bool {
    let recent = Duration::from_millis(2 * shared.timing.election_max_ms);
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let acked = metrics.heartbeat.as_ref().and_then(|acked| acked.get(&node).copied().flatten());
    node == shared.node || acked.is_some_and(|acked| acked.elapsed() < recent) || shared.roster.is_live(node)
}

/// The id is gone for good, also for who asks the state.
async fn record_removal(shared: &Arc<Shared>, node: u64) -> Result<(), Unavailable> {
    let known = shared.window.newest().state.nodes.get(&node).map(|node| node.removed.is_some());
    match known {
        None => Err(no(format!("node {node} is no member"))),
        Some(true) => Ok(()),
        Some(false) => {
            let command = Command::Node(NodeCommand::Remove { node });
            submit::submit(shared, &system(), None, &command, Instant::now() + CHANGE, Waited::EvenWhileCatchingUp)
                .await
                .map(|_| ())
        }
    }
}

async fn transfer(shared: &Arc<Shared>, raft: &Raft, node: u64) -> Result<(), Unavailable> {
    if node == shared.node {
        return Ok(());
    }
    if !now(raft).voters.contains(&node) {
        return Err(no(format!("node {node} is no voter")));
    }
    let mut lead = shared.lead.subscribe();
    // An attempt is dropped when the heir is not up to date at that moment.
    loop {
        raft.trigger().transfer_leader(node).await.map_err(|_gone| Unavailable::NoLeader)?;
        let within = Instant::now() + Duration::from_millis(2 * shared.timing.election_max_ms);
        let moved = timeout_at(within, lead.wait_for(|lead| lead.leader.is_some_and(|now| now != shared.node))).await;
        match moved.map(|moved| moved.map(|lead| lead.leader)) {
            Ok(Ok(Some(leader))) if leader == node => return Ok(()),
            Ok(Ok(Some(_))) => return Err(Unavailable::NoLeader),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(_)) => return Err(Unavailable::NotServing("it is stopping".to_owned())),
        }
    }
}

/// Takes in a node that shows a ticket, as a learner.
pub(super) async fn join(shared: &Arc<Shared>, node: u64, secret: &str, member: Member) -> PeerReply {
    let Some(raft) = shared.raft().filter(|_| shared.leads()) else {
        return PeerReply::NotLeader { leader: shared.lead.borrow().leader };
    };
    let address = NodeAddress {
        name: member.name.as_str().into(),
        peer: member.peer.as_str().into(),
        api: member.api.as_str().into(),
    };
    let command = Command::Node(NodeCommand::Join(JoinNode { node, hash: sha256(&[secret.as_bytes()]), address }));
    let deadline = Instant::now() + CHANGE;
    let answer = submit::submit(shared, &system(), None, &command, deadline, Waited::EvenWhileCatchingUp).await;
    match answer.map(|answer| answer.outcome) {
        Ok(Outcome::Done(_) | Outcome::Repeated { .. }) => {}
        Ok(Outcome::Refused(refusal)) => return PeerReply::Refused(format!("the ticket is not good: {refusal:?}")),
        Err(Unavailable::NoLeader | Unavailable::Unknown) => {
            return PeerReply::NotLeader { leader: shared.lead.borrow().leader };
        }
        Err(other) => return PeerReply::Refused(other.to_string()),
    }
    match take_in(raft, node, member).await {
        Ok(()) => {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            let members = metrics.membership_config.membership().nodes();
            PeerReply::Joined { members: members.map(|(&node, member)| (node, member.clone())).collect() }
        }
        Err(Unavailable::NoLeader | Unavailable::Unknown) => {
            PeerReply::NotLeader { leader: shared.lead.borrow().leader }
        }
        Err(other) => PeerReply::Refused(other.to_string()),
    }
}

/// A learner that is new, or comes again with another address.
async fn take_in(raft: &Raft, node: u64, member: Member) -> Result<(), Unavailable> {
    let now = now(raft);
    if now.voters.contains(&node) || now.learners.contains(&node) {
        return written(raft.change_membership(ChangeMembers::SetNodes(BTreeMap::from([(node, member)])), true).await);
    }
    written(raft.add_learner(node, member, false).await)
}

fn written<T>(result: Result<T, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>) -> Result<(), Unavailable> {
    match result {
        Ok(_) => Ok(()),
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(Unavailable::NoLeader),
        Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_))) => Err(Unavailable::Unknown),
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error))) => Err(no(error.to_string())),
        Err(RaftError::APIError(error)) => Err(no(error.to_string())),
        Err(RaftError::Fatal(fatal)) => Err(Unavailable::NotServing(fatal.to_string())),
    }
}

fn no(why: String) -> Unavailable {
    Unavailable::Membership(why)
}
