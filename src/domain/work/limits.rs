//! What licenses limit beside seats and workers: how many people at once, how many legal holds, how much audited data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Ask, Kind};
use crate::domain::license::{License, Standing};
use crate::domain::name::{Name, Set, check_name, check_range};
use crate::domain::refusal::Refusal;
use crate::domain::seat::{SEATS_PER_TERM, Session};
use crate::domain::state::State;

/// Limits that a license sets for a seat type; where several do, the smallest holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatLimits {
    /// The seat type.
    pub product: Name,
    /// Most users that hold a seat or wait for one at once, however many each holds.
    pub users: Option<u64>,
    /// Most legal holds that run or wait at once.
    pub holds: Option<u64>,
}

/// Checks what a license limits.
pub(in crate::domain) fn check_term(limits: &SeatLimits) -> Result<(), Refusal> {
    check_name("seat type", &limits.product)?;
    check_range("concurrent users", limits.users.unwrap_or(1), 1, SEATS_PER_TERM)?;
    check_range("legal holds", limits.holds.unwrap_or(0), 0, SEATS_PER_TERM)
}

/// Works out again the limits that a license names.
pub(in crate::domain) fn refresh(state: &mut State, license: &License) {
    let products: Set<Name> = license.seat_limits().map(|limits| limits.product.clone()).collect();
    for product in products {
        let valid = state.licenses.values().filter(|license| license.standing(state, state.now) == Standing::Valid);
        let of_type = valid.flat_map(|license| license.seat_limits()).filter(|limits| limits.product == product);
        let all: Vec<&SeatLimits> = of_type.collect();
        let least = |limit: fn(&SeatLimits) -> Option<u64>| all.iter().filter_map(|limits| limit(limits)).min();
        let (users, holds) = (least(|limits| limits.users), least(|limits| limits.holds));
        let works = Arc::make_mut(&mut state.works);
        if users.is_none() && holds.is_none() {
            works.limits.remove(&product);
        } else {
            works.limits.insert(product.clone(), SeatLimits { product, users, holds });
        }
    }
}

/// Works out again the limits that licenses of this key name.
pub(in crate::domain) fn refresh_of_key(state: &mut State, key: &Name) {
    let of_key = state.licenses.values().filter(|license| license.key.as_ref() == Some(key));
    let limiting: Vec<Arc<License>> =
        of_key.filter(|license| license.seat_limits().next().is_some()).cloned().collect();
    limiting.iter().for_each(|license| refresh(state, license));
}

/// Refuses a seat, and a place in line, to one user more than a license allows at once; whoever has one may have another.
pub(in crate::domain) fn check_user(state: &State, product: &Name, user: &Name) -> Result<(), Refusal> {
    let Some(limit) = state.works.limits.get(product).and_then(|limits| limits.users) else { return Ok(()) };
    let is_in = state.seats.per_user.contains_key(&(user.clone(), product.clone()));
    let users = state.seats.users_of.get(product).copied().unwrap_or(0);
    if is_in || users < limit {
        return Ok(());
    }
    Err(Refusal::ConcurrentUsers { product: product.clone(), users, limit })
}

/// Refuses one legal hold more than allowed; on an audited type also work that does not say what it reads, and work that
/// would read more on the open license day than the threshold.
pub(super) fn check(state: &State, session: &Session, wanted: &Ask) -> Result<(), Refusal> {
    let (works, product) = (&*state.works, &session.product);
    if wanted.kind == Kind::LegalHold {
        let Some(limit) = works.limits.get(product).and_then(|limits| limits.holds) else { return Ok(()) };
        let holds = works.holds.get(product).copied().unwrap_or(0);
        let fits = holds < limit;
        return if fits { Ok(()) } else { Err(Refusal::LegalHolds { product: product.clone(), holds, limit }) };
    }
    let Some(kind) = state.seats.types.get(product).filter(|kind| kind.audited) else { return Ok(()) };
    check_range("bytes of audited work", wanted.bytes, 1, u64::MAX / 2)?;
    let (read, threshold) = (audited(state, product), kind.audit_threshold_bytes);
    if threshold > 0 && read.saturating_add(wanted.bytes) > threshold {
        return Err(Refusal::AuditThreshold { product: product.clone(), read, asked: wanted.bytes, threshold });
    }
    Ok(())
}

/// Bytes that audited work of a type has read on the open license day.
#[must_use]
pub fn audited(state: &State, product: &str) -> u64 {
    let (day, bytes) = state.works.audited.get(product).copied().unwrap_or_default();
    if day == state.calendar.today { bytes } else { 0 }
}
