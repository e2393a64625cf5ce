//! One command from a caller to its answer: named, proposed until it is applied here, and told truthfully.

use ::metrics::counter;
use tokio::time::{Instant, timeout_at};

use super::journal::FULL_TAIL_BYTES;
use super::proposals::INTENT_BYTES;
use super::shared::Shared;
use super::waiters::{Done, Reached};
use super::{Answer, Unavailable, View, Waited};
use crate::domain::intent::{Command, IdempotencyKey, Intent, IntentId};
use crate::domain::record::{Outcome, Record};
use crate::domain::user::Actor;
use crate::metrics;

/// Takes a waiter away when its caller goes, also when the caller is cancelled.
struct Waiting<'a> {
    shared: &'a Shared,
    id: IntentId,
}

impl Waiting<'_> {
    /// How far the intent came; `None` if it is answered.
    fn give_up(&self) -> Option<Reached> {
        let reached = self.shared.waiters.give_up(self.id.number)?;
        counter!(metrics::RAFT_PROPOSALS, "result" => "timed_out").increment(1);
        Some(reached)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Has the command decided, and waits until this node has applied it.
///
/// # Errors
/// This node's no; [`Unavailable::Unknown`] whenever it may have been done all the same.
pub(super) async fn submit(
    shared: &Shared,
    actor: &Actor,
    key: Option<&IdempotencyKey>,
    command: &Command,
    deadline: Instant,
    waited: Waited,
) -> Result<Answer, Unavailable> {
    serves(shared, waited)?;
    let id = shared.waiters.name();
    let intent = Intent::encode_parts(id, actor, key, command);
    if intent.len() > INTENT_BYTES {
        return Err(Unavailable::TooLarge { bytes: intent.len(), most: INTENT_BYTES });
    }
    if shared.journal.tail_bytes() > FULL_TAIL_BYTES {
        return Err(Unavailable::Busy);
    }
    let (begun, applied) = (Instant::now(), shared.counters.log_bytes());
    let mut answered = shared.waiters.wait(id, intent).ok_or(Unavailable::Busy)?;
    let waiting = Waiting { shared, id };
    shared.proposals.propose(id.number);
    let done = match timeout_at(deadline, &mut answered).await {
        Ok(Ok(done)) => done,
        // All waiters are let go of when the node stops.
        Ok(Err(_)) => return Err(Unavailable::Unknown),
        Err(_) => match waiting.give_up() {
            Some(reached) => return Err(in_vain(reached, shared.counters.log_bytes() > applied)),
            None => answered.try_recv().map_err(|_gone| Unavailable::Unknown)?,
        },
    };
    drop(waiting);
    shared.counters.waited.record(begun.elapsed());
    answer(shared, done)
}

/// What is said to who waited in vain; `others_done` tells whether anything was done meanwhile.
fn in_vain(reached: Reached, others_done: bool) -> Unavailable {
    match reached {
        // There is a leader, or nothing would have been done.
        Reached::Queue if others_done => Unavailable::Busy,
        Reached::Queue | Reached::Nowhere => Unavailable::NoLeader,
        Reached::Perhaps => Unavailable::Unknown,
    }
}

fn serves(shared: &Shared, waited: Waited) -> Result<(), Unavailable> {
    let phase = shared.phase.borrow();
    let ready = phase.serves() || (waited == Waited::EvenWhileCatchingUp && phase.runs());
    if ready { Ok(()) } else { Err(Unavailable::NotServing(phase.to_string())) }
}

fn answer(shared: &Shared, done: Done) -> Result<Answer, Unavailable> {
    let Done { record, published } = done;
    let view = View::of(&published, std::time::Duration::ZERO);
    let Outcome::Repeated { seq } = record.outcome else {
        return Ok(Answer { seq: record.seq, at: record.at, outcome: record.outcome, repeated: false, view });
    };
    // It was done before; that record answers.
    let stored = shared.journal.get(seq).map_err(|error| Unavailable::NotServing(error.to_string()))?;
    let first = stored.and_then(|stored| Record::decode(&stored.bytes).ok());
    let first =
        first.ok_or_else(|| Unavailable::NotServing(format!("record {seq}, which answered this request, is gone")))?;
    Ok(Answer { seq: first.seq, at: first.at, outcome: first.outcome, repeated: true, view })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_saw_others_pass_is_told_that_the_node_is_busy() {
        assert_eq!(in_vain(Reached::Queue, true), Unavailable::Busy);
        assert_eq!(in_vain(Reached::Queue, false), Unavailable::NoLeader);
        for others_done in [false, true] {
            assert_eq!(in_vain(Reached::Nowhere, others_done), Unavailable::NoLeader);
            assert_eq!(in_vain(Reached::Perhaps, others_done), Unavailable::Unknown);
        }
    }
}
