//! What a promise file survives, and what it does not.

use std::fs;

use tempfile::TempDir;

use super::{Promise, StoreError};

#[test]
fn the_newest_promise_comes_back() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("promise");
    assert!(matches!(Promise::open(&path), Err(StoreError::Missing { .. })));
    let mut promise = Promise::create(&path, b"nothing").expect("a promise");
    assert!(matches!(Promise::create(&path, b"other"), Err(StoreError::Exists { .. })));
    for turn in 0_u32..9 {
        assert!(Promise::open(&path).is_ok());
        promise.write(&turn.to_be_bytes()).expect("a promise is written");
        assert_eq!(Promise::open(&path).expect("a promise").payload(), turn.to_be_bytes());
    }
    assert_eq!(fs::metadata(&path).expect("a file").len(), 65536, "it never grows");
}

#[test]
fn a_torn_write_leaves_what_was_promised_before() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("promise");
    let mut promise = Promise::create(&path, b"nothing").expect("a promise");
    let mut promised = b"nothing".to_vec();
    for turn in 0_u8..6 {
        let before = fs::read(&path).expect("the file");
        promise.write(&[turn; 40]).expect("a promise is written");
        let after = fs::read(&path).expect("the file");
        let begin = before.iter().zip(&after).position(|(before, after)| before != after).expect("a change");
        for end in begin..begin + 80 {
            let torn = [&after[..end], &before[end..]].concat();
            fs::write(&path, &torn).expect("the file is written");
            let found = Promise::open(&path).expect("one block is whole").payload().to_vec();
            assert!(found == promised || (torn == after && found == [turn; 40]), "torn at {end}");
        }
        fs::write(&path, after).expect("the file is written");
        promised = vec![turn; 40];
    }
}

#[test]
fn two_torn_blocks_and_an_empty_file_are_refused() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("promise");
    let promise = Promise::create(&path, b"nothing").expect("a promise");
    drop(promise);
    let mut bytes = fs::read(&path).expect("the file");
    bytes[9] ^= 1;
    bytes[32768 + 23] ^= 1;
    for bytes in [bytes, Vec::new(), vec![0; 65536]] {
        fs::write(&path, bytes).expect("the file is written");
        assert!(matches!(Promise::open(&path), Err(StoreError::Damaged { .. })));
    }
}

#[test]
fn what_does_not_fit_into_a_block_is_refused() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("promise");
    let mut promise = Promise::create(&path, b"nothing").expect("a promise");
    assert!(promise.write(&[1; 32768]).is_err());
    assert_eq!(Promise::open(&path).expect("a promise").payload(), b"nothing");
}
