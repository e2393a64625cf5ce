//! What is always true of a state: U1, U4, P1-P4, K1-K2, and that the ways into the state agree with it.

use std::collections::{BTreeMap, BTreeSet};

use quartermaster::domain::current;
use quartermaster::domain::license::{Format, License, Standing, Term};
use quartermaster::domain::name::Name;
use quartermaster::domain::pool::Quota;
use quartermaster::domain::slave::{EPOCHS, MISSING_RANGES};
use quartermaster::domain::state::State;
use quartermaster::domain::user::TokenKind;
use quartermaster::domain::warning;
use quartermaster::projection;

pub(crate) fn check(state: &State) {
    usage(state);
    pools(state);
    stacks(state);
    indexes(state);
    slaves(state);
    offenders(state);
    licenses(state);
    crate::seat_invariants::check(state);
    crate::works::check(state);
}

/// Which pools offend is known without walking them.
fn offenders(state: &State) {
    assert_eq!(state.offenders, warning::offenders(state));
}

/// T4: one license in force of each product that has one at a time; nothing that was revoked, and no issue below the
/// highest of its license.
fn licenses(state: &State) {
    for product in [Format::Elastic, Format::Redis] {
        let of_product = |license: &&std::sync::Arc<License>| current::product_of(license) == Some(product);
        assert!(state.licenses.values().filter(of_product).count() <= 1, "two licenses of {product:?} in force");
    }
    for license in state.licenses.values() {
        let series = (license.format, license.issue.clone());
        assert!(!state.revoked.contains(&license.id) && !state.revoked_series.contains(&series), "revoked and here");
        for term in &license.terms {
            let Term::Issue(issue) = term else { continue };
            let newest = state.issues.get(&(license.format, issue.series.clone())).copied();
            assert_eq!(newest, Some(issue.number), "a superseded issue is here");
        }
    }
}

/// U1: a pool's bytes are those of its slaves; the day's are those of its pools and of no pool.
fn usage(state: &State) {
    let today = state.calendar.today;
    let mut by_pool: BTreeMap<_, u64> = BTreeMap::new();
    for slave in state.slaves.values().filter(|slave| slave.used.day == today) {
        assert_eq!(slave.by_pool.iter().map(|(_, bytes)| bytes).sum::<u64>(), slave.used.bytes);
        for (pool, bytes) in &slave.by_pool {
            *by_pool.entry(*pool).or_default() += bytes;
            assert!(state.pool_users.contains(&(*pool, slave.id.clone())), "a slave is found from its pool");
        }
    }
    for pool in state.pools.values() {
        let shown: u64 = projection::pools::slaves_used(state, pool, None).map(|(_, bytes)| bytes).sum();
        assert_eq!(pool.used.on(today), by_pool.remove(&Some(pool.uid)).unwrap_or(0), "U1 of {}", pool.name);
        assert_eq!(pool.used.on(today), shown, "U1 of {} as it is shown", pool.name);
    }
    let totals = projection::status::status(state).totals;
    assert_eq!(totals.unpooled_bytes, by_pool.remove(&None).unwrap_or(0));
    for (pool, bytes) in by_pool {
        let pool = pool.expect("no pool was looked at");
        assert_eq!(bytes, totals.pools.get(&pool).map_or(0, |used| used.used_bytes), "bytes of a deleted pool");
    }
    let pooled: u64 = totals.pools.values().map(|used| used.used_bytes).sum();
    assert_eq!(pooled + totals.unpooled_bytes, totals.bytes);
    assert_eq!(totals.stacks.values().map(|used| used.used_bytes).sum::<u64>(), pooled);
}

/// P2 at most one `MAX` and one catch-all pool a stack; P3 a slave in at most one pool of a stack.
fn pools(state: &State) {
    let mut named = BTreeSet::new();
    let mut max = BTreeSet::new();
    let mut all = BTreeSet::new();
    for pool in state.pools.values() {
        assert!(state.stacks.contains_key(&pool.stack), "pool {} has its stack", pool.name);
        assert!(pool.quota != Quota::Max || max.insert(&pool.stack), "P2: two MAX pools in {}", pool.stack);
        assert!(!pool.members.all || all.insert(&pool.stack), "two pools for all in {}", pool.stack);
        for slave in &pool.members.named {
            assert!(named.insert((&pool.stack, slave)), "P3: {slave} is named twice in {}", pool.stack);
        }
        assert_eq!(state.pool_names.get(&pool.uid), Some(&pool.name));
        assert!(state.pool_pasts.contains_key(&pool.uid));
    }
    assert_eq!(state.pool_names.len(), state.pools.len());
    assert_eq!(state.catch_all.len(), all.len());
    assert_eq!(state.named_in.values().map(|pools| pools.len()).sum::<usize>(), named.len());
}

/// K1, K2: a stack is what its licenses that count add up to. P4: one known group is active.
fn stacks(state: &State) {
    if !state.cluster_id.is_empty() {
        assert_eq!(projection::groups::groups(state).iter().filter(|group| group.is_active).count(), 1, "P4");
    }
    let mut sums: BTreeMap<&Name, Vec<u64>> = BTreeMap::new();
    for license in state.licenses.values().filter(|license| license.standing(state, state.now) == Standing::Valid) {
        assert!(license.key.as_ref().is_none_or(|key| state.keys[key].distrusted.is_none()), "K1");
        assert!(license.starts <= state.now && state.now < license.expires, "K1");
        for meter in license.meters() {
            sums.entry(&meter.stack).or_default().push(meter.quota_bytes);
        }
    }
    for stack in state.stacks.values() {
        let sizes = sums.remove(&stack.id).unwrap_or_default();
        let adds = &*stack.group == "Enterprise";
        let quota = if adds { sizes.iter().sum() } else { sizes.iter().copied().max().unwrap_or(0) };
        assert_eq!(stack.quota_bytes, quota, "K2 of {}", stack.id);
    }
    assert!(sums.is_empty(), "every license that counts has its stack");
}

fn indexes(state: &State) {
    assert_eq!(state.token_hashes.len(), state.tokens.len());
    assert_eq!(state.token_owners.len(), state.tokens.len());
    assert_eq!(state.token_deadlines.len(), state.tokens.len());
    assert_eq!(state.lock_deadlines.len(), state.locks.len());
    assert_eq!(state.intents.len(), state.intents_by_seq.len());
    assert_eq!(state.keys_used.len(), state.keys_used_by_seq.len());
    assert_eq!(state.report_ids.len(), state.report_ids_by_time.len());
    assert_eq!(state.placements.len(), state.placement_numbers.len());
    assert!(state.tokens.values().all(|token| state.users.contains_key(&token.user)), "no token without its user");
    let mut tokens: BTreeMap<&Name, usize> = BTreeMap::new();
    let counted = state.tokens.values().filter(|token| token.kind != TokenKind::Seat);
    counted.for_each(|token| *tokens.entry(&token.user).or_default() += 1);
    assert!(state.token_counts.iter().map(|(user, count)| (user, *count)).eq(tokens), "tokens are counted");
    let mut groups_of: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
    for (name, group) in &state.user_groups {
        for user in &group.members {
            assert!(state.users.contains_key(user), "{user} of {name} is a user");
            groups_of.entry(user).or_default().insert(name);
        }
        assert!(group.roles.iter().all(|role| state.roles.contains_key(role)), "roles of {name} are there");
    }
    let known: BTreeMap<&Name, BTreeSet<&Name>> =
        state.groups_of.iter().map(|(user, groups)| (user, groups.iter().collect())).collect();
    assert_eq!(known, groups_of, "a user knows its groups");
}

fn slaves(state: &State) {
    let mut placed: BTreeMap<u64, u64> = BTreeMap::new();
    for slave in state.slaves.values() {
        *placed.entry(slave.placement).or_default() += 1;
        assert!(slave.epochs.len() <= EPOCHS);
        assert!(slave.epochs.iter().all(|epoch| epoch.missing.len() <= MISSING_RANGES));
        assert_eq!(state.orphans.contains(&slave.id), slave.pool.is_none());
        assert_eq!(state.gauged.contains(&slave.id), !slave.levels.is_empty());
    }
    let counted: BTreeMap<u64, u64> =
        state.placements.iter().map(|(number, history)| (*number, history.slaves)).collect();
    assert_eq!(placed, counted, "each history knows how many slaves have it");
    let used: usize = state.slaves.values().map(|slave| slave.by_pool.len()).sum();
    assert_eq!(state.pool_users.len(), used, "no leftovers");
}
