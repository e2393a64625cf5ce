//! When to report again: the cluster says so after a success; after a failure a client waits longer each time.

use std::time::Duration;

use super::send::jittered;
use super::{Acknowledged, ClientError};

/// The pause after a first failure.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause after failures: a cluster that is back is found within this time.
const MOST: Duration = Duration::from_secs(30);
/// The shortest and the longest time that the cluster's word is taken for: a strange answer neither makes a client hammer
/// nor silences it.
const ASKED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3_600));

/// Paces a slave's reports. See [`Client::report`](super::Client::report).
#[derive(Debug, Clone, Default)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// How long to wait after `answer`: as long as the cluster asks, each slave in a place of its own within the
    /// interval; after an error twice as long each time, up to half a minute, drawn by lot.
    pub fn after(&mut self, answer: &Result<Acknowledged, ClientError>) -> Duration {
        match answer {
            Ok(answer) => {
                self.failures = 0;
                answer.next_report_in().clamp(ASKED.0, ASKED.1)
            }
            Err(error) => self.failed(error.retry_after()),
        }
    }

    /// How long to wait after something else went wrong, at least `asked`.
    pub fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let pause = FIRST * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        jittered(pause.min(MOST)).max(asked.unwrap_or_default().min(ASKED.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_each_time_and_a_success_ends_that() {
        let mut pace = Pace::default();
        let unserved = |retry_after| Err(ClientError::NotServed { tried: Vec::new(), retry_after });
        for least in [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000] {
            let wait = pace.after(&unserved(None)).as_millis();
            assert!((least..=least * 2).contains(&wait), "{wait} ms after {least}");
        }
        assert_eq!(pace.after(&unserved(Some(Duration::from_secs(90)))), Duration::from_secs(90));
        let asks = |ms| Ok(Acknowledged { results: Vec::new(), next_report_in_ms: ms });
        assert_eq!(pace.after(&asks(42_000)), Duration::from_secs(42));
        assert_eq!(pace.after(&asks(0)), ASKED.0);
        assert_eq!(pace.after(&asks(u64::MAX)), ASKED.1);
        assert!(pace.after(&unserved(None)) <= FIRST);
    }
}
