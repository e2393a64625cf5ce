//! How long what takes: elections, and everything that is derived from them.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

/// How long sending and installing a snapshot may take: many gigabytes over a slow line.
const SNAPSHOT_MS: u64 = 3_600_000;

/// Election timers. After a leader is lost, nobody leads for the longest timeout plus a random one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often a leader shows that it lives, in milliseconds.
    pub heartbeat_ms: u64,
    /// The shortest election timeout, in milliseconds.
    pub election_min_ms: u64,
    /// The longest; also how long a leader's lease holds.
    pub election_max_ms: u64,
}

impl Default for Timing {
    /// Half a second of failover (decision 19).
    fn default() -> Timing {
        Timing { heartbeat_ms: 50, election_min_ms: 150, election_max_ms: 300 }
    }
}

impl Timing {
    /// Timers for tests of correctness on a machine that may stall: no needless elections.
    #[must_use]
    pub const fn wide() -> Timing {
        Timing { heartbeat_ms: 100, election_min_ms: 1_000, election_max_ms: 2_000 }
    }

    /// How long a read barrier may take before another one is tried, perhaps with another leader.
    #[must_use]
    pub const fn barrier(&self) -> Duration {
        Duration::from_millis(2 * self.election_max_ms)
    }

    /// openraft's settings.
    ///
    /// # Errors
    /// When the timers contradict each other; says how.
    pub fn config(&self, cluster: &str) -> Result<Arc<Config>, String> {
        let config = Config {
            cluster_name: cluster.to_owned(),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_min_ms,
            election_timeout_max: self.election_max_ms,
            // A node back from a partition must not depose a leader that has a quorum.
            enable_pre_vote: Some(true),
            max_payload_entries: 1_000,
            // Checkpoints, snapshots and purges are this crate's, by bytes and time; what is kept of the log likewise.
            install_snapshot_timeout: SNAPSHOT_MS,
            snapshot_policy: SnapshotPolicy::Never,
            replication_lag_threshold: u64::MAX / 2,
            max_in_snapshot_log_to_keep: u64::MAX / 2,
            // A restarted leader takes part in an election like everybody else: its memory of the lead is older than
            // what it is about to apply again.
            enable_leader_restore: Some(false),
            ..Config::default()
        };
        config.validate().map(Arc::new).map_err(|error| format!("the timers contradict each other: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sets_of_timers_are_taken() {
        assert!(Timing::default().config("c").is_ok());
        assert!(Timing::wide().config("c").is_ok());
    }

    #[test]
    fn a_heartbeat_slower_than_an_election_is_refused() {
        assert!(Timing { heartbeat_ms: 500, ..Timing::default() }.config("c").is_err());
    }
}
