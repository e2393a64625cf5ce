//! The license day: what is counted on it, and what its close writes down for good.
//!
//! Closing is O(pools), however many slaves there are (decision 12): counters are tagged with their day and read as 0 on
//! any other.

use super::event::{DayClosed, DayTotals, DayUse, Event};
use super::license::WINDOW_DAYS;
use super::name::{Map, Name};
use super::pool::{self, PoolUid};
use super::state::State;
use super::time::{Day, Stamp};
use super::warning;

/// What was used on the open day so far, living pools and stacks included.
#[must_use]
pub fn totals(state: &State) -> DayTotals {
    let today = state.calendar.today;
    let sized = pool::sized_sums(state);
    let mut totals = state.today.clone();
    for pool in state.pools.values() {
        let used_bytes = pool.used.on(today);
        if used_bytes > 0 {
            let quota_bytes = pool::effective_quota(state, pool, &sized);
            totals.pools.insert(pool.uid, DayUse { used_bytes, quota_bytes });
        }
    }
    for stack in state.stacks.values() {
        let used_bytes = stack.used.on(today);
        if used_bytes > 0 {
            totals.stacks.insert(stack.id.clone(), DayUse { used_bytes, quota_bytes: stack.quota_bytes });
        }
    }
    totals
}

/// Closes the open day.
pub(super) fn close(state: &State, stamp: &Stamp) -> Event {
    Event::DayClosed(Box::new(DayClosed {
        day: state.calendar.today,
        totals: totals(state),
        bulk_head: state.heads.bulk,
        calendar: stamp.calendar,
    }))
}

pub(super) fn closed(state: &mut State, closed: &DayClosed) {
    let horizon = closed.calendar.today.back(WINDOW_DAYS + 1);
    for (pool, used) in &closed.totals.pools {
        if used.is_over() {
            warn_pool(state, *pool, closed.day);
        }
    }
    for (stack, used) in &closed.totals.stacks {
        if used.is_over() {
            warn_stack(state, stack, closed.day);
        }
    }
    forget_before(state, horizon);
    state.days.insert(closed.day, closed.totals.clone());
    let oldest = closed.calendar.today.back(state.settings.retention_days);
    while let Some(day) = state.days.get_min().map(|(day, _)| *day).filter(|day| *day < oldest) {
        state.days.remove(&day);
    }
    state.today = DayTotals::default();
    state.calendar = closed.calendar;
}

/// Forgets warnings that no window reaches any more, and deleted pools that have none left.
fn forget_before(state: &mut State, horizon: Day) {
    let stale = |over: &[Day]| over.first().is_some_and(|day| *day < horizon);
    let pools: Vec<PoolUid> = state
        .pool_pasts
        .iter()
        .filter(|(uid, past)| stale(&past.over) || (past.over.is_empty() && !state.pool_names.contains_key(*uid)))
        .map(|(uid, _)| *uid)
        .collect();
    for uid in pools {
        let living = state.pool_names.contains_key(&uid);
        let Some(past) = state.pool_pasts.get_mut(&uid) else { continue };
        past.over.retain(|day| *day >= horizon);
        if past.over.is_empty() && !living {
            state.pool_pasts.remove(&uid);
        }
    }
    let stacks: Vec<Name> =
        state.stack_pasts.iter().filter(|(_, over)| stale(over)).map(|(id, _)| id.clone()).collect();
    for id in stacks {
        if let Some(over) = state.stack_pasts.get_mut(&id) {
            over.retain(|day| *day >= horizon);
        }
    }
}

/// Writes down that a pool was over on a closed day; once (U4).
pub(super) fn warn_pool(state: &mut State, pool: PoolUid, day: Day) {
    if let Some(past) = state.pool_pasts.get_mut(&pool) {
        insert_sorted(&mut past.over, day);
        warning::pool_warned(state, pool);
    }
}

/// Writes down that a stack was over on a closed day; once.
pub(super) fn warn_stack(state: &mut State, stack: &Name, day: Day) {
    insert_sorted(state.stack_pasts.entry(stack.clone()).or_default(), day);
}

fn insert_sorted(days: &mut Vec<Day>, day: Day) {
    if let Err(place) = days.binary_search(&day) {
        days.insert(place, day);
    }
}

/// Counts a late report on its closed day, which may warn for that day (decision 11).
pub(super) fn amend(state: &mut State, day: Day, pool: Option<PoolUid>, stack: &Name, bytes: u64) {
    let living = pool.and_then(|uid| state.pools.get(state.pool_names.get(&uid)?));
    let pool_quota = living.map_or(0, |living| pool::effective_quota(state, living, &sums_of(state, living)));
    let stack_quota = state.stacks.get(stack).map_or(0, |stack| stack.quota_bytes);
    let totals = state.days.entry(day).or_default();
    totals.bytes += bytes;
    totals.reports += 1;
    let Some(uid) = pool else {
        totals.unpooled_bytes += bytes;
        return;
    };
    if bytes == 0 {
        return;
    }
    let used = totals.pools.entry(uid).or_insert(DayUse { used_bytes: 0, quota_bytes: pool_quota });
    used.used_bytes += bytes;
    let pool_over = used.is_over();
    let used = totals.stacks.entry(stack.clone()).or_insert(DayUse { used_bytes: 0, quota_bytes: stack_quota });
    used.used_bytes += bytes;
    let stack_over = used.is_over();
    if pool_over {
        warn_pool(state, uid, day);
    }
    if stack_over {
        warn_stack(state, stack, day);
    }
}

/// The sized sum that a `MAX` pool needs; nothing for a sized pool, so that a late report stays cheap.
fn sums_of(state: &State, pool: &pool::Pool) -> Map<Name, u64> {
    if pool.quota == pool::Quota::Max { pool::sized_sums(state) } else { Map::new() }
}
