//! Pools: a stack's volume, shared out among slaves. A pool never knows who asks or in which dialect.

use serde::{Deserialize, Serialize};

use super::event::{DayUse, Event};
use super::name::{Map, Name, Set, SlaveId, check_name, check_text};
use super::refusal::Refusal;
use super::stack::{DayCounter, POOLABLE_GROUP, home_of};
use super::state::State;
use super::time::{Day, Moment};

/// A pool's number: never reused within a cluster, so that history survives a deleted name.
pub type PoolUid = u32;

/// How much a pool may use a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quota {
    /// Whatever the stack has that sized pools leave. At most one a stack.
    Max,
    /// This many bytes.
    Bytes(u64),
}

/// Which slaves are in a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// `*`: every slave that no pool of the stack names.
    pub all: bool,
    /// Slaves by GUID.
    pub named: Set<SlaveId>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its number.
    pub uid: PoolUid,
    /// Its name; unique in the cluster.
    pub name: Name,
    /// The stack that it shares out.
    pub stack: Name,
    /// How much a day.
    pub quota: Quota,
    /// For whom.
    pub members: Members,
    /// Free text.
    pub description: Name,
    /// Pools of the free, forwarder and trial stacks can be neither edited nor deleted.
    pub fixed: bool,
    /// Bytes counted today.
    pub used: DayCounter,
    /// When it was made.
    pub created: Moment,
}

/// What outlives a pool: its name, and the days on which it was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolPast {
    /// Its last name.
    pub name: Name,
    /// Its stack.
    pub stack: Name,
    /// The closed days on which it was over its quota, oldest first, as far back as any window reaches.
    pub over: Vec<Day>,
}

/// Asks for a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePool {
    /// Its name.
    pub pool: Name,
    /// Its stack, in any case.
    pub stack: Name,
    /// How much a day.
    pub quota: Quota,
    /// For whom.
    pub members: Members,
    /// Free text.
    pub description: Name,
}

/// Asks for changes to a pool; absent fields stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditPool {
    /// Its name.
    pub pool: Name,
    /// How much a day.
    pub quota: Option<Quota>,
    /// For whom.
    pub members: Option<Members>,
    /// Whether `members` is added to those there are, or replaces them.
    pub append: bool,
    /// Free text.
    pub description: Option<Name>,
}

/// Most pools in the cluster: closing a day walks them all.
pub const POOLS: usize = 10_000;
/// Most slaves that one pool names: an edit carries them all.
pub const NAMED_SLAVES: usize = 10_000;
/// Longest description, in characters.
const DESCRIPTION_CHARS: usize = 1_000;

/// A pool that comes into being.
pub(super) struct Fresh<'a> {
    pub(super) uid: PoolUid,
    pub(super) name: &'a Name,
    pub(super) stack: &'a Name,
    pub(super) quota: Quota,
    pub(super) members: &'a Members,
    pub(super) description: &'a Name,
    pub(super) fixed: bool,
}

impl Pool {
    /// Whether it is still as it was made automatically: for all, of any size.
    pub(super) fn is_untouched(&self) -> bool {
        let automatic = *self.name == *format!("{AUTOMATIC_PREFIX}{}", self.stack);
        self.fixed || (automatic && self.quota == Quota::Max && self.members.all && self.members.named.is_empty())
    }
}

/// How the pools are called that come with a stack's first license.
const AUTOMATIC_PREFIX: &str = "auto_generated_pool_";

/// Whether the stack's pools can be neither edited nor deleted.
pub(super) fn is_fixed_stack(stack: &str) -> bool {
    home_of(stack).is_some_and(|group| group != POOLABLE_GROUP)
}

/// The name of a stack's automatic pool; a stranger of that name gives way to none.
pub(super) fn automatic_name(state: &State, stack: &str) -> Option<Name> {
    let plain = format!("{AUTOMATIC_PREFIX}{stack}");
    let others = (2..10).map(|number| format!("{plain}_{number}"));
    std::iter::once(plain.clone()).chain(others).find(|name| !state.pools.contains_key(name.as_str())).map(Name::from)
}

/// The pool that comes with a stack's first license.
pub(super) fn automatic(uid: PoolUid, name: Name, stack: &Name, fixed: bool) -> Event {
    let members = Members { all: true, named: Set::new() };
    let description = name.clone();
    Event::PoolCreated { uid, name, stack: stack.clone(), quota: Quota::Max, members, description, fixed }
}

/// Creates a pool in a stack that can be shared out.
pub(super) fn create(state: &State, create: &CreatePool) -> Result<Vec<Event>, Refusal> {
    check_name("pool", &create.pool)?;
    check_text("description", &create.description, DESCRIPTION_CHARS)?;
    let stack: Name = create.stack.to_ascii_lowercase().into();
    let Some(known) = state.stacks.get(&stack) else {
        return Err(Refusal::NoSuchStack { stack: create.stack.clone() });
    };
    if *known.group != *POOLABLE_GROUP {
        return Err(Refusal::StackNotPoolable { stack });
    }
    if state.pools.contains_key(&create.pool) {
        return Err(Refusal::PoolExists { pool: create.pool.clone() });
    }
    if state.pools.len() >= POOLS {
        return Err(Refusal::TooMany { what: "pools".into(), limit: POOLS as u64 });
    }
    check_quota(state, &stack, &create.pool, create.quota, None)?;
    let members = create.members.clone();
    check_members(state, &stack, &create.pool, &members, &Members::default())?;
    Ok(vec![Event::PoolCreated {
        uid: state.next_pool,
        name: create.pool.clone(),
        stack,
        quota: create.quota,
        members,
        description: create.description.clone(),
        fixed: false,
    }])
}

/// Changes a pool: all that one edit says, or nothing (P1).
pub(super) fn edit(state: &State, edit: &EditPool) -> Result<Vec<Event>, Refusal> {
    let pool = editable(state, &edit.pool)?;
    let quota = edit.quota.unwrap_or(pool.quota);
    let description = edit.description.clone().unwrap_or_else(|| pool.description.clone());
    check_text("description", &description, DESCRIPTION_CHARS)?;
    if quota != pool.quota {
        check_quota(state, &pool.stack, &pool.name, quota, Some(pool.quota))?;
    }
    let members = match &edit.members {
        None => pool.members.clone(),
        Some(wanted) if edit.append => {
            let named = pool.members.named.clone().union(wanted.named.clone());
            Members { all: pool.members.all || wanted.all, named }
        }
        Some(wanted) => wanted.clone(),
    };
    check_members(state, &pool.stack, &pool.name, &members, &pool.members)?;
    if quota == pool.quota && description == pool.description && members == pool.members {
        return Ok(vec![]);
    }
    Ok(vec![Event::PoolEdited { name: pool.name.clone(), quota, members, description }])
}

/// Deletes a pool; what it used stays in the totals of its days.
pub(super) fn delete(state: &State, name: &Name) -> Result<Vec<Event>, Refusal> {
    let pool = editable(state, name)?;
    Ok(vec![Event::PoolDeleted { name: pool.name.clone() }])
}

fn editable<'a>(state: &'a State, name: &Name) -> Result<&'a Pool, Refusal> {
    let pool = state.pools.get(name).ok_or_else(|| Refusal::NoSuchPool { pool: name.clone() })?;
    if pool.fixed {
        return Err(Refusal::PoolIsFixed { pool: name.clone(), stack: pool.stack.clone() });
    }
    Ok(pool)
}

/// At most one `MAX` pool a stack, and sized pools within the stack's volume (P2). What a pool has it may always shrink.
fn check_quota(state: &State, stack: &Name, pool: &Name, asked: Quota, had: Option<Quota>) -> Result<(), Refusal> {
    let others = || state.pools.values().filter(|other| other.stack == *stack && other.name != *pool);
    let taken = others().map(|other| other.quota.bytes()).fold(0, u64::saturating_add);
    let free_bytes = state.stacks.get(stack).map_or(0, |stack| stack.quota_bytes).saturating_sub(taken);
    match asked {
        Quota::Max => {
            if let Some(other) = others().find(|other| other.quota == Quota::Max) {
                return Err(Refusal::MaxPoolExists { pool: other.name.clone() });
            }
            if free_bytes == 0 {
                return Err(Refusal::QuotaBeyondStack { asked_bytes: 1, free_bytes });
            }
        }
        Quota::Bytes(asked_bytes) => {
            let shrinks = matches!(had, Some(Quota::Bytes(had)) if asked_bytes <= had);
            if asked_bytes > free_bytes && !shrinks {
                return Err(Refusal::QuotaBeyondStack { asked_bytes, free_bytes });
            }
        }
    }
    Ok(())
}

/// At most one pool for all a stack, and no slave named by two pools of a stack (P3).
fn check_members(state: &State, stack: &Name, pool: &Name, after: &Members, before: &Members) -> Result<(), Refusal> {
    if after.named.len() > NAMED_SLAVES {
        return Err(Refusal::TooMany { what: "slaves named by a pool".into(), limit: NAMED_SLAVES as u64 });
    }
    if let Some(other) = state.catch_all.get(stack).filter(|other| after.all && *other != pool) {
        return Err(Refusal::CatchAllExists { pool: other.clone() });
    }
    for slave in after.named.iter().filter(|slave| !before.named.contains(*slave)) {
        check_name("slave", slave)?;
        let pools = state.named_in.get(slave).into_iter().flatten();
        if let Some(other) = pools
            .into_iter()
            .find(|other| *other != pool && state.pools.get(*other).is_some_and(|other| other.stack == *stack))
        {
            return Err(Refusal::SlaveInOtherPool { slave: slave.clone(), pool: other.clone() });
        }
    }
    Ok(())
}

impl Quota {
    /// The bytes that it takes from the stack; `MAX` takes what is left.
    const fn bytes(self) -> u64 {
        match self {
            Quota::Max => 0,
            Quota::Bytes(bytes) => bytes,
        }
    }
}

/// Sums of the sized pools by stack.
#[must_use]
pub fn sized_sums(state: &State) -> Map<Name, u64> {
    let mut sums: Map<Name, u64> = Map::new();
    for pool in state.pools.values() {
        let sum = sums.entry(pool.stack.clone()).or_default();
        *sum = sum.saturating_add(pool.quota.bytes());
    }
    sums
}

/// What a pool may use today: `MAX` is what sized pools leave; no pool has more than its stack (an expired one: 0).
#[must_use]
pub fn effective_quota(state: &State, pool: &Pool, sized: &Map<Name, u64>) -> u64 {
    let stack = state.stacks.get(&pool.stack).map_or(0, |stack| stack.quota_bytes);
    match pool.quota {
        Quota::Max => stack.saturating_sub(sized.get(&pool.stack).copied().unwrap_or_default()),
        Quota::Bytes(bytes) => bytes.min(stack),
    }
}

pub(super) fn created(state: &mut State, fresh: &Fresh<'_>) {
    let pool = Pool {
        uid: fresh.uid,
        name: fresh.name.clone(),
        stack: fresh.stack.clone(),
        quota: fresh.quota,
        members: fresh.members.clone(),
        description: fresh.description.clone(),
        fixed: fresh.fixed,
        used: DayCounter::default(),
        created: state.now,
    };
    let past = PoolPast { name: pool.name.clone(), stack: pool.stack.clone(), over: Vec::new() };
    state.next_pool = fresh.uid + 1;
    state.pool_names.insert(fresh.uid, pool.name.clone());
    state.pool_pasts.insert(fresh.uid, past);
    index(state, &pool.name, &pool.stack, &Members::default(), &pool.members);
    state.pools.insert(pool.name.clone(), pool);
}

pub(super) fn edited(state: &mut State, name: &Name, quota: Quota, members: &Members, description: &Name) {
    let pool = state.pools.get_mut(name).expect("an edited pool was created before");
    pool.quota = quota;
    pool.description = description.clone();
    let before = std::mem::replace(&mut pool.members, members.clone());
    let stack = pool.stack.clone();
    index(state, name, &stack, &before, members);
}

pub(super) fn deleted(state: &mut State, name: &Name) {
    let sized = sized_sums(state);
    let quota_bytes = state.pools.get(name).map_or(0, |pool| effective_quota(state, pool, &sized));
    let pool = state.pools.remove(name).expect("a deleted pool was created before");
    let used_bytes = pool.used.on(state.calendar.today);
    if used_bytes > 0 {
        state.today.pools.insert(pool.uid, DayUse { used_bytes, quota_bytes });
    }
    state.pool_names.remove(&pool.uid);
    state.offenders.remove(&pool.uid);
    index(state, name, &pool.stack, &pool.members, &Members::default());
    if !state.licenses.values().any(|license| license.meters().any(|meter| meter.stack == pool.stack)) {
        super::stack::refresh(state, &pool.stack);
    }
}

/// Keeps the two ways from a slave to its pool in step with a pool's members.
fn index(state: &mut State, name: &Name, stack: &Name, before: &Members, after: &Members) {
    for slave in before.named.iter().filter(|slave| !after.named.contains(*slave)) {
        if let Some(pools) = state.named_in.get_mut(slave) {
            pools.remove(name);
            if pools.is_empty() {
                state.named_in.remove(slave);
            }
        }
    }
    for slave in after.named.iter().filter(|slave| !before.named.contains(*slave)) {
        state.named_in.entry(slave.clone()).or_default().insert(name.clone());
    }
    if before.all && !after.all {
        state.catch_all.remove(stack);
    }
    if after.all && !before.all {
        state.catch_all.insert(stack.clone(), name.clone());
    }
}
