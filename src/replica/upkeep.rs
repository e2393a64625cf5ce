//! What a node does by itself, beside requests: follows the lead, lets time pass, asks its peers how they are, keeps its
//! disk in bounds.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep, timeout};

use super::Waited;
use super::behind::Pace;
use super::either_way;
use super::log::LogHandle;
use super::members::{is_live, system};
use super::peers::wire::{PeerCall, PeerReply};
use super::phase::Phase;
use super::shared::{Lead, Raft, Shared};
use super::submit;
use crate::domain::deadline::next_deadline;
use crate::domain::intent::Command;

/// How often peers are asked how they are.
const ASK: Duration = Duration::from_secs(1);
/// How often this node looks whether openraft still runs; one that has ended answers nothing meanwhile.
const HEALTH: Duration = Duration::from_millis(100);
/// How often the leader looks whether something is due, at least; a nearer deadline is met to the millisecond.
const LOOK: Duration = Duration::from_secs(1);
/// After letting time pass, so long is waited for its effect before it is tried again.
const EFFECT: Duration = Duration::from_millis(200);
/// How often all nodes compare the digests of their states.
const MARK: Duration = Duration::from_secs(3_600);
/// How long a node that ends waits for its last answers, and for its heir.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often old bulk records are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How long a snapshot may take before the purge behind it is put off to the next checkpoint.
const SNAPSHOT: Duration = Duration::from_secs(300);

/// Keeps [`Shared::lead`] true.
pub(super) async fn follow_lead(shared: Arc<Shared>, raft: Raft) {
    let mut metrics = raft.server_metrics();
    loop {
        let lead = {
            let metrics = metrics.borrow_watched();
            Lead { leader: metrics.current_leader, term: metrics.vote.leader_id.term }
        };
        let changed = shared.lead.send_if_modified(|before| std::mem::replace(before, lead) != lead);
        if changed && lead.leader == Some(shared.node) {
            shared.clock.takes_over();
            tracing::info!(term = lead.term, "this node leads");
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Ends openraft when the node has failed, so that it neither votes nor acknowledges; says why openraft ended by itself.
pub(super) async fn watch_failure(shared: Arc<Shared>, raft: Raft) {
    let mut phase = shared.phase.subscribe();
    let metrics = raft.metrics();
    loop {
        let running = metrics.borrow_watched().running_state.clone();
        let stopping = matches!(*phase.borrow(), Phase::Stopping);
        if let (Err(fatal), false) = (running, stopping) {
            shared.fail(&format!("the replica has stopped: {fatal}"));
        }
        if matches!(*phase.borrow(), Phase::Failed(_)) {
            if raft.shutdown().await.is_err() {
                tracing::error!("openraft did not end cleanly");
            }
            shared.waiters.clear();
            return;
        }
        // Not whenever openraft's numbers change: they do several times with every batch.
        if let Ok(Err(_gone)) = timeout(HEALTH, phase.changed()).await {
            return;
        }
    }
}

/// Before this node ends: its waiters get their answers, and if it leads, another live voter takes over.
pub(super) async fn hand_over(shared: &Arc<Shared>, raft: &Raft) {
    shared.phase.send_if_modified(|phase| {
        let runs = phase.runs();
        if runs {
            *phase = Phase::Stopping;
        }
        runs
    });
    let answered = async {
        while shared.waiters.count() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    either_way(timeout(FAREWELL, answered).await);
    let published = shared.window.newest();
    let heir = published.membership.voter_ids().find(|&node| node != shared.node && is_live(shared, raft, node));
    if let (Some(heir), true) = (heir, shared.leads()) {
        // Without an heir in time, the others elect one.
        let moved = async {
            either_way(raft.trigger().transfer_leader(heir).await);
            either_way(shared.lead.subscribe().wait_for(|lead| lead.leader != Some(shared.node)).await);
        };
        either_way(timeout(FAREWELL, moved).await);
    }
}

/// As the leader: proposes an empty batch when a deadline is due, and again while more is due.
pub(super) async fn let_time_pass(shared: Arc<Shared>) {
    let mut applied = shared.window.applied();
    loop {
        let due = next_deadline(&shared.window.newest().state);
        let now = shared.clock.now();
        if due <= now && shared.leads() {
            applied.borrow_and_update();
            shared.proposals.tick();
            either_way(timeout(EFFECT, applied.changed()).await);
            continue;
        }
        let wait = Duration::from_millis(due.0.saturating_sub(now.0).clamp(1, LOOK.as_millis() as u64));
        sleep(wait).await;
    }
}

/// As the leader: has all nodes work out the digest of their state, every hour.
pub(super) async fn mark(shared: Arc<Shared>) {
    loop {
        sleep(MARK).await;
        if shared.leads() {
            let deadline = Instant::now() + Duration::from_secs(10);
            let marked = submit::submit(&shared, &system(), None, &Command::Mark, deadline, Waited::UntilServing).await;
            if let Err(error) = marked {
                tracing::info!(%error, "no mark this hour");
            }
        }
    }
}

/// Asks every peer how it is, compares states, and lets the clock step when a majority has the time.
pub(super) async fn ask_peers(shared: Arc<Shared>) {
    loop {
        let members = Arc::clone(&shared.window.newest().membership);
        let nodes: Vec<u64> = members.nodes().map(|(&node, _)| node).filter(|&node| node != shared.node).collect();
        shared.roster.keep(|node| nodes.contains(&node));
        let asked = nodes.into_iter().map(|node| {
            let shared = Arc::clone(&shared);
            async move {
                let reply = shared.peers.call(node, PeerCall::Status, Instant::now() + ASK).await;
                if let Ok(PeerReply::Status(status)) = reply {
                    shared.marks.compare(node, &status.states);
                    shared.roster.heard(node, status);
                }
            }
        });
        futures_util::future::join_all(asked).await;
        agree_on_time(&shared);
        sleep(ASK).await;
    }
}

/// A far step of the clock is taken when the wall clocks of a majority of voters are there too.
fn agree_on_time(shared: &Shared) {
    let Some(wall) = shared.clock.wants_step().filter(|_| shared.leads()) else { return };
    let published = shared.window.newest();
    let voters: Vec<u64> = published.membership.voter_ids().collect();
    let agree = voters.iter().filter(|&&node| node == shared.node || shared.roster.agrees(node, wall)).count();
    if agree * 2 > voters.len() {
        tracing::warn!(agree, of = voters.len(), "cluster time steps far forward, to the wall clock of a majority");
        shared.clock.agreed(wall);
        shared.proposals.tick();
    } else {
        tracing::warn!(
            agree,
            of = voters.len(),
            "this node's wall clock is far ahead of cluster time; a majority does not agree"
        );
    }
}

/// After each checkpoint: a fresh snapshot, then the log is purged behind both, but for what followers may still need.
pub(super) async fn purge(shared: Arc<Shared>, raft: Raft, log: LogHandle, pace: Pace) {
    let mut checkpoints = shared.behind.checkpoints.subscribe();
    while checkpoints.changed().await.is_ok() {
        let Some(upto) = shared.counters.purge_to(pace.keep_log_bytes, log.live_bytes()) else { continue };
        let before = shared.snapshots.index();
        if raft.trigger().snapshot().await.is_err() {
            return;
        }
        let fresh = async {
            while shared.snapshots.index() == before {
                sleep(EFFECT).await;
            }
        };
        // openraft hears of the snapshot a moment after it is made, and ignores a purge beyond the one it knows.
        if timeout(SNAPSHOT, fresh).await.is_err() || !known(&raft, &shared).await {
            continue;
        }
        let flushed = *shared.behind.flushed.borrow();
        if raft.trigger().purge_log(upto.min(flushed)).await.is_err() {
            return;
        }
    }
}

async fn known(raft: &Raft, shared: &Shared) -> bool {
    let wanted = shared.snapshots.index();
    let known = async {
        while raft.metrics().borrow_watched().snapshot.map(|log| log.index) < wanted {
            sleep(EFFECT).await;
        }
    };
    timeout(SNAPSHOT, known).await.is_ok()
}

/// Drops whole days of bulk records that are too old or too many.
pub(super) async fn sweep(shared: Arc<Shared>) {
    loop {
        sleep(SWEEP).await;
        let swept = Arc::clone(&shared);
        let done = tokio::task::spawn_blocking(move || super::retention::sweep(&swept)).await;
        if let Ok(Err(error)) = done {
            tracing::warn!(%error, "old bulk records could not be dropped; it is tried again");
        }
    }
}
