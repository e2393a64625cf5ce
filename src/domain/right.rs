//! Who may ask for what: one table from command to right; what it does not name is refused.

use super::account_license;
use super::intent::{Command, Intent};
use super::name::{Name, Set};
use super::node::NodeCommand;
use super::refusal::Refusal;
use super::seat::SeatCommand;
use super::state::State;
use super::user::{Actor, Credential, Right, Role, User, UserCommand};
use super::work::{self, WorkCommand};

/// What a command needs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Needs {
    /// That a node asks on the cluster's own behalf.
    System,
    /// A right, or that a node asks.
    RightOrSystem(Right),
    /// A right.
    Right(Right),
    /// To be this user, or a right.
    Self_(Name, Right),
}

fn needs(state: &State, command: &Command) -> Needs {
    match command {
        Command::InitCluster(_) | Command::Node(NodeCommand::Join(_)) => Needs::System,
        Command::Mark | Command::Node(NodeCommand::Remove { .. }) => Needs::RightOrSystem(Right::ManageCluster),
        Command::ChangeSettings(_) | Command::AdoptRules { .. } | Command::Ticket(_) | Command::SetPolicy { .. } => {
            Needs::Right(Right::ManageCluster)
        }
        Command::TrustKey(_) | Command::DistrustKey { .. } => Needs::Right(Right::ManageTrust),
        Command::InstallLicense(_)
        | Command::RemoveLicense { .. }
        | Command::ReplaceLicense(_)
        | Command::StartGrant(_)
        | Command::RevokeLicense { .. } => Needs::Right(Right::InstallLicenses),
        Command::GrantBuiltin { .. } => Needs::RightOrSystem(Right::InstallLicenses),
        Command::ActivateGroup { .. }
        | Command::CreatePool(_)
        | Command::EditPool(_)
        | Command::DeletePool { .. }
        | Command::EditSlave(_)
        | Command::ForgetSlave { .. } => Needs::Right(Right::EditPools),
        Command::ReportUsage { .. } => Needs::Right(Right::ReportUsage),
        Command::User(command) => needs_of_user(state, command),
        Command::Seat(command) => needs_of_seat(state, command),
        Command::Work(command) => needs_of_work(state, command),
    }
}

fn needs_of_user(state: &State, command: &UserCommand) -> Needs {
    match command {
        UserCommand::CreateUser { .. }
        | UserCommand::EditUser { .. }
        | UserCommand::DeleteUser { .. }
        | UserCommand::PutRole { .. }
        | UserCommand::DeleteRole { .. }
        | UserCommand::PutUserGroup { .. }
        | UserCommand::EditUserGroup { .. }
        | UserCommand::DeleteUserGroup { .. } => Needs::Right(Right::ManageUsers),
        UserCommand::ChangePassword { name, .. } => Needs::Self_(name.clone(), Right::ManageUsers),
        UserCommand::CreateToken { user, .. } => Needs::Self_(user.clone(), Right::ManageUsers),
        UserCommand::RevokeToken { id } => match state.tokens.get(id) {
            Some(token) => Needs::Self_(token.user.clone(), Right::ManageUsers),
            None => Needs::Right(Right::ManageUsers),
        },
        UserCommand::LockOut { .. } => Needs::System,
    }
}

fn needs_of_seat(state: &State, command: &SeatCommand) -> Needs {
    match command {
        SeatCommand::Checkout(_)
        | SeatCommand::Beat { .. }
        | SeatCommand::Claim { .. }
        | SeatCommand::Borrow { .. } => Needs::Right(Right::TakeSeats),
        // Whoever may take no more seats may still give back what they hold.
        SeatCommand::Return { id } => match state.seats.holder_of(*id) {
            Some(user) => Needs::Self_(user.clone(), Right::TakeSeats),
            None => Needs::Right(Right::TakeSeats),
        },
        SeatCommand::Release { .. } | SeatCommand::Reserve { .. } | SeatCommand::SetRules { .. } => {
            Needs::Right(Right::ManageSeats)
        }
    }
}

/// Whoever may take no more seats may still stop what runs on theirs, and give it back.
fn needs_of_work(state: &State, command: &WorkCommand) -> Needs {
    let holder = match command {
        WorkCommand::Ask(_) => None,
        WorkCommand::Cancel { key } => state.works.by_key(key).map(|work| &work.user),
        WorkCommand::Close { session, .. } => state.seats.holder_of(*session),
    };
    holder.map_or(Needs::Right(Right::TakeSeats), |user| Needs::Self_(user.clone(), Right::TakeSeats))
}

/// Whether the credential that the answering node verified is still good, by now and by this log.
pub(super) fn check_credential(state: &State, intent: &Intent) -> Result<(), Refusal> {
    let init = matches!(intent.command, Command::InitCluster(_));
    let initialized = !state.cluster_id.is_empty();
    if init == initialized {
        return Err(Refusal::ClusterState { initialized });
    }
    let good = match intent.actor.credential {
        Credential::System => true,
        Credential::Password { version } => {
            live_user(state, &intent.actor.user).is_some_and(|user| user.password_version == version)
        }
        Credential::Token { id, version } => {
            live_user(state, &intent.actor.user).is_some()
                && state.tokens.get(&id).is_some_and(|token| {
                    token.version == version && token.user == intent.actor.user && token.expires > state.now
                })
                && !work::is_closing(state, intent.actor.credential)
        }
    };
    if good { Ok(()) } else { Err(Refusal::CredentialStale) }
}

/// Whether the actor may ask for this.
pub(super) fn check(state: &State, intent: &Intent) -> Result<(), Refusal> {
    let actor = &intent.actor;
    let system = actor.credential == Credential::System;
    match needs(state, &intent.command) {
        Needs::System if system => Ok(()),
        Needs::System => Err(Refusal::NotAllowed { needs: Right::ManageCluster }),
        Needs::RightOrSystem(_) if system => Ok(()),
        Needs::Self_(name, _) if !system && name == actor.user => Ok(()),
        Needs::RightOrSystem(right) | Needs::Right(right) | Needs::Self_(_, right) => {
            let has = !system && has_right(state, &actor.user, right);
            if has { Ok(()) } else { Err(Refusal::NotAllowed { needs: right }) }
        }
    }
}

/// The account, unless it is disabled or shut out by a license that ended.
#[must_use]
pub fn live_user<'a>(state: &'a State, name: &str) -> Option<&'a User> {
    state.users.get(name).filter(|user| !user.disabled && !account_license::is_shut_out(state, name, user))
}

/// The roles of an account: its own, and those of its groups.
pub(super) fn roles_of<'a>(state: &'a State, name: &'a str, user: &'a User) -> impl Iterator<Item = &'a Role> {
    let groups = state.groups_of.get(name).into_iter().flatten();
    let shared = groups.filter_map(|group| state.user_groups.get(group)).flat_map(|group| group.roles.iter());
    user.roles.iter().chain(shared).filter_map(|role| state.roles.get(role))
}

/// What an account may do: the rights of all its roles.
#[must_use]
pub fn rights_of(state: &State, name: &str, user: &User) -> Set<Right> {
    roles_of(state, name, user).map(|role| role.rights.clone()).reduce(Set::union).unwrap_or_default()
}

/// Whether a user has a right now.
#[must_use]
pub fn has_right(state: &State, name: &str, right: Right) -> bool {
    live_user(state, name).is_some_and(|user| roles_of(state, name, user).any(|role| role.rights.contains(&right)))
}

/// Refuses rights that the actor does not have: nobody can give more than they have.
pub(super) fn check_within_own<'a>(
    state: &State,
    actor: &Actor,
    rights: impl IntoIterator<Item = &'a Right>,
) -> Result<(), Refusal> {
    match rights.into_iter().find(|right| !has_right(state, &actor.user, **right)) {
        Some(&right) => Err(Refusal::RightBeyondOwn { right }),
        None => Ok(()),
    }
}
