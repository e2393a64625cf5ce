//! Splunk's dialect against its documents: a test for every line of seed 002's method tables, docs/dialects/splunk.md
//! against the table of routes, and hostile arguments.

use std::collections::BTreeSet;

use hyper::HeaderMap;
use quartermaster::dialect::Needs;
use quartermaster::dialect::splunk::routes::{COMMON_ARGS, LIST_ARGS, ROUTES, Route};
use serde_json::Value;

use super::fixture::{Cluster, PASSWORD, basic};
use super::transcripts::{form_value, license, public_key};

/// A cluster with a license, a sized pool and a slave that has reported too much.
async fn furnished() -> Cluster {
    let cluster = Cluster::new();
    let key = serde_json::json!({"public_key": public_key(), "label": "test issuer"}).to_string();
    created(&cluster, "/api/v1/keys", &key).await;
    let payload = format!("name=a.lic&payload={}", form_value(&license("enterprise 1MB")));
    created(&cluster, "/services/licenser/licenses", &payload).await;
    created(&cluster, "/services/licenser/pools", "name=ops&quota=1KB&stack_id=enterprise&slaves=A1").await;
    let report = r#"{"slave": "A1", "sequence": 1, "rows": [{"bytes": 2000}]}"#;
    let (status, text) = cluster.ask_as("admin", "POST", "/api/v1/usage", report).await;
    assert_eq!(status, 200, "{text}");
    cluster
}

async fn created(cluster: &Cluster, target: &str, body: &str) {
    let (status, text) = cluster.ask_as("admin", "POST", target, body).await;
    assert_eq!(status, 201, "{target}: {text}");
}

async fn ask(cluster: &Cluster, method: &str, target: &str, body: &str) -> (u16, String) {
    cluster.ask_as("admin", method, target, body).await
}

/// The line's first entry must be there in both shapes, with every key that the seed documents.
async fn shows(cluster: &Cluster, path: &str, keys: &[&str]) {
    for target in [format!("/services/{path}"), format!("/servicesNS/nobody/system/{path}")] {
        let (status, text) = ask(cluster, "GET", &format!("{target}?output_mode=json"), "").await;
        assert_eq!(status, 200, "{target}: {text}");
        let json: Value = serde_json::from_str(&text).expect("is JSON");
        let content = json["entry"][0]["content"].as_object().unwrap_or_else(|| panic!("no entry in {text}"));
        let (status, xml) = ask(cluster, "GET", &target, "").await;
        assert_eq!(status, 200, "{target}: {xml}");
        for key in keys {
            assert!(content.contains_key(*key), "{target}: no {key} in {text}");
            assert!(xml.contains(&format!("<s:key name=\"{key}\">")), "{target}: no {key} in {xml}");
        }
        well_formed(&xml);
    }
}

/// Every answer in XML is one document.
fn well_formed(xml: &str) {
    let options = roxmltree::ParsingOptions::default();
    if let Err(error) = roxmltree::Document::parse_with_options(xml, options) {
        panic!("{error}: {xml}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_get_of_the_seed_shows_every_documented_key() {
    let cluster = furnished().await;
    let (_, text) = ask(&cluster, "GET", "/services/licenser/licenses?output_mode=json", "").await;
    let json: Value = serde_json::from_str(&text).expect("is JSON");
    let hash = json["entry"][0]["name"].as_str().expect("has a name").to_owned();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()));
    let (_, text) = ask(&cluster, "GET", "/services/licenser/messages?output_mode=json", "").await;
    let json: Value = serde_json::from_str(&text).expect("is JSON");
    let message = json["entry"][0]["name"].as_str().expect("has a name").to_owned();

    let group = ["is_active", "stack_ids"];
    let license = [
        "creation_time",
        "expiration_time",
        "features",
        "group_id",
        "label",
        "license_hash",
        "max_violations",
        "quota",
        "sourcetypes",
        "stack_id",
        "status",
        "type",
        "window_period",
    ];
    let local = [
        "add_ons",
        "connection_timeout",
        "features",
        "last_master_contact_attempt_time",
        "last_master_contact_success_time",
        "last_trackerdb_service_time",
        "license_keys",
        "master_guid",
        "master_uri",
        "receive_timeout",
        "send_timeout",
        "slave_id",
        "slave_label",
        "squash_threshold",
    ];
    let about = ["category", "create_time", "description", "pool_id", "severity", "slave_id", "stack_id"];
    let pool = ["description", "quota", "slaves", "slaves_usage_bytes", "stack_id", "used_bytes"];
    let slave = ["label", "pool_ids", "stack_ids", "warning_count"];
    let stack = ["label", "quota", "type"];
    shows(&cluster, "licenser/groups", &group).await;
    shows(&cluster, "licenser/groups/Enterprise", &group).await;
    shows(&cluster, "licenser/licenses", &license).await;
    shows(&cluster, &format!("licenser/licenses/{hash}"), &license).await;
    shows(&cluster, "licenser/localslave", &local).await;
    shows(&cluster, "licenser/messages", &about).await;
    shows(&cluster, &format!("licenser/messages/{message}"), &about).await;
    shows(&cluster, "licenser/pools", &pool).await;
    shows(&cluster, "licenser/pools/ops", &pool).await;
    shows(&cluster, "licenser/slaves", &slave).await;
    shows(&cluster, "licenser/slaves/A1", &slave).await;
    shows(&cluster, "licenser/stacks", &stack).await;
    shows(&cluster, "licenser/stacks/enterprise", &stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_of_the_seed_does_what_its_line_says() {
    for mode in ["xml", "json"] {
        let cluster = furnished().await;
        let ask = async |method: &str, target: &str, body: &str| {
            let target = format!("/services/licenser/{target}?output_mode={mode}");
            let (status, text) = cluster.ask_as("admin", method, &target, body).await;
            if mode == "xml" {
                well_formed(&text);
            } else {
                serde_json::from_str::<Value>(&text).expect("is JSON");
            }
            (status, text)
        };
        // POST licenser/pools, POST licenser/pools/{name}, DELETE licenser/pools/{name}
        assert_eq!(ask("POST", "pools", "name=p&quota=1KB&stack_id=Enterprise&slaves=B1&description=d").await.0, 201);
        assert_eq!(ask("POST", "pools/p", "quota=MAX").await.0, 400, "the automatic pool is MAX");
        assert_eq!(ask("POST", "pools/p", "append_slaves=1&slaves=B2&quota=2KB&description=e").await.0, 200);
        let pool = cluster.solo.view().state.pools.get("p").cloned().expect("is there");
        assert_eq!((pool.members.named.len(), &*pool.description), (2, "e"));
        assert_eq!(ask("DELETE", "pools/p", "").await.0, 200);
        assert_eq!(ask("GET", "pools/p", "").await.0, 404);
        // POST licenser/groups/{name}
        assert_eq!(ask("POST", "groups/Free", "is_active=1").await.0, 200);
        assert_eq!(&*cluster.solo.view().state.active_group, "Free");
        // POST licenser/licenses, DELETE licenser/licenses/{name}
        let payload = format!("name=b.lic&payload={}", form_value(&license("enterprise 2MB")));
        let (status, text) = ask("POST", "licenses", &payload).await;
        assert_eq!(status, 201, "{text}");
        assert!(text.contains("payload"), "the answer shows the document: {text}");
        let licenses: Vec<String> = cluster.solo.view().state.licenses.keys().map(|id| hex(id)).collect();
        let removed = &mut 0;
        for hash in licenses {
            *removed += u32::from(ask("DELETE", &format!("licenses/{hash}"), "").await.0 == 200);
        }
        assert_eq!(*removed, 2, "the last license of the active group stays");
    }
}

fn hex(bytes: &[u8]) -> String {
    quartermaster::domain::name::hex(bytes).to_uppercase()
}

/// A path of the route with something in its braces.
fn path(route: &Route) -> String {
    route.path.replace("{name}", "x7")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_anything_but_the_login() {
    let cluster = Cluster::new();
    for route in ROUTES.iter().filter(|route| route.needs != Needs::Nobody) {
        let (reply, text) = cluster.ask(route.method, &path(route), HeaderMap::new(), "").await;
        assert_eq!(reply.status.as_u16(), 401, "{} {}: {text}", route.method, route.path);
        assert!(text.contains("<msg type=\"ERROR\">Unauthorized</msg>"), "{text}");
        assert!(reply.headers.iter().any(|(name, _)| name == "www-authenticate"), "{}", route.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_reads_everything_and_writes_nothing() {
    let cluster = furnished().await;
    let viewer = format!("{{\"name\": \"eve\", \"password\": \"{PASSWORD}\", \"roles\": [\"viewer\"]}}");
    created(&cluster, "/api/v1/users", &viewer).await;
    for route in ROUTES.iter() {
        let Needs::Right(right) = route.needs else { continue };
        let (status, text) = cluster.ask_as("eve", route.method, &path(route), "").await;
        let reads = right == quartermaster::domain::user::Right::View;
        assert_eq!(status == 403, !reads, "{} {}: {status} {text}", route.method, route.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_argument_whatever_ends_in_a_5xx_or_another_shape() {
    let cluster = furnished().await;
    let many = "a=1&".repeat(500);
    let long = format!("name={}&quota=1&stack_id=enterprise", "x".repeat(100_000));
    let bodies = [
        "",
        "&&&",
        "=",
        "name",
        "name=&quota=&stack_id=",
        "%",
        "%zz=%",
        "\u{0}",
        "{\"a\":1}",
        "payload=<",
        &many,
        &long,
        "payload=%00",
        "quota=18446744073709551616",
        "slaves=%0d%0aX:1",
        "is_active=2",
        "description=%00",
        "name=%0a&quota=1MB&stack_id=enterprise",
    ];
    let queries = [
        "count=99999999999999999999",
        "count=-99999999999999999999",
        "offset=18446744073709551616",
        "offset=x",
        "count=1e9",
        "search=NOT",
        "search=%22",
        "f=%00",
        "sort_key=%00",
        "sort_mode=",
        "sort_dir=",
        "output_mode=",
        "output_mode=csv",
        "summarize=2",
        "consistency=x",
        "count=5&count=6",
    ];
    for route in ROUTES.iter() {
        for body in bodies {
            let (status, text) = ask(&cluster, route.method, &path(route), body).await;
            assert!(status < 500, "{} {} {body:.40?}: {status} {text}", route.method, route.path);
            well_formed(&text);
        }
        for query in queries {
            let target = format!("{}?{query}", path(route));
            let (status, text) = ask(&cluster, route.method, &target, "").await;
            assert!(status < 500, "{} {target}: {status} {text}", route.method);
            well_formed(&text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_cannot_break_an_answer() {
    let cluster = furnished().await;
    let nasty = "<b>&\"'\u{85}\u{FFFF}%20+\u{1F600}";
    let body = format!("name={0}&quota=1KB&stack_id=enterprise&description={0}&slaves={0}", form_value(nasty));
    let (status, text) = ask(&cluster, "POST", "/services/licenser/pools", &body).await;
    let name_is_taken = status == 201;
    well_formed(&text);
    let body = body.replacen(&form_value(nasty), "plain", 1);
    let (_, text) = ask(&cluster, "POST", "/services/licenser/pools", &body).await;
    well_formed(&text);
    let (_, xml) = ask(&cluster, "GET", "/services/licenser/pools?count=0", "").await;
    well_formed(&xml);
    let (_, json) = ask(&cluster, "GET", "/services/licenser/pools?count=0&output_mode=json", "").await;
    serde_json::from_str::<Value>(&json).expect("is JSON");
    assert!(!name_is_taken || json.contains("<b>"), "{json}");
    let mut headers = HeaderMap::new();
    headers.insert("authorization", basic("admin", PASSWORD).parse().expect("is a value"));
    let (reply, _) = cluster.ask("GET", "/services/licenser/pools/%0d%0aX-Evil:1", headers, "").await;
    assert_eq!(reply.status.as_u16(), 404);
    assert!(reply.headers.iter().all(|(name, _)| name != "x-evil"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_license_is_installed_by_name_from_the_folder_and_from_nowhere_else() {
    let folder = tempfile::tempdir().expect("a directory");
    let inside = folder.path().join("drop");
    std::fs::create_dir(&inside).expect("made");
    std::fs::write(inside.join("a.lic"), license("xml enterprise")).expect("written");
    std::fs::write(folder.path().join("secret.lic"), license("enterprise")).expect("written");
    std::os::unix::fs::symlink("../secret.lic", inside.join("link.lic")).expect("linked");
    let cluster = Cluster::with_license_folder(inside.clone());
    let key = serde_json::json!({"public_key": public_key(), "label": "test issuer"}).to_string();
    created(&cluster, "/api/v1/keys", &key).await;
    let mut answers = BTreeSet::new();
    for name in ["../secret.lic", "link.lic", "nothing.lic", "/etc/passwd", "file:///etc/passwd"] {
        let form = format!("name={}", form_value(name));
        let (status, text) = ask(&cluster, "POST", "/services/licenser/licenses", &form).await;
        assert_eq!(status, 400, "{name}: {text}");
        answers.insert(text.replace(name, "NAME"));
    }
    assert_eq!(answers.len(), 1, "what is not there and what is not allowed look the same: {answers:?}");
    let absolute = form_value(&inside.join("a.lic").to_string_lossy());
    created(&cluster, "/services/licenser/licenses", &format!("name={absolute}")).await;
    let (status, text) = ask(&cluster, "POST", "/services/licenser/licenses", "name=a.lic").await;
    assert_eq!(status, 409, "the same file by its relative name: {text}");
}

const PAGE: &str = include_str!("../../../docs/dialects/splunk.md");

/// The table's first column: `METHOD /path`.
fn documented() -> BTreeSet<String> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `") && line.contains(" /services/"));
    rows.filter_map(|line| line.split('`').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_page_lists_every_endpoint_and_no_other() {
    let built: BTreeSet<String> = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented(), built);
}

#[test]
fn the_page_lists_every_parameter_of_every_endpoint() {
    for route in ROUTES.iter() {
        let row = format!("| `{} {}` |", route.method, route.path);
        let line = PAGE.lines().find(|line| line.starts_with(&row)).expect("the endpoint is listed");
        let cell = line.split('|').nth(2).unwrap_or_default();
        let told: BTreeSet<&str> = cell.split('`').skip(1).step_by(2).collect();
        let takes: BTreeSet<&str> = route.takes.iter().map(|arg| arg.name).collect();
        assert_eq!(told, takes, "{row}");
    }
    for name in LIST_ARGS.iter().chain(&COMMON_ARGS) {
        assert!(PAGE.contains(&format!("| `{name}` |")), "the page does not say what {name} means");
    }
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for line in PAGE.lines().filter(|line| line.starts_with("| `") && line.contains(" /services/")) {
        let test = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        assert!(!test.is_empty(), "no test in {line}");
        for file in test.split(", ") {
            assert!(root.join("tests").join(file).exists(), "{file} is not there: {line}");
        }
    }
}
