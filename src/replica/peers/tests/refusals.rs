//! Who and what is turned away, without harm to anybody else.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::frame::{FRAME_BYTES, GREETING_BYTES, Link, LinkError};
use super::super::wire::{
    Append, Appended, GREETING_FORMAT, Hello, MAGIC, PeerCall, PeerReply, Purpose, Question, SnapshotAnswer,
    SnapshotPart, Told, WIRE_FORMAT, Welcome,
};
use super::super::{CallFailed, Local};
use super::double::{CLUSTER, Endpoint, Keys, plain, soon};
use crate::codec;

/// Why a call does not get through.
async fn refused(endpoint: &Endpoint, local: Local) -> String {
    let failed = endpoint.caller(local).call(endpoint.node, PeerCall::Status, soon()).await.expect_err("refused");
    assert!(matches!(failed, CallFailed::Unreachable { .. }), "{failed}");
    failed.to_string()
}

async fn still_serves(endpoint: &Endpoint, local: Local) {
    let reply = endpoint.caller(local).call(endpoint.node, PeerCall::Status, soon()).await;
    assert!(matches!(reply, Ok(PeerReply::Status(_))), "{reply:?}");
}

#[tokio::test]
async fn a_node_of_another_cluster_is_turned_away() {
    let two = Endpoint::start(plain(2)).await;
    let other = Local { cluster: "0198-other".to_owned(), ..plain(1) };
    assert!(refused(&two, other).await.contains("another cluster"));
    still_serves(&two, plain(1)).await;
    two.stop().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_turned_away() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    for other in [Keys::new(), Keys::of("0198-other")] {
        assert!(refused(&two, other.tls(1)).await.contains("certificate"));
    }
    still_serves(&two, keys.tls(1)).await;
    two.stop().await;
}

#[tokio::test]
async fn a_node_that_shows_another_node_s_certificate_is_turned_away() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    assert!(refused(&two, keys.tls_as(1, 3)).await.contains("belongs to node 3"));
    two.stop().await;
    // And a server that shows another node's certificate is not spoken to.
    let three = Endpoint::start(keys.tls_as(2, 3)).await;
    assert!(refused(&three, keys.tls(1)).await.contains("certificate"));
    three.stop().await;
}

#[tokio::test]
async fn an_address_that_belongs_to_another_node_is_noticed() {
    let two = Endpoint::start(plain(2)).await;
    let one = two.caller(plain(1));
    one.set_members(&[(7, super::double::member(two.address))].into());
    let failed = one.call(7, PeerCall::Status, soon()).await.expect_err("it is node 2");
    assert!(failed.to_string().contains("it is node 2"), "{failed}");
    two.stop().await;
}

#[tokio::test]
async fn a_removed_member_is_turned_away_also_on_a_connection_that_stands() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    assert!(one.call(2, PeerCall::Status, soon()).await.is_ok());
    two.double.forbid(Some(Purpose::Calls));
    assert!(one.call(2, PeerCall::Status, soon()).await.is_err());
    assert!(refused(&two, keys.tls(1)).await.contains("as a member"));
    two.stop().await;
}

#[tokio::test]
async fn plain_text_is_no_way_into_a_cluster_with_tls() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    refused(&two, plain(1)).await;
    two.stop().await;
}

async fn greeted(endpoint: &Endpoint, purpose: Purpose) -> Link {
    let stream = TcpStream::connect(endpoint.address).await.expect("a connection");
    let mut link = Link::new(Box::new(stream));
    let hello = Hello {
        magic: MAGIC,
        newest: WIRE_FORMAT,
        cluster: CLUSTER.to_owned(),
        node: 1,
        target: endpoint.node,
        purpose,
    };
    link.writer.send(GREETING_FORMAT, &hello).await.expect("sent");
    let welcome: Welcome = link.reader.read(GREETING_FORMAT).await.expect("read").expect("an answer");
    assert_eq!(welcome, Welcome::Come { format: WIRE_FORMAT });
    link
}

/// Waits until the other side has closed.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is as good as an end.
    drop(stream.read_to_end(&mut rest).await);
}

#[tokio::test]
async fn garbage_ends_its_connection_and_nothing_else() {
    let two = Endpoint::start(plain(2)).await;
    let frame = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("short");
        [&length.to_be_bytes()[..], bytes].concat()
    };
    let hello = |newest, magic| {
        let cluster = CLUSTER.to_owned();
        frame(&codec::encode(1, &Hello { magic, newest, cluster, node: 1, target: 2, purpose: Purpose::Calls }))
    };
    let too_long = u32::try_from(GREETING_BYTES + 1).expect("short").to_be_bytes().to_vec();
    for garbage in [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0xff; 64],
        frame(&[]),
        frame(&[1]),
        frame(&[9; 100]),
        hello(WIRE_FORMAT, *b"NOTAPEER"),
        hello(0, MAGIC),
        too_long,
    ] {
        let mut stream = TcpStream::connect(two.address).await.expect("a connection");
        stream.write_all(&garbage).await.expect("sent");
        closed(&mut stream).await;
    }
    still_serves(&two, plain(1)).await;
    two.stop().await;
}

#[tokio::test]
async fn garbage_after_the_greeting_ends_its_connection_and_nothing_else() {
    let two = Endpoint::start(plain(2)).await;
    for purpose in [Purpose::Append, Purpose::Calls, Purpose::Snapshot, Purpose::Join] {
        let mut link = greeted(&two, purpose).await;
        link.writer.send(7, &"nonsense").await.expect("sent");
        while let Ok(Some(_)) = link.reader.read::<SnapshotAnswer>(WIRE_FORMAT).await {}
    }
    still_serves(&two, plain(1)).await;
    two.stop().await;
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_neither_sent_nor_awaited() {
    let two = Endpoint::start(plain(2)).await;
    let one = two.caller(plain(1));
    let intents = vec![vec![0_u8; FRAME_BYTES].into()];
    let failed = one.call(2, PeerCall::Propose { intents }, soon()).await.expect_err("too long");
    assert!(failed.surely_not_sent(), "{failed}");
    assert!(one.call(2, PeerCall::Status, soon()).await.is_ok(), "the connection goes on");

    let mut stream = TcpStream::connect(two.address).await.expect("a connection");
    let hello = Hello {
        magic: MAGIC,
        newest: WIRE_FORMAT,
        cluster: CLUSTER.to_owned(),
        node: 1,
        target: 2,
        purpose: Purpose::Append,
    };
    let hello = codec::encode(GREETING_FORMAT, &hello);
    stream.write_all(&u32::try_from(hello.len()).expect("short").to_be_bytes()).await.expect("sent");
    stream.write_all(&hello).await.expect("sent");
    stream.write_all(&u32::try_from(FRAME_BYTES + 1).expect("fits").to_be_bytes()).await.expect("sent");
    closed(&mut stream).await;
    still_serves(&two, plain(1)).await;
    two.stop().await;
}

#[tokio::test]
async fn a_greeting_that_does_not_come_ends_the_connection() {
    let two = Endpoint::impatient(plain(2)).await;
    let mut silent = TcpStream::connect(two.address).await.expect("a connection");
    let mut halfway = TcpStream::connect(two.address).await.expect("a connection");
    halfway.write_all(&[0, 0]).await.expect("sent");
    closed(&mut silent).await;
    closed(&mut halfway).await;
    two.stop().await;
}

#[tokio::test]
async fn stopping_ends_connections_that_stand() {
    let two = Endpoint::start(plain(2)).await;
    let mut link = greeted(&two, Purpose::Append).await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), two.stop()).await;
    stopped.expect("a connection that stands does not hold it up");
    assert!(matches!(link.reader.expect::<Appended>().await, Err(LinkError::Closed | LinkError::Io(_))));
}

proptest! {
    #[test]
    fn random_bytes_never_do_more_than_fail(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let framed = [&[WIRE_FORMAT], bytes.as_slice()].concat();
        // Whatever comes out, it ends: no panic, no memory taken on a stranger's word.
        drop(codec::decode::<Append>(WIRE_FORMAT, &framed));
        drop(codec::decode::<Appended>(WIRE_FORMAT, &framed));
        drop(codec::decode::<Question>(WIRE_FORMAT, &framed));
        drop(codec::decode::<Told>(WIRE_FORMAT, &framed));
        drop(codec::decode::<SnapshotPart>(WIRE_FORMAT, &framed));
        drop(codec::decode::<SnapshotAnswer>(WIRE_FORMAT, &framed));
        drop(codec::decode::<Hello>(GREETING_FORMAT, &framed));
        drop(codec::decode::<Welcome>(GREETING_FORMAT, &framed));
    }
}
