//! No password, token, hash of one, or license text comes back out.

use super::fixture::{Cluster, PASSWORD};
use super::transcripts::{license, public_key};
use quartermaster::domain::name::{hex, sha256};

/// Every answer that a reader without the right to license texts can get.
const ANSWERS: [&str; 12] = [
    "journal?limit=0",
    "users",
    "tokens",
    "licenses",
    "keys",
    "cluster",
    "settings",
    "whoami",
    "roles",
    "seats",
    "sessions",
    "openapi.json",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_appears_in_any_answer() {
    let cluster = Cluster::new();
    let key = serde_json::json!({"public_key": public_key()}).to_string();
    let document = license("enterprise");
    let secret = "a secret that nobody may see";
    let user = serde_json::json!({"name": "ann", "password": secret, "roles": ["viewer"]}).to_string();
    let ticket = hex(&sha256(&[b"ticket"]));
    let wish = serde_json::json!({"secret_hash": ticket}).to_string();
    for (path, body) in [("keys", &key), ("licenses", &document), ("users", &user), ("cluster/tickets", &wish)] {
        let (status, text) = cluster.ask_as("admin", "POST", &format!("/api/v1/{path}"), body).await;
        assert_eq!(status, 201, "{path}: {text}");
    }
    let (status, text) = cluster.ask_as("admin", "POST", "/api/v1/tokens", "{\"label\": \"agent\"}").await;
    assert_eq!(status, 201, "{text}");
    let answer: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
    let token = answer["token"].as_str().expect("has a token").to_owned();
    let wrong = cluster
        .ask_as("admin", "POST", "/api/v1/login", "{\"username\": \"ann\", \"password\": \"guessed wrong\"}")
        .await;
    assert_eq!(wrong.0, 401);

    let armor = document.lines().nth(4).expect("has a payload");
    let hashes = [hex(&sha256(&[token.as_bytes()])), ticket];
    let mut secrets = vec![secret, PASSWORD, "guessed wrong", "$argon2id$", &token, armor];
    secrets.extend(hashes.iter().map(String::as_str));
    for answer in ANSWERS {
        let (status, text) = cluster.ask_as("admin", "GET", &format!("/api/v1/{answer}"), "").await;
        assert_eq!(status, 200, "{answer}: {text}");
        for secret in &secrets {
            assert!(!text.contains(secret), "{answer} shows {secret}");
        }
    }
    let (_, text) = cluster.ask_as("admin", "GET", "/api/v1/licenses?limit=1", "").await;
    let listed: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
    let id = listed["items"][0]["id"].as_str().expect("is there").to_owned();
    let (status, text) = cluster.ask_as("admin", "GET", &format!("/api/v1/licenses/{id}/text"), "").await;
    assert_eq!((status, text), (200, document), "those with the right get it byte for byte");
    let (status, _) = cluster.ask_as("ann", "GET", "/api/v1/pools", "").await;
    assert_eq!(status, 401, "ann has another password");
}
