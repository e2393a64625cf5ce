//! Seat types: what the installed licenses of all formats add up to (K2), worked out again whenever one of them changes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{SEATS_PER_TERM, TYPES, fold};
use crate::domain::license::{License, SeatGrant, Standing};
use crate::domain::name::{NAME_CHARS, Name, Set, check_name, check_range, check_text};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::domain::time::Moment;

/// A type of seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatType {
    /// Its short name.
    pub name: Name,
    /// What its first license says that it is.
    pub description: Name,
    /// Seats of all licenses that count.
    pub count: u64,
    /// Workers of all licenses that count.
    pub workers: u64,
    /// Whether a checkout says how many workers it wants; else each gets the same number.
    pub can_choose_workers: bool,
    /// Whether a license that counts is audited.
    pub audited: bool,
    /// The largest audit threshold of the licenses that count, in bytes.
    pub audit_threshold_bytes: u64,
    /// When the last of its licenses ends, or ended.
    pub expires: Moment,
    /// Whether a license names it; without one it is gone when the last session ends.
    pub licensed: bool,
}

impl SeatType {
    /// The workers that each seat has when nobody may choose: an even share, and at least one where there are any.
    #[must_use]
    pub fn fixed_workers(&self) -> u64 {
        if self.workers == 0 { 0 } else { (self.workers / self.count.max(1)).max(1) }
    }
}

/// Checks what a license grants of seats.
pub(in crate::domain) fn check(state: &State, grant: &SeatGrant) -> Result<(), Refusal> {
    check_name("seat type", &grant.product)?;
    check_text("description", &grant.description, 2 * NAME_CHARS)?;
    check_range("seats", grant.count, 1, SEATS_PER_TERM)?;
    check_range("workers", grant.workers, 0, SEATS_PER_TERM)?;
    let types = &state.seats.types;
    if !types.contains_key(&grant.product) && types.len() >= TYPES {
        return Err(Refusal::TooMany { what: "seat types".into(), limit: TYPES as u64 });
    }
    Ok(())
}

/// Works out again the types that a license names.
pub(in crate::domain) fn refresh_of(state: &mut State, license: &License) {
    let products: Set<Name> = license.seat_grants().map(|grant| grant.product.clone()).collect();
    for product in &products {
        refresh(state, product);
    }
}

/// Works out again the types that licenses of this key add to.
pub(in crate::domain) fn refresh_of_key(state: &mut State, key: &Name) {
    let of_key = state.licenses.values().filter(|license| license.key.as_ref() == Some(key));
    let products: Set<Name> =
        of_key.flat_map(|license| license.seat_grants().map(|grant| grant.product.clone())).collect();
    for product in &products {
        refresh(state, product);
    }
}

fn refresh(state: &mut State, product: &Name) {
    let worked_out = work_out(state, product);
    let seats = Arc::make_mut(&mut state.seats);
    match worked_out {
        Some(kind) => {
            seats.types.insert(product.clone(), kind);
        }
        None => {
            if let Some(kind) = seats.types.get_mut(product) {
                *kind = SeatType { count: 0, workers: 0, licensed: false, ..kind.clone() };
            }
            fold::forget_unlicensed(seats, product);
        }
    }
    fold::settle(seats, product);
}

/// What the licenses of a type add up to at this moment; `None` when none names it.
fn work_out(state: &State, product: &Name) -> Option<SeatType> {
    let mut named: Vec<(bool, &License, &SeatGrant)> = Vec::new();
    for license in state.licenses.values() {
        let counts = license.standing(state, state.now) == Standing::Valid;
        named.extend(
            license.seat_grants().filter(|grant| grant.product == *product).map(|grant| (counts, &**license, grant)),
        );
    }
    named.sort_by_key(|(counts, license, _)| (!counts, license.installed, license.id));
    let (_, _, first) = named.first()?;
    let counting = || named.iter().filter(|(counts, ..)| *counts);
    let ends = |(_, license, _): &(bool, &License, &SeatGrant)| license.expires;
    Some(SeatType {
        name: product.clone(),
        description: first.description.clone(),
        count: counting().map(|(_, _, grant)| grant.count).sum(),
        workers: counting().map(|(_, _, grant)| grant.workers).sum(),
        can_choose_workers: named.iter().all(|(_, _, grant)| grant.can_choose_workers),
        audited: counting().any(|(_, _, grant)| grant.audited),
        audit_threshold_bytes: counting().map(|(_, _, grant)| grant.audit_threshold_bytes).max().unwrap_or(0),
        expires: counting().map(ends).max().or_else(|| named.iter().map(ends).max())?,
        licensed: true,
    })
}
