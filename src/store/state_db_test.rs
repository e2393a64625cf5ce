//! What the state database keeps, what a crash takes, and that it never takes half of something.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Row, Shelf, StateDb, StoreError};

fn temporary() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

fn made(dir: &TempDir) -> StateDb {
    StateDb::create(&dir.path().join("state")).expect("an empty directory takes a database")
}

fn files(db: &StateDb) -> BTreeSet<PathBuf> {
    fs::read_dir(db.dir()).expect("a directory").map(|file| file.expect("a file").path()).collect()
}

/// A copy of a moment's files, or nothing when some came or went meanwhile.
fn copied(db: &StateDb) -> Option<TempDir> {
    let dir = temporary();
    let copy = dir.path().join("state");
    fs::create_dir(&copy).expect("a directory");
    let before = files(db);
    for file in &before {
        match fs::copy(file, copy.join(file.file_name().expect("a name"))) {
            Ok(_bytes) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => panic!("{} is not copied: {error}", file.display()),
        }
    }
    (files(db) == before).then_some(dir)
}

/// What a crash of the process leaves: a copy of the files, and nothing of the memory.
fn crash(db: &StateDb) -> (TempDir, StateDb) {
    // a copy beside which RocksDB made or removed files would be of no single moment
    let dir = loop {
        if let Some(dir) = copied(db) {
            break dir;
        }
    };
    let copy = dir.path().join("state");
    let db = StateDb::open(&copy).expect("the copy opens");
    (dir, db)
}

/// Bulk rows are every third one's neighbors: the shelves interleave.
const fn shelf(seq: u64) -> Shelf {
    if seq.is_multiple_of(3) { Shelf::Kept } else { Shelf::Passing }
}

fn write(db: &StateDb, seqs: std::ops::RangeInclusive<u64>) {
    let last = *seqs.end();
    let bytes: Vec<_> = seqs.map(|seq| (seq, format!("row {seq}").into_bytes())).collect();
    let rows: Vec<_> =
        bytes.iter().map(|(seq, bytes)| Row { seq: *seq, shelf: shelf(*seq), parts: [bytes, b""] }).collect();
    db.append(rows, &[("last", &last.to_be_bytes())]).expect("rows are written");
}

fn last(db: &StateDb) -> Option<u64> {
    let bytes = db.meta("last").expect("a value reads")?;
    Some(u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

fn seqs(db: &StateDb) -> Vec<u64> {
    db.range(0, usize::MAX, usize::MAX).expect("rows read").into_iter().map(|row| row.seq).collect()
}

#[test]
fn rows_and_values_come_back_in_order() {
    let dir = temporary();
    let db = made(&dir);
    assert_eq!((db.first_seq().expect("reads"), db.last_seq().expect("reads")), (None, None));
    write(&db, 1..=300);
    assert_eq!(seqs(&db), (1..=300).collect::<Vec<_>>());
    assert_eq!((db.first_seq().expect("reads"), db.last_seq().expect("reads")), (Some(1), Some(300)));
    let row = db.get(258).expect("reads").expect("a row");
    assert_eq!((row.seq, row.shelf, row.bytes.as_slice()), (258, shelf(258), b"row 258".as_slice()));
    assert_eq!(db.get(301).expect("reads"), None);
    assert_eq!(db.meta("other").expect("reads"), None);
}

#[test]
fn a_page_is_bounded_by_rows_and_by_bytes_but_never_empty() {
    let dir = temporary();
    let db = made(&dir);
    write(&db, 1..=100);
    let page = |after, limit, bytes| -> Vec<u64> {
        db.range(after, limit, bytes).expect("rows read").into_iter().map(|row| row.seq).collect()
    };
    assert_eq!(page(10, 3, usize::MAX), [11, 12, 13]);
    assert_eq!(page(10, 100, 11), [11], "six bytes each and one more");
    assert_eq!(page(50, 100, 0), [51]);
    assert_eq!(page(100, 10, usize::MAX), [0; 0]);
    assert_eq!(page(u64::MAX, 10, usize::MAX), [0; 0]);
}

#[test]
fn a_crash_takes_what_was_not_flushed_and_rows_and_values_agree() {
    let dir = temporary();
    let db = made(&dir);
    write(&db, 1..=50);
    db.flush().expect("a flush");
    write(&db, 51..=90);
    let (_dir, after) = crash(&db);
    assert_eq!((last(&after), after.last_seq().expect("reads")), (Some(50), Some(50)));
    assert_eq!(last(&db), Some(90));
    db.flush().expect("a flush");
    let (_dir, after) = crash(&db);
    assert_eq!((last(&after), after.last_seq().expect("reads")), (Some(90), Some(90)));
}

#[test]
fn dropping_a_day_leaves_the_other_shelf_and_the_other_days() {
    let dir = temporary();
    let db = made(&dir);
    write(&db, 1..=100);
    db.flush().expect("a flush");
    db.drop_range(Shelf::Passing, 20, 80, &[("dropped", b"80")]).expect("a day is dropped");
    let expected: Vec<u64> = (1..=100_u64).filter(|seq| !(20..=80).contains(seq) || seq.is_multiple_of(3)).collect();
    assert_eq!(seqs(&db), expected);
    let (_dir, after) = crash(&db);
    assert_eq!(seqs(&after), expected);
    assert_eq!(after.meta("dropped").expect("reads").as_deref(), Some(b"80".as_slice()));
}

fn checkpoint(db: &StateDb, seq: u64, chunks: u8) {
    let mut writer = db.begin_checkpoint(seq).expect("a checkpoint begins");
    for number in 0..chunks {
        writer.put(&[number; 1000]).expect("a chunk is written");
    }
    writer.finish().expect("a checkpoint is finished");
}

fn newest(db: &StateDb) -> Option<(u64, Vec<Vec<u8>>)> {
    let newest = db.newest_checkpoint().expect("reads")?;
    Some((newest.seq(), newest.chunks().and_then(Iterator::collect).expect("chunks read")))
}

#[test]
fn a_finished_checkpoint_is_durable_and_the_newest_two_stay() {
    let dir = temporary();
    let db = made(&dir);
    assert!(newest(&db).is_none());
    for seq in [10, 20, 30] {
        checkpoint(&db, seq, 5);
    }
    let (_dir, after) = crash(&db);
    let (seq, chunks) = newest(&after).expect("a checkpoint");
    assert_eq!((seq, chunks.len(), chunks[4][0]), (30, 5, 4));
    let kept: Vec<_> = db.checkpoints().expect("reads").iter().map(super::Checkpoint::seq).collect();
    assert_eq!(kept, [30, 20]);
    checkpoint(&db, 40, 0);
    assert_eq!(newest(&db), Some((40, vec![])));
}

#[test]
fn a_half_written_checkpoint_does_not_count() {
    let dir = temporary();
    let db = made(&dir);
    checkpoint(&db, 10, 3);
    db.begin_checkpoint(20).and_then(|mut writer| writer.put(b"half")).expect("a chunk is written");
    write(&db, 1..=20);
    let snapshot = dir.path().join("snapshot");
    db.snapshot_to(&snapshot).expect("a snapshot");
    assert_eq!(newest(&StateDb::open(&snapshot).expect("it opens")).map(|(seq, _)| seq), Some(10));
    assert!(db.dir().join("unfinished-checkpoint").exists());
    let (_dir, after) = crash(&db);
    assert_eq!(newest(&after).map(|(seq, _)| seq), Some(10));
    assert!(!after.dir().join("unfinished-checkpoint").exists(), "what a crash leaves of it goes at the next start");
    checkpoint(&after, 20, 1);
    assert_eq!(newest(&after), Some((20, vec![vec![0; 1000]])));
}

#[test]
fn a_finished_checkpoint_has_every_row_up_to_it() {
    let dir = temporary();
    let db = made(&dir);
    write(&db, 1..=30);
    checkpoint(&db, 30, 1);
    write(&db, 31..=40);
    let (_dir, after) = crash(&db);
    assert_eq!((newest(&after).map(|(seq, _)| seq), last(&after)), (Some(30), Some(30)));
}

/// Reads a checkpoint whose file was changed.
fn read_after(change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<Vec<u8>>, StoreError> {
    let dir = temporary();
    let db = made(&dir);
    checkpoint(&db, 7, 3);
    let path = db.dir().join("checkpoint-00000000000000000007");
    let mut bytes = fs::read(&path).expect("the file reads");
    change(&mut bytes);
    fs::write(&path, bytes).expect("the file is written");
    db.newest_checkpoint()?.expect("a checkpoint").chunks()?.collect()
}

#[test]
fn a_checkpoint_that_is_not_what_was_written_is_an_error_and_not_a_shorter_one() {
    /// Where the first chunk begins: its length, its checksum, its bytes.
    const FIRST: usize = 8;
    assert_eq!(read_after(|_| {}).map(|chunks| chunks.len()), Ok(3));
    let damages: [fn(&mut Vec<u8>); 8] = [
        |bytes| bytes.clear(),
        |bytes| bytes[0] ^= 1,
        |bytes| bytes[FIRST] ^= 0x40,
        |bytes| bytes[FIRST + 7] ^= 1,
        |bytes| bytes[FIRST + 500] ^= 1,
        |bytes| bytes.truncate(FIRST + 2 * 1008),
        |bytes| bytes.truncate(FIRST + 2 * 1008 + 20),
        |bytes| drop(bytes.drain(FIRST..FIRST + 1008)),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let read = read_after(damage);
        assert!(matches!(read, Err(StoreError::Damaged { what: "checkpoint", .. })), "{number}: {read:?}");
    }
}

#[test]
fn a_snapshot_holds_everything_and_opens_elsewhere() {
    let dir = temporary();
    let db = made(&dir);
    write(&db, 1..=40);
    checkpoint(&db, 40, 2);
    write(&db, 41..=60);
    let snapshot = dir.path().join("snapshot");
    db.snapshot_to(&snapshot).expect("a snapshot");
    assert!(matches!(db.snapshot_to(&snapshot), Err(StoreError::Exists { .. })));
    write(&db, 61..=70);

    let other = temporary();
    let target = other.path().join("state");
    drop(StateDb::create(&target).expect("a database"));
    StateDb::replace(&target, &snapshot).expect("the snapshot takes its place");
    let shipped = StateDb::open(&target).expect("the snapshot opens");
    assert_eq!((last(&shipped), shipped.last_seq().expect("reads")), (Some(60), Some(60)));
    assert_eq!(newest(&shipped).map(|(seq, _)| seq), Some(40));
    assert_eq!(last(&db), Some(70), "the sender goes on");
    write(&shipped, 61..=65);
}

#[test]
fn a_replacement_that_a_crash_interrupted_leaves_the_old_or_the_new_one() {
    let dir = temporary();
    let (state, old) = (dir.path().join("state"), dir.path().join("state.old"));
    let db = made(&dir);
    write(&db, 1..=10);
    db.flush().expect("a flush");
    drop(db);
    fs::rename(&state, &old).expect("the first step");
    let db = StateDb::open(&state).expect("the old one is back");
    assert_eq!(last(&db), Some(10));
    let snapshot = dir.path().join("snapshot");
    write(&db, 11..=20);
    db.snapshot_to(&snapshot).expect("a snapshot");
    drop(db);
    fs::rename(&state, &old).expect("the first step");
    fs::rename(&snapshot, &state).expect("the second step");
    assert_eq!(last(&StateDb::open(&state).expect("the new one")), Some(20));
    assert!(!old.exists());
}

#[test]
fn what_is_not_there_is_not_made_and_what_is_there_is_not_overwritten() {
    let dir = temporary();
    let path = dir.path().join("state");
    assert!(matches!(StateDb::open(&path), Err(StoreError::Missing { .. })));
    assert!(!path.exists());
    drop(made(&dir));
    assert!(matches!(StateDb::create(&path), Err(StoreError::Exists { .. })));
    let missing = Path::new("/nonexistent/snapshot");
    assert!(matches!(StateDb::replace(&path, missing), Err(StoreError::Missing { .. })));
    assert!(StateDb::open(&path).is_ok());
}

#[test]
fn a_damaged_table_is_an_error_and_not_an_absence() {
    let dir = temporary();
    let db = made(&dir);
    write(&db, 1..=2000);
    db.flush().expect("a flush");
    let path = db.dir().to_owned();
    drop(db);
    let files = fs::read_dir(&path).expect("a directory").map(|file| file.expect("a file").path());
    let table = files.filter(|file| file.extension().is_some_and(|kind| kind == "sst"));
    let table = table.max_by_key(|file| fs::metadata(file).expect("a table").len()).expect("the passing rows' table");
    let mut bytes = fs::read(&table).expect("a table");
    for byte in &mut bytes[100..1000] {
        *byte ^= 0x55;
    }
    fs::write(&table, bytes).expect("a table is written");
    let db = StateDb::open(&path).expect("blocks are only read when they are wanted");
    let error = (1..=2000).find_map(|seq| db.get(seq).err()).expect("a damaged row is not just missing");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(db.range(0, usize::MAX, usize::MAX).is_err());
}
