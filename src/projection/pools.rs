//! Pools: what they may use, what was used, and by whom.

use crate::domain::name::{Map, Name, SlaveId};
use crate::domain::pool::{self, Pool, Quota};
use crate::domain::state::State;
use crate::domain::time::Day;
use crate::domain::warning::{self, PoolWarnings};

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolView<'a> {
    /// As the rules keep it.
    pub pool: &'a Pool,
    /// Bytes a day; `None` for `MAX`.
    pub quota_bytes: Option<u64>,
    /// Bytes a day in effect: for `MAX`, what the stack leaves.
    pub effective_quota_bytes: u64,
    /// Bytes used today: the sum over its slaves (U1).
    pub used_bytes: u64,
    /// Whether its stack is in the active group.
    pub is_active: bool,
    /// Days in its stack's window on which it was over.
    pub over: Vec<Day>,
    /// Warnings of its slaves.
    pub warnings: PoolWarnings,
    /// Whether it was over too often.
    pub in_violation: bool,
}

/// All pools, by name.
pub fn pools(state: &State) -> impl Iterator<Item = PoolView<'_>> {
    let sized = pool::sized_sums(state);
    state.pools.values().map(move |pool| view(state, pool, &sized))
}

/// One pool.
#[must_use]
pub fn pool<'a>(state: &'a State, name: &str) -> Option<PoolView<'a>> {
    let pool = state.pools.get(name)?;
    Some(view(state, pool, &pool::sized_sums(state)))
}

fn view<'a>(state: &'a State, pool: &'a Pool, sized: &Map<Name, u64>) -> PoolView<'a> {
    let over = warning::pool_days(state, pool.uid);
    let stack = state.stacks.get(&pool.stack);
    let in_violation = stack.is_some_and(|stack| warning::is_violation(stack, over.len()));
    PoolView {
        pool,
        quota_bytes: match pool.quota {
            Quota::Max => None,
            Quota::Bytes(bytes) => Some(bytes),
        },
        effective_quota_bytes: pool::effective_quota(state, pool, sized),
        used_bytes: pool.used.on(state.calendar.today),
        is_active: stack.is_some_and(|stack| stack.group == state.active_group),
        over,
        warnings: warning::of_pool(state, pool),
        in_violation,
    }
}

/// What each slave has used of a pool today, by GUID, from after `after` on.
pub fn slaves_used<'a>(
    state: &'a State,
    pool: &Pool,
    after: Option<&str>,
) -> impl Iterator<Item = (SlaveId, u64)> + 'a {
    let uid = Some(pool.uid);
    let from: SlaveId = after.unwrap_or_default().into();
    let skip = after.map(SlaveId::from);
    let today = state.calendar.today;
    state
        .pool_users
        .range((uid, from)..)
        .take_while(move |(pool, _)| *pool == uid)
        .filter(move |(_, slave)| skip.as_ref() != Some(slave))
        .filter_map(|(_, slave)| state.slaves.get(slave))
        .filter(move |slave| slave.used.day == today)
        .filter_map(move |slave| {
            let bytes = slave.by_pool.iter().find(|(pool, _)| *pool == uid).map(|(_, bytes)| *bytes)?;
            Some((slave.id.clone(), bytes))
        })
}
