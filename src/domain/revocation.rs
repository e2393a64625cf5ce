//! What cannot come back: revoked licenses, and issues that a higher one has superseded (T4 of the threat model).

use super::current;
use super::event::Event;
use super::license::{self, Format, License, LicenseId, Term};
use super::name::{Name, hex};
use super::refusal::Refusal;
use super::state::State;

/// Most licenses that are remembered as revoked: an issuer's mistakes, not its production.
const REVOKED: usize = 10_000;
/// Most licenses whose highest issue is remembered.
const SERIES: usize = 10_000;

/// Refuses a license that was revoked, or that a higher issue has superseded.
pub(super) fn check(state: &State, license: &License) -> Result<(), Refusal> {
    let series = (license.format, license.issue.clone());
    if state.revoked.contains(&license.id) || state.revoked_series.contains(&series) {
        return Err(Refusal::LicenseRevoked { license: license.id });
    }
    for (series, number) in issues(license) {
        match state.issues.get(&series) {
            Some(newest) if number < *newest => return Err(Refusal::LicenseSuperseded { number, newest: *newest }),
            None if state.issues.len() >= SERIES => {
                return Err(Refusal::TooMany { what: "license series".into(), limit: SERIES as u64 });
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Its places among issues.
fn issues(license: &License) -> impl Iterator<Item = ((Format, Name), u64)> + '_ {
    license.terms.iter().filter_map(|term| match term {
        Term::Issue(issue) => Some(((license.format, issue.series.clone()), issue.number)),
        Term::Meter(_) | Term::Seats(_) | Term::Accounts(_) | Term::SeatLimits(_) => None,
        Term::Level(_) | Term::Features(_) | Term::Cluster(_) => None,
    })
}

/// The installed licenses that this one supersedes.
pub(super) fn superseded<'a>(state: &'a State, license: &License) -> Vec<&'a License> {
    let mine: Vec<_> = issues(license).collect();
    let below = |other: &License| {
        issues(other).any(|(series, number)| mine.iter().any(|(of, top)| *of == series && number < *top))
    };
    state.licenses.values().map(AsRef::as_ref).filter(|other| below(other)).collect()
}

/// Revokes a license for ever, installed or not; with `series`, every issue of an installed one, by its issuer's id.
pub(super) fn revoke(state: &State, id: &LicenseId, series: bool) -> Result<Vec<Event>, Refusal> {
    let installed = state.licenses.get(id);
    let of = installed.filter(|license| series && !license.issue.is_empty());
    let of = of.map(|license| (license.format, license.issue.clone()));
    if installed.is_some_and(|license| license.key.is_none()) || (series && of.is_none()) {
        return Err(Refusal::NoSuchLicense { license: hex(id).into() });
    }
    if state.revoked.contains(id) && of.is_none() {
        return Ok(vec![]);
    }
    if state.revoked.len() >= REVOKED {
        return Err(Refusal::TooMany { what: "revoked licenses".into(), limit: REVOKED as u64 });
    }
    let mut events = vec![Event::LicenseRevoked { license: *id, series: of.clone() }];
    let goes = |license: &License| license.id == *id || of == Some((license.format, license.issue.clone()));
    for license in state.licenses.values().filter(|license| goes(license)) {
        events.extend(license::removal(state, license));
        events.extend(current::fall_back(state, license));
    }
    Ok(events)
}

pub(super) fn revoked(state: &mut State, id: &LicenseId, series: Option<&(Format, Name)>) {
    state.revoked.insert(*id);
    if let Some(series) = series {
        state.revoked_series.insert(series.clone());
    }
}

/// Remembers the highest issue of each series.
pub(super) fn installed(state: &mut State, license: &License) {
    for (series, number) in issues(license) {
        let newest = state.issues.get(&series).copied().unwrap_or(0).max(number);
        state.issues.insert(series, newest);
    }
}
