//! Measures and keeps: what a round of looking found is committed together with the rows that report it, sealed into
//! reports in time, and dropped when the cluster has counted it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, SecondsFormat};

use super::AgentError;
use super::book::{Book, Label, Sealed, Step};
use super::draft::{row, weight};
use super::spool::Spool;
use super::tailer::Tailer;
use crate::client::{Acknowledged, Report, ReportResult};

/// Largest report, in bytes of a request: several fit into the largest request that a node takes.
const REPORT_BYTES: u64 = 192 << 10;
/// Most rows of one report; the cluster takes twice as many.
const REPORT_ROWS: usize = 5_000;
/// Largest request, in bytes: less than the 1 MiB that a node takes.
const REQUEST_BYTES: u64 = 768 << 10;
/// Most reports in one request.
const REQUEST_REPORTS: usize = 500;
/// Most bytes of rows that one step of the spool takes.
const ROUND_BYTES: u64 = 32 << 20;
/// A report holds bytes of one quarter of an hour, because the license day may begin at any of them.
const DAY_EDGE_MS: u64 = 15 * 60_000;
/// Where reports go that will never be counted, one a line.
const REFUSED: &str = "refused.ndjson";
/// How large that file may become, in bytes; then reports wait instead.
const REFUSED_BYTES: u64 = 16 << 20;

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// Everything is measured.
    All,
    /// There is more; look again at once.
    More,
    /// The spool is full; measuring waits until the cluster has counted some of it.
    Full,
}

/// What the cluster's answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// Every report is dealt with.
    All,
    /// Some must be sent again, later.
    Waits,
}

/// What to do with a report that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Counted,
    /// Its day is closed for good; it was not counted, so it may count on the open day.
    Redate,
    /// It will never be counted as it is.
    SetAside,
    /// It may be counted later, when somebody has mended what is wrong.
    Wait,
}

#[derive(Debug)]
pub(super) struct Meter {
    spool: Spool,
    tailer: Tailer,
    pool: Option<String>,
    spool_bytes: u64,
    /// Reports that are sent without their time.
    redated: BTreeSet<(String, u64)>,
    full: bool,
}

impl Meter {
    pub(super) fn new(spool: Spool, tailer: Tailer, pool: Option<String>, spool_bytes: u64) -> Meter {
        Meter { spool, tailer, pool, spool_bytes, redated: BTreeSet::new(), full: false }
    }

    pub(super) const fn book(&self) -> &Book {
        self.spool.book()
    }

    /// Up to where the spool's file is surely on the disk.
    #[cfg(test)]
    pub(super) const fn synced(&self) -> u64 {
        self.spool.synced()
    }

    /// Looks at all files, and commits what was found.
    pub(super) fn measure(&mut self, now_ms: u64) -> Result<Measured, AgentError> {
        let pending = self.book().pending_weight();
        let room = self.spool_bytes.saturating_sub(pending);
        if (room == 0) != self.full {
            self.full = room == 0;
            if self.full {
                tracing::error!(pending, "the spool is full: measuring waits until the cluster counts again");
            } else {
                tracing::info!(pending, "the spool has room again: measuring goes on");
            }
        }
        if self.full {
            return Ok(Measured::Full);
        }
        let round = self.tailer.round(self.spool.book(), now_ms, room.min(ROUND_BYTES));
        let mut steps = round.steps;
        self.report_rows(round.rows, now_ms, &mut steps);
        match self.spool.commit(steps) {
            Ok(()) if round.more => Ok(Measured::More),
            Ok(()) => Ok(Measured::All),
            Err(error) => {
                self.tailer.look_again();
                self.give_up_or_wait(&error)?;
                Ok(Measured::All)
            }
        }
    }

    /// A write that failed changed nothing and is tried again; after a sync that failed nothing is sure.
    fn give_up_or_wait(&self, error: &io::Error) -> Result<(), AgentError> {
        let directory = self.spool.disk().path("");
        if self.spool.is_unsure() {
            return Err(AgentError::because(format!(
                "{}: {error}: the agent begins anew from there",
                directory.display()
            )));
        }
        tracing::error!(%error, directory = %directory.display(), "the spool cannot be written; measuring waits");
        Ok(())
    }

    /// Puts rows into the open report, and begins the next one where it gets too large or too old.
    fn report_rows(&self, rows: BTreeMap<Label, u64>, now_ms: u64, steps: &mut Vec<Step>) {
        let seal = Step::Sealed { at_ms: now_ms };
        let (mut size, mut count) = match &self.book().open {
            Some(open) if !rows.is_empty() && open.at_ms / DAY_EDGE_MS != now_ms / DAY_EDGE_MS => {
                steps.push(seal.clone());
                (0, 0)
            }
            Some(open) => (open.weight, open.rows.len()),
            None => (0, 0),
        };
        let mut piece = Vec::new();
        let mut piece_weight = 0;
        for (label, bytes) in rows {
            let weight = weight(&label, u64::MAX);
            if size + weight > REPORT_BYTES || count == REPORT_ROWS {
                steps.push(Step::Measured { at_ms: now_ms, rows: std::mem::take(&mut piece), weight: piece_weight });
                steps.push(seal.clone());
                (size, count, piece_weight) = (0, 0, 0);
            }
            size += weight;
            piece_weight += weight;
            count += 1;
            piece.push((label, bytes));
        }
        if !piece.is_empty() {
            steps.push(Step::Measured { at_ms: now_ms, rows: piece, weight: piece_weight });
        }
    }

    /// Makes a report of what is measured. While others wait for the cluster, rows rather add up, unless `all` must go; and
    /// when there is nothing, an empty report shows that the slave is there.
    pub(super) fn seal(&mut self, now_ms: u64, all: bool) -> Result<(), AgentError> {
        let book = self.book();
        let wanted = if all { book.open.is_some() } else { book.sealed.is_empty() };
        if !wanted {
            return Ok(());
        }
        match self.spool.commit(vec![Step::Sealed { at_ms: now_ms }]) {
            Ok(()) => Ok(()),
            Err(error) => self.give_up_or_wait(&error),
        }
    }

    /// The oldest reports that fit into one request.
    pub(super) fn batch(&self) -> Vec<Report> {
        let mut size = 0;
        let fits = |report: &&Sealed| {
            size += report.weight + REPORT_HEAD;
            size <= REQUEST_BYTES
        };
        self.book().sealed.iter().take(REQUEST_REPORTS).take_while(fits).map(|report| self.request(report)).collect()
    }

    fn request(&self, report: &Sealed) -> Report {
        let redated = self.redated.contains(&(report.epoch.clone(), report.sequence));
        Report {
            slave: self.book().slave.clone(),
            sequence: Some(report.sequence),
            epoch: Some(report.epoch.clone()),
            pool: self.pool.clone(),
            time: if redated { None } else { rfc3339(report.at_ms) },
            rows: report.rows.iter().map(|(label, bytes)| row(label, *bytes)).collect(),
            ..Report::default()
        }
    }

    /// Takes the cluster's answer to `reports`.
    pub(super) fn settle(&mut self, reports: &[Report], answer: &Acknowledged) -> Result<Settled, AgentError> {
        let mut steps = Vec::new();
        let mut settled = Settled::All;
        for (report, result) in reports.iter().zip(&answer.results) {
            let (epoch, sequence) = (report.epoch.clone().unwrap_or_default(), report.sequence.unwrap_or_default());
            match verdict(result, report) {
                Verdict::Counted => steps.push(Step::Counted { epoch, sequence }),
                Verdict::Redate => {
                    tracing::warn!(
                        sequence,
                        time = report.time,
                        "too old for its day: counted on the open day instead"
                    );
                    self.redated.insert((epoch, sequence));
                    settled = Settled::Waits;
                }
                Verdict::SetAside if self.set_aside(report, result)? => {
                    steps.push(Step::SetAside { epoch, sequence });
                }
                Verdict::SetAside | Verdict::Wait => {
                    let reason = result.reason.as_deref().unwrap_or("it said nothing");
                    tracing::error!(sequence, reason, "not counted; the report stays and is sent again");
                    settled = Settled::Waits;
                }
            }
        }
        match self.spool.commit(steps) {
            Ok(()) => {
                let sealed = &self.spool.book().sealed;
                self.redated.retain(|(epoch, sequence)| {
                    sealed.iter().any(|report| report.sequence == *sequence && report.epoch == *epoch)
                });
                Ok(settled)
            }
            Err(error) => self.give_up_or_wait(&error).map(|()| Settled::Waits),
        }
    }

    /// Keeps a report that will never be counted for people to look at; whether there was room.
    fn set_aside(&self, report: &Report, result: &ReportResult) -> Result<bool, AgentError> {
        let bytes: u64 = report.rows.iter().map(|row| row.bytes).sum();
        let disk = self.spool.disk();
        let kept = disk.open(REFUSED).and_then(|file| {
            let end = file.metadata()?.len();
            let line = serde_json::json!({ "reason": result.reason, "report": report });
            let kept = end < REFUSED_BYTES;
            if kept {
                disk.write_at(&file, format!("{line}\n").as_bytes(), end)?;
                disk.sync(&file)?;
            }
            Ok(kept)
        });
        let reason = result.reason.as_deref().unwrap_or_default();
        match kept {
            Ok(true) => {
                tracing::error!(sequence = report.sequence, bytes, reason, "never counted: set aside in {REFUSED}");
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => self.give_up_or_wait(&error).map(|()| false),
        }
    }
}

/// What a report has beside its rows, in bytes of a request, at most.
const REPORT_HEAD: u64 = 1_024;

fn verdict(result: &ReportResult, report: &Report) -> Verdict {
    if result.sequence != report.sequence {
        return Verdict::Wait;
    }
    if result.is_counted() {
        return Verdict::Counted;
    }
    match result.reason.as_deref() {
        Some("too_old") if report.time.is_some() => Verdict::Redate,
        Some("gap_closed" | "epoch_closed" | "malformed" | "overflow") => Verdict::SetAside,
        _ => Verdict::Wait,
    }
}

fn rfc3339(ms: u64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
