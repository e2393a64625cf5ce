//! No secret leaves by a side door: not by logs, data files, journal answers, metrics or error messages.

use std::fs;

use serde_json::json;

use super::files::files_under;
use super::harness::{Cluster, PASSWORD};
use super::wire::exchange;

const USERS_PASSWORD: &str = "wrenches-and-9-spanners";
const WRONG_PASSWORD: &str = "mistyped-secret-4711";

fn holds(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn no_secret_is_in_logs_files_journal_or_metrics() {
    let mut cluster = Cluster::licensed(3);
    let document = String::from_utf8(cluster.signed_license("1TB")).expect("a license is text");
    cluster.install(document.as_bytes());
    let user = json!({"name": "dora", "password": USERS_PASSWORD, "roles": ["viewer"]});
    cluster.write("POST", "/api/v1/users", &user);
    let made = cluster.write("POST", "/api/v1/tokens", &json!({"label": "robot"}));
    let api_token = made["token"].as_str().expect("a token is answered once").to_owned();
    let login = json!({"username": "dora", "password": USERS_PASSWORD}).to_string();
    let session = cluster.ask(1, "POST", "/api/v1/login", login.as_bytes()).expect("an answer");
    let session = session.expect_ok("login")["token"].as_str().expect("a token").to_owned();
    let wrong = json!({"username": "dora", "password": WRONG_PASSWORD}).to_string();
    let refused = cluster.ask(2, "POST", "/api/v1/login", wrong.as_bytes()).expect("an answer");
    assert_eq!(refused.status, 401, "{refused:?}");
    let ticket = cluster.path("leak.ticket");
    cluster.ticket(&ticket);
    cluster.report("S", 1);
    cluster.alike();

    // the signature's line: whoever has it has the license
    let signature = document.lines().find_map(|line| line.strip_prefix("Signature: ")).expect("a signature").to_owned();
    let ticket = fs::read_to_string(ticket).expect("a ticket");
    let secrets = [
        ("the administrator's password", PASSWORD.to_owned()),
        ("a user's password", USERS_PASSWORD.to_owned()),
        ("a mistyped password", WRONG_PASSWORD.to_owned()),
        ("an API token", api_token),
        ("a session's token", session.clone()),
        ("the tests' own token", cluster.token.clone()),
    ];

    // what answers and logs must not hold, licenses and tickets included
    let mut shown: Vec<(String, Vec<u8>)> = Vec::new();
    for (index, node) in cluster.nodes.iter().enumerate() {
        shown.push((format!("log of {}", node.name), node.words().into_bytes()));
        let metrics = exchange(node.metrics, "GET", "/metrics", "", b"").expect("metrics");
        shown.push((format!("metrics of {}", node.name), metrics.body));
        let journal = cluster.ask(index, "GET", "/api/v1/journal?after=0&limit=1000", b"").expect("the journal");
        assert!(journal.body.len() > 1000, "{journal:?}");
        shown.push((format!("journal of {}", node.name), journal.body));
    }
    for path in ["users", "users/dora", "tokens", "licenses", "keys", "settings", "cluster", "messages"] {
        let answer = cluster.ask(0, "GET", &format!("/api/v1/{path}"), b"").expect("an answer");
        shown.push((format!("GET {path}"), answer.body));
    }
    let mut hidden = secrets.to_vec();
    hidden.push(("a license's signature", signature));
    hidden.extend(
        ticket.lines().filter(|line| line.len() > 40).map(|line| ("a ticket's line", line.to_owned())).take(200),
    );
    let public = fs::read_to_string(cluster.path("operator").join("ca.pem")).unwrap_or_default();
    hidden.retain(|(what, line)| *what != "a ticket's line" || !public.contains(line.as_str()));
    for (place, text) in &shown {
        for (what, secret) in &hidden {
            assert!(!holds(text, secret), "{what} stands in the {place}");
        }
    }

    // what lies on the disks: hashes only
    for node in &mut cluster.nodes {
        assert!(node.stop().success());
        for file in files_under(&node.data) {
            let bytes = fs::read(&file).expect("a file of the node");
            for (what, secret) in &secrets {
                assert!(!holds(&bytes, secret), "{what} stands in {}", file.display());
            }
        }
    }
}

#[test]
fn a_license_is_shown_only_to_those_with_the_right() {
    let cluster = Cluster::licensed(1);
    let all = cluster.get(0, "/api/v1/licenses");
    let signed = all["items"].as_array().and_then(|items| items.iter().find(|item| item["format"] == "native"));
    let id = signed.expect("a license")["id"].as_str().expect("an id").to_owned();
    let text = cluster.ask(0, "GET", &format!("/api/v1/licenses/{id}/text"), b"").expect("an answer");
    assert_eq!(text.status, 200);
    assert!(holds(&text.body, "BEGIN QUARTERMASTER LICENSE"));
    cluster.write("POST", "/api/v1/users", &json!({"name": "eve", "password": USERS_PASSWORD, "roles": ["viewer"]}));
    let login = json!({"username": "eve", "password": USERS_PASSWORD}).to_string();
    let session = cluster.ask(0, "POST", "/api/v1/login", login.as_bytes()).expect("an answer").expect_ok("login");
    let token = session["token"].as_str().expect("a token");
    let refused = cluster.nodes[0].ask("GET", &format!("/api/v1/licenses/{id}/text"), token, b"").expect("an answer");
    assert_eq!(refused.status, 403, "{refused:?}");
    let listed = cluster.nodes[0].ask("GET", "/api/v1/licenses", token, b"").expect("an answer");
    assert_eq!(listed.status, 200, "a viewer sees that there is one");
    assert!(!holds(&listed.body, "BEGIN QUARTERMASTER LICENSE"));
}

#[test]
fn keys_and_directories_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let cluster = Cluster::start(1);
    let mut private = files_under(&cluster.path("operator"));
    private.retain(|path| !path.ends_with("ca.pem"));
    private.extend(
        files_under(&cluster.nodes[0].data.join("identity"))
            .into_iter()
            .filter(|path| path.to_string_lossy().contains("key")),
    );
    assert!(private.len() >= 2, "the CA's key and the node's key: {private:?}");
    for path in private {
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is readable by others: {mode:o}", path.display());
    }
}
