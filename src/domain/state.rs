//! The state: all that a decision may read. Folded from records, never edited by hand.

use serde::{Deserialize, Serialize};

use std::sync::Arc;

use super::account_license::Remembered;
use super::event::DayTotals;
use super::intent::IntentId;
use super::license::{BuiltinGrant, Format, License, LicenseId};
use super::name::{Hash, Map, Name, Set, SlaveId};
use super::node::{Node, Ticket};
use super::policy::{Choice, Policy};
use super::pool::{Pool, PoolPast, PoolUid};
use super::seat::state::Seats;
use super::settings::Settings;
use super::slave::Placement;
use super::slaves::Slaves;
use super::stack::Stack;
use super::time::{Calendar, Day, Moment};
use super::trust::TrustedKey;
use super::user::{Role, Token, User};
use super::user_group::UserGroup;
use super::work::state::Works;

/// The rules that this binary writes a new cluster with, and the newest that it knows.
pub const NEWEST_RULES: u32 = 2;

/// The heads of the two chains, and how far they go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// The last record's position; 0 before the first.
    pub seq: u64,
    /// Head of the audit chain.
    pub audit: Hash,
    /// Head of the open day's bulk chain; zero before its first record.
    pub bulk: Hash,
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The record that answered it.
    pub seq: u64,
    /// SHA-256 of the request that it came with.
    pub body: Hash,
    /// The token that was made, or the seat or place, if it was a request for one: asked again, the token's hash is
    /// rotated (decision 14).
    pub token: Option<u64>,
}

/// Everything that counts. Empty before the first record. Every collection is persistent: a clone is a frozen view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The chains.
    pub heads: Heads,
    /// Cluster time: the latest stamp that was applied.
    pub now: Moment,
    /// The license days around now; the open day is `calendar.today`.
    pub calendar: Calendar,
    /// The cluster's id; empty before it began.
    pub cluster_id: Name,
    /// What people call the cluster.
    pub cluster_name: Name,
    /// The rules that decide.
    pub rules: u32,
    /// Cluster settings.
    pub settings: Settings,

    /// Issuer keys, also distrusted ones, by id.
    pub keys: Map<Name, TrustedKey>,
    /// Installed licenses of all groups, by content hash.
    pub licenses: Map<LicenseId, Arc<License>>,
    /// When the next license starts or ends: (moment, license).
    pub license_deadlines: Set<(Moment, LicenseId)>,
    /// Grants that are made once in a cluster's life and were.
    pub grants_used: Set<BuiltinGrant>,
    /// Whether the trial's group was active once and is no more: it cannot be returned to.
    pub trial_left: bool,
    /// The active group.
    pub active_group: Name,
    /// Stacks by id: what `licenses` add up to.
    pub stacks: Map<Name, Stack>,

    /// Pools by name.
    pub pools: Map<Name, Pool>,
    /// Names of living pools by number.
    pub pool_names: Map<PoolUid, Name>,
    /// What outlives pools, by number, living or deleted.
    pub pool_pasts: Map<PoolUid, PoolPast>,
    /// By stack: the closed days on which it was over its quota, oldest first.
    pub stack_pasts: Map<Name, Vec<Day>>,
    /// The next pool's number.
    pub next_pool: PoolUid,
    /// For each slave that pools name: those pools.
    pub named_in: Map<SlaveId, Set<Name>>,
    /// For each stack: its pool for all slaves.
    pub catch_all: Map<Name, Name>,

    /// Slaves by GUID.
    pub slaves: Slaves,
    /// Who used which pool (`None`: no pool) on its last day of use; may hold leftovers of earlier days.
    pub pool_users: Set<(Option<PoolUid>, SlaveId)>,
    /// Slaves whose last report was counted in no pool.
    pub orphans: Set<SlaveId>,
    /// Placement histories by number.
    pub placements: Map<u64, Placement>,
    /// Their numbers by content.
    pub placement_numbers: Map<Vec<(Day, Option<PoolUid>)>, u64>,
    /// The next history's number.
    pub next_placement: u64,
    /// Remembered report ids: 64-bit hash of (slave, id) to when.
    pub report_ids: Map<u64, Moment>,
    /// The same by time, oldest first.
    pub report_ids_by_time: Set<(Moment, u64)>,
    /// Slaves that report gauges.
    pub gauged: Set<SlaveId>,

    /// What was used today; [`super::day::totals`] adds what living pools and stacks count for themselves.
    pub today: DayTotals,
    /// Closed days, as many as settings keep.
    pub days: Map<Day, DayTotals>,

    /// Users by name.
    pub users: Map<Name, User>,
    /// Roles by name.
    pub roles: Map<Name, Role>,
    /// Tokens by id.
    pub tokens: Map<u64, Token>,
    /// Token ids by hash.
    pub token_hashes: Map<Hash, u64>,
    /// Token ids by owner.
    pub token_owners: Set<(Name, u64)>,
    /// When tokens end: (moment, id).
    pub token_deadlines: Set<(Moment, u64)>,
    /// The next token's id.
    pub next_token: u64,
    /// Lock-outs: (user, address) to when they end.
    pub locks: Map<(Name, Name), Moment>,
    /// The same by time.
    pub lock_deadlines: Set<(Moment, Name, Name)>,

    /// Nodes by id, also removed ones.
    pub nodes: Map<u64, Node>,
    /// Tickets by the node id that they name.
    pub tickets: Map<u64, Ticket>,
    /// The next node's id.
    pub next_node: u64,

    /// Answered audit intents: so that a node may propose one again.
    pub intents: Map<IntentId, u64>,
    /// The same by position, oldest first.
    pub intents_by_seq: Map<u64, (Moment, IntentId)>,
    /// Idempotency keys by (user, key).
    pub keys_used: Map<(Name, Name), Answered>,
    /// The same by position, oldest first.
    pub keys_used_by_seq: Map<u64, (Moment, Name, Name)>,

    /// Seats: types, sessions, lines. In chunks of their own in a checkpoint.
    #[serde(skip)]
    pub seats: Arc<Seats>,
    // What came later is skipped here: it travels in chunks of its own, so that older bytes stay readable.
    /// User groups by name.
    #[serde(skip)]
    pub user_groups: Map<Name, UserGroup>,
    /// For each user that is in groups: those groups.
    #[serde(skip)]
    pub groups_of: Map<Name, Set<Name>>,
    /// For each user that has tokens: how many.
    #[serde(skip)]
    pub token_counts: Map<Name, usize>,
    /// Work on seats. In chunks of its own in a checkpoint.
    #[serde(skip)]
    pub works: Arc<Works>,
    /// Licenses for accounts that are or were installed.
    #[serde(skip)]
    pub account_licenses: Map<LicenseId, Remembered>,
    /// Those that are installed, by number.
    #[serde(skip)]
    pub account_license_numbers: Map<u64, LicenseId>,
    /// How many accounts take a seat of those licenses. Follows from users, roles and groups.
    #[serde(skip)]
    pub account_seats_taken: u64,
    /// What operators chose; a policy that is not here stands at its first word.
    #[serde(skip)]
    pub policies: Map<Policy, Choice>,
    /// Licenses that were revoked for ever.
    #[serde(skip)]
    pub revoked: Set<LicenseId>,
    /// The same for every issue of one: the format, and its issuer's id.
    #[serde(skip)]
    pub revoked_series: Set<(Format, Name)>,
    /// The highest issue of each license that has an order: none below it comes back.
    #[serde(skip)]
    pub issues: Map<(Format, Name), u64>,
    /// Living pools with so many warnings that it is a violation, and their stacks. Follows from pools, stacks and days.
    #[serde(skip)]
    pub offenders: Map<PoolUid, Name>,
}
