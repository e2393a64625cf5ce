//! Query parameters as Elasticsearch reads them: each path knows its own, and what nobody knows is refused.

use std::time::Duration;

use super::json::Filter;
use crate::dialect::request::Head;
use crate::dialect::shown;
use crate::dialect::trouble::Malformed;

/// What every path knows. `consistency` is ours: it lets a reader take an old answer rather than none.
pub const COMMON: [&str; 6] = ["consistency", "error_trace", "filter_path", "format", "human", "pretty"];
/// How long a client waits: for the leader, and for the answer.
pub(super) const TIMES: [&str; 2] = ["master_timeout", "timeout"];
/// Units of time, the longer words first: `ms` ends in `s`.
const UNITS: [(&str, u64); 7] = [
    ("nanos", 1),
    ("micros", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
];

/// What every path takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Common {
    /// Whether to write over several lines; `None`: as the path usually does.
    pub(super) pretty: Option<bool>,
    /// Whether to add what people read more easily; `None`: as the path usually does.
    pub(super) human: Option<bool>,
    /// What is left of the answer.
    pub(super) filter: Filter,
}

/// Checks all parameters against `known`, and reads the common ones.
pub(super) fn common(head: &Head, known: &[&str]) -> Result<Common, Malformed> {
    let mut unknown: Vec<&str> = head
        .query
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !known.contains(name) && !COMMON.contains(name))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        let plural = if unknown.len() == 1 { "" } else { "s" };
        let names: Vec<String> = unknown.iter().map(|name| format!("[{}]", shown(name))).collect();
        let what =
            format!("request [{}] contains unrecognized parameter{plural}: {}", head.shown_path(), names.join(", "));
        return Err(bad("unrecognized", what));
    }
    if let Some(format) = head.param("format").filter(|format| !format.eq_ignore_ascii_case("json")) {
        return Err(bad("format", format!("format [{}] is not written here, only [json]", shown(format))));
    }
    let filter = Filter::of(head.param("filter_path").unwrap_or_default());
    flag(head, "error_trace")?;
    Ok(Common {
        pretty: flag(head, "pretty")?,
        human: flag(head, "human")?,
        filter: filter.ok_or_else(|| bad("filter_path", "filter_path has too many patterns".to_owned()))?,
    })
}

/// A yes or a no; named without a value means yes.
pub(super) fn flag(head: &Head, name: &'static str) -> Result<Option<bool>, Malformed> {
    match head.param(name) {
        None => Ok(None),
        Some("" | "true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => {
            let what = format!("Failed to parse value [{}] as only [true] or [false] are allowed.", shown(other));
            Err(bad(name, what))
        }
    }
}

/// A span of time: a whole number and a unit; `None` for nothing and for `-1`, which are as long as it takes.
pub(super) fn time(head: &Head, name: &'static str) -> Result<Option<Duration>, Malformed> {
    let Some(text) = head.param(name) else { return Ok(None) };
    let wrong = |why: &str| {
        bad(name, format!("failed to parse setting [{name}] with value [{}] as a time value: {why}", shown(text)))
    };
    let lower = text.trim().to_ascii_lowercase();
    if lower == "-1" || lower == "0" {
        return Ok(None);
    }
    let unit = UNITS.into_iter().find_map(|(unit, nanos)| lower.strip_suffix(unit).map(|rest| (rest.trim(), nanos)));
    let (number, nanos) = unit.ok_or_else(|| wrong("unit is missing or unrecognized"))?;
    if number.starts_with('-') {
        return Err(wrong("negative durations are not supported"));
    }
    let number: u64 = number.parse().map_err(|_not_a_number| wrong("a whole number is needed before the unit"))?;
    Ok(Some(Duration::from_nanos(number.saturating_mul(nanos))).filter(|time| !time.is_zero()))
}

pub(super) fn bad(name: &'static str, what: String) -> Malformed {
    Malformed::BadQuery { name, what }
}
