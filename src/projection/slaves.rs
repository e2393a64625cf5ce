//! Slaves: what they use, where they are, what they may do.

use std::ops::Bound;
use std::sync::Arc;

use crate::domain::name::Name;
use crate::domain::pool::{Pool, PoolUid};
use crate::domain::slave::Slave;
use crate::domain::state::State;
use crate::domain::time::Day;
use crate::domain::warning::{self, FeatureStatus};
use crate::domain::{placement, usage};

/// How a slave is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlaveStatus {
    /// It reports.
    Active,
    /// It has not reported for longer than settings allow.
    Silent,
    /// It is in no pool of the active group.
    Orphan,
    /// It has too many warnings.
    Violating,
}

impl SlaveStatus {
    /// As answers write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SlaveStatus::Active => "active",
            SlaveStatus::Silent => "silent",
            SlaveStatus::Orphan => "orphan",
            SlaveStatus::Violating => "violating",
        }
    }
}

/// A slave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlaveView<'a> {
    /// As the rules keep it.
    pub slave: &'a Arc<Slave>,
    /// Bytes today, in all pools and in none.
    pub used_bytes: u64,
    /// Bytes today of sourcetypes that its stack does not allow.
    pub disallowed_bytes: u64,
    /// Bytes today by pool; pools that were deleted meanwhile have their last name, no pool is empty.
    pub used_by_pool: Vec<(Name, u64)>,
    /// Its warnings that count: day, and the pool that was over.
    pub warnings: Vec<(Day, PoolUid)>,
    /// The pool that it is in now, if any, of the active group.
    pub active_pool: Option<Name>,
    /// The pools that it is in now, one a stack, also of groups that are not active.
    pub pools: Vec<Name>,
    /// The stacks of these.
    pub stacks: Vec<Name>,
    /// How it is.
    pub status: SlaveStatus,
    /// Whether it has too many warnings.
    pub in_violation: bool,
    /// Its features.
    pub features: Vec<(Name, FeatureStatus)>,
}

/// All slaves, by GUID, from after `after` on.
pub fn slaves<'a>(state: &'a State, after: Option<&str>) -> impl Iterator<Item = SlaveView<'a>> + use<'a> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    state.slaves.range(from, Bound::Unbounded).map(|slave| view(state, slave))
}

/// One slave, named in any case.
#[must_use]
pub fn slave<'a>(state: &'a State, id: &str) -> Option<SlaveView<'a>> {
    state.slaves.get(id).map(|slave| view(state, slave))
}

fn view<'a>(state: &'a State, slave: &'a Arc<Slave>) -> SlaveView<'a> {
    let today = state.calendar.today;
    let active = placement::active_stacks(state);
    let places = places(state, &active, &slave.id, &slave.wish);
    let in_violation = warning::is_violating(state, slave);
    let status = if usage::is_silent(state, slave) {
        SlaveStatus::Silent
    } else if places.active.is_none() {
        SlaveStatus::Orphan
    } else if in_violation {
        SlaveStatus::Violating
    } else {
        SlaveStatus::Active
    };
    SlaveView {
        slave,
        used_bytes: slave.used.on(today),
        disallowed_bytes: slave.disallowed.on(today),
        used_by_pool: used_by_pool(state, slave),
        warnings: warning::of_slave(state, slave),
        active_pool: places.active,
        stacks: places.stacks,
        pools: places.pools,
        status,
        in_violation,
        features: warning::features_when(state, in_violation),
    }
}

/// Where a slave is, whether it has reported or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The pools that it is in, one a stack, also of groups that are not active.
    pub pools: Vec<Name>,
    /// The stacks of these.
    pub stacks: Vec<Name>,
    /// The pool that its bytes count in.
    pub active: Option<Name>,
}

/// Where a slave is; `active` are the active group's stacks, worked out once for many slaves.
#[must_use]
pub fn places(state: &State, active: &[Name], id: &str, wish: &str) -> Places {
    let pools = pools_of(state, id);
    Places {
        stacks: pools.iter().map(|pool| pool.stack.clone()).collect(),
        pools: pools.into_iter().map(|pool| pool.name.clone()).collect(),
        active: placement::pool_of(state, active, id, wish).map(|pool| pool.name.clone()),
    }
}

/// What this license master is called as a slave of its own: the cluster's id, so that every node says the same.
#[must_use]
pub fn master_id(state: &State) -> Name {
    state.cluster_id.to_uppercase().into()
}

/// An instance's own view of its license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalView {
    /// Its GUID.
    pub id: Name,
    /// What people call it.
    pub label: Name,
    /// How many warnings count.
    pub warnings: usize,
    /// What works for it.
    pub features: Vec<(Name, FeatureStatus)>,
}

/// How a slave sees itself, or, without one, the license master: that reports nothing and shares the fate of its pool.
#[must_use]
pub fn local(state: &State, slave: Option<&Slave>) -> LocalView {
    if let Some(slave) = slave {
        return LocalView {
            id: slave.id.clone(),
            label: slave.label.clone(),
            warnings: warning::of_slave(state, slave).len(),
            features: warning::features(state, slave),
        };
    }
    let id = master_id(state);
    let active = placement::active_stacks(state);
    let pool = placement::pool_of(state, &active, &id, "");
    let warnings = pool.map_or(0, |pool| warning::pool_days(state, pool.uid).len());
    let stack = pool.and_then(|pool| state.stacks.get(&pool.stack));
    let violating =
        stack.is_some_and(|stack| warning::is_violation(stack, warnings) || warning::reaches_all(state, stack));
    LocalView { id, label: state.cluster_name.clone(), warnings, features: warning::features_when(state, violating) }
}

/// A slave's pool in each stack: the one that names it, else the one for all.
fn pools_of<'a>(state: &'a State, id: &str) -> Vec<&'a Pool> {
    let named = |stack: &Name| {
        let pools = state.named_in.get(id).into_iter().flatten();
        pools.filter_map(|name| state.pools.get(name)).find(|pool| pool.stack == *stack)
    };
    let of_stack = |stack: &Name| named(stack).or_else(|| state.pools.get(state.catch_all.get(stack)?));
    state.stacks.keys().filter_map(of_stack).collect()
}

fn used_by_pool(state: &State, slave: &Slave) -> Vec<(Name, u64)> {
    if slave.used.day != state.calendar.today {
        return Vec::new();
    }
    let name = |uid: &Option<PoolUid>| {
        uid.and_then(|uid| state.pool_pasts.get(&uid)).map(|past| past.name.clone()).unwrap_or_default()
    };
    slave.by_pool.iter().map(|(uid, bytes)| (name(uid), *bytes)).collect()
}
