//! What each entry says, key by key. Keys of version 6.2 first (seed 002), then those that later readers look for
//! (dialect note, 4): both names of what was renamed, so that old and new clients find theirs.

use super::rows::{Desk, Row};
use super::value::{Content, Value};
use crate::domain::license::{BuiltinGrant, Format, License, LicenseId, Standing};
use crate::domain::name::{Name, Set, hex};
use crate::domain::pool::{self, Pool, Quota};
use crate::domain::slave::Slave;
use crate::domain::stack::Stack;
use crate::domain::state::State;
use crate::domain::time::Moment;
use crate::domain::warning::{self, FeatureStatus};
use crate::projection::groups::GroupView;
use crate::projection::licenses;
use crate::projection::messages::MessageView;
use crate::projection::slaves;

/// What "never" is: the last second of 32 bits (dialect note, 4).
const PERPETUAL: u64 = 2_147_483_647;
/// Time-outs that a slave would have, in seconds; there is no such connection here.
const TIMEOUT_S: u64 = 30;

/// A row's content.
pub(super) fn of(desk: &Desk<'_>, row: &Row<'_>) -> Content {
    let state = desk.state;
    match row {
        Row::Group(group) => of_group(group),
        Row::License(license) => of_license(license, state),
        Row::Local(slave) => of_local(slave.map(AsRef::as_ref), state),
        Row::Message(message) => of_message(message),
        Row::Pool(pool) => of_pool(pool, desk),
        Row::Slave(slave) => of_slave(slave.map(AsRef::as_ref), desk),
        Row::Stack(stack) => of_stack(stack),
        Row::Usage => of_usage(desk),
        Row::Server => of_server(desk),
    }
}

fn of_group(group: &GroupView) -> Content {
    Content::from([("is_active", Value::Flag(group.is_active)), ("stack_ids", Value::list(&group.stacks))])
}

/// What a built-in license is called: 64 letters that monitoring skips by name (dialect note, 1.20).
fn builtin_name(license: &License) -> Option<String> {
    let is = |grant: BuiltinGrant| license.format == Format::Builtin && license.id == grant.id();
    if is(BuiltinGrant::SplunkFree) {
        Some("F".repeat(64))
    } else if is(BuiltinGrant::SplunkForwarder) {
        Some("F".repeat(63) + "D")
    } else {
        None
    }
}

/// A license's name: the hash of its signed bytes, or a built-in one's own.
pub(super) fn license_name(license: &License) -> Name {
    builtin_name(license).unwrap_or_else(|| hex(&license.id).to_ascii_uppercase()).into()
}

/// The license of a name, in any case.
pub(super) fn license_id(name: &str) -> Option<LicenseId> {
    let upper = name.to_ascii_uppercase();
    if upper.len() == 64 && upper.starts_with(&"F".repeat(63)) {
        match upper.as_bytes().last() {
            Some(b'F') => return Some(BuiltinGrant::SplunkFree.id()),
            Some(b'D') => return Some(BuiltinGrant::SplunkForwarder.id()),
            _ => {}
        }
    }
    licenses::id_of(name)
}

fn seconds(moment: Moment) -> Value {
    Value::Number(if moment == crate::domain::time::NEVER { PERPETUAL } else { moment.seconds() })
}

fn of_license(license: &License, state: &State) -> Content {
    let status = match license.standing(state, state.now) {
        Standing::Valid => "VALID",
        // there are two words only, and what does not count must not look as if it did
        Standing::Expired | Standing::NotYetValid | Standing::Untrusted => "EXPIRED",
    };
    let mut content = Content::from([
        ("add_ons", Value::Nothing),
        ("creation_time", seconds(license.created)),
        ("expiration_time", seconds(license.expires)),
        ("guid", Value::Text(license.issue.clone())),
        ("is_unlimited", Value::Flag(false)),
        ("label", Value::Text(license.label.clone())),
        ("license_hash", Value::Text(license_name(license))),
        ("status", Value::text(status)),
        ("type", Value::Text(license.kind.clone())),
    ]);
    if let Some(meter) = license.meters().next() {
        content.insert("features", Value::list(&meter.features));
        content.insert("group_id", Value::Text(meter.group.clone()));
        content.insert("max_violations", Value::Number(meter.max_violations.into()));
        content.insert("quota", Value::Number(meter.quota_bytes));
        content.insert("sourcetypes", Value::list(&meter.sourcetypes));
        content.insert("stack_id", Value::Text(meter.stack.clone()));
        content.insert("window_period", Value::Number(meter.window_days.into()));
    }
    content
}

/// A feature's state as the vendor writes it.
const fn feature(status: FeatureStatus) -> &'static str {
    match status {
        FeatureStatus::Enabled => "ENABLED",
        FeatureStatus::DisabledDueToLicense => "DISABLED_DUE_TO_LICENSE",
        FeatureStatus::DisabledDueToViolation => "DISABLED_DUE_TO_VIOLATION",
    }
}

/// The licenses of the active group that count.
fn keys_in_use(state: &State) -> Vec<&License> {
    let counts = |license: &&License| {
        license.meters().any(|meter| meter.group == state.active_group)
            && license.standing(state, state.now) == Standing::Valid
    };
    state.licenses.values().map(AsRef::as_ref).filter(counts).collect()
}

fn of_local(slave: Option<&Slave>, state: &State) -> Content {
    let local = slaves::local(state, slave);
    let contact = seconds(slave.map_or(state.now, |slave| slave.last_report));
    let features = local.features.iter().map(|(name, status)| (name.clone(), Value::text(feature(*status))));
    let master = Value::Text(slaves::master_id(state));
    Content::from([
        ("add_ons", Value::Nothing),
        ("connection_timeout", Value::Number(TIMEOUT_S)),
        ("features", Value::Dict(features.collect())),
        ("last_manager_contact_attempt_time", contact.clone()),
        ("last_manager_contact_success_time", contact.clone()),
        ("last_master_contact_attempt_time", contact.clone()),
        ("last_master_contact_success_time", contact),
        ("last_trackerdb_service_time", seconds(state.now)),
        ("license_keys", Value::List(keys_in_use(state).into_iter().map(license_name).collect())),
        ("manager_guid", master.clone()),
        ("manager_uri", Value::text("self")),
        ("master_guid", master),
        ("master_uri", Value::text("self")),
        ("peer_id", Value::Text(local.id.clone())),
        ("peer_label", Value::Text(local.label.clone())),
        ("receive_timeout", Value::Number(TIMEOUT_S)),
        ("send_timeout", Value::Number(TIMEOUT_S)),
        ("slave_id", Value::Text(local.id)),
        ("slave_label", Value::Text(local.label)),
        ("squash_threshold", Value::Number(state.settings.squash_threshold.into())),
        ("warning_count", Value::Number(local.warnings as u64)),
    ])
}

fn of_message(message: &MessageView) -> Content {
    Content::from([
        ("category", Value::text(message.category.name())),
        ("create_time", seconds(message.created)),
        ("description", Value::text(message.description.as_str())),
        ("peer_id", Value::Text(message.slave.clone())),
        ("pool_id", Value::Text(message.pool.clone())),
        ("severity", Value::text(message.category.severity())),
        ("slave_id", Value::Text(message.slave.clone())),
        ("stack_id", Value::Text(message.stack.clone())),
    ])
}

fn of_pool(pool: &Pool, desk: &Desk<'_>) -> Content {
    let everybody = pool.members.all.then(|| Name::from("*"));
    let members = Value::List(everybody.into_iter().chain(pool.members.named.iter().cloned()).collect());
    let quota = match pool.quota {
        Quota::Max => Value::text("MAX"),
        Quota::Bytes(bytes) => Value::Number(bytes),
    };
    let effective = pool::effective_quota(desk.state, pool, &desk.sized);
    Content::from([
        ("description", Value::Text(pool.description.clone())),
        ("effective_quota", Value::Number(effective)),
        ("is_unlimited", Value::Flag(false)),
        ("peers", members.clone()),
        ("peers_usage_bytes", Value::UsedBy(pool.uid)),
        ("quota", quota),
        ("slaves", members),
        ("slaves_usage_bytes", Value::UsedBy(pool.uid)),
        ("stack_id", Value::Text(pool.stack.clone())),
        ("used_bytes", Value::Number(pool.used.on(desk.state.calendar.today))),
    ])
}

fn of_slave(slave: Option<&Slave>, desk: &Desk<'_>) -> Content {
    let state = desk.state;
    let (id, label, wish, warnings) = match slave {
        Some(slave) => (&slave.id, &slave.label, &*slave.wish, warning::of_slave(state, slave).len()),
        None => (&desk.master, &state.cluster_name, "", slaves::local(state, None).warnings),
    };
    let places = slaves::places(state, &desk.active, id, wish);
    Content::from([
        ("active_pool_ids", Value::list(&places.active)),
        ("label", Value::Text(label.clone())),
        ("pool_ids", Value::list(&places.pools)),
        ("stack_ids", Value::list(&places.stacks)),
        ("warning_count", Value::Number(warnings as u64)),
    ])
}

fn of_stack(stack: &Stack) -> Content {
    Content::from([
        ("is_unlimited", Value::Flag(false)),
        ("label", Value::Text(stack.label.clone())),
        ("max_violations", Value::Number(stack.max_violations.into())),
        ("quota", Value::Number(stack.quota_bytes)),
        ("type", Value::Text(stack.kind.clone())),
        ("window_period", Value::Number(stack.window_days.into())),
    ])
}

fn of_usage(desk: &Desk<'_>) -> Content {
    let state = desk.state;
    let stacks = || desk.active.iter().filter_map(|stack| state.stacks.get(stack));
    let used = stacks().map(|stack| stack.used.on(state.calendar.today)).fold(0, u64::saturating_add);
    let quota = stacks().map(|stack| stack.quota_bytes).fold(0, u64::saturating_add);
    Content::from([
        ("peers_usage_bytes", Value::Number(used)),
        ("quota", Value::Number(quota)),
        ("slaves_usage_bytes", Value::Number(used)),
    ])
}

fn of_server(desk: &Desk<'_>) -> Content {
    let state = desk.state;
    let keys = keys_in_use(state);
    let labels: Set<Name> = keys.iter().map(|license| license.label.clone()).collect();
    let active = |group: &str| Value::Flag(*state.active_group == *group);
    let guid = || Value::Text(desk.master.clone());
    let itself = || Value::text("self");
    Content::from([
        ("activeLicenseGroup", Value::Text(state.active_group.clone())),
        ("activeLicenseSubgroup", Value::text("Production")),
        ("build", Value::text(super::BUILD)),
        ("cpu_arch", Value::text(std::env::consts::ARCH)),
        ("guid", guid()),
        ("isFree", active("Free")),
        ("isTrial", active("Trial")),
        ("licenseKeys", Value::List(keys.iter().map(|license| license_name(license)).collect())),
        ("licenseState", Value::text(if keys.is_empty() { "EXPIRED" } else { "OK" })),
        ("license_labels", Value::list(&labels)),
        ("manager_guid", guid()),
        ("manager_uri", itself()),
        ("master_guid", guid()),
        ("master_uri", itself()),
        ("mode", Value::text("normal")),
        ("os_name", Value::text("Linux")),
        ("product_type", Value::text("enterprise")),
        ("serverName", Value::Text(state.cluster_name.clone())),
        ("server_roles", Value::List(vec!["license_master".into(), "license_manager".into()])),
        ("version", Value::text(super::VERSION)),
    ])
}
