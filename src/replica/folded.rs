//! State and projections as one: folded by apply, written as a checkpoint, loaded from one and the rows after it.

use std::sync::Arc;

use super::journal::{POSITION_KEY, Position, stored};
use super::published::Published;
use crate::codec;
use crate::domain::apply::{Applied, Ledger};
use crate::domain::checkpoint::{Loader, encode_chunks};
use crate::domain::intent::Intent;
use crate::domain::time::Stamp;
use crate::projection::usage::UsageHistory;
use crate::store::{Checkpoint, StateDb, StoreError};

/// Tag of the state's pieces in a checkpoint.
const STATE: u8 = 0;
/// Tag of the projection's pieces.
const USAGE: u8 = 1;
/// The format of the projection in a checkpoint.
const USAGE_FORMAT: u8 = 1;
/// Bytes of one of its pieces.
const CHUNK_BYTES: usize = 1 << 20;
/// Rows that are read at a time while replaying.
const ROWS_AT_A_TIME: usize = 4_096;
/// Bytes of them.
const ROW_BYTES_AT_A_TIME: usize = 8 << 20;

/// State, projections, and the one fold that moves both.
#[derive(Clone, Default)]
pub(super) struct Folded {
    /// The state and its rules.
    pub ledger: Ledger,
    /// What was used, by day and dimension.
    pub usage: UsageHistory,
}

/// Why a database does not become a state.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unloadable {
    /// The database says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not what was written; what helps is a replacement of the node.
    #[error("{0}; replace this node: docs/operating.md")]
    Damaged(String),
}

impl Folded {
    /// Decides intents and folds their records, as [`Ledger::apply`] does.
    pub(super) fn apply(&mut self, stamp: &Stamp, intents: &[Intent]) -> Vec<Applied> {
        let applied = self.ledger.apply(stamp, intents);
        applied.iter().for_each(|applied| self.usage.fold(&applied.record));
        applied
    }

    /// As readers see it.
    #[must_use]
    pub(super) fn publish(&self, position: &Position) -> Published {
        Published {
            state: Arc::new(self.ledger.state.clone()),
            usage: Arc::new(self.usage.clone()),
            log: position.log,
            membership: Arc::clone(&position.membership),
        }
    }

    /// Folds a stored row, and proves that it is the one that was written after the last.
    fn row(&mut self, row: crate::store::StoredRow) -> Result<(), Unloadable> {
        let seq = row.seq;
        let damaged = |what: &str| Unloadable::Damaged(format!("row {seq} of the journal {what}"));
        let stored = stored(row).map_err(|error| damaged(&error.to_string()))?;
        let Applied { record, stored: folded } =
            self.ledger.replay(stored.bytes.clone()).map_err(|error| damaged(&error.to_string()))?;
        if folded != stored {
            return Err(damaged("does not continue the chain before it"));
        }
        self.usage.fold(&record);
        Ok(())
    }
}

/// Writes a checkpoint of a frozen view, piece by piece: the state's own chunks, then the projection.
///
/// # Errors
/// What `put` says.
pub(super) fn chunks<E>(frozen: &Published, mut put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut tagged = |tag: u8, chunk: &[u8]| put(&[&[tag], chunk].concat());
    for chunk in encode_chunks(&frozen.state) {
        tagged(STATE, &chunk)?;
    }
    let usage = codec::encode(USAGE_FORMAT, &*frozen.usage);
    usage.chunks(CHUNK_BYTES).try_for_each(|chunk| tagged(USAGE, chunk))
}

/// Reads a checkpoint.
fn read(checkpoint: &Checkpoint) -> Result<Folded, Unloadable> {
    let seq = checkpoint.seq();
    let damaged = |what: &str| Unloadable::Damaged(format!("the checkpoint at record {seq} {what}"));
    let broken = |error: codec::Malformed| damaged(&format!("does not decode: {error}"));
    let (mut state, mut usage) = (Loader::default(), Vec::new());
    for chunk in checkpoint.chunks()? {
        let chunk = chunk?;
        match chunk.split_first() {
            Some((&STATE, chunk)) => state.take(chunk).map_err(broken)?,
            Some((&USAGE, chunk)) => usage.extend_from_slice(chunk),
            Some(_) | None => return Err(damaged("has a piece of an unknown kind")),
        }
    }
    let state = state.finish().map_err(broken)?;
    if state.heads.seq != seq {
        return Err(damaged("is of another position"));
    }
    Ok(Folded { ledger: Ledger { state }, usage: codec::decode(USAGE_FORMAT, &usage).map_err(broken)? })
}

/// What a database holds: the newest readable checkpoint, and the rows after it. `progress` hears how many rows are done
/// of how many. Says how many there were.
///
/// # Errors
/// When a row is missing, malformed, or not the one that comes next.
pub(super) fn load(db: &StateDb, mut progress: impl FnMut(u64, u64)) -> Result<(Folded, Position, u64), Unloadable> {
    let Some(position) = db.meta(POSITION_KEY)? else {
        return Ok((Folded::default(), Position::default(), 0));
    };
    let position = Position::decode(&position)
        .map_err(|error| Unloadable::Damaged(format!("the state database's position does not decode: {error}")))?;
    let mut folded = Folded::default();
    for checkpoint in db.checkpoints()?.iter().filter(|checkpoint| checkpoint.seq() <= position.seq) {
        match read(checkpoint) {
            Ok(read) => {
                folded = read;
                break;
            }
            Err(error) => tracing::error!(%error, "a checkpoint cannot be read; the one before it is used"),
        }
    }
    let from = folded.ledger.state.heads.seq;
    let of = position.seq - from;
    while folded.ledger.state.heads.seq < position.seq {
        let after = folded.ledger.state.heads.seq;
        progress(after - from, of);
        let rows = db.range(after, ROWS_AT_A_TIME, ROW_BYTES_AT_A_TIME)?;
        if rows.is_empty() {
            return Err(Unloadable::Damaged(format!("the journal has no row after {after}")));
        }
        for row in rows.into_iter().filter(|row| row.seq <= position.seq) {
            folded.row(row)?;
        }
    }
    progress(of, of);
    Ok((folded, position, of))
}
