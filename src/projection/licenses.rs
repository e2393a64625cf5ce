//! Licenses: what is installed and whether it counts. Never the text.

use crate::domain::license::{License, Standing};
use crate::domain::name::{Name, hex};
use crate::domain::state::State;
use crate::domain::time::NEVER;

/// A day in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;

/// An installed license.
#[derive(Debug, Clone)]
pub struct LicenseView<'a> {
    /// As the rules keep it; its text is for those with the right only.
    pub license: &'a License,
    /// Its id in hexadecimal, upper case.
    pub hash: String,
    /// Whether it counts.
    pub standing: Standing,
    /// Whole days until it ends; `None` for perpetual ones.
    pub days_left: Option<u64>,
    /// The groups that it is for.
    pub groups: Vec<Name>,
}

/// All installed licenses, by id.
pub fn licenses(state: &State) -> impl Iterator<Item = LicenseView<'_>> {
    state.licenses.values().map(|license| view(state, license))
}

/// One license, by its id in hexadecimal of any case.
#[must_use]
pub fn license<'a>(state: &'a State, hash: &str) -> Option<LicenseView<'a>> {
    state.licenses.get(&id_of(hash)?).map(|license| view(state, license))
}

/// A license's id from hexadecimal.
#[must_use]
pub fn id_of(hash: &str) -> Option<[u8; 32]> {
    if hash.len() != 64 || !hash.is_ascii() {
        return None;
    }
    let mut id = [0; 32];
    for (place, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hash.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(id)
}

fn view<'a>(state: &'a State, license: &'a License) -> LicenseView<'a> {
    let left = license.expires.0.saturating_sub(state.now.0) / DAY_MS;
    LicenseView {
        license,
        hash: hex(&license.id).to_ascii_uppercase(),
        standing: license.standing(state, state.now),
        days_left: (license.expires != NEVER).then_some(left),
        groups: license.meters().map(|meter| meter.group.clone()).collect(),
    }
}
