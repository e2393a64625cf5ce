//! What this node knows that a peer has stored, and the refusal of a peer that has less of it later: a disk that was put
//! back to an older copy, or wiped under the same node id. openraft itself only asserts this in debug builds.

use super::wire::{Acknowledged, LogId, Vote};

/// Whether a node's log ends before what it once acknowledged, although it has seen no later leader that could have
/// told it to drop the end: then it has forgotten what others count on, and must not vote.
#[must_use]
pub fn log_went_back(vote: Option<&Vote>, last_log: Option<&LogId>, acknowledged: &Acknowledged) -> bool {
    let saw_a_later_leader = vote.is_some_and(|vote| vote.leader_id > acknowledged.leader);
    !saw_a_later_leader && last_log < Some(&acknowledged.last)
}

/// What one peer acknowledged to this node as leader, and whether it still stands by it.
#[derive(Debug, Default)]
pub(super) struct Guard {
    acknowledged: Option<Acknowledged>,
    reverted: bool,
}

impl Guard {
    /// What the peer acknowledged last to this node, in this node's latest leadership.
    #[must_use]
    pub(super) const fn acknowledged(&self) -> Option<&Acknowledged> {
        self.acknowledged.as_ref()
    }

    /// Whether the peer was caught with less than it had acknowledged.
    #[must_use]
    pub(super) const fn reverted(&self) -> bool {
        self.reverted
    }

    /// What the peer is known to have, for a request that is about to be sent under `vote`: only what was acknowledged
    /// before the request left can prove anything against its answer.
    #[must_use]
    pub(super) fn known(&self, vote: &Vote) -> Option<LogId> {
        self.acknowledged.as_ref().filter(|known| known.leader == vote.leader_id).map(|known| known.last)
    }

    /// The peer has stored everything up to `last`, and said so to this node as the leader of `vote`.
    pub(super) fn stored(&mut self, vote: &Vote, last: LogId) {
        match &mut self.acknowledged {
            Some(known) if known.leader == vote.leader_id => known.last = known.last.max(last),
            Some(known) if known.leader > vote.leader_id => {}
            _ => self.acknowledged = Some(Acknowledged { leader: vote.leader_id, last }),
        }
    }

    /// The peer says that it does not have `missing`, in answer to a request that left when it was `known` to have what
    /// it had acknowledged. Marks it, and returns true, when that is less than it had.
    pub(super) fn lacks(&mut self, known: Option<LogId>, missing: LogId) -> bool {
        let went_back = known.is_some_and(|known| missing <= known);
        let first_time = went_back && !self.reverted;
        self.reverted |= went_back;
        first_time
    }
}

#[cfg(test)]
mod tests {
    use openraft::vote::RaftLeaderId as _;

    use super::*;
    use crate::replica::peers::wire::LeaderId;

    fn log_id(term: u64, index: u64) -> LogId {
        LogId::new(LeaderId::new(term, 1), index)
    }

    fn acknowledged() -> Acknowledged {
        Acknowledged { leader: LeaderId::new(3, 1), last: log_id(2, 10) }
    }

    #[test]
    fn a_log_that_ends_before_what_it_acknowledged_went_back() {
        let vote = Vote::new_committed(3, 1);
        assert!(log_went_back(Some(&vote), Some(&log_id(2, 9)), &acknowledged()));
        assert!(log_went_back(Some(&vote), None, &acknowledged()));
        assert!(log_went_back(None, None, &acknowledged()));
        assert!(!log_went_back(Some(&vote), Some(&log_id(2, 10)), &acknowledged()));
        assert!(!log_went_back(Some(&vote), Some(&log_id(3, 11)), &acknowledged()));
    }

    #[test]
    fn a_later_leader_may_have_cut_the_log() {
        assert!(!log_went_back(Some(&Vote::new(4, 1)), Some(&log_id(1, 3)), &acknowledged()));
        assert!(!log_went_back(Some(&Vote::new(3, 2)), Some(&log_id(1, 3)), &acknowledged()));
        assert!(log_went_back(Some(&Vote::new(2, 9)), Some(&log_id(1, 3)), &acknowledged()));
    }

    #[test]
    fn only_what_was_acknowledged_before_the_request_left_counts_against_the_answer() {
        let vote = Vote::new_committed(3, 1);
        let mut guard = Guard::default();
        let before = guard.known(&vote);
        guard.stored(&vote, log_id(3, 10));
        assert!(!guard.lacks(before, log_id(3, 5)));
        assert!(!guard.lacks(guard.known(&vote), log_id(3, 11)));
        assert!(!guard.reverted());
        assert!(guard.lacks(guard.known(&vote), log_id(3, 10)));
        assert!(guard.reverted());
        assert!(!guard.lacks(guard.known(&vote), log_id(3, 10)), "the error is logged once");
    }

    #[test]
    fn a_new_leadership_begins_with_nothing_known() {
        let mut guard = Guard::default();
        guard.stored(&Vote::new_committed(3, 1), log_id(3, 10));
        let next = Vote::new_committed(5, 1);
        assert_eq!(guard.known(&next), None);
        guard.stored(&next, log_id(3, 4));
        assert_eq!(guard.known(&next), Some(log_id(3, 4)));
        guard.stored(&Vote::new_committed(3, 1), log_id(3, 12));
        assert_eq!(guard.known(&next), Some(log_id(3, 4)), "a late answer to an older leadership changes nothing");
    }
}
