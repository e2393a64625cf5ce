//! What survives: crashes, purges, snapshots, proposals that are made twice.

use std::time::Duration;

use super::rig_test::{LONG, Node, Rig, admin, copy, soon};
use super::{Pace, behind::Order};
use crate::domain::intent::{Command, Intent};
use crate::domain::node::{CreateTicket, TicketCommand};
use crate::domain::record::{Outcome, Record};

/// Nothing is written behind by itself: the disk has what was asked for.
fn by_hand() -> Pace {
    let never = Duration::from_secs(1_000_000);
    Pace { write: never, flush: never, checkpoint: never, checkpoint_bytes: u64::MAX, keep_log_bytes: 0 }
}

async fn reports(node: &Node, sequences: std::ops::RangeInclusive<u64>) {
    for sequence in sequences {
        node.report("s1", sequence, 10).await.expect("an answer");
    }
}

async fn checkpoint(node: &Node) {
    let shared = node.cluster.parts();
    let mut finished = shared.behind.checkpoints.subscribe();
    finished.borrow_and_update();
    shared.behind.order(Order::Checkpoint);
    tokio::time::timeout(LONG, finished.changed()).await.expect("in time").expect("it runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_any_flush_loses_nothing_acknowledged() {
    let rig = Rig::with(by_hand());
    let node = rig.first().await;
    // What the state database looked like before anything was flushed: what a crash leaves of it.
    copy(&node.dir.join("state"), &rig.path("before"));
    reports(&node, 1..=50).await;
    let before = node.replica.status();
    node.cluster.abandon().await;
    std::fs::remove_dir_all(node.dir.join("state")).expect("removed");
    copy(&rig.path("before"), &node.dir.join("state"));
    let node = rig.restart(&node);
    node.serving().await;
    assert_eq!(node.used("s1").await, 500);
    assert_eq!(node.replica.digest_at(before.applied_seq).await.expect("a journal"), Some(before.digest));
    assert_eq!(node.replica.stats().expect("numbers").replayed, 0, "all of it came from the log");
    node.replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_replays_only_what_came_after_the_checkpoint() {
    let rig = Rig::with(by_hand());
    let node = rig.first().await;
    reports(&node, 1..=30).await;
    checkpoint(&node).await;
    reports(&node, 31..=40).await;
    let before = node.replica.status();
    node.replica.stop().await;
    let node = rig.restart(&node);
    node.serving().await;
    assert_eq!(node.replica.stats().expect("numbers").replayed, 10);
    assert_eq!(node.used("s1").await, 400);
    assert_eq!(node.replica.digest_at(before.applied_seq).await.expect("a journal"), Some(before.digest));
    node.replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_after_a_purge_gets_a_snapshot() {
    let rig = Rig::with(by_hand());
    let one = rig.first().await;
    reports(&one, 1..=40).await;
    checkpoint(&one).await;
    let purged = async {
        while one.replica.stats().expect("numbers").purged.is_none_or(|purged| purged < 30) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, purged).await.expect("the log is purged behind the checkpoint");
    reports(&one, 41..=45).await;
    let two = rig.join(&one).await;
    assert_eq!(two.used("s1").await, 450);
    let seq = one.applied_seq();
    two.has(seq).await;
    let digests = (one.replica.digest_at(seq).await, two.replica.digest_at(seq).await);
    assert_eq!(digests.0.expect("a journal"), digests.1.expect("a journal"));
    // Also the records from before the snapshot are there, and a restart works on what was installed.
    assert!(two.replica.digest_at(1).await.expect("a journal").is_some());
    two.replica.stop().await;
    let two = rig.restart(&two);
    two.serving().await;
    assert_eq!(two.used("s1").await, 450);
    two.replica.stop().await;
    one.replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_is_proposed_twice_is_done_once() {
    let rig = Rig::new();
    let node = rig.first().await;
    let shared = node.cluster.parts();
    let command = Command::Ticket(TicketCommand::Create(CreateTicket { hash: [7; 32], ttl_ms: 60_000 }));
    let intent = Intent { id: shared.waiters.name(), actor: admin(), key: None, command }.encode();
    let twice = vec![intent.clone(), intent.clone()];
    assert!(shared.proposals.forwarded(twice).await.is_some());
    assert!(shared.proposals.forwarded(vec![intent]).await.is_some());
    let view = node.fresh().await;
    assert_eq!(view.state.tickets.len(), 1);
    let last = shared.journal.get(view.state.heads.seq).expect("a journal").expect("a record");
    let outcome = Record::decode(&last.bytes).expect("a record").outcome;
    assert_eq!(outcome, Outcome::Repeated { seq: view.state.heads.seq - 2 });
    node.replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_disk_went_back_stays_down_and_says_why() {
    let rig = Rig::new();
    let [one, two, three] = rig.three().await;
    reports(&one, 1..=5).await;
    two.has(one.applied_seq()).await;
    two.replica.stop().await;
    copy(&two.dir, &rig.path("older"));
    let two = rig.restart(&two);
    two.serving().await;
    reports(&one, 6..=20).await;
    two.has(one.applied_seq()).await;
    two.replica.stop().await;
    std::fs::remove_dir_all(&two.dir).expect("removed");
    copy(&rig.path("older"), &two.dir);
    let two = rig.restart(&two);
    let reason = two.failed().await;
    assert!(reason.contains("went back"), "{reason}");
    // The others go on, and the node is replaced under a new id.
    reports(&three, 21..=22).await;
    one.replica.remove(two.id, soon()).await.expect("it is out");
    let four = rig.join(&one).await;
    one.replica.promote(four.id, soon()).await.expect("a voter");
    assert_eq!(four.used("s1").await, 220);
    for node in [one, two, three, four] {
        node.replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_is_handed_over_and_a_member_is_removed_from_any_node() {
    let rig = Rig::new();
    let [one, two, three] = rig.three().await;
    three.replica.transfer(two.id, soon()).await.expect("two leads");
    assert_eq!(two.replica.status().leader, Some(two.id));
    one.replica.remove(two.id, soon()).await.expect("the leader itself can go");
    reports(&one, 1..=3).await;
    assert_eq!(three.used("s1").await, 30);
    let members = three.replica.status().members;
    assert!(members.iter().all(|member| member.id != two.id), "{members:?}");
    assert!(one.fresh().await.state.nodes[&two.id].removed.is_some());
    for node in [one, two, three] {
        node.replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_work_out_the_same_state_at_a_mark() {
    let rig = Rig::new();
    let nodes = rig.three().await;
    reports(&nodes[1], 1..=9).await;
    nodes[0].admin(Command::Mark).await.expect("an answer");
    let mut all = Vec::new();
    for node in &nodes {
        let shared = node.cluster.parts();
        let known = async {
            while shared.marks.digests().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            shared.marks.digests()
        };
        all.push(tokio::time::timeout(LONG, known).await.expect("in time"));
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
    for node in &nodes {
        node.replica.stop().await;
    }
}
