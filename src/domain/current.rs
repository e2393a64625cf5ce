//! Products whose cluster has one license at a time: which one is in force, and what it takes to replace it.
//!
//! Elasticsearch's and Redis Enterprise's licenses are installed by replacing the one before; everything else about them
//! (keys, time, revocation) is that of any license. What needs acknowledgement is decided here, in the step that would
//! install, so that nobody acknowledges what has changed meanwhile (dialect note 004, part 6).

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::license::{self, BuiltinGrant, Format, License, Term};
use super::name::{Name, hex, sha256};
use super::policy::{self, Choice, Policy};
use super::refusal::Refusal;
use super::slave::Level;
use super::state::State;
use super::term::LevelLimit;
use super::time::{Moment, NEVER};

/// Asks to install a license whose signature the answering node has verified, in place of the one in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceLicense {
    /// The license.
    pub license: Box<License>,
    /// Whether whoever asks knows what is lost.
    pub acknowledged: bool,
    /// What the answering node has read as in use: a reading that may be as old as a request. To add it up in here
    /// would take longer than an entry may, when many slaves report gauges.
    pub in_use: Vec<Level>,
}

/// Asks for one of the grants that replace the license in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartGrant {
    /// Which.
    pub grant: BuiltinGrant,
    /// The type that it is to be of; a trial may be of several.
    pub kind: Name,
    /// Whether whoever asks knows what is lost.
    pub acknowledged: bool,
}

/// What a license of a type can do, the least first. The order is the product's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// No type.
    Missing,
    /// Everything, for a while.
    Trial,
    /// What is free.
    Basic,
    /// A little more.
    Standard,
    /// More.
    Gold,
    /// All but what came last.
    Platinum,
    /// All.
    Enterprise,
}

/// The mode of a type, in any case of its letters.
#[must_use]
pub fn mode_of(kind: &str) -> Option<Mode> {
    Some(match kind.to_ascii_lowercase().as_str() {
        "missing" => Mode::Missing,
        "trial" | "none" | "dev" | "development" => Mode::Trial,
        "basic" => Mode::Basic,
        "standard" => Mode::Standard,
        "silver" | "gold" => Mode::Gold,
        "platinum" | "cloud_internal" | "internal" => Mode::Platinum,
        "enterprise" => Mode::Enterprise,
        _other => return None,
    })
}

/// What the name of a gauge begins with that tells how often a feature is used.
const FEATURE_LEVEL: &str = "feature:";

/// The feature that a gauge tells the use of: slaves report `feature:NAME`.
#[must_use]
pub fn feature_of(level: &str) -> Option<&str> {
    level.strip_prefix(FEATURE_LEVEL).filter(|feature| !feature.is_empty())
}

/// How long a trial lasts: 30 days.
const TRIAL_MS: u64 = 30 * 24 * 3_600_000;
/// How many nodes, or resource units, a grant allows.
const GRANTED: u64 = 1_000;
/// The type that a basic license has, signed or not.
const BASIC: &str = "basic";
/// The types that a trial may be of.
pub const TRIAL_KINDS: [&str; 4] = ["enterprise", "gold", "platinum", "trial"];

/// The product that a license is the only one of; `None` for licenses that stand side by side.
#[must_use]
pub fn product_of(license: &License) -> Option<Format> {
    match license.format {
        Format::Elastic | Format::Redis => Some(license.format),
        Format::Builtin => {
            let of_grant = |grant: BuiltinGrant| license.id == grant.id();
            (of_grant(BuiltinGrant::ElasticBasic) || of_grant(BuiltinGrant::ElasticTrial)).then_some(Format::Elastic)
        }
        Format::Native | Format::Splunk | Format::Immuta | Format::Nuix => None,
    }
}

/// The license in force of a product, expired or not.
#[must_use]
pub fn in_force(state: &State, product: Format) -> Option<&License> {
    state.licenses.values().find(|license| product_of(license) == Some(product)).map(AsRef::as_ref)
}

/// Whether the trial may still be had: once in a cluster's life.
#[must_use]
pub fn trial_left(state: &State) -> bool {
    !state.grants_used.contains(&BuiltinGrant::ElasticTrial)
}

/// Installs a license in place of the one in force.
pub(super) fn replace(state: &State, wish: &ReplaceLicense) -> Result<Vec<Event>, Refusal> {
    let license = license::checked(state, &wish.license)?;
    match product_of(&license) {
        Some(Format::Elastic) => check_signed(state, &license, wish.acknowledged)?,
        Some(_) | None => {
            check_time(state, &license)?;
            // the same again is no change, whatever is in use
            if !state.licenses.contains_key(&license.id) {
                check_in_use(&license, &wish.in_use)?;
            }
        }
    }
    install(state, license)
}

/// Whether its time is now: a license in force is one that counts.
pub(super) fn check_time(state: &State, license: &License) -> Result<(), Refusal> {
    if license.starts > state.now {
        return Err(Refusal::NotYetValid { starts: license.starts });
    }
    license::check_not_expired(state, license)
}

/// Whether a license would be installed in place of the one in force, asked without asking for it.
///
/// # Errors
/// With the rule's no.
pub fn would_replace(state: &State, wish: &ReplaceLicense) -> Result<(), Refusal> {
    replace(state, wish).map(|_| ())
}

/// Puts a checked license in the place of the one in force.
pub(super) fn install(state: &State, license: License) -> Result<Vec<Event>, Refusal> {
    if state.licenses.contains_key(&license.id) {
        return Err(Refusal::LicenseExists { license: license.id });
    }
    let before = product_of(&license).and_then(|product| in_force(state, product));
    let mut events: Vec<Event> =
        before.map(|before| Event::LicenseRemoved { license: before.id }).into_iter().collect();
    let leaving = events.len();
    events.extend(license::add(state, license, leaving)?);
    Ok(events)
}

fn check_signed(state: &State, license: &License, acknowledged: bool) -> Result<(), Refusal> {
    let time = check_time(state, license);
    if let Err(Refusal::NotYetValid { .. }) = time {
        return time;
    }
    if license.kind.eq_ignore_ascii_case(BASIC) && policy::chosen(state, Policy::SignedBasic) == Choice::Refuse {
        return Err(Refusal::SignedBasicRefused);
    }
    time?;
    let Some(before) = in_force(state, Format::Elastic).filter(|_| !acknowledged) else { return Ok(()) };
    let older = before.key.is_some() && before.created > license.created;
    if older || loses(&before.kind, &license.kind) {
        return Err(Refusal::NeedsAcknowledgement { from: before.kind.clone(), to: license.kind.clone(), older });
    }
    Ok(())
}

/// Whether something ends when a license of this type follows one of that.
fn loses(from: &str, to: &str) -> bool {
    let to = mode_of(to);
    matches!(to, Some(Mode::Gold | Mode::Standard | Mode::Basic)) && mode_of(from) != to
}

/// Whether the license allows what is in use: limits first, then features, as the product's documentation has it.
fn check_in_use(license: &License, in_use: &[Level]) -> Result<(), Refusal> {
    for term in license.levels() {
        let used = in_use.iter().find(|level| level.name == term.level).map_or(0, |level| level.value);
        if let Some(limit) = term.limit.filter(|limit| used > *limit) {
            return Err(Refusal::LimitBelowUse { level: term.level.clone(), used, limit });
        }
    }
    let features = in_use.iter().filter(|level| level.value > 0).filter_map(|level| feature_of(&level.name));
    match features.into_iter().find(|feature| !license.features().any(|allowed| **allowed == **feature)) {
        Some(feature) => Err(Refusal::FeatureInUse { feature: feature.into() }),
        None => Ok(()),
    }
}

/// Makes a grant in place of the license in force.
pub(super) fn start(state: &State, wish: &StartGrant) -> Result<Vec<Event>, Refusal> {
    let before = in_force(state, Format::Elastic);
    let lost = |to: &Name| {
        let from = before.map(|before| before.kind.clone()).unwrap_or_default();
        Refusal::NeedsAcknowledgement { from, to: to.clone(), older: false }
    };
    match wish.grant {
        BuiltinGrant::ElasticBasic => {
            if before.is_some_and(|before| before.id == BuiltinGrant::ElasticBasic.id()) {
                return Err(Refusal::LicenseExists { license: BuiltinGrant::ElasticBasic.id() });
            }
            if before.is_some_and(|before| loses(&before.kind, BASIC)) && !wish.acknowledged {
                return Err(lost(&BASIC.into()));
            }
            install(state, granted(state, wish.grant, BASIC))
        }
        BuiltinGrant::ElasticTrial => {
            let kind = TRIAL_KINDS.into_iter().find(|kind| wish.kind.eq_ignore_ascii_case(kind));
            let Some(kind) = kind else {
                return Err(Refusal::BadName { what: "trial's type".into(), name: wish.kind.clone() });
            };
            if !wish.acknowledged {
                return Err(lost(&kind.into()));
            }
            if !trial_left(state) {
                return Err(Refusal::TrialUsed);
            }
            install(state, granted(state, wish.grant, kind))
        }
        BuiltinGrant::SplunkFree | BuiltinGrant::SplunkForwarder | BuiltinGrant::SplunkTrial => {
            license::grant(state, wish.grant)
        }
    }
}

/// What follows when the license in force of a product goes without another one: Elasticsearch falls back to what is
/// free.
pub(super) fn fall_back(state: &State, gone: &License) -> Option<Event> {
    let basic = BuiltinGrant::ElasticBasic;
    let falls = product_of(gone) == Some(Format::Elastic) && gone.id != basic.id();
    falls.then(|| Event::LicenseInstalled { license: Box::new(granted(state, basic, BASIC)) })
}

/// A grant of this room as a license, of the type that it mostly has.
pub(super) fn unmetered(grant: BuiltinGrant, now: Moment) -> License {
    let trial = grant == BuiltinGrant::ElasticTrial;
    License {
        id: grant.id(),
        format: Format::Builtin,
        key: None,
        text: "".into(),
        label: if trial { "Elasticsearch trial".into() } else { "Elasticsearch basic".into() },
        owner: "".into(),
        kind: if trial { "trial".into() } else { BASIC.into() },
        issue: "".into(),
        created: now,
        starts: now,
        expires: if trial { now.plus_ms(TRIAL_MS) } else { NEVER },
        terms: limits("trial"),
        installed: now,
        expired: false,
    }
}

/// What a grant of a type allows: the product's own numbers.
fn limits(kind: &str) -> Vec<Term> {
    let level = if mode_of(kind) == Some(Mode::Enterprise) { "resource_units" } else { "nodes" };
    vec![Term::Level(LevelLimit { level: level.into(), limit: Some(GRANTED) })]
}

/// A grant as a license, with an id of its own: made from the position of the record that it will be in, so that every
/// node makes the same one.
fn granted(state: &State, grant: BuiltinGrant, kind: &str) -> License {
    let seed = sha256(&[state.cluster_id.as_bytes(), &grant.id(), &state.heads.seq.to_be_bytes()]);
    let digits = hex(&seed[..16]);
    let uid = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32]].join("-");
    License {
        kind: kind.into(),
        issue: uid.into(),
        owner: state.cluster_name.clone(),
        terms: limits(kind),
        ..grant.license(state.now)
    }
}
