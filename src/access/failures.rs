//! Failed logins, counted on this node by user and address; bounded, forgotten after the lock-out time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many pairs are remembered; the oldest go first.
const PAIRS: usize = 10_000;

/// What failed lately.
#[derive(Default)]
pub struct Failures {
    pairs: Mutex<HashMap<(String, String), Failed>>,
}

struct Failed {
    times: u32,
    until: Instant,
}

impl Failures {
    /// Counts one more, and says how many that makes within `window`.
    pub fn count(&self, user: &str, address: &str, window: Duration) -> u32 {
        let now = Instant::now();
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() >= PAIRS {
            make_room(&mut pairs, now);
        }
        let pair = (user.chars().take(200).collect(), address.to_owned());
        let failed = pairs.entry(pair).or_insert(Failed { times: 0, until: now });
        if failed.until <= now {
            failed.times = 0;
        }
        failed.times = failed.times.saturating_add(1);
        failed.until = now + window;
        failed.times
    }

    /// For how many seconds more a pair has failed `most` times or more.
    #[must_use]
    pub fn locked(&self, user: &str, address: &str, most: u32) -> Option<u64> {
        let now = Instant::now();
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = pairs.get(&(user.to_owned(), address.to_owned()))?;
        let left = failed.until.checked_duration_since(now)?;
        (failed.times >= most).then(|| left.as_secs().max(1))
    }

    /// A success wipes the slate.
    pub fn forget(&self, user: &str, address: &str) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if !pairs.is_empty() {
            pairs.remove(&(user.to_owned(), address.to_owned()));
        }
    }
}

/// Drops what has ended, else the half that ends first.
fn make_room(pairs: &mut HashMap<(String, String), Failed>, now: Instant) {
    pairs.retain(|_, failed| failed.until > now);
    if pairs.len() >= PAIRS {
        let mut ends: Vec<Instant> = pairs.values().map(|failed| failed.until).collect();
        let middle = ends.len() / 2;
        let (_, cut, _) = ends.select_nth_unstable(middle);
        let cut = *cut;
        let mut spare = PAIRS / 2;
        pairs.retain(|_, failed| {
            let stays = failed.until > cut || spare == 0;
            spare -= usize::from(!stays);
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn failures_add_up_until_a_success() {
        let failures = Failures::default();
        assert_eq!(failures.count("ann", "::1", HOUR), 1);
        assert_eq!(failures.count("ann", "::1", HOUR), 2);
        assert_eq!(failures.count("ann", "::2", HOUR), 1);
        assert_eq!(failures.locked("ann", "::1", 3), None);
        assert!(failures.locked("ann", "::1", 2).is_some_and(|seconds| seconds <= 3600));
        failures.forget("ann", "::1");
        assert_eq!(failures.count("ann", "::1", HOUR), 1);
    }

    #[test]
    fn the_memory_is_bounded() {
        let failures = Failures::default();
        for user in 0..2 * PAIRS {
            failures.count(&user.to_string(), "::1", HOUR);
        }
        assert!(failures.pairs.lock().expect("nobody panicked").len() <= PAIRS);
    }
}
