//! A license as the product shows it: version 5's members, never the signature.

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use super::json::{Node, object};
use crate::domain::current::{self, Mode};
use crate::domain::license::{Format, License, Standing};
use crate::domain::state::State;
use crate::domain::time::{Moment, NEVER};
use crate::signing::Document;

/// Who issued what the cluster granted itself.
const ISSUER: &str = "quartermaster";
/// A start that was not given.
const ABSENT: i64 = -1;

/// The license in force.
pub(super) fn in_force(state: &State) -> Option<&License> {
    current::in_force(state, Format::Elastic)
}

/// Whether it counts, in the product's words.
pub(super) fn status(license: &License, state: &State) -> &'static str {
    match license.standing(state, state.now) {
        Standing::Valid => "active",
        Standing::Expired => "expired",
        Standing::NotYetValid | Standing::Untrusted => "invalid",
    }
}

/// All of it.
pub(super) fn shown(license: &License, state: &State, human: bool) -> Node {
    let (issuer, start) = signed_words(license);
    let limit = |name: &str| {
        license
            .levels()
            .find(|level| *level.level == *name)
            .and_then(|level| level.limit)
            .map_or(Value::Null, Value::from)
    };
    let mut members = vec![
        ("status", Node::from(status(license, state))),
        ("uid", license.issue.as_ref().into()),
        ("type", license.kind.as_ref().into()),
        ("issue_date", date(signed(license.created)).into()),
        ("issue_date_in_millis", license.created.0.into()),
    ];
    if license.expires != NEVER {
        members.push(("expiry_date", date(signed(license.expires)).into()));
        members.push(("expiry_date_in_millis", license.expires.0.into()));
    }
    members.extend([
        ("max_nodes", limit("nodes").into()),
        ("max_resource_units", limit("resource_units").into()),
        ("issued_to", license.owner.as_ref().into()),
        ("issuer", issuer.into()),
    ]);
    if human {
        members.push(("start_date", date(start).into()));
    }
    members.push(("start_date_in_millis", start.into()));
    Node::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What only the document says: its issuer and its start.
fn signed_words(license: &License) -> (String, i64) {
    match Document::of(&license.text) {
        Ok(Document::Elastic(envelope)) => (envelope.spec.issuer, envelope.spec.start_ms),
        Ok(_) | Err(_) => (ISSUER.to_owned(), ABSENT),
    }
}

/// The few members that consoles read.
pub(super) fn summary(license: &License, state: &State, human: bool) -> Node {
    let mut members = vec![
        ("uid", Node::from(license.issue.as_ref())),
        ("type", license.kind.as_ref().into()),
        ("mode", mode(license).into()),
        ("status", status(license, state).into()),
    ];
    if license.expires != NEVER {
        if human {
            members.push(("expiry_date", date(signed(license.expires)).into()));
        }
        members.push(("expiry_date_in_millis", license.expires.0.into()));
    }
    Node::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The mode of its type, in the product's words.
fn mode(license: &License) -> &'static str {
    match current::mode_of(&license.kind) {
        Some(Mode::Trial) => "trial",
        Some(Mode::Basic) => "basic",
        Some(Mode::Standard) => "standard",
        Some(Mode::Gold) => "gold",
        Some(Mode::Platinum) => "platinum",
        Some(Mode::Enterprise) => "enterprise",
        Some(Mode::Missing) | None => "missing",
    }
}

/// The features that consoles ask about, and whether the license in force allows them.
pub(super) fn features(license: Option<&License>, state: &State) -> Node {
    let counts = license.filter(|license| status(license, state) == "active");
    let mode = counts.and_then(|license| current::mode_of(&license.kind)).unwrap_or(Mode::Missing);
    let free = mode != Mode::Missing;
    let gold = free && matches!(mode, Mode::Trial | Mode::Gold | Mode::Platinum | Mode::Enterprise);
    let platinum = free && matches!(mode, Mode::Trial | Mode::Platinum | Mode::Enterprise);
    let feature = |available: bool| object([("available", available.into()), ("enabled", true.into())]);
    object([
        ("ccr", feature(platinum)),
        ("enterprise_search", feature(platinum)),
        ("graph", feature(platinum)),
        ("logstash", feature(gold)),
        ("ml", feature(platinum)),
        ("monitoring", feature(free)),
        ("security", feature(free)),
        ("sql", feature(free)),
        ("watcher", feature(gold)),
    ])
}

fn signed(moment: Moment) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

/// A date as the product writes it; one beyond the calendar stays a number.
fn date(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms);
    time.map_or_else(|| ms.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
