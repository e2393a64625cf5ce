//! Stacks: what licenses add up to, and what was used of it today.

use crate::domain::name::Name;
use crate::domain::pool;
use crate::domain::stack::Stack;
use crate::domain::state::State;
use crate::domain::time::Day;
use crate::domain::warning;

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackView<'a> {
    /// As the rules keep it.
    pub stack: &'a Stack,
    /// Whether its group is the active one.
    pub is_active: bool,
    /// Bytes used today.
    pub used_bytes: u64,
    /// Bytes that sized pools take of its quota.
    pub sized_bytes: u64,
    /// Its pools, in order.
    pub pools: Vec<Name>,
    /// Days in its window on which it was over.
    pub over: Vec<Day>,
}

/// All stacks, by id.
#[must_use]
pub fn stacks(state: &State) -> Vec<StackView<'_>> {
    let sized = pool::sized_sums(state);
    state.stacks.values().map(|stack| view(state, stack, sized.get(&stack.id).copied().unwrap_or_default())).collect()
}

/// One stack, named in any case.
#[must_use]
pub fn stack<'a>(state: &'a State, id: &str) -> Option<StackView<'a>> {
    let stack = state.stacks.get(id.to_ascii_lowercase().as_str())?;
    let sized = pool::sized_sums(state);
    Some(view(state, stack, sized.get(&stack.id).copied().unwrap_or_default()))
}

fn view<'a>(state: &'a State, stack: &'a Stack, sized_bytes: u64) -> StackView<'a> {
    StackView {
        stack,
        is_active: stack.group == state.active_group,
        used_bytes: stack.used.on(state.calendar.today),
        sized_bytes,
        pools: state.pools.values().filter(|pool| pool.stack == stack.id).map(|pool| pool.name.clone()).collect(),
        over: warning::stack_days(state, &stack.id),
    }
}
