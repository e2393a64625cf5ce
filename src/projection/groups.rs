//! Groups: which stacks work together, and which group is active.

use crate::domain::name::Name;
use crate::domain::stack::{GROUPS, group_named};
use crate::domain::state::State;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// Its name.
    pub name: &'static str,
    /// Whether it is the active one.
    pub is_active: bool,
    /// Ids of its stacks, in order.
    pub stacks: Vec<Name>,
}

/// All groups, in order.
#[must_use]
pub fn groups(state: &State) -> Vec<GroupView> {
    GROUPS.into_iter().map(|name| view(state, name)).collect()
}

/// One group, named in any case.
#[must_use]
pub fn group(state: &State, name: &str) -> Option<GroupView> {
    group_named(name).map(|name| view(state, name))
}

fn view(state: &State, name: &'static str) -> GroupView {
    let stacks = state.stacks.values().filter(|stack| *stack.group == *name).map(|stack| stack.id.clone()).collect();
    GroupView { name, is_active: *state.active_group == *name, stacks }
}
