//! A log and a state machine in memory, small enough to be read at once: what is tested with them is the network.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{Stream, TryStreamExt as _};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::storage::{
    EntryResponder, IOFlushed, RaftLogReader, RaftLogStorage, RaftSnapshotBuilder, RaftStateMachine,
};
use openraft::{EntryPayload, LogState, OptionalSend};

use super::super::client::lock;
use crate::replica::types::{SnapshotFiles, TypeConfig};

type C = TypeConfig;

/// What a node has on its disk, if it had one.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    vote: Option<VoteOf<C>>,
    purged: Option<LogIdOf<C>>,
    entries: BTreeMap<u64, EntryOf<C>>,
}

impl RaftLogReader<C> for Log {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<EntryOf<C>>, io::Error>
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        Ok(lock(&self.0).entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<C>>, io::Error> {
        Ok(lock(&self.0).vote)
    }
}

impl RaftLogStorage<C> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        let disk = lock(&self.0);
        let last = disk.entries.last_key_value().map(|(_, entry)| entry.log_id).or(disk.purged);
        Ok(LogState { last_purged_log_id: disk.purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<C>) -> Result<(), io::Error> {
        lock(&self.0).vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<C>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        lock(&self.0).entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<C>>) -> Result<(), io::Error> {
        let first = last.map_or(0, |last| last.index + 1);
        drop(lock(&self.0).entries.split_off(&first));
        Ok(())
    }

    async fn purge(&mut self, upto: LogIdOf<C>) -> Result<(), io::Error> {
        let mut disk = lock(&self.0);
        disk.entries = disk.entries.split_off(&(upto.index + 1));
        disk.purged = Some(upto);
        Ok(())
    }
}

/// What a state machine has applied: the batches, in order.
#[derive(Clone, Default)]
pub(super) struct Machine {
    state: Arc<Mutex<State>>,
    dir: PathBuf,
    next: Arc<AtomicU64>,
}

#[derive(Clone, Default)]
struct State {
    last: Option<LogIdOf<C>>,
    membership: StoredMembershipOf<C>,
    applied: Vec<u8>,
    snapshot: Option<SnapshotMetaOf<C>>,
}

impl Machine {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, ..Self::default() }
    }

    /// The first byte of every batch that was applied.
    pub(super) fn applied(&self) -> Vec<u8> {
        lock(&self.state).applied.clone()
    }
}

impl RaftSnapshotBuilder<C> for Machine {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<C, SnapshotFiles>, io::Error> {
        let meta = {
            let mut state = lock(&self.state);
            let meta = SnapshotMetaOf::<C> { last_log_id: state.last, last_membership: state.membership.clone() };
            state.snapshot = Some(meta.clone());
            meta
        };
        let dir = self.dir.join(format!("sent-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join("applied"), self.applied())?;
        Ok(SnapshotOf::<C, SnapshotFiles> { meta, snapshot: SnapshotFiles { dir } })
    }
}

impl RaftStateMachine<C> for Machine {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogIdOf<C>>, StoredMembershipOf<C>), io::Error> {
        let state = lock(&self.state);
        Ok((state.last, state.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let mut state = lock(&self.state);
            state.last = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Normal(batch) => state.applied.extend(batch.0.first()),
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembershipOf::<C>::new(Some(entry.log_id), membership);
                }
                EntryPayload::Blank => {}
            }
            drop(state);
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<C>, files: SnapshotFiles) -> Result<(), io::Error> {
        let applied = std::fs::read(files.dir.join("applied"))?;
        std::fs::remove_dir_all(&files.dir)?;
        let (last, membership) = (meta.last_log_id, meta.last_membership.clone());
        *lock(&self.state) = State { last, membership, applied, snapshot: Some(meta.clone()) };
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<C, SnapshotFiles>>, io::Error> {
        let built = lock(&self.state).snapshot.is_some();
        if built { self.build_snapshot().await.map(Some) } else { Ok(None) }
    }
}
