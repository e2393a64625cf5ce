//! The cluster, its settings and its journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The cluster's settings.
#[derive(Debug, Serialize, ToSchema)]
pub struct Settings {
    /// The zone whose midnight ends the license day.
    pub zone: String,
    /// How many days of bulk journal are kept.
    pub retention_days: u32,
    /// How many bytes of bulk journal are kept.
    pub retention_bytes: u64,
    /// How often a slave should report.
    pub report_interval_ms: u64,
    /// After how long a slave counts as silent.
    pub silent_after_ms: u64,
    /// More distinct rows than this in a report: host and source are dropped.
    pub squash_threshold: u32,
    /// Failed logins before a lock-out.
    pub lockout_failures: u32,
    /// How long a lock-out lasts.
    pub lockout_ms: u64,
    /// How long a login's token is good.
    pub session_ms: u64,
    /// What was chosen where a product and its documentation differ: policy to choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<&'static str, &'static str>,
}

/// Chooses for one policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChoice {
    /// One of the policy's words.
    pub choice: String,
}

/// Changes to the settings; absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsChanges {
    /// An IANA zone such as `Europe/Berlin`.
    pub zone: Option<String>,
    /// How many days of bulk journal are kept.
    pub retention_days: Option<u32>,
    /// How many bytes of bulk journal are kept.
    pub retention_bytes: Option<u64>,
    /// How often a slave should report.
    pub report_interval_ms: Option<u64>,
    /// After how long a slave counts as silent.
    pub silent_after_ms: Option<u64>,
    /// More distinct rows than this in a report: host and source are dropped.
    pub squash_threshold: Option<u32>,
    /// Failed logins before a lock-out.
    pub lockout_failures: Option<u32>,
    /// How long a lock-out lasts.
    pub lockout_ms: Option<u64>,
    /// How long a login's token is good.
    pub session_ms: Option<u64>,
}

/// The cluster as the answering node knows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cluster {
    /// Its id.
    pub cluster_id: String,
    /// What people call it.
    pub name: String,
    /// The answering node.
    pub node: u64,
    /// The leader; null when none is known.
    pub leader: Option<u64>,
    /// The Raft term.
    pub term: u64,
    /// The members.
    pub members: Vec<Member>,
    /// The answering node's last applied record.
    pub applied_seq: u64,
    /// The journal's digest at that record.
    pub digest: String,
    /// Cluster time.
    pub time: String,
    /// The open license day.
    pub day: String,
    /// When it ends.
    pub day_ends: String,
    /// The rules that decide.
    pub rules: u32,
    /// The active license group.
    pub active_group: String,
    /// Tickets that were not used yet.
    pub tickets: Vec<OpenTicket>,
}

/// One member.
#[derive(Debug, Serialize, ToSchema)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `leader`, `follower` or `learner`.
    pub role: &'static str,
    /// The last record that it was known to have applied.
    pub applied_seq: Option<u64>,
    /// Where its peers reach it.
    pub peer: String,
    /// Where clients reach it.
    pub api: String,
    /// How long ago it was heard of.
    pub last_contact_ms: Option<u64>,
}

/// An unused ticket.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenTicket {
    /// The id that the node will have.
    pub node: u64,
    /// When it ends.
    pub expires: String,
}

/// Asks for a ticket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// SHA-256 of the ticket's secret, as 64 hex digits: the secret itself stays with the operator.
    pub secret_hash: String,
    /// How long it is good; default one hour.
    pub ttl_ms: Option<u64>,
}

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ticket {
    /// The id that the node will have.
    pub node: u64,
    /// The cluster's id.
    pub cluster_id: String,
    /// When it ends.
    pub expires: String,
    /// The members to ask.
    pub members: Vec<Member>,
}

/// Who is to lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLeader {
    /// A voter's id.
    pub node: u64,
}

/// The journal's digest at a position.
#[derive(Debug, Serialize, ToSchema)]
pub struct Digest {
    /// The position.
    pub seq: u64,
    /// The digest: covers every record up to and with it.
    pub digest: String,
}

/// Some records.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalPage {
    /// In order.
    pub records: Vec<JournalRecord>,
    /// Ask for what is after this next.
    pub next: u64,
}

/// One record.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalRecord {
    /// Its position.
    pub seq: u64,
    /// Cluster time at which it was applied.
    pub time: String,
    /// Who wanted it; `system` for the cluster itself.
    pub actor: String,
    /// By which credential: `password`, `token` or `system`.
    pub credential: &'static str,
    /// The token's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<u64>,
    /// What kind of command it answers.
    pub command: &'static str,
    /// `done`, `refused` or `repeated`.
    pub outcome: &'static str,
    /// What happened.
    pub events: Vec<Value>,
    /// Why a rule said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Value>,
    /// For a repeated request: the record that answered it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u64>,
    /// `audit` or `bulk`.
    pub class: &'static str,
    /// The journal's digest up to and with this record.
    pub digest: String,
}
