//! What a promise file survives, and what it does not.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use tempfile::TempDir;

use super::{Promise, StoreError};

/// A page: what a promise of a few bytes takes.
const PAGE: usize = 4096;

/// A place for a promise, and one whose halves have eight pages each.
fn small() -> (TempDir, PathBuf, Promise) {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("promise");
    let promise = Promise::create_small(&path, b"nothing").expect("a promise");
    (dir, path, promise)
}

fn found(path: &Path) -> Vec<Vec<u8>> {
    Promise::open(path).expect("the promise opens").payloads().to_vec()
}

#[test]
fn a_promise_is_made_once_and_must_be_there() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("promise");
    assert!(matches!(Promise::open(&path), Err(StoreError::Missing { .. })));
    Promise::create(&path, b"nothing").expect("a promise");
    assert!(matches!(Promise::create(&path, b"other"), Err(StoreError::Exists { .. })));
    assert_eq!(found(&path), [b"nothing"]);
}

#[test]
fn what_was_promised_since_the_last_beginning_comes_back() {
    let (_dir, path, mut promise) = small();
    let mut wanted = vec![b"nothing".to_vec()];
    for turn in 0_u8..40 {
        let payload = vec![turn; usize::from(turn) * 100];
        if turn % 7 == 0 || !promise.has_room(payload.len()) {
            promise.begin(&payload).expect("a promise begins");
            wanted.clear();
        } else {
            promise.append(&payload).expect("a promise is added");
        }
        wanted.push(payload);
        assert_eq!(found(&path), wanted);
        if turn % 5 == 0 {
            promise = Promise::open(&path).expect("the promise opens");
        }
    }
    assert_eq!(fs::metadata(&path).expect("a file").len(), 65536, "it never grows");
}

#[test]
fn a_half_is_filled_to_its_end_and_not_beyond() {
    let (_dir, path, mut promise) = small();
    promise.begin(b"0").expect("a promise begins");
    for turn in 1..8 {
        assert_eq!(promise.is_half_full(), turn > 4);
        assert!(promise.has_room(1));
        promise.append(turn.to_string().as_bytes()).expect("there is room");
    }
    assert!(!promise.has_room(1));
    assert!(promise.append(b"8").is_err());
    assert_eq!(found(&path).len(), 8);
    assert!(promise.begin(&[1; 8 * PAGE]).is_err(), "larger than a half");
    assert_eq!(found(&path).len(), 8);
    promise.begin(b"8").expect("the other half is free");
    assert_eq!(found(&path), [b"8"]);
}

#[test]
fn a_torn_write_leaves_what_was_promised_before() {
    let (_dir, path, mut promise) = small();
    for turn in 0_u8..12 {
        let (before, wanted) = (fs::read(&path).expect("the file"), found(&path));
        let payload = vec![turn; 40];
        if turn % 3 == 0 { promise.begin(&payload) } else { promise.append(&payload) }.expect("it is written");
        let (after, whole) = (fs::read(&path).expect("the file"), found(&path));
        let begin = before.iter().zip(&after).position(|(before, after)| before != after).expect("a change");
        for end in begin..begin + 80 {
            let torn = [&after[..end], &before[end..]].concat();
            fs::write(&path, &torn).expect("the file is written");
            let found = found(&path);
            assert!(found == wanted || (torn == after && found == whole), "turn {turn} torn at {end}");
        }
        fs::write(&path, after).expect("the file is written");
    }
}

#[test]
fn what_follows_a_torn_write_counts() {
    let (_dir, path, mut promise) = small();
    promise.begin(b"first").expect("a promise begins");
    let before = fs::read(&path).expect("the file");
    promise.append(&[7; 3 * PAGE]).expect("it is written");
    let mut torn = fs::read(&path).expect("the file");
    let at = before.iter().zip(&torn).position(|(before, after)| before != after).expect("a change");
    torn[at..at + PAGE].copy_from_slice(&before[at..at + PAGE]);
    fs::write(&path, &torn).expect("its first page is lost");
    let mut promise = Promise::open(&path).expect("the promise opens");
    promise.append(b"second").expect("it is written");
    promise.append(b"third").expect("it is written");
    assert_eq!(found(&path), [&b"first"[..], b"second", b"third"]);
}

#[test]
fn a_lost_promise_is_noticed_by_those_that_followed_it() {
    let (_dir, path, mut promise) = small();
    promise.begin(b"zero").expect("a promise begins");
    for payload in [&b"one"[..], b"two", b"three"] {
        promise.append(payload).expect("a promise is added");
    }
    let whole = fs::read(&path).expect("the file");
    for lost in 0..3 {
        let mut bytes = whole.clone();
        bytes[lost * PAGE + 21] ^= 1;
        fs::write(&path, bytes).expect("the file is written");
        let refusal = Promise::open(&path).expect_err("something that counts is damaged").to_string();
        assert!(refusal.contains("is not whole, and later ones are"), "{refusal}");
    }
}

#[test]
fn two_torn_halves_and_files_of_another_length_are_refused() {
    let (_dir, path, promise) = small();
    drop(promise);
    let whole = fs::read(&path).expect("the file");
    let mut torn = whole.clone();
    torn[9] ^= 1;
    torn[8 * PAGE + 23] ^= 1;
    for bytes in [torn, Vec::new(), vec![0; 65536], whole[..8 * PAGE].to_vec(), [&whole[..], &whole].concat()] {
        fs::write(&path, bytes).expect("the file is written");
        assert!(matches!(Promise::open(&path), Err(StoreError::Damaged { .. })));
    }
}

proptest! {
    /// Each step promises so many bytes; with pages given, a power cut keeps those of what is written, and loses the others.
    #[test]
    fn any_history_leaves_what_was_promised(
        steps in vec((any::<bool>(), 0_usize..3 * PAGE, proptest::option::of(any::<u8>())), 1..40),
    ) {
        let (_dir, path, mut promise) = small();
        let mut wanted = vec![b"nothing".to_vec()];
        for (number, (anew, bytes, kept)) in (0_u8..).zip(steps) {
            let payload = vec![number; bytes];
            let mut next = wanted.clone();
            let before = fs::read(&path).expect("the file");
            if anew || !promise.has_room(bytes) {
                promise.begin(&payload).expect("a promise begins");
                next.clear();
            } else {
                promise.append(&payload).expect("a promise is added");
            }
            next.push(payload);
            if let Some(kept) = kept {
                let mut after = fs::read(&path).expect("the file");
                let changed = (0..after.len()).step_by(PAGE).filter(|&at| after[at..at + PAGE] != before[at..at + PAGE]);
                let lost: Vec<usize> = changed.enumerate().filter(|(nth, _)| kept >> nth & 1 == 0).map(|(_, at)| at).collect();
                for &at in &lost {
                    after[at..at + PAGE].copy_from_slice(&before[at..at + PAGE]);
                }
                fs::write(&path, after).expect("the file is written");
                promise = Promise::open(&path).expect("the promise opens");
                if !lost.is_empty() {
                    next = wanted;
                }
            }
            wanted = next;
            assert_eq!(found(&path), wanted);
        }
    }
}
