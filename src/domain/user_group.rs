//! Groups of users: who belongs together, and which roles they share. Not to be mixed up with license groups.
//!
//! A group says two things: its members have its roles besides their own, and rules that name people may name it.

use serde::{Deserialize, Serialize};

use super::account::{self, ROLES_PER_USER, USERS};
use super::account_license;
use super::event::Event;
use super::intent::Intent;
use super::name::{Name, Set, check_name, check_range};
use super::refusal::Refusal;
use super::right::{check_within_own, rights_of};
use super::state::State;

/// Most groups.
pub const GROUPS: usize = 1_000;
/// Most members of a group: each is visited when the group is deleted.
pub const MEMBERS: usize = 5_000;
/// Most groups that one user is in: each is looked at when the user's rights are.
const GROUPS_PER_USER: usize = 100;
/// Most members that one command takes in or out: each one's rights are compared with the actor's.
pub const CHANGES: usize = 1_000;
// A membership change looks at every member and at every user that may manage users; both stay within these.
const _: () = assert!(MEMBERS <= USERS);

/// A group of users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserGroup {
    /// Roles that its members have besides their own.
    pub roles: Set<Name>,
    /// Users in it.
    pub members: Set<Name>,
}

/// Creates a group, or makes it this.
pub(super) fn put(
    state: &State,
    intent: &Intent,
    name: &Name,
    roles: &Set<Name>,
    members: &Set<Name>,
) -> Result<Vec<Event>, Refusal> {
    check_name("user group", name)?;
    check_range("roles", roles.len() as u64, 0, ROLES_PER_USER as u64)?;
    let known = state.user_groups.get(name);
    if known.is_none() && state.user_groups.len() >= GROUPS {
        return Err(Refusal::TooMany { what: "user groups".into(), limit: GROUPS as u64 });
    }
    let before = known.cloned().unwrap_or_default();
    account::check_roles(state, intent, &before.roles)?;
    account::check_roles(state, intent, roles)?;
    let mut events = Vec::new();
    if known.is_none() || before.roles != *roles {
        events.push(Event::UserGroupPut { name: name.clone(), roles: roles.clone() });
    }
    let joined = members.iter().filter(|member| !before.members.contains(*member)).cloned().collect();
    let left = before.members.iter().filter(|member| !members.contains(*member)).cloned().collect();
    events.extend(moved(state, intent, name, Moved { joined, left, had: before.members.len() })?);
    check_managed(state, name, Some((roles, &events)))?;
    Ok(events)
}

/// Takes users into a group and out of it.
pub(super) fn edit(
    state: &State,
    intent: &Intent,
    name: &Name,
    add: &Set<Name>,
    remove: &Set<Name>,
) -> Result<Vec<Event>, Refusal> {
    let group = known(state, name)?;
    account::check_roles(state, intent, &group.roles)?;
    let joined = add.iter().filter(|user| !group.members.contains(*user) && !remove.contains(*user)).cloned().collect();
    let left = remove.iter().filter(|user| group.members.contains(*user)).cloned().collect();
    let events: Vec<Event> =
        moved(state, intent, name, Moved { joined, left, had: group.members.len() })?.into_iter().collect();
    check_managed(state, name, Some((&group.roles, &events)))?;
    Ok(events)
}

/// Deletes a group; its members stay.
pub(super) fn delete(state: &State, intent: &Intent, name: &Name) -> Result<Vec<Event>, Refusal> {
    let group = known(state, name)?;
    account::check_roles(state, intent, &group.roles)?;
    check_managed(state, name, None)?;
    Ok(vec![Event::UserGroupDeleted { name: name.clone() }])
}

fn known<'a>(state: &'a State, name: &Name) -> Result<&'a UserGroup, Refusal> {
    state.user_groups.get(name).ok_or_else(|| Refusal::NoSuchUserGroup { group: name.clone() })
}

/// Who comes and who goes.
struct Moved {
    joined: Vec<Name>,
    left: Vec<Name>,
    had: usize,
}

/// The change of members, if there is one and the actor may make it: nobody moves who may do more than the actor.
fn moved(state: &State, intent: &Intent, name: &Name, moved: Moved) -> Result<Option<Event>, Refusal> {
    let Moved { joined, left, had } = moved;
    check_range("changed members", (joined.len() + left.len()) as u64, 0, CHANGES as u64)?;
    check_range("members", (had + joined.len() - left.len()) as u64, 0, MEMBERS as u64)?;
    for user in joined.iter().chain(&left) {
        let account = state.users.get(user).ok_or_else(|| Refusal::NoSuchUser { user: user.clone() })?;
        check_within_own(state, &intent.actor, &rights_of(state, user, account))?;
    }
    for user in &joined {
        let groups = state.groups_of.get(user).map_or(0, Set::len);
        check_range("groups of a user", groups as u64 + 1, 0, GROUPS_PER_USER as u64)?;
    }
    let any = !joined.is_empty() || !left.is_empty();
    Ok(any.then(|| Event::UserGroupMembers { name: name.clone(), joined, left }))
}

/// Refuses a change of a group that would leave nobody who may manage users; `None` deletes it.
fn check_managed(state: &State, name: &Name, change: Option<(&Set<Name>, &[Event])>) -> Result<(), Refusal> {
    let mut after = state.clone();
    match change {
        // Memberships that lead to no group lead to no role: none of its members need be visited.
        None => drop(after.user_groups.remove(name)),
        Some((roles, events)) => {
            put_roles(&mut after, name, roles);
            events.iter().for_each(|event| super::evolve(&mut after, event));
        }
    }
    account::check_managed(&after, || {
        state.user_groups.get(name).and_then(|group| group.members.get_min()).cloned().unwrap_or_default()
    })
}

pub(super) fn put_roles(state: &mut State, name: &Name, roles: &Set<Name>) {
    let members: Vec<Name> = state.user_groups.get(name).into_iter().flat_map(|group| group.members.clone()).collect();
    account_license::recount(state, &members, |state| {
        state.user_groups.entry(name.clone()).or_default().roles = roles.clone();
    });
}

pub(super) fn members_moved(state: &mut State, name: &Name, joined: &[Name], left: &[Name]) {
    account_license::recount(state, &[joined, left].concat(), |state| {
        let group = state.user_groups.get_mut(name).expect("a group whose members change was put before");
        for user in joined {
            group.members.insert(user.clone());
            state.groups_of.entry(user.clone()).or_default().insert(name.clone());
        }
        for user in left {
            group.members.remove(user);
            leave(&mut state.groups_of, user, name);
        }
    });
}

pub(super) fn deleted(state: &mut State, name: &Name) {
    let group = state.user_groups.get(name).expect("a deleted group was put before");
    let members: Vec<Name> = group.members.iter().cloned().collect();
    account_license::recount(state, &members, |state| {
        state.user_groups.remove(name);
        members.iter().for_each(|user| leave(&mut state.groups_of, user, name));
    });
}

/// What is left of the groups of a user that is gone.
pub(super) fn user_gone(state: &mut State, user: &Name) {
    for name in state.groups_of.remove(user).unwrap_or_default() {
        if let Some(group) = state.user_groups.get_mut(&name) {
            group.members.remove(user);
        }
    }
}

fn leave(groups_of: &mut super::name::Map<Name, Set<Name>>, user: &Name, name: &Name) {
    let Some(groups) = groups_of.get_mut(user) else { return };
    groups.remove(name);
    if groups.is_empty() {
        groups_of.remove(user);
    }
}
