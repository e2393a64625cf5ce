//! Linearizable reads: one barrier for all that wait, and a request joins only a barrier that has not started.

use std::sync::Arc;
use std::time::Instant;

use openraft::ReadPolicy;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout, timeout_at};

use super::Unavailable;
use super::either_way;
use super::peers::wire::{PeerCall, PeerReply};
use super::published::Published;
use super::shared::Shared;
use super::turns::queue_up;

/// How long nobody's lead is waited for before another barrier; a new leader ends it sooner.
const BETWEEN_BARRIERS: Duration = Duration::from_millis(20);

/// The way in: who waits for the next barrier.
pub(super) struct Reads {
    waiting: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

/// The other end, for [`run`].
pub(super) struct Readers(mpsc::UnboundedReceiver<oneshot::Sender<()>>);

/// Both ends.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "bounded by how many callers may wait on a node")]
pub(super) fn queue() -> (Reads, Readers) {
    let (waiting, readers) = mpsc::unbounded_channel();
    (Reads { waiting }, Readers(readers))
}

impl Reads {
    /// A state that holds every write that was acknowledged anywhere before this call.
    ///
    /// # Errors
    /// When no quorum confirms it before `deadline`.
    pub(super) async fn fresh(
        &self,
        shared: &Shared,
        deadline: tokio::time::Instant,
    ) -> Result<Arc<Published>, Unavailable> {
        let (ready, wait) = oneshot::channel();
        self.waiting.send(ready).map_err(|_gone| Unavailable::NotServing("it is stopping".to_owned()))?;
        match timeout_at(deadline, wait).await {
            Ok(Ok(())) => Ok(shared.window.newest()),
            Ok(Err(_)) => Err(Unavailable::NotServing("it is stopping".to_owned())),
            Err(_) => Err(Unavailable::NoLeader),
        }
    }
}

/// Barrier after barrier, until the node stops.
pub(super) async fn run(shared: Arc<Shared>, Readers(mut readers): Readers) {
    let mut waiting = Vec::new();
    while let Some(first) = readers.recv().await {
        waiting.push(first);
        queue_up(&readers).await;
        while !waiting.is_empty() {
            // Whoever came before this line may join; whoever comes later waits for the next.
            while let Ok(more) = readers.try_recv() {
                waiting.push(more);
            }
            let started = Instant::now();
            let lead = *shared.lead.borrow();
            if timeout(shared.timing.barrier(), barrier(&shared, lead.leader)).await == Ok(true) {
                shared.window.was_fresh(started);
                for ready in waiting.drain(..) {
                    // A reader that has gone meanwhile needs no answer.
                    either_way(ready.send(()));
                }
                break;
            }
            waiting.retain(|ready| !ready.is_closed());
            let mut changed = shared.lead.subscribe();
            either_way(timeout(BETWEEN_BARRIERS, changed.wait_for(|now| *now != lead)).await);
        }
    }
}

/// Waits until this node has applied everything that was acknowledged before; `false` if nobody could say what that is.
async fn barrier(shared: &Shared, leader: Option<u64>) -> bool {
    let index = match leader {
        Some(leader) if leader == shared.node => index_here(shared).await,
        Some(leader) => {
            let deadline = tokio::time::Instant::now() + shared.timing.barrier();
            match shared.peers.call(leader, PeerCall::ReadIndex, deadline).await {
                Ok(PeerReply::ReadIndex { log_index }) => Some(log_index),
                Ok(_) | Err(_) => None,
            }
        }
        None => None,
    };
    let Some(index) = index else { return false };
    shared.window.has(index) || shared.window.applied().wait_for(|applied| *applied >= index).await.is_ok()
}

/// As the leader: an index that covers every write acknowledged so far, once a quorum has confirmed the lead.
pub(super) async fn index_here(shared: &Shared) -> Option<u64> {
    let raft = shared.raft()?;
    let linearizer = raft.get_read_linearizer(ReadPolicy::ReadIndex).await.ok()?;
    Some(linearizer.read_log_id().index())
}
