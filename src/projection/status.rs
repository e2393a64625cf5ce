//! The cluster at a glance.

use crate::domain::day;
use crate::domain::event::DayTotals;
use crate::domain::state::State;
use crate::domain::time::{Calendar, Moment};

/// The cluster at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusView {
    /// Cluster time.
    pub now: Moment,
    /// The open day.
    pub calendar: Calendar,
    /// What was used on it so far, living pools and stacks included.
    pub totals: DayTotals,
    /// How many slaves have ever reported and are not forgotten.
    pub slaves: usize,
    /// How many of them are in no pool.
    pub orphans: usize,
    /// How many pools there are.
    pub pools: usize,
    /// How many licenses are installed.
    pub licenses: usize,
}

/// The cluster at a glance: O(pools).
#[must_use]
pub fn status(state: &State) -> StatusView {
    StatusView {
        now: state.now,
        calendar: state.calendar,
        totals: day::totals(state),
        slaves: state.slaves.len(),
        orphans: state.orphans.len(),
        pools: state.pools.len(),
        licenses: state.licenses.len(),
    }
}
