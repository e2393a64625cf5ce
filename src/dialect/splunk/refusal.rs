//! A rule's no in this dialect's words. No `_` arm: a new refusal stops the build here until somebody has thought of it.

#![deny(clippy::wildcard_enum_match_arm)]

use hyper::StatusCode;

use super::args::shown;
use super::trouble::{Worded, error, forbidden, missing};
use crate::dialect::wording;
use crate::domain::name::hex;
use crate::domain::refusal::Refusal;
use crate::projection::journal::rfc3339;

fn bad(text: impl Into<String>) -> Worded {
    error(StatusCode::BAD_REQUEST, text)
}

fn conflict(text: impl Into<String>) -> Worded {
    error(StatusCode::CONFLICT, text)
}

/// Words any refusal.
#[expect(clippy::too_many_lines, reason = "one arm a refusal, and no `_` arm")]
pub(super) fn word(refusal: &Refusal) -> Worded {
    match refusal {
        Refusal::NotAllowed { needs } => forbidden(*needs),
        Refusal::NoSuchLicense { license: name }
        | Refusal::NoSuchGroup { group: name }
        | Refusal::NoSuchPool { pool: name }
        | Refusal::NoSuchSlave { slave: name }
        | Refusal::NoSuchUser { user: name } => missing(name),
        Refusal::LicenseExists { license } => conflict(format!(
            "failed to add because: stack already has this license, cannot add again: {}",
            hex(license).to_ascii_uppercase()
        )),
        Refusal::LicenseExpired { expired } => {
            bad(format!("failed to add because: the license expired at {}", rfc3339(*expired)))
        }
        Refusal::NoSuchKey { key } => {
            bad(format!("failed to add because: it is signed by a key that is not trusted here: {}", shown(key)))
        }
        Refusal::KeyDistrusted { key, since } => {
            bad(format!("failed to add because: key {} is trusted no more since {}", shown(key), rfc3339(*since)))
        }
        Refusal::LicenseRevoked { license } => bad(format!(
            "failed to add because: license {} was revoked, which is for ever. Ask its issuer for a new one.",
            hex(license).to_ascii_uppercase()
        )),
        Refusal::LicenseSuperseded { number, newest } => bad(format!(
            "failed to add because: this is issue {number} of the license, and issue {newest} was installed before"
        )),
        Refusal::LicenseRemovedForGood { license } => bad(format!(
            "failed to add because: license {} was removed, and says that it cannot be added again",
            hex(license).to_ascii_uppercase()
        )),
        Refusal::NotYetValid { starts } => {
            bad(format!("failed to add because: the license begins at {}", rfc3339(*starts)))
        }
        Refusal::OtherCluster { license, cluster } => bad(format!(
            "failed to add because: the license is for cluster {}, and this one is {}",
            shown(license),
            shown(cluster)
        )),
        Refusal::TrialUsed => bad("The trial was granted once in this cluster's life already: install a license."),
        Refusal::BadStack { stack, group } => {
            bad(format!("failed to add because: stack {} cannot be in group {}", shown(stack), shown(group)))
        }
        Refusal::LastLicenseOfActiveGroup { group } => bad(format!(
            "Cannot delete the last license of the active group {}: activate another group first.",
            shown(group)
        )),
        Refusal::GroupUnavailable { group } => bad(format!(
            "Group {} cannot be activated: it has no license, or is a trial that was left. Install a license of it first.",
            shown(group)
        )),
        Refusal::NoSuchStack { stack } => bad(format!("There is no stack {}: see licenser/stacks.", shown(stack))),
        Refusal::PoolExists { pool } => conflict(format!("An object with name={} already exists", shown(pool))),
        Refusal::PoolIsFixed { pool: _, stack } => bad(format!("Can't edit a pool in stack: {}", shown(stack))),
        Refusal::StackNotPoolable { stack } => bad(format!("Can't create a pool in stack: {}", shown(stack))),
        Refusal::MaxPoolExists { pool } => bad(format!(
            "Pool {} has quota MAX already, and a stack has one such pool: give a number of bytes.",
            shown(pool)
        )),
        Refusal::QuotaBeyondStack { asked_bytes, free_bytes } => bad(format!(
            "quota of {asked_bytes} bytes exceeds what the other pools of the stack leave: {free_bytes} bytes. Shrink or \
             delete another pool first."
        )),
        Refusal::CatchAllExists { pool } => {
            bad(format!("Pool {} takes all slaves (*) already: name slaves, or take * out of it first.", shown(pool)))
        }
        Refusal::SlaveInOtherPool { slave, pool } => {
            bad(format!("Slave {} is named by pool {}: take it out of that one first.", shown(slave), shown(pool)))
        }
        Refusal::BadName { what, name } => bad(format!(
            "\"{}\" is no name for a {what}: 1 to 100 characters, no control characters, no slash.",
            shown(name)
        )),
        Refusal::OutOfRange { what, asked, least, most } => bad(format!("{what} is {least} to {most}, not {asked}.")),
        Refusal::TooMany { what, limit } => {
            conflict(format!("There are {limit} {what} already, which is the most: remove some first."))
        }
        Refusal::CredentialStale => error(StatusCode::UNAUTHORIZED, "call not properly authenticated"),
        Refusal::IdempotencyMismatch { key } => error(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("Idempotency-Key {} came with another request before.", shown(key)),
        ),
        Refusal::RuleBroken { .. } => conflict(
            "A rule failed on this request; nothing was changed. This is a bug: report it with the node's log.",
        ),
        // what no endpoint of this dialect asks for is said in the words that every language shares
        Refusal::ClusterState { .. }
        | Refusal::RulesUnknown { .. }
        | Refusal::KeyExists { .. }
        | Refusal::UserExists { .. }
        | Refusal::LastAdministrator { .. }
        | Refusal::NoSuchRole { .. }
        | Refusal::RoleIsBuiltin { .. }
        | Refusal::RoleInUse { .. }
        | Refusal::RightBeyondOwn { .. }
        | Refusal::NoSuchToken { .. }
        | Refusal::NoSuchTicket { .. }
        | Refusal::TicketExpired { .. }
        | Refusal::NoSuchNode { .. }
        | Refusal::NodeWasRemoved { .. }
        | Refusal::SlaveReportedToday { .. }
        | Refusal::NoSuchSeatType { .. }
        | Refusal::SeatTypeExpired { .. }
        | Refusal::NoSeatLeft { .. }
        | Refusal::NoWorkersLeft { .. }
        | Refusal::SeatNotAllowed { .. }
        | Refusal::SeatsPerUser { .. }
        | Refusal::SeatsPerAddress { .. }
        | Refusal::NoSuchSeat { .. }
        | Refusal::SeatEnded { .. }
        | Refusal::NotYourSeat { .. }
        | Refusal::SeatNotGranted { .. }
        | Refusal::SeatIsBorrowed { .. }
        | Refusal::BorrowBeyondLimit { .. }
        | Refusal::ReservedBeyondCount { .. }
        | Refusal::NoSuchUserGroup { .. }
        | Refusal::RoleInGroup { .. }
        | Refusal::NoAccountSeat { .. }
        | Refusal::SessionClosing { .. }
        | Refusal::NoSuchWork { .. }
        | Refusal::ConcurrentUsers { .. }
        | Refusal::LegalHolds { .. }
        | Refusal::AuditThreshold { .. }
        | Refusal::NoSuchChoice { .. }
        | Refusal::LimitBelowUse { .. }
        | Refusal::FeatureInUse { .. }
        | Refusal::NeedsAcknowledgement { .. }
        | Refusal::SignedBasicRefused => {
            let worded = wording::refusal(refusal);
            error(worded.status, format!("{}; {}.", worded.message, worded.hint))
        }
    }
}
