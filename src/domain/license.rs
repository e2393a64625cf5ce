//! Licenses: what was bought, from when to when, and whether it counts now.
//!
//! Parsing and signatures are the answering node's work (room `signing`); here a license is already a plain value.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account_license::{self, AccountGrant};
use super::current::{self, StartGrant};
use super::event::Event;
use super::name::{Hash, NAME_CHARS, Name, Set, check_range, check_text, hex};
use super::refusal::Refusal;
use super::revocation;
use super::stack::{self, TRIAL_GROUP};
use super::state::State;
use super::term::{self, IssueOrder, LevelLimit};
use super::time::{Moment, NEVER};
use super::work::limits::SeatLimits;
use super::{pool, seat, work};

/// SHA-256 over the license's signed bytes: its content hash. Built-in grants: over their name.
pub type LicenseId = Hash;

/// Which document format a license came in. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Format {
    /// Our own Ed25519-signed format.
    Native,
    /// Splunk's XML.
    Splunk,
    /// Elasticsearch's JSON.
    Elastic,
    /// Redis Enterprise's text block.
    Redis,
    /// Immuta's key.
    Immuta,
    /// Nuix' file.
    Nuix,
    /// No document: a grant that the cluster made itself.
    Builtin,
}

/// A grant that needs no issuer. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BuiltinGrant {
    /// Splunk Free: 500 MB a day, 3 warnings in 30 days.
    SplunkFree,
    /// Splunk Forwarder: 1 MB a day.
    SplunkForwarder,
    /// Splunk download trial: 500 MB a day for 60 days, once in a cluster's life.
    SplunkTrial,
    /// Elasticsearch's self-generated basic license: 1,000 nodes, without an end.
    ElasticBasic,
    /// Elasticsearch's trial: 30 days, once in a cluster's life.
    ElasticTrial,
}

/// An installed license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct License {
    /// Its content hash.
    pub id: LicenseId,
    /// The document format.
    pub format: Format,
    /// The trusted key whose signature was verified; `None` for built-in grants only.
    pub key: Option<Name>,
    /// The document as it was given, byte for byte. An asset: shown only with the right.
    pub text: Arc<str>,
    /// What its issuer calls it.
    pub label: Name,
    /// Whom it was issued to; may be empty.
    pub owner: Name,
    /// The format's own word for what kind of license it is, such as `enterprise`.
    pub kind: Name,
    /// The issuer's own id (`guid`, `uid`, `uuid`); may be empty.
    pub issue: Name,
    /// When it was issued.
    pub created: Moment,
    /// When it begins to count.
    pub starts: Moment,
    /// When it ends; [`super::time::NEVER`] for perpetual ones.
    pub expires: Moment,
    /// What it entitles to.
    pub terms: Vec<Term>,
    /// When it was installed; set by `decide`.
    pub installed: Moment,
    /// Whether its end has been recorded; what is overdue counts as expired before that too.
    pub expired: bool,
}

/// One thing that a license entitles to. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Term {
    /// Metered volume.
    Meter(Meter),
    /// Floating seats.
    Seats(SeatGrant),
    /// People who may have an account.
    Accounts(AccountGrant),
    /// What is limited of a seat type beside seats and workers.
    SeatLimits(SeatLimits),
    /// How much there may be of something that slaves report as a gauge.
    Level(LevelLimit),
    /// Features that no stack shares out.
    Features(Set<Name>),
    /// The name of the only cluster that may install it.
    Cluster(Name),
    /// Its place among the issues of one license.
    Issue(IssueOrder),
}

/// Metered volume a day, added to a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// The group that the stack is in: one of [`super::stack::GROUPS`].
    pub group: Name,
    /// The stack that it adds to, in lower case.
    pub stack: Name,
    /// Bytes a day.
    pub quota_bytes: u64,
    /// How many warnings within the window make a violation.
    pub max_violations: u32,
    /// The window in days.
    pub window_days: u32,
    /// Feature names that it enables.
    pub features: Set<Name>,
    /// Sourcetypes that it allows; empty: all.
    pub sourcetypes: Set<Name>,
}

/// Floating seats, added to a seat type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatGrant {
    /// The short name of the type that it adds to.
    pub product: Name,
    /// What the type is, in words.
    pub description: Name,
    /// How many seats.
    pub count: u64,
    /// How many workers they share.
    pub workers: u64,
    /// Whether a checkout may say how many workers it wants; else each gets an even share.
    pub can_choose_workers: bool,
    /// Whether its use is audited.
    pub audited: bool,
    /// From how many bytes on, if it is.
    pub audit_threshold_bytes: u64,
}

/// Whether a license counts, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Standing {
    /// It counts.
    Valid,
    /// Its time has passed.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Its key is trusted no more.
    Untrusted,
}

/// Most licenses that are installed at once: a stack is worked out again from all of them.
pub const LICENSES: usize = 1_000;
/// Longest document (L1).
pub const TEXT_BYTES: usize = 256 << 10;
/// Most terms in a license.
const TERMS: usize = 16;
/// Most features, and most sourcetypes, in a term.
pub(super) const WORDS: usize = 1_000;
/// Longest window of warnings, in days: a leap year.
pub const WINDOW_DAYS: u32 = 366;
/// The feature of a license that forgives warnings.
pub const RESET_FEATURE: &str = "ResetWarnings";

impl License {
    /// The metered volumes that it entitles to.
    pub fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.terms.iter().filter_map(|term| if let Term::Meter(meter) = term { Some(meter) } else { None })
    }

    /// The seats that it entitles to.
    pub fn seat_grants(&self) -> impl Iterator<Item = &SeatGrant> {
        self.terms.iter().filter_map(|term| if let Term::Seats(grant) = term { Some(grant) } else { None })
    }

    /// What it grants to accounts; the first such term counts.
    #[must_use]
    pub fn account_grant(&self) -> Option<&AccountGrant> {
        self.terms.iter().find_map(|term| if let Term::Accounts(grant) = term { Some(grant) } else { None })
    }

    /// What it limits of seat types.
    pub fn seat_limits(&self) -> impl Iterator<Item = &SeatLimits> {
        self.terms.iter().filter_map(|term| if let Term::SeatLimits(limits) = term { Some(limits) } else { None })
    }

    /// The gauges that it limits.
    pub fn levels(&self) -> impl Iterator<Item = &LevelLimit> {
        self.terms.iter().filter_map(|term| if let Term::Level(level) = term { Some(level) } else { None })
    }

    /// Features that no stack shares out.
    pub fn features(&self) -> impl Iterator<Item = &Name> {
        let lists = self
            .terms
            .iter()
            .filter_map(|term| if let Term::Features(features) = term { Some(features) } else { None });
        lists.flatten()
    }

    /// Whether it counts at this moment (K1).
    #[must_use]
    pub fn standing(&self, state: &State, at: Moment) -> Standing {
        let trusted = match &self.key {
            None => self.format == Format::Builtin,
            Some(key) => state.keys.get(key).is_some_and(|key| key.distrusted.is_none()),
        };
        if self.expires <= at && self.expires != NEVER {
            Standing::Expired
        } else if !trusted {
            Standing::Untrusted
        } else if self.starts > at {
            Standing::NotYetValid
        } else {
            Standing::Valid
        }
    }
}

/// Installs a license whose signature the answering node has verified, if its key is trusted now. Of a product that has
/// one license at a time, it takes the place of the one in force: whoever asks here knows what is lost.
pub(super) fn install(state: &State, license: &License) -> Result<Vec<Event>, Refusal> {
    let license = checked(state, license)?;
    if current::product_of(&license).is_some() {
        current::check_time(state, &license)?;
        return current::install(state, license);
    }
    check_not_expired(state, &license)?;
    // its pools stay: what comes is another issue of what goes
    let superseded = revocation::superseded(state, &license).into_iter();
    let events: Vec<Event> = superseded.map(|old| Event::LicenseRemoved { license: old.id }).collect();
    let added = add(state, license, events.len())?;
    Ok(events.into_iter().chain(added).collect())
}

/// Refuses what has ended.
pub(super) fn check_not_expired(state: &State, license: &License) -> Result<(), Refusal> {
    if license.expires <= state.now { Err(Refusal::LicenseExpired { expired: license.expires }) } else { Ok(()) }
}

/// A license as it would be kept, if its key is trusted, it was not revoked, and what it says can be.
pub(super) fn checked(state: &State, license: &License) -> Result<License, Refusal> {
    let key = license.key.clone().filter(|_| license.format != Format::Builtin).unwrap_or_default();
    let Some(trusted) = state.keys.get(&key) else { return Err(Refusal::NoSuchKey { key }) };
    if let Some(since) = trusted.distrusted {
        return Err(Refusal::KeyDistrusted { key, since });
    }
    revocation::check(state, license)?;
    check_range("license bytes", license.text.len() as u64, 1, TEXT_BYTES as u64)?;
    check_range("terms", license.terms.len() as u64, 0, TERMS as u64)?;
    for (what, text) in
        [("label", &license.label), ("owner", &license.owner), ("kind", &license.kind), ("issue", &license.issue)]
    {
        check_text(what, text, 2 * NAME_CHARS)?;
    }
    let before = license;
    let mut license = License { installed: state.now, expired: false, ..license.clone() };
    for term in &mut license.terms {
        term::check(state, before, term)?;
    }
    Ok(license)
}

/// The grant that a group needs no license for, as often as it likes; the trial is not one of them.
pub(super) fn free_grant(group: &str) -> Option<BuiltinGrant> {
    [BuiltinGrant::SplunkFree, BuiltinGrant::SplunkForwarder]
        .into_iter()
        .find(|grant| stack::home_of(grant.stack()) == Some(group))
}

/// Makes one of the grants that need no issuer.
pub(super) fn grant(state: &State, grant: BuiltinGrant) -> Result<Vec<Event>, Refusal> {
    if matches!(grant, BuiltinGrant::ElasticBasic | BuiltinGrant::ElasticTrial) {
        let kind = current::unmetered(grant, state.now).kind;
        return current::start(state, &StartGrant { grant, kind, acknowledged: true });
    }
    if grant == BuiltinGrant::SplunkTrial && state.grants_used.contains(&grant) {
        return Err(Refusal::TrialUsed);
    }
    add(state, grant.license(state.now), 0)
}

/// What happens when a checked license is installed, and `leaving` others make room for it in the same record.
pub(super) fn add(state: &State, license: License, leaving: usize) -> Result<Vec<Event>, Refusal> {
    if state.licenses.contains_key(&license.id) {
        return Err(Refusal::LicenseExists { license: license.id });
    }
    if state.licenses.len() - leaving >= LICENSES {
        return Err(Refusal::TooMany { what: "licenses".into(), limit: LICENSES as u64 });
    }
    let mut events = vec![Event::LicenseInstalled { license: Box::new(license.clone()) }];
    let stacks: Set<&Name> = license.meters().map(|meter| &meter.stack).collect();
    let bare = stacks.iter().filter(|stack| !state.pools.values().any(|pool| pool.stack == ***stack));
    for (uid, stack) in (state.next_pool..).zip(bare) {
        let Some(name) = pool::automatic_name(state, stack) else { continue };
        events.push(pool::automatic(uid, name, stack, pool::is_fixed_stack(stack)));
    }
    if license.starts <= state.now {
        events.extend(consequences(state, &license));
    }
    Ok(events)
}

/// What follows when a license begins to count: its group becomes the active one if the active one has nothing that
/// counts, and a reset license forgives the closed days.
fn consequences(state: &State, license: &License) -> Vec<Event> {
    let mut events = Vec::new();
    if let Some(meter) = license.meters().find(|meter| meter.group != state.active_group)
        && !license.meters().any(|meter| meter.group == state.active_group)
        && !stack::group_counts(state, &state.active_group)
        && !(*meter.group == *TRIAL_GROUP && state.trial_left)
    {
        events.push(Event::GroupActivated { group: meter.group.clone() });
    }
    let resets = license.meters().filter(|meter| meter.features.contains(RESET_FEATURE));
    let through = state.calendar.today.back(1);
    events.extend(resets.map(|meter| Event::WarningsReset { stack: meter.stack.clone(), through }));
    events
}

pub(super) fn installed(state: &mut State, license: &License) {
    revocation::installed(state, license);
    for grant in BuiltinGrant::ALL {
        if license.format == Format::Builtin && license.id == grant.id() {
            state.grants_used.insert(grant);
        }
    }
    if license.starts > state.now {
        state.license_deadlines.insert((license.starts, license.id));
    }
    if license.expires != NEVER {
        state.license_deadlines.insert((license.expires, license.id));
    }
    state.licenses.insert(license.id, Arc::new(license.clone()));
    account_license::added(state, license);
    refresh(state, license);
}

/// Works out again the stacks and the seat types that a license adds to.
fn refresh(state: &mut State, license: &License) {
    let stacks: Set<Name> = license.meters().map(|meter| meter.stack.clone()).collect();
    for stack in &stacks {
        stack::refresh(state, stack);
    }
    seat::types::refresh_of(state, license);
    work::limits::refresh(state, license);
}

/// Works out again what licenses of this key add to.
pub(super) fn refresh_of_key(state: &mut State, key: &Name) {
    stack::refresh_of_key(state, key);
    seat::types::refresh_of_key(state, key);
    work::limits::refresh_of_key(state, key);
}

/// Removes a license, and the automatic pool of a stack that nothing is left of.
pub(super) fn remove(state: &State, id: &LicenseId) -> Result<Vec<Event>, Refusal> {
    let Some(license) = state.licenses.get(id) else {
        return Err(Refusal::NoSuchLicense { license: hex(id).into() });
    };
    let others = || state.licenses.values().filter(|other| other.id != *id).flat_map(|other| other.meters());
    let group = &state.active_group;
    let of_group = |meter: &Meter| meter.group == *group;
    if license.meters().any(of_group) && !others().any(of_group) {
        return Err(Refusal::LastLicenseOfActiveGroup { group: group.clone() });
    }
    let events = removal(state, license);
    Ok(events.into_iter().chain(current::fall_back(state, license)).collect())
}

/// What happens when an installed license goes: the automatic pool of a stack that nothing is left of goes too.
pub(super) fn removal(state: &State, license: &License) -> Vec<Event> {
    let others = || state.licenses.values().filter(|other| other.id != license.id).flat_map(|other| other.meters());
    let mut events = vec![Event::LicenseRemoved { license: license.id }];
    let stacks: Set<&Name> = license.meters().map(|meter| &meter.stack).collect();
    for stack in stacks.into_iter().filter(|stack| !others().any(|other| other.stack == **stack)) {
        let untouched = state.pools.values().filter(|pool| pool.stack == *stack && pool.is_untouched());
        events.extend(untouched.map(|pool| Event::PoolDeleted { name: pool.name.clone() }));
    }
    events
}

pub(super) fn removed(state: &mut State, id: &LicenseId) {
    let license = state.licenses.remove(id).expect("a removed license was installed before");
    state.license_deadlines.remove(&(license.starts, *id));
    state.license_deadlines.remove(&(license.expires, *id));
    account_license::removed(state, *id);
    refresh(state, &license);
}

/// The first license whose start or end is due.
pub(super) fn due(state: &State, to: Moment, now: Moment) -> Option<Vec<Event>> {
    let (moment, id) = *state.license_deadlines.get_min().filter(|due| due.0 <= to)?;
    let license = state.licenses.get(&id)?;
    if moment == license.expires {
        return Some(vec![Event::LicenseExpired { license: id }]);
    }
    let mut events = vec![Event::LicenseStarted { license: id }];
    if license.standing(state, now) == Standing::Valid {
        events.extend(consequences(state, license));
    }
    Some(events)
}

pub(super) fn started(state: &mut State, id: &LicenseId) {
    let license = state.licenses.get(id).expect("a started license was installed before").clone();
    state.license_deadlines.remove(&(license.starts, *id));
    refresh(state, &license);
}

pub(super) fn expired(state: &mut State, id: &LicenseId) {
    let license = state.licenses.get_mut(id).expect("an expired license was installed before");
    Arc::make_mut(license).expired = true;
    let license = license.clone();
    state.license_deadlines.remove(&(license.starts, *id));
    state.license_deadlines.remove(&(license.expires, *id));
    refresh(state, &license);
}
