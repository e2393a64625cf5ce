//! What the replica and the disk say about themselves, carried into the metrics once a second.

use std::path::Path;
use std::time::Duration;

use ::metrics::{counter, gauge};

use crate::metrics::{self, value};
use crate::replica::{Replica, Stats};
use crate::store::Sizes;

/// How often; scrapes come about every 15 seconds.
const EVERY: Duration = Duration::from_secs(1);
/// How often the data directory is measured, in rounds: walking it costs more.
const DISK_ROUNDS: u32 = 15;

/// Carries them until it is aborted.
pub(super) async fn run(replica: Replica, data_dir: std::path::PathBuf) {
    let mut leader = None;
    for round in 0_u32.. {
        if let Some(stats) = replica.stats() {
            carry(&stats);
        }
        let now = replica.status().leader;
        if now.is_some() && now != leader {
            // The first leader that is seen is no change.
            counter!(metrics::RAFT_LEADER_CHANGES).increment(u64::from(leader.is_some()));
            leader = now;
        }
        if round % DISK_ROUNDS == 0 {
            disk(&data_dir);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn carry(stats: &Stats) {
    let index = |name: &'static str, index: Option<u64>| gauge!(name).set(value(index.unwrap_or_default()));
    index(metrics::RAFT_LAST_LOG_INDEX, stats.last_log);
    index(metrics::RAFT_COMMITTED_INDEX, stats.committed);
    index(metrics::RAFT_APPLIED_INDEX, stats.applied);
    index(metrics::RAFT_SNAPSHOT_INDEX, stats.snapshot);
    index(metrics::RAFT_PURGED_INDEX, stats.purged);
    index(metrics::RAFT_PROPOSALS_PENDING, Some(stats.waiting));
    let ack = if stats.is_leader { stats.age.as_secs_f64() } else { 0.0 };
    gauge!(metrics::RAFT_QUORUM_ACK_AGE).set(ack);
    gauge!(metrics::CLOCK_SKEW).set(Duration::from_millis(stats.clock_skew_ms).as_secs_f64());
    counter!(metrics::RAFT_PROPOSALS, "result" => "applied").absolute(stats.committed_intents);
    counter!(metrics::RAFT_PROPOSALS, "result" => "failed").absolute(stats.unclear_intents);
    counter!(metrics::RAFT_PROPOSALS, "result" => "forwarded").absolute(stats.forwarded);
    counter!(metrics::LOG_APPEND_BYTES).absolute(stats.appended_bytes);
    for (peer, lag) in &stats.lag {
        gauge!(metrics::RAFT_PEER_LAG, "peer" => peer.to_string()).set(value(*lag));
    }
    for (peer, traffic) in &stats.traffic {
        let peer = peer.to_string();
        counter!(metrics::RAFT_PEER_SENT_BYTES, "peer" => peer.clone()).absolute(traffic.sent_bytes);
        counter!(metrics::RAFT_PEER_RECEIVED_BYTES, "peer" => peer.clone()).absolute(traffic.received_bytes);
        counter!(metrics::RAFT_PEER_SEND_FAILURES, "peer" => peer).absolute(traffic.failures);
    }
    database("log", &stats.log_sizes);
    database("state", &stats.state_sizes);
}

fn database(name: &'static str, sizes: &Sizes) {
    gauge!(metrics::DB_SIZE, "db" => name).set(value(sizes.tables + sizes.memory));
    gauge!(metrics::DB_PENDING_COMPACTION, "db" => name).set(value(sizes.compaction));
    gauge!(metrics::DB_WRITE_STALL, "db" => name).set(value(sizes.stopped));
}

fn disk(data_dir: &Path) {
    gauge!(metrics::DATA_DIR_SIZE).set(value(size_of(data_dir)));
    match rustix::fs::statvfs(data_dir) {
        Ok(disk) => gauge!(metrics::DATA_DIR_FREE).set(value(disk.f_bavail * disk.f_frsize)),
        Err(error) => tracing::warn!(%error, "the data directory's free space is not known"),
    }
}

/// Bytes of all files below `dir`; what vanishes meanwhile counts as nothing.
fn size_of(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        Ok(data) => data.len(),
        Err(_gone) => 0,
    });
    sizes.sum()
}
