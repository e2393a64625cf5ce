//! Intents on their way into the log: batched without a timer, a few batches under way at a time, proposed again until
//! their record comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::{ClientWriteError, RaftError};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::either_way;
use super::peers::wire::{PeerCall, PeerReply};
use super::shared::Shared;
use super::turns::queue_up;
use super::types::Batch;
use crate::domain::apply::encode_batch;

/// Intents in one log entry: enough that many share one sync of the disk, few enough that apply stays
/// well under 20 ms (decision 12).
pub(super) const BATCH_INTENTS: usize = 2_048;
/// Bytes in one log entry, for the same reason: some 2,500 small reports. A larger intent makes its entry larger.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// The largest intent: a full usage request, or a license of any size that somebody would sign.
pub(super) const INTENT_BYTES: usize = 8 << 20;
/// Batches under way at a time. Each costs every node a round of its own, whatever is in it, so one that carries all that
/// came meanwhile was cheaper than several small ones (docs/adr/0061).
const UNDER_WAY: usize = 1;
/// How long an attempt may take before the intents are proposed again. A new leader ends the wait sooner; so long is
/// only waited for a leader that hangs.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long nobody's lead is waited for before another attempt; a new leader ends it sooner.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);
/// Batches of other nodes that may wait here, each with all its intents.
const FORWARDED_WAITING: usize = 256;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is in the log for good.
    Committed,
    /// It is in no log because of this attempt.
    No,
    /// It may get into the log yet.
    Unclear,
}

/// What waits to be proposed.
enum Item {
    /// An intent that somebody on this node waits for, by its number.
    Own(u64),
    /// A batch that another node forwards to this one as the leader.
    Forwarded(Vec<Bytes>, oneshot::Sender<Attempt>),
    /// Nothing but a stamp: time has to pass.
    Tick,
}

/// The way in. The own side is bounded by who may wait ([`super::waiters::MOST_WAITING`]).
pub(super) struct Proposals {
    items: mpsc::UnboundedSender<Item>,
    forwarded: AtomicUsize,
}

/// The other end, for [`run`].
pub(super) struct Queue(mpsc::UnboundedReceiver<Item>);

/// Both ends.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "bounded by how many callers may wait on a node")]
pub(super) fn queue() -> (Proposals, Queue) {
    let (items, queue) = mpsc::unbounded_channel();
    (Proposals { items, forwarded: AtomicUsize::new(0) }, Queue(queue))
}

impl Proposals {
    /// Proposes the intent that somebody waits for under this number.
    pub(super) fn propose(&self, number: u64) {
        // The other end goes only when the node stops; who waits is told then.
        either_way(self.items.send(Item::Own(number)));
    }

    /// Lets time pass in the log, if this node leads.
    pub(super) fn tick(&self) {
        either_way(self.items.send(Item::Tick));
    }

    /// Proposes a batch that another node forwarded; `None` when too many wait.
    pub(super) async fn forwarded(&self, intents: Vec<Bytes>) -> Option<Attempt> {
        if self.forwarded.fetch_add(1, Ordering::Relaxed) >= FORWARDED_WAITING {
            self.forwarded.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.items.send(Item::Forwarded(intents, answer)).is_ok();
        let attempt = if sent { answered.await.unwrap_or(Attempt::Unclear) } else { Attempt::No };
        self.forwarded.fetch_sub(1, Ordering::Relaxed);
        Some(attempt)
    }
}

/// One entry's worth.
#[derive(Default)]
struct Gathered {
    numbers: Vec<u64>,
    intents: Vec<Bytes>,
    bytes: usize,
    tick: bool,
    forwarded: Vec<oneshot::Sender<Attempt>>,
}

impl Gathered {
    /// Takes an item in, or gives it back when it has no room.
    fn take(&mut self, item: Item, shared: &Shared) -> Option<Item> {
        match item {
            Item::Own(number) => {
                let intent = shared.waiters.take(number)?;
                self.bytes += intent.len();
                self.numbers.push(number);
                self.intents.push(intent);
            }
            Item::Forwarded(intents, answer) => {
                let bytes: usize = intents.iter().map(Bytes::len).sum();
                let fits = self.bytes + bytes <= BATCH_BYTES && self.intents.len() + intents.len() <= BATCH_INTENTS;
                if !fits && !self.intents.is_empty() {
                    return Some(Item::Forwarded(intents, answer));
                }
                self.bytes += bytes;
                self.intents.extend(intents);
                self.forwarded.push(answer);
            }
            Item::Tick => self.tick = true,
        }
        None
    }

    fn is_full(&self) -> bool {
        self.intents.len() >= BATCH_INTENTS || self.bytes >= BATCH_BYTES
    }

    fn is_empty(&self) -> bool {
        self.intents.is_empty() && !self.tick
    }
}

/// Takes what waits, batch after batch, until the node stops.
pub(super) async fn run(shared: Arc<Shared>, Queue(mut queue): Queue) {
    let permits = Arc::new(Semaphore::new(UNDER_WAY));
    let mut left_over = None;
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let first = match left_over.take() {
            Some(item) => Some(item),
            None => queue.recv().await,
        };
        let Some(first) = first else { return };
        queue_up(&queue).await;
        let mut gathered = Gathered::default();
        left_over = gathered.take(first, &shared);
        while left_over.is_none()
            && !gathered.is_full()
            && let Ok(item) = queue.try_recv()
        {
            left_over = gathered.take(item, &shared);
        }
        if !gathered.is_empty() {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                propose(&shared, gathered).await;
                drop(permit);
            });
        }
    }
}

/// One attempt with one batch; what it did not get into the log goes back into the queue.
async fn propose(shared: &Shared, gathered: Gathered) {
    let Gathered { numbers, intents, forwarded, tick, .. } = gathered;
    let mut lead = shared.lead.subscribe();
    let leader = lead.borrow_and_update().leader;
    let count = intents.len();
    let attempt = match leader {
        Some(leader) if leader == shared.node => here(shared, &intents).await,
        // Only a leader takes other nodes' batches, and lets time pass.
        Some(leader) if forwarded.is_empty() && !numbers.is_empty() => {
            let sent = there(shared, leader, intents);
            tokio::select! {
                attempt = sent => attempt,
                Ok(_) = lead.wait_for(|lead| lead.leader.is_some_and(|now| now != leader)) => Attempt::Unclear,
            }
        }
        Some(_) | None => Attempt::No,
    };
    shared.counters.proposed(count, attempt);
    for answer in forwarded {
        either_way(answer.send(attempt));
    }
    if attempt == Attempt::Committed || numbers.is_empty() {
        if tick && attempt == Attempt::Unclear {
            tracing::debug!("letting time pass was left unclear; it is tried again when it is still due");
        }
        return;
    }
    if attempt == Attempt::No {
        shared.waiters.came_back(&numbers);
    }
    let another = lead.wait_for(|lead| lead.leader.is_some() && lead.leader != leader);
    either_way(timeout(BETWEEN_ATTEMPTS, another).await);
    numbers.into_iter().for_each(|number| shared.proposals.propose(number));
}

/// As the leader: stamps, and writes one entry.
async fn here(shared: &Shared, intents: &[Bytes]) -> Attempt {
    let Some(raft) = shared.raft() else { return Attempt::No };
    let stamp = shared.clock.stamp(&shared.zone());
    let batch = encode_batch(&stamp, intents);
    let written = tokio::select! {
        biased;
        written = timeout(ATTEMPT, raft.client_write(Batch(batch.clone()))) => written,
        never = shared.ahead.decode(batch) => match never {},
    };
    match written {
        Ok(Ok(_)) => Attempt::Committed,
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Attempt::No,
        Ok(Err(_)) | Err(_) => Attempt::Unclear,
    }
}

/// As another node: hands the batch to the leader.
async fn there(shared: &Shared, leader: u64, intents: Vec<Bytes>) -> Attempt {
    let call = PeerCall::Propose { intents };
    match shared.peers.call(leader, call, Instant::now() + ATTEMPT).await {
        Ok(PeerReply::Proposed) => Attempt::Committed,
        Ok(PeerReply::NotLeader { .. } | PeerReply::Busy | PeerReply::Refused(_)) => Attempt::No,
        Err(failed) if failed.surely_not_sent() => Attempt::No,
        Ok(_) | Err(_) => Attempt::Unclear,
    }
}
