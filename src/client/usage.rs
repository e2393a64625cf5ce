//! Reporting usage: what a slave sends every minute. Counted once however often it is sent, so a report is simply sent
//! again until it is acknowledged.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Client, ClientError, Request};

/// Some bytes that a slave indexed. Only `bytes` is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// How many.
    pub bytes: u64,
    /// Of which sourcetype.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sourcetype: Option<String>,
    /// From which host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// From which source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Into which index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
}

/// One usage report. `sequence` or `report_id` is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The slave's GUID.
    pub slave: String,
    /// Counts up within the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The slave's epoch; a new one when it lost count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The slave's own name for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_id: Option<String>,
    /// The pool that it would like to be counted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// When the bytes were indexed, in RFC 3339; absent means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What was indexed.
    pub rows: Vec<Row>,
    /// Gauges, such as `ram_shards`.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub levels: std::collections::BTreeMap<String, u64>,
}

/// What became of one report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportResult {
    /// As reported.
    #[serde(default)]
    pub sequence: Option<u64>,
    /// As reported.
    #[serde(default)]
    pub report_id: Option<String>,
    /// `accepted`, `duplicate`, `late` or `refused`.
    pub status: String,
    /// The pool that it was counted in, if any.
    #[serde(default)]
    pub pool: Option<String>,
    /// Why it was refused.
    #[serde(default)]
    pub reason: Option<String>,
}

impl ReportResult {
    /// Whether its bytes are counted, now or before: only then may the slave forget the report.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        matches!(self.status.as_str(), "accepted" | "duplicate" | "late")
    }
}

/// The cluster's answer to reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// One for each report, in order.
    pub results: Vec<ReportResult>,
    /// When the cluster would like to hear from this slave again.
    #[serde(default)]
    pub next_report_in_ms: u64,
}

impl Acknowledged {
    /// How long to wait before the next report.
    #[must_use]
    pub const fn next_report_in(&self) -> Duration {
        Duration::from_millis(self.next_report_in_ms)
    }
}

impl Client {
    /// Reports usage. After [`ClientError::Unknown`] send the same reports again: what was counted is a duplicate.
    ///
    /// # Errors
    /// See [`ClientError`]; a report that is refused by itself is in the answer, not an error.
    pub async fn report(&self, reports: &[Report]) -> Result<Acknowledged, ClientError> {
        let reply = self.send(Request::post(["usage"]).json(&json!({ "reports": reports }))).await?;
        let answer: Acknowledged = reply.read()?;
        if answer.results.len() != reports.len() {
            let why = format!("{} results for {} reports", answer.results.len(), reports.len());
            return Err(ClientError::Strange { node: reply.node, why });
        }
        Ok(answer)
    }
}
