//! Joining, promoting, removing, handing over, by the commands that an operator types.

use std::process::Output;

use serde_json::Value;

use super::harness::Cluster;
use super::node::wait_for;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn role(cluster: &Cluster, at: usize, id: u64) -> Option<String> {
    let view = cluster.view(at);
    let member = view["members"].as_array()?.iter().find(|member| member["id"] == id)?.clone();
    member["role"].as_str().map(str::to_owned)
}

#[test]
fn a_node_joins_becomes_a_voter_leads_and_leaves() {
    let mut cluster = Cluster::licensed(1);
    for _ in 0..20 {
        cluster.report("EARLY", 5);
    }
    let second = cluster.join();
    let id = cluster.nodes[second].id;
    assert_eq!(role(&cluster, 0, id).as_deref(), Some("learner"));
    assert_eq!(cluster.used("auto_generated_pool_enterprise"), 100, "a learner has caught up when it is ready");

    let promote = cluster.cli(&["cluster", "promote", &id.to_string()]);
    assert!(promote.status.success(), "{}", said(&promote));
    assert_eq!(role(&cluster, 0, id).as_deref(), Some("follower"));
    let third = cluster.join();
    cluster.promote(third);

    let transfer = cluster.cli(&["cluster", "transfer", &id.to_string()]);
    assert!(transfer.status.success(), "{}", said(&transfer));
    wait_for("the leadership moves", || match cluster.leader() {
        leader if leader == second => Ok(()),
        leader => Err(format!("{leader} leads")),
    });

    let members = cluster.cli(&["cluster", "members", "-o", "json"]);
    assert!(members.status.success(), "{}", said(&members));
    let listed: Value = serde_json::from_slice(&members.stdout).expect("JSON");
    let text = listed.to_string();
    assert!(text.contains("\"n1\"") && text.contains("\"n2\"") && text.contains("\"n3\""), "{text}");

    let gone = cluster.nodes[third].id;
    // a fresh leader has not heard of everybody yet, and removes nobody then
    wait_for("the removal", || {
        let remove = cluster.cli(&["cluster", "remove", &gone.to_string(), "--yes"]);
        if remove.status.success() { Ok(()) } else { Err(said(&remove)) }
    });
    cluster.report("LATE", 1);
    assert_eq!(role(&cluster, 0, gone), None);
    cluster.nodes[third].kill();
    cluster.report("LATE", 1);
    let fourth = cluster.join();
    assert!(cluster.nodes[fourth].id > gone, "an id is never used again");
}

#[test]
fn a_leader_can_remove_itself() {
    let mut cluster = Cluster::licensed(3);
    let leader = cluster.leader();
    let id = cluster.nodes[leader].id;
    wait_for("the leader is removed", || {
        let output = cluster.cli(&["cluster", "remove", &id.to_string(), "--yes"]);
        let gone = (0..3).filter(|index| *index != leader).all(|index| role(&cluster, index, id).is_none());
        if gone { Ok(()) } else { Err(said(&output)) }
    });
    cluster.nodes[leader].kill();
    cluster.report("AFTER", 1);
    cluster.alike();
}

#[test]
fn a_ticket_works_once_and_only_while_it_is_known() {
    let cluster = Cluster::start(1);
    let ticket = cluster.path("once.ticket");
    cluster.ticket(&ticket);
    let first = cluster.stranger("first");
    let joined = cluster.join_with(&ticket, &first);
    assert!(joined.status.success(), "{}", said(&joined));
    let second = cluster.stranger("second");
    let again = cluster.join_with(&ticket, &second);
    assert!(!again.status.success(), "a ticket worked twice: {}", said(&again));
    assert!(!second.data.join("node.toml").exists(), "nothing is left behind by a join that failed");

    let revoked = cluster.path("revoked.ticket");
    cluster.ticket(&revoked);
    let open = cluster.view(0)["tickets"].clone();
    let newest = open.as_array().and_then(|open| open.iter().filter_map(|ticket| ticket["node"].as_u64()).max());
    let node = newest.expect("an open ticket is listed");
    let answer = cluster.ask(0, "DELETE", &format!("/api/v1/cluster/tickets/{node}"), b"").expect("an answer");
    assert!(answer.status < 300, "{answer:?}");
    let late = cluster.join_with(&revoked, &second);
    assert!(!late.status.success(), "a revoked ticket worked: {}", said(&late));
}

#[test]
fn a_join_into_a_directory_that_holds_something_is_refused() {
    let cluster = Cluster::start(1);
    let ticket = cluster.path("n2.ticket");
    cluster.ticket(&ticket);
    let node = cluster.stranger("taken");
    std::fs::create_dir(&node.data).expect("made");
    std::fs::write(node.data.join("photo.jpg"), "not ours").expect("written");
    let output = cluster.join_with(&ticket, &node);
    assert!(!output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read(node.data.join("photo.jpg")).expect("still there"), b"not ours");
}

#[test]
fn the_last_voters_cannot_be_removed_below_a_quorum() {
    let mut cluster = Cluster::start(1);
    let output = cluster.cli(&["cluster", "remove", "1", "--yes"]);
    assert!(!output.status.success(), "{}", said(&output));
    let promote = cluster.cli(&["cluster", "promote", "77"]);
    assert!(!promote.status.success(), "{}", said(&promote));
    cluster.report("STILL", 1);
}
