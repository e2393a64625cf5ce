//! What the log database keeps.

use tempfile::TempDir;

use super::{LogBatch, LogDb, StoreError};

fn filled(dir: &TempDir) -> LogDb {
    let db = LogDb::create(&dir.path().join("log")).expect("an empty directory takes a database");
    let mut batch = LogBatch::default();
    for index in 0..600 {
        batch.put_entry(index, format!("entry {index}").as_bytes());
    }
    batch.put_meta("name", b"value");
    db.write(batch).expect("a batch is written");
    db
}

#[test]
fn a_batch_is_readable_at_once_and_after_a_sync_there_for_good() {
    let dir = TempDir::new().expect("a temporary directory");
    let db = filled(&dir);
    db.sync().expect("a sync");
    let path = db.dir().to_owned();
    drop(db);
    let db = LogDb::open(&path).expect("the database opens");
    assert_eq!(db.meta("name").expect("reads").as_deref(), Some(b"value".as_slice()));
    assert_eq!(db.meta("nam").expect("reads"), None);
    assert_eq!(db.entry(256).expect("reads").as_deref(), Some(b"entry 256".as_slice()));
    assert_eq!(db.entry(600).expect("reads"), None);
    let read: Vec<_> = db.entries(254..258, usize::MAX).expect("reads").into_iter().map(|(index, _)| index).collect();
    assert_eq!(read, [254, 255, 256, 257]);
    assert_eq!(db.entries(10..20, 0).expect("reads").len(), 1);
    assert_eq!(db.entries(600..700, 0).expect("reads"), []);
    assert_eq!(db.entries(20..20, 0).expect("reads"), []);
}

#[test]
fn deleted_entries_are_gone_and_the_others_stay() {
    let dir = TempDir::new().expect("a temporary directory");
    let db = filled(&dir);
    let mut batch = LogBatch::default();
    batch.delete_entries(0..100);
    batch.delete_entries(500..600);
    db.write(batch).expect("a batch is written");
    let mut seen = Vec::new();
    db.each_entry(0..u64::MAX, |index, _| {
        seen.push(index);
        true
    })
    .expect("reads");
    assert_eq!(seen, (100..500).collect::<Vec<_>>());
}

#[test]
fn a_file_goes_when_all_of_its_entries_may_and_not_before() {
    let dir = TempDir::new().expect("a temporary directory");
    let db = filled(&dir);
    db.compact();
    for first in [0, 1, 300, 599] {
        db.drop_before(first).expect("files are dropped");
        assert_eq!(db.entries(first..600, usize::MAX).expect("reads").len() as u64, 600 - first, "before {first}");
    }
    db.drop_before(600).expect("files are dropped");
    assert_eq!(db.entries(0..600, usize::MAX).expect("reads"), []);
    assert_eq!(db.meta("name").expect("reads").as_deref(), Some(b"value".as_slice()));
}

#[test]
fn values_that_an_earlier_build_wrote_beside_the_entries_are_found() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log");
    let earlier = rocksdb::DB::open_default(&path).expect("a database");
    earlier.put([&b"e"[..], &7_u64.to_be_bytes()].concat(), b"entry 7").expect("it is written");
    earlier.put(b"mvote", b"a vote").expect("it is written");
    earlier.put(b"mpurged", b"six").expect("it is written");
    drop(earlier);
    for _ in 0..2 {
        let db = LogDb::open(&path).expect("the database opens");
        assert_eq!(db.meta("vote").expect("reads").as_deref(), Some(b"a vote".as_slice()));
        assert_eq!(db.meta("purged").expect("reads").as_deref(), Some(b"six".as_slice()));
        assert_eq!(db.entries(0..u64::MAX, usize::MAX).expect("reads"), [(7, b"entry 7".to_vec())]);
    }
}

#[test]
fn one_is_only_made_where_nothing_is_and_only_opened_where_one_is() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log");
    assert!(matches!(LogDb::open(&path).err(), Some(StoreError::Missing { .. })));
    assert!(!path.exists());
    let db = filled(&dir);
    assert!(matches!(LogDb::open(&path).err(), Some(StoreError::InUse { .. })));
    drop(db);
    assert!(matches!(LogDb::create(&path).err(), Some(StoreError::Exists { .. })));
}
