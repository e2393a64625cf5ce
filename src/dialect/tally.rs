//! What was answered, counted without naming it anew: looking a series up by its labels costs more than counting, so each
//! series is looked up once and held.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ::metrics::{Counter, Histogram, counter, histogram};

use crate::domain::pool::PoolUid;
use crate::metrics;

/// A kind of answer: as many as there are routes, methods and codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind {
    /// The dialect.
    pub dialect: &'static str,
    /// The path's template.
    pub route: &'static str,
    /// The method, from a bounded set.
    pub method: &'static str,
    /// The status.
    pub code: u16,
}

/// Series that were counted in before. There are never more than the metrics themselves hold.
#[derive(Default)]
pub struct Tally {
    answers: Held<Kind, (Counter, Histogram)>,
    reports: Held<&'static str, Counter>,
    bytes: Held<Option<PoolUid>, Counter>,
}

struct Held<K, V>(RwLock<HashMap<K, V>>);

impl<K, V> Default for Held<K, V> {
    fn default() -> Held<K, V> {
        Held(RwLock::default())
    }
}

impl<K: Hash + Eq, V> Held<K, V> {
    /// Counts with what is held under `key`, made at its first use.
    fn with(&self, key: K, make: impl FnOnce() -> V, count: impl FnOnce(&V)) {
        if let Some(held) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return count(held);
        }
        count(self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(make));
    }
}

impl Tally {
    /// A request was answered.
    pub(super) fn answered(&self, kind: Kind, took: Duration) {
        let make = || {
            let Kind { dialect, route, method, code } = kind;
            let code = code.to_string();
            (
                counter!(metrics::HTTP_REQUESTS, "dialect" => dialect, "route" => route, "method" => method, "code" => code),
                histogram!(metrics::HTTP_REQUEST_DURATION, "dialect" => dialect, "route" => route),
            )
        };
        self.answers.with(kind, make, |(requests, duration)| {
            requests.increment(1);
            duration.record(took.as_secs_f64());
        });
    }

    /// A usage report was judged.
    pub fn reported(&self, result: &'static str) {
        let make = || counter!(metrics::USAGE_REPORTS, "result" => result);
        self.reports.with(result, make, |reports| reports.increment(1));
    }

    /// Bytes were counted in a pool, or in none; `named` says stack and pool. A pool never changes either.
    pub fn counted(&self, pool: Option<PoolUid>, bytes: u64, named: impl FnOnce() -> (String, String)) {
        let make = || {
            let (stack, pool) = named();
            counter!(metrics::USAGE_BYTES, "stack" => stack, "pool" => pool)
        };
        self.bytes.with(pool, make, |counted| counted.increment(bytes));
    }
}
