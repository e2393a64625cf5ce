//! The rules: what may happen, and what follows from it.
//!
//! No clock, randomness, I/O, async, floats, hash-map order or vendor's words in here: the same log gives the same
//! state on every node, today and when it is replayed in ten years.

// a new variant must stop the build wherever it is decided upon
#![warn(clippy::wildcard_enum_match_arm)]

pub mod account;
pub mod account_license;
pub mod apply;
mod builtin;
pub mod checkpoint;
pub mod cluster;
pub mod current;
pub mod day;
pub mod deadline;
pub mod event;
mod hints;
pub mod intent;
pub mod license;
pub mod memory;
pub mod name;
pub mod node;
pub mod placement;
pub mod policy;
pub mod pool;
pub mod record;
pub mod refusal;
mod report;
pub mod revocation;
pub mod right;
pub mod seat;
mod sequence;
pub mod settings;
pub mod slave;
pub mod slaves;
pub mod stack;
pub mod state;
pub mod term;
pub mod time;
pub mod trust;
pub mod usage;
pub mod user;
pub mod user_group;
pub mod warning;
pub mod work;

use event::Event;
use intent::{Command, CommandKind, Intent};
use node::{NodeCommand, TicketCommand};
use refusal::Refusal;
use state::State;
use time::Stamp;

/// What time alone brings about up to `stamp`: at most `budget` deadlines, and of what kind they are. Call again until
/// it is empty or the budget is spent. Deadlines that are overdue but not yet recorded already count in [`decide`].
#[must_use]
pub fn pass_time(state: &State, stamp: &Stamp, budget: usize) -> Option<(CommandKind, Vec<Event>)> {
    deadline::next(state, stamp, budget)
}

/// Decides what an intent brings about, for an actor who may ask for it. Reads everything, changes nothing.
///
/// # Errors
/// When a rule says no.
pub fn decide(state: &State, stamp: &Stamp, intent: &Intent) -> Result<Vec<Event>, Refusal> {
    let actor = &intent.actor;
    match &intent.command {
        Command::InitCluster(init) => cluster::init(state, stamp, init),
        Command::ChangeSettings(change) => settings::change(state, change),
        Command::AdoptRules { rules } => cluster::adopt(state, *rules),
        Command::TrustKey(key) => trust::trust(state, key),
        Command::DistrustKey { key } => trust::distrust(state, key),
        Command::InstallLicense(license) => license::install(state, license),
        Command::RemoveLicense { license } => license::remove(state, license),
        Command::GrantBuiltin { grant } => license::grant(state, *grant),
        Command::ActivateGroup { group } => stack::activate(state, group),
        Command::CreatePool(create) => pool::create(state, create),
        Command::EditPool(edit) => pool::edit(state, edit),
        Command::DeletePool { pool } => pool::delete(state, pool),
        Command::ReportUsage { reports } => usage::report(state, actor, reports),
        Command::EditSlave(edit) => slave::edit(state, edit),
        Command::ForgetSlave { slave } => slave::forget(state, slave),
        Command::User(command) => account::decide(state, intent, command),
        Command::Ticket(TicketCommand::Create(create)) => node::create_ticket(state, create),
        Command::Ticket(TicketCommand::Revoke { node }) => node::revoke_ticket(state, *node),
        Command::Node(NodeCommand::Join(join)) => node::join(state, join),
        Command::Node(NodeCommand::Remove { node }) => node::remove(state, *node),
        Command::Mark => Ok(vec![Event::StateMarked]),
        Command::Seat(command) => seat::decide(state, stamp, intent, command),
        Command::Work(command) => work::decide(state, actor, command),
        Command::ReplaceLicense(wish) => current::replace(state, wish),
        Command::StartGrant(wish) => current::start(state, wish),
        Command::RevokeLicense { license, series } => revocation::revoke(state, license, *series),
        Command::SetPolicy { policy, choice } => policy::set(state, *policy, *choice),
    }
}

/// Folds one fact into the state, which stands at the moment of its record. Never refuses: the decision was taken when
/// the event was written.
pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::ClusterInitialized { cluster_id, name, settings, calendar, rules } => {
            cluster::initialized(state, cluster_id, name, settings, calendar, *rules);
        }
        Event::SettingsChanged { settings } => state.settings = settings.clone(),
        Event::RulesAdopted { rules } => state.rules = *rules,
        Event::KeyTrusted { key } => trust::trusted(state, key),
        Event::KeyDistrusted { key } => trust::distrusted(state, key),
        Event::LicenseInstalled { license } => license::installed(state, license),
        Event::LicenseRemoved { license } => license::removed(state, license),
        Event::LicenseStarted { license } => license::started(state, license),
        Event::LicenseExpired { license } => license::expired(state, license),
        Event::WarningsReset { stack, through } => stack::warnings_reset(state, stack, *through),
        Event::GroupActivated { group } => stack::activated(state, group),
        Event::PoolCreated { uid, name, stack, quota, members, description, fixed } => {
            let fresh = pool::Fresh { uid: *uid, name, stack, quota: *quota, members, description, fixed: *fixed };
            pool::created(state, &fresh);
        }
        Event::PoolEdited { name, quota, members, description } => {
            pool::edited(state, name, *quota, members, description)
        }
        Event::PoolDeleted { name } => pool::deleted(state, name),
        Event::ReportJudged(judged) => usage::judged(state, judged),
        Event::GapClosed { slave, epoch, range } => usage::gap_closed(state, slave, epoch, *range),
        Event::EpochClosed { slave, epoch } => usage::epoch_closed(state, slave, epoch),
        Event::DayClosed(closed) => {
            day::closed(state, closed);
            seat::day_closed(state, closed.calendar.today);
        }
        Event::CalendarChanged { calendar } => state.calendar = *calendar,
        Event::SlaveEdited { slave, label } => slave::edited(state, slave, label),
        Event::SlaveForgotten { slave } => slave::forgotten(state, slave),
        Event::UserPut { name, user } => account::user_put(state, name, user),
        Event::UserDeleted { name } => account::user_deleted(state, name),
        Event::RolePut { name, rights, builtin } => account::role_put(state, name, rights, *builtin),
        Event::RoleDeleted { name } => {
            state.roles.remove(name);
        }
        Event::TokenPut { token } => account::token_put(state, token),
        Event::TokensEnded { ids } => {
            account::tokens_ended(state, ids);
            seat::tokens_ended(state, ids);
        }
        Event::LockedOut { user, address, until } => account::locked_out(state, user, address, *until),
        Event::LocksEnded { locks } => account::locks_ended(state, locks),
        Event::TicketCreated { ticket } => node::ticket_created(state, ticket),
        Event::TicketsEnded { nodes } => node::tickets_ended(state, nodes),
        Event::NodeJoined { node, address } => node::joined(state, *node, address),
        Event::NodeRemoved { node } => node::removed(state, *node),
        Event::StateMarked => {}
        Event::Seat(event) => seat::evolve(state, event),
        Event::UserGroupPut { name, roles } => user_group::put_roles(state, name, roles),
        Event::UserGroupMembers { name, joined, left } => user_group::members_moved(state, name, joined, left),
        Event::UserGroupDeleted { name } => user_group::deleted(state, name),
        Event::Work(event) => work::evolve(state, event),
        Event::LicenseRevoked { license, series } => revocation::revoked(state, license, series.as_ref()),
        Event::PolicySet { policy, choice } => {
            state.policies.insert(*policy, *choice);
        }
    }
    warning::follow(state, event);
}
