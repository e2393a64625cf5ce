//! What somebody wants: the only thing that goes into the log. It is decided when it is applied (docs/adr/0001).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::current::{ReplaceLicense, StartGrant};
use super::license::{License, LicenseId};
use super::name::{Hash, Name};
use super::node::{NodeCommand, TicketCommand};
use super::policy::{Choice, Policy};
use super::pool::{CreatePool, EditPool};
use super::seat::SeatCommand;
use super::settings::ChangeSettings;
use super::slave::{EditSlave, Report};
use super::trust::TrustedKey;
use super::user::{Actor, UserCommand};
use super::work::WorkCommand;
use crate::codec;

/// Names one intent for ever: which node took it, in which run of that node, and its number in that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntentId {
    /// The answering node's id.
    pub node: u64,
    /// A random number drawn when that node started, so that a restart never repeats an id.
    pub run: u64,
    /// Counts up from 0 within the run.
    pub number: u64,
}

impl IntentId {
    /// What records of time passing carry: no intent asked for them.
    pub const NONE: IntentId = IntentId { node: 0, run: 0, number: 0 };
}

/// A caller's promise that two requests with this key are the same request (`Idempotency-Key`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// As the caller wrote it; its scope is the actor's user.
    pub key: Name,
    /// SHA-256 over method, path and body; the same key with another hash is refused.
    pub body: Hash,
}

/// One thing that somebody wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Lets the answering node propose it again without doing it twice.
    pub id: IntentId,
    /// Who wants it, and by which credential.
    pub actor: Actor,
    /// The caller's own key, if it gave one.
    pub key: Option<IdempotencyKey>,
    /// What is wanted.
    pub command: Command,
}

/// Everything that can be asked of the cluster. Grows only at the end (decision 4): a stored variant keeps its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The first entry of a cluster's log: its identity, its first node and its first administrator.
    InitCluster(super::cluster::InitCluster),
    /// Changes cluster settings; absent fields stay.
    ChangeSettings(ChangeSettings),
    /// Makes newer rules the ones that decide from here on (`cluster upgrade --finalize`).
    AdoptRules {
        /// The rules' number.
        rules: u32,
    },
    /// Trusts an issuer's public key. The highest right.
    TrustKey(TrustedKey),
    /// Trusts a key no longer; licenses signed by it stop counting.
    DistrustKey {
        /// The key's id.
        key: Name,
    },
    /// Installs a license whose signature the answering node has verified under `license.key`.
    InstallLicense(Box<License>),
    /// Removes an installed license.
    RemoveLicense {
        /// Its content hash.
        license: LicenseId,
    },
    /// Makes a license without an issuer: Splunk's free, forwarder and trial (decision 6).
    GrantBuiltin {
        /// Which of them.
        grant: super::license::BuiltinGrant,
    },
    /// Makes a group the active one.
    ActivateGroup {
        /// Its name, in any case.
        group: Name,
    },
    /// Creates a pool.
    CreatePool(CreatePool),
    /// Changes a pool; absent fields stay.
    EditPool(EditPool),
    /// Deletes a pool.
    DeletePool {
        /// Its name.
        pool: Name,
    },
    /// Reports of one or many slaves, counted in order.
    ReportUsage {
        /// At most [`super::slave::REPORTS_PER_INTENT`].
        reports: Vec<Report>,
    },
    /// Changes what an operator may say about a slave.
    EditSlave(EditSlave),
    /// Forgets a slave that will not come back; its bytes stay in the days' totals.
    ForgetSlave {
        /// Its GUID.
        slave: Name,
    },
    /// Users, roles and tokens.
    User(UserCommand),
    /// One-time tickets for joining.
    Ticket(TicketCommand),
    /// Nodes that join and leave.
    Node(NodeCommand),
    /// Asks every node for the digest of its state at this position, so that they can be compared.
    Mark,
    /// Seats: taken, kept, given back, reserved.
    Seat(SeatCommand),
    /// Work on seats: asked for, stopped, waited for.
    Work(WorkCommand),
    /// Chooses one of a policy's words for the whole cluster.
    SetPolicy {
        /// Which policy.
        policy: Policy,
        /// The word.
        choice: Choice,
    },
    /// Installs a license of a product that has one at a time, in place of the one in force.
    ReplaceLicense(ReplaceLicense),
    /// Makes one of the grants that replace the license in force.
    StartGrant(StartGrant),
    /// Revokes a license for ever; an installed one goes.
    RevokeLicense {
        /// Its content hash.
        license: LicenseId,
        /// Every issue of it, too, by its issuer's id.
        series: bool,
    },
}

/// What kind of command a record answers. Fixes its chain (decision 10). Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CommandKind {
    /// Time alone: expiries.
    PassTime,
    /// Time alone: a license day ended.
    CloseDay,
    /// [`Command::InitCluster`]
    InitCluster,
    /// [`Command::ChangeSettings`]
    ChangeSettings,
    /// [`Command::AdoptRules`]
    AdoptRules,
    /// [`Command::TrustKey`]
    TrustKey,
    /// [`Command::DistrustKey`]
    DistrustKey,
    /// [`Command::InstallLicense`]
    InstallLicense,
    /// [`Command::RemoveLicense`]
    RemoveLicense,
    /// [`Command::GrantBuiltin`]
    GrantBuiltin,
    /// [`Command::ActivateGroup`]
    ActivateGroup,
    /// [`Command::CreatePool`]
    CreatePool,
    /// [`Command::EditPool`]
    EditPool,
    /// [`Command::DeletePool`]
    DeletePool,
    /// [`Command::ReportUsage`]
    ReportUsage,
    /// [`Command::EditSlave`]
    EditSlave,
    /// [`Command::ForgetSlave`]
    ForgetSlave,
    /// [`UserCommand::CreateUser`]
    CreateUser,
    /// [`UserCommand::EditUser`]
    EditUser,
    /// [`UserCommand::ChangePassword`]
    ChangePassword,
    /// [`UserCommand::DeleteUser`]
    DeleteUser,
    /// [`UserCommand::PutRole`]
    PutRole,
    /// [`UserCommand::DeleteRole`]
    DeleteRole,
    /// [`UserCommand::CreateToken`]
    CreateToken,
    /// [`UserCommand::RevokeToken`]
    RevokeToken,
    /// [`UserCommand::LockOut`]
    LockOut,
    /// [`TicketCommand::Create`]
    CreateTicket,
    /// [`TicketCommand::Revoke`]
    RevokeTicket,
    /// [`NodeCommand::Join`]
    JoinNode,
    /// [`NodeCommand::Remove`]
    RemoveNode,
    /// [`Command::Mark`]
    Mark,
    /// A license began or ended.
    ExpireLicense,
    /// [`SeatCommand::Checkout`]
    TakeSeat,
    /// [`SeatCommand::Beat`]
    KeepSeat,
    /// [`SeatCommand::Claim`]
    ClaimSeat,
    /// [`SeatCommand::Return`]
    ReturnSeat,
    /// [`SeatCommand::Release`]
    ReleaseSeat,
    /// [`SeatCommand::Borrow`]
    BorrowSeat,
    /// [`SeatCommand::Reserve`]
    ReserveSeats,
    /// [`SeatCommand::SetRules`]
    SetSeatRules,
    /// Seats that came free were granted to those in line.
    GrantSeats,
    /// Leases ended.
    ExpireSeats,
    /// [`UserCommand::PutUserGroup`]
    PutUserGroup,
    /// [`UserCommand::EditUserGroup`]
    EditUserGroup,
    /// [`UserCommand::DeleteUserGroup`]
    DeleteUserGroup,
    /// [`WorkCommand::Ask`]
    AskWork,
    /// [`WorkCommand::Cancel`]
    CancelWork,
    /// [`WorkCommand::Close`]
    CloseSession,
    /// Work whose time has come ended, or its result was forgotten.
    EndWork,
    /// [`Command::SetPolicy`]
    SetPolicy,
    /// [`Command::ReplaceLicense`]
    ReplaceLicense,
    /// [`Command::StartGrant`]
    StartGrant,
    /// [`Command::RevokeLicense`]
    RevokeLicense,
}

/// Which of the two chains a record belongs to (decision 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Kept until the operator prunes.
    Audit,
    /// Kept for a number of days or bytes, proved by its day's head in the audit chain.
    Bulk,
}

impl CommandKind {
    /// The chain of every record of this kind.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            CommandKind::PassTime | CommandKind::ReportUsage | CommandKind::Mark | CommandKind::KeepSeat => Class::Bulk,
            CommandKind::CloseDay
            | CommandKind::ExpireLicense
            | CommandKind::InitCluster
            | CommandKind::ChangeSettings
            | CommandKind::AdoptRules
            | CommandKind::TrustKey
            | CommandKind::DistrustKey
            | CommandKind::InstallLicense
            | CommandKind::RemoveLicense
            | CommandKind::GrantBuiltin
            | CommandKind::ActivateGroup
            | CommandKind::CreatePool
            | CommandKind::EditPool
            | CommandKind::DeletePool
            | CommandKind::EditSlave
            | CommandKind::ForgetSlave
            | CommandKind::CreateUser
            | CommandKind::EditUser
            | CommandKind::ChangePassword
            | CommandKind::DeleteUser
            | CommandKind::PutRole
            | CommandKind::DeleteRole
            | CommandKind::CreateToken
            | CommandKind::RevokeToken
            | CommandKind::LockOut
            | CommandKind::CreateTicket
            | CommandKind::RevokeTicket
            | CommandKind::JoinNode
            | CommandKind::RemoveNode
            | CommandKind::TakeSeat
            | CommandKind::ClaimSeat
            | CommandKind::ReturnSeat
            | CommandKind::ReleaseSeat
            | CommandKind::BorrowSeat
            | CommandKind::ReserveSeats
            | CommandKind::SetSeatRules
            | CommandKind::GrantSeats
            | CommandKind::ExpireSeats
            | CommandKind::PutUserGroup
            | CommandKind::EditUserGroup
            | CommandKind::DeleteUserGroup
            | CommandKind::AskWork
            | CommandKind::CancelWork
            | CommandKind::CloseSession
            | CommandKind::EndWork
            | CommandKind::SetPolicy
            | CommandKind::ReplaceLicense
            | CommandKind::StartGrant
            | CommandKind::RevokeLicense => Class::Audit,
        }
    }

    /// The kind's name as the journal, the CLI and the metrics write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CommandKind::PassTime => "pass_time",
            CommandKind::CloseDay => "close_day",
            CommandKind::InitCluster => "init_cluster",
            CommandKind::ChangeSettings => "change_settings",
            CommandKind::AdoptRules => "adopt_rules",
            CommandKind::TrustKey => "trust_key",
            CommandKind::DistrustKey => "distrust_key",
            CommandKind::InstallLicense => "install_license",
            CommandKind::RemoveLicense => "remove_license",
            CommandKind::GrantBuiltin => "grant_builtin",
            CommandKind::ActivateGroup => "activate_group",
            CommandKind::CreatePool => "create_pool",
            CommandKind::EditPool => "edit_pool",
            CommandKind::DeletePool => "delete_pool",
            CommandKind::ReportUsage => "report_usage",
            CommandKind::EditSlave => "edit_slave",
            CommandKind::ForgetSlave => "forget_slave",
            CommandKind::CreateUser => "create_user",
            CommandKind::EditUser => "edit_user",
            CommandKind::ChangePassword => "change_password",
            CommandKind::DeleteUser => "delete_user",
            CommandKind::PutRole => "put_role",
            CommandKind::DeleteRole => "delete_role",
            CommandKind::CreateToken => "create_token",
            CommandKind::RevokeToken => "revoke_token",
            CommandKind::LockOut => "lock_out",
            CommandKind::CreateTicket => "create_ticket",
            CommandKind::RevokeTicket => "revoke_ticket",
            CommandKind::JoinNode => "join_node",
            CommandKind::RemoveNode => "remove_node",
            CommandKind::Mark => "mark",
            CommandKind::ExpireLicense => "expire_license",
            CommandKind::TakeSeat => "take_seat",
            CommandKind::KeepSeat => "keep_seat",
            CommandKind::ClaimSeat => "claim_seat",
            CommandKind::ReturnSeat => "return_seat",
            CommandKind::ReleaseSeat => "release_seat",
            CommandKind::BorrowSeat => "borrow_seat",
            CommandKind::ReserveSeats => "reserve_seats",
            CommandKind::SetSeatRules => "set_seat_rules",
            CommandKind::GrantSeats => "grant_seats",
            CommandKind::ExpireSeats => "expire_seats",
            CommandKind::PutUserGroup => "put_user_group",
            CommandKind::EditUserGroup => "edit_user_group",
            CommandKind::DeleteUserGroup => "delete_user_group",
            CommandKind::AskWork => "ask_work",
            CommandKind::CancelWork => "cancel_work",
            CommandKind::CloseSession => "close_session",
            CommandKind::EndWork => "end_work",
            CommandKind::SetPolicy => "set_policy",
            CommandKind::ReplaceLicense => "replace_license",
            CommandKind::StartGrant => "start_grant",
            CommandKind::RevokeLicense => "revoke_license",
        }
    }
}

/// An [`Intent`] of parts that stay where they are: the same fields in the same order.
#[derive(Serialize)]
struct Parts<'a> {
    id: IntentId,
    actor: &'a Actor,
    key: Option<&'a IdempotencyKey>,
    command: &'a Command,
}

/// The format number of an intent in a batch.
pub const INTENT_FORMAT: u8 = 1;

impl Intent {
    /// The intent as the answering node hands it to the leader.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        Bytes::from(codec::encode(INTENT_FORMAT, self))
    }

    /// The same bytes, of parts that stay where they are.
    #[must_use]
    pub fn encode_parts(id: IntentId, actor: &Actor, key: Option<&IdempotencyKey>, command: &Command) -> Bytes {
        Bytes::from(codec::encode(INTENT_FORMAT, &Parts { id, actor, key, command }))
    }

    /// Reads an encoded intent.
    ///
    /// # Errors
    /// When the bytes are no intent.
    pub fn decode(bytes: &[u8]) -> Result<Intent, codec::Malformed> {
        codec::decode(INTENT_FORMAT, bytes)
    }
}

impl Command {
    /// The kind of record that answers this command.
    #[must_use]
    pub fn kind(&self) -> CommandKind {
        match self {
            Command::InitCluster(_) => CommandKind::InitCluster,
            Command::ChangeSettings(_) => CommandKind::ChangeSettings,
            Command::AdoptRules { .. } => CommandKind::AdoptRules,
            Command::TrustKey(_) => CommandKind::TrustKey,
            Command::DistrustKey { .. } => CommandKind::DistrustKey,
            Command::InstallLicense(_) => CommandKind::InstallLicense,
            Command::RemoveLicense { .. } => CommandKind::RemoveLicense,
            Command::GrantBuiltin { .. } => CommandKind::GrantBuiltin,
            Command::ActivateGroup { .. } => CommandKind::ActivateGroup,
            Command::CreatePool(_) => CommandKind::CreatePool,
            Command::EditPool(_) => CommandKind::EditPool,
            Command::DeletePool { .. } => CommandKind::DeletePool,
            Command::ReportUsage { .. } => CommandKind::ReportUsage,
            Command::EditSlave(_) => CommandKind::EditSlave,
            Command::ForgetSlave { .. } => CommandKind::ForgetSlave,
            Command::User(command) => command.kind(),
            Command::Ticket(TicketCommand::Create(_)) => CommandKind::CreateTicket,
            Command::Ticket(TicketCommand::Revoke { .. }) => CommandKind::RevokeTicket,
            Command::Node(NodeCommand::Join(_)) => CommandKind::JoinNode,
            Command::Node(NodeCommand::Remove { .. }) => CommandKind::RemoveNode,
            Command::Mark => CommandKind::Mark,
            Command::Seat(command) => command.kind(),
            Command::Work(command) => command.kind(),
            Command::SetPolicy { .. } => CommandKind::SetPolicy,
            Command::ReplaceLicense(_) => CommandKind::ReplaceLicense,
            Command::StartGrant(_) => CommandKind::StartGrant,
            Command::RevokeLicense { .. } => CommandKind::RevokeLicense,
        }
    }
}
