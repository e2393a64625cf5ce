//! Reading the log: from the cache what was just appended, from the database what is older.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::vec;

use futures_util::{Stream, stream};
use openraft::OptionalSend;
use openraft::alias::LeaderIdOf;
use openraft::errors::LeaderChanged;
use openraft::storage::{LeaderBoundedStreamError, RaftLogReader};

use super::shared::{Shared, after, gap};
use super::{Entry, Vote};
use crate::replica::types::TypeConfig;

/// What a bounded read returns at most, the first entry aside: one frame to a peer.
const READ_BYTES: usize = 1 << 20;

type LeaderId = LeaderIdOf<TypeConfig>;

/// Reads the log; one per replication stream.
#[derive(Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

impl LogReader {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The entries of a range that the log holds now: all of them, or what fits into one read. What is not there yet
    /// or not any more at the ends is left out; a hole is an error.
    fn read(&self, start: u64, end: u64, all: bool) -> io::Result<Vec<Entry>> {
        loop {
            let (start, end, truncations) = {
                let view = self.shared.view();
                (start.max(view.first), end.min(after(view.last)), view.truncations)
            };
            if let Some(found) = self.read_at(start, end, all, truncations)? {
                return Ok(found);
            }
        }
    }

    /// As [`LogReader::read`]; nothing when the log was shortened meanwhile at either end.
    fn read_at(&self, start: u64, end: u64, all: bool, truncations: u64) -> io::Result<Option<Vec<Entry>>> {
        let mut found = Vec::new();
        let mut next = start;
        while next < end && (all || found.is_empty()) {
            let chunk = self.chunk(next, end)?;
            let view = self.shared.view();
            if view.truncations != truncations || view.first > next {
                return Ok(None);
            }
            drop(view);
            if chunk.is_empty() || chunk.iter().zip(next..).any(|(entry, index)| entry.log_id.index != index) {
                return Err(gap(&self.shared.db, next).into());
            }
            next += chunk.len() as u64;
            found.extend(chunk);
        }
        Ok(Some(found))
    }

    /// Some entries from `start` on: out of the cache if it has them, else out of the database up to where the cache
    /// begins.
    fn chunk(&self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let end = {
            let view = self.shared.view();
            let cached = view.cache.read(start, end, READ_BYTES);
            if !cached.is_empty() {
                return Ok(cached);
            }
            view.cache.first().map_or(end, |first| if first > start { end.min(first) } else { end })
        };
        let rows = self.shared.db.entries(start..end, READ_BYTES).map_err(io::Error::from)?;
        self.shared.stats.read_from_disk.fetch_add(rows.len() as u64, Relaxed);
        let entries = rows.iter().map(|(index, bytes)| self.shared.decode_entry(*index, bytes));
        Ok(entries.collect::<Result<_, _>>()?)
    }

    fn walk<RB: RangeBounds<u64>>(&self, range: &RB, leader: Option<LeaderId>) -> Walk {
        let (start, end) = bounds(range);
        let end = end.min(after(self.shared.view().last));
        Walk { reader: self.clone(), leader, begun: false, next: start, end, chunk: Vec::new().into_iter() }
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn leader_bounded_stream<RB>(
        &mut self,
        leader: LeaderId,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, LeaderBoundedStreamError<TypeConfig>>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        stream::iter(self.walk(&range, Some(leader)))
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        stream::iter(self.walk(&range, None).map(|item| {
            item.map_err(|error| match error {
                LeaderBoundedStreamError::IoError(error) => error,
                LeaderBoundedStreamError::LeaderChanged(error) => io::Error::other(error.to_string()),
            })
        }))
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let (start, end) = bounds(&range);
        self.read(start, end, true)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.view().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, false)
    }
}

/// Entries one after another, read in pieces; ends with the first error.
struct Walk {
    reader: LogReader,
    /// Whose entries they must be, if anybody's: another vote ends the walk, because the log may change under it.
    leader: Option<LeaderId>,
    /// Whether an entry was returned: from then on the next one must follow it.
    begun: bool,
    next: u64,
    end: u64,
    chunk: vec::IntoIter<Entry>,
}

impl Walk {
    fn check_leader(&self) -> Result<(), LeaderBoundedStreamError<TypeConfig>> {
        let Some(leader) = self.leader else { return Ok(()) };
        match self.reader.shared.view().vote {
            Some(vote) if vote.leader_id == leader && vote.committed => Ok(()),
            vote => Err(LeaderChanged::new(leader, vote).into()),
        }
    }

    fn read_chunk(&mut self) -> Result<(), LeaderBoundedStreamError<TypeConfig>> {
        self.check_leader()?;
        let chunk = self.reader.read(self.next, self.end, false)?;
        // What was read counts only if it was still this leader's log after the read.
        self.check_leader()?;
        if self.begun && chunk.first().is_none_or(|first| first.log_id.index != self.next) {
            return Err(io::Error::from(gap(&self.reader.shared.db, self.next)).into());
        }
        self.chunk = chunk.into_iter();
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<Entry, LeaderBoundedStreamError<TypeConfig>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0 {
            if self.next >= self.end && (self.begun || self.leader.is_none()) {
                return None;
            }
            if let Err(error) = self.read_chunk() {
                (self.next, self.end, self.begun) = (0, 0, true);
                return Some(Err(error));
            }
        }
        let entry = self.chunk.next();
        self.begun = true;
        match &entry {
            Some(entry) => self.next = entry.log_id.index + 1,
            None => self.end = self.next,
        }
        entry.map(Ok)
    }
}

/// The range as first index and the one after the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}
