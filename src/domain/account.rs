//! Accounts: what happens to users, roles, tokens and lock-outs. The words are in `user`, groups in `user_group`.

use super::event::Event;
use super::intent::Intent;
use super::memory;
use super::name::{Hash, NAME_CHARS, Name, Set, SlaveId, check_name, check_range, check_text, is_name};
use super::refusal::Refusal;
use super::right::{check_within_own, has_right, rights_of};
use super::state::State;
use super::time::Moment;
use super::user::{Credential, Right, Role, Token, TokenKind, User, UserCommand};
use super::{account_license, cluster, evolve, seat, user_group};

/// Most users: each change that could take the last administrator's right walks them all.
pub const USERS: usize = 10_000;
/// Most roles.
pub const ROLES: usize = 1_000;
/// Most roles that one user has, or one group gives.
pub const ROLES_PER_USER: usize = 100;
/// Most tokens in the cluster.
pub const TOKENS: usize = 1_000_000;
/// Most tokens that one user has: the oldest login ends when one more comes. Deleting a user ends them all at once.
pub const TOKENS_PER_USER: usize = 1_000;
/// Longest life of a token: a year, as long as a machine's credential should last.
const TOKEN_MS: u64 = 366 * 24 * 3_600_000;
/// Most lock-outs: an attacker with many addresses must not fill the memory.
pub const LOCKS: usize = 100_000;
/// Longest lock-out.
const LOCK_MS: u64 = 24 * 3_600_000;
/// Longest password hash in PHC form.
const PHC_CHARS: usize = 512;

pub(super) fn decide(state: &State, intent: &Intent, command: &UserCommand) -> Result<Vec<Event>, Refusal> {
    let events = wanted(state, intent, command)?;
    if adds_accounts(state, command) {
        account_license::check_seats(state, &events)?;
    }
    Ok(events)
}

/// Whether a command may have more accounts take a seat. One that makes administrators ordinary accounts through their
/// role or group does, too, since the second rules.
fn adds_accounts(state: &State, command: &UserCommand) -> bool {
    match command {
        UserCommand::CreateUser { .. } | UserCommand::EditUser { .. } => true,
        UserCommand::PutRole { .. }
        | UserCommand::PutUserGroup { .. }
        | UserCommand::EditUserGroup { .. }
        | UserCommand::DeleteUserGroup { .. } => state.rules >= cluster::ROLES_KEPT_UP,
        UserCommand::ChangePassword { .. }
        | UserCommand::DeleteUser { .. }
        | UserCommand::DeleteRole { .. }
        | UserCommand::CreateToken { .. }
        | UserCommand::RevokeToken { .. }
        | UserCommand::LockOut { .. } => false,
    }
}

fn wanted(state: &State, intent: &Intent, command: &UserCommand) -> Result<Vec<Event>, Refusal> {
    match command {
        UserCommand::CreateUser { name, password, roles, slave } => {
            create_user(state, intent, name, password, roles, slave.as_ref())
        }
        UserCommand::EditUser { name, roles, disabled, slave } => {
            edit_user(state, intent, name, roles.as_ref(), *disabled, slave.as_ref())
        }
        UserCommand::ChangePassword { name, password } => change_password(state, intent, name, password),
        UserCommand::DeleteUser { name } => delete_user(state, name),
        UserCommand::PutRole { name, rights } => put_role(state, intent, name, rights),
        UserCommand::DeleteRole { name } => delete_role(state, name),
        UserCommand::CreateToken { user, hash, kind, label, ttl_ms } => {
            create_token(state, intent, &Wanted { user, hash: *hash, kind: *kind, label, ttl_ms: *ttl_ms })
        }
        UserCommand::RevokeToken { id } => revoke_token(state, *id),
        UserCommand::LockOut { user, address, for_ms } => lock_out(state, user, address, *for_ms),
        UserCommand::PutUserGroup { name, roles, members } => user_group::put(state, intent, name, roles, members),
        UserCommand::EditUserGroup { name, add, remove } => user_group::edit(state, intent, name, add, remove),
        UserCommand::DeleteUserGroup { name } => user_group::delete(state, intent, name),
    }
}

fn known<'a>(state: &'a State, name: &Name) -> Result<&'a User, Refusal> {
    state.users.get(name).ok_or_else(|| Refusal::NoSuchUser { user: name.clone() })
}

fn check_password(password: &Name) -> Result<(), Refusal> {
    let fits = !password.is_empty() && password.len() <= PHC_CHARS;
    if fits { Ok(()) } else { Err(Refusal::BadName { what: "password hash".into(), name: Name::default() }) }
}

/// Roles that exist, with rights that the actor has too.
pub(super) fn check_roles<'a>(
    state: &State,
    intent: &Intent,
    roles: impl IntoIterator<Item = &'a Name>,
) -> Result<(), Refusal> {
    for name in roles {
        let role = state.roles.get(name).ok_or_else(|| Refusal::NoSuchRole { role: name.clone() })?;
        check_within_own(state, &intent.actor, &role.rights)?;
    }
    Ok(())
}

/// Refuses to act on an account that may do more than the actor: it would be a way to that account's rights.
fn check_not_above(state: &State, intent: &Intent, name: &Name, user: &User) -> Result<(), Refusal> {
    check_within_own(state, &intent.actor, &rights_of(state, name, user))
}

fn create_user(
    state: &State,
    intent: &Intent,
    name: &Name,
    password: &Name,
    roles: &Set<Name>,
    slave: Option<&SlaveId>,
) -> Result<Vec<Event>, Refusal> {
    check_name("user", name)?;
    check_password(password)?;
    if **name == *"system" {
        return Err(Refusal::BadName { what: "user".into(), name: name.clone() });
    }
    if state.users.contains_key(name) {
        return Err(Refusal::UserExists { user: name.clone() });
    }
    if state.users.len() >= USERS {
        return Err(Refusal::TooMany { what: "users".into(), limit: USERS as u64 });
    }
    check_range("roles", roles.len() as u64, 0, ROLES_PER_USER as u64)?;
    check_roles(state, intent, roles)?;
    let slave = slave.cloned();
    check_slave(slave.as_ref())?;
    let user = User {
        password: password.clone(),
        password_version: 1,
        roles: roles.clone(),
        disabled: false,
        slave,
        created: state.now,
    };
    Ok(vec![Event::UserPut { name: name.clone(), user }])
}

fn check_slave(slave: Option<&SlaveId>) -> Result<(), Refusal> {
    match slave {
        Some(slave) if !is_name(slave) => Err(Refusal::BadName { what: "slave".into(), name: slave.clone() }),
        Some(_) | None => Ok(()),
    }
}

fn edit_user(
    state: &State,
    intent: &Intent,
    name: &Name,
    roles: Option<&Set<Name>>,
    disabled: Option<bool>,
    slave: Option<&Option<SlaveId>>,
) -> Result<Vec<Event>, Refusal> {
    let before = known(state, name)?;
    check_not_above(state, intent, name, before)?;
    let mut user = before.clone();
    if let Some(roles) = roles {
        check_range("roles", roles.len() as u64, 0, ROLES_PER_USER as u64)?;
        check_roles(state, intent, roles.iter().filter(|role| !before.roles.contains(*role)))?;
        user.roles = roles.clone();
    }
    user.disabled = disabled.unwrap_or(before.disabled);
    if let Some(slave) = slave {
        user.slave = slave.clone();
        check_slave(user.slave.as_ref())?;
    }
    if user == *before {
        return Ok(vec![]);
    }
    if user.roles != before.roles || user.disabled != before.disabled {
        user.password_version += 1;
    }
    let events = vec![Event::UserPut { name: name.clone(), user }];
    check_managed_after(state, &events, name)?;
    Ok(events)
}

/// Refuses what would leave the cluster without an enabled user who may manage users; `culprit` would be the last.
pub(super) fn check_managed(after: &State, culprit: impl FnOnce() -> Name) -> Result<(), Refusal> {
    let left = after.users.keys().any(|name| has_right(after, name, Right::ManageUsers));
    if left { Ok(()) } else { Err(Refusal::LastAdministrator { user: culprit() }) }
}

fn check_managed_after(state: &State, events: &[Event], culprit: &Name) -> Result<(), Refusal> {
    let mut after = state.clone();
    events.iter().for_each(|event| evolve(&mut after, event));
    check_managed(&after, || culprit.clone())
}

/// A new password ends the user's logins, but for the one that asks.
fn change_password(state: &State, intent: &Intent, name: &Name, password: &Name) -> Result<Vec<Event>, Refusal> {
    let before = known(state, name)?;
    check_password(password)?;
    if *name != intent.actor.user {
        check_not_above(state, intent, name, before)?;
    }
    let user = User { password: password.clone(), password_version: before.password_version + 1, ..before.clone() };
    let asking = match intent.actor.credential {
        Credential::Token { id, .. } => Some(id),
        Credential::Password { .. } | Credential::System => None,
    };
    let mut events = vec![Event::UserPut { name: name.clone(), user }];
    let logins = tokens_of(state, name).filter(|token| token.kind != TokenKind::Api && Some(token.id) != asking);
    let ids: Vec<u64> = logins.map(|token| token.id).collect();
    if !ids.is_empty() {
        events.push(Event::TokensEnded { ids });
    }
    Ok(events)
}

fn tokens_of<'a>(state: &'a State, user: &Name) -> impl Iterator<Item = &'a Token> {
    let range = (user.clone(), 0)..=(user.clone(), u64::MAX);
    state.token_owners.range(range).filter_map(|(_, id)| state.tokens.get(id))
}

fn delete_user(state: &State, name: &Name) -> Result<Vec<Event>, Refusal> {
    known(state, name)?;
    let mut events = Vec::new();
    let ids: Vec<u64> = tokens_of(state, name).map(|token| token.id).collect();
    if !ids.is_empty() {
        events.push(Event::TokensEnded { ids });
    }
    events.push(Event::UserDeleted { name: name.clone() });
    check_managed_after(state, &events, name)?;
    Ok(events)
}

fn put_role(state: &State, intent: &Intent, name: &Name, rights: &Set<Right>) -> Result<Vec<Event>, Refusal> {
    check_name("role", name)?;
    check_within_own(state, &intent.actor, rights)?;
    match state.roles.get(name) {
        Some(role) if role.builtin => return Err(Refusal::RoleIsBuiltin { role: name.clone() }),
        Some(role) if role.rights == *rights => return Ok(vec![]),
        Some(role) => {
            check_within_own(state, &intent.actor, &role.rights)?;
            check_still_managed(state, name, rights)?;
        }
        None if state.roles.len() >= ROLES => {
            return Err(Refusal::TooMany { what: "roles".into(), limit: ROLES as u64 });
        }
        None => {}
    }
    Ok(vec![Event::RolePut { name: name.clone(), rights: rights.clone(), builtin: false }])
}

/// Refuses a role's change that would leave nobody who may manage users.
fn check_still_managed(state: &State, role: &Name, rights: &Set<Right>) -> Result<(), Refusal> {
    let mut after = state.clone();
    role_put(&mut after, role, rights, false);
    let holder = || state.users.iter().find(|(_, user)| user.roles.contains(role)).map(|(name, _)| name.clone());
    check_managed(&after, || holder().unwrap_or_default())
}

fn delete_role(state: &State, name: &Name) -> Result<Vec<Event>, Refusal> {
    let role = state.roles.get(name).ok_or_else(|| Refusal::NoSuchRole { role: name.clone() })?;
    if role.builtin {
        return Err(Refusal::RoleIsBuiltin { role: name.clone() });
    }
    if let Some((user, _)) = state.users.iter().find(|(_, user)| user.roles.contains(name)) {
        return Err(Refusal::RoleInUse { role: name.clone(), user: user.clone() });
    }
    if let Some((group, _)) = state.user_groups.iter().find(|(_, group)| group.roles.contains(name)) {
        return Err(Refusal::RoleInGroup { role: name.clone(), group: group.clone() });
    }
    Ok(vec![Event::RoleDeleted { name: name.clone() }])
}

/// A token that somebody wants.
struct Wanted<'a> {
    user: &'a Name,
    hash: Hash,
    kind: TokenKind,
    label: &'a Name,
    ttl_ms: u64,
}

fn create_token(state: &State, intent: &Intent, wanted: &Wanted<'_>) -> Result<Vec<Event>, Refusal> {
    let user = known(state, wanted.user)?;
    if *wanted.user != intent.actor.user {
        check_not_above(state, intent, wanted.user, user)?;
    }
    check_text("label", wanted.label, NAME_CHARS)?;
    check_range("ttl_ms", wanted.ttl_ms, 1_000, TOKEN_MS)?;
    if state.token_hashes.contains_key(&wanted.hash) {
        return Err(Refusal::BadName { what: "token hash".into(), name: Name::default() });
    }
    let expires = state.now.plus_ms(wanted.ttl_ms);
    let before = memory::token_of_key(state, intent).and_then(|id| state.tokens.get(&id));
    if let Some(before) = before.filter(|before| before.user == *wanted.user && before.expires > state.now) {
        let token = Token { version: before.version + 1, hash: wanted.hash, expires, ..before.clone() };
        return Ok(vec![Event::TokenPut { token }]);
    }
    if state.tokens.len() >= TOKENS {
        return Err(Refusal::TooMany { what: "tokens".into(), limit: TOKENS as u64 });
    }
    let mut events = Vec::new();
    // A seat's token goes with its seat, and seats have a limit of their own.
    if state.token_counts.get(wanted.user).is_some_and(|count| *count >= TOKENS_PER_USER) {
        let oldest = tokens_of(state, wanted.user).find(|token| token.kind == TokenKind::Session);
        let oldest = oldest.filter(|_| wanted.kind == TokenKind::Session);
        let Some(oldest) = oldest else {
            return Err(Refusal::TooMany { what: "tokens of one user".into(), limit: TOKENS_PER_USER as u64 });
        };
        events.push(Event::TokensEnded { ids: vec![oldest.id] });
    }
    let token = Token {
        id: state.next_token,
        version: 1,
        user: wanted.user.clone(),
        hash: wanted.hash,
        kind: wanted.kind,
        label: wanted.label.clone(),
        created: state.now,
        expires,
    };
    events.push(Event::TokenPut { token });
    Ok(events)
}

fn revoke_token(state: &State, id: u64) -> Result<Vec<Event>, Refusal> {
    if !state.tokens.contains_key(&id) {
        return Err(Refusal::NoSuchToken { id });
    }
    Ok(vec![Event::TokensEnded { ids: vec![id] }])
}

fn lock_out(state: &State, user: &Name, address: &Name, for_ms: u64) -> Result<Vec<Event>, Refusal> {
    check_text("user", user, NAME_CHARS)?;
    check_text("address", address, NAME_CHARS)?;
    check_range("for_ms", for_ms, 1, LOCK_MS)?;
    let known = state.locks.contains_key(&(user.clone(), address.clone()));
    if !known && state.locks.len() >= LOCKS {
        return Err(Refusal::TooMany { what: "lock-outs".into(), limit: LOCKS as u64 });
    }
    Ok(vec![Event::LockedOut { user: user.clone(), address: address.clone(), until: state.now.plus_ms(for_ms) }])
}

/// Whether a user is locked out from an address now.
#[must_use]
pub fn locked_until(state: &State, user: &Name, address: &Name) -> Option<Moment> {
    state.locks.get(&(user.clone(), address.clone())).copied().filter(|until| *until > state.now)
}

pub(super) fn user_put(state: &mut State, name: &Name, user: &User) {
    account_license::recount(state, std::slice::from_ref(name), |state| {
        state.users.insert(name.clone(), user.clone());
    });
}

pub(super) fn user_deleted(state: &mut State, name: &Name) {
    account_license::recount(state, std::slice::from_ref(name), |state| {
        state.users.remove(name);
    });
    user_group::user_gone(state, name);
    seat::user_gone(state, name);
}

pub(super) fn token_put(state: &mut State, token: &Token) {
    if let Some(before) = state.tokens.insert(token.id, token.clone()) {
        state.token_hashes.remove(&before.hash);
        state.token_deadlines.remove(&(before.expires, before.id));
    } else {
        count_token(state, token, true);
    }
    state.next_token = state.next_token.max(token.id + 1);
    state.token_hashes.insert(token.hash, token.id);
    state.token_deadlines.insert((token.expires, token.id));
    state.token_owners.insert((token.user.clone(), token.id));
}

/// Counts a user's token in or out. A seat's is not counted: it goes with its seat.
pub(super) fn count_token(state: &mut State, token: &Token, comes: bool) {
    if token.kind == TokenKind::Seat {
        return;
    }
    let count = state.token_counts.get(&token.user).copied().unwrap_or(0);
    let count = if comes { count + 1 } else { count.saturating_sub(1) };
    if count == 0 {
        state.token_counts.remove(&token.user);
    } else {
        state.token_counts.insert(token.user.clone(), count);
    }
}

pub(super) fn tokens_ended(state: &mut State, ids: &[u64]) {
    for id in ids {
        let Some(token) = state.tokens.remove(id) else { continue };
        state.token_hashes.remove(&token.hash);
        state.token_deadlines.remove(&(token.expires, token.id));
        state.token_owners.remove(&(token.user.clone(), token.id));
        count_token(state, &token, false);
    }
}

/// Anybody may have the role, so that accounts are counted anew; nobody has one that was not there before.
pub(super) fn role_put(state: &mut State, name: &Name, rights: &Set<Right>, builtin: bool) {
    let before = state.roles.insert(name.clone(), Role { rights: rights.clone(), builtin });
    if before.is_some() {
        state.account_seats_taken = account_license::counted(state);
    }
}

pub(super) fn locked_out(state: &mut State, user: &Name, address: &Name, until: Moment) {
    if let Some(before) = state.locks.insert((user.clone(), address.clone()), until) {
        state.lock_deadlines.remove(&(before, user.clone(), address.clone()));
    }
    state.lock_deadlines.insert((until, user.clone(), address.clone()));
}

pub(super) fn locks_ended(state: &mut State, locks: &[(Name, Name)]) {
    for (user, address) in locks {
        if let Some(until) = state.locks.remove(&(user.clone(), address.clone())) {
            state.lock_deadlines.remove(&(until, user.clone(), address.clone()));
        }
    }
}
