//! Slaves and their usage reports: each byte is counted exactly once, on its day, in its pool (decision 11).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::event::Event;
use super::name::{NAME_CHARS, Name, SlaveId, check_text};
use super::pool::PoolUid;
use super::refusal::Refusal;
use super::stack::DayCounter;
use super::state::State;
use super::time::{Day, Moment};

/// Most reports in one intent: what apply does in one go stays well under 20 ms (decision 12).
pub const REPORTS_PER_INTENT: usize = 2_500;
/// Most rows in one report.
pub const ROWS_PER_REPORT: usize = 10_000;
/// Most bytes in one row: what a double in a client's JSON still counts exactly (T8).
pub const ROW_BYTES: u64 = 1 << 53;
/// Longest sourcetype, host, source or index, in bytes: what a file system allows for a path.
pub const ROW_NAME_BYTES: usize = 4_096;
/// Most gauges in one report.
pub const LEVELS_PER_REPORT: usize = 64;
/// How many missing ranges are kept per slave and epoch before the oldest closes; as many closed ones are remembered.
pub const MISSING_RANGES: usize = 32;
/// How many epochs are kept open per slave.
pub const EPOCHS: usize = 4;
/// How many closed epochs are remembered per slave, so that none opens again.
pub const CLOSED_EPOCHS: usize = 64;
/// How long a `report_id` is remembered, in milliseconds of cluster time.
pub const REPORT_ID_MEMORY_MS: u64 = 3_600_000;
/// How many report ids are remembered in the whole cluster.
pub const REPORT_IDS: usize = 1_000_000;

/// Some bytes that a slave indexed. Only `bytes` is required; empty names were not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// How many.
    pub bytes: u64,
    /// Of which sourcetype.
    #[serde(with = "crate::codec::shared")]
    pub sourcetype: Name,
    /// From which host.
    #[serde(with = "crate::codec::shared")]
    pub host: Name,
    /// From which source.
    #[serde(with = "crate::codec::shared")]
    pub source: Name,
    /// Into which index.
    #[serde(with = "crate::codec::shared")]
    pub index: Name,
}

/// A gauge that a slave reports along, such as `ram_shards`: the last value counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: u64,
}

/// One usage report, as its slave wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who reports.
    #[serde(with = "crate::codec::shared")]
    pub slave: SlaveId,
    /// Counts up within the slave's epoch; the first may be any number.
    pub sequence: Option<u64>,
    /// The slave's epoch; empty if it gave none.
    #[serde(with = "crate::codec::shared")]
    pub epoch: Name,
    /// The slave's own name for the report; empty if it gave none.
    #[serde(with = "crate::codec::shared")]
    pub report_id: Name,
    /// The pool that the slave would like to be in; empty if it gave none.
    #[serde(with = "crate::codec::shared")]
    pub pool: Name,
    /// When the bytes were indexed; absent means now.
    pub time: Option<Moment>,
    /// What was indexed.
    pub rows: Vec<Row>,
    /// Gauges.
    pub levels: Vec<Level>,
}

/// Why a report was not counted. A refusal never consumes a sequence. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportRefusal {
    /// The day of its time is too long closed.
    TooOld,
    /// It falls into a missing range that was closed since.
    GapClosed,
    /// Its epoch was closed since.
    EpochClosed,
    /// It has neither a sequence nor a time within the memory of report ids.
    TimeRequired,
    /// It has neither a sequence nor a report id.
    Unidentified,
    /// Its bytes do not add up within 64 bits, or a row is beyond [`ROW_BYTES`].
    Overflow,
    /// The reporter may not report for this slave.
    NotYourSlave,
    /// The cluster remembers as many report ids as it can; send a sequence, or again later.
    TooManyReportIds,
    /// The slave's GUID, a row or a level is malformed.
    Malformed,
}

/// What became of one report, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Counted, on the open day.
    Accepted,
    /// Counted before; nothing changed.
    Duplicate,
    /// Counted, on a closed day.
    Late(Day),
    /// Not counted.
    Refused(ReportRefusal),
}

/// A run of sequences, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// Which sequences of one epoch were counted: all up to `highest` but those in `missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch's name.
    #[serde(with = "crate::codec::shared")]
    pub name: Name,
    /// The highest sequence counted.
    pub highest: u64,
    /// Runs below it that were not, oldest first.
    pub missing: Vec<Range>,
    /// Runs that were missing and have closed, oldest first: refused as [`ReportRefusal::GapClosed`].
    pub closed: Vec<Range>,
    /// Everything up to here is forgotten, counted or not, and refused like a closed run. `None`: nothing is.
    pub closed_to: Option<u64>,
    /// When a report of it last came.
    pub last: Moment,
}

/// Epochs of a slave. Nearly every one has a single one, and a report copies it: it lies in the slave itself.
pub type Epochs = SmallVec<[Epoch; 1]>;
/// Bytes by pool; nearly every slave is in one.
pub type PoolBytes = SmallVec<[(Option<PoolUid>, u64); 1]>;

/// A slave: whoever has reported, in a pool or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slave {
    /// Its GUID.
    pub id: SlaveId,
    /// What people call it; its GUID until somebody says otherwise.
    pub label: Name,
    /// When it first reported.
    pub first_report: Moment,
    /// When it last reported.
    pub last_report: Moment,
    /// Bytes today, in all pools and in none.
    pub used: DayCounter,
    /// Bytes by pool on `used.day`; `None` is no pool.
    pub by_pool: PoolBytes,
    /// Bytes today of sourcetypes that its stack does not allow; also in `used`.
    pub disallowed: DayCounter,
    /// The pool that its last report was counted in.
    pub pool: Option<PoolUid>,
    /// The pool that it last asked for; empty if none.
    #[serde(with = "crate::codec::shared")]
    pub wish: Name,
    /// Number of its placement history: slaves with the same history share it.
    pub placement: u64,
    /// Its open epochs, the most recent last.
    pub epochs: Epochs,
    /// Hashes of its closed epochs.
    pub closed_epochs: Vec<u64>,
    /// Its gauges.
    pub levels: Vec<Level>,
}

/// The pools that a slave has been in, with the first day in each; shared by all slaves with the same history,
/// so that warnings of a million slaves are counted once (decision 12).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// From which day in which pool, oldest first.
    pub steps: Vec<(Day, Option<PoolUid>)>,
    /// How many slaves have this history.
    pub slaves: u64,
}

/// What an operator may change about a slave; absent fields stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditSlave {
    /// Its GUID.
    pub slave: SlaveId,
    /// What people call it.
    pub label: Option<Name>,
}

/// Changes what an operator may say about a slave.
pub(super) fn edit(state: &State, edit: &EditSlave) -> Result<Vec<Event>, Refusal> {
    let slave = known(state, &edit.slave)?;
    let Some(label) = edit.label.clone().filter(|label| *label != slave.label) else { return Ok(vec![]) };
    check_text("label", &label, NAME_CHARS)?;
    Ok(vec![Event::SlaveEdited { slave: slave.id.clone(), label }])
}

pub(super) fn edited(state: &mut State, id: &SlaveId, label: &Name) {
    let slave = state.slaves.get_mut(id).expect("an edited slave reported before");
    Arc::make_mut(slave).label = label.clone();
}

/// Forgets a slave. Not while it has used something on the open day: a pool's bytes are those of its slaves (U1).
pub(super) fn forget(state: &State, id: &Name) -> Result<Vec<Event>, Refusal> {
    let slave = known(state, id)?;
    if slave.used.on(state.calendar.today) > 0 {
        return Err(Refusal::SlaveReportedToday { slave: slave.id.clone() });
    }
    Ok(vec![Event::SlaveForgotten { slave: slave.id.clone() }])
}

pub(super) fn forgotten(state: &mut State, id: &SlaveId) {
    let slave = state.slaves.remove(id).expect("a forgotten slave reported before");
    for (pool, _) in &slave.by_pool {
        state.pool_users.remove(&(*pool, id.clone()));
    }
    state.orphans.remove(id);
    state.gauged.remove(id);
    super::placement::release(state, slave.placement);
}

fn known<'a>(state: &'a State, id: &Name) -> Result<&'a Arc<Slave>, Refusal> {
    state.slaves.get(id).ok_or_else(|| Refusal::NoSuchSlave { slave: id.clone() })
}
