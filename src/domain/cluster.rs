//! A cluster's beginning.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::intent::Command;
use super::license::BuiltinGrant;
use super::name::{Name, Set, check_name};
use super::node::NodeAddress;
use super::refusal::Refusal;
use super::settings::Settings;
use super::state::{NEWEST_RULES, State};
use super::time::{Calendar, Stamp};
use super::user::{Right, User};

/// The first command of every log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitCluster {
    /// A fresh UUID.
    pub cluster_id: Name,
    /// What people call the cluster.
    pub name: Name,
    /// The zone of its license day.
    pub zone: Name,
    /// The first node; its id is 1.
    pub node: NodeAddress,
    /// The first administrator's name.
    pub admin: Name,
    /// Its password's argon2id hash in PHC form.
    pub password: Name,
}

/// The first rules under which built-in roles are kept up, and roles and groups make nobody an ordinary account whom no
/// account seat is left for.
pub const ROLES_KEPT_UP: u32 = 2;

/// The roles that come with a cluster.
pub const ADMIN_ROLE: &str = "admin";

/// Names and rights of the built-in roles.
#[must_use]
pub fn builtin_roles() -> [(&'static str, Vec<Right>); 6] {
    [
        (ADMIN_ROLE, Right::ALL.to_vec()),
        (
            "operator",
            vec![
                Right::View,
                Right::EditPools,
                Right::InstallLicenses,
                Right::ReadLicenseText,
                Right::ReadJournal,
                Right::ReadMetrics,
                Right::TakeSeats,
                Right::ManageSeats,
            ],
        ),
        ("auditor", vec![Right::View, Right::ReadJournal, Right::ReadMetrics]),
        ("viewer", vec![Right::View]),
        ("reporter", vec![Right::ReportUsage]),
        ("seat_holder", vec![Right::TakeSeats]),
    ]
}

/// The group that a new cluster begins with, so that the first bought license counts at once.
const FIRST_GROUP: &str = "Enterprise";
/// Longest password hash in PHC form.
const PHC_CHARS: usize = 512;

/// Begins a cluster: its first node, the built-in roles, its first administrator.
pub(super) fn init(state: &State, stamp: &Stamp, init: &InitCluster) -> Result<Vec<Event>, Refusal> {
    check_name("cluster id", &init.cluster_id)?;
    check_name("cluster", &init.name)?;
    check_name("user", &init.admin)?;
    if init.password.is_empty() || init.password.len() > PHC_CHARS {
        return Err(Refusal::BadName { what: "password hash".into(), name: "".into() });
    }
    let mut events = vec![Event::ClusterInitialized {
        cluster_id: init.cluster_id.clone(),
        name: init.name.clone(),
        settings: Settings::new(init.zone.clone()),
        calendar: stamp.calendar,
        rules: NEWEST_RULES,
    }];
    events.push(Event::NodeJoined { node: 1, address: init.node.clone() });
    for (name, rights) in builtin_roles() {
        events.push(Event::RolePut { name: name.into(), rights: rights.into_iter().collect(), builtin: true });
    }
    let user = User {
        password: init.password.clone(),
        password_version: 1,
        roles: Set::unit(ADMIN_ROLE.into()),
        disabled: false,
        slave: None,
        created: state.now,
    };
    events.push(Event::UserPut { name: init.admin.clone(), user });
    events.push(Event::GroupActivated { group: FIRST_GROUP.into() });
    Ok(events)
}

/// What a new cluster asks for itself once it has begun: the grants that products make when they first start. Commands
/// of their own, so that what [`InitCluster`] decides never changes.
#[must_use]
pub fn beginning() -> Vec<Command> {
    vec![Command::GrantBuiltin { grant: BuiltinGrant::ElasticBasic }]
}

pub(super) fn initialized(
    state: &mut State,
    cluster_id: &Name,
    name: &Name,
    settings: &Settings,
    calendar: &Calendar,
    rules: u32,
) {
    state.cluster_id = cluster_id.clone();
    state.cluster_name = name.clone();
    state.settings = settings.clone();
    state.calendar = *calendar;
    state.rules = rules;
    state.next_pool = 1;
    state.next_token = 1;
    state.next_node = 1;
}

/// Newer rules, when the operator says so (docs/adr/0004). A cluster that began with older ones then gets what came with
/// the newer ones: the built-in roles have the rights that a new cluster's have.
pub(super) fn adopt(state: &State, rules: u32) -> Result<Vec<Event>, Refusal> {
    if rules < state.rules || rules > NEWEST_RULES {
        return Err(Refusal::RulesUnknown { asked: rules, current: state.rules, newest: NEWEST_RULES });
    }
    if rules == state.rules {
        return Ok(vec![]);
    }
    let mut events = vec![Event::RulesAdopted { rules }];
    if rules >= ROLES_KEPT_UP {
        let of_today = builtin_roles().map(|(name, rights)| (Name::from(name), rights.into_iter().collect()));
        let grown = of_today.into_iter().filter_map(|(name, rights)| grown(state, name, rights));
        events.extend(grown.map(|(name, rights)| Event::RolePut { name, rights, builtin: true }));
    }
    Ok(events)
}

/// A built-in role with what it lacks. Nothing is taken away, and a role of that name that somebody made stays theirs.
fn grown(state: &State, name: Name, rights: Set<Right>) -> Option<(Name, Set<Right>)> {
    match state.roles.get(&name) {
        Some(role) if !role.builtin || rights.is_subset(&role.rights) => None,
        Some(role) => Some((name, rights.union(role.rights.clone()))),
        None => Some((name, rights)),
    }
}
