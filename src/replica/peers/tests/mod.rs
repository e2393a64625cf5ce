//! Two endpoints on loopback, over TLS where it matters: what the network promises, and what it refuses.

mod cluster;
mod double;
mod memory;
mod refusals;
mod snapshots;
mod streams;

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::wire::{PeerCall, PeerReply, PeerStatus, Purpose};
use double::{Endpoint, Keys, member, soon};

#[tokio::test]
async fn a_call_reaches_the_peer_and_its_answer_comes_back() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    let reply = one.call(2, PeerCall::Status, soon()).await;
    assert_eq!(reply, Ok(PeerReply::Status(PeerStatus { applied_seq: 1, ..PeerStatus::default() })));
    let traffic = one.traffic()[&2];
    assert!(traffic.sent_bytes > 0 && traffic.received_bytes > 0 && traffic.failures == 0, "{traffic:?}");
    two.stop().await;
}

#[tokio::test]
async fn calls_do_not_wait_for_each_other() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    let slow = {
        let one = one.clone();
        tokio::spawn(async move { one.call(2, PeerCall::ReadIndex, soon()).await })
    };
    two.double.reading.notified().await;
    for _ in 0..10 {
        assert!(matches!(one.call(2, PeerCall::Status, soon()).await, Ok(PeerReply::Status(_))));
    }
    assert!(!slow.is_finished());
    two.double.read.notify_one();
    assert_eq!(slow.await.expect("the task"), Ok(PeerReply::ReadIndex { log_index: 9 }));
    two.stop().await;
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_the_connection_goes_on() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    let soon_over = Instant::now() + Duration::from_millis(50);
    let failed = one.call(2, PeerCall::ReadIndex, soon_over).await.expect_err("nobody answers");
    assert!(!failed.surely_not_sent(), "{failed}");
    assert!(matches!(one.call(2, PeerCall::Status, soon()).await, Ok(PeerReply::Status(_))));
    two.stop().await;
}

#[tokio::test]
async fn a_peer_that_comes_back_is_reached_again() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    assert!(one.call(2, PeerCall::Status, soon()).await.is_ok());
    let address = two.stop().await;
    let failed = one.call(2, PeerCall::Status, soon()).await.expect_err("nobody is there");
    assert!(one.traffic()[&2].failures > 0, "{failed}");
    let two = Endpoint::start_at(keys.tls(2), address).await;
    let back = timeout(Duration::from_secs(20), async {
        while one.call(2, PeerCall::Status, soon()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    back.await.expect("it is reached again");
    two.stop().await;
}

#[tokio::test]
async fn a_peer_that_moved_is_reached_at_its_new_address() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    assert!(one.call(2, PeerCall::Status, soon()).await.is_ok());
    two.stop().await;
    let two = Endpoint::start(keys.tls(2)).await;
    one.set_members(&[(2, member(two.address))].into());
    let back = timeout(Duration::from_secs(20), async {
        while one.call(2, PeerCall::Status, soon()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    back.await.expect("it is reached again");
    two.stop().await;
}

#[tokio::test]
async fn a_node_with_a_ticket_may_join_and_do_nothing_else() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    two.double.forbid(Some(Purpose::Calls));
    let nine = two.caller(keys.tls(9));
    let address = two.address.to_string();
    let join = |node| PeerCall::Join { node, secret: "s".to_owned(), member: member(two.address) };
    assert!(matches!(nine.join(2, &address, join(9), soon()).await, Ok(PeerReply::Joined { .. })));
    assert!(nine.join(2, &address, join(8), soon()).await.is_err(), "for another node");
    assert!(nine.join(2, &address, PeerCall::Status, soon()).await.is_err(), "another call");
    assert!(nine.call(2, PeerCall::Status, soon()).await.is_err(), "a member's connection");
    two.stop().await;
}
