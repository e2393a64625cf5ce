//! Why a rule said no: recorded, the same on every node, and worded by each dialect in its own shape.

use serde::{Deserialize, Serialize};

use super::license::LicenseId;
use super::name::Name;
use super::policy::{Choice, Policy};
use super::time::Moment;
use super::user::Right;

/// A rule's no, with the numbers that explain it. Grows only at the end (decision 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// A rule broke: a bug. The command changed nothing (ADR 0006).
    RuleBroken {
        /// What the panic said.
        what: Name,
    },
    /// The log has no cluster yet, or has one already.
    ClusterState {
        /// Whether it was initialized already.
        initialized: bool,
    },
    /// The credential is not good any more: the password or token changed, ended, or the user is disabled.
    CredentialStale,
    /// The actor's roles do not allow it.
    NotAllowed {
        /// What would.
        needs: Right,
    },
    /// The same idempotency key came with another request.
    IdempotencyMismatch {
        /// The key.
        key: Name,
    },
    /// A name is empty, too long, or has characters that names may not have.
    BadName {
        /// What is named.
        what: Name,
        /// The name.
        name: Name,
    },
    /// A number is outside what is allowed.
    OutOfRange {
        /// Which.
        what: Name,
        /// What was asked.
        asked: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// Newer rules than this cluster's nodes know, or older than it has.
    RulesUnknown {
        /// What was asked.
        asked: u32,
        /// What decides now.
        current: u32,
        /// The newest that this node knows.
        newest: u32,
    },
    /// No key of that id is trusted.
    NoSuchKey {
        /// The id.
        key: Name,
    },
    /// The key is trusted already.
    KeyExists {
        /// The id.
        key: Name,
    },
    /// The license's key was distrusted.
    KeyDistrusted {
        /// The id.
        key: Name,
        /// Since when.
        since: Moment,
    },
    /// No license of that id is installed.
    NoSuchLicense {
        /// The id that was asked for.
        license: Name,
    },
    /// The license is installed already.
    LicenseExists {
        /// Its id.
        license: LicenseId,
    },
    /// The license's time has passed.
    LicenseExpired {
        /// When it ended.
        expired: Moment,
    },
    /// The last license of the active group cannot be removed (seed 002).
    LastLicenseOfActiveGroup {
        /// The group.
        group: Name,
    },
    /// A license names a group that does not exist, or a stack that is in another group.
    BadStack {
        /// The stack.
        stack: Name,
        /// The group that the license names.
        group: Name,
    },
    /// The trial was granted once in this cluster's life already.
    TrialUsed,
    /// No group of that name.
    NoSuchGroup {
        /// The name.
        group: Name,
    },
    /// A group without a stack cannot be activated, and the trial cannot be returned to.
    GroupUnavailable {
        /// The name.
        group: Name,
    },
    /// No stack of that name.
    NoSuchStack {
        /// The name.
        stack: Name,
    },
    /// No pool of that name.
    NoSuchPool {
        /// The name.
        pool: Name,
    },
    /// A pool of that name exists.
    PoolExists {
        /// The name.
        pool: Name,
    },
    /// The pool belongs to a stack whose pools are fixed.
    PoolIsFixed {
        /// The pool.
        pool: Name,
        /// The stack.
        stack: Name,
    },
    /// Pools are made only in stacks of group Enterprise.
    StackNotPoolable {
        /// The stack.
        stack: Name,
    },
    /// The stack has a `MAX` pool already, or nothing left for one.
    MaxPoolExists {
        /// The pool that has it.
        pool: Name,
    },
    /// More than the stack has left.
    QuotaBeyondStack {
        /// Bytes asked for.
        asked_bytes: u64,
        /// Bytes that the other pools leave.
        free_bytes: u64,
    },
    /// The stack has a pool for all slaves (`*`) already.
    CatchAllExists {
        /// The pool that has it.
        pool: Name,
    },
    /// A slave is named by another pool of the stack.
    SlaveInOtherPool {
        /// The slave.
        slave: Name,
        /// The pool that names it.
        pool: Name,
    },
    /// A limit on how many there may be.
    TooMany {
        /// Of what.
        what: Name,
        /// The limit.
        limit: u64,
    },
    /// No slave of that GUID.
    NoSuchSlave {
        /// The GUID.
        slave: Name,
    },
    /// No user of that name.
    NoSuchUser {
        /// The name.
        user: Name,
    },
    /// A user of that name exists.
    UserExists {
        /// The name.
        user: Name,
    },
    /// The last enabled user that may manage users cannot lose that right.
    LastAdministrator {
        /// The user.
        user: Name,
    },
    /// No role of that name.
    NoSuchRole {
        /// The name.
        role: Name,
    },
    /// The role came with the cluster.
    RoleIsBuiltin {
        /// The name.
        role: Name,
    },
    /// Somebody has the role.
    RoleInUse {
        /// The role.
        role: Name,
        /// One who has it.
        user: Name,
    },
    /// Nobody can give a right that they do not have.
    RightBeyondOwn {
        /// The right.
        right: Right,
    },
    /// No token of that id.
    NoSuchToken {
        /// The id.
        id: u64,
    },
    /// No ticket for that node, or a wrong secret.
    NoSuchTicket {
        /// The node id.
        node: u64,
    },
    /// The ticket's time has passed.
    TicketExpired {
        /// The node id.
        node: u64,
        /// When it ended.
        expired: Moment,
    },
    /// No node of that id.
    NoSuchNode {
        /// The id.
        node: u64,
    },
    /// The node was removed for good.
    NodeWasRemoved {
        /// The id.
        node: u64,
    },
    /// The slave has used something on the open day; it can be forgotten when that day is closed.
    SlaveReportedToday {
        /// Its GUID.
        slave: Name,
    },
    /// No license names that seat type.
    NoSuchSeatType {
        /// The type; empty when the first one was asked for and there is none.
        product: Name,
    },
    /// Every license of the seat type has ended, or counts no more.
    SeatTypeExpired {
        /// The type.
        product: Name,
        /// When the last of them ended or would have.
        expired: Moment,
    },
    /// No seat is free, or those that are free are kept for others or waited for.
    NoSeatLeft {
        /// The type.
        product: Name,
        /// Seats that licenses give.
        count: u64,
        /// Seats held.
        held: u64,
        /// Free seats that are kept for others.
        kept: u64,
        /// Clients in line.
        waiting: u64,
    },
    /// Too few workers are free.
    NoWorkersLeft {
        /// The type.
        product: Name,
        /// Workers asked for.
        asked: u64,
        /// Workers free.
        free: u64,
        /// Workers that licenses give.
        workers: u64,
    },
    /// The type's lists do not let this user have seats.
    SeatNotAllowed {
        /// The type.
        product: Name,
        /// The user.
        user: Name,
    },
    /// The user has as many seats and places of the type as its rules allow.
    SeatsPerUser {
        /// The type.
        product: Name,
        /// The user.
        user: Name,
        /// The limit.
        limit: u32,
    },
    /// The address has as many seats and places of the type as its rules allow.
    SeatsPerAddress {
        /// The type.
        product: Name,
        /// The address.
        address: Name,
        /// The limit.
        limit: u32,
    },
    /// No session or place ever had that id.
    NoSuchSeat {
        /// The id.
        id: u64,
    },
    /// The session or place has ended.
    SeatEnded {
        /// Its id.
        id: u64,
    },
    /// The session or place is somebody else's.
    NotYourSeat {
        /// Its id.
        id: u64,
    },
    /// The seat is still waited for.
    SeatNotGranted {
        /// The place's id.
        id: u64,
    },
    /// The seat is borrowed: its holder works offline.
    SeatIsBorrowed {
        /// Its id.
        id: u64,
        /// Who has it.
        user: Name,
        /// Until when.
        until: Moment,
    },
    /// As many seats of the type are borrowed as its rules allow.
    BorrowBeyondLimit {
        /// The type.
        product: Name,
        /// Seats borrowed.
        borrowed: u64,
        /// The limit.
        limit: u64,
    },
    /// More seats would be kept for somebody than there are.
    ReservedBeyondCount {
        /// The type.
        product: Name,
        /// Seats asked for.
        asked: u64,
        /// Seats that other reservations leave.
        free: u64,
        /// Seats that licenses give.
        count: u64,
    },
    /// No user group of that name.
    NoSuchUserGroup {
        /// The name.
        group: Name,
    },
    /// A user group gives the role.
    RoleInGroup {
        /// The role.
        role: Name,
        /// One that gives it.
        group: Name,
    },
    /// As many people have an account as licenses allow.
    NoAccountSeat {
        /// Accounts that take a seat.
        taken: u64,
        /// Seats of the licenses that count, soft ones too.
        seats: u64,
    },
    /// The license was removed, and says that it can never be added again.
    LicenseRemovedForGood {
        /// Its id.
        license: LicenseId,
    },
    /// The session is asked to end, and takes no more work.
    SessionClosing {
        /// Its id.
        session: u64,
    },
    /// No work of that key, or its result is remembered no more.
    NoSuchWork {
        /// The key.
        key: Name,
    },
    /// As many users have seats of the type, or wait for one, as licenses allow at once.
    ConcurrentUsers {
        /// The type.
        product: Name,
        /// Users.
        users: u64,
        /// The limit.
        limit: u64,
    },
    /// As many legal holds run or wait as licenses allow at once.
    LegalHolds {
        /// The type.
        product: Name,
        /// Legal holds.
        holds: u64,
        /// The limit.
        limit: u64,
    },
    /// Audited work would read more on this license day than its threshold.
    AuditThreshold {
        /// The type.
        product: Name,
        /// Bytes read on this day.
        read: u64,
        /// Bytes that it would read.
        asked: u64,
        /// The threshold.
        threshold: u64,
    },
    /// The policy knows other words than this one.
    NoSuchChoice {
        /// The policy.
        policy: Policy,
        /// The word.
        choice: Choice,
    },
    /// The license was revoked.
    LicenseRevoked {
        /// Its id.
        license: LicenseId,
    },
    /// A higher issue of the license was installed before.
    LicenseSuperseded {
        /// The number of this issue.
        number: u64,
        /// The highest that was installed.
        newest: u64,
    },
    /// The license's time has not come, and it would be in force at once.
    NotYetValid {
        /// When it comes.
        starts: Moment,
    },
    /// The license is for another cluster.
    OtherCluster {
        /// The name that it is for.
        license: Name,
        /// This cluster's name.
        cluster: Name,
    },
    /// More of something is in use than the license allows.
    LimitBelowUse {
        /// Of which gauge.
        level: Name,
        /// What is in use.
        used: u64,
        /// What the license allows.
        limit: u64,
    },
    /// Something ends with this, and whoever asks has not said that they know.
    NeedsAcknowledgement {
        /// The type of the license in force; empty if there is none.
        from: Name,
        /// The type of the one that would follow.
        to: Name,
        /// Whether the one in force was issued later.
        older: bool,
    },
    /// The policy does not take signed licenses of type basic.
    SignedBasicRefused,
    /// A feature is in use that the license lacks.
    FeatureInUse {
        /// The feature.
        feature: Name,
    },
}
