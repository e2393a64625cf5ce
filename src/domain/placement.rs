//! Which pool a slave's bytes count in, and the history of it that warnings are worked out from.

use super::license::WINDOW_DAYS;
use super::name::{Name, SlaveId};
use super::pool::{Pool, PoolUid};
use super::slave::Placement;
use super::state::State;
use super::time::Day;

/// How many steps of a history are kept: a slave that moves more often loses the oldest.
const STEPS: usize = 64;

/// The stacks of the active group, lowest id first: worked out once for many slaves.
#[must_use]
pub fn active_stacks(state: &State) -> Vec<Name> {
    state.stacks.values().filter(|stack| stack.group == state.active_group).map(|stack| stack.id.clone()).collect()
}

/// The pool that a slave is in: one that names it, else the one it wishes for if that is for all, else the one for all;
/// within each, the lowest stack id (decision 11).
#[must_use]
pub fn pool_of<'a>(state: &'a State, active: &[Name], slave: &str, wish: &str) -> Option<&'a Pool> {
    let in_group = |pool: &&Pool| active.binary_search(&pool.stack).is_ok();
    let named =
        state.named_in.get(slave).into_iter().flatten().filter_map(|name| state.pools.get(name)).filter(in_group);
    named
        .min_by(|a, b| a.stack.cmp(&b.stack))
        .or_else(|| {
            let wished = if wish.is_empty() { None } else { state.pools.get(wish) };
            wished.filter(|pool| pool.members.all).filter(in_group)
        })
        .or_else(|| active.iter().find_map(|stack| state.pools.get(state.catch_all.get(stack)?)))
}

impl Placement {
    /// The pool at the end of a day; `None` if the history begins later.
    #[must_use]
    pub fn on(&self, day: Day) -> Option<Option<PoolUid>> {
        self.steps.iter().rev().find(|(from, _)| *from <= day).map(|(_, pool)| *pool)
    }

    /// The pool at its end.
    #[must_use]
    pub fn last(&self) -> Option<PoolUid> {
        self.steps.last().and_then(|(_, pool)| *pool)
    }
}

/// The steps after a slave was in `pool` on `day`; `None` if nothing changes.
fn steps_after(
    before: &[(Day, Option<PoolUid>)],
    day: Day,
    pool: Option<PoolUid>,
) -> Option<Vec<(Day, Option<PoolUid>)>> {
    let same = before.last().is_some_and(|(_, last)| *last == pool);
    if same {
        return None;
    }
    let mut steps = before.to_vec();
    if steps.last().is_some_and(|(from, _)| *from >= day) {
        steps.pop();
    }
    if steps.last().is_none_or(|(_, last)| *last != pool) {
        steps.push((day, pool));
    }
    let horizon = day.back(WINDOW_DAYS);
    let stale = steps.windows(2).take_while(|pair| pair[1].0 <= horizon).count();
    let surplus = steps.len().saturating_sub(STEPS);
    steps.drain(..stale.max(surplus));
    Some(steps)
}

/// Moves a slave on from one history to the one that goes on with `pool` on `day`; gives the number of that.
pub(super) fn step(state: &mut State, number: Option<u64>, day: Day, pool: Option<PoolUid>) -> u64 {
    let before = number.and_then(|number| state.placements.get(&number)).map_or(&[][..], |placement| &placement.steps);
    let Some(steps) = steps_after(before, day, pool) else {
        return number.expect("a history that does not change exists");
    };
    if let Some(number) = number {
        release(state, number);
    }
    if let Some(&known) = state.placement_numbers.get(&steps)
        && let Some(placement) = state.placements.get_mut(&known)
    {
        placement.slaves += 1;
        return known;
    }
    let fresh = state.next_placement;
    state.next_placement += 1;
    state.placement_numbers.insert(steps.clone(), fresh);
    state.placements.insert(fresh, Placement { steps, slaves: 1 });
    fresh
}

/// One slave less has this history; the last one takes it along.
pub(super) fn release(state: &mut State, number: u64) {
    let Some(placement) = state.placements.get_mut(&number) else { return };
    placement.slaves -= 1;
    if placement.slaves == 0
        && let Some(gone) = state.placements.remove(&number)
    {
        state.placement_numbers.remove(&gone.steps);
    }
}

/// The pool that a slave was in at the end of a closed day, if it was known then.
#[must_use]
pub fn pool_on(state: &State, slave: &SlaveId, day: Day) -> Option<Option<PoolUid>> {
    let slave = state.slaves.get(slave)?;
    state.placements.get(&slave.placement)?.on(day)
}
