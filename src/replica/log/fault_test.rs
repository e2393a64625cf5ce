//! What a disk can do to a log, and that the node says so and stays down instead of voting.

use std::fs;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt};

use super::testing::{Disk, append, entry, id, ids, ids_of, vote};
use super::{LogOptions, LogStore};
use crate::store::{LogDb, Promise, StoreError};

/// A log that acknowledged a vote and entries 0 to 9, each with its own sync, closed.
async fn written() -> Disk {
    let disk = Disk::new();
    let mut store = disk.store();
    store.save_vote(&vote(1)).await.expect("a vote is saved");
    for index in 0..=9 {
        append(&mut store, 1, index..=index).await;
    }
    disk
}

fn says(error: &StoreError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_write_ahead_log_is_refused() {
    let disk = written().await;
    let length = fs::metadata(disk.wal()).expect("the write-ahead log").len() as usize;
    for at in [length / 2, length - 60, length - 2] {
        let copy = disk.copy();
        copy.change_wal(|bytes| bytes[at] ^= 4);
        let refusal = copy.refusal();
        assert!(matches!(refusal, StoreError::Damaged { what: "log", .. }), "{refusal}");
        says(
            &refusal,
            &[
                "the log is damaged",
                "replace this node: docs/operating.md#replace-a-node",
                &copy.log().display().to_string(),
            ],
        );
    }
}

#[tokio::test]
async fn a_cut_tail_is_refused_if_and_only_if_it_was_promised() {
    let disk = written().await;
    let before = disk.copy();
    let mut store = disk.store();
    append(&mut store, 1, 10..=10).await;
    drop(store);
    disk.change_wal(|bytes| bytes.truncate(bytes.len() - 20));

    let refusal = disk.copy().refusal();
    assert!(matches!(refusal, StoreError::Forgotten { .. }), "{refusal}");
    says(
        &refusal,
        &[
            "the log is shorter than its promise: it ends at T1-N1.9",
            "up to T1-N1.10",
            "must not vote",
            "replace this node: docs/operating.md#replace-a-node",
        ],
    );

    // As a power cut leaves it that came before the acknowledgement.
    disk.take_promise(&before);
    assert_eq!(ids(&mut disk.store()).await, ids_of(1, 0..=9));
}

#[tokio::test]
async fn half_a_write_ahead_log_is_refused() {
    let disk = written().await;
    disk.change_wal(|bytes| bytes.truncate(bytes.len() / 2));
    assert!(matches!(disk.refusal(), StoreError::Forgotten { .. }));
}

#[tokio::test]
async fn a_missing_write_ahead_log_is_refused_because_the_vote_is_gone() {
    let disk = written().await;
    fs::remove_file(disk.wal()).expect("the write-ahead log is removed");
    says(&disk.refusal(), &["the vote is gone: the log holds no vote", "this node voted"]);
}

#[tokio::test]
async fn a_missing_write_ahead_log_is_refused_even_if_no_vote_was_saved() {
    let disk = Disk::new();
    append(&mut disk.store(), 1, 0..=3).await;
    fs::remove_file(disk.wal()).expect("the write-ahead log is removed");
    says(&disk.refusal(), &["is empty", "acknowledged entries up to T1-N1.3"]);
}

#[tokio::test]
async fn a_lower_vote_is_refused() {
    let disk = written().await;
    let before = disk.copy();
    disk.store().save_vote(&vote(7)).await.expect("a vote is saved");
    before.take_promise(&disk);
    says(&before.refusal(), &["the vote is gone: the log holds the vote", "this node voted"]);
}

#[tokio::test]
async fn a_missing_database_is_refused_and_not_made() {
    let disk = written().await;
    fs::remove_dir_all(disk.log()).expect("the log is removed");
    assert!(matches!(disk.refusal(), StoreError::Missing { .. }));
    assert!(!disk.log().exists());
}

#[tokio::test]
async fn a_missing_promise_is_refused() {
    let disk = written().await;
    fs::remove_file(disk.promise()).expect("the promise is removed");
    says(&disk.refusal(), &["there is no promise", "replace this node: docs/operating.md#replace-a-node"]);
}

#[tokio::test]
async fn a_promise_with_one_torn_half_counts_and_with_two_is_refused() {
    let disk = written().await;
    let mut bytes = fs::read(disk.promise()).expect("the promise");
    let (first, second) = (30, bytes.len() / 2 + 30);
    let turn = |half: usize| bytes[half - 30 + 8..half - 30 + 16].to_vec();
    let (newer, older) = if turn(first) > turn(second) { (first, second) } else { (second, first) };
    bytes[newer] ^= 1;
    fs::write(disk.promise(), &bytes).expect("the promise is written");
    assert_eq!(ids(&mut disk.copy().store()).await, ids_of(1, 0..=9));
    bytes[older] ^= 1;
    fs::write(disk.promise(), &bytes).expect("the promise is written");
    says(&disk.refusal(), &["the promise is damaged: neither of its two halves begins with a whole promise"]);
}

#[tokio::test]
async fn an_older_copy_of_everything_opens_because_only_peers_can_know() {
    let disk = written().await;
    let older = disk.copy();
    append(&mut disk.store(), 1, 10..=20).await;
    let mut store = older.store();
    assert_eq!(ids(&mut store).await, ids_of(1, 0..=9));
    assert_eq!(store.handle().acknowledged(), Some(id(1, 9)), "what it says to a leader that asks");
}

#[tokio::test]
async fn an_older_copy_of_the_log_alone_is_refused() {
    let disk = written().await;
    let older = disk.copy();
    append(&mut disk.store(), 1, 10..=20).await;
    older.take_promise(&disk);
    assert!(matches!(older.refusal(), StoreError::Forgotten { .. }));
}

#[tokio::test]
async fn another_entry_in_the_promised_place_is_refused() {
    let disk = written().await;
    let other = Disk::new();
    let mut store = other.store();
    store.save_vote(&vote(1)).await.expect("a vote is saved");
    append(&mut store, 1, 0..=8).await;
    append(&mut store, 2, 9..=9).await;
    drop(store);
    other.take_promise(&disk);
    says(&other.refusal(), &["holds T2-N1.9 instead"]);
}

#[tokio::test]
async fn a_hole_in_the_log_is_refused() {
    let disk = written().await;
    let db = LogDb::open(&disk.log()).expect("the database opens");
    let mut batch = crate::store::LogBatch::default();
    batch.delete_entries(4..6);
    db.write(batch).expect("entries are deleted");
    drop(db);
    says(&disk.refusal(), &["the entry at index 4 is missing"]);
}

#[tokio::test]
async fn a_log_is_never_made_over_another() {
    let disk = written().await;
    let refusal = LogStore::create(&disk.log(), &disk.promise()).expect_err("something is there");
    assert!(matches!(refusal, StoreError::Exists { .. }), "{refusal}");
    assert_eq!(ids(&mut disk.store()).await, ids_of(1, 0..=9));
}

#[tokio::test]
async fn a_log_that_is_open_is_said_to_be_in_use() {
    let disk = written().await;
    let _open = disk.store();
    assert!(matches!(disk.refusal(), StoreError::InUse { .. }));
}

#[tokio::test]
async fn after_a_failed_write_behind_an_acknowledgement_nothing_is_lost_and_nothing_is_taken() {
    let disk = written().await;
    let mut store = disk.store();
    append(&mut store, 1, 10..=12).await;
    let refused = StoreError::Stopped { what: "log", detail: "the disk is full".to_owned() };
    store.shared.fail(&refused);
    assert!(store.blocking_append([entry(1, 13, 10)]).await.is_err());
    assert_eq!(store.handle().last(), Some(id(1, 12)), "what is refused is not in the log's view either");
    assert_eq!(store.shared.db.entry(10).expect("the database reads"), None);
    drop(store);
    assert_eq!(ids(&mut disk.store()).await, ids_of(1, 0..=12), "the promise holds what was acknowledged");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_nothing_is_taken() {
    let disk = written().await;
    let promise = Promise::open_unwritable(&disk.promise()).expect("the promise opens");
    let db = LogDb::open(&disk.log()).expect("the database opens");
    let mut store = LogStore::start(db, promise, LogOptions::default()).expect("the log opens");
    let handle = store.handle();
    assert_eq!(handle.failure(), None);

    assert!(store.blocking_append([entry(1, 10, 10)]).await.is_err(), "what is not promised is not acknowledged");
    assert!(handle.failure().is_some_and(|failure| failure.contains("cannot write the promise")));
    assert_eq!(handle.acknowledged(), Some(id(1, 9)));
    assert!(store.blocking_append([entry(1, 11, 10)]).await.is_err());
    assert!(store.save_vote(&vote(9)).await.is_err());
    assert!(store.truncate_after(Some(id(1, 3))).await.is_err());
    assert!(store.purge(id(1, 3)).await.is_err());

    drop((store, handle));
    let mut store = disk.store();
    assert_eq!(ids(&mut store).await, ids_of(1, 0..=9), "what was not promised was never written");
}
