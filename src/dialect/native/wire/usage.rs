//! Usage reports and usage history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Word;
use crate::domain::name::Name;

/// One report, or many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// In order.
    pub reports: Vec<Report>,
}

/// What `POST /usage` takes: one report, or `{"reports":[…]}`.
#[derive(ToSchema)]
#[schema(example = json!({"slave": "8C1A…", "sequence": 17, "rows": [{"bytes": 123, "sourcetype": "syslog"}]}))]
pub enum UsageRequest {
    /// One.
    One(Report),
    /// Many.
    Many(Reports),
}

/// One usage report. A sequence or a report id is required.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Who reports.
    #[schema(value_type = String)]
    pub slave: Word,
    /// Counts up within the epoch.
    pub sequence: Option<u64>,
    /// The slave's epoch: a new one when it lost its spool.
    #[schema(value_type = Option<String>)]
    pub epoch: Option<Word>,
    /// The slave's own name for the report.
    #[schema(value_type = Option<String>)]
    pub report_id: Option<Word>,
    /// The pool that it would like to be in.
    #[schema(value_type = Option<String>)]
    pub pool: Option<Word>,
    /// When the bytes were indexed, RFC 3339; absent means now.
    pub time: Option<String>,
    /// What was indexed.
    #[serde(default)]
    pub rows: Vec<Row>,
    /// Gauges.
    pub levels: Option<BTreeMap<String, u64>>,
}

/// Some bytes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// How many.
    pub bytes: u64,
    /// Of which sourcetype.
    #[schema(value_type = Option<String>)]
    pub sourcetype: Option<Word>,
    /// From which host.
    #[schema(value_type = Option<String>)]
    pub host: Option<Word>,
    /// From which source.
    #[schema(value_type = Option<String>)]
    pub source: Option<Word>,
    /// Into which index.
    #[schema(value_type = Option<String>)]
    pub index: Option<Word>,
}

/// What became of a request with reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageAnswer {
    /// One for each report, in order.
    pub results: Vec<ReportResult>,
    /// When the slave should report again: spread, so that not all come at once.
    pub next_report_in_ms: u64,
}

/// What became of one report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportResult {
    /// As reported.
    pub sequence: Option<u64>,
    /// As reported.
    #[schema(value_type = Option<String>)]
    pub report_id: Option<Name>,
    /// `accepted`, `duplicate`, `late` or `refused`.
    pub status: &'static str,
    /// The pool that it was counted in; null for none.
    #[schema(value_type = Option<String>)]
    pub pool: Option<Name>,
    /// Why it was refused.
    pub reason: Option<&'static str>,
    /// Who reported.
    #[schema(value_type = String)]
    pub slave: Name,
    /// For a late report, the license day that it was counted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Bytes of sourcetypes that no license of the slave's stack allows; they are counted all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_bytes: Option<u64>,
    /// Only when the slave is in violation: the features that it has to switch off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<BTreeMap<String, bool>>,
}

/// Usage by license day.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageHistory {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The dimension.
    pub by: &'static str,
    /// Day by day.
    pub days: Vec<UsageDay>,
}

/// One license day.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageDay {
    /// The day.
    pub day: String,
    /// Whether it has ended.
    pub closed: bool,
    /// All bytes.
    pub bytes: u64,
    /// Bytes of slaves that were in no pool.
    pub unpooled_bytes: u64,
    /// Reports counted.
    pub reports: u64,
    /// By the dimension, the largest first.
    pub rows: Vec<UsageRow>,
}

/// One value of the dimension.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRow {
    /// The pool, stack, sourcetype, host, source or index; the empty name for what had none.
    pub name: String,
    /// Bytes.
    pub used_bytes: u64,
    /// What was allowed; for pools and stacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    /// Whether more was used than allowed; for pools and stacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<bool>,
}
