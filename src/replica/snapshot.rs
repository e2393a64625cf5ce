//! Snapshots for peers: files of the state database, made by hard links, installed by swapping directories.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ::metrics::histogram;
use openraft::RaftSnapshotBuilder;
use openraft::alias::{SnapshotMetaOf, SnapshotOf};

use super::folded::{self, Folded, Unloadable};
use super::journal::Position;
use super::shared::Shared;
use super::types::{SnapshotFiles, TypeConfig};
use crate::metrics;
use crate::store::{StateDb, StoreError};

type Meta = SnapshotMetaOf<TypeConfig>;

/// The newest snapshot of this node, and where copies of it go.
#[derive(Default)]
pub(super) struct Snapshots {
    current: Mutex<Option<(PathBuf, Meta)>>,
    next: AtomicU64,
}

impl Snapshots {
    fn fresh_dir(&self, root: &Path, what: &str) -> PathBuf {
        root.join(format!("{what}-{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes this the newest one; the one before is removed.
    fn replace(&self, dir: PathBuf, meta: Meta) {
        let old = self.current.lock().unwrap_or_else(PoisonError::into_inner).replace((dir, meta));
        if let Some((old, _)) = old {
            remove(&old);
        }
    }

    /// The log index that the newest one goes up to.
    #[must_use]
    pub(super) fn index(&self) -> Option<u64> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().and_then(|(_, meta)| meta.last_log_id).map(|log| log.index)
    }
}

/// Builds a snapshot beside apply.
pub(super) struct Builder {
    shared: Arc<Shared>,
}

impl Builder {
    /// A builder for this replica.
    #[must_use]
    pub(super) const fn new(shared: Arc<Shared>) -> Builder {
        Builder { shared }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotFiles>, io::Error> {
        let begun = Instant::now();
        let snapshots = &self.shared.snapshots;
        let dir = snapshots.fresh_dir(&self.shared.dirs.snapshots(), "own");
        let position = self.shared.behind.snapshot(dir.clone()).await.map_err(io::Error::other)?;
        let meta = meta(&position);
        snapshots.replace(dir.clone(), meta.clone());
        histogram!(metrics::RAFT_SNAPSHOT_BUILD).record(begun.elapsed());
        // openraft keeps only the description; the files are handed out by `current`.
        Ok(SnapshotOf::<TypeConfig, SnapshotFiles> { meta, snapshot: SnapshotFiles { dir } })
    }
}

fn meta(position: &Position) -> Meta {
    let membership = openraft::alias::StoredMembershipOf::<TypeConfig>::clone(&position.membership);
    Meta { last_log_id: position.log, last_membership: membership }
}

/// The newest snapshot, in a directory of hard links that belongs to the caller.
///
/// # Errors
/// When the links cannot be made.
pub(super) fn current(shared: &Shared) -> Result<Option<SnapshotOf<TypeConfig, SnapshotFiles>>, io::Error> {
    // Held while linking: the newest one must not be removed meanwhile. It is a handful of links.
    let current = shared.snapshots.current.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((source, meta)) = current.as_ref() else { return Ok(None) };
    let dir = shared.snapshots.fresh_dir(&shared.dirs.snapshots(), "sent");
    std::fs::create_dir_all(&dir)?;
    for file in std::fs::read_dir(source)? {
        let file = file?;
        std::fs::hard_link(file.path(), dir.join(file.file_name()))?;
    }
    Ok(Some(SnapshotOf::<TypeConfig, SnapshotFiles> { meta: meta.clone(), snapshot: SnapshotFiles { dir } }))
}

/// Proves that the files hold what they say, swaps them in, and says what they hold. Blocks: it reads all of it.
///
/// # Errors
/// When they do not, or the disk refuses. Until the swap, nothing has changed.
pub(super) fn install(shared: &Shared, wanted: &Meta, files: &SnapshotFiles) -> Result<(Folded, Position), Unloadable> {
    let begun = Instant::now();
    tracing::info!(snapshot = %files.dir.display(), "installing a snapshot; this node is behind and goes on meanwhile");
    let (folded, position) = {
        let db = StateDb::open(&files.dir)?;
        let (folded, position, _) = folded::load(&db, |_, _| {})?;
        (folded, position)
    };
    check(shared, wanted, &folded, &position)?;
    let state = shared.dirs.state();
    shared.journal.replace(|| {
        StateDb::replace(&state, &files.dir)?;
        let db = StateDb::open(&state)?;
        Ok::<_, StoreError>((db, position.clone()))
    })?;
    histogram!(metrics::RAFT_SNAPSHOT_INSTALL).record(begun.elapsed());
    tracing::info!(seq = position.seq, took = ?begun.elapsed(), "the snapshot is installed");
    Ok((folded, position))
}

fn check(shared: &Shared, wanted: &Meta, folded: &Folded, position: &Position) -> Result<(), Unloadable> {
    let ours = shared.window.newest();
    let (ours, theirs) = (&ours.state.cluster_id, &folded.ledger.state.cluster_id);
    if !ours.is_empty() && ours != theirs {
        return Err(Unloadable::Damaged("the snapshot is of another cluster".to_owned()));
    }
    if position.log != wanted.last_log_id {
        let found = position.log.map_or(0, |log| log.index);
        return Err(Unloadable::Damaged(format!("the snapshot ends at log entry {found}, not where it says")));
    }
    Ok(())
}

/// Removes a directory that nobody needs any more.
pub(super) fn remove(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, dir = %dir.display(), "cannot remove an old snapshot");
    }
}

/// Clears away what an earlier run left.
///
/// # Errors
/// When the disk refuses.
pub(super) fn clear(root: &Path) -> io::Result<()> {
    if root.exists() {
        std::fs::remove_dir_all(root)?;
    }
    std::fs::create_dir_all(root)
}
