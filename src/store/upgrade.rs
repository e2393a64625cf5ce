//! The `state` database as earlier builds left it: all tables in one family, checkpoints among them (docs/adr/0067, 0068).

use rocksdb::{DBIterator, Direction, IteratorMode, ReadOptions, WriteBatch};

use super::error::StoreError;
use super::state_db::{PASSING, Shelf, StateDb, WRITE_BYTES};

/// Table of a checkpoint's chunks: tag, position, number.
const CHUNK: u8 = b'c';
/// Table of the marks of finished ones: tag, position; how many chunks there are.
const MARK: u8 = b'f';

/// Puts what an earlier build wrote where it belongs now. A crash on the way leaves both, and it is done again.
///
/// # Errors
/// When the disk refuses.
pub(super) fn bring_up(db: &StateDb) -> Result<(), StoreError> {
    if [CHUNK, MARK, PASSING].into_iter().all(|tag| table(db, tag).next().is_none()) {
        return Ok(());
    }
    tracing::info!(dir = %db.dir().display(), "moving what an earlier build wrote to where it is kept now; once");
    move_rows(db)?;
    move_checkpoint(db)?;
    db.flush()?;
    let mut batch = WriteBatch::default();
    for tag in [CHUNK, MARK, PASSING] {
        batch.delete_range([tag], [tag + 1]);
    }
    db.write(batch)?;
    db.flush()
}

fn table(db: &StateDb, tag: u8) -> DBIterator<'_> {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(vec![tag + 1]);
    db.db.iterator_opt(IteratorMode::From(&[tag], Direction::Forward), options)
}

fn move_rows(db: &StateDb) -> Result<(), StoreError> {
    let mut batch = WriteBatch::default();
    for row in table(db, PASSING) {
        let (key, bytes) = row.map_err(|error| db.error("read", &error))?;
        batch.put_cf(db.family(Shelf::Passing), key, bytes);
        if batch.size_in_bytes() >= WRITE_BYTES {
            db.write(std::mem::take(&mut batch))?;
        }
    }
    db.write(batch)
}

/// The newest finished one, unless there is a newer file.
fn move_checkpoint(db: &StateDb) -> Result<(), StoreError> {
    let Some(mark) = table(db, MARK).last() else { return Ok(()) };
    let (key, _chunks) = mark.map_err(|error| db.error("read", &error))?;
    let wrong = || db.damaged("a checkpoint's mark has a wrong length");
    let seq = key.get(1..).and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes).ok_or_else(wrong)?;
    if db.newest_checkpoint()?.is_some_and(|newest| newest.seq() >= seq) {
        return Ok(());
    }
    let mut writer = db.begin_checkpoint(seq)?;
    for chunk in table(db, CHUNK) {
        let (key, chunk) = chunk.map_err(|error| db.error("read", &error))?;
        if key.get(1..9) == Some(&seq.to_be_bytes()[..]) {
            writer.put(&chunk)?;
        }
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::super::state_db::Row;
    use super::*;

    #[test]
    fn what_an_earlier_build_wrote_is_found_where_it_belongs_now() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let path = dir.path().join("state");
        let db = StateDb::create(&path).expect("an empty directory takes a database");
        let mut batch = WriteBatch::default();
        let key = |tag: u8, seq: u64| [&[tag][..], &seq.to_be_bytes()].concat();
        for seq in 1..=40 {
            batch.put(key(PASSING, seq), format!("row {seq}"));
        }
        for seq in [20, 30] {
            batch.put(key(MARK, seq), 2_u32.to_be_bytes());
            for number in 0..2_u32 {
                batch.put([key(CHUNK, seq), number.to_be_bytes().to_vec()].concat(), format!("{seq}.{number}"));
            }
        }
        db.write(batch).expect("a write");
        db.append([Row { seq: 41, shelf: Shelf::Kept, parts: [b"kept", b""] }], &[]).expect("a write");
        db.flush().expect("a flush");
        drop(db);
        for _turn in 0..2 {
            let db = StateDb::open(&path).expect("it opens");
            let rows = db.range(0, usize::MAX, usize::MAX).expect("rows read");
            assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=41).collect::<Vec<_>>());
            assert_eq!((rows[8].bytes.as_slice(), rows[40].shelf), (b"row 9".as_slice(), Shelf::Kept));
            let newest = db.newest_checkpoint().expect("reads").expect("a checkpoint");
            let chunks: Vec<_> = newest.chunks().and_then(Iterator::collect).expect("chunks read");
            assert_eq!((newest.seq(), chunks), (30, vec![b"30.0".to_vec(), b"30.1".to_vec()]));
            assert!(table(&db, PASSING).next().is_none(), "nothing is left behind");
        }
    }
}
