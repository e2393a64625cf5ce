//! One node and three, as their callers see them.

use std::sync::Arc;
use std::time::Duration;

use super::rig_test::{LONG, Rig, soon, usage};
use super::{Consistency, Page, Unavailable};
use crate::domain::record::Outcome;

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// So many looks that one of them meets nobody who only looks, too.
const LOOKS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_begins_a_cluster_and_keeps_it_over_a_restart() {
    let rig = Rig::new();
    let node = rig.first().await;
    for sequence in 1..=20 {
        let answer = node.report("s1", sequence, 100).await.expect("an answer");
        assert!(matches!(answer.outcome, Outcome::Done(_)), "{:?}", answer.outcome);
    }
    assert_eq!(node.used("s1").await, 2_000);
    assert!(!node.dir.join("init.bin").exists());
    let before = node.replica.status();
    node.replica.stop().await;
    let node = rig.restart(&node);
    node.serving().await;
    assert_eq!(node.used("s1").await, 2_000);
    let digest = node.replica.digest_at(before.applied_seq).await.expect("a journal");
    assert_eq!(digest, Some(before.digest));
    node.replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_write_on_any_and_read_on_any_and_go_on_without_their_leader() {
    let rig = Rig::new();
    let nodes = rig.three().await;
    for (turn, node) in nodes.iter().enumerate() {
        for sequence in 0..10 {
            node.report("s1", 1 + turn as u64 * 10 + sequence, 7).await.expect("an answer");
        }
        assert_eq!(node.used("s1").await, 7 * 10 * (turn as u64 + 1));
    }
    for node in &nodes {
        assert_eq!(node.used("s1").await, 210);
    }
    let seq = nodes.iter().map(|node| node.applied_seq()).max().expect("nodes");
    let mut digests = Vec::new();
    for node in &nodes {
        node.has(seq).await;
        digests.push(node.replica.digest_at(seq).await.expect("a journal").expect("a record"));
    }
    assert!(digests.windows(2).all(|two| two[0] == two[1]), "all nodes have the same journal");

    let leader = nodes[0].replica.status().leader.expect("a leader");
    let [gone, other, third] = {
        let mut nodes = nodes;
        nodes.sort_by_key(|node| node.id != leader);
        nodes
    };
    gone.replica.stop().await;
    for sequence in 31..=40 {
        other.report("s1", sequence, 7).await.expect("an answer without the old leader");
    }
    assert_eq!(third.used("s1").await, 280);
    let back = rig.restart(&gone);
    back.serving().await;
    assert_eq!(back.used("s1").await, 280);
    for node in [back, other, third] {
        node.replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_pages_and_a_long_poll_wakes() {
    let rig = Rig::new();
    let node = rig.first().await;
    for sequence in 1..=30 {
        node.report("s1", sequence, 1).await.expect("an answer");
    }
    let last = node.applied_seq();
    let (mut after, mut seqs) = (0, Vec::new());
    while after < last {
        let page = node.replica.journal(Page { after, limit: 7 }, Duration::ZERO).await.expect("a page");
        after = page.last().expect("records").seq;
        seqs.extend(page.iter().map(|stored| stored.seq));
    }
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
    let waiting = node.replica.journal(Page { after: last, limit: 10 }, LONG);
    let (page, _) = tokio::join!(waiting, node.report("s1", 31, 1));
    assert_eq!(page.expect("a page").first().expect("a record").seq, last + 1);
    node.replica.stop().await;
}

/// What somebody holds is copied wherever it changes (docs/adr/0071).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_rest_nobody_but_the_window_holds_the_state() {
    let rig = Rig::new();
    let nodes = rig.three().await;
    nodes[0].report("s1", 1, 1).await.expect("an answer");
    for node in &nodes {
        let shared = node.cluster.parts();
        let peer = nodes.iter().find(|other| other.id != node.id).expect("three nodes").id;
        let heard = || shared.roster.get(peer).map(|heard| heard.at);
        // Whoever looks at it from time to time has done so.
        for _ in 0..2 {
            let before = heard();
            let again = async {
                while heard() == before {
                    tokio::time::sleep(LOOK).await;
                }
            };
            tokio::time::timeout(LONG, again).await.expect("peers are asked");
        }
        let mut looks = 0..LOOKS;
        let is_free = || {
            let newest = shared.window.newest();
            Arc::strong_count(&newest) == 2 && Arc::strong_count(&newest.state) == 1
        };
        assert!(looks.any(|_| is_free()), "node {} keeps a state", node.id);
    }
    for node in nodes {
        node.replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_a_write_is_refused_truthfully_and_only_stale_reads_work() {
    let rig = Rig::new();
    let [one, two, three] = rig.three().await;
    one.report("s1", 1, 1).await.expect("an answer");
    two.replica.stop().await;
    three.replica.stop().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
    let refused = one.replica.submit(&super::rig_test::admin(), None, &usage("s1", 2, 1), deadline).await;
    assert!(matches!(refused, Err(Unavailable::NoLeader | Unavailable::Unknown)), "{refused:?}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    assert!(one.replica.view(Consistency::Linearizable, deadline).await.is_err());
    let stale = one.replica.view(Consistency::Stale, soon()).await.expect("a view");
    assert!(stale.age > Duration::from_millis(500), "{:?}", stale.age);
    one.replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_who_waits_behind_another_write_is_told_that_nobody_leads() {
    let rig = Rig::new();
    let [one, two, three] = rig.three().await;
    two.replica.stop().await;
    three.replica.stop().await;
    let (admin, shared) = (super::rig_test::admin(), one.cluster.parts());
    let (first, second) = (usage("s1", 1, 1), usage("s1", 2, 1));
    let under_way = one.replica.submit(&admin, None, &first, soon());
    let behind = async {
        while shared.waiters.handed_over().is_empty() {
            tokio::task::yield_now().await;
        }
        let deadline = tokio::time::Instant::now() + Duration::from_millis(300);
        one.replica.submit(&admin, None, &second, deadline).await
    };
    tokio::select! {
        biased;
        refused = behind => assert_eq!(refused.map(|answer| answer.seq), Err(Unavailable::NoLeader)),
        answer = under_way => panic!("{answer:?}"),
    }
    one.replica.stop().await;
}
