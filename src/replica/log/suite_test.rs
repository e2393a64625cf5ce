//! openraft's own test suite on this log store, with a state machine in memory beside it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, StreamExt};
use openraft::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, OptionalSend, StorageError, StoredMembership};

use super::LogStore;
use super::testing::Disk;
use crate::replica::types::TypeConfig;

/// Remembers what was applied last, and the members.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Applied>>);

#[derive(Clone, Default)]
struct Applied {
    last: Option<LogIdOf<TypeConfig>>,
    members: StoredMembershipOf<TypeConfig>,
    snapshot: Option<SnapshotMetaOf<TypeConfig>>,
}

impl Memory {
    fn with<T>(&self, act: impl FnOnce(&mut Applied) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Memory {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, ()>> {
        let meta = self.with(|applied| {
            let meta =
                SnapshotMetaOf::<TypeConfig> { last_log_id: applied.last, last_membership: applied.members.clone() };
            applied.snapshot = Some(meta.clone());
            meta
        });
        Ok(Snapshot { meta, snapshot: () })
    }
}

impl RaftStateMachine<TypeConfig> for Memory {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogIdOf<TypeConfig>>, StoredMembershipOf<TypeConfig>)> {
        Ok(self.with(|applied| (applied.last, applied.members.clone())))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            self.with(|applied| {
                applied.last = Some(entry.log_id);
                if let EntryPayload::Membership(members) = entry.payload {
                    applied.members = StoredMembership::new(Some(entry.log_id), members);
                }
            });
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<TypeConfig>, (): ()) -> io::Result<()> {
        self.with(|applied| {
            (applied.last, applied.members) = (meta.last_log_id, meta.last_membership.clone());
            applied.snapshot = Some(meta.clone());
        });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<TypeConfig, ()>>> {
        Ok(self.with(|applied| applied.snapshot.clone()).map(|meta| Snapshot { meta, snapshot: () }))
    }
}

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Memory, Disk> for Builder {
    async fn build(&self) -> Result<(Disk, LogStore, Memory), StorageError<TypeConfig>> {
        let disk = Disk::new();
        let store = disk.store();
        Ok((disk, store, Memory::default()))
    }
}

#[tokio::test]
async fn the_log_store_passes_the_suite_of_openraft() {
    Suite::test_all(Builder).await.expect("the suite passes");
}
