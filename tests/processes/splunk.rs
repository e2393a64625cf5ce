//! Splunk's dialect on real nodes: the vendor's own library, its Ansible role's calls, many editors at once, long lists.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use serde_json::Value;

use super::harness::{ADMIN, Cluster, PASSWORD, offline};
use super::node::wait_for;
use super::vendor;
use super::wire::{Answer, exchange};

/// What the vendor's command-line tool and its Ansible role send: a password on every request.
fn basic() -> String {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD.encode(format!("{ADMIN}:{PASSWORD}"));
    format!("Authorization: Basic {secret}\r\n")
}

/// One request at one node; asked again while that has no leader.
fn ask(cluster: &Cluster, node: usize, method: &str, path: &str, form: &str) -> Answer {
    let headers = format!("Authorization: Splunk {}\r\n", cluster.token);
    ask_with(cluster, node, &headers, (method, path, form))
}

fn ask_with(cluster: &Cluster, node: usize, headers: &str, (method, path, form): (&str, &str, &str)) -> Answer {
    wait_for(&format!("{method} {path}"), || {
        let answer = exchange(cluster.nodes[node].api, method, path, headers, form.as_bytes());
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status == 503 { Err(format!("{answer:?}")) } else { Ok(answer) }
    })
}

fn content(answer: &Answer) -> Value {
    answer.json()["entry"][0]["content"].clone()
}

/// A license in the vendor's own format, by the issuer that the cluster trusts.
fn xml_license(cluster: &Cluster) -> String {
    cluster.signed_license("1GB");
    let [key, claims, out] = ["issuer.pem", "xml.json", "signed.lic"].map(|name| cluster.folder.path().join(name));
    fs::write(&claims, r#"{"label": "Example Corp production", "quota": "10GB"}"#).expect("a claims file");
    let [key, claims, file] = [&key, &claims, &out].map(|path| path.to_string_lossy().into_owned());
    let output =
        offline(&["license", "sign", "--format", "splunk", "--key", &key, "--claims", &claims, "--out", &file]);
    assert!(output.status.success(), "license sign: {output:?}");
    fs::read_to_string(&out).expect("a signed license")
}

fn library(version: &str) {
    let cluster = Cluster::start(3);
    let license = xml_license(&cluster);
    vendor::run(&format!("splunk-sdk-{version}"), "splunk.py", &cluster, &[("QM_LICENSE", &license)]);
    cluster.alike();
}

#[test]
fn the_vendors_python_library_2_1_1_works_with_each_request_at_another_node() {
    library("2.1.1");
}

#[test]
fn the_vendors_python_library_3_0_1_works_with_each_request_at_another_node() {
    library("3.0.1");
}

/// `library/splunk_api.py` and `roles/splunk_common/tasks/licenses` of splunk-ansible: Basic on every call, a form that
/// says it is JSON, exactly 200.
#[test]
fn the_vendors_ansible_role_activates_free_through_any_node() {
    let cluster = Cluster::start(2);
    let headers = format!("{}Content-Type: application/json\r\n", basic());
    let group = "/services/licenser/groups/Free";
    let before = ask_with(&cluster, 0, &headers, ("GET", &format!("{group}?output_mode=json"), ""));
    assert_eq!((before.status, &content(&before)["is_active"]), (200, &Value::Bool(false)), "{before:?}");
    let done = ask_with(&cluster, 1, &headers, ("POST", group, "is_active=1"));
    assert_eq!(done.status, 200, "{done:?}");
    let after = ask_with(&cluster, 0, &headers, ("GET", &format!("{group}?output_mode=json"), ""));
    assert_eq!(content(&after)["is_active"], Value::Bool(true), "{after:?}");
    let info = ask_with(&cluster, 1, &headers, ("GET", "/services/server/info?output_mode=json", ""));
    let roles = content(&info)["server_roles"].to_string();
    assert!(roles.contains("license_master") && content(&info)["isFree"] == Value::Bool(true), "{info:?}");
}

/// How many edit at once.
const EDITORS: usize = 200;
/// How often each edits its pool, and the one that all share.
const EDITS: usize = 5;

/// Every editor writes quota, description and slaves of its own pool together, reads them at another node, and adds
/// itself to a shared pool: no edit is torn, none vanishes.
#[test]
fn two_hundred_editors_at_once_never_see_a_torn_or_vanished_edit() {
    let cluster = Cluster::start(3);
    let license = cluster.signed_license("1TB");
    cluster.install(&license);
    let shared = ask(&cluster, 0, "POST", "/services/licenser/pools", "name=shared&quota=1MB&stack_id=enterprise");
    assert_eq!(shared.status, 201, "{shared:?}");
    thread::scope(|scope| {
        for editor in 0..EDITORS {
            let cluster = &cluster;
            scope.spawn(move || edit(cluster, editor));
        }
    });
    let path = "/services/licenser/pools/shared?output_mode=json";
    for node in 0..3 {
        let found = content(&ask(&cluster, node, "GET", path, ""));
        let slaves: BTreeSet<&str> =
            found["slaves"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert_eq!(slaves.len(), EDITORS * EDITS, "an edit vanished at node {node}");
    }
    cluster.alike();
}

fn edit(cluster: &Cluster, editor: usize) {
    let name = format!("pool{editor}");
    let target = format!("/services/licenser/pools/{name}?output_mode=json");
    let made = format!("name={name}&quota=1&stack_id=enterprise&output_mode=json");
    let made = ask(cluster, editor % 3, "POST", "/services/licenser/pools", &made);
    assert_eq!(made.status, 201, "{made:?}");
    for turn in 1..=EDITS {
        let form = format!("quota={turn}KB&description=turn+{turn}&slaves=own{editor}-{turn}");
        let edited = ask(cluster, (editor + turn) % 3, "POST", &target, &form);
        assert_eq!(edited.status, 200, "{edited:?}");
        let found = content(&ask(cluster, (editor + turn + 1) % 3, "GET", &target, ""));
        let seen = (&found["quota"], &found["description"], &found["slaves"][0]);
        let wanted = (Value::from(turn << 10), format!("turn {turn}").into(), format!("own{editor}-{turn}").into());
        assert_eq!(seen, (&wanted.0, &wanted.1, &wanted.2), "torn or vanished at turn {turn}: {found}");
        let form = format!("append_slaves=1&slaves=shared{editor}-{turn}");
        let shared = ask(cluster, (editor + turn) % 3, "POST", "/services/licenser/pools/shared", &form);
        assert_eq!(shared.status, 200, "{shared:?}");
    }
}

/// How many slaves a long list has.
const SLAVES: usize = 100_000;
/// How many readers stop in the middle of it.
const STALLED: usize = 8;
/// How many bytes a node may take for all of them: each list alone is longer than this.
const GROWTH_KB: u64 = 96 << 10;
/// The same in another order than the state's: eight times all slaves with their keys would be more.
const SORTED_GROWTH_KB: u64 = 56 << 10;

#[test]
fn lists_of_a_hundred_thousand_slaves_page_and_stream_in_bounded_memory() {
    let cluster = Cluster::start(1);
    cluster.install(&cluster.signed_license("1TB"));
    for batch in 0..SLAVES / 2_000 {
        let reports: Vec<Value> = (0..2_000)
            .map(|at| serde_json::json!({"slave": format!("{:08X}", batch * 2_000 + at), "sequence": 1, "rows": [{"bytes": 1}]}))
            .collect();
        cluster.write("POST", "/api/v1/usage", &serde_json::json!({"reports": reports}));
    }
    let mut names = BTreeSet::new();
    for page in 0..10 {
        let path = format!("/services/licenser/slaves?output_mode=json&f=label&count=10001&offset={}", page * 10_001);
        let answer = ask(&cluster, 0, "GET", &path, "").json();
        assert_eq!(answer["paging"]["total"], Value::from(SLAVES + 1), "the master lists itself, too");
        names.extend(answer["entry"].as_array().expect("a page").iter().map(|entry| entry["name"].to_string()));
    }
    assert_eq!(names.len(), SLAVES + 1, "a slave is on no page, or on two");

    // the same pages from the end, in an order that the state does not keep
    let mut sorted = Vec::new();
    for offset in [0, 49_999, 99_991] {
        let order = "sort_key=label&sort_dir=desc&search=label=0*";
        let path = format!("/services/licenser/slaves?output_mode=json&f=label&count=10&offset={offset}&{order}");
        let answer = ask(&cluster, 0, "GET", &path, "").json();
        assert_eq!(answer["paging"]["total"], Value::from(SLAVES), "the master has another label");
        let page = answer["entry"].as_array().expect("a page");
        sorted.push((page.len(), page.first().map(|entry| entry["name"].clone())));
    }
    let name = |at: usize| Some(Value::from(format!("{at:08X}")));
    assert_eq!(sorted, [(10, name(SLAVES - 1)), (10, name(SLAVES - 50_000)), (9, name(8))]);

    for (query, most) in [("sort_key=label&sort_dir=desc&count=-1", SORTED_GROWTH_KB), ("count=-1", GROWTH_KB)] {
        let before = resident_kb(&cluster);
        let readers: Vec<TcpStream> = (0..STALLED).map(|_| begin(&cluster, query)).collect();
        let after = resident_kb(&cluster);
        eprintln!("{query}: {before} KB, and {after} KB while {STALLED} readers stopped");
        assert!(after.saturating_sub(before) < most, "{query}: {before} KB grew to {after} KB");
        drop(readers);
    }
    let all = ask(&cluster, 0, "GET", "/services/licenser/slaves?count=-1", "");
    let entries = all.body.windows(7).filter(|window| window == b"<entry>").count();
    assert_eq!(entries, SLAVES + 1);
    assert!(all.body.len() as u64 > GROWTH_KB << 10, "a list of {} bytes shows nothing", all.body.len());
}

/// Asks for all slaves and reads the beginning of the answer only.
fn begin(cluster: &Cluster, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(cluster.nodes[0].api).expect("the node listens");
    let request = format!(
        "GET /services/licenser/slaves?{query} HTTP/1.1\r\nHost: q\r\nAuthorization: Splunk {}\r\n\r\n",
        cluster.token
    );
    stream.write_all(request.as_bytes()).expect("the node reads");
    stream.read_exact(&mut vec![0; 1 << 20]).expect("the list is longer than this");
    stream
}

/// What a node has in memory.
fn resident_kb(cluster: &Cluster) -> u64 {
    let pid = cluster.nodes[0].pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process has a size");
    line.trim().trim_end_matches(" kB").parse().expect("a size is a number")
}
