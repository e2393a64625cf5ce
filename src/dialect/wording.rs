//! A rule's no in words: a code for programs, a sentence and a hint for people, and the numbers. No `_` arm: a new refusal
//! stops the build here until it is worded. The words are every language's; the shape around them is each one's own, and
//! so is the status where its product has another.

#![deny(clippy::wildcard_enum_match_arm)]

use hyper::StatusCode;
use serde_json::{Value, json};

use super::reply::Reply;
use super::request::Head;
use super::shown;
use super::trouble::Trouble;
use crate::domain::name::hex;
use crate::domain::refusal::Refusal;
use crate::domain::time::{Moment, NEVER};
use crate::projection::journal::rfc3339;

/// A no in words.
pub struct Worded {
    /// The status.
    pub status: StatusCode,
    /// The code.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// The numbers and names in it.
    pub numbers: Value,
    /// What helps.
    pub hint: &'static str,
}

fn worded(status: StatusCode, code: &'static str, message: String, numbers: Value, hint: &'static str) -> Worded {
    Worded { status, code, message, numbers, hint }
}

fn missing(code: &'static str, what: &str, name: &str, hint: &'static str) -> Worded {
    worded(StatusCode::NOT_FOUND, code, format!("no such {what}: {}", shown(name)), json!({"name": shown(name)}), hint)
}

fn conflict(code: &'static str, message: String, numbers: Value, hint: &'static str) -> Worded {
    worded(StatusCode::CONFLICT, code, message, numbers, hint)
}

fn bad(code: &'static str, message: String, numbers: Value, hint: &'static str) -> Worded {
    worded(StatusCode::BAD_REQUEST, code, message, numbers, hint)
}

/// Words any refusal.
#[expect(clippy::too_many_lines, reason = "one arm a refusal, and no `_` arm")]
#[must_use]
pub fn refusal(refusal: &Refusal) -> Worded {
    match refusal {
        Refusal::RuleBroken { .. } => worded(
            StatusCode::CONFLICT,
            "rule_broken",
            "a rule failed on this request; nothing was changed".to_owned(),
            json!({}),
            "this is a bug: report it with the node's log",
        ),
        Refusal::ClusterState { initialized } => conflict(
            "cluster_state",
            state_message(*initialized),
            json!({"initialized": initialized}),
            "start the node with `quartermaster serve`",
        ),
        Refusal::CredentialStale => worded(
            StatusCode::UNAUTHORIZED,
            "credential_stale",
            "the password or token was changed or ended meanwhile".to_owned(),
            json!({}),
            "log in again",
        ),
        Refusal::NotAllowed { needs } => worded(
            StatusCode::FORBIDDEN,
            "not_allowed",
            format!("this needs the right {}", needs.name()),
            json!({"needs": needs.name()}),
            "ask an administrator for a role that has it",
        ),
        Refusal::IdempotencyMismatch { key } => worded(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_mismatch",
            format!("the idempotency key {} came with another request before", shown(key)),
            json!({"key": shown(key)}),
            "use a fresh key for each request, and the same one only to repeat it",
        ),
        Refusal::BadName { what, name } => bad(
            "bad_name",
            format!("no good name for a {what}: {:?}", shown(name)),
            json!({"what": what, "name": shown(name)}),
            "1 to 100 characters, no control characters, no slash",
        ),
        Refusal::OutOfRange { what, asked, least, most } => bad(
            "out_of_range",
            format!("{what} is {least} to {most}, not {asked}"),
            json!({"what": what, "asked": asked, "least": least, "most": most}),
            "choose a number within these bounds",
        ),
        Refusal::RulesUnknown { asked, current, newest } => bad(
            "rules_unknown",
            format!("rules {asked} cannot follow rules {current}; the newest known are {newest}"),
            json!({"asked": asked, "current": current, "newest": newest}),
            "upgrade every node first",
        ),
        Refusal::TooMany { what, limit } => conflict(
            "too_many",
            format!("there are {limit} {what} already, which is the most"),
            json!({"what": what, "limit": limit}),
            "remove some that are not needed any more",
        ),
        Refusal::NoSuchKey { key } => missing("no_such_key", "key", key, "see the list of keys"),
        Refusal::KeyExists { key } => conflict(
            "key_exists",
            format!("key {} is trusted already", shown(key)),
            json!({"key": shown(key)}),
            "nothing is left to do",
        ),
        Refusal::KeyDistrusted { key, since } => conflict(
            "key_distrusted",
            format!("key {} is trusted no more since {}", shown(key), stamp(*since)),
            json!({"key": shown(key), "since": stamp(*since)}),
            "have the license signed again with a key that is trusted",
        ),
        Refusal::NoSuchLicense { license } => {
            missing("no_such_license", "license", license, "see the list of licenses")
        }
        Refusal::LicenseExists { license } => conflict(
            "license_exists",
            format!("license {} is installed already", hex(license)),
            json!({"license": hex(license)}),
            "nothing is left to do",
        ),
        Refusal::LicenseExpired { expired } => bad(
            "license_expired",
            format!("the license ended at {}", stamp(*expired)),
            json!({"expired": time(*expired)}),
            "ask its issuer for a new one",
        ),
        Refusal::LastLicenseOfActiveGroup { group } => conflict(
            "last_license_of_active_group",
            format!("this is the last license of the active group {}", shown(group)),
            json!({"group": shown(group)}),
            "install another one or activate another group first",
        ),
        Refusal::BadStack { stack, group } => bad(
            "bad_stack",
            format!("stack {} cannot be in group {}", shown(stack), shown(group)),
            json!({"stack": shown(stack), "group": shown(group)}),
            "a stack stays in the group of its first license; ask the issuer",
        ),
        Refusal::TrialUsed => conflict(
            "trial_used",
            "the trial was granted once in this cluster's life already".to_owned(),
            json!({}),
            "install a license",
        ),
        Refusal::NoSuchGroup { group } => missing("no_such_group", "group", group, "see the list of groups"),
        Refusal::GroupUnavailable { group } => conflict(
            "group_unavailable",
            format!("group {} cannot be activated: it has no stack, or is a trial that was left", shown(group)),
            json!({"group": shown(group)}),
            "install a license of that group first",
        ),
        Refusal::NoSuchStack { stack } => missing("no_such_stack", "stack", stack, "see the list of stacks"),
        Refusal::NoSuchPool { pool } => missing("no_such_pool", "pool", pool, "see the list of pools"),
        Refusal::PoolExists { pool } => conflict(
            "pool_exists",
            format!("pool {} exists", shown(pool)),
            json!({"pool": shown(pool)}),
            "edit it, or choose another name",
        ),
        Refusal::PoolIsFixed { pool, stack } => conflict(
            "pool_is_fixed",
            format!("pool {} belongs to stack {}, whose pools are fixed", shown(pool), shown(stack)),
            json!({"pool": shown(pool), "stack": shown(stack)}),
            "pools can be changed in stacks of group Enterprise only",
        ),
        Refusal::StackNotPoolable { stack } => bad(
            "stack_not_poolable",
            format!("stack {} takes no pools", shown(stack)),
            json!({"stack": shown(stack)}),
            "pools are made in stacks of group Enterprise only",
        ),
        Refusal::MaxPoolExists { pool } => conflict(
            "max_pool_exists",
            format!("pool {} has what the stack leaves (MAX), and a stack has one such pool", shown(pool)),
            json!({"pool": shown(pool)}),
            "give a number of bytes, or give the other pool one first",
        ),
        Refusal::QuotaBeyondStack { asked_bytes, free_bytes } => conflict(
            "quota_beyond_stack",
            format!("{asked_bytes} bytes are more than the stack has left: {free_bytes}"),
            json!({"asked_bytes": asked_bytes, "free_bytes": free_bytes}),
            "ask for less, or make another pool of the stack smaller first",
        ),
        Refusal::CatchAllExists { pool } => conflict(
            "catch_all_exists",
            format!("pool {} takes all slaves (*) already", shown(pool)),
            json!({"pool": shown(pool)}),
            "name the slaves, or take `*` out of that pool first",
        ),
        Refusal::SlaveInOtherPool { slave, pool } => conflict(
            "slave_in_other_pool",
            format!("slave {} is named by pool {}", shown(slave), shown(pool)),
            json!({"slave": shown(slave), "pool": shown(pool)}),
            "take it out of that pool first",
        ),
        Refusal::NoSuchSlave { slave } => {
            missing("no_such_slave", "slave", slave, "a slave is known once it has reported")
        }
        Refusal::SlaveReportedToday { slave } => conflict(
            "slave_reported_today",
            format!("slave {} has used something on the open license day", shown(slave)),
            json!({"slave": shown(slave)}),
            "forget it when the day is closed",
        ),
        Refusal::NoSuchUser { user } => missing("no_such_user", "user", user, "see the list of users"),
        Refusal::UserExists { user } => conflict(
            "user_exists",
            format!("user {} exists", shown(user)),
            json!({"user": shown(user)}),
            "choose another name",
        ),
        Refusal::LastAdministrator { user } => conflict(
            "last_administrator",
            format!("{} is the last enabled user that may manage users", shown(user)),
            json!({"user": shown(user)}),
            "give another user that right first",
        ),
        Refusal::NoSuchRole { role } => missing("no_such_role", "role", role, "see the list of roles"),
        Refusal::RoleIsBuiltin { role } => conflict(
            "role_is_builtin",
            format!("role {} came with the cluster", shown(role)),
            json!({"role": shown(role)}),
            "make another role",
        ),
        Refusal::RoleInUse { role, user } => conflict(
            "role_in_use",
            format!("{} has role {}", shown(user), shown(role)),
            json!({"role": shown(role), "user": shown(user)}),
            "take the role from its users first",
        ),
        Refusal::RightBeyondOwn { right } => worded(
            StatusCode::FORBIDDEN,
            "right_beyond_own",
            format!("nobody can give a right that they do not have: {}", right.name()),
            json!({"right": right.name()}),
            "ask somebody who has it",
        ),
        Refusal::NoSuchToken { id } => missing("no_such_token", "token", &id.to_string(), "see the list of tokens"),
        Refusal::NoSuchTicket { node } => {
            missing("no_such_ticket", "ticket for node", &node.to_string(), "make a new ticket: each is good once")
        }
        Refusal::TicketExpired { node, expired } => conflict(
            "ticket_expired",
            format!("the ticket for node {node} ended at {}", stamp(*expired)),
            json!({"node": node, "expired": stamp(*expired)}),
            "make a new ticket",
        ),
        Refusal::NoSuchNode { node } => missing("no_such_node", "node", &node.to_string(), "see the cluster's members"),
        Refusal::NodeWasRemoved { node } => conflict(
            "node_was_removed",
            format!("node {node} was removed for good"),
            json!({"node": node}),
            "make a ticket and join under a new id",
        ),
        Refusal::NoSuchSeatType { product } => {
            missing("no_such_seat_type", "seat type", product, "see the list of seat types")
        }
        Refusal::SeatTypeExpired { product, expired } => conflict(
            "seat_type_expired",
            format!("no license of {} counts now: each has ended, has not begun, or lost its key", shown(product)),
            json!({"type": shown(product), "last_expires": time(*expired)}),
            "install a license for it; sessions that are held go on",
        ),
        Refusal::NoSeatLeft { product, count, held, kept, waiting } => conflict(
            "no_seat_left",
            format!(
                "no seat of {} is free: {held} of {count} are held, {kept} more are kept for others, {waiting} wait",
                shown(product)
            ),
            json!({"type": shown(product), "count": count, "held": held, "kept": kept, "waiting": waiting}),
            "wait in line with \"queue\": true, or have a seat returned or released",
        ),
        Refusal::NoWorkersLeft { product, asked, free, workers } => conflict(
            "no_workers_left",
            format!("{asked} workers of {} are asked for, and {free} of {workers} are free", shown(product)),
            json!({"type": shown(product), "asked": asked, "free": free, "workers": workers}),
            "ask for fewer workers, let it be clamped, or wait in line with \"queue\": true",
        ),
        Refusal::SeatNotAllowed { product, user } => worded(
            StatusCode::FORBIDDEN,
            "seat_not_allowed",
            format!("{} may have no seat of {}", shown(user), shown(product)),
            json!({"type": shown(product), "user": shown(user)}),
            "ask who manages seats to change the type's allow or deny list",
        ),
        Refusal::SeatsPerUser { product, user, limit } => conflict(
            "seats_per_user",
            format!("{} has {limit} seats and places of {} already, which is the most", shown(user), shown(product)),
            json!({"type": shown(product), "user": shown(user), "limit": limit}),
            "return one of them first",
        ),
        Refusal::SeatsPerAddress { product, address, limit } => conflict(
            "seats_per_address",
            format!("{} has {limit} seats and places of {} already, which is the most", shown(address), shown(product)),
            json!({"type": shown(product), "address": shown(address), "limit": limit}),
            "return one of them first, or ask from another machine",
        ),
        Refusal::NoSuchSeat { id } => {
            missing("no_such_seat", "seat or place in line", &id.to_string(), "see the list of sessions")
        }
        Refusal::SeatEnded { id } => worded(
            StatusCode::NOT_FOUND,
            "seat_ended",
            format!("session or place {id} has ended: returned, released, or not heard of for a lease"),
            json!({"seat": id}),
            "take a seat again, with a fresh idempotency key",
        ),
        Refusal::NotYourSeat { id } => worded(
            StatusCode::FORBIDDEN,
            "not_your_seat",
            format!("session or place {id} is somebody else's"),
            json!({"seat": id}),
            "with the right manage_seats it can be released",
        ),
        Refusal::SeatNotGranted { id } => conflict(
            "seat_not_granted",
            format!("{id} is a place in line, not a seat yet"),
            json!({"seat": id}),
            "wait for it to come up",
        ),
        Refusal::SeatIsBorrowed { id, user, until } => conflict(
            "seat_is_borrowed",
            format!("{} has borrowed seat {id} until {} and works offline", shown(user), stamp(*until)),
            json!({"seat": id, "user": shown(user), "until": stamp(*until)}),
            "have it returned, or release it with even_borrowed: its proof stays good until then",
        ),
        Refusal::BorrowBeyondLimit { product, borrowed, limit } => conflict(
            "borrow_beyond_limit",
            format!("{borrowed} seats of {} are borrowed, and at most {limit} may be", shown(product)),
            json!({"type": shown(product), "borrowed": borrowed, "limit": limit}),
            "have one returned, or ask who manages seats to raise borrow_seats",
        ),
        Refusal::ReservedBeyondCount { product, asked, free, count } => conflict(
            "reserved_beyond_count",
            format!("{asked} seats cannot be kept: of {count} of {}, other reservations leave {free}", shown(product)),
            json!({"type": shown(product), "asked": asked, "free": free, "count": count}),
            "keep fewer, or make another reservation smaller first",
        ),
        Refusal::NoSuchUserGroup { group } => {
            missing("no_such_user_group", "user group", group, "see the list of user groups")
        }
        Refusal::RoleInGroup { role, group } => conflict(
            "role_in_group",
            format!("group {} gives role {} to its members", shown(group), shown(role)),
            json!({"role": shown(role), "group": shown(group)}),
            "take the role from the group first",
        ),
        Refusal::NoAccountSeat { taken, seats } => conflict(
            "no_account_seat",
            format!("{taken} accounts take a seat, and licenses allow {seats}"),
            json!({"taken": taken, "seats": seats}),
            "install a license with more seats, or disable an account first",
        ),
        Refusal::SessionClosing { session } => conflict(
            "session_closing",
            format!("session {session} was asked to end, and takes no more work"),
            json!({"seat": session}),
            "log in again",
        ),
        Refusal::NoSuchWork { key } => {
            missing("no_such_work", "work", key, "results are remembered for five minutes after the end")
        }
        Refusal::ConcurrentUsers { product, users, limit } => conflict(
            "concurrent_users",
            format!("users that have seats of {}: {users}; licenses allow {limit} at once", shown(product)),
            json!({"type": shown(product), "users": users, "limit": limit}),
            "have one of them return all seats first",
        ),
        Refusal::LegalHolds { product, holds, limit } => conflict(
            "legal_holds",
            format!("legal holds on seats of {}: {holds}; licenses allow {limit} at once", shown(product)),
            json!({"type": shown(product), "holds": holds, "limit": limit}),
            "wait for one to end, or stop one",
        ),
        Refusal::AuditThreshold { product, read, asked, threshold } => conflict(
            "audit_threshold",
            format!(
                "{asked} bytes more than the {read} that audited work of {} has read on this license day are beyond {threshold}",
                shown(product)
            ),
            json!({"type": shown(product), "read": read, "asked": asked, "threshold": threshold}),
            "wait for the next license day, or install a license with a higher threshold",
        ),
        Refusal::LicenseRemovedForGood { license } => conflict(
            "license_removed_for_good",
            format!("license {} was removed, and says that it cannot be added again", hex(license)),
            json!({"license": hex(license)}),
            "ask its issuer for a new license",
        ),
        Refusal::LicenseRevoked { license } => conflict(
            "license_revoked",
            format!("license {} was revoked, which is for ever", hex(license)),
            json!({"license": hex(license)}),
            "ask its issuer for a new one",
        ),
        Refusal::LicenseSuperseded { number, newest } => conflict(
            "license_superseded",
            format!("this is issue {number} of the license, and issue {newest} was installed before"),
            json!({"number": number, "newest": newest}),
            "install its newest issue",
        ),
        Refusal::NotYetValid { starts } => bad(
            "license_not_yet_valid",
            format!("the license begins at {}, and would be in force at once", stamp(*starts)),
            json!({"starts": stamp(*starts)}),
            "install it when its time has come",
        ),
        Refusal::OtherCluster { license, cluster } => bad(
            "other_cluster",
            format!("the license is for cluster {}, and this one is {}", shown(license), shown(cluster)),
            json!({"license": shown(license), "cluster": shown(cluster)}),
            "ask its issuer for one with this cluster's name",
        ),
        Refusal::LimitBelowUse { level, used, limit } => conflict(
            "limit_below_use",
            format!("{used} {} are in use, and the license allows {limit}", shown(level)),
            json!({"level": shown(level), "used": used, "limit": limit}),
            "use less first, or ask its issuer for more",
        ),
        Refusal::FeatureInUse { feature } => conflict(
            "feature_in_use",
            format!("the feature {} is in use, and the license lacks it", shown(feature)),
            json!({"feature": shown(feature)}),
            "stop using it first, or ask its issuer for a license that has it",
        ),
        Refusal::NeedsAcknowledgement { from, to, older } => conflict(
            "needs_acknowledgement",
            format!("something ends when a license of type {} follows one of type {}", shown(to), shown(from)),
            json!({"from": shown(from), "to": shown(to), "older": older}),
            "say that you know: acknowledge it",
        ),
        Refusal::SignedBasicRefused => bad(
            "signed_basic_refused",
            "this cluster's policy does not take signed licenses of type basic".to_owned(),
            json!({}),
            "grant elastic_basic, or choose elastic_signed_basic=accept",
        ),
        Refusal::NoSuchChoice { policy, choice } => {
            let words: Vec<&str> = policy.choices().iter().map(|choice| choice.name()).collect();
            bad(
                "no_such_choice",
                format!("policy {} is {}, not {}", policy.name(), words.join(" or "), choice.name()),
                json!({"policy": policy.name(), "choices": words}),
                "choose one of these words",
            )
        }
    }
}

fn state_message(initialized: bool) -> String {
    if initialized { "the cluster was initialized already".to_owned() } else { "the log has no cluster yet".to_owned() }
}

fn stamp(moment: Moment) -> String {
    if moment == NEVER { "9999-12-31T23:59:59.999Z".to_owned() } else { rfc3339(moment) }
}

fn time(moment: Moment) -> Option<String> {
    (moment != NEVER).then(|| rfc3339(moment))
}

/// Whether what was asked surely did not happen.
fn surely_not_done(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::TooLate { write } => !write,
        Trouble::Unavailable(unavailable) => *unavailable != crate::replica::Unavailable::Unknown,
        Trouble::Malformed(_)
        | Trouble::Denied(_)
        | Trouble::Refused(_)
        | Trouble::NotFound { .. }
        | Trouble::License(_) => true,
    }
}

/// What every language does with a reply to a trouble: a 5xx is logged, and says in a header, too, whether a write surely
/// did not happen (E2).
#[must_use]
pub fn told(head: &Head, trouble: &Trouble, reply: Reply) -> Reply {
    if !reply.status.is_server_error() {
        return reply;
    }
    let status = reply.status.as_u16();
    tracing::error!(request = %head.id, path = %head.shown_path(), status, ?trouble, "a request could not be answered");
    reply.with("quartermaster-write", if surely_not_done(trouble) { "not-done" } else { "unknown" })
}
