//! Any request through the door of every language, as an administrator: never a 5xx, never a panic, and in Splunk's
//! language always one whole document. The input is a request as the transcripts of the tests write it: method and target,
//! headers, an empty line, the body.
#![no_main]

use std::cell::RefCell;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use quartermaster::domain::intent::Command;
use quartermaster::domain::name::sha256;
use quartermaster::domain::user::{Actor, Credential, TokenKind, UserCommand};
use quartermaster_fuzz::{TRUSTED, requests, seed};

#[path = "../../tests/pure/api/fixture.rs"]
#[allow(dead_code)]
mod fixture;

/// A token of the administrator.
const TOKEN: &str = "qm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// How many requests a cluster answers before a fresh one does: each may leave something behind.
const REQUESTS: usize = 200;

thread_local! {
    // whoever waits in line or for work waits in a time of its own
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("starts");
    static CLUSTER: RefCell<(usize, Option<fixture::Cluster>)> = const { RefCell::new((0, None)) };
}

fn fresh() -> fixture::Cluster {
    let cluster = fixture::Cluster::new();
    cluster.begin();
    let admin = || Actor { user: "admin".into(), credential: Credential::Password { version: 1 } };
    let token = UserCommand::CreateToken {
        user: "admin".into(),
        hash: sha256(&[TOKEN.as_bytes()]),
        kind: TokenKind::Session,
        label: "fuzz".into(),
        ttl_ms: 3_600_000,
    };
    cluster.solo.submit(admin(), None, Command::User(token));
    for key in TRUSTED.values() {
        cluster.solo.submit(admin(), None, Command::TrustKey(key.clone()));
    }
    cluster
}

fuzz_target!(init: seed(requests()), |text: &str| {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    if method.is_empty() || hyper::Method::from_bytes(method.as_bytes()).is_err() {
        return;
    }
    let mut headers = HeaderMap::new();
    for line in lines.take(50) {
        let Some((name, value)) = line.split_once(": ") else { return };
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) else { return };
        // passwords are slow to check, and that is another test's business
        if name != AUTHORIZATION && name != "cookie" {
            headers.append(name, value);
        }
    }
    let bearer = HeaderValue::from_str(&format!("Bearer {TOKEN}")).expect("is a value");
    headers.insert(AUTHORIZATION, bearer);
    // logins and users bring passwords, too
    let slow = ["login", "auth", "users", "authenticate", "password"];
    if slow.iter().any(|word| target.contains(word)) {
        return;
    }
    CLUSTER.with_borrow_mut(|(answered, cluster)| {
        if *answered % REQUESTS == 0 {
            *cluster = Some(fresh());
        }
        *answered += 1;
        let cluster = cluster.as_ref().expect("there is one");
        let (reply, answer) = RUNTIME.with(|runtime| runtime.block_on(cluster.ask(method, target, headers, body)));
        assert!(reply.status.as_u16() < 500, "{}: {answer}", reply.status);
        if target.starts_with("/services") && !answer.is_empty() {
            let json = serde_json::from_str::<serde_json::Value>(&answer).is_ok();
            assert!(json || roxmltree::Document::parse(&answer).is_ok(), "no document: {answer}");
        }
    });
});
