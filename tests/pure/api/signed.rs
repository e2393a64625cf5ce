//! The dialects of one signed license, Elasticsearch's and Redis Enterprise's, against their pages and hostile bodies; and
//! the test's own issuer for their transcripts.

use std::collections::BTreeSet;
use std::path::Path;

use hyper::HeaderMap;
use quartermaster::dialect::{elastic, redis};
use quartermaster::domain::license::Format;
use quartermaster::domain::time::Moment;
use quartermaster::signing::claims::ClaimsFile;
use quartermaster::signing::keys::SigningKey;

use super::fixture::{BEGIN, Cluster};

const ED25519: &str = include_str!("../../dialects/issuer.pem");
const RSA: &str = include_str!("../../dialects/issuer-rsa.pem");

fn rsa() -> SigningKey {
    SigningKey::from_pem(RSA).expect("is a key")
}

/// Puts the signed documents of both products into a transcript's request: `ELASTIC({…})` becomes a license object,
/// `REDIS({…})` a text block as a JSON string holds it, `REDIS_ONE_LINE({…})` the same with two characters for a line end.
pub(super) fn filled(text: &str) -> String {
    let public = || rsa().public().expect("has a public half");
    let mut text =
        text.replace("RSA_PUBLIC_KEY", &public().to_pem().replace('\n', "\\n")).replace("RSA_KEY_ID", &public().id());
    for (word, write) in [
        ("ELASTIC({", elastic_license as fn(&str) -> String),
        ("REDIS({", |claims: &str| redis_license(claims).replace('\n', "\\n")),
        ("REDIS_ONE_LINE({", |claims: &str| redis_license(claims).replace('\n', "\\\\n")),
    ] {
        while let Some(begin) = text.find(word) {
            let end = begin + text[begin..].find("})").expect("is closed");
            let claims = text[begin + word.len() - 1..=end].to_owned();
            text.replace_range(begin..end + 2, &write(&claims));
        }
    }
    text
}

fn signed(format: Format, key: &SigningKey, claims: &str) -> String {
    let claims = ClaimsFile::parse(claims).expect("are claims");
    quartermaster::signing::sign(format, key, claims, Moment(BEGIN)).expect("can be signed")
}

fn elastic_license(claims: &str) -> String {
    let document = signed(Format::Elastic, &rsa(), claims);
    let inner = document.trim_end().strip_prefix("{\"license\":").and_then(|rest| rest.strip_suffix('}'));
    inner.expect("is one license").to_owned()
}

fn redis_license(claims: &str) -> String {
    signed(Format::Redis, &SigningKey::from_pem(ED25519).expect("is a key"), claims)
}

/// Method, path and parameters of each row of a page's first table.
fn rows(page: &str) -> BTreeSet<(String, String, String)> {
    let rows =
        page.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].to_owned(), cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

fn row(method: &str, path: &str, query: &[&str]) -> (String, String, String) {
    let query = if query.is_empty() { "–".to_owned() } else { query.join(", ") };
    (method.to_owned(), path.to_owned(), query)
}

#[test]
fn the_pages_list_what_is_answered() {
    let answered = elastic::routes::ROUTES.iter().map(|route| row(route.method, route.path, route.query)).collect();
    assert_eq!(rows(include_str!("../../../docs/dialects/elastic.md")), answered);
    let answered = redis::ROUTES.iter().map(|route| row(route.method, route.path, route.query)).collect();
    assert_eq!(rows(include_str!("../../../docs/dialects/redis.md")), answered);
}

#[test]
fn the_pages_name_the_right_of_each_path() {
    let rights = |page: &str, path: &str, method: &str, right: &str| {
        page.lines()
            .any(|line| line.starts_with(&format!("| {method} | `{path}` |")) && line.contains(&format!("| {right} |")))
    };
    for route in &elastic::routes::ROUTES {
        let page = include_str!("../../../docs/dialects/elastic.md");
        assert!(rights(page, route.path, route.method, route.right.name()), "{} {}", route.method, route.path);
    }
    for route in &redis::ROUTES {
        let page = include_str!("../../../docs/dialects/redis.md");
        assert!(rights(page, route.path, route.method, route.right.name()), "{} {}", route.method, route.path);
    }
}

/// Method and status of every block in a dialect's transcripts.
fn told(dialect: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects").join(dialect);
    let files = std::fs::read_dir(folder).expect("has transcripts");
    let texts = files.map(|file| std::fs::read_to_string(file.expect("is a file").path()).expect("is text"));
    let mut told = BTreeSet::new();
    for text in texts {
        for (request, reply) in text.split("===\n").filter_map(|block| block.split_once("---\n")) {
            let line = request.lines().find(|line| !line.is_empty() && !line.starts_with(['#', '@']));
            let method = line.and_then(|line| line.split(' ').next()).unwrap_or_default();
            told.insert(format!("{method} {}", reply.lines().next().unwrap_or_default()));
        }
    }
    told
}

/// Of both seeds, and of what their notes add. A node without a majority (503) is shown by `processes/licenses.rs`, no
/// license in force (404) and too long a body (413) below.
#[test]
fn every_status_code_of_both_seeds_is_shown() {
    let redis = ["GET 200", "GET 404", "PUT 200", "PUT 400", "PUT 406", "GET 401", "PUT 403", "DELETE 405"];
    let elastic = [
        "GET 200",
        "HEAD 200",
        "PUT 200",
        "POST 200",
        "DELETE 200",
        "GET 400",
        "PUT 400",
        "POST 400",
        "GET 401",
        "DELETE 403",
        "POST 403",
        "POST 405",
        "PUT 406",
        "OPTIONS 200",
    ];
    for (dialect, wanted) in [("redis", &redis[..]), ("elastic", &elastic)] {
        let told = told(dialect);
        let missing: Vec<&&str> = wanted.iter().filter(|code| !told.contains(**code)).collect();
        assert!(missing.is_empty(), "{dialect}: no transcript shows {missing:?}");
    }
    let install = include_str!("../../dialects/elastic/install.http");
    for status in ["valid", "invalid", "expired"] {
        assert!(install.contains(&format!("\"license_status\":\"{status}\"")), "{status}");
    }
    assert!(install.contains("{\"acknowledged\":false,\"license_status\":\"valid\",\"acknowledge\":{"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_license_is_404_and_too_long_a_body_is_413() {
    // a cluster that has not granted itself the basic license
    let cluster = Cluster::new();
    assert_eq!(ask(&cluster, "GET", "/_license", "").await, (404, "{}".to_owned()));
    assert_eq!(ask(&cluster, "GET", "/v1/license", "").await.0, 404);
    let huge = format!("{{\"license\":\"{}\"}}", "A".repeat(300_000));
    for (path, code) in [("/_license", "content_too_long_exception"), ("/v1/license", "too_large")] {
        let (status, text) = ask(&cluster, "PUT", path, &huge).await;
        assert!(status == 413 && text.contains(code), "{status} {text}");
    }
}

async fn ask(cluster: &Cluster, method: &str, target: &str, body: &str) -> (u16, String) {
    let mut headers = HeaderMap::new();
    headers.insert(
        "authorization",
        super::fixture::basic("admin", super::fixture::PASSWORD).parse().expect("is a header"),
    );
    headers.insert("content-type", "application/json".parse().expect("is a header"));
    let (reply, text) = cluster.ask(method, target, headers, body).await;
    (reply.status.as_u16(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_without_a_credential() {
    let cluster = Cluster::new();
    let elastic = elastic::routes::ROUTES.iter().map(|route| (route.method, route.path));
    for (method, path) in elastic.chain(redis::ROUTES.iter().map(|route| (route.method, route.path))) {
        let (reply, text) = cluster.ask(method, path, HeaderMap::new(), "").await;
        assert_eq!(reply.status.as_u16(), 401, "{method} {path}: {text}");
        assert!(reply.headers.iter().any(|(name, _)| name == "www-authenticate"), "{method} {path}");
        assert!(reply.headers.iter().all(|(name, _)| name != "x-elastic-product"), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_whatever_ends_in_a_5xx_or_changes_anything() {
    let cluster = Cluster::new();
    cluster.begin();
    let (_, before) = ask(&cluster, "GET", "/_license", "").await;
    let deep = format!("{{\"license\":{}", "[".repeat(100_000));
    let wide = format!("{{\"licenses\":[{}]}}", vec!["{\"uid\":\"u\"}"; 5_000].join(","));
    let long = format!("{{\"license\":{{\"uid\":\"{0}\",\"signature\":\"{0}\"}}}}", "A".repeat(60_000));
    let huge = format!("{{\"license\":\"{}\"}}", "A".repeat(300_000));
    let block = format!("{{\"license\":\"----- LICENSE START -----{}----- LICENSE END -----\"}}", "A".repeat(200_000));
    let bodies = [
        "null",
        "0",
        "\"\"",
        "{\"license\":null}",
        "{\"license\":{}}",
        "{\"licenses\":[null]}",
        "{\"licenses\":[[]]}",
        "{\"license\":\"\"}",
        "{\"license\":\"\\u0000\"}",
        "{\"license\":\"----- LICENSE START ----------- LICENSE END -----\"}",
        "{\"license\":{\"uid\":1e999}}",
        "{\"license\":{\"uid\":\"u\",\"type\":\"gold\",\"issue_date_in_millis\":9223372036854775808,\"signature\":\"AAAAAwAAAAAAAAAAAAAAAA==\"}}",
        "{\"license\":{\"uid\":\"u\",\"type\":\"gold\",\"issue_date_in_millis\":-9223372036854775808,\"signature\":\"AAAAAwAAAAAAAAAAAAAAAA==\"}}",
        "\u{feff}{}",
        "{\"license\":{\"uid\":\"\u{1F600}\u{0301}\",\"signature\":\"====\"}}",
        &deep,
        &wide,
        &long,
        &huge,
        &block,
    ];
    for target in ["/_license", "/_license?acknowledge=true", "/v1/license", "/license?dry_run=true"] {
        for body in bodies {
            let (status, text) = ask(&cluster, "PUT", target, body).await;
            assert!((400..500).contains(&status), "{target} {body:.60}: {status} {text:.200}");
            assert!(text.contains("\"error\"") || text.contains("\"error_code\""), "{text:.200}");
        }
    }
    for query in [
        "filter_path=**.**.**.**.x",
        "filter_path=%2a%2a%2a",
        "filter_path=,,-,-",
        "pretty=&human=",
        "timeout=99999999999999999999d",
    ] {
        let (status, text) = ask(&cluster, "GET", &format!("/_license?{query}"), "").await;
        assert!(status < 500, "{query}: {status} {text}");
    }
    assert_eq!(ask(&cluster, "GET", "/_license", "").await.1, before);
    assert_eq!(ask(&cluster, "GET", "/v1/license", "").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_the_seed_is_taken_and_shown_as_it_was_written() {
    let cluster = Cluster::new();
    let trust = filled(r#"{"public_key": "RSA_PUBLIC_KEY", "label": "issuer"}"#);
    assert_eq!(ask(&cluster, "POST", "/api/v1/keys", &trust).await.0, 201);
    for kind in ["missing", "trial", "basic", "standard", "dev", "silver", "gold", "platinum", "enterprise"] {
        let limit = if kind == "enterprise" { "max_resource_units" } else { "max_nodes" };
        let license = filled(&format!(
            r#"{{"license": ELASTIC({{"uid":"{kind}","type":"{kind}","issue_date_in_millis":1,"expiry_date_in_millis":4000000000000,"{limit}":7,"issued_to":"a","issuer":"b"}})}}"#
        ));
        let valid = (200, "{\"acknowledged\":true,\"license_status\":\"valid\"}".to_owned());
        assert_eq!(ask(&cluster, "PUT", "/_license?acknowledge", &license).await, valid, "{kind}");
        let (_, shown) = ask(&cluster, "GET", "/_license?pretty=false", "").await;
        assert!(shown.contains(&format!("\"type\":\"{kind}\"")) && shown.contains("\"active\""), "{kind}: {shown}");
    }
}

/// A text that nobody may believe is 400, whatever it says: its terms are not looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_license_is_400_before_it_is_406() {
    let cluster = Cluster::new();
    let trust = serde_json::json!({"public_key": super::transcripts::public_key(), "label": "issuer"}).to_string();
    assert_eq!(ask(&cluster, "POST", "/api/v1/keys", &trust).await.0, 201);
    let claims = r#"{"id":"r","shards_limit":1,"cluster_name":"another","activation_date":"2020-01-01T00:00:00Z","expiration_date":"2021-01-01T00:00:00Z","issued":"2020-01-01T00:00:00Z"}"#;
    let text = redis_license(claims);
    let body = |text: &str| serde_json::json!({ "license": text }).to_string();
    let (status, answer) = ask(&cluster, "PUT", "/v1/license", &body(&text)).await;
    assert_eq!(status, 406, "{answer}");
    // a letter of the payload, behind marker, layout, key and signature
    let at = text.find('\n').expect("has lines") + 1 + 150;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &text[..at], &text[at + 1..]);
    let (status, answer) = ask(&cluster, "PUT", "/v1/license", &body(&forged)).await;
    assert!(status == 400 && answer.contains("invalid_license"), "{status} {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_blocks_neither_renewal_nor_reading() {
    let cluster = Cluster::new();
    let trust = filled(r#"{"public_key": "RSA_PUBLIC_KEY", "label": "issuer"}"#);
    assert_eq!(ask(&cluster, "POST", "/api/v1/keys", &trust).await.0, 201);
    let license = |uid: &str, expiry: u64| {
        filled(&format!(
            r#"{{"license": ELASTIC({{"uid":"{uid}","type":"gold","issue_date_in_millis":1,"expiry_date_in_millis":{expiry},"max_nodes":1,"issued_to":"a","issuer":"b"}})}}"#
        ))
    };
    assert_eq!(ask(&cluster, "PUT", "/_license?acknowledge", &license("one", BEGIN + 1_000)).await.0, 200);
    cluster.solo.set_time(super::fixture::stamp(BEGIN + 2_000));
    let report = r#"{"slave": "S", "sequence": 1, "rows": [], "levels": {"nodes": 2}}"#;
    assert_eq!(ask(&cluster, "POST", "/api/v1/usage", report).await.0, 200);
    let (_, shown) = ask(&cluster, "GET", "/_license?filter_path=license.status", "").await;
    assert!(shown.contains("\"expired\""), "{shown}");
    let (status, text) = ask(&cluster, "PUT", "/_license?acknowledge", &license("two", BEGIN + 100_000)).await;
    assert_eq!((status, text.as_str()), (200, "{\"acknowledged\":true,\"license_status\":\"valid\"}"));
}
