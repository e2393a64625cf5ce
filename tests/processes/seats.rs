//! Seats while nodes die: none is given twice or lost, a token is good everywhere or nowhere, a line keeps its order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::harness::{Cluster, offline};
use super::node::wait_for;
use super::wire::exchange;

const SEATS: usize = 7;
const CLIENTS: usize = 40;
/// The shortest lease that an operator may set.
const LEAST_LEASE_MS: u64 = 5_000;

fn with_seats(count: usize) -> Cluster {
    let cluster = Cluster::start(3);
    let claims = json!({"label": "seats", "seats": [{"type": "review", "count": count, "workers": 2 * count}]});
    cluster.install(&cluster.signed(&claims));
    let rules = json!({"lease_ms": 3_600_000, "place_ms": 3_600_000});
    cluster.write("PATCH", "/api/v1/seats/review", &rules);
    cluster
}

/// Takes a seat under a key, at one node after the other until one answers: the answer, and whether it is a seat.
fn take(nodes: &[SocketAddr], first: usize, token: &str, key: &str, queue: bool) -> (u16, Value) {
    let headers =
        format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n");
    let body = json!({"type": "review", "token": true, "queue": queue, "client": key}).to_string();
    let mut turn = first;
    wait_for("a checkout is answered", || {
        turn += 1;
        let answer = exchange(nodes[turn % nodes.len()], "POST", "/api/v1/sessions", &headers, body.as_bytes());
        match answer {
            Ok(answer) if matches!(answer.status, 201 | 202 | 409) => Ok((answer.status, answer.json())),
            other => Err(format!("{other:?}")),
        }
    })
}

fn status_with(node: SocketAddr, token: &str) -> u16 {
    let headers = format!("Authorization: Bearer {token}\r\n");
    wait_for("an answer about a token", || {
        let answer = exchange(node, "GET", "/api/v1/whoami", &headers, b"").map_err(|error| error.to_string())?;
        if answer.status == 503 { Err(format!("{answer:?}")) } else { Ok(answer.status) }
    })
}

fn returned(node: SocketAddr, token: &str, seat: u64) -> u16 {
    let headers = format!("Authorization: Bearer {token}\r\n");
    let path = format!("/api/v1/sessions/{seat}");
    wait_for("a return is answered", || {
        let answer = exchange(node, "DELETE", &path, &headers, b"").map_err(|error| error.to_string())?;
        if matches!(answer.status, 503 | 504) { Err(format!("{answer:?}")) } else { Ok(answer.status) }
    })
}

#[test]
fn many_logins_race_for_few_seats_while_the_leader_is_killed() {
    let mut cluster = with_seats(SEATS);
    let nodes: Vec<SocketAddr> = cluster.nodes.iter().map(|node| node.api).collect();
    let answered = AtomicUsize::new(0);
    let leader = cluster.leader();
    let token = cluster.token.clone();
    let answers: Vec<(u16, Value)> = thread::scope(|scope| {
        let client = |number: usize| {
            let answer = take(&nodes, number, &token, &format!("race {number}"), false);
            answered.fetch_add(1, Ordering::Relaxed);
            answer
        };
        let first: Vec<_> = (0..CLIENTS / 2).map(|number| scope.spawn(move || client(number))).collect();
        let second: Vec<_> = (CLIENTS / 2..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        wait_for("some are answered", || match answered.load(Ordering::Relaxed) {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        });
        cluster.nodes[leader].kill();
        first.into_iter().chain(second).map(|thread| thread.join().expect("every client is answered")).collect()
    });
    let granted: Vec<&Value> = answers.iter().filter(|(status, _)| *status == 201).map(|(_, seat)| seat).collect();
    let ids: BTreeSet<u64> = granted.iter().filter_map(|seat| seat["seat"].as_u64()).collect();
    assert_eq!((granted.len(), ids.len()), (SEATS, SEATS), "exactly the seats there are: {answers:?}");
    for (_, refused) in answers.iter().filter(|(status, _)| *status == 409) {
        assert_eq!(refused["error"]["code"], "no_seat_left");
    }
    cluster.nodes[leader].start();
    cluster.wait_ready(leader);
    for index in 0..3 {
        let kind = cluster.get(index, "/api/v1/seats/review");
        assert_eq!((kind["used"].as_u64(), kind["free"].as_u64()), (Some(SEATS as u64), Some(0)), "S7 at node {index}");
    }
    tokens_live_with_their_sessions(&nodes, &token, &granted);
    let used = cluster.get(0, "/api/v1/seats/review")["used"].clone();
    assert_eq!(used, 0);
    cluster.alike();
}

/// S4 and S5: good on every node from the answer on, and on none after the end; nothing is given back twice.
fn tokens_live_with_their_sessions(nodes: &[SocketAddr], token: &str, granted: &[&Value]) {
    let mut tokens = Vec::new();
    for (number, seat) in granted.iter().enumerate() {
        let key = seat["client"].as_str().expect("the client's name is its key");
        let (status, again) = take(nodes, number, token, key, false);
        assert_eq!((status, &again["seat"]), (201, &seat["seat"]), "the same key, the same seat");
        tokens.push((seat["seat"].as_u64().expect("an id"), again["token"].as_str().expect("a token").to_owned()));
        let first = seat["token"].as_str().expect("a token");
        assert!(nodes.iter().all(|node| status_with(*node, first) == 401), "the first token was replaced");
    }
    for (seat, token) in &tokens {
        assert!(nodes.iter().all(|node| status_with(*node, token) == 200), "the token of {seat} is good everywhere");
    }
    for (number, (seat, of_seat)) in tokens.iter().enumerate() {
        assert_eq!(returned(nodes[number % 3], of_seat, *seat), 204);
        assert!(nodes.iter().all(|node| status_with(*node, of_seat) == 401), "the token of {seat} is good nowhere");
        assert_eq!(returned(nodes[(number + 1) % 3], token, *seat), 404, "given back once");
    }
}

#[test]
fn a_line_keeps_its_order_when_the_leader_is_killed() {
    let mut cluster = with_seats(1);
    let nodes: Vec<SocketAddr> = cluster.nodes.iter().map(|node| node.api).collect();
    let token = cluster.token.clone();
    let (_, mut holder) = take(&nodes, 0, &token, "first", true);
    let waiting: Vec<u64> = (0..4)
        .map(|number| {
            let (status, place) = take(&nodes, number, &token, &format!("waits {number}"), true);
            assert_eq!((status, place["position"].as_u64()), (202, Some(number as u64 + 1)), "{place}");
            place["seat"].as_u64().expect("an id")
        })
        .collect();
    let leader = cluster.leader();
    cluster.nodes[leader].kill();
    for (number, id) in waiting.iter().enumerate() {
        let rest: Vec<u64> = waiting[number..].to_vec();
        for index in (0..3).filter(|index| *index != leader) {
            let line = cluster.get(index, "/api/v1/seats/review/queue");
            let places = line["items"].as_array().expect("places").iter().filter_map(|place| place["seat"].as_u64());
            assert_eq!(places.collect::<Vec<_>>(), rest, "the line at node {index}");
        }
        let held = holder["seat"].as_u64().expect("an id");
        cluster.anyone("DELETE", &format!("/api/v1/sessions/{held}"), b"").expect("a node answers");
        let turn = wait_for("the next one in line has the seat", || {
            let (status, seat) = take(&nodes, number, &token, &format!("waits {number}"), true);
            if status == 201 { Ok(seat) } else { Err(seat.to_string()) }
        });
        assert_eq!((turn["seat"].as_u64(), turn["state"].as_str()), (Some(*id), Some("held")));
        let of_seat = turn["token"].as_str().expect("a token").to_owned();
        assert!((0..3).filter(|index| *index != leader).all(|index| status_with(nodes[index], &of_seat) == 200));
        holder = turn;
    }
    cluster.nodes[leader].start();
    cluster.wait_ready(leader);
    cluster.alike();
    let day = cluster.get(leader, "/api/v1/seats/review/history")["items"][0].clone();
    assert_eq!(
        (day["queued"].as_u64(), day["served"].as_u64(), day["true_denials"].as_u64()),
        (Some(4), Some(4), Some(0))
    );
}

#[test]
fn a_long_poll_is_answered_when_its_turn_comes() {
    let cluster = with_seats(1);
    let held = cluster.write("POST", "/api/v1/sessions", &json!({"type": "review"}));
    let seat = held["seat"].as_u64().expect("an id");
    let turn = thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let wish = json!({"type": "review", "queue": true, "token": true, "wait_ms": 20_000});
            wait_for("the turn", || {
                let turn = cluster.write("POST", "/api/v1/sessions", &wish);
                if turn["state"] == "held" { Ok(turn) } else { Err(turn.to_string()) }
            })
        });
        wait_for("somebody is in line", || match cluster.get(1, "/api/v1/seats/review")["waiting"].as_u64() {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        cluster.anyone("DELETE", &format!("/api/v1/sessions/{seat}"), b"").expect("a node answers");
        waits.join().expect("the long poll is answered")
    });
    let token = turn["token"].as_str().expect("a token");
    assert!(cluster.nodes.iter().all(|node| status_with(node.api, token) == 200));
}

/// A holder that died gives its seat back by the end of its lease, and whoever waits gets it: in the same long poll, and
/// though the leader was killed meanwhile.
#[test]
fn a_dead_client_s_seat_is_granted_in_a_long_poll_that_outlives_the_leader() {
    let mut cluster = with_seats(1);
    cluster.write("PATCH", "/api/v1/seats/review", &json!({"lease_ms": LEAST_LEASE_MS}));
    let (leader, token) = (cluster.leader(), cluster.token.clone());
    let alive: Vec<SocketAddr> =
        (0..3).filter(|index| *index != leader).map(|index| cluster.nodes[index].api).collect();
    let (_, dead) = take(&alive, 0, &token, "dies", false);
    let headers =
        format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: waits\r\n");
    let turn = thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let wish = json!({"type": "review", "queue": true, "token": true, "wait_ms": 20_000}).to_string();
            exchange(alive[0], "POST", "/api/v1/sessions", &headers, wish.as_bytes())
        });
        let follower = cluster.follower();
        wait_for("somebody is in line", || match cluster.get(follower, "/api/v1/seats/review")["waiting"].as_u64() {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        cluster.nodes[leader].kill();
        waits.join().expect("the client does not panic").expect("the long poll is answered")
    });
    let seat = turn.json();
    assert_eq!((turn.status, seat["state"].as_str()), (201, Some("held")), "{seat}");
    let of_seat = seat["token"].as_str().expect("a token");
    assert!(alive.iter().all(|node| status_with(*node, of_seat) == 200), "good on every node from the answer on");
    let of_dead = dead["token"].as_str().expect("a token");
    assert!(alive.iter().all(|node| status_with(*node, of_dead) == 401), "good on none after the session's end");
    cluster.nodes[leader].start();
    cluster.wait_ready(leader);
    assert_eq!(status_with(cluster.nodes[leader].api, of_dead), 401);
    cluster.alike();
}

#[test]
fn a_borrowed_seat_has_a_proof_that_needs_no_cluster() {
    let cluster = with_seats(2);
    let (proof, seat_token) = (cluster.path("laptop.proof"), cluster.path("seat.token"));
    let [proof, seat_token] = [proof, seat_token].map(|path| path.to_string_lossy().into_owned());
    let taken = cluster.cli(&["seat", "take", "review", "--workers", "2", "--token-out", &seat_token, "-o", "json"]);
    assert!(taken.status.success(), "{taken:?}");
    let taken: Value = serde_json::from_slice(&taken.stdout).expect("JSON");
    assert!(taken.get("token").is_none(), "a token goes into its file only");
    let id = taken["seat"].to_string();
    let refused = cluster.cli(&["seat", "borrow", &id, "--for", "48h", "--out", &proof]);
    assert_eq!(refused.status.code(), Some(6), "{refused:?}");
    assert!(cluster.cli(&["seat", "rules", "review", "--borrow-seats", "1"]).status.success());
    let borrowed = cluster.cli(&["seat", "borrow", &id, "--for", "48h", "--out", &proof]);
    assert!(borrowed.status.success(), "{borrowed:?}");
    let authority = cluster.path("operator/ca.pem").to_string_lossy().into_owned();
    let check = |file: &str| offline(&["seat", "verify", file, "--ca", &authority, "-o", "json"]);
    let good = check(&proof);
    assert!(good.status.success(), "{good:?}");
    let good: Value = serde_json::from_slice(&good.stdout).expect("JSON");
    assert_eq!((&good["type"], &good["workers"], &good["user"]), (&json!("review"), &json!(2), &json!("admin")));

    let text = std::fs::read_to_string(&proof).expect("a proof");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    let payload = document["payload"].as_str().expect("a payload").to_owned();
    document["payload"] = json!(format!("{}{}", &payload[1..], &payload[..1]));
    let bent = cluster.path("bent.proof").to_string_lossy().into_owned();
    std::fs::write(&bent, document.to_string()).expect("written");
    assert_eq!(check(&bent).status.code(), Some(6));

    let list = cluster.cli(&["seat", "list"]);
    let shown = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(shown.contains("review") && shown.contains("BORROWED"), "{shown}");
    for command in [vec!["seat", "release", &id], vec!["seat", "release", &id, "--even-borrowed"]] {
        let done = cluster.cli(&command);
        assert_eq!(done.status.success(), command.len() > 3, "{done:?}");
    }
    assert_eq!(cluster.cli(&["seat", "return", &id]).status.code(), Some(7));
}
