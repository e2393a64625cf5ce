//! Snapshots: whole or not at all.

use std::path::Path;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;

use super::super::client::lock;
use super::super::frame::Link;
use super::super::ship::CHUNK_BYTES;
use super::super::wire::{
    FileHead, GREETING_FORMAT, Hello, MAGIC, Purpose, SnapshotAnswer, SnapshotMeta, SnapshotPart, Vote, WIRE_FORMAT,
    Welcome,
};
use super::double::{CLUSTER, Endpoint, Keys, member, plain};
use super::streams::log_id;

fn vote() -> Vote {
    Vote::new_committed(1, 1)
}

fn meta() -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(log_id(40)), ..SnapshotMeta::default() }
}

fn files() -> Vec<(String, Vec<u8>)> {
    let large: Vec<u8> = (0..CHUNK_BYTES * 2 + 17).map(|at| at.to_le_bytes()[1] ^ at.to_le_bytes()[0]).collect();
    vec![
        ("000007.sst".to_owned(), large),
        ("CURRENT".to_owned(), b"MANIFEST-000005\n".to_vec()),
        ("empty".to_owned(), Vec::new()),
        ("exact".to_owned(), vec![3; CHUNK_BYTES]),
    ]
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}

#[tokio::test]
async fn a_snapshot_of_several_files_arrives_as_it_was_sent() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    let dir = tempfile::tempdir().expect("a directory");
    for (name, content) in files() {
        std::fs::write(dir.path().join(name), content).expect("written");
    }
    let peer = one.meet(2, &member(two.address));
    let response = one.ship(&peer, vote(), meta(), dir.path()).await.expect("installed");
    assert_eq!(response.vote, vote());
    assert!(*lock(&two.double.installed) == files(), "every byte of every file");
    assert_eq!(one.acknowledged(2).map(|known| known.last), Some(log_id(40)));
    two.stop().await;
}

async fn sender(endpoint: &Endpoint) -> Link {
    let stream = TcpStream::connect(endpoint.address).await.expect("a connection");
    let mut link = Link::new(Box::new(stream));
    let (cluster, purpose) = (CLUSTER.to_owned(), Purpose::Snapshot);
    let hello = Hello { magic: MAGIC, newest: WIRE_FORMAT, cluster, node: 1, target: 2, purpose };
    link.writer.send(GREETING_FORMAT, &hello).await.expect("sent");
    let welcome: Welcome = link.reader.read(GREETING_FORMAT).await.expect("read").expect("an answer");
    assert_eq!(welcome, Welcome::Come { format: WIRE_FORMAT });
    link
}

/// What the receiver says to `parts`.
async fn told(endpoint: &Endpoint, parts: Vec<SnapshotPart>) -> SnapshotAnswer {
    let mut link = sender(endpoint).await;
    for part in parts {
        // The receiver may have refused and closed already.
        if link.writer.send(WIRE_FORMAT, &part).await.is_err() {
            break;
        }
    }
    loop {
        match link.reader.expect().await.expect("an answer") {
            SnapshotAnswer::Working => {}
            answer => return answer,
        }
    }
}

fn begin(names: &[&str], length: u64) -> SnapshotPart {
    let files = names.iter().map(|name| FileHead { name: (*name).to_owned(), length }).collect();
    SnapshotPart::Begin { vote: vote(), meta: meta(), files }
}

fn end(content: &[u8]) -> SnapshotPart {
    SnapshotPart::End { digest: Sha256::digest(content).into() }
}

fn chunk(content: &'static [u8]) -> SnapshotPart {
    SnapshotPart::Chunk(Bytes::from_static(content))
}

#[tokio::test]
async fn a_snapshot_that_is_not_what_was_said_is_refused_and_leaves_nothing_behind() {
    let two = Endpoint::start(plain(2)).await;
    let cases = [
        ("one flipped bit", vec![begin(&["a"], 4), chunk(b"abce"), end(b"abcd")]),
        ("too short", vec![begin(&["a"], 4), chunk(b"abc"), end(b"abc")]),
        ("too long", vec![begin(&["a"], 4), chunk(b"abcde"), end(b"abcde")]),
        ("no beginning", vec![chunk(b"abcd"), end(b"abcd")]),
        ("two beginnings", vec![begin(&["a"], 4), begin(&["a"], 4)]),
        ("a way out", vec![begin(&["../a"], 4), chunk(b"abcd"), end(b"abcd")]),
        ("the second file", vec![begin(&["a", "b"], 4), chunk(b"abcd"), end(b"abcd"), chunk(b"abcd"), end(b"")]),
    ];
    for (what, parts) in cases {
        let answer = told(&two, parts).await;
        assert!(matches!(answer, SnapshotAnswer::Refused(_)), "{what}: {answer:?}");
        assert!(is_empty(&two.snapshots.path().join("snapshots")), "{what}");
    }
    assert!(lock(&two.double.installed).is_empty());
    let whole = told(&two, vec![begin(&["a"], 4), chunk(b"ab"), chunk(b"cd"), end(b"abcd")]).await;
    assert!(matches!(whole, SnapshotAnswer::Installed(_)), "{whole:?}");
    assert_eq!(*lock(&two.double.installed), [("a".to_owned(), b"abcd".to_vec())]);
    two.stop().await;
}

#[tokio::test]
async fn a_sender_that_stalls_is_given_up() {
    let two = Endpoint::impatient(plain(2)).await;
    let answer = told(&two, vec![begin(&["a"], 4), chunk(b"ab")]).await;
    assert!(matches!(answer, SnapshotAnswer::Refused(_)), "{answer:?}");
    assert!(is_empty(&two.snapshots.path().join("snapshots")));
    two.stop().await;
}

#[tokio::test]
async fn what_an_earlier_life_did_not_finish_is_cleared_away() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("incoming-1")).expect("made");
    std::fs::create_dir_all(dir.path().join("kept")).expect("made");
    super::super::receive::clear(dir.path()).await;
    assert!(!dir.path().join("incoming-1").exists());
    assert!(dir.path().join("kept").exists());
}
