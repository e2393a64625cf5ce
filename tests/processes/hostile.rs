//! Huge and hostile license texts at a real node, in every language that takes one: refused with a 4xx, and the node takes
//! no more memory for one than a fixed multiple of the longest text that it reads.

use std::fs;

use quartermaster::signing::DOCUMENT_BYTES;

use super::harness::Cluster;
use super::node::wait_for;
use super::wire::exchange;

/// How many times the longest text a node may take for one, in kilobytes: a JSON value is up to 32 bytes for two that are
/// sent, and a text stands in memory as a body, as a form and as a document.
const MOST_KB: u64 = 96 * (DOCUMENT_BYTES as u64 >> 10);

/// A text and what it is.
struct Text {
    what: &'static str,
    text: String,
}

/// As much of `item` as a document may have, between `begin` and `end`.
fn filled(what: &'static str, begin: &str, item: &str, end: &str) -> Text {
    let room = DOCUMENT_BYTES - begin.len() - end.len();
    Text { what, text: format!("{begin}{}{end}", item.repeat(room / item.len())) }
}

/// Attributes or namespaces of different names, as many as fit beside `rest`.
fn numbered(what: &'static str, attribute: &str, rest: &str) -> Text {
    let room = DOCUMENT_BYTES - rest.len() - 100;
    let mut names = String::new();
    for number in 0.. {
        let next = attribute.replace('#', &format!("{number:x}"));
        if names.len() + next.len() > room {
            break;
        }
        names.push_str(&next);
    }
    Text { what, text: format!("<license{names}>{rest}</license>") }
}

fn texts() -> Vec<Text> {
    let laughs: String = (0..30).map(|at| format!("<!ENTITY a{} \"&a{at};&a{at};&a{at};&a{at};\">", at + 1)).collect();
    vec![
        Text {
            what: "entities",
            text: format!("<!DOCTYPE license [<!ENTITY a0 \"ha\">{laughs}]><license>&a30;</license>"),
        },
        filled("elements", "<license>", "<a/>", "</license>"),
        filled("depth", "<license>", "<a>", ""),
        filled("text", "<license>", "&#65;", "</license>"),
        numbered("attributes", " a#=\"\"", ""),
        numbered("namespaces", " xmlns:a#='b'", &"<a xmlns:c='d'/>".repeat(4_000)),
        filled("lists in JSON", "{\"license\":[", "[],", "[]]}"),
        filled("numbers in JSON", "{\"license\":[", "1,", "1]}"),
        filled("objects in JSON", "{\"licenses\":[", "{},", "{}]}"),
        filled("depth in JSON", "{\"license\":", "[", ""),
        filled("a signature", "{\"license\":{\"uid\":\"u\",\"signature\":\"", "A", "\"}}"),
        filled("a block", "----- LICENSE START -----\n", "QUJD", "\n----- LICENSE END -----"),
        filled("lines", "-----BEGIN QUARTERMASTER LICENSE-----\n", "\n", ""),
        filled("points", "nuix.", ".", ""),
        filled("noise", "", "\u{1F600}\u{FFFF}", ""),
    ]
}

/// The text where each language takes one.
fn requests(text: &str) -> Vec<(&'static str, &'static str, &'static str, Vec<u8>)> {
    let json = serde_json::json!({ "license": text }).to_string();
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    vec![
        ("POST", "/api/v1/licenses", "text/plain", text.as_bytes().to_vec()),
        ("POST", "/services/licenser/licenses", "", format!("name=a.lic&payload={encoded}").into_bytes()),
        ("POST", "/services/licenser/licenses", "", text.as_bytes().to_vec()),
        ("PUT", "/_license?acknowledge=true", "application/json", text.as_bytes().to_vec()),
        ("PUT", "/v1/license", "application/json", json.clone().into_bytes()),
        ("PUT", "/v1/license", "application/json", text.as_bytes().to_vec()),
        ("POST", "/admin/license", "application/json", serde_json::json!({ "key": text }).to_string().into_bytes()),
    ]
}

#[test]
fn no_license_text_takes_more_memory_than_a_multiple_of_the_longest() {
    let cluster = Cluster::start(1);
    let before = cluster.get(0, "/api/v1/licenses");
    let mut worst = (0, String::new());
    for Text { what, text } in texts() {
        for (method, path, kind, body) in requests(&text) {
            let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
            let headers = format!("Authorization: Bearer {}\r\n{kind}", cluster.token);
            let before = forget_peak(&cluster);
            let answer = wait_for("an answer", || {
                let answer = exchange(cluster.nodes[0].api, method, path, &headers, &body);
                answer.map_err(|error| error.to_string())
            });
            let grown = kilobytes(&cluster, "VmHWM:").saturating_sub(before);
            // what Elasticsearch answers to a license that nobody signed is a 200 that says so
            let invalid = String::from_utf8_lossy(&answer.body).contains("\"license_status\":\"invalid\"");
            assert!((400..500).contains(&answer.status) || invalid, "{what}: {method} {path}: {answer:?}");
            assert!(grown <= MOST_KB, "{what}: {method} {path} took {grown} KB, at most {MOST_KB}");
            if grown > worst.0 {
                worst = (grown, format!("{what}: {method} {path}"));
            }
        }
    }
    eprintln!("the most was {} KB of {MOST_KB}: {}", worst.0, worst.1);
    assert_eq!(cluster.get(0, "/api/v1/licenses"), before, "nothing was installed");
}

/// Has the kernel forget a node's peak; what it has now.
fn forget_peak(cluster: &Cluster) -> u64 {
    let file = format!("/proc/{}/clear_refs", cluster.nodes[0].pid());
    fs::write(file, "5").expect("a process may clear what is its own user's");
    kilobytes(cluster, "VmRSS:")
}

fn kilobytes(cluster: &Cluster, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", cluster.nodes[0].pid())).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a running process has a size");
    line.trim().trim_end_matches(" kB").parse().expect("a size is a number")
}
