//! Records and events as the journal's readers see them: every fact, no secret. A license's text shows as its hash, a
//! password or token not at all (docs/adr/0003). No `_` arm.

#![deny(clippy::wildcard_enum_match_arm)]

use serde_json::{Value, json};

use super::wire::{JournalRecord, stamp, time};
use super::{seat, work};
use crate::codec;
use crate::dialect::wording;
use crate::domain::event::{DayTotals, Event, ReportJudged};
use crate::domain::license::{License, Term};
use crate::domain::name::{Name, Set, hex};
use crate::domain::pool::{Members, PoolUid, Quota};
use crate::domain::record::{Outcome, Record, Stored};
use crate::domain::slave::{Fate, ReportRefusal};
use crate::domain::state::State;
use crate::domain::trust::{Algorithm, TrustedKey};
use crate::domain::user::{Credential, Token, TokenKind, User};
use crate::domain::{intent::Class, settings::Settings};
use crate::signing::format_name;

/// One record. Names of pools are those that `state` knows.
///
/// # Errors
/// When the stored bytes are no record: the journal is damaged.
pub(super) fn record(stored: &Stored, state: &State) -> Result<(Record, JournalRecord), codec::Malformed> {
    let record = Record::decode(&stored.bytes)?;
    let (outcome, events, refused, repeats) = match &record.outcome {
        Outcome::Done(events) => ("done", events.iter().map(|event| self::event(event, state)).collect(), None, None),
        Outcome::Refused(refusal) => {
            let worded = wording::refusal(refusal);
            let refusal = json!({"code": worded.code, "message": worded.message, "numbers": worded.numbers});
            ("refused", Vec::new(), Some(refusal), None)
        }
        Outcome::Repeated { seq } => ("repeated", Vec::new(), None, Some(*seq)),
    };
    let (credential, token_id) = credential(&record);
    let shown = JournalRecord {
        seq: record.seq,
        time: stamp(record.at),
        actor: record.actor.user.to_string(),
        credential,
        token_id,
        command: record.kind.name(),
        outcome,
        events,
        refusal: refused,
        repeats,
        class: match stored.class {
            Class::Audit => "audit",
            Class::Bulk => "bulk",
        },
        digest: hex(&stored.digest),
    };
    Ok((record, shown))
}

fn credential(record: &Record) -> (&'static str, Option<u64>) {
    match record.actor.credential {
        Credential::System => ("system", None),
        Credential::Password { .. } => ("password", None),
        Credential::Token { id, .. } => ("token", Some(id)),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm an event, and no `_` arm")]
fn event(event: &Event, state: &State) -> Value {
    match event {
        Event::ClusterInitialized { cluster_id, name, settings, calendar, rules } => json!({
            "event": "cluster_initialized", "cluster_id": cluster_id, "name": name, "settings": self::settings(settings),
            "day": calendar.today.to_string(), "rules": rules,
        }),
        Event::SettingsChanged { settings } => {
            json!({"event": "settings_changed", "settings": self::settings(settings)})
        }
        Event::RulesAdopted { rules } => json!({"event": "rules_adopted", "rules": rules}),
        Event::KeyTrusted { key } => json!({"event": "key_trusted", "key": self::key(key)}),
        Event::KeyDistrusted { key } => json!({"event": "key_distrusted", "key": key}),
        Event::LicenseInstalled { license } => json!({"event": "license_installed", "license": self::license(license)}),
        Event::LicenseRemoved { license } => json!({"event": "license_removed", "license": hex(license)}),
        Event::LicenseStarted { license } => json!({"event": "license_started", "license": hex(license)}),
        Event::LicenseExpired { license } => json!({"event": "license_expired", "license": hex(license)}),
        Event::WarningsReset { stack, through } => {
            json!({"event": "warnings_reset", "stack": stack, "through": through.to_string()})
        }
        Event::GroupActivated { group } => json!({"event": "group_activated", "group": group}),
        Event::PoolCreated { uid, name, stack, quota, members, description, fixed } => json!({
            "event": "pool_created", "pool": name, "number": uid, "stack": stack, "quota_bytes": self::quota(*quota),
            "slaves": self::members(members), "description": description, "fixed": fixed,
        }),
        Event::PoolEdited { name, quota, members, description } => json!({
            "event": "pool_edited", "pool": name, "quota_bytes": self::quota(*quota), "slaves": self::members(members),
            "description": description,
        }),
        Event::PoolDeleted { name } => json!({"event": "pool_deleted", "pool": name}),
        Event::ReportJudged(judged) => report(judged, state),
        Event::DayClosed(closed) => json!({
            "event": "day_closed", "day": closed.day.to_string(), "totals": totals(&closed.totals, state),
            "bulk_head": hex(&closed.bulk_head), "next_day": closed.calendar.today.to_string(),
        }),
        Event::SlaveEdited { slave, label } => json!({"event": "slave_edited", "slave": slave, "label": label}),
        Event::SlaveForgotten { slave } => json!({"event": "slave_forgotten", "slave": slave}),
        Event::UserPut { name, user } => json!({"event": "user_put", "user": name, "account": account(user)}),
        Event::UserDeleted { name } => json!({"event": "user_deleted", "user": name}),
        Event::RolePut { name, rights, builtin } => json!({
            "event": "role_put", "role": name, "builtin": builtin,
            "rights": rights.iter().map(|right| right.name()).collect::<Vec<_>>(),
        }),
        Event::RoleDeleted { name } => json!({"event": "role_deleted", "role": name}),
        Event::TokenPut { token } => json!({"event": "token_put", "token": self::token(token)}),
        Event::TokensEnded { ids } => json!({"event": "tokens_ended", "ids": ids}),
        Event::LockedOut { user, address, until } => {
            json!({"event": "locked_out", "user": user, "address": address, "until": stamp(*until)})
        }
        Event::LocksEnded { locks } => {
            let locks: Vec<Value> =
                locks.iter().map(|(user, address)| json!({"user": user, "address": address})).collect();
            json!({"event": "locks_ended", "locks": locks})
        }
        Event::TicketCreated { ticket } => {
            json!({"event": "ticket_created", "node": ticket.node, "expires": stamp(ticket.expires)})
        }
        Event::TicketsEnded { nodes } => json!({"event": "tickets_ended", "nodes": nodes}),
        Event::NodeJoined { node, address } => json!({
            "event": "node_joined", "node": node, "name": address.name, "peer": address.peer, "api": address.api,
        }),
        Event::NodeRemoved { node } => json!({"event": "node_removed", "node": node}),
        Event::GapClosed { slave, epoch, range } => json!({
            "event": "gap_closed", "slave": slave, "epoch": epoch, "first": range.first, "last": range.last,
        }),
        Event::EpochClosed { slave, epoch } => json!({"event": "epoch_closed", "slave": slave, "epoch": epoch}),
        Event::CalendarChanged { calendar } => json!({
            "event": "calendar_changed", "day": calendar.today.to_string(), "ends": stamp(calendar.ends),
        }),
        Event::StateMarked => json!({"event": "state_marked"}),
        Event::Seat(event) => seat::event(event),
        Event::UserGroupPut { name, roles } => {
            json!({"event": "user_group_put", "group": name, "roles": words(roles)})
        }
        Event::UserGroupMembers { name, joined, left } => {
            json!({"event": "user_group_members", "group": name, "joined": joined, "left": left})
        }
        Event::UserGroupDeleted { name } => json!({"event": "user_group_deleted", "group": name}),
        Event::Work(event) => work::event(event),
        Event::LicenseRevoked { license, series } => json!({
            "event": "license_revoked", "license": hex(license),
            "series": series.as_ref().map(|(format, issue)| json!({"format": format_name(*format), "issue": issue})),
        }),
        Event::PolicySet { policy, choice } => {
            json!({"event": "policy_set", "policy": policy.name(), "choice": choice.name()})
        }
    }
}

fn settings(settings: &Settings) -> Value {
    json!(super::answer::settings::shown(settings))
}

fn quota(quota: Quota) -> Option<u64> {
    match quota {
        Quota::Max => None,
        Quota::Bytes(bytes) => Some(bytes),
    }
}

/// A pool's members as the API writes them: GUIDs, and `*` for all others.
pub(super) fn members(members: &Members) -> Vec<String> {
    let all = members.all.then(|| "*".to_owned());
    all.into_iter().chain(members.named.iter().map(ToString::to_string)).collect()
}

fn key(key: &TrustedKey) -> Value {
    json!({"id": key.id, "algorithm": algorithm(key.algorithm), "label": key.label})
}

/// An algorithm's name.
pub(super) const fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Rsa2048 => "rsa2048",
    }
}

fn license(license: &License) -> Value {
    let terms: Vec<Value> = license
        .terms
        .iter()
        .map(|term| match term {
            Term::Accounts(grant) => json!({
                "accounts": grant.seats, "soft_accounts": grant.soft_seats, "hard_expiration": grant.hard_expiration,
                "hard_delete": grant.hard_delete,
            }),
            Term::SeatLimits(limits) => json!({
                "limits_of": limits.product, "users": limits.users, "legal_holds": limits.holds,
            }),
            Term::Seats(grant) => json!({
                "seats": grant.product, "count": grant.count, "workers": grant.workers,
                "can_choose_workers": grant.can_choose_workers,
            }),
            Term::Meter(meter) => json!({
                "group": meter.group, "stack": meter.stack, "quota_bytes": meter.quota_bytes,
                "max_violations": meter.max_violations, "window_days": meter.window_days,
            }),
            Term::Level(level) => json!({"level": level.level, "limit": level.limit}),
            Term::Features(features) => json!({"features": words(features)}),
            Term::Cluster(cluster) => json!({"cluster": cluster}),
            Term::Issue(issue) => json!({"series": issue.series, "number": issue.number}),
        })
        .collect();
    json!({
        "id": hex(&license.id), "format": format_name(license.format), "key": license.key, "label": license.label,
        "owner": license.owner, "kind": license.kind, "issue": license.issue, "created": stamp(license.created),
        "starts": stamp(license.starts), "expires": time(license.expires), "terms": terms,
    })
}

fn account(user: &User) -> Value {
    json!({
        "roles": words(&user.roles), "disabled": user.disabled, "slave": user.slave,
        "password_version": user.password_version,
    })
}

/// A set of names as a list.
pub(super) fn words(names: &Set<crate::domain::name::Name>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn token(token: &Token) -> Value {
    json!({
        "id": token.id, "version": token.version, "user": token.user, "kind": token_kind(token.kind),
        "label": token.label, "expires": time(token.expires),
    })
}

/// What a token is for.
pub(super) const fn token_kind(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Session => "session",
        TokenKind::Api => "api",
        TokenKind::Seat => "seat",
    }
}

fn report(judged: &ReportJudged, state: &State) -> Value {
    let (status, reason, day) = fate(&judged.fate);
    json!({
        "event": "report_judged", "slave": judged.slave, "sequence": judged.sequence, "epoch": judged.epoch,
        "report_id": judged.report_id, "status": status, "reason": reason, "day": day,
        "pool": judged.pool.and_then(|uid| pool_name(state, uid)), "stack": judged.stack, "bytes": judged.bytes,
        "rows": judged.rows.iter().map(|row| json!({
            "bytes": row.bytes, "sourcetype": row.sourcetype, "host": row.host, "source": row.source, "index": row.index,
        })).collect::<Vec<_>>(),
        "levels": judged.levels.iter().map(|level| (level.name.to_string(), json!(level.value))).collect::<serde_json::Map<_, _>>(),
    })
}

/// A report's fate: status, reason, and the day that a late one was counted on.
pub(super) fn fate(fate: &Fate) -> (&'static str, Option<&'static str>, Option<String>) {
    match fate {
        Fate::Accepted => ("accepted", None, None),
        Fate::Duplicate => ("duplicate", None, None),
        Fate::Late(day) => ("late", None, Some(day.to_string())),
        Fate::Refused(refusal) => ("refused", Some(reason(refusal)), None),
    }
}

/// Why a report was not counted.
pub(super) const fn reason(refusal: &ReportRefusal) -> &'static str {
    match refusal {
        ReportRefusal::TooOld => "too_old",
        ReportRefusal::GapClosed => "gap_closed",
        ReportRefusal::EpochClosed => "epoch_closed",
        ReportRefusal::TimeRequired => "time_required",
        ReportRefusal::Unidentified => "unidentified",
        ReportRefusal::Overflow => "overflow",
        ReportRefusal::NotYourSlave => "not_your_slave",
        ReportRefusal::TooManyReportIds => "too_many_report_ids",
        ReportRefusal::Malformed => "malformed",
    }
}

/// A pool's name, also of a deleted one.
pub(super) fn pool_name(state: &State, uid: PoolUid) -> Option<Name> {
    let past = || state.pool_pasts.get(&uid).map(|past| past.name.clone());
    state.pool_names.get(&uid).cloned().or_else(past)
}

fn totals(totals: &DayTotals, state: &State) -> Value {
    let pools: serde_json::Map<String, Value> = totals
        .pools
        .iter()
        .map(|(uid, used)| {
            let name = pool_name(state, *uid).map_or_else(|| format!("#{uid}"), |name| name.to_string());
            (name, json!({"used_bytes": used.used_bytes, "quota_bytes": used.quota_bytes}))
        })
        .collect();
    let stacks: serde_json::Map<String, Value> = totals
        .stacks
        .iter()
        .map(|(name, used)| (name.to_string(), json!({"used_bytes": used.used_bytes, "quota_bytes": used.quota_bytes})))
        .collect();
    json!({
        "bytes": totals.bytes, "unpooled_bytes": totals.unpooled_bytes, "reports": totals.reports, "pools": pools,
        "stacks": stacks,
    })
}
