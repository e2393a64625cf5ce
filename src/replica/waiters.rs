//! Who waits on this node for which intent: the answering half of a proposal. Apply finds its waiters here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::either_way;
use super::published::Published;
use crate::domain::intent::IntentId;
use crate::domain::record::Record;

/// Requests that may wait at a time: beyond that, a node that cannot keep up says so at once.
pub(super) const MOST_WAITING: usize = 65_536;
/// Bytes of intents that may wait at a time.
pub(super) const MOST_WAITING_BYTES: usize = 256 << 20;

/// What became of an intent, on this node.
#[derive(Debug)]
pub(super) struct Done {
    /// The record that answers it.
    pub record: Record,
    /// The state right after, or later.
    pub published: Arc<Published>,
}

/// How far an intent had come when its caller gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// Those before it took so long that it was never tried.
    Queue,
    /// It surely is in no log.
    Nowhere,
    /// It was given to the log or to the leader, and may have been done.
    Perhaps,
}

struct Waiter {
    intent: Bytes,
    /// Whether it was ever tried.
    tried: bool,
    /// Attempts under way, and those that ended without a clear no.
    open: u32,
    answer: oneshot::Sender<Done>,
}

/// All that wait on this node, in this run of it.
pub(super) struct Waiters {
    node: u64,
    run: u64,
    next: AtomicU64,
    bytes: AtomicUsize,
    waiting: Mutex<HashMap<u64, Waiter>>,
}

impl Waiters {
    /// Nobody waits. `run` must be another one at each start of the node.
    #[must_use]
    pub(super) fn new(node: u64, run: u64) -> Waiters {
        let waiting = Mutex::default();
        Waiters { node, run, next: AtomicU64::new(0), bytes: AtomicUsize::new(0), waiting }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh name for an intent.
    pub(super) fn name(&self) -> IntentId {
        IntentId { node: self.node, run: self.run, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// How many wait.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Begins to wait; `None` when too many do already.
    pub(super) fn wait(&self, id: IntentId, intent: Bytes) -> Option<oneshot::Receiver<Done>> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.lock();
        let bytes = self.bytes.load(Ordering::Relaxed) + intent.len();
        if waiting.len() >= MOST_WAITING || bytes > MOST_WAITING_BYTES {
            return None;
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        waiting.insert(id.number, Waiter { intent, tried: false, open: 0, answer });
        Some(answered)
    }

    /// Takes an intent for an attempt; `None` if nobody waits for it any more.
    pub(super) fn take(&self, number: u64) -> Option<Bytes> {
        let mut waiting = self.lock();
        let waiter = waiting.get_mut(&number)?;
        waiter.tried = true;
        waiter.open += 1;
        Some(waiter.intent.clone())
    }

    /// An attempt with these intents ended with a clear no: they are in no log because of it.
    pub(super) fn came_back(&self, numbers: &[u64]) {
        let mut waiting = self.lock();
        for number in numbers {
            if let Some(waiter) = waiting.get_mut(number) {
                waiter.open -= 1;
            }
        }
    }

    /// The caller gives up; says how far its intent may have come. `None` if the answer is there by now.
    pub(super) fn give_up(&self, number: u64) -> Option<Reached> {
        let waiter = self.lock().remove(&number)?;
        self.bytes.fetch_sub(waiter.intent.len(), Ordering::Relaxed);
        Some(match waiter.open {
            0 if waiter.tried => Reached::Nowhere,
            0 => Reached::Queue,
            _ => Reached::Perhaps,
        })
    }

    /// Whether this record answers an intent of this run of this node.
    #[must_use]
    pub(super) fn is_ours(&self, id: &IntentId) -> bool {
        id.node == self.node && id.run == self.run
    }

    /// Answers those who wait for these records.
    pub(super) fn answer(&self, records: Vec<Record>, published: &Arc<Published>) {
        let mut answers = Vec::with_capacity(records.len());
        {
            let mut waiting = self.lock();
            for record in records {
                if let Some(waiter) = waiting.remove(&record.intent.number) {
                    self.bytes.fetch_sub(waiter.intent.len(), Ordering::Relaxed);
                    answers.push((waiter.answer, record));
                }
            }
        }
        for (answer, record) in answers {
            // A caller that has gone meanwhile needs no answer.
            either_way(answer.send(Done { record, published: Arc::clone(published) }));
        }
    }

    /// The numbers of all that wait and were given to the log or the leader: they are proposed again after a snapshot
    /// jumped over entries that may have held them.
    #[must_use]
    pub(super) fn handed_over(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> =
            self.lock().iter().filter(|(_, waiter)| waiter.open > 0).map(|(&number, _)| number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Lets go of all: the node stops.
    pub(super) fn clear(&self) {
        let mut waiting = self.lock();
        waiting.clear();
        self.bytes.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::intent::CommandKind;
    use crate::domain::record::Outcome;
    use crate::domain::time::Moment;

    fn waiting() -> (Waiters, IntentId, oneshot::Receiver<Done>) {
        let waiters = Waiters::new(1, 7);
        let id = waiters.name();
        let answered = waiters.wait(id, Bytes::from_static(b"intent")).expect("there is room");
        (waiters, id, answered)
    }

    #[test]
    fn what_was_never_tried_waited_in_vain() {
        let (waiters, id, _answered) = waiting();
        assert_eq!(waiters.give_up(id.number), Some(Reached::Queue));
        assert_eq!(waiters.give_up(id.number), None);
    }

    #[test]
    fn what_came_back_from_its_only_attempt_reached_nothing() {
        let (waiters, id, _answered) = waiting();
        assert!(waiters.take(id.number).is_some());
        waiters.came_back(&[id.number]);
        assert_eq!(waiters.give_up(id.number), Some(Reached::Nowhere));
    }

    #[test]
    fn a_clear_no_takes_back_its_own_attempt_only() {
        let (waiters, id, _answered) = waiting();
        assert!(waiters.take(id.number).is_some());
        assert!(waiters.take(id.number).is_some());
        waiters.came_back(&[id.number]);
        assert_eq!(waiters.give_up(id.number), Some(Reached::Perhaps));
    }

    #[test]
    fn a_record_answers_the_one_who_waits_for_it() {
        let (waiters, id, mut answered) = waiting();
        let kind = CommandKind::Mark;
        let outcome = Outcome::Done(Vec::new());
        let record = Record {
            seq: 4,
            at: Moment(9),
            actor: super::super::members::system(),
            intent: id,
            key: None,
            kind,
            outcome,
        };
        assert!(waiters.is_ours(&record.intent));
        waiters.answer(vec![record.clone()], &Arc::default());
        assert_eq!(answered.try_recv().expect("an answer").record, record);
        assert_eq!(waiters.count(), 0);
    }
}
