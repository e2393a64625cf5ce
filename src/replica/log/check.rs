//! The check at start: does the log hold what this node promised? Only then may it vote.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::shared::{self, COMMITTED, ENTRY_FORMAT, PURGED, VALUE_FORMAT, VOTE, View, after, damaged, gap};
use super::{Entry, LogId, Vote};
use crate::codec;
use crate::store::{LogBatch, LogDb, Promise, StoreError};

/// What a carried entry takes besides its bytes, at most: index and length.
const ENTRY_BYTES: usize = 18;

/// What is promised: to still have this entry, or what it was purged into, and this vote or a higher one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pledge {
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    /// Entries that the log was not synced for, by index: here they are durable already.
    pub(super) carried: Vec<Carried>,
}

/// An entry as the log stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Carried {
    pub(super) index: u64,
    pub(super) bytes: Bytes,
}

impl Pledge {
    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(VALUE_FORMAT, self)
    }

    /// What `with` makes of it as bytes.
    pub(super) fn with_encoded<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        codec::with_encoded(VALUE_FORMAT, self, with)
    }
}

/// How many bytes entries take that are carried, at most.
pub(super) fn bytes_of(entries: &[Carried]) -> usize {
    entries.iter().map(|carried| carried.bytes.len() + ENTRY_BYTES).sum()
}

/// What the log holds, and what was promised, when the one covers the other.
pub(super) fn check(db: &LogDb, promise: &Promise) -> Result<(View, Pledge), StoreError> {
    let mut pledge = pledged(promise)?;
    // The vote first: it is never carried, so a log without it is not one that merely lost its last entries.
    check_vote(db, value(db, VOTE)?, &pledge)?;
    restore(db, &pledge)?;
    let view = read(db)?;
    check_entries(db, &view, &pledge)?;
    // The database has made durable what it found at its opening, and `restore` what it added.
    pledge.carried.clear();
    Ok((view, pledge))
}

/// What all promises that count say together: the last one, with what each of them carries.
fn pledged(promise: &Promise) -> Result<Pledge, StoreError> {
    let mut all = Pledge::default();
    for payload in promise.payloads() {
        let next: Pledge = codec::decode(VALUE_FORMAT, payload).map_err(|error| StoreError::Damaged {
            what: "promise",
            path: promise.path().to_owned(),
            detail: error.to_string(),
        })?;
        all.carried.extend(next.carried);
        (all.last, all.vote) = (next.last, next.vote);
    }
    Ok(all)
}

/// Gives the log what it was not yet given, or what a power cut took from its unsynced end. Only the newest entries are carried: if
/// more than those is gone, what follows them does not fit, and the check says so.
fn restore(db: &LogDb, pledge: &Pledge) -> Result<(), StoreError> {
    let purged = after(value(db, PURGED)?);
    for (at, carried) in pledge.carried.iter().enumerate() {
        let found = db.entry(carried.index)?;
        if carried.index < purged || found.as_deref() == Some(&carried.bytes[..]) {
            continue;
        }
        if let Some(found) = found {
            let (found, carried) = (log_id(db, carried.index, &found)?, log_id(db, carried.index, &carried.bytes)?);
            if found >= carried {
                // Not what a crash or a power cut leaves: the promise is older than the log, and the check will say so.
                return Ok(());
            }
        }
        let before = carried.index.checked_sub(1).filter(|&before| before >= purged);
        if before.map(|before| db.entry(before)).transpose()?.is_some_and(|before| before.is_none()) {
            return Ok(());
        }
        let lost = &pledge.carried[at..];
        tracing::info!(
            entries = lost.len(),
            "the log lacks its end, as after a crash or a power cut; the promise holds it"
        );
        let mut batch = LogBatch::default();
        batch.delete_entries(carried.index..u64::MAX);
        for entry in lost {
            batch.put_entry(entry.index, &entry.bytes);
        }
        db.write(batch)?;
        return db.sync();
    }
    Ok(())
}

fn read(db: &LogDb) -> Result<View, StoreError> {
    let mut view = View {
        vote: value(db, VOTE)?,
        committed: value::<Option<LogId>>(db, COMMITTED)?.flatten(),
        purged: value(db, PURGED)?,
        ..View::default()
    };
    // Every entry is touched once, so that a hole or a damaged table shows now, and not in front of a follower.
    view.first = after(view.purged);
    let mut next = view.first;
    let mut missing = None;
    db.each_entry(view.first..u64::MAX, |index, bytes| {
        missing = (index != next).then_some(next);
        next = index.saturating_add(1);
        view.live_bytes += bytes.len() as u64;
        missing.is_none()
    })?;
    if let Some(missing) = missing {
        return Err(gap(db, missing));
    }
    view.last = if next == view.first { view.purged } else { Some(log_id_at(db, next - 1)?) };
    Ok(view)
}

fn check_vote(db: &LogDb, found: Option<Vote>, pledge: &Pledge) -> Result<(), StoreError> {
    let Some(promised) = pledge.vote else { return Ok(()) };
    let found = match found {
        Some(vote) if vote >= promised => return Ok(()),
        Some(vote) => format!("holds the vote {vote}"),
        None => "holds no vote".to_owned(),
    };
    Err(StoreError::VoteGone { path: db.dir().to_owned(), found, promised: promised.to_string() })
}

fn check_entries(db: &LogDb, view: &View, pledge: &Pledge) -> Result<(), StoreError> {
    let Some(promised) = pledge.last else { return Ok(()) };
    let wanted = promised.to_string();
    match view.last {
        None => return Err(forgotten(db, "is empty".to_owned(), wanted)),
        Some(last) if last < promised || last.index < promised.index => {
            return Err(forgotten(db, format!("ends at {last}"), wanted));
        }
        Some(_) => {}
    }
    if promised.index >= after(view.purged) {
        let found = log_id_at(db, promised.index)?;
        if found != promised {
            return Err(forgotten(db, format!("holds {found} instead"), wanted));
        }
    }
    Ok(())
}

fn log_id_at(db: &LogDb, index: u64) -> Result<LogId, StoreError> {
    let bytes = db.entry(index)?.ok_or_else(|| gap(db, index))?;
    log_id(db, index, &bytes)
}

fn log_id(db: &LogDb, index: u64, bytes: &[u8]) -> Result<LogId, StoreError> {
    let entry: Entry = codec::decode(ENTRY_FORMAT, bytes).map_err(|error| damaged(db, index, &error))?;
    Ok(entry.log_id)
}

fn value<T: DeserializeOwned>(db: &LogDb, name: &str) -> Result<Option<T>, StoreError> {
    let Some(bytes) = db.meta(name)? else { return Ok(None) };
    let value = codec::decode(shared::VALUE_FORMAT, &bytes).map_err(|error| StoreError::Damaged {
        what: "log",
        path: db.dir().to_owned(),
        detail: format!("its {name} cannot be read: {error}"),
    })?;
    Ok(Some(value))
}

fn forgotten(db: &LogDb, found: String, promised: String) -> StoreError {
    StoreError::Forgotten { path: db.dir().to_owned(), found, promised }
}
