//! Licenses for accounts: how many people may have one, what they are told, and what happens when their license ends.
//!
//! Without any such license there is no limit. Whoever could renew a license, or let others in, never counts and is
//! never shut out (docs/adr/0051); nor does an account that a slave reports by.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::evolve;
use super::license::{License, LicenseId, Standing};
use super::name::{Map, NAME_CHARS, Name, check_range, check_text};
use super::refusal::Refusal;
use super::right;
use super::state::State;
use super::time::Moment;
use super::user::{Right, User};

/// Most seats of one license: as many as sums of a thousand licenses stay far from 64 bits.
pub const SEATS: u64 = 1 << 40;
/// Longest notice, in characters: a few lines on a login page.
const NOTICE_CHARS: usize = 2_000;
/// Most features, and most handlers, of one license.
const SWITCHES: usize = 1_000;
/// Most licenses that are remembered, removed ones too: their numbers are never used again.
const REMEMBERED: usize = 100_000;

/// What a license grants to accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountGrant {
    /// People who may have an account.
    pub seats: u64,
    /// How many more may be added before the limit holds.
    pub soft_seats: u64,
    /// Features, and whether each is on.
    pub features: Map<Name, bool>,
    /// Kinds of data sources, and whether each is on.
    pub handlers: Map<Name, bool>,
    /// Whether people are shut out when the license ends; else they are told only.
    pub hard_expiration: bool,
    /// Whether the license can never be added again once it was removed.
    pub hard_delete: bool,
    /// What whoever logs in is told.
    pub notice: Name,
    /// What whoever logs in is told when the license has ended.
    pub notice_on_expire: Name,
}

/// What is remembered of a license for accounts, also after it was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Its number: counts up from 1 within the cluster, and belongs to this license for ever.
    pub number: u64,
    /// When it was added, or removed, or added again.
    pub updated: Moment,
    /// Whether it was removed.
    pub removed: bool,
    /// Whether it can never be added again.
    pub hard_delete: bool,
}

/// How many people may have an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seats {
    /// Seats of all licenses that count.
    pub hard: u64,
    /// The same, and how many more may be added before the limit holds.
    pub total: u64,
}

/// Checks what a license grants to accounts.
pub(super) fn check(state: &State, license: &License, grant: &AccountGrant) -> Result<(), Refusal> {
    check_range("seats", grant.seats, 0, SEATS)?;
    check_range("soft seats", grant.soft_seats, 0, SEATS)?;
    for switches in [&grant.features, &grant.handlers] {
        check_range("features or handlers", switches.len() as u64, 0, SWITCHES as u64)?;
        switches.keys().try_for_each(|name| check_text("feature or handler", name, NAME_CHARS))?;
    }
    check_text("notice", &grant.notice, NOTICE_CHARS)?;
    check_text("notice", &grant.notice_on_expire, NOTICE_CHARS)?;
    match state.account_licenses.get(&license.id) {
        Some(before) if before.removed && before.hard_delete => {
            Err(Refusal::LicenseRemovedForGood { license: license.id })
        }
        None if state.account_licenses.len() >= REMEMBERED => {
            Err(Refusal::TooMany { what: "licenses for accounts, removed ones too".into(), limit: REMEMBERED as u64 })
        }
        Some(_) | None => Ok(()),
    }
}

/// Installed licenses for accounts, in the order of their numbers.
pub fn installed(state: &State) -> impl Iterator<Item = (Remembered, &License, &AccountGrant)> {
    state.account_license_numbers.values().filter_map(|id| {
        let license = state.licenses.get(id)?;
        let remembered = *state.account_licenses.get(id)?;
        Some((remembered, &**license, license.account_grant()?))
    })
}

/// How many people may have an account; `None` without a license that says so.
#[must_use]
pub fn seats(state: &State) -> Option<Seats> {
    if state.account_license_numbers.is_empty() {
        return None;
    }
    let valid = installed(state).filter(|(_, license, _)| license.standing(state, state.now) == Standing::Valid);
    Some(valid.fold(Seats::default(), |sum, (_, _, grant)| Seats {
        hard: sum.hard + grant.seats,
        total: sum.total + grant.seats + grant.soft_seats,
    }))
}

/// Whether an account takes a seat: it is enabled, a person's, and not one that runs the cluster.
#[must_use]
pub fn takes_seat(state: &State, name: &str, user: &User) -> bool {
    !user.disabled && is_licensed(state, name, user)
}

/// Whether an account takes a seat while it is enabled: it is a person's, and not one that runs the cluster.
#[must_use]
pub fn is_licensed(state: &State, name: &str, user: &User) -> bool {
    let runs_it = |right: &Right| matches!(right, Right::ManageUsers | Right::InstallLicenses);
    user.slave.is_none() && !right::roles_of(state, name, user).any(|role| role.rights.iter().any(runs_it))
}

/// How many accounts take a seat, by walking them all.
pub(super) fn counted(state: &State) -> u64 {
    state.users.iter().filter(|(name, user)| takes_seat(state, name, user)).count() as u64
}

/// Folds a change of these accounts, or of what they may do, and counts again which of them take a seat.
pub(super) fn recount(state: &mut State, names: &[Name], change: impl FnOnce(&mut State)) {
    let taken = |state: &State| {
        let users = names.iter().filter_map(|name| Some((name, state.users.get(name)?)));
        users.filter(|(name, user)| takes_seat(state, name, user)).count() as u64
    };
    let before = taken(state);
    change(state);
    state.account_seats_taken = state.account_seats_taken + taken(state) - before;
}

/// Refuses what would have more accounts take a seat than there are. What takes none more is never refused: nobody is
/// thrown out when seats become fewer.
pub(super) fn check_seats(state: &State, events: &[Event]) -> Result<(), Refusal> {
    let Some(seats) = seats(state) else { return Ok(()) };
    let mut after = state.clone();
    events.iter().for_each(|event| evolve(&mut after, event));
    let (taken, taken_after) = (state.account_seats_taken, after.account_seats_taken);
    if taken_after <= taken.max(seats.total) {
        return Ok(());
    }
    Err(Refusal::NoAccountSeat { taken, seats: seats.total })
}

/// Whether an account is shut out: the license that it needs has ended, that license shuts out, and no other counts.
#[must_use]
pub fn is_shut_out(state: &State, name: &str, user: &User) -> bool {
    if state.account_license_numbers.is_empty() {
        return false;
    }
    let mut ended = false;
    for (_, license, grant) in installed(state) {
        match license.standing(state, state.now) {
            Standing::Valid => return false,
            Standing::Expired => ended |= grant.hard_expiration,
            Standing::NotYetValid | Standing::Untrusted => {}
        }
    }
    ended && is_licensed(state, name, user)
}

/// What whoever logs in is told.
#[must_use]
pub fn notices(state: &State) -> Vec<Name> {
    let told = installed(state).map(|(_, license, grant)| match license.standing(state, state.now) {
        Standing::Valid => grant.notice.clone(),
        Standing::Expired => grant.notice_on_expire.clone(),
        Standing::NotYetValid | Standing::Untrusted => Name::default(),
    });
    told.filter(|notice| !notice.is_empty()).collect()
}

/// Gives a license for accounts its number, or back the one that it had.
pub(super) fn added(state: &mut State, license: &License) {
    let Some(grant) = license.account_grant() else { return };
    let number = state.account_licenses.get(&license.id).map(|before| before.number);
    let number = number.unwrap_or(state.account_licenses.len() as u64 + 1);
    let remembered = Remembered { number, updated: state.now, removed: false, hard_delete: grant.hard_delete };
    put(state, license.id, remembered);
}

/// Remembers that a license was removed.
pub(super) fn removed(state: &mut State, id: LicenseId) {
    let Some(before) = state.account_licenses.get(&id).copied() else { return };
    put(state, id, Remembered { updated: state.now, removed: true, ..before });
}

/// Puts what is remembered of a license in its places; also when a checkpoint is loaded.
pub(super) fn put(state: &mut State, id: LicenseId, remembered: Remembered) {
    state.account_licenses.insert(id, remembered);
    if remembered.removed {
        state.account_license_numbers.remove(&remembered.number);
    } else {
        state.account_license_numbers.insert(remembered.number, id);
    }
}
