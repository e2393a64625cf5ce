//! Ten thousand logins, of one account and of many, through three nodes (decision 16): every good one is let in, whoever
//! has a token goes on being answered, and nothing grows with their number.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::Cluster;

const LOGINS: usize = 10_000;
const CLIENTS: usize = 64;
const ACCOUNTS: usize = 50;
const PASSWORD: &str = "a password of many";
/// What a node may take more after ten thousand further logins than after as many before: nothing stays of them but what
/// idempotency remembers for ten minutes, and what the database's caches have still to fill.
const GROWTH_KB: u64 = 32 << 10;

/// Resident memory of a node, in KB.
fn memory_kb(cluster: &Cluster, index: usize) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", cluster.nodes[index].pid())).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

fn memories(cluster: &Cluster) -> Vec<u64> {
    (0..cluster.nodes.len()).map(|index| memory_kb(cluster, index)).collect()
}

/// Has `count` logins asked for, each at another node; how many were not let in at once.
fn log_in(cluster: &Cluster, count: usize, user: impl Fn(usize) -> String + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let client = || {
        let mut refused = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return refused;
            }
            let body = json!({"username": user(number), "password": PASSWORD}).to_string();
            let node = &cluster.nodes[number % cluster.nodes.len()];
            match node.ask("POST", "/api/v1/login", "none", body.as_bytes()) {
                Ok(answer) if answer.status == 200 => {}
                other => refused.push(format!("{other:?}")),
            }
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("no client panics")).collect()
    })
}

/// Reads with a token until told to stop; how long each took.
fn reads(cluster: &Cluster, stop: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let answer = cluster.ask(0, "GET", "/api/v1/pools?consistency=stale", b"").expect("an answer");
        assert_eq!(answer.status, 200, "whoever has a token is answered: {answer:?}");
        took.push(begun.elapsed());
        thread::sleep(Duration::from_millis(5));
    }
    took.sort_unstable();
    took
}

/// Ten thousand logins while somebody reads; how long each read took, and what the nodes' memory is afterwards.
fn wave(cluster: &Cluster, what: &str, accounts: usize) -> (Vec<Duration>, Vec<u64>) {
    let stop = AtomicBool::new(false);
    let (refused, took) = thread::scope(|scope| {
        let reader = scope.spawn(|| reads(cluster, &stop));
        let refused = log_in(cluster, LOGINS, |number| format!("user-{}", number % accounts));
        stop.store(true, Ordering::Relaxed);
        (refused, reader.join().expect("the reader does not panic"))
    });
    assert_eq!(refused, Vec::<String>::new(), "{what}");
    (took, memories(cluster))
}

#[test]
fn ten_thousand_logins_of_one_account_or_of_many_are_let_in_and_leave_no_trace() {
    let cluster = Cluster::start(3);
    for number in 0..ACCOUNTS {
        let user = json!({"name": format!("user-{number}"), "password": PASSWORD, "roles": ["viewer"]});
        cluster.write("POST", "/api/v1/users", &user);
    }
    for (what, accounts) in [("one account", 1), ("many accounts", ACCOUNTS)] {
        let (took, first) = wave(&cluster, what, accounts);
        let median = took.get(took.len() / 2);
        println!("{what}: a read with a token took {median:?} at the median, {:?} at worst", took.last());
        let (_, second) = wave(&cluster, what, accounts);
        for (first, second) in first.into_iter().zip(second) {
            println!("{what}: {first} KB after one wave, {second} KB after two");
            assert!(second < first + GROWTH_KB, "{what}: {second} KB, {first} KB a wave before");
        }
    }
    assert_eq!(cluster.get(0, "/api/v1/tokens?user=user-0&limit=10000")["items"].as_array().map(Vec::len), Some(1_000));
    cluster.alike();
}
