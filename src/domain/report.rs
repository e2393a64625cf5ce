//! One report by itself: its shape, its sums, its rows.

use std::collections::{BTreeMap, BTreeSet};

use super::event::ReportJudged;
use super::name::{NAME_CHARS, Name, SlaveId, is_name};
use super::slave::{LEVELS_PER_REPORT, ROW_BYTES, ROW_NAME_BYTES, ROWS_PER_REPORT, Report, ReportRefusal, Row};
use super::state::State;

pub(super) fn check_shape(slave: &SlaveId, report: &Report) -> Result<(), ReportRefusal> {
    let short = |name: &Name| name.len() <= ROW_NAME_BYTES;
    let fits_in = |label: &Name| label.len() <= NAME_CHARS || label.chars().count() <= NAME_CHARS;
    let row = |row: &Row| [&row.sourcetype, &row.host, &row.source, &row.index].into_iter().all(short);
    let labels = [&report.epoch, &report.report_id, &report.pool];
    let fits = is_name(slave)
        && report.rows.len() <= ROWS_PER_REPORT
        && report.levels.len() <= LEVELS_PER_REPORT
        && report.rows.iter().all(row)
        && report.levels.iter().all(|level| is_name(&level.name))
        && labels.into_iter().all(fits_in);
    if !fits {
        return Err(ReportRefusal::Malformed);
    }
    if report.rows.iter().any(|row| row.bytes > ROW_BYTES) { Err(ReportRefusal::Overflow) } else { Ok(()) }
}

/// What is recorded of a malformed report: not its megabytes.
pub(super) fn shorten(judged: &mut ReportJudged) {
    for name in [&mut judged.slave, &mut judged.epoch, &mut judged.report_id, &mut judged.wish] {
        if name.len() > NAME_CHARS {
            *name = name.chars().take(NAME_CHARS).collect::<String>().into();
        }
    }
}

pub(super) fn sum(rows: &[Row]) -> Option<u64> {
    rows.iter().try_fold(0_u64, |sum, row| sum.checked_add(row.bytes))
}

pub(super) fn disallowed(state: &State, stack: &Name, rows: &[Row]) -> u64 {
    let Some(allowed) = state.stacks.get(stack).and_then(|stack| stack.sourcetypes.as_ref()) else { return 0 };
    rows.iter().filter(|row| !allowed.contains(&row.sourcetype)).map(|row| row.bytes).sum()
}

/// The rows; without host and source if they have more distinct tuples than the threshold (dialect note, part 7).
pub(super) fn squashed(rows: &[Row], threshold: u32) -> Vec<Row> {
    let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
    if rows.len() <= threshold {
        return rows.to_vec();
    }
    let tuples: BTreeSet<_> = rows.iter().map(|row| (&row.source, &row.sourcetype, &row.host, &row.index)).collect();
    if tuples.len() <= threshold {
        return rows.to_vec();
    }
    let mut sums: BTreeMap<(&Name, &Name), u64> = BTreeMap::new();
    for row in rows {
        *sums.entry((&row.sourcetype, &row.index)).or_default() += row.bytes;
    }
    let row = |((sourcetype, index), bytes): ((&Name, &Name), u64)| Row {
        bytes,
        sourcetype: sourcetype.clone(),
        index: index.clone(),
        ..Row::default()
    };
    sums.into_iter().map(row).collect()
}
