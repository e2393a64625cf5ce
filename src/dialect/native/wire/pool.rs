//! Pools, slaves, messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::name::Name;

/// A quota as people and programs write it: `"MAX"`, `"50MB"` (powers of 1024) or a number of bytes.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum QuotaWord {
    /// Bytes.
    Bytes(u64),
    /// `MAX` or a number with a unit.
    Text(String),
}

/// Asks for a pool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPool {
    /// Its name.
    pub name: String,
    /// Its stack.
    pub stack: String,
    /// How much a day: `"MAX"`, bytes, or text such as `"50MB"`.
    pub quota: QuotaWord,
    /// GUIDs of slaves; `"*"` for all that no other pool of the stack names.
    #[serde(default)]
    pub slaves: Vec<String>,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

/// Changes to a pool; absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolChanges {
    /// How much a day.
    pub quota: Option<QuotaWord>,
    /// GUIDs of slaves, or `"*"`.
    pub slaves: Option<Vec<String>>,
    /// Whether `slaves` is added to those there are, or replaces them.
    #[serde(default)]
    pub append_slaves: bool,
    /// Free text.
    pub description: Option<String>,
}

/// A pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its stack.
    pub stack: String,
    /// Whether its stack is in the active group.
    pub active: bool,
    /// How much a day; null for MAX.
    pub quota_bytes: Option<u64>,
    /// How much a day in effect: for MAX, what the stack leaves.
    pub effective_quota_bytes: u64,
    /// What was used today.
    pub used_bytes: u64,
    /// GUIDs of the slaves that it names, and `*` if it takes all others.
    pub slaves: Vec<String>,
    /// What each slave used of it today; whole up to 10,000 slaves, else paged with `?slaves_after=`. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slaves_used_bytes: Option<BTreeMap<String, u64>>,
    /// Where the next page of `slaves_used_bytes` begins; null when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slaves_next: Option<Option<String>>,
    /// Free text.
    pub description: String,
    /// Whether it can never be edited or deleted.
    pub fixed: bool,
    /// Days within the window on which it was over its quota.
    pub warning_count: u64,
    /// Which days these are.
    pub warning_days: Vec<String>,
    /// Whether that is too many.
    pub in_violation: bool,
    /// How many slaves are in it by their last report.
    pub slave_count: u64,
    /// How many of them are in violation.
    pub violating_slaves: u64,
    /// When it was made.
    pub created: String,
}

/// Changes to a slave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlaveChanges {
    /// What people call it.
    pub label: Option<String>,
}

/// A slave.
#[derive(Debug, Serialize, ToSchema)]
pub struct Slave {
    /// Its GUID.
    #[schema(value_type = String)]
    pub slave: Name,
    /// What people call it.
    #[schema(value_type = String)]
    pub label: Name,
    /// `active`, `silent`, `orphan` or `violating`.
    pub state: &'static str,
    /// Bytes of the open day, in all pools and in none.
    pub used_bytes: u64,
    /// Warnings that count within its window.
    pub warning_count: u64,
    /// The days that they are for.
    pub warning_days: Vec<String>,
    /// Whether that is too many.
    pub in_violation: bool,
    /// The pools that it is in, one a stack.
    #[schema(value_type = Vec<String>)]
    pub pools: Vec<Name>,
    /// The one of them that counts: of the active group.
    #[schema(value_type = Option<String>)]
    pub pool: Option<Name>,
    /// Bytes of the open day by pool; the empty name is no pool.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub used_bytes_by_pool: BTreeMap<Name, u64>,
    /// Bytes of the open day of sourcetypes that its stack does not allow.
    pub disallowed_bytes: u64,
    /// Its features, on or off.
    #[schema(value_type = BTreeMap<String, bool>)]
    pub features: BTreeMap<Name, bool>,
    /// When it first reported.
    pub first_report: String,
    /// When it last reported.
    pub last_report: String,
    /// Whether it has been silent for too long.
    pub silent: bool,
    /// Its gauges.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub levels: BTreeMap<Name, u64>,
}

/// A message that stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    /// Its id: stays while it stands.
    pub id: String,
    /// What kind of message.
    pub category: &'static str,
    /// `INFO`, `WARN` or `ERROR`.
    pub severity: &'static str,
    /// The message.
    pub text: String,
    /// Since when.
    pub created: String,
    /// The pool that it is about.
    pub pool: Option<String>,
    /// The slave that it is about.
    pub slave: Option<String>,
    /// The stack that it is about.
    pub stack: Option<String>,
    /// The license that it is about.
    pub license: Option<String>,
}
