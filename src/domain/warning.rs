//! Warnings and violations: worked out when asked, from the days on which pools were over (decision 12).
//!
//! A warning belongs to the slave: it stays with it when the slave moves or another group becomes active.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::event::Event;
use super::name::{Map, Name};
use super::pool::PoolUid;
use super::slave::{Placement, Slave};
use super::stack::Stack;
use super::state::State;
use super::time::Day;
use super::{placement, pool};

/// Features that a violation switches off: all that searches (dialect note, part 7); indexing goes on.
pub static SEARCH_FEATURES: LazyLock<[Name; 5]> =
    LazyLock::new(|| ["LocalSearch", "DistSearch", "RcvSearch", "ScheduledSearch", "Alerting"].map(Name::from));

/// Whether a feature works for a slave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureStatus {
    /// It does.
    Enabled,
    /// No license that counts has it.
    DisabledDueToLicense,
    /// Too many warnings.
    DisabledDueToViolation,
}

/// The closed days that count in a stack's window: within it, and after its last reset.
fn counts(state: &State, stack: &Name, day: Day) -> bool {
    let Some(stack) = state.stacks.get(stack) else { return true };
    day >= state.calendar.today.back(stack.window_days) && stack.reset.is_none_or(|reset| day > reset)
}

/// The days in its stack's window on which a pool was over, living or deleted.
#[must_use]
pub fn pool_days(state: &State, pool: PoolUid) -> Vec<Day> {
    let Some(past) = state.pool_pasts.get(&pool) else { return Vec::new() };
    past.over.iter().copied().filter(|day| counts(state, &past.stack, *day)).collect()
}

/// The days in its window on which a whole stack was over.
#[must_use]
pub fn stack_days(state: &State, stack: &Name) -> Vec<Day> {
    let over = state.stack_pasts.get(stack).map_or(&[][..], Vec::as_slice);
    over.iter().copied().filter(|day| counts(state, stack, *day)).collect()
}

/// The warnings of all slaves with this history: day, and the pool that was over.
#[must_use]
pub fn of_placement(state: &State, history: &Placement) -> Vec<(Day, PoolUid)> {
    let mut warnings = BTreeSet::new();
    let ends = history.steps.iter().skip(1).map(|(day, _)| Some(*day)).chain([None]);
    for ((from, pool), end) in history.steps.iter().zip(ends) {
        let Some(pool) = pool else { continue };
        let days = pool_days(state, *pool).into_iter();
        warnings.extend(days.filter(|day| day >= from && end.is_none_or(|end| *day < end)).map(|day| (day, *pool)));
    }
    warnings.into_iter().collect()
}

/// A slave's warnings.
#[must_use]
pub fn of_slave(state: &State, slave: &Slave) -> Vec<(Day, PoolUid)> {
    state.placements.get(&slave.placement).map(|history| of_placement(state, history)).unwrap_or_default()
}

/// Whether so many warnings are a violation of this stack. A stack that allows 0 never enforces.
#[must_use]
pub fn is_violation(stack: &Stack, warnings: usize) -> bool {
    stack.max_violations > 0 && warnings as u64 >= u64::from(stack.max_violations)
}

/// Whether a stack's violation reaches all its slaves: one of its pools offends, and the whole stack is over today.
/// While it is within its quota, only the offending pools suffer.
#[must_use]
pub fn reaches_all(state: &State, stack: &Stack) -> bool {
    stack.used.on(state.calendar.today) > stack.quota_bytes && state.offenders.values().any(|of| *of == stack.id)
}

/// Whether a pool has so many warnings that its slaves are in violation.
fn offends(state: &State, pool: &pool::Pool) -> bool {
    let stack = state.stacks.get(&pool.stack);
    stack.is_some_and(|stack| is_violation(stack, pool_days(state, pool.uid).len()))
}

/// The living pools that offend, with their stacks: walks all of them.
#[must_use]
pub fn offenders(state: &State) -> Map<PoolUid, Name> {
    state.pools.values().filter(|pool| offends(state, pool)).map(|pool| (pool.uid, pool.stack.clone())).collect()
}

/// A pool was over on one more day.
pub(super) fn pool_warned(state: &mut State, uid: PoolUid) {
    let pool = state.pool_names.get(&uid).and_then(|name| state.pools.get(name));
    if let Some(pool) = pool.filter(|pool| offends(state, pool)) {
        state.offenders.insert(uid, pool.stack.clone());
    }
}

/// Keeps [`State::offenders`] in step with what moves all warnings at once: a day that ends, and a stack's terms.
pub(super) fn follow(state: &mut State, event: &Event) {
    let all = matches!(
        event,
        Event::ClusterInitialized { .. }
            | Event::KeyTrusted { .. }
            | Event::KeyDistrusted { .. }
            | Event::LicenseInstalled { .. }
            | Event::LicenseRemoved { .. }
            | Event::LicenseStarted { .. }
            | Event::LicenseExpired { .. }
            | Event::LicenseRevoked { .. }
            | Event::WarningsReset { .. }
            | Event::GroupActivated { .. }
            | Event::DayClosed(_)
            | Event::CalendarChanged { .. }
    );
    if all {
        state.offenders = offenders(state);
    }
}

/// The stack whose terms a slave is under: that of its pool, else the active group's first.
#[must_use]
pub fn stack_of<'a>(state: &'a State, slave: &Slave) -> Option<&'a Stack> {
    let active = placement::active_stacks(state);
    match placement::pool_of(state, &active, &slave.id, &slave.wish) {
        Some(pool) => state.stacks.get(&pool.stack),
        None => active.first().and_then(|stack| state.stacks.get(stack)),
    }
}

/// Whether a slave is in violation.
#[must_use]
pub fn is_violating(state: &State, slave: &Slave) -> bool {
    let warnings = of_slave(state, slave).len();
    if warnings == 0 && state.offenders.is_empty() {
        return false;
    }
    stack_of(state, slave).is_some_and(|stack| is_violation(stack, warnings) || reaches_all(state, stack))
}

/// The features of a slave: those that its group's stacks enable, less what a violation takes away.
#[must_use]
pub fn features(state: &State, slave: &Slave) -> Vec<(Name, FeatureStatus)> {
    features_when(state, is_violating(state, slave))
}

/// The features of whoever is in violation, or is not.
#[must_use]
pub fn features_when(state: &State, violating: bool) -> Vec<(Name, FeatureStatus)> {
    let mut known: BTreeMap<&Name, bool> = SEARCH_FEATURES.iter().map(|feature| (feature, false)).collect();
    for stack in state.stacks.values() {
        let active = stack.group == state.active_group;
        stack.features.iter().for_each(|feature| *known.entry(feature).or_default() |= active);
    }
    let status = |feature: &Name, enabled: bool| match enabled {
        false => FeatureStatus::DisabledDueToLicense,
        true if violating && SEARCH_FEATURES.contains(feature) => FeatureStatus::DisabledDueToViolation,
        true => FeatureStatus::Enabled,
    };
    known.into_iter().map(|(feature, enabled)| (feature.clone(), status(feature, enabled))).collect()
}

/// Of the slaves that are in a pool by their last report: how many there are, the most warnings that one of them has,
/// and how many are in violation.
#[must_use]
pub fn of_pool(state: &State, pool: &pool::Pool) -> PoolWarnings {
    let mut found = PoolWarnings::default();
    let Some(stack) = state.stacks.get(&pool.stack) else { return found };
    let all = reaches_all(state, stack);
    for history in state.placements.values().filter(|history| history.last() == Some(pool.uid)) {
        let warnings = of_placement(state, history).len();
        found.slaves += history.slaves;
        found.most = found.most.max(warnings);
        if all || is_violation(stack, warnings) {
            found.violating += history.slaves;
        }
    }
    found
}

/// Warnings of a pool's slaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolWarnings {
    /// How many slaves are in it.
    pub slaves: u64,
    /// The most warnings that one of them has.
    pub most: usize,
    /// How many of them are in violation.
    pub violating: u64,
}
