//! Plain numbers about a replica, for the metrics.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;

use super::log::LogHandle;
use super::peers::Traffic;
use super::shared::Shared;
use crate::store::Sizes;

/// What a replica counts and measures. Indexes are of log entries; `None` means there is none.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Whether a leader is known.
    pub has_leader: bool,
    /// Whether this node leads.
    pub is_leader: bool,
    /// The term.
    pub term: u64,
    /// The last entry.
    pub last_log: Option<u64>,
    /// The last committed entry.
    pub committed: Option<u64>,
    /// The last applied entry.
    pub applied: Option<u64>,
    /// The last entry whose effect is flushed to the state database.
    pub flushed: u64,
    /// The last entry in the newest snapshot.
    pub snapshot: Option<u64>,
    /// The last purged entry.
    pub purged: Option<u64>,
    /// As the leader: how many entries each peer is behind.
    pub lag: BTreeMap<u64, u64>,
    /// The last applied record.
    pub applied_seq: u64,
    /// Cluster time, in milliseconds since 1970.
    pub cluster_time_ms: u64,
    /// Callers that wait for their record.
    pub waiting: u64,
    /// Records applied since the start.
    pub records: u64,
    /// Intents committed through this node.
    pub committed_intents: u64,
    /// Intents proposed again after a clear no.
    pub repeated_intents: u64,
    /// Intents proposed again after an unclear end.
    pub unclear_intents: u64,
    /// Batches that other nodes forwarded to this one.
    pub forwarded: u64,
    /// Journal rows folded at the last start.
    pub replayed: u64,
    /// Bytes of journal that only memory holds.
    pub tail_bytes: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// Bytes appended to the log since the start.
    pub appended_bytes: u64,
    /// Bytes of entries in the log.
    pub log_bytes: u64,
    /// This node's wall clock less cluster time, in milliseconds.
    pub clock_behind_ms: i64,
    /// The largest distance between another node's wall clock and this one's, in milliseconds.
    pub clock_skew_ms: u64,
    /// How long ago this node last knew that it was up to date.
    pub age: Duration,
    /// What the log database says about its size.
    pub log_sizes: Sizes,
    /// What the state database says about its size.
    pub state_sizes: Sizes,
    /// Bytes to and from each peer.
    pub traffic: BTreeMap<u64, Traffic>,
    /// Peers that came back with less than they had acknowledged, and are refused.
    pub reverted: Vec<u64>,
    /// Whether states were found to differ.
    pub disagreement: bool,
}

/// How long ago this node last knew that it was up to date.
#[must_use]
pub(super) fn age(shared: &Shared) -> Duration {
    let acked = shared.raft().and_then(|raft| {
        let metrics = raft.metrics();
        let acked = metrics.borrow_watched().last_quorum_acked;
        acked.map(|acked| acked.elapsed())
    });
    let known = shared.window.age();
    acked.map_or(known, |acked| acked.min(known))
}

/// All numbers, as of now.
#[must_use]
pub(super) fn stats(shared: &Shared, log: &LogHandle) -> Stats {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let (published, lead, counters) = (shared.window.newest(), *shared.lead.borrow(), &shared.counters);
    let mut stats = Stats {
        has_leader: lead.leader.is_some(),
        is_leader: lead.leader == Some(shared.node),
        term: lead.term,
        applied: published.log.map(|log| log.index),
        flushed: *shared.behind.flushed.borrow(),
        snapshot: shared.snapshots.index(),
        applied_seq: published.state.heads.seq,
        cluster_time_ms: published.state.now.0,
        waiting: shared.waiters.count() as u64,
        records: count(&counters.records),
        committed_intents: count(&counters.committed),
        repeated_intents: count(&counters.repeated),
        unclear_intents: count(&counters.unclear),
        forwarded: count(&counters.forwarded),
        replayed: count(&counters.replayed),
        tail_bytes: shared.journal.tail_bytes() as u64,
        syncs: count(&log.stats().log_syncs),
        appended_bytes: count(&log.stats().bytes),
        log_bytes: log.live_bytes(),
        clock_behind_ms: shared.clock.behind_ms(),
        clock_skew_ms: shared.roster.largest_skew_ms(),
        age: age(shared),
        log_sizes: log.sizes(),
        state_sizes: shared.journal.with_db(|db| Ok(db.sizes())).unwrap_or_default(),
        traffic: shared.peers.traffic(),
        reverted: shared.peers.reverted(),
        disagreement: shared.marks.disagreement().is_some(),
        ..Stats::default()
    };
    if let Some(raft) = shared.raft() {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        stats.last_log = metrics.last_log_index;
        stats.committed = metrics.local_committed.map(|log| log.index);
        stats.purged = metrics.purged.map(|log| log.index);
        let next = metrics.last_log_index.map_or(0, |index| index + 1);
        let lag = |matched: Option<u64>| next.saturating_sub(matched.map_or(0, |index| index + 1));
        let replication = metrics.replication.iter().flatten().filter(|(node, _)| **node != shared.node);
        stats.lag = replication.map(|(&node, matched)| (node, lag(matched.map(|log| log.index)))).collect();
    }
    stats
}
