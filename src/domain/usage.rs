//! Usage reports: each byte is counted exactly once, on its day, in its pool (decision 11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::event::{Event, ReportJudged};
use super::name::{Name, Set, SlaveId, sha256};
use super::pool::PoolUid;
use super::refusal::Refusal;
use super::report::{check_shape, disallowed, shorten, squashed, sum};
use super::sequence::{self, Closing, Verdict};
use super::slave::{
    CLOSED_EPOCHS, Epochs, Fate, PoolBytes, REPORT_ID_MEMORY_MS, REPORT_IDS, REPORTS_PER_INTENT, Range, Report,
    ReportRefusal, Slave,
};
use super::slaves::ABREAST;
use super::stack::DayCounter;
use super::state::State;
use super::time::{Day, Moment};
use super::user::Actor;
use super::{day, memory, placement};

/// What earlier reports of the same intent have changed already, before any of it is folded.
struct Draft<'a> {
    state: &'a State,
    active: Vec<Name>,
    /// The one slave that the actor may report for.
    bound: Option<SlaveId>,
    slaves: BTreeMap<SlaveId, Ahead>,
    /// Whether there may be a second report of a slave: a lone report needs no memory.
    many: bool,
    ids: BTreeSet<u64>,
    /// Bytes by day; of few days, because older ones are refused.
    bytes: Vec<(Day, u64)>,
}

/// How far a slave's sequences are within the intent.
enum Ahead {
    /// Its latest epoch goes up to here, without a gap since the state.
    To(u64),
    /// Its open epochs, and its closed ones.
    Epochs(Epochs, Vec<u64>),
}

/// Judges reports in their order. Never refuses the whole for the sake of one.
pub(super) fn report(state: &State, actor: &Actor, reports: &[Report]) -> Result<Vec<Event>, Refusal> {
    if reports.len() > REPORTS_PER_INTENT {
        return Err(Refusal::TooMany { what: "reports".into(), limit: REPORTS_PER_INTENT as u64 });
    }
    let mut draft = Draft {
        state,
        active: placement::active_stacks(state),
        bound: state.users.get(&actor.user).and_then(|user| user.slave.clone()),
        slaves: BTreeMap::new(),
        many: reports.len() > 1,
        ids: BTreeSet::new(),
        bytes: Vec::new(),
    };
    let mut events = Vec::with_capacity(reports.len());
    for abreast in reports.chunks(ABREAST) {
        if draft.many {
            state.slaves.approach(abreast.iter().map(|report| &*report.slave));
        }
        abreast.iter().for_each(|report| draft.judge(report, &mut events));
    }
    Ok(events)
}

impl Draft<'_> {
    fn judge(&mut self, report: &Report, events: &mut Vec<Event>) {
        let slave = report.slave.clone();
        let (known, spot) = self.state.slaves.find(&slave);
        let mut judged = ReportJudged {
            slave: slave.clone(),
            sequence: report.sequence,
            epoch: report.epoch.clone(),
            report_id: report.report_id.clone(),
            fate: Fate::Duplicate,
            pool: None,
            stack: Name::default(),
            wish: report.pool.clone(),
            bytes: 0,
            disallowed: 0,
            rows: Vec::new(),
            levels: Vec::new(),
            spot,
        };
        let fate = match self.fate(&slave, known, report) {
            Err(refusal) => Fate::Refused(refusal),
            Ok(None) => Fate::Duplicate,
            Ok(Some((day, bytes))) => {
                self.count(&mut judged, report, day, bytes);
                if day == self.state.calendar.today { Fate::Accepted } else { Fate::Late(day) }
            }
        };
        let counted = matches!(fate, Fate::Accepted | Fate::Late(_));
        if fate == Fate::Refused(ReportRefusal::Malformed) {
            shorten(&mut judged);
        }
        judged.fate = fate;
        events.push(Event::ReportJudged(judged));
        if counted {
            self.mark(slave, known, report, events);
        }
    }

    /// The day that a report counts on and its bytes; `None` if it was counted before.
    fn fate(
        &self,
        slave: &SlaveId,
        known: Option<&Arc<Slave>>,
        report: &Report,
    ) -> Result<Option<(Day, u64)>, ReportRefusal> {
        if self.bound.as_ref().is_some_and(|bound| bound != slave) {
            return Err(ReportRefusal::NotYourSlave);
        }
        check_shape(slave, report)?;
        if self.is_known(slave, known, report)? {
            return Ok(None);
        }
        let calendar = &self.state.calendar;
        let day =
            report.time.map_or(Some(calendar.today), |time| calendar.day_of(time)).ok_or(ReportRefusal::TooOld)?;
        let bytes = sum(&report.rows).ok_or(ReportRefusal::Overflow)?;
        self.bytes_on(day).checked_add(bytes).ok_or(ReportRefusal::Overflow)?;
        Ok(Some((day, bytes)))
    }

    /// All bytes of a day, this intent's so far included. Every other sum is a part of it, so none can overflow.
    fn bytes_on(&self, day: Day) -> u64 {
        let folded = || {
            let today = day == self.state.calendar.today;
            if today { self.state.today.bytes } else { self.state.days.get(&day).map_or(0, |totals| totals.bytes) }
        };
        self.bytes.iter().find(|(of, _)| *of == day).map_or_else(folded, |(_, bytes)| *bytes)
    }

    fn is_known(&self, slave: &SlaveId, known: Option<&Arc<Slave>>, report: &Report) -> Result<bool, ReportRefusal> {
        let Some(sequence) = report.sequence else { return self.is_id_known(slave, report) };
        let verdict = match (self.slaves.get(slave), known) {
            (Some(Ahead::Epochs(epochs, closed)), _) => sequence::judge(epochs, closed, &report.epoch, sequence),
            (Some(Ahead::To(highest)), Some(known)) if known.is_latest(&report.epoch) && sequence <= *highest => {
                let folded = sequence::judge(&known.epochs, &known.closed_epochs, &report.epoch, sequence);
                // what is new to the state was counted within the intent, unless it fills an old gap
                let since = known.epochs.last().is_some_and(|latest| sequence > latest.highest);
                if since { Verdict::Counted } else { folded }
            }
            (Some(Ahead::To(_)) | None, Some(known)) => {
                sequence::judge(&known.epochs, &known.closed_epochs, &report.epoch, sequence)
            }
            (Some(Ahead::To(_)) | None, None) => Verdict::New,
        };
        match verdict {
            Verdict::New => Ok(false),
            Verdict::Counted => Ok(true),
            Verdict::Refused(refusal) => Err(refusal),
        }
    }

    /// A report that has nothing but its id is remembered for an hour, so its own time must lie within the hour.
    fn is_id_known(&self, slave: &SlaveId, report: &Report) -> Result<bool, ReportRefusal> {
        if report.report_id.is_empty() {
            return Err(ReportRefusal::Unidentified);
        }
        let (state, id) = (self.state, id_hash(slave, &report.report_id));
        let alive = |at: &Moment| at.plus_ms(REPORT_ID_MEMORY_MS) >= state.now;
        if self.ids.contains(&id) || state.report_ids.get(&id).is_some_and(alive) {
            return Ok(true);
        }
        let within = |time: &Moment| {
            time.plus_ms(REPORT_ID_MEMORY_MS) > state.now && *time <= state.now.plus_ms(REPORT_ID_MEMORY_MS)
        };
        if !report.time.as_ref().is_some_and(within) {
            return Err(ReportRefusal::TimeRequired);
        }
        let dead = state.report_ids_by_time.get_min().is_some_and(|(at, _)| !alive(at));
        if state.report_ids.len() + self.ids.len() >= REPORT_IDS && !dead {
            return Err(ReportRefusal::TooManyReportIds);
        }
        Ok(false)
    }

    /// Says where a report that counts is counted.
    fn count(&mut self, judged: &mut ReportJudged, report: &Report, day: Day, bytes: u64) {
        let state = self.state;
        if self.many {
            let total = self.bytes_on(day).saturating_add(bytes);
            self.bytes.retain(|(of, _)| *of != day);
            self.bytes.push((day, total));
        }
        let past = (day != state.calendar.today).then(|| placement::pool_on(state, &judged.slave, day)).flatten();
        let past = past.map(|uid| uid.map(|uid| (uid, state.pool_pasts.get(&uid).map(|past| past.stack.clone()))));
        let place = match past {
            Some(None) => None,
            Some(Some((uid, Some(stack)))) => Some((uid, stack)),
            Some(Some((_, None))) | None => {
                let pool = placement::pool_of(state, &self.active, &judged.slave, &report.pool);
                pool.map(|pool| (pool.uid, pool.stack.clone()))
            }
        };
        if let Some((uid, stack)) = place {
            judged.disallowed = disallowed(state, &stack, &report.rows);
            judged.pool = Some(uid);
            judged.stack = stack;
        }
        judged.bytes = bytes;
        judged.rows = squashed(&report.rows, state.settings.squash_threshold);
        judged.levels.clone_from(&report.levels);
    }

    /// Remembers within the intent that a report was counted, and closes what is one too many.
    fn mark(&mut self, slave: SlaveId, known: Option<&Arc<Slave>>, report: &Report, events: &mut Vec<Event>) {
        let Some(sequence) = report.sequence else {
            self.ids.insert(id_hash(&slave, &report.report_id));
            return;
        };
        let before = self.slaves.get(&slave);
        if let Some(latest) = known.and_then(|known| known.epochs.last())
            && *latest.name == *report.epoch
            && let Some(highest) = match before {
                Some(Ahead::To(highest)) => Some(*highest),
                Some(Ahead::Epochs(..)) => None,
                None => Some(latest.highest),
            }
            && highest.checked_add(1) == Some(sequence)
        {
            // The usual report is the next one of the latest epoch: nothing can be one too many after it.
            if self.many {
                self.slaves.insert(slave, Ahead::To(sequence));
            }
            return;
        }
        let (mut epochs, mut closed) = match self.slaves.remove(&slave) {
            Some(Ahead::Epochs(epochs, closed)) => (epochs, closed),
            ahead => {
                let mut folded =
                    known.map(|known| (known.epochs.clone(), known.closed_epochs.clone())).unwrap_or_default();
                if let (Some(Ahead::To(highest)), Some(latest)) = (ahead, folded.0.last_mut()) {
                    (latest.highest, latest.last) = (highest, self.state.now);
                }
                folded
            }
        };
        sequence::mark(&mut epochs, &report.epoch, sequence, self.state.now);
        self.close(&slave, report, (&mut epochs, &mut closed), events);
        if self.many {
            self.slaves.insert(slave, Ahead::Epochs(epochs, closed));
        }
    }

    /// Closes what is one too many.
    fn close(
        &self,
        slave: &SlaveId,
        report: &Report,
        (epochs, closed): (&mut Epochs, &mut Vec<u64>),
        events: &mut Vec<Event>,
    ) {
        while let Some(closing) = sequence::closing(epochs) {
            match closing {
                Closing::Gap(range) => {
                    sequence::close_gap(epochs, &report.epoch, range);
                    events.push(Event::GapClosed { slave: slave.clone(), epoch: report.epoch.clone(), range });
                }
                Closing::Epoch(epoch) => {
                    close_epoch(epochs, closed, &epoch);
                    events.push(Event::EpochClosed { slave: slave.clone(), epoch });
                }
            }
        }
    }
}

fn id_hash(slave: &SlaveId, id: &Name) -> u64 {
    let hash = sha256(&[&(slave.len() as u64).to_be_bytes(), slave.as_bytes(), id.as_bytes()]);
    u64::from_be_bytes(*hash.first_chunk::<8>().expect("a SHA-256 has 32 bytes"))
}

fn close_epoch(epochs: &mut Epochs, closed: &mut Vec<u64>, name: &Name) {
    epochs.retain(|epoch| epoch.name != *name);
    if closed.len() >= CLOSED_EPOCHS {
        closed.remove(0);
    }
    closed.push(sequence::epoch_hash(name));
}

/// What a counted report moves besides the slave itself.
struct Moved {
    /// Pools of an earlier day that the slave's bytes are no more in.
    left: Vec<Option<PoolUid>>,
    /// Whether these are its first bytes in this pool today.
    joined: bool,
    /// Whether the slave is in another pool than before, or for the first time in any.
    placed: Option<u64>,
    replaced: bool,
}

/// Folds what became of a report. Costs O(log n), however many slaves there are.
pub(super) fn judged(state: &mut State, event: &ReportJudged) {
    let (day, open) = match event.fate {
        Fate::Accepted => (state.calendar.today, true),
        Fate::Late(day) => (day, false),
        Fate::Duplicate => return seen(state, &event.slave),
        Fate::Refused(_) => return,
    };
    let now = state.now;
    if event.sequence.is_none() {
        remember_id(state, event);
    }
    let moved = if let Some(slave) = state.slaves.get_mut_from(event.spot, &event.slave) {
        let slave = Arc::make_mut(slave);
        let moved = Moved { left: Vec::new(), joined: false, placed: Some(slave.placement), replaced: false };
        slave.reported(event, (now, day, open), moved)
    } else {
        let mut slave = Slave::new(&event.slave, now);
        let moved = Moved { left: Vec::new(), joined: false, placed: None, replaced: true };
        let moved = slave.reported(event, (now, day, open), moved);
        state.slaves.insert(event.slave.clone(), Arc::new(slave));
        moved
    };
    if !event.levels.is_empty() {
        state.gauged.insert(event.slave.clone());
    }
    place(state, event, day, &moved);
    if open { count(state, event, day) } else { day::amend(state, day, event.pool, &event.stack, event.bytes) }
}

impl Slave {
    pub(super) fn new(id: &SlaveId, now: Moment) -> Slave {
        Slave {
            id: id.clone(),
            label: id.clone(),
            first_report: now,
            last_report: now,
            used: DayCounter::default(),
            by_pool: PoolBytes::new(),
            disallowed: DayCounter::default(),
            pool: None,
            wish: Name::default(),
            placement: 0,
            epochs: Epochs::new(),
            closed_epochs: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Whether this is the epoch of its last report.
    fn is_latest(&self, epoch: &str) -> bool {
        self.epochs.last().is_some_and(|latest| *latest.name == *epoch)
    }

    /// Takes in a report that counted: now, on which day, and whether that is the open one.
    fn reported(&mut self, event: &ReportJudged, (now, day, open): (Moment, Day, bool), mut moved: Moved) -> Moved {
        self.last_report = now;
        if let Some(sequence) = event.sequence {
            sequence::mark(&mut self.epochs, &event.epoch, sequence, now);
        }
        if !event.levels.is_empty() {
            self.levels.clone_from(&event.levels);
        }
        if open {
            self.counted(event, day, &mut moved);
        }
        if open || moved.placed.is_none() {
            moved.replaced |= self.pool != event.pool;
            self.pool = event.pool;
            if *self.wish != *event.wish {
                self.wish = event.wish.clone();
            }
        }
        moved
    }

    /// Counts a report of the open day; forgets the pools of an earlier one.
    fn counted(&mut self, event: &ReportJudged, today: Day, moved: &mut Moved) {
        if self.used.day != today {
            let before = std::mem::take(&mut self.by_pool);
            moved.left = before.into_iter().map(|(pool, _)| pool).filter(|pool| *pool != event.pool).collect();
        }
        self.used.add(today, event.bytes);
        if event.disallowed > 0 {
            self.disallowed.add(today, event.disallowed);
        }
        if let Some((_, bytes)) = self.by_pool.iter_mut().find(|(pool, _)| *pool == event.pool) {
            *bytes += event.bytes;
        } else {
            self.by_pool.push((event.pool, event.bytes));
            moved.joined = true;
        }
    }
}

/// Keeps the ways from pools to slaves, and the slave's history, in step.
fn place(state: &mut State, event: &ReportJudged, day: Day, moved: &Moved) {
    for pool in &moved.left {
        state.pool_users.remove(&(*pool, event.slave.clone()));
    }
    if moved.joined {
        state.pool_users.insert((event.pool, event.slave.clone()));
    }
    if !moved.replaced {
        return;
    }
    if event.pool.is_none() {
        state.orphans.insert(event.slave.clone());
    } else {
        state.orphans.remove(&event.slave);
    }
    let number = placement::step(state, moved.placed, day, event.pool);
    if let Some(slave) = state.slaves.get_mut(&event.slave)
        && (slave.placement != number || moved.placed.is_none())
    {
        Arc::make_mut(slave).placement = number;
    }
}

/// Counts a report of the open day in its pool, its stack and the day.
fn count(state: &mut State, event: &ReportJudged, day: Day) {
    state.today.bytes += event.bytes;
    state.today.reports += 1;
    let Some(uid) = event.pool else {
        state.today.unpooled_bytes += event.bytes;
        return;
    };
    let name = state.pool_names.get(&uid).expect("a report is counted in a living pool");
    let pool = state.pools.get_mut(name).expect("a living pool has a name");
    pool.used.add(day, event.bytes);
    let stack = state.stacks.get_mut(&event.stack).expect("a pool of the active group has a stack");
    stack.used.add(day, event.bytes);
}

/// A duplicate still shows that its slave is alive.
fn seen(state: &mut State, slave: &SlaveId) {
    let now = state.now;
    if let Some(slave) = state.slaves.get_mut(slave)
        && slave.last_report != now
    {
        Arc::make_mut(slave).last_report = now;
    }
}

fn remember_id(state: &mut State, event: &ReportJudged) {
    memory::forget_report_ids(state, 2);
    let id = id_hash(&event.slave, &event.report_id);
    // one hour after the later of its arrival and its own time, which `decide` lets be an hour ahead
    let at = state.now.plus_ms(REPORT_ID_MEMORY_MS);
    if let Some(before) = state.report_ids.insert(id, at) {
        state.report_ids_by_time.remove(&(before, id));
    }
    state.report_ids_by_time.insert((at, id));
}

pub(super) fn gap_closed(state: &mut State, slave: &SlaveId, epoch: &Name, range: Range) {
    let slave = state.slaves.get_mut(slave).expect("a gap closes in a slave that reported");
    sequence::close_gap(&mut Arc::make_mut(slave).epochs, epoch, range);
}

pub(super) fn epoch_closed(state: &mut State, slave: &SlaveId, epoch: &Name) {
    let slave = Arc::make_mut(state.slaves.get_mut(slave).expect("an epoch closes in a slave that reported"));
    close_epoch(&mut slave.epochs, &mut slave.closed_epochs, epoch);
}

/// The gauges of slaves that are not silent, summed by name.
#[must_use]
pub fn levels(state: &State) -> BTreeMap<Name, u64> {
    let mut sums = BTreeMap::new();
    for slave in live(state, &state.gauged) {
        for level in &slave.levels {
            let sum: &mut u64 = sums.entry(level.name.clone()).or_default();
            *sum = sum.saturating_add(level.value);
        }
    }
    sums
}

fn live<'a>(state: &'a State, slaves: &'a Set<SlaveId>) -> impl Iterator<Item = &'a Arc<Slave>> {
    slaves.iter().filter_map(|id| state.slaves.get(id)).filter(|slave| !is_silent(state, slave))
}

/// Whether a slave has not reported for longer than settings allow.
#[must_use]
pub fn is_silent(state: &State, slave: &Slave) -> bool {
    slave.last_report.plus_ms(state.settings.silent_after_ms) < state.now
}
