//! Users, roles, rights, tokens and lock-outs: who may do what. Replicated, so that every node knows them.
//!
//! Passwords and tokens come in as hashes only (docs/adr/0003); this room never sees a secret.

use serde::{Deserialize, Serialize};

use super::intent::CommandKind;
use super::name::{Hash, Name, Set, SlaveId};
use super::time::Moment;

/// Who wants something, and by which credential it said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The user's name; `system` for what the cluster itself does.
    #[serde(with = "crate::codec::shared")]
    pub user: Name,
    /// How it was authenticated, with the version that was verified: `decide` checks it again.
    pub credential: Credential,
}

/// How an actor was authenticated. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// A node on its own behalf; never from a request.
    System,
    /// The password of this version.
    Password {
        /// [`User::password_version`] at the time.
        version: u64,
    },
    /// The token of this id.
    Token {
        /// [`Token::id`]
        id: u64,
        /// [`Token::version`] at the time.
        version: u32,
    },
}

/// What a role may allow. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Right {
    /// See groups, stacks, pools, slaves, messages, usage, licenses (without their text) and the cluster's status.
    View,
    /// Report usage for slaves.
    ReportUsage,
    /// Create, edit and delete pools; edit and forget slaves; activate groups.
    EditPools,
    /// Install and remove licenses and make built-in grants.
    InstallLicenses,
    /// Read a license's text.
    ReadLicenseText,
    /// Manage users, roles and other people's tokens.
    ManageUsers,
    /// Trust and distrust issuer keys: the highest right.
    ManageTrust,
    /// Nodes, tickets, settings, rules, leadership.
    ManageCluster,
    /// Read the journal.
    ReadJournal,
    /// Read metrics on the API listener.
    ReadMetrics,
    /// Take seats, wait for them, borrow them and give them back.
    TakeSeats,
    /// Take seats away, reserve them, and say who may have how many.
    ManageSeats,
}

impl Right {
    /// Every right there is.
    pub const ALL: [Right; 12] = [
        Right::View,
        Right::ReportUsage,
        Right::EditPools,
        Right::InstallLicenses,
        Right::ReadLicenseText,
        Right::ManageUsers,
        Right::ManageTrust,
        Right::ManageCluster,
        Right::ReadJournal,
        Right::ReadMetrics,
        Right::TakeSeats,
        Right::ManageSeats,
    ];

    /// The right's name in roles, as API and CLI write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Right::View => "view",
            Right::ReportUsage => "report_usage",
            Right::EditPools => "edit_pools",
            Right::InstallLicenses => "install_licenses",
            Right::ReadLicenseText => "read_license_text",
            Right::ManageUsers => "manage_users",
            Right::ManageTrust => "manage_trust",
            Right::ManageCluster => "manage_cluster",
            Right::ReadJournal => "read_journal",
            Right::ReadMetrics => "read_metrics",
            Right::TakeSeats => "take_seats",
            Right::ManageSeats => "manage_seats",
        }
    }
}

/// A named set of rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// What it allows.
    pub rights: Set<Right>,
    /// Whether it came with the cluster and can neither be changed nor deleted.
    pub builtin: bool,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// argon2id hash in PHC form.
    pub password: Name,
    /// Counts up with every change of password, roles or `disabled`, so that a cached verification goes stale.
    pub password_version: u64,
    /// Names of roles.
    pub roles: Set<Name>,
    /// A disabled user is refused everywhere, its tokens too.
    pub disabled: bool,
    /// If set, this user reports usage for this slave only (T8).
    pub slave: Option<SlaveId>,
    /// When it was created.
    pub created: Moment,
}

/// What a token is for. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenKind {
    /// Made by a login.
    Session,
    /// Made on purpose, for a machine.
    Api,
    /// Came with a seat, and is good exactly as long as its session lives.
    Seat,
}

/// A bearer credential. Only its hash is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Counts up within the cluster.
    pub id: u64,
    /// Counts up when its hash is rotated.
    pub version: u32,
    /// Whose it is.
    pub user: Name,
    /// SHA-256 of the token.
    pub hash: Hash,
    /// What it is for.
    pub kind: TokenKind,
    /// What its owner calls it; may be empty.
    pub label: Name,
    /// When it was made.
    pub created: Moment,
    /// When it ends.
    pub expires: Moment,
}

/// What can be asked about accounts. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserCommand {
    /// Creates a user.
    CreateUser {
        /// Its name.
        name: Name,
        /// argon2id hash in PHC form.
        password: Name,
        /// Roles it has.
        roles: Set<Name>,
        /// The one slave that it may report for.
        slave: Option<SlaveId>,
    },
    /// Changes a user; absent fields stay.
    EditUser {
        /// Its name.
        name: Name,
        /// Roles it has from now on.
        roles: Option<Set<Name>>,
        /// Whether it is refused.
        disabled: Option<bool>,
        /// The one slave that it may report for; `Some(None)` lifts the limit.
        slave: Option<Option<SlaveId>>,
    },
    /// Changes a password: the user's own, or anybody's with [`Right::ManageUsers`].
    ChangePassword {
        /// Whose.
        name: Name,
        /// argon2id hash in PHC form.
        password: Name,
    },
    /// Deletes a user and its tokens.
    DeleteUser {
        /// Its name.
        name: Name,
    },
    /// Creates or replaces a role.
    PutRole {
        /// Its name.
        name: Name,
        /// What it allows.
        rights: Set<Right>,
    },
    /// Deletes a role that nobody has.
    DeleteRole {
        /// Its name.
        name: Name,
    },
    /// Makes a token: a login for oneself, or an API token.
    CreateToken {
        /// Whose; another user's needs [`Right::ManageUsers`].
        user: Name,
        /// SHA-256 of the token.
        hash: Hash,
        /// What it is for.
        kind: TokenKind,
        /// What its owner calls it.
        label: Name,
        /// How long it is good, in milliseconds.
        ttl_ms: u64,
    },
    /// Ends a token.
    RevokeToken {
        /// [`Token::id`]
        id: u64,
    },
    /// Locks a user out from one address after too many failures. Only nodes ask for this.
    LockOut {
        /// The user name that was tried; may not exist.
        user: Name,
        /// The address that tried.
        address: Name,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// Creates a user group, or makes it this.
    PutUserGroup {
        /// Its name.
        name: Name,
        /// Roles that its members have besides their own.
        roles: Set<Name>,
        /// Users in it.
        members: Set<Name>,
    },
    /// Takes users into a user group and out of it.
    EditUserGroup {
        /// Its name.
        name: Name,
        /// Who joins; who is in it already stays.
        add: Set<Name>,
        /// Who leaves.
        remove: Set<Name>,
    },
    /// Deletes a user group; its members stay.
    DeleteUserGroup {
        /// Its name.
        name: Name,
    },
}

impl UserCommand {
    /// The kind of record that answers it.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            UserCommand::CreateUser { .. } => CommandKind::CreateUser,
            UserCommand::EditUser { .. } => CommandKind::EditUser,
            UserCommand::ChangePassword { .. } => CommandKind::ChangePassword,
            UserCommand::DeleteUser { .. } => CommandKind::DeleteUser,
            UserCommand::PutRole { .. } => CommandKind::PutRole,
            UserCommand::DeleteRole { .. } => CommandKind::DeleteRole,
            UserCommand::CreateToken { .. } => CommandKind::CreateToken,
            UserCommand::RevokeToken { .. } => CommandKind::RevokeToken,
            UserCommand::LockOut { .. } => CommandKind::LockOut,
            UserCommand::PutUserGroup { .. } => CommandKind::PutUserGroup,
            UserCommand::EditUserGroup { .. } => CommandKind::EditUserGroup,
            UserCommand::DeleteUserGroup { .. } => CommandKind::DeleteUserGroup,
        }
    }
}
