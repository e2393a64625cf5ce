//! Signed licenses on real nodes: Elasticsearch's own clients, an issuer that shares no code with ours, and one truth on
//! every node.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{Cluster, offline};
use super::vendor;

/// An issuer key of the kind, made by the binary under test and trusted; its private half's file.
fn issuer(cluster: &Cluster, algorithm: &str) -> String {
    let key = cluster.path(&format!("{algorithm}.pem")).to_string_lossy().into_owned();
    let output = offline(&["license", "keygen", "--algorithm", algorithm, "--out", &key]);
    assert!(output.status.success(), "{output:?}");
    let public = fs::read_to_string(format!("{key}.pub")).expect("keygen writes the public half");
    cluster.write("POST", "/api/v1/keys", &json!({"public_key": public, "label": algorithm}));
    key
}

/// The document that another issuer's script signs with openssl.
fn signed_elsewhere(key: &str, spec: &Value, version: u32) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/elastic_sign.py");
    let output = Command::new("python3")
        .arg(script)
        .args([key, &spec.to_string(), &version.to_string()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("is text")
}

#[test]
fn elasticsearchs_own_clients_work_while_a_node_is_down() {
    let mut cluster = Cluster::start(3);
    let key = issuer(&cluster, "rsa");
    let follower = cluster.follower();
    cluster.nodes[follower].kill();
    let token = cluster.token.clone();
    for (package, trial) in [("elasticsearch-8.19.3", "left"), ("elasticsearch-9.5.1", "used")] {
        let environment = [("QM_RSA_KEY", key.as_str()), ("QM_TOKEN", token.as_str()), ("QM_TRIAL", trial)];
        vendor::run(package, "elastic.py", &cluster, &environment);
    }
    cluster.nodes[follower].start();
    cluster.wait_ready(follower);
    cluster.alike();
    let shown: Vec<Value> = (0..3).map(|index| cluster.get(index, "/_license")).collect();
    assert!(shown.iter().all(|one| *one == shown[0] && one["license"]["type"] == "basic"), "{shown:?}");
}

#[test]
fn another_issuers_license_is_taken_and_one_changed_byte_is_not() {
    let cluster = Cluster::start(1);
    let key = issuer(&cluster, "rsa");
    let path = cluster.path("independent.json");
    let file = path.to_string_lossy().into_owned();
    for version in 2..=5 {
        let spec = json!({
            "uid": format!("independent {version}"), "type": "platinum", "issue_date_in_millis": 1_700_000_000_000_u64,
            "expiry_date_in_millis": 4_000_000_000_000_u64, "max_nodes": 7, "issued_to": "Åse \"& Co\"", "issuer": "another",
        });
        let document = signed_elsewhere(&key, &spec, version);
        fs::write(&path, &document).expect("a file");
        let inspected = offline(&["license", "inspect", &file, "--key", &format!("{key}.pub"), "-o", "json"]);
        assert!(inspected.status.success(), "{inspected:?}");
        let forged = document.replacen("\"max_nodes\": 7", "\"max_nodes\": 8", 1);
        assert_ne!(forged, document);
        let answer =
            cluster.write("PUT", "/_license?acknowledge=true", &serde_json::from_str(&forged).expect("is JSON"));
        assert_eq!(answer, json!({"acknowledged": true, "license_status": "invalid"}));
        fs::write(&path, &forged).expect("a file");
        let inspected = offline(&["license", "inspect", &file, "--key", &format!("{key}.pub"), "-o", "json"]);
        assert_ne!(inspected.status.code(), Some(0), "{inspected:?}");
        let answer =
            cluster.write("PUT", "/_license?acknowledge=true", &serde_json::from_str(&document).expect("is JSON"));
        assert_eq!(answer, json!({"acknowledged": true, "license_status": "valid"}), "version {version}");
        assert_eq!(cluster.get(0, "/_license")["license"]["uid"], format!("independent {version}"));
        fs::write(&path, &document).expect("a file");
    }
    // it is a license like any other, and once it was revoked no way leads back
    let all = cluster.get(0, "/api/v1/licenses");
    let shown = all["items"].as_array().and_then(|items| items.iter().find(|item| item["format"] == "elastic"));
    let id = shown.expect("it is listed like any other")["id"].as_str().expect("an id").to_owned();
    let revoked = cluster.cli(&["license", "revoke", &id, "--yes"]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert_eq!(cluster.get(0, "/_license")["license"]["type"], "basic");
    let document = fs::read_to_string(&path).expect("a file");
    let answer = cluster.write("PUT", "/_license?acknowledge=true", &serde_json::from_str(&document).expect("is JSON"));
    assert_eq!(answer, json!({"acknowledged": true, "license_status": "invalid"}));
    let added = cluster.cli(&["license", "add", &file]);
    assert!(!added.status.success() && String::from_utf8_lossy(&added.stderr).contains("revoked"), "{added:?}");
}

/// What a client waits for at most is what it gets: a node that has no majority says so when the time is over that the
/// client gave it, not before and not when its own patience ends.
#[test]
fn a_node_without_a_majority_waits_as_long_as_the_client_does() {
    let mut cluster = Cluster::start(3);
    let key = issuer(&cluster, "rsa");
    let spec = json!({
        "uid": "u", "type": "platinum", "issue_date_in_millis": 1, "expiry_date_in_millis": 4_000_000_000_000_u64,
        "max_nodes": 7, "issued_to": "a", "issuer": "b",
    });
    let document = signed_elsewhere(&key, &spec, 5);
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    let ask = |method: &str, path: &str, body: &str| {
        let begun = Instant::now();
        let answer = cluster.ask(0, method, path, body.as_bytes()).expect("an answer");
        assert_eq!(answer.status, 503, "{method} {path}: {answer:?}");
        let kind = answer.json()["error"]["type"].as_str().unwrap_or_default().to_owned();
        (begun.elapsed(), kind)
    };
    let long = Duration::from_secs(3);
    let ask = &ask;
    let (short, waited): (Vec<_>, _) = thread::scope(|scope| {
        let last = scope.spawn(|| ask("GET", "/_license?master_timeout=3s", "").0);
        let asked = [
            ("GET", "master_timeout=400ms"),
            ("GET", "master_timeout=400000micros"),
            ("PUT", "master_timeout=400000000nanos"),
            ("PUT", "timeout=400ms"),
            ("PUT", "timeout=400ms&master_timeout=-1"),
            ("POST", "timeout=1h&master_timeout=400ms"),
        ];
        let asked = asked.map(|(method, times)| {
            let body = if method == "GET" { "" } else { document.as_str() };
            scope.spawn(move || (method, times, ask(method, &format!("/_license?{times}"), body)))
        });
        let asked = asked.into_iter().map(|one| one.join().expect("an answer")).collect();
        (asked, last.join().expect("an answer"))
    });
    assert!(waited >= long, "{waited:?}");
    for (method, unit, (took, kind)) in short {
        assert!(took >= Duration::from_millis(400) && took < waited, "{method} {unit}: {took:?} of {waited:?}");
        let known = ["master_not_discovered_exception", "process_cluster_event_timeout_exception"];
        assert!(known.contains(&kind.as_str()), "{method} {unit}: {kind}");
    }
}

#[test]
fn redis_licenses_are_the_same_on_every_node() {
    let cluster = Cluster::start(3);
    let key = issuer(&cluster, "ed25519");
    let claims = cluster.path("redis.toml");
    fs::write(
        &claims,
        "owner = \"Corp\"\nram_shards_limit = 48\nflash_shards_limit = 16\nfeatures = [\"bigstore\"]\n\
         expiration_date = \"2999-01-01T00:00:00Z\"\n",
    )
    .expect("a claims file");
    let out = cluster.path("redis.lic").to_string_lossy().into_owned();
    let claims = claims.to_string_lossy().into_owned();
    let output = offline(&["license", "sign", "--format", "redis", "--key", &key, "--claims", &claims, "--out", &out]);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&out).expect("a document");
    let body = json!({ "license": text }).to_string();
    assert_eq!(cluster.ask(0, "GET", "/v1/license", b"").expect("an answer").status, 404);
    let answer = cluster.ask(1, "PUT", "/v1/license", body.as_bytes()).expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
    let levels = json!({"slave": "R1", "sequence": 1, "rows": [], "levels": {"ram_shards": 9, "flash_shards": 2}});
    cluster.write("POST", "/api/v1/usage", &levels);
    let shown: Vec<Value> = (0..3).map(|index| cluster.get(index, "/v1/license")).collect();
    assert!(shown.iter().all(|one| *one == shown[0]), "{shown:?}");
    assert_eq!(shown[0]["license"], text);
    assert_eq!((&shown[0]["shards_limit"], &shown[0]["ram_shards_in_use"]), (&json!(64), &json!(9)));
    let metrics = cluster.ask(2, "GET", "/metrics", b"").expect("an answer");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    for line in [
        "license_shards_limit{cluster=\"test\",shard_type=\"ram\"} 48",
        "cluster_shards_limit{cluster=\"test\",shard_type=\"flash\"} 16",
        "bdb_shards_used{bdb=\"all\",cluster=\"test\",shard_type=\"ram\"} 9",
        "license_expiration_days{cluster=\"test\"} ",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}
