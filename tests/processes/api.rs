//! Hostile and broken input over a socket: a 4xx in our shape or a close in time; never a 5xx, a hang or a panic.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::Cluster;
use super::wire::{Answer, exchange, parse, raw};

/// A slow client is cut off after header or body deadline (10 and 30 seconds), with some time for a busy machine.
const CUT_OFF: Duration = Duration::from_secs(50);

fn expect_4xx(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
    let error = answer.json()["error"].clone();
    for field in ["code", "message"] {
        assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {field}: {answer:?}");
    }
    assert!(!answer.head.to_ascii_lowercase().contains("text/plain"), "{what}: {}", answer.head);
}

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000)).into_bytes();
    vec![
        ("no body", Vec::new()),
        ("half an object", b"{\"slave\": \"A\", ".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a number", b"7".to_vec()),
        ("null", b"null".to_vec()),
        ("wrong types", br#"{"slave": 5, "sequence": "one", "rows": {}}"#.to_vec()),
        ("negative bytes", br#"{"slave": "A", "sequence": 1, "rows": [{"bytes": -1}]}"#.to_vec()),
        ("a fraction", br#"{"slave": "A", "sequence": 1, "rows": [{"bytes": 1.5}]}"#.to_vec()),
        ("too large a number", br#"{"slave": "A", "sequence": 1, "rows": [{"bytes": 99999999999999999999}]}"#.to_vec()),
        ("an exponent", br#"{"slave": "A", "sequence": 1e400, "rows": []}"#.to_vec()),
        ("not a number", br#"{"slave": "A", "sequence": NaN, "rows": []}"#.to_vec()),
        ("bad UTF-8", b"{\"slave\": \"\xff\xfe\", \"sequence\": 1, \"rows\": []}".to_vec()),
        ("a lone surrogate", br#"{"slave": "\ud800", "sequence": 1, "rows": []}"#.to_vec()),
        ("deep arrays", deep("[", "]")),
        ("deep objects", deep("{\"a\":", "}")),
        ("an unknown field", br#"{"slave": "A", "sequence": 1, "rows": [], "sudo": true}"#.to_vec()),
        ("trailing words", br#"{"slave": "A", "sequence": 1, "rows": []} and more"#.to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><a/>".to_vec()),
        ("zeros", vec![0; 1000]),
        ("a huge name", format!("{{\"name\": \"{}\", \"slave\": \"A\"}}", "x".repeat(200_000)).into_bytes()),
        ("larger than any limit", vec![b' '; 70 << 20]),
    ]
}

#[test]
fn broken_bodies_get_a_4xx_in_our_shape_on_every_write() {
    let cluster = Cluster::start(1);
    let paths = routes(&cluster).into_iter().filter(|(method, path)| {
        matches!(method.as_str(), "POST" | "PUT" | "PATCH") && !path.ends_with("/promote") && !path.ends_with("/logout")
    });
    for (method, path) in paths.collect::<Vec<_>>() {
        for (what, body) in bodies() {
            if body.len() > 1 << 20 && path != "/api/v1/usage" && path != "/api/v1/licenses" {
                continue;
            }
            let what = format!("{method} {path} with {what}");
            match cluster.ask(0, &method, &path, &body) {
                Ok(answer) => expect_4xx(&answer, &what),
                // a body far beyond the limit may be met by a close
                Err(error) => assert!(body.len() > 1 << 20, "{what}: {error}"),
            }
        }
    }
    assert!(!cluster.nodes[0].words().contains("panicked"), "{}", cluster.nodes[0].words());
    cluster.wait_ready(0);
}

/// Every route of the OpenAPI document, with something in place of each parameter.
fn routes(cluster: &Cluster) -> Vec<(String, String)> {
    let document = cluster.get(0, "/api/v1/openapi.json");
    let paths: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_value(document["paths"].clone()).expect("an OpenAPI document has paths");
    let mut found = Vec::new();
    for (path, methods) in paths {
        let mut filled = String::new();
        for piece in path.split_inclusive('/') {
            let bare = piece.trim_end_matches('/');
            filled.push_str(if bare.starts_with('{') { "1" } else { bare });
            filled.push_str(if piece.ends_with('/') { "/" } else { "" });
        }
        for method in methods.keys().filter(|name| ["get", "put", "post", "patch", "delete"].contains(&name.as_str())) {
            found.push((method.to_uppercase(), filled.clone()));
        }
    }
    assert!(found.len() > 30, "the document names the routes: {found:?}");
    found
}

#[test]
fn without_credentials_every_route_but_the_public_ones_answers_401() {
    let cluster = Cluster::start(1);
    let to = cluster.nodes[0].api;
    let mut open = Vec::new();
    for (method, path) in routes(&cluster) {
        for headers in ["", "Authorization: Bearer nonsense\r\n", "Authorization: Basic bm9ib2R5OnNlY3JldA==\r\n"] {
            let answer = exchange(to, &method, &path, headers, b"").expect("an answer");
            if answer.status == 401 {
                expect_4xx(&answer, &path);
                assert!(answer.header("www-authenticate").is_some(), "{method} {path}: {}", answer.head);
            } else if !(headers.contains("Basic") && answer.status == 429) {
                // 429: who guesses too often is locked out
                open.push(format!("{method} {path}: {answer:?}"));
            }
        }
    }
    open.dedup();
    let public = ["POST /api/v1/login", "GET /api/v1/openapi.json"];
    assert!(
        open.iter().all(|route| public.iter().any(|public| route.starts_with(public))),
        "open to everybody: {open:?}"
    );
    for path in ["/livez", "/readyz"] {
        assert_eq!(exchange(to, "GET", path, "", b"").expect("an answer").status, 200, "{path}");
    }
    let metrics = exchange(to, "GET", "/metrics", "", b"").expect("an answer");
    assert!(matches!(metrics.status, 401 | 404), "metrics on the API port without credentials: {metrics:?}");
}

#[test]
fn odd_requests_get_a_4xx_or_a_close_in_time() {
    let cluster = Cluster::start(1);
    let to = cluster.nodes[0].api;
    let auth = format!("Authorization: Bearer {}\r\n", cluster.token);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{auth}\r\n").into_bytes();
    let many: String = (0..300).map(|number| format!("X-{number}: 1\r\n")).collect();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("an unknown path", get("/api/v1/nothing")),
        ("an unknown version", get("/api/v9/pools")),
        ("the root of nothing", get("/nothing/at/all")),
        ("a path that climbs", get("/api/v1/../../etc/passwd")),
        ("an encoded climb", get("/api/v1/pools/%2e%2e%2f%2e%2e%2fetc")),
        ("broken percent", get("/api/v1/pools/%zz")),
        ("bad UTF-8 in the path", get("/api/v1/pools/%ff%fe")),
        ("a zero in the path", get("/api/v1/pools/a%00b")),
        (
            "a wrong method",
            format!("DELETE /api/v1/cluster HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{auth}\r\n").into(),
        ),
        (
            "an unknown method",
            format!("BREW /api/v1/pools HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{auth}\r\n").into(),
        ),
        ("a limit that is no number", get("/api/v1/pools?limit=many")),
        ("a huge limit", get("/api/v1/journal?after=0&limit=99999999999999999999")),
        ("a date that is none", get("/api/v1/usage/days?from=yesterday&to=2026-99-99")),
        ("an unknown dimension", get("/api/v1/usage/days?by=everything")),
        ("no such digest", get("/api/v1/journal/digest?seq=99999999")),
        ("a digest of nothing", get("/api/v1/journal/digest?seq=-1")),
        ("a long path", get(&format!("/api/v1/pools/{}", "x".repeat(60_000)))),
        ("many headers", format!("GET /api/v1/pools HTTP/1.1\r\nHost: x\r\n{many}{auth}\r\n").into()),
        (
            "a huge header",
            format!("GET /api/v1/pools HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\n\r\n", "y".repeat(500_000)).into(),
        ),
        ("no HTTP at all", b"hello, is anybody there?\r\n\r\n".to_vec()),
        ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(40)),
        (
            "two lengths",
            b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n{}{}{".to_vec(),
        ),
        ("a length that is none", b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n".to_vec()),
        (
            "a bad chunk",
            b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n".to_vec(),
        ),
    ];
    for (what, request) in table {
        let answer = raw(to, &request, Duration::from_secs(20));
        let Ok(bytes) = answer else { continue };
        if let Some(answer) = parse(&bytes) {
            assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
        }
    }
    assert!(!cluster.nodes[0].words().contains("panicked"), "{}", cluster.nodes[0].words());
    cluster.wait_ready(0);
}

#[test]
fn chunked_bodies_are_read_and_limited() {
    let cluster = Cluster::start(1);
    let to = cluster.nodes[0].api;
    let auth = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", cluster.token);
    let head = format!(
        "POST /api/v1/usage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n{auth}\r\n"
    );
    let body = json!({"slave": "CHUNKED", "sequence": 1, "rows": [{"bytes": 12}]}).to_string();
    let mut good = head.clone().into_bytes();
    for piece in body.as_bytes().chunks(5) {
        good.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        good.extend_from_slice(piece);
        good.extend_from_slice(b"\r\n");
    }
    good.extend_from_slice(b"0\r\n\r\n");
    let answer = parse(&raw(to, &good, Duration::from_secs(20)).expect("an answer")).expect("HTTP");
    assert_eq!(answer.expect_ok("chunked")["results"][0]["status"], "accepted");

    let mut endless = head.into_bytes();
    let chunk = vec![b' '; 1 << 20];
    for _ in 0..80 {
        endless.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        endless.extend_from_slice(&chunk);
        endless.extend_from_slice(b"\r\n");
    }
    if let Some(answer) = raw(to, &endless, Duration::from_secs(40)).ok().and_then(|bytes| parse(&bytes)) {
        expect_4xx(&answer, "80 MiB in chunks");
    }
    cluster.wait_ready(0);
}

/// Opens a connection, sends the beginning of a request and waits for the other side to act.
fn half_request(to: SocketAddr, beginning: &'static [u8]) -> thread::JoinHandle<Duration> {
    thread::spawn(move || {
        let began = Instant::now();
        let mut stream = TcpStream::connect(to).expect("a connection");
        stream.write_all(beginning).expect("a few bytes");
        stream.set_read_timeout(Some(CUT_OFF)).expect("a deadline");
        let mut rest = Vec::new();
        // an answer or a reset both end it; only silence is wrong
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
        began.elapsed()
    })
}

#[test]
fn slow_clients_are_cut_off_and_hold_nobody_up() {
    let cluster = Cluster::start(1);
    let to = cluster.nodes[0].api;
    let beginnings: [&'static [u8]; 3] = [
        b"GET /api/v1/poo",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Le",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{\"user",
    ];
    let slow: Vec<_> = (0..150).map(|number| half_request(to, beginnings[number % beginnings.len()])).collect();
    for _ in 0..20 {
        let began = Instant::now();
        let answer = cluster.ask(0, "GET", "/api/v1/cluster", b"").expect("an answer beside the slow ones");
        assert_eq!(answer.status, 200);
        assert!(began.elapsed() < Duration::from_secs(10), "slow clients hold up the others: {:?}", began.elapsed());
    }
    for client in slow {
        let took = client.join().expect("a client that was answered or closed");
        assert!(took < CUT_OFF, "a half request was held for {took:?}");
    }
    cluster.wait_ready(0);
}

#[test]
fn an_encrypted_node_is_reached_with_its_ca_and_by_nobody_else() {
    let cluster = Cluster::encrypted();
    let ca = cluster.path("operator").join("ca.pem").to_string_lossy().into_owned();
    let good = cluster.cli(&["cluster", "status", "--ca", &ca]);
    assert!(good.status.success(), "{good:?}");
    let stranger = cluster.cli(&["cluster", "status", "--timeout", "2s"]);
    assert_eq!(stranger.status.code(), Some(3), "without the CA no node can be reached: {stranger:?}");
    let plain = exchange(cluster.nodes[0].api, "GET", "/livez", "", b"");
    assert!(!plain.is_ok_and(|answer| answer.status == 200), "an encrypted port answers in plain");
    let words = cluster.nodes[0].words();
    assert!(!words.contains("panicked"), "{words}");
    cluster.wait_ready(0);
}

#[test]
fn the_metrics_port_serves_valid_metrics_and_nothing_else() {
    let cluster = Cluster::licensed(1);
    let to = cluster.nodes[0].metrics;
    let metrics = exchange(to, "GET", "/metrics", "", b"").expect("an answer");
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body).expect("metrics are text");
    for name in ["quartermaster_build_info", "quartermaster_raft_has_leader", "quartermaster_stack_quota_bytes"] {
        assert!(text.contains(name), "{name} is missing");
    }
    for path in ["/api/v1/cluster", "/api/v1/users", "/nothing"] {
        let answer = exchange(to, "GET", path, "", b"").expect("an answer");
        assert_eq!(answer.status, 404, "{path} on the metrics port");
    }
    check_metrics(&text);
}

/// promtool's opinion, where promtool is installed (the gate installs it).
fn check_metrics(text: &str) {
    use std::process::{Command, Stdio};
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return };
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("promtool ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
