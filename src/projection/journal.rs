//! The journal for readers: every record with its facts, without its secrets.
//!
//! Passwords' and tokens' hashes, hashes of request bodies (a body may hold a password) and license texts stay out; a
//! license appears as its hash.

use serde_json::{Map, Value, json};

use crate::domain::name::hex;
use crate::domain::record::{Outcome, Record};
use crate::domain::time::{Day, Moment};

/// A day in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;
/// Members of events that are left out wherever they stand.
const SECRETS: [&str; 3] = ["password", "hash", "text"];

/// One record as a JSON value.
#[must_use]
pub fn view(record: &Record) -> Value {
    let (outcome, events, refusal, repeats) = match &record.outcome {
        Outcome::Done(events) => ("done", readable(&events), Value::Null, Value::Null),
        Outcome::Refused(refusal) => ("refused", json!([]), readable(&refusal), Value::Null),
        Outcome::Repeated { seq } => ("repeated", json!([]), Value::Null, json!(seq)),
    };
    json!({
        "seq": record.seq,
        "time": rfc3339(record.at),
        "actor": &*record.actor.user,
        "command": record.kind.name(),
        "outcome": outcome,
        "events": events,
        "refusal": refusal,
        "repeats": repeats,
        "idempotency_key": record.key.as_ref().map(|key| key.key.to_string()),
    })
}

/// A value without its secrets, hashes in hexadecimal.
fn readable<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).map_or(Value::Null, cleaned)
}

fn cleaned(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| !SECRETS.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, cleaned(value))).collect::<Map<String, Value>>())
        }
        Value::Array(items) => match bytes(&items) {
            Some(bytes) => Value::String(hex(&bytes)),
            None => Value::Array(items.into_iter().map(cleaned).collect()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// A hash or a key, which serde writes as a list of at least 32 small numbers.
fn bytes(items: &[Value]) -> Option<Vec<u8>> {
    if items.len() < 32 {
        return None;
    }
    items.iter().map(|item| item.as_u64().and_then(|number| u8::try_from(number).ok())).collect()
}

/// A moment as RFC 3339 in UTC, with milliseconds.
#[must_use]
pub fn rfc3339(at: Moment) -> String {
    let Ok(day) = u32::try_from(at.0 / DAY_MS) else { return "never".to_owned() };
    let ms = at.0 % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", Day(day), ms % 1_000)
}
