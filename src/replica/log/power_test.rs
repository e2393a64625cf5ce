//! Power cuts: the log's unsynced end is gone, and the promise gives it back; what was synced may not be missing.

use std::fs;

use openraft::storage::RaftLogStorage;

use super::LogId;
use super::testing::{Disk, append, append_unsynced, append_written, id, ids, ids_of, vote};
use crate::store::StoreError;

fn wal_bytes(disk: &Disk) -> usize {
    fs::metadata(disk.wal()).expect("the write-ahead log").len() as usize
}

/// Cuts copies of the write-ahead log everywhere between what was synced and its end, and wants the same entries.
async fn wants_at_every_cut(disk: &Disk, synced: usize, wanted: &[LogId]) {
    let whole = wal_bytes(disk);
    assert!(synced < whole, "something was not synced");
    for length in (synced..=whole).step_by(131).chain([whole - 1]) {
        let copy = disk.copy();
        copy.change_wal(|bytes| bytes.truncate(length));
        let mut store = copy.store();
        assert_eq!(ids(&mut store).await, wanted, "cut at {length} of {synced} to {whole}");
        append(&mut store, 900, wanted.len() as u64..=wanted.len() as u64).await;
        drop(store);
        assert_eq!(ids(&mut copy.store()).await.len(), wanted.len() + 1);
    }
}

#[tokio::test]
async fn what_was_acknowledged_without_a_sync_of_the_log_survives_a_power_cut() {
    let disk = Disk::new();
    let mut store = disk.eager_store();
    append_written(&mut store, 1, 0..=3).await;
    store.save_vote(&vote(2)).await.expect("a vote is saved");
    let synced = wal_bytes(&disk);
    let syncs = store.handle().stats().log_syncs.load(std::sync::atomic::Ordering::Relaxed);
    for index in 4..=12 {
        append_written(&mut store, 2, index..=index).await;
    }
    assert_eq!(store.handle().stats().log_syncs.load(std::sync::atomic::Ordering::Relaxed), syncs);
    wants_at_every_cut(&disk, synced, &[ids_of(1, 0..=3), ids_of(2, 4..=12)].concat()).await;
}

#[tokio::test]
async fn the_log_is_synced_before_the_promises_are_full_and_what_comes_then_survives_too() {
    let disk = Disk::new();
    let mut store = disk.eager_store();
    store.save_vote(&vote(1)).await.expect("a vote is saved");
    let handle = store.handle();
    let syncs = || handle.stats().log_syncs.load(std::sync::atomic::Ordering::Relaxed);
    let (before, mut next) = (syncs(), 0);
    while syncs() == before && next < 300 {
        append_written(&mut store, 1, next..=next).await;
        next += 1;
    }
    assert!((100..=256).contains(&next), "{next} promises until the log was synced");
    let synced = wal_bytes(&disk);
    for index in next..=next + 5 {
        append_written(&mut store, 1, index..=index).await;
    }
    wants_at_every_cut(&disk, synced, &ids_of(1, 0..=next + 5)).await;
}

#[tokio::test]
async fn a_promise_of_an_earlier_build_is_used_as_it_is() {
    let disk = Disk::new();
    fs::remove_file(disk.promise()).expect("the promise is removed");
    let small = super::check::Pledge::default().encode();
    drop(crate::store::Promise::create_small(&disk.promise(), &small).expect("a small promise"));
    let mut store = disk.eager_store();
    store.save_vote(&vote(1)).await.expect("a vote is saved");
    let large = (0..2).map(|index| super::testing::entry(1, index, 20_000));
    openraft::storage::RaftLogStorageExt::blocking_append(&mut store, large).await.expect("entries are appended");
    let synced = wal_bytes(&disk);
    append_written(&mut store, 1, 2..=30).await;
    append_written(&mut store, 1, 31..=31).await;
    wants_at_every_cut(&disk, synced, &ids_of(1, 0..=31)).await;
}

#[tokio::test]
async fn less_than_what_was_synced_is_refused() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=3).await;
    store.save_vote(&vote(2)).await.expect("a vote is saved");
    let synced = wal_bytes(&disk);
    append(&mut store, 2, 4..=6).await;
    for cut in [1, 20, synced / 2, synced] {
        let copy = disk.copy();
        copy.change_wal(|bytes| bytes.truncate(synced - cut));
        assert!(matches!(copy.refusal(), StoreError::Forgotten { .. } | StoreError::VoteGone { .. }), "cut {cut}");
    }
}

#[tokio::test]
async fn a_truncation_and_what_came_after_it_survive_a_power_cut() {
    let disk = Disk::new();
    let mut store = disk.eager_store();
    append_written(&mut store, 1, 0..=9).await;
    let before = wal_bytes(&disk);
    store.truncate_after(Some(id(1, 4))).await.expect("a truncation");
    append_written(&mut store, 3, 5..=6).await;
    append_written(&mut store, 3, 7..=7).await;
    // The truncation itself was not synced; the entries that it took were, before it.
    wants_at_every_cut(&disk, before, &[ids_of(1, 0..=4), ids_of(3, 5..=7)].concat()).await;
}

#[tokio::test]
async fn a_purge_that_a_power_cut_took_back_does_no_harm() {
    let disk = Disk::new();
    let mut store = disk.eager_store();
    store.save_vote(&vote(1)).await.expect("a vote is saved");
    let synced = wal_bytes(&disk);
    append_written(&mut store, 1, 0..=5).await;
    let before = disk.copy();
    store.purge(id(1, 3)).await.expect("a purge");
    for length in synced..=wal_bytes(&disk) {
        let copy = disk.copy();
        copy.take_promise(&before);
        copy.change_wal(|bytes| bytes.truncate(length));
        let found = ids(&mut copy.store()).await;
        assert!(found == ids_of(1, 0..=5) || found == ids_of(1, 4..=5), "{found:?} at {length}");
    }
}

#[tokio::test]
async fn purged_entries_leave_the_disk_when_the_purge_is_durable() {
    let disk = Disk::new();
    let mut store = disk.eager_store();
    append_written(&mut store, 1, 0..=9).await;
    store.shared.db.compact();
    append_written(&mut store, 1, 10..=12).await;
    let handle = store.handle();
    let syncs = || handle.stats().log_syncs.load(std::sync::atomic::Ordering::Relaxed);
    let before = syncs();
    store.purge(id(1, 10)).await.expect("a purge");
    append_written(&mut store, 1, 13..=13).await;
    assert_eq!(syncs(), before + 1, "the purge was made durable");
    assert_eq!(store.shared.db.entry(5).expect("reads"), None);
    assert_eq!(ids(&mut store).await, ids_of(1, 11..=13));
    drop((store, handle));
    let mut store = disk.store();
    assert_eq!(ids(&mut store).await, ids_of(1, 11..=13), "what is left of the purged ones does not count");
}

#[tokio::test]
async fn many_and_large_entries_are_synced_in_the_log_and_not_carried() {
    let disk = Disk::new();
    let mut store = disk.store();
    for index in 0..=2000 {
        append_unsynced(&mut store, 1, index..=index).await.await.expect("an answer").expect("a sync");
    }
    let stats = store.handle();
    let syncs = stats.stats().log_syncs.load(std::sync::atomic::Ordering::Relaxed);
    assert!((3..200).contains(&syncs), "{syncs} syncs of the log for 2001 acknowledgements");
    let large: Vec<_> = (2001..2005).map(|index| super::testing::entry(1, index, 100_000)).collect();
    openraft::storage::RaftLogStorageExt::blocking_append(&mut store, large).await.expect("entries are appended");
    assert_eq!(stats.stats().log_syncs.load(std::sync::atomic::Ordering::Relaxed), syncs + 1);
    assert_eq!(ids(&mut disk.copy().store()).await, ids_of(1, 0..=2004));
}

#[tokio::test]
async fn an_older_promise_takes_nothing_from_a_newer_log() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=9).await;
    let before = disk.copy();
    store.truncate_after(Some(id(1, 4))).await.expect("a truncation");
    append(&mut store, 2, 5..=9).await;
    drop(store);
    disk.take_promise(&before);
    assert!(matches!(disk.refusal(), StoreError::Forgotten { .. }));
}
