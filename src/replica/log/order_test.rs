//! The order of the log's calls, what is durable when, and that every state between two steps opens again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures_util::StreamExt;
use openraft::storage::{LeaderBoundedStreamError, RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use openraft::vote::RaftLeaderId;
use tokio::sync::oneshot::error::TryRecvError;

use super::testing::{Disk, append, append_unsynced, append_written, entry, id, ids, ids_of, vote};
use super::{LogOptions, LogStore, Vote};
use crate::replica::types::TypeConfig;

type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;

#[tokio::test]
async fn what_was_appended_is_readable_at_once_and_there_after_a_restart() {
    let disk = Disk::new();
    let mut store = disk.store();
    let flushed = append_unsynced(&mut store, 1, 0..=99).await;
    assert_eq!(ids(&mut store).await, ids_of(1, 0..=99));
    flushed.await.expect("an answer").expect("a sync");
    assert_eq!(store.handle().acknowledged(), Some(id(1, 99)));
    store.save_vote(&vote(3)).await.expect("a vote is saved");
    store.save_committed(Some(id(1, 50))).await.expect("committed is saved");
    drop(store);

    let mut store = disk.store();
    assert_eq!(ids(&mut store).await, ids_of(1, 0..=99));
    assert_eq!(store.get_log_reader().await.read_vote().await.expect("a vote"), Some(vote(3)));
    assert_eq!(store.read_committed().await.expect("committed"), Some(id(1, 50)));
    let payload = store.get_log_reader().await.try_get_log_entries(7..8).await.expect("an entry");
    assert_eq!(payload, vec![entry(1, 7, 100)]);
}

#[tokio::test]
async fn committed_never_exceeds_what_the_log_holds() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=5).await;
    store.save_committed(Some(id(1, 9))).await.expect("committed is saved");
    assert_eq!(store.read_committed().await.expect("committed"), Some(id(1, 5)));
    drop(store);
    assert_eq!(disk.store().read_committed().await.expect("committed"), Some(id(1, 5)));
}

#[tokio::test]
async fn waiting_appends_share_one_sync_and_all_are_told() {
    let disk = Disk::new();
    let mut store = disk.store();
    let mut waiting = Vec::new();
    for index in 0..500 {
        waiting.push(append_unsynced(&mut store, 1, index..=index).await);
    }
    for flushed in waiting {
        flushed.await.expect("an answer").expect("a sync");
    }
    let syncs = store.handle().stats().syncs.load(Relaxed);
    assert!((1..=500).contains(&syncs), "{syncs} syncs");
    assert_eq!(store.handle().stats().entries.load(Relaxed), 500);
    assert_eq!(store.handle().acknowledged(), Some(id(1, 499)));
}

#[tokio::test]
async fn a_truncation_neither_overtakes_appends_nor_is_overtaken() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=9).await;
    for round in 2..40 {
        // Not waited for: the truncation comes while they are being synced.
        let first = append_unsynced(&mut store, round, 10..=20).await;
        store.truncate_after(Some(id(1, 9))).await.expect("a truncation");
        let second = append_unsynced(&mut store, round + 100, 10..=12).await;
        store.truncate_after(Some(id(1, 9))).await.expect("a truncation");
        first.await.expect("an answer").expect("a sync");
        second.await.expect("an answer").expect("a sync");
        assert_eq!(store.handle().acknowledged(), Some(id(1, 9)));
        assert_eq!(ids(&mut disk.copy().store()).await, ids_of(1, 0..=9));
    }
    append(&mut store, 200, 10..=11).await;
    drop(store);
    let expected = [ids_of(1, 0..=9), ids_of(200, 10..=11)].concat();
    assert_eq!(ids(&mut disk.store()).await, expected);
}

#[tokio::test]
async fn a_truncation_lowers_the_promise_before_it_takes_the_entries() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=9).await;
    drop(store);
    let before = disk.copy();
    let mut store = disk.store();
    store.truncate_after(Some(id(1, 4))).await.expect("a truncation");
    drop(store);
    // Crash between the two steps: lowered already, truncated not yet.
    let between = before.copy();
    between.take_promise(&disk);
    assert_eq!(ids(&mut between.store()).await, ids_of(1, 0..=9));
    // The other order would look like a loss.
    let wrong = disk.copy();
    wrong.take_promise(&before);
    assert!(wrong.open().is_err());
    assert_eq!(ids(&mut disk.store()).await, ids_of(1, 0..=4));
}

#[tokio::test]
async fn everything_can_be_truncated() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=4).await;
    store.truncate_after(None).await.expect("a truncation");
    assert_eq!(ids(&mut store).await, vec![]);
    drop(store);
    let mut store = disk.store();
    assert_eq!(store.get_log_state().await.expect("a state").last_log_id, None);
    append(&mut store, 2, 0..=0).await;
}

#[tokio::test]
async fn what_is_purged_stays_purged_after_a_restart() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=99).await;
    let before = store.handle().live_bytes();
    store.purge(id(1, 49)).await.expect("a purge");
    store.purge(id(1, 20)).await.expect("an older purge does nothing");
    assert_eq!(store.handle().live_bytes(), before / 2);
    assert_eq!(ids(&mut disk.copy().store()).await, ids_of(1, 50..=99));
    drop(store);

    let mut store = disk.store();
    let state = store.get_log_state().await.expect("a state");
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(1, 49)), Some(id(1, 99))));
    assert_eq!(ids(&mut store).await, ids_of(1, 50..=99));
    store.purge(id(1, 99)).await.expect("a purge of everything");
    drop(store);

    let mut store = disk.store();
    assert_eq!(store.get_log_state().await.expect("a state").last_log_id, Some(id(1, 99)));
    assert_eq!(store.handle().live_bytes(), 0);
    append(&mut store, 1, 100..=101).await;
    assert_eq!(ids(&mut store).await, ids_of(1, 100..=101));
}

#[tokio::test]
async fn a_snapshot_beyond_the_log_is_promised_like_entries() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=9).await;
    let before = disk.copy();
    store.purge(id(2, 500)).await.expect("a purge beyond the end");
    assert_eq!(store.handle().acknowledged(), Some(id(2, 500)));
    append(&mut store, 2, 501..=502).await;
    drop(store);
    assert_eq!(ids(&mut disk.store()).await, ids_of(2, 501..=502));
    before.take_promise(&disk);
    assert!(before.open().is_err(), "the log of before does not hold what was promised since");
}

#[tokio::test]
async fn every_copy_taken_while_it_is_written_opens_with_what_was_acknowledged() {
    let disk = Disk::new();
    let mut store = disk.store();
    let mut next = 0;
    for term in 1..30 {
        store.save_vote(&vote(term)).await.expect("a vote is saved");
        let flushed = append_unsynced(&mut store, term, next..=next + 10).await;
        let early = disk.copy();
        flushed.await.expect("an answer").expect("a sync");
        let late = disk.copy();
        for copy in [&early, &late] {
            assert_eq!(copy.store().shared.view().vote, Some(vote(term)));
        }
        assert_eq!(late.store().handle().last(), Some(id(term, next + 10)));
        if term % 3 == 0 {
            store.truncate_after(Some(id(term, next + 5))).await.expect("a truncation");
            next += 6;
        } else {
            next += 11;
        }
        if term % 4 == 0 {
            let upto = ids(&mut store).await[0];
            store.purge(upto).await.expect("a purge");
        }
        let now = ids(&mut store).await;
        assert_eq!(ids(&mut disk.copy().store()).await, now);
    }
}

#[tokio::test]
async fn what_is_acknowledged_is_written_in_pieces_and_readable_before_that() {
    let disk = Disk::new();
    let options = LogOptions { cache_bytes: 0, written_together: 3_000, ..LogOptions::default() };
    let mut store = LogStore::open(&disk.log(), &disk.promise(), options).expect("the log opens");
    append(&mut store, 1, 0..=9).await;
    let handle = store.handle();
    assert_eq!(store.shared.db.entry(0).expect("the database reads"), None, "ten of them are no piece");
    assert_eq!(ids(&mut store).await, ids_of(1, 0..=9));
    assert_eq!(handle.stats().read_from_disk.load(Relaxed), 0);
    assert_eq!(ids(&mut disk.copy().store()).await, ids_of(1, 0..=9), "the promise holds them");

    append_written(&mut store, 1, 10..=39).await;
    append(&mut store, 1, 40..=40).await;
    assert_eq!(ids(&mut store).await, ids_of(1, 0..=40));
    assert_eq!(handle.stats().read_from_disk.load(Relaxed), 40, "nothing is kept in memory that the database holds");
    assert_eq!(handle.stats().log_syncs.load(Relaxed), 0);

    store.truncate_after(Some(id(1, 35))).await.expect("a truncation");
    append(&mut store, 2, 36..=37).await;
    let expected = [ids_of(1, 0..=35), ids_of(2, 36..=37)].concat();
    assert_eq!(
        ids(&mut store).await,
        expected,
        "what was truncated is in the database no more, and what follows not yet"
    );
    assert_eq!(ids(&mut disk.copy().store()).await, expected);
}

#[tokio::test]
async fn an_entry_that_does_not_follow_is_refused() {
    let disk = Disk::new();
    let mut store = disk.store();
    append(&mut store, 1, 0..=3).await;
    for index in [2, 3, 5] {
        assert!(store.blocking_append([entry(1, index, 10)]).await.is_err(), "{index}");
    }
    append(&mut store, 1, 4..=4).await;
}

#[tokio::test]
async fn what_the_cache_does_not_hold_is_read_from_the_database() {
    let disk = Disk::new();
    let options = LogOptions { cache_bytes: 10_000, ..LogOptions::default() };
    let mut store = LogStore::open(&disk.log(), &disk.promise(), options).expect("the log opens");
    append(&mut store, 1, 0..=999).await;
    let handle = store.handle();
    let mut reader = store.get_log_reader().await;
    let newest = reader.limited_get_log_entries(995, 1000).await.expect("entries");
    assert_eq!((newest.len(), handle.stats().read_from_disk.load(Relaxed)), (5, 0));
    assert_eq!(ids(&mut store).await, ids_of(1, 0..=999));
    assert!(handle.stats().read_from_disk.load(Relaxed) > 900);
    store.purge(id(1, 900)).await.expect("a purge");
    store.truncate_after(Some(id(1, 950))).await.expect("a truncation");
    assert_eq!(ids(&mut store).await, ids_of(1, 901..=950));
}

#[tokio::test]
async fn a_bounded_read_is_bounded_by_bytes_but_never_empty() {
    let disk = Disk::new();
    for cache_bytes in [0, 64 << 20] {
        let options = LogOptions { cache_bytes, ..LogOptions::default() };
        let mut store = LogStore::open(&disk.log(), &disk.promise(), options).expect("the log opens");
        let first = super::shared::after(store.handle().last());
        let entries: Vec<_> = (first..first + 8).map(|index| entry(1, index, 400_000)).collect();
        store.blocking_append(entries).await.expect("entries are appended");
        store.blocking_append([entry(1, first + 8, 3_000_000)]).await.expect("an entry is appended");
        let mut reader = store.get_log_reader().await;
        assert_eq!(reader.limited_get_log_entries(first, first + 9).await.expect("entries").len(), 2);
        assert_eq!(reader.limited_get_log_entries(first + 8, first + 9).await.expect("entries").len(), 1);
        let all: Vec<_> = reader.entries_stream(first..).await.collect().await;
        assert_eq!(all.len(), 9);
    }
}

#[tokio::test]
async fn a_leaders_stream_ends_when_the_vote_changes() {
    let disk = Disk::new();
    let mut store = disk.store();
    let entries: Vec<_> = (0..6).map(|index| entry(1, index, 600_000)).collect();
    store.blocking_append(entries).await.expect("entries are appended");
    store.save_vote(&Vote::new_committed(1, 1)).await.expect("a vote is saved");
    let mut reader = store.get_log_reader().await;
    let mut stream = Box::pin(reader.leader_bounded_stream(LeaderId::new(1, 1), 0..6).await);
    assert!(stream.next().await.is_some_and(|item| item.is_ok()));
    store.save_vote(&vote(2)).await.expect("a vote is saved");
    let rest: Vec<_> = stream.collect().await;
    assert!(matches!(rest.last(), Some(Err(LeaderBoundedStreamError::LeaderChanged(_)))), "{rest:?}");
    assert!(rest.len() < 5, "it did not read on under another vote");
}

#[tokio::test]
async fn the_observer_sees_every_sync_and_shutdown_ends_the_thread() {
    let disk = Disk::new();
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    let options = LogOptions {
        on_sync: Some(Arc::new(move |_| {
            count.fetch_add(1, Relaxed);
        })),
        ..LogOptions::default()
    };
    let mut store = LogStore::open(&disk.log(), &disk.promise(), options).expect("the log opens");
    for index in 0..5 {
        append(&mut store, 1, index..=index).await;
    }
    assert_eq!(seen.load(Relaxed), 5);
    let handle = store.handle();
    handle.shutdown();
    handle.shutdown();
    assert!(store.blocking_append([entry(1, 5, 10)]).await.is_err(), "nobody syncs any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_truncations_and_purges_sees_no_hole() {
    let disk = Disk::new();
    let options = LogOptions { cache_bytes: 2_000, ..LogOptions::default() };
    let mut store = LogStore::open(&disk.log(), &disk.promise(), options).expect("the log opens");
    append(&mut store, 1, 0..=49).await;
    let mut reader = store.get_log_reader().await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let reading = tokio::spawn(async move {
        let mut reads = 0;
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            let entries = reader.try_get_log_entries(..).await.expect("no hole");
            assert!(entries.is_sorted_by(|one, next| one.log_id.index + 1 == next.log_id.index));
            reads += 1;
            tokio::task::yield_now().await;
        }
        reads
    });
    for round in 0..60 {
        store.truncate_after(Some(id(1, 29))).await.expect("a truncation");
        append(&mut store, 1, 30..=49).await;
        store.purge(id(1, round / 4)).await.expect("a purge");
    }
    drop(stop);
    assert!(reading.await.expect("the reader ends") > 0);
}
