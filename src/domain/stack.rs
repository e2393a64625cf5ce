//! Groups and stacks: licenses of one kind add up to a stack; stacks that may work together form a group.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::license::{self, License, Meter, Standing};
use super::name::{Name, Set};
use super::refusal::Refusal;
use super::state::State;
use super::time::Day;

/// The groups there are, as `seeds/002_splunk.txt` and its dialect note name them. Exactly one is active.
pub const GROUPS: [&str; 6] = ["Enterprise", "Forwarder", "Free", "Lite", "Lite_Free", "Trial"];

/// Bytes counted on one license day; any other day reads as 0 (decision 12: nothing is reset at midnight).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCounter {
    /// The day that `bytes` is of.
    pub day: Day,
    /// Bytes of that day.
    pub bytes: u64,
}

impl DayCounter {
    /// The bytes counted on `day`.
    #[must_use]
    pub fn on(self, day: Day) -> u64 {
        if self.day == day { self.bytes } else { 0 }
    }

    /// Counts `bytes` on `day`. The sum was checked by `decide`.
    pub fn add(&mut self, day: Day, bytes: u64) {
        *self = DayCounter { day, bytes: self.on(day) + bytes };
    }
}

/// What the licenses of one stack add up to: a function of the installed licenses and cluster time only (K2),
/// worked out again whenever one of them changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Lower-case id, such as `enterprise`.
    pub id: Name,
    /// The group it is in.
    pub group: Name,
    /// The label of its first counting license.
    pub label: Name,
    /// The kind of its licenses.
    pub kind: Name,
    /// Sum over the licenses that count, in bytes a day.
    pub quota_bytes: u64,
    /// The largest `max_violations` of the licenses that count.
    pub max_violations: u32,
    /// The largest `window_days` of the licenses that count.
    pub window_days: u32,
    /// Features of all licenses that count.
    pub features: Set<Name>,
    /// Allowed sourcetypes; `None`: all.
    pub sourcetypes: Option<Set<Name>>,
    /// Bytes counted against the stack today, whatever the pool.
    pub used: DayCounter,
    /// Warnings up to and including this day count no more (a reset license was installed).
    pub reset: Option<Day>,
}

/// The one group whose licenses add up and whose stacks are shared out in pools of one's own; in the others the largest
/// license counts, and pools are fixed (dialect note, part 7).
pub const POOLABLE_GROUP: &str = "Enterprise";
/// The group that cannot be returned to.
pub const TRIAL_GROUP: &str = "Trial";

/// The group as it is written, however it was asked for.
#[must_use]
pub fn group_named(group: &str) -> Option<&'static str> {
    GROUPS.into_iter().find(|known| known.eq_ignore_ascii_case(group))
}

/// The group that a stack of a known name is in.
#[must_use]
pub fn home_of(stack: &str) -> Option<&'static str> {
    match stack {
        "enterprise" => Some("Enterprise"),
        "forwarder" => Some("Forwarder"),
        "free" => Some("Free"),
        "lite" => Some("Lite"),
        "lite_free" => Some("Lite_Free"),
        "download-trial" => Some("Trial"),
        _other => None,
    }
}

/// Makes a group the active one. A group whose license needs no issuer brings it along (docs/adr/0021).
pub(super) fn activate(state: &State, group: &Name) -> Result<Vec<Event>, Refusal> {
    let Some(known) = group_named(group) else { return Err(Refusal::NoSuchGroup { group: group.clone() }) };
    if *state.active_group == *known {
        return Ok(vec![]);
    }
    let activated = Event::GroupActivated { group: known.into() };
    if state.stacks.values().any(|stack| *stack.group == *known) {
        let left = known == TRIAL_GROUP && state.trial_left;
        return if left { Err(Refusal::GroupUnavailable { group: known.into() }) } else { Ok(vec![activated]) };
    }
    let Some(grant) = license::free_grant(known) else {
        return Err(Refusal::GroupUnavailable { group: known.into() });
    };
    let mut events = license::grant(state, grant)?;
    if !events.contains(&activated) {
        events.push(activated);
    }
    Ok(events)
}

pub(super) fn activated(state: &mut State, group: &Name) {
    state.trial_left |= *state.active_group == *TRIAL_GROUP && **group != *TRIAL_GROUP;
    state.active_group = group.clone();
}

pub(super) fn warnings_reset(state: &mut State, stack: &Name, through: Day) {
    if let Some(stack) = state.stacks.get_mut(stack) {
        stack.reset = stack.reset.max(Some(through));
    }
}

/// Whether a license counts now that adds to a stack of this group.
pub(super) fn group_counts(state: &State, group: &str) -> bool {
    state.licenses.values().any(|license| {
        license.meters().any(|meter| *meter.group == *group) && license.standing(state, state.now) == Standing::Valid
    })
}

/// Works out again the stacks that licenses of this key add to.
pub(super) fn refresh_of_key(state: &mut State, key: &Name) {
    let of_key = state.licenses.values().filter(|license| license.key.as_ref() == Some(key));
    let stacks: Set<Name> = of_key.flat_map(|license| license.meters().map(|meter| meter.stack.clone())).collect();
    for stack in &stacks {
        refresh(state, stack);
    }
}

/// Works out a stack again from the installed licenses and the moment (K2). A stack that neither a license nor a pool
/// names is gone; what it has used today stays in the day's totals.
pub(super) fn refresh(state: &mut State, id: &Name) {
    let mut installed: Vec<(&License, &Meter, bool)> = Vec::new();
    for license in state.licenses.values() {
        let counts = license.standing(state, state.now) == Standing::Valid;
        installed
            .extend(license.meters().filter(|meter| meter.stack == *id).map(|meter| (license.as_ref(), meter, counts)));
    }
    installed.sort_by_key(|(license, _, counts)| (!counts, license.installed, license.id));
    let before = state.stacks.get(id);
    let Some((first, meter, _)) = installed.first() else {
        return clear(state, id);
    };
    let group = meter.group.clone();
    let counting: Vec<&Meter> = installed.iter().filter(|(_, _, counts)| *counts).map(|(_, meter, _)| *meter).collect();
    let terms: Vec<&Meter> =
        if counting.is_empty() { installed.iter().map(|(_, meter, _)| *meter).collect() } else { counting.clone() };
    let sizes = counting.iter().map(|meter| meter.quota_bytes);
    let quota_bytes =
        if *group == *POOLABLE_GROUP { sizes.fold(0, u64::saturating_add) } else { sizes.max().unwrap_or_default() };
    let open = counting.iter().any(|meter| meter.sourcetypes.is_empty()) || counting.is_empty();
    let stack = Stack {
        id: id.clone(),
        group,
        label: first.label.clone(),
        kind: first.kind.clone(),
        quota_bytes,
        max_violations: terms.iter().map(|meter| meter.max_violations).max().unwrap_or_default(),
        window_days: terms.iter().map(|meter| meter.window_days).max().unwrap_or_default(),
        features: counting.iter().flat_map(|meter| meter.features.iter().cloned()).collect(),
        sourcetypes: (!open).then(|| counting.iter().flat_map(|meter| meter.sourcetypes.iter().cloned()).collect()),
        used: before.map_or_else(|| used_before(state, id), |stack| stack.used),
        reset: before.and_then(|stack| stack.reset),
    };
    state.today.stacks.remove(id);
    state.stacks.insert(id.clone(), stack);
}

/// A stack without licenses: nothing is left of it, or nothing but a frame for its pools.
fn clear(state: &mut State, id: &Name) {
    let today = state.calendar.today;
    if state.pools.values().any(|pool| pool.stack == *id) {
        if let Some(stack) = state.stacks.get_mut(id) {
            stack.quota_bytes = 0;
            stack.features = Set::new();
            stack.sourcetypes = None;
        }
    } else if let Some(stack) = state.stacks.remove(id)
        && stack.used.on(today) > 0
    {
        let used = super::event::DayUse { used_bytes: stack.used.on(today), quota_bytes: 0 };
        state.today.stacks.insert(id.clone(), used);
    }
}

/// What a stack that comes back has used today.
fn used_before(state: &State, id: &Name) -> DayCounter {
    let bytes = state.today.stacks.get(id).map_or(0, |used| used.used_bytes);
    DayCounter { day: state.calendar.today, bytes }
}
