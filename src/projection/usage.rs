//! Usage history: totals by day and sourcetype, host, source or index. Folded from records, behind apply: nothing is
//! decided from it.

use serde::{Deserialize, Serialize};

use crate::domain::event::{DayTotals, Event, ReportJudged};
use crate::domain::name::{Map, Name};
use crate::domain::record::{Outcome, Record};
use crate::domain::settings::Settings;
use crate::domain::slave::{Fate, Row};
use crate::domain::state::State;
use crate::domain::time::Day;
use crate::domain::{day, usage};

/// Names that one day keeps of one dimension; the rest is counted together. As many tuples as one report may have before
/// it is squashed.
pub const NAMES_PER_DAY: usize = 2_000;
/// What the rest is called.
pub const OTHER: &str = "(other)";

/// By what bytes are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Dimension {
    /// By sourcetype.
    Sourcetype,
    /// By host.
    Host,
    /// By source.
    Source,
    /// By index.
    Index,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Dimension; 4] = [Dimension::Sourcetype, Dimension::Host, Dimension::Source, Dimension::Index];

    /// As requests write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Dimension::Sourcetype => "sourcetype",
            Dimension::Host => "host",
            Dimension::Source => "source",
            Dimension::Index => "index",
        }
    }

    fn of(self, row: &Row) -> &Name {
        match self {
            Dimension::Sourcetype => &row.sourcetype,
            Dimension::Host => &row.host,
            Dimension::Source => &row.source,
            Dimension::Index => &row.index,
        }
    }
}

/// Totals by day, dimension and name. Cloning is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct UsageHistory {
    /// The open day.
    today: Day,
    /// How many days are kept.
    retention_days: u32,
    /// Bytes of other days by day and dimension, then by name.
    days: Map<(Day, Dimension), Map<Name, u64>>,
    /// Bytes of the open day, in the order of [`Dimension::ALL`], by name: what nearly every report adds to.
    open: [Map<Name, u64>; Dimension::ALL.len()],
}

/// A history as checkpoints hold it: all days alike.
#[derive(Serialize, Deserialize)]
struct Written {
    /// The open day.
    today: Day,
    /// How many days are kept.
    retention_days: u32,
    /// Bytes by day and dimension, then by name.
    days: Map<(Day, Dimension), Map<Name, u64>>,
}

impl From<UsageHistory> for Written {
    fn from(mut history: UsageHistory) -> Written {
        history.put_away();
        Written { today: history.today, retention_days: history.retention_days, days: history.days }
    }
}

impl From<Written> for UsageHistory {
    fn from(written: Written) -> UsageHistory {
        let Written { today, retention_days, mut days } = written;
        let open = Dimension::ALL.map(|dimension| days.remove(&(today, dimension)).unwrap_or_default());
        UsageHistory { today, retention_days, days, open }
    }
}

impl UsageHistory {
    /// Folds one record.
    pub fn fold(&mut self, record: &Record) {
        let Outcome::Done(events) = &record.outcome else { return };
        for event in events {
            match event {
                Event::ReportJudged(judged) => self.count(judged),
                Event::DayClosed(closed) => self.open(closed.calendar.today),
                Event::ClusterInitialized { settings, calendar, .. } => {
                    self.keep(settings);
                    self.open(calendar.today);
                }
                Event::SettingsChanged { settings } => self.keep(settings),
                _other => {}
            }
        }
    }

    /// Bytes of a day by name, and none if there were none.
    #[must_use]
    pub fn on(&self, day: Day, dimension: Dimension) -> Map<Name, u64> {
        if day == self.today {
            return self.open[dimension as usize].clone();
        }
        self.days.get(&(day, dimension)).cloned().unwrap_or_default()
    }

    fn keep(&mut self, settings: &Settings) {
        self.retention_days = settings.retention_days;
    }

    /// Puts the open day to the others.
    fn put_away(&mut self) {
        for (dimension, names) in Dimension::ALL.into_iter().zip(std::mem::take(&mut self.open)) {
            if !names.is_empty() {
                self.days.insert((self.today, dimension), names);
            }
        }
    }

    fn open(&mut self, today: Day) {
        self.put_away();
        self.today = today;
        self.open = Dimension::ALL.map(|dimension| self.days.remove(&(today, dimension)).unwrap_or_default());
        let oldest = today.back(self.retention_days);
        while let Some(key) = self.days.get_min().map(|(key, _)| *key).filter(|(day, _)| *day < oldest) {
            self.days.remove(&key);
        }
    }

    fn count(&mut self, judged: &ReportJudged) {
        let day = match judged.fate {
            Fate::Accepted => self.today,
            Fate::Late(day) => day,
            Fate::Duplicate | Fate::Refused(_) => return,
        };
        let rows = || judged.rows.iter().filter(|row| row.bytes > 0);
        if rows().next().is_none() {
            return;
        }
        for dimension in Dimension::ALL {
            let names = if day == self.today {
                &mut self.open[dimension as usize]
            } else {
                self.days.entry((day, dimension)).or_default()
            };
            for row in rows() {
                add(names, dimension.of(row), row.bytes);
            }
        }
    }
}

fn add(names: &mut Map<Name, u64>, name: &Name, bytes: u64) {
    if let Some(sum) = names.get_mut(name) {
        *sum = sum.saturating_add(bytes);
    } else if names.len() < NAMES_PER_DAY {
        names.insert(name.clone(), bytes);
    } else {
        let sum = names.entry(OTHER.into()).or_default();
        *sum = sum.saturating_add(bytes);
    }
}

/// What was used on a day, closed or open, by pool and stack; `None` for days that are not kept.
#[must_use]
pub fn totals_on(state: &State, wanted: Day) -> Option<DayTotals> {
    if wanted == state.calendar.today { Some(day::totals(state)) } else { state.days.get(&wanted).cloned() }
}

/// The gauges of all slaves that are not silent, summed by name.
#[must_use]
pub fn levels(state: &State) -> Vec<(Name, u64)> {
    usage::levels(state).into_iter().collect()
}
