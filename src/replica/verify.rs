//! Checking a stopped node's journal: both chains are computed again from the stored bytes, and compared with what was
//! stored and with what each day's end says about its day.
//!
//! Whoever can write the files can compute chains, too: what proves that nobody did is the last digest, when it equals
//! the other nodes' at the same position, or one that was written down elsewhere.

use std::path::Path;

use super::journal::{POSITION_KEY, Position, Unreadable, stored};
use super::retention::dropped;
use super::shared::Dirs;
use crate::domain::event::Event;
use crate::domain::name::Hash;
use crate::domain::record::{Outcome, Record, Stored};
use crate::domain::state::Heads;
use crate::store::{StateDb, StoreError};

/// Rows read at a time.
const PAGE_ROWS: usize = 4_096;
/// Bytes read at a time.
const PAGE_BYTES: usize = 4 << 20;

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// The last record's position.
    pub seq: u64,
    /// The journal's digest at it.
    pub digest: Hash,
    /// Records that were checked.
    pub records: u64,
    /// Records of old days that were dropped; their days' heads in the audit chain still prove them.
    pub dropped: u64,
}

/// Why a journal does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The database cannot be read; a running node holds it.
    #[error("{0}; stop the node first")]
    Store(#[from] StoreError),
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] Unreadable),
    /// The bytes are no record.
    #[error("record {seq} does not decode: {why}")]
    NoRecord {
        /// Its position.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The record says another position or belongs to the other chain.
    #[error("record {0} is another record than its place says")]
    Misplaced(u64),
    /// A record is not there.
    #[error("record {0} is missing")]
    Missing(u64),
    /// The stored digest is not the one that the bytes give.
    #[error("record {0} or one before it was changed: its digest does not fit")]
    Changed(u64),
    /// A day's end names another head than its records give.
    #[error("a record of the day that record {0} closed was changed")]
    DayChanged(u64),
    /// The database says that it goes further.
    #[error("the journal ends at record {last} and should end at {position}")]
    Short {
        /// The last record that is there.
        last: u64,
        /// The last that should be.
        position: u64,
    },
}

/// Recomputes the chains of the journal in `data_dir`; `seen` is told how many of how many records were read.
///
/// # Errors
/// When it cannot be read, or does not hold.
pub fn verify(data_dir: &Path, mut seen: impl FnMut(u64, u64)) -> Result<Verified, Broken> {
    let db = StateDb::open(&Dirs { root: data_dir.to_owned() }.state())?;
    let position = match db.meta(POSITION_KEY)? {
        Some(bytes) => {
            Position::decode(&bytes).map_err(|error| Broken::NoRecord { seq: 0, why: error.to_string() })?.seq
        }
        None => 0,
    };
    let mut chains = Chains::new(dropped(&db)?);
    loop {
        let rows = db.range(chains.heads.seq, PAGE_ROWS, PAGE_BYTES)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            chains.take(&stored(row)?)?;
        }
        seen(chains.heads.seq, position);
    }
    if chains.heads.seq < position {
        return Err(Broken::Short { last: chains.heads.seq, position });
    }
    let digest = chains.last;
    Ok(Verified { seq: chains.heads.seq, digest, records: chains.records, dropped: chains.dropped })
}

/// The chains as far as they were computed.
struct Chains {
    heads: Heads,
    /// Whether the bulk head is known: not within a day whose records were dropped.
    whole: bool,
    /// Bulk records up to here may be gone.
    droppable: u64,
    last: Hash,
    records: u64,
    dropped: u64,
}

impl Chains {
    fn new(droppable: u64) -> Chains {
        Chains { heads: Heads::default(), whole: true, droppable, last: Hash::default(), records: 0, dropped: 0 }
    }

    fn take(&mut self, stored: &Stored) -> Result<(), Broken> {
        let seq = stored.seq;
        let missing = seq - self.heads.seq - 1;
        if missing > 0 {
            if seq - 1 > self.droppable {
                return Err(Broken::Missing(self.heads.seq.max(self.droppable) + 1));
            }
            self.dropped += missing;
            self.whole = false;
            self.heads.seq = seq - 1;
        }
        let record = Record::decode(&stored.bytes).map_err(|error| Broken::NoRecord { seq, why: error.to_string() })?;
        if record.seq != seq || record.kind.class() != stored.class {
            return Err(Broken::Misplaced(seq));
        }
        let bulk = self.heads.bulk;
        self.heads = self.heads.after(stored.class, &stored.bytes);
        if let Some(head) = day_closed(&record) {
            if self.whole && head != bulk {
                return Err(Broken::DayChanged(seq));
            }
            self.heads.bulk = Hash::default();
            self.whole = true;
        }
        if self.whole && self.heads.digest() != stored.digest {
            return Err(Broken::Changed(seq));
        }
        self.last = stored.digest;
        self.records += 1;
        Ok(())
    }
}

/// The head of the day that a record closes.
fn day_closed(record: &Record) -> Option<Hash> {
    let Outcome::Done(events) = &record.outcome else { return None };
    events.iter().find_map(|event| if let Event::DayClosed(closed) = event { Some(closed.bulk_head) } else { None })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::event::DayClosed;
    use crate::domain::intent::{CommandKind, IntentId};
    use crate::domain::time::{Calendar, Day, Moment};
    use crate::domain::user::{Actor, Credential};

    /// A journal with three bulk records, the end of their day, one more of each class.
    fn journal() -> Vec<Stored> {
        let mut heads = Heads::default();
        let kinds = [
            CommandKind::Mark,
            CommandKind::Mark,
            CommandKind::Mark,
            CommandKind::CloseDay,
            CommandKind::Mark,
            CommandKind::CreatePool,
        ];
        kinds.iter().map(|kind| next(&mut heads, *kind)).collect()
    }

    fn next(heads: &mut Heads, kind: CommandKind) -> Stored {
        let closed =
            DayClosed { day: Day(1), totals: Default::default(), bulk_head: heads.bulk, calendar: Calendar::default() };
        let events = if kind == CommandKind::CloseDay { vec![Event::DayClosed(Box::new(closed))] } else { vec![] };
        let record = Record {
            seq: heads.seq + 1,
            at: Moment(5),
            actor: Actor { user: "system".into(), credential: Credential::System },
            intent: IntentId { node: 0, run: 0, number: 0 },
            key: None,
            kind,
            outcome: Outcome::Done(events),
        };
        let bytes = record.encode();
        *heads = heads.after(kind.class(), &bytes);
        if kind == CommandKind::CloseDay {
            heads.bulk = Hash::default();
        }
        Stored { seq: record.seq, class: kind.class(), bytes, digest: heads.digest() }
    }

    fn check(journal: &[Stored], droppable: u64) -> Result<Chains, Broken> {
        let mut chains = Chains::new(droppable);
        journal.iter().try_for_each(|stored| chains.take(stored)).map(|()| chains)
    }

    #[test]
    fn a_whole_journal_holds_and_ends_in_its_digest() {
        let journal = journal();
        let chains = check(&journal, 0).expect("untouched");
        assert_eq!((chains.records, chains.dropped, chains.last), (6, 0, journal[5].digest));
    }

    #[test]
    fn a_changed_byte_is_found_wherever_it_is() {
        for at in 0..6 {
            let mut journal = journal();
            let mut bytes = journal[at].bytes.to_vec();
            // the moment: still a record, only another one
            let moment = bytes.iter().position(|byte| *byte == 5).expect("the moment");
            bytes[moment] = 6;
            journal[at].bytes = Bytes::from(bytes);
            assert!(check(&journal, 0).is_err(), "record {}", at + 1);
        }
    }

    #[test]
    fn records_of_an_old_day_may_be_gone_and_others_may_not() {
        let mut old = journal();
        old.drain(0..3);
        let chains = check(&old, 4).expect("the day's head stands for them");
        assert_eq!((chains.records, chains.dropped), (3, 3));
        assert!(matches!(check(&old, 2), Err(Broken::Missing(3))));
        let mut young = journal();
        young.remove(4);
        assert!(matches!(check(&young, 4), Err(Broken::Missing(5))));
    }

    #[test]
    fn a_day_s_head_that_does_not_fit_is_found() {
        let mut journal = journal();
        journal.truncate(2);
        let mut heads = Heads { seq: 2, bulk: [7; 32], ..Heads::default() };
        journal.push(next(&mut heads, CommandKind::CloseDay));
        assert!(matches!(check(&journal, 0), Err(Broken::DayChanged(3))));
    }
}
