//! What happened: the facts that a record holds. Events carry everything that `evolve` needs, so that the journal
//! alone rebuilds the state.

use serde::{Deserialize, Serialize};

use super::license::{Format, License, LicenseId};
use super::name::{Hash, Map, Name, Set, SlaveId};
use super::node::{NodeAddress, Ticket};
use super::policy::{Choice, Policy};
use super::pool::{Members, PoolUid, Quota};
use super::seat::event::SeatEvent;
use super::settings::Settings;
use super::slave::{Fate, Level, Range, Row};
use super::slaves::Spot;
use super::time::{Calendar, Day, Moment};
use super::trust::TrustedKey;
use super::user::{Right, Token, User};
use super::work::WorkEvent;

/// One fact. Grows only at the end (decision 4): each has golden bytes in `tests/golden`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The cluster began.
    ClusterInitialized {
        /// Its id.
        cluster_id: Name,
        /// Its name.
        name: Name,
        /// Its settings.
        settings: Settings,
        /// The license days around its first moment.
        calendar: Calendar,
        /// The rules it began with.
        rules: u32,
    },
    /// Settings are these now.
    SettingsChanged {
        /// All of them.
        settings: Settings,
    },
    /// Newer rules decide from here on.
    RulesAdopted {
        /// Their number.
        rules: u32,
    },
    /// A key is trusted.
    KeyTrusted {
        /// The key.
        key: TrustedKey,
    },
    /// A key is trusted no more.
    KeyDistrusted {
        /// Its id.
        key: Name,
    },
    /// A license was installed.
    LicenseInstalled {
        /// The license.
        license: Box<License>,
    },
    /// A license was removed.
    LicenseRemoved {
        /// Its id.
        license: LicenseId,
    },
    /// A license began to count: its start was in the future when it was installed.
    LicenseStarted {
        /// Its id.
        license: LicenseId,
    },
    /// A license's time has passed.
    LicenseExpired {
        /// Its id.
        license: LicenseId,
    },
    /// Warnings of a stack up to a day count no more.
    WarningsReset {
        /// The stack.
        stack: Name,
        /// The last day that is forgiven.
        through: Day,
    },
    /// A group is the active one.
    GroupActivated {
        /// Its name.
        group: Name,
    },
    /// A pool was created.
    PoolCreated {
        /// Its number.
        uid: PoolUid,
        /// Its name.
        name: Name,
        /// Its stack.
        stack: Name,
        /// How much a day.
        quota: Quota,
        /// For whom.
        members: Members,
        /// Free text.
        description: Name,
        /// Whether it can never be edited or deleted.
        fixed: bool,
    },
    /// A pool is this now.
    PoolEdited {
        /// Its name.
        name: Name,
        /// How much a day.
        quota: Quota,
        /// For whom.
        members: Members,
        /// Free text.
        description: Name,
    },
    /// A pool was deleted.
    PoolDeleted {
        /// Its name.
        name: Name,
    },
    /// A report was looked at. What became of it, and what was counted.
    ReportJudged(ReportJudged),
    /// A license day ended and the next one began.
    DayClosed(Box<DayClosed>),
    /// A slave was edited.
    SlaveEdited {
        /// Its GUID.
        slave: SlaveId,
        /// What people call it.
        label: Name,
    },
    /// A slave was forgotten.
    SlaveForgotten {
        /// Its GUID.
        slave: SlaveId,
    },
    /// A user was created, or is this now.
    UserPut {
        /// Its name.
        name: Name,
        /// The account.
        user: User,
    },
    /// A user and its tokens were deleted.
    UserDeleted {
        /// Its name.
        name: Name,
    },
    /// A role was created, or is this now.
    RolePut {
        /// Its name.
        name: Name,
        /// What it allows.
        rights: Set<Right>,
        /// Whether it came with the cluster.
        builtin: bool,
    },
    /// A role was deleted.
    RoleDeleted {
        /// Its name.
        name: Name,
    },
    /// A token was made, or has another hash now.
    TokenPut {
        /// The token.
        token: Token,
    },
    /// Tokens ended: revoked, or their time passed.
    TokensEnded {
        /// [`Token::id`] of each.
        ids: Vec<u64>,
    },
    /// A user is locked out from an address.
    LockedOut {
        /// The name that was tried.
        user: Name,
        /// The address that tried.
        address: Name,
        /// Until when.
        until: Moment,
    },
    /// Lock-outs ended.
    LocksEnded {
        /// User and address of each.
        locks: Vec<(Name, Name)>,
    },
    /// A ticket was made; its node id is used up.
    TicketCreated {
        /// The ticket.
        ticket: Ticket,
    },
    /// Tickets ended unused.
    TicketsEnded {
        /// The node ids that they named.
        nodes: Vec<u64>,
    },
    /// A node joined, or has other addresses now.
    NodeJoined {
        /// Its id.
        node: u64,
        /// Its name and addresses.
        address: NodeAddress,
    },
    /// A node was removed for good.
    NodeRemoved {
        /// Its id.
        node: u64,
    },
    /// Every node works out the digest of its state as it was before this record.
    StateMarked,
    /// Too many gaps in one epoch of a slave: the oldest closed, and what is in it will be refused.
    GapClosed {
        /// The slave.
        slave: SlaveId,
        /// Its epoch.
        epoch: Name,
        /// The sequences that were missing.
        range: Range,
    },
    /// Too many epochs of a slave: the one that was silent for longest closed.
    EpochClosed {
        /// The slave.
        slave: SlaveId,
        /// Its epoch.
        epoch: Name,
    },
    /// The open day has other bounds now: the cluster's zone changed.
    CalendarChanged {
        /// The days around now.
        calendar: Calendar,
    },
    /// Something happened to seats.
    Seat(SeatEvent),
    /// A user group was created, or gives these roles now.
    UserGroupPut {
        /// Its name.
        name: Name,
        /// Roles that its members have besides their own.
        roles: Set<Name>,
    },
    /// Users joined and left a user group. Not the whole group: one may hold thousands.
    UserGroupMembers {
        /// Its name.
        name: Name,
        /// Who is in it now.
        joined: Vec<Name>,
        /// Who is in it no more.
        left: Vec<Name>,
    },
    /// A user group was deleted.
    UserGroupDeleted {
        /// Its name.
        name: Name,
    },
    /// Something happened to work on a seat.
    Work(WorkEvent),
    /// A policy holds now.
    PolicySet {
        /// Which.
        policy: Policy,
        /// What was chosen.
        choice: Choice,
    },
    /// A license was revoked for ever.
    LicenseRevoked {
        /// Its id.
        license: LicenseId,
        /// Every issue of it, too: the format, and its issuer's id.
        series: Option<(Format, Name)>,
    },
}

/// What became of one report, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportJudged {
    /// Who reported.
    pub slave: SlaveId,
    /// The report's sequence.
    pub sequence: Option<u64>,
    /// Its epoch.
    pub epoch: Name,
    /// Its own id.
    pub report_id: Name,
    /// What became of it.
    pub fate: Fate,
    /// The pool that it was counted in; `None` for none, and for what was not counted.
    pub pool: Option<PoolUid>,
    /// The stack of that pool.
    pub stack: Name,
    /// The pool that the slave asked for.
    pub wish: Name,
    /// Bytes counted; the sum of `rows`.
    pub bytes: u64,
    /// Of these, bytes of sourcetypes that the stack does not allow.
    pub disallowed: u64,
    /// What was counted, squashed if it had too many tuples. Empty for what was not counted.
    pub rows: Vec<Row>,
    /// Gauges.
    pub levels: Vec<Level>,
    /// Where the slave is.
    #[serde(skip)]
    pub spot: Spot,
}

/// A closed license day: what was used of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayClosed {
    /// The day that ended.
    pub day: Day,
    /// Its totals.
    pub totals: DayTotals,
    /// Head of the day's bulk chain: proves the day's bulk records, and outlives them.
    pub bulk_head: Hash,
    /// The days around the moment at which it was closed.
    pub calendar: Calendar,
}

/// What was used on one day, kept apart from pools and stacks so that moving and deleting loses nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayTotals {
    /// All bytes.
    pub bytes: u64,
    /// Bytes of slaves that were in no pool.
    pub unpooled_bytes: u64,
    /// Reports counted.
    pub reports: u64,
    /// By pool number; pools with nothing used are left out. On the open day: deleted pools only, the living ones count
    /// for themselves.
    pub pools: Map<PoolUid, DayUse>,
    /// By stack; on the open day: stacks that are gone only.
    pub stacks: Map<Name, DayUse>,
}

/// What was used of what on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayUse {
    /// Bytes used.
    pub used_bytes: u64,
    /// Bytes allowed when the day ended.
    pub quota_bytes: u64,
}

impl DayUse {
    /// Whether more was used than allowed.
    #[must_use]
    pub const fn is_over(self) -> bool {
        self.used_bytes > self.quota_bytes
    }
}
