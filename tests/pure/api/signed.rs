//! The dialects of one signed license, Elasticsearch's and Redis Enterprise's, against their pages and hostile bodies; and
//! the test's own issuer for their transcripts.

use std::collections::BTreeSet;

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
