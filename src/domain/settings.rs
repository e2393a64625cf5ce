//! Cluster settings: what an operator may change for all nodes at once.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::name::{Name, check_name, check_range};
use super::refusal::Refusal;
use super::state::State;

/// Settings of the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The IANA zone whose midnight ends the license day, such as `Europe/Berlin`.
    pub zone: Name,
    /// How many days of bulk journal are kept.
    pub retention_days: u32,
    /// How many bytes of bulk journal are kept; whichever ends first.
    pub retention_bytes: u64,
    /// How often a slave should report, in milliseconds.
    pub report_interval_ms: u64,
    /// A slave that was silent for longer counts as silent, in milliseconds.
    pub silent_after_ms: u64,
    /// More distinct (source, sourcetype, host, index) than this in a report: host and source are dropped.
    pub squash_threshold: u32,
    /// Failed logins of one user from one address before a lock-out.
    pub lockout_failures: u32,
    /// How long a lock-out lasts, in milliseconds.
    pub lockout_ms: u64,
    /// How long a login's token is good, in milliseconds.
    pub session_ms: u64,
}

impl Settings {
    /// What a new cluster in `zone` starts with.
    #[must_use]
    pub fn new(zone: Name) -> Settings {
        Settings {
            zone,
            retention_days: 35,
            retention_bytes: 64 << 30,
            report_interval_ms: 60_000,
            silent_after_ms: 15 * 60_000,
            squash_threshold: 2_000,
            lockout_failures: 5,
            lockout_ms: 15 * 60_000,
            session_ms: 12 * 3_600_000,
        }
    }
}

/// Asks for other settings; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSettings {
    /// [`Settings::zone`]; the answering node has checked that the zone exists.
    pub zone: Option<Name>,
    /// [`Settings::retention_days`]
    pub retention_days: Option<u32>,
    /// [`Settings::retention_bytes`]
    pub retention_bytes: Option<u64>,
    /// [`Settings::report_interval_ms`]
    pub report_interval_ms: Option<u64>,
    /// [`Settings::silent_after_ms`]
    pub silent_after_ms: Option<u64>,
    /// [`Settings::squash_threshold`]
    pub squash_threshold: Option<u32>,
    /// [`Settings::lockout_failures`]
    pub lockout_failures: Option<u32>,
    /// [`Settings::lockout_ms`]
    pub lockout_ms: Option<u64>,
    /// [`Settings::session_ms`]
    pub session_ms: Option<u64>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::new("UTC".into())
    }
}

/// Longest retention: a little over a year, so that every window and a yearly report fit.
pub const RETENTION_DAYS: u32 = 400;
/// A day in milliseconds: nothing that repeats is set to longer.
const DAY_MS: u64 = 24 * 3_600_000;

/// Changes what is given; no change, no event.
pub(super) fn change(state: &State, change: &ChangeSettings) -> Result<Vec<Event>, Refusal> {
    let now = &state.settings;
    let settings = Settings {
        zone: change.zone.clone().unwrap_or_else(|| now.zone.clone()),
        retention_days: change.retention_days.unwrap_or(now.retention_days),
        retention_bytes: change.retention_bytes.unwrap_or(now.retention_bytes),
        report_interval_ms: change.report_interval_ms.unwrap_or(now.report_interval_ms),
        silent_after_ms: change.silent_after_ms.unwrap_or(now.silent_after_ms),
        squash_threshold: change.squash_threshold.unwrap_or(now.squash_threshold),
        lockout_failures: change.lockout_failures.unwrap_or(now.lockout_failures),
        lockout_ms: change.lockout_ms.unwrap_or(now.lockout_ms),
        session_ms: change.session_ms.unwrap_or(now.session_ms),
    };
    check(&settings)?;
    Ok(if settings == *now { vec![] } else { vec![Event::SettingsChanged { settings }] })
}

fn check(settings: &Settings) -> Result<(), Refusal> {
    if settings.zone.split('/').any(|part| check_name("zone", part).is_err()) {
        return Err(Refusal::BadName { what: "zone".into(), name: settings.zone.clone() });
    }
    check_range("retention_days", u64::from(settings.retention_days), 4, u64::from(RETENTION_DAYS))?;
    check_range("retention_bytes", settings.retention_bytes, 64 << 20, 1 << 50)?;
    check_range("report_interval_ms", settings.report_interval_ms, 1_000, 3_600_000)?;
    check_range("silent_after_ms", settings.silent_after_ms, 1_000, 30 * DAY_MS)?;
    check_range("squash_threshold", u64::from(settings.squash_threshold), 1, 10_000)?;
    check_range("lockout_failures", u64::from(settings.lockout_failures), 1, 1_000)?;
    check_range("lockout_ms", settings.lockout_ms, 1_000, DAY_MS)?;
    check_range("session_ms", settings.session_ms, 60_000, 30 * DAY_MS)
}
