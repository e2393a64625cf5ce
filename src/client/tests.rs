//! The client against nodes that die, hang and refuse.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a node does with a request.
#[derive(Clone, Copy)]
enum Act {
    /// Answers with this status (and headers) and body.
    Answer(&'static str, &'static str),
    /// Reads the request and closes without an answer.
    Drop,
    /// Reads the request and never answers.
    Hang,
}

const OK: Act = Act::Answer("200 OK", r#"{"done":17}"#);
const NO_LEADER: Act =
    Act::Answer("503 Service Unavailable", r#"{"error":{"code":"no_leader","message":"no leader"}}"#);
const UNKNOWN: Act = Act::Answer("504 Gateway Timeout\r\nquartermaster-write: unknown", "{}");
const LATER: Act = Act::Answer("503 Service Unavailable\r\nretry-after: 60", "");
const REFUSED: Act = Act::Answer(
    "409 Conflict",
    r#"{"error":{"code":"pool_exists","message":"there is such a pool","numbers":{},"hint":"edit it","done":"no"}}"#,
);

/// A node that follows a script, the last act for ever, and remembers what it was sent.
struct Node {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Node {
    async fn start(script: &'static [Act]) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = seen.clone();
        tokio::spawn(async move {
            let mut hung = Vec::new();
            let mut acts =
                script.iter().copied().cycle().take(script.len()).chain(script.last().copied().into_iter().cycle());
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = read_request(&mut socket).await;
                heard.lock().expect("no panic").push(request);
                match acts.next().expect("an endless script") {
                    Act::Answer(head, body) => {
                        let length = body.len();
                        let text =
                            format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                        socket.write_all(text.as_bytes()).await.expect("written");
                    }
                    Act::Drop => drop(socket),
                    Act::Hang => hung.push(socket),
                }
            }
        });
        Node { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |n| n.parse().expect("n"));
            if body.len() >= length {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        let read = socket.read(&mut buffer).await.expect("a request");
        assert!(read > 0, "closed within a request");
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// An address where nobody listens: bound once, so that it was free, and closed again.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

fn client(nodes: &[&str], timeout_ms: u64) -> Client {
    let mut config = ClientConfig::new(nodes.iter().copied());
    config.timeout = Some(Duration::from_millis(timeout_ms));
    config.attempt_timeout = Some(Duration::from_millis(timeout_ms / 4));
    config.unreachable_patience = Some(Duration::from_millis(50));
    Client::new(config).expect("a client")
}

fn header(request: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}: ");
    request.lines().find_map(|line| line.strip_prefix(prefix.as_str())).map(str::to_owned)
}

#[tokio::test]
async fn a_dead_node_is_passed_over_and_the_next_one_remembered() {
    let (dead, alive) = (nobody().await, Node::start(&[OK]).await);
    let client = client(&[&dead, &alive.url], 5_000);
    for _ in 0..2 {
        let reply = client.send(Request::get(["pools"])).await.expect("an answer");
        assert_eq!((reply.node.as_str(), reply.json().expect("json")["done"].as_u64()), (alive.url.as_str(), Some(17)));
    }
    assert_eq!(client.order().next(), Some(1));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_sent_again_under_the_same_key() {
    let (first, second) = (Node::start(&[Act::Drop]).await, Node::start(&[NO_LEADER, UNKNOWN, OK]).await);
    let client = client(&[&first.url, &second.url], 5_000);
    let request = Request::post(["pools"]).json(&serde_json::json!({"name": "a"}));
    client.send(request).await.expect("done in the end");
    let sent = [first.seen(), second.seen()].concat();
    assert!(sent.len() >= 4);
    let keys: Vec<_> = sent.iter().map(|request| header(request, "idempotency-key")).collect();
    assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(sent.iter().all(|request| request.ends_with(r#"{"name":"a"}"#)));
}

#[tokio::test]
async fn a_hanging_node_does_not_keep_the_next_one_from_being_asked() {
    let (hanging, alive) = (Node::start(&[Act::Hang]).await, Node::start(&[OK]).await);
    let client = client(&[&hanging.url, &alive.url], 2_000);
    client.send(Request::get(["pools"])).await.expect("an answer");
    assert_eq!(hanging.seen().len(), 1);
}

#[tokio::test]
async fn the_error_says_whether_a_write_may_have_been_done() {
    let dead = nobody().await;
    let error = client(&[&dead], 400).send(Request::delete(["pools", "a"])).await.expect_err("nobody");
    let ClientError::NoNode { tried } = error else { panic!("{error:?}") };
    assert_eq!((tried[0].node.as_str(), tried[0].why.as_str()), (dead.as_str(), "connection refused"));

    let refusing = Node::start(&[NO_LEADER]).await;
    let error = client(&[&refusing.url], 400).send(Request::delete(["pools", "a"])).await.expect_err("no leader");
    assert!(matches!(error, ClientError::NotServed { ref tried, .. } if tried[0].why == "no leader"), "{error:?}");

    let dropping = Node::start(&[Act::Drop]).await;
    let error = client(&[&dropping.url], 400).send(Request::delete(["pools", "a"])).await.expect_err("no answer");
    assert!(matches!(error, ClientError::Unknown { ref key, .. } if key.len() == 36), "{error:?}");
    let error = client(&[&dropping.url], 400).send(Request::get(["pools"])).await.expect_err("no answer");
    assert!(matches!(error, ClientError::NotServed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_rule_s_no_is_not_asked_again() {
    let node = Node::start(&[REFUSED, OK]).await;
    let error = client(&[&node.url], 2_000).send(Request::post(["pools"])).await.expect_err("refused");
    let ClientError::Refused { status, error, .. } = error else { panic!("{error:?}") };
    assert_eq!((status, error.code.as_str(), error.hint.as_deref()), (409, "pool_exists", Some("edit it")));
    assert_eq!(node.seen().len(), 1);
}

#[tokio::test]
async fn a_node_that_asks_for_time_is_left_alone_until_then() {
    let node = Node::start(&[LATER, OK]).await;
    let error = client(&[&node.url], 2_000).send(Request::get(["pools"])).await.expect_err("not within the time");
    assert!(
        matches!(error, ClientError::NotServed { retry_after: Some(wait), .. } if wait.as_secs() == 60),
        "{error:?}"
    );
    assert_eq!(node.seen().len(), 1);
}

#[tokio::test]
async fn names_are_encoded_and_credentials_go_into_a_header_only() {
    let node = Node::start(&[OK]).await;
    let mut config = ClientConfig::new([node.url.as_str()]);
    config.credential = Credential::Basic { user: "ops".to_owned(), password: Secret::new("secret\n") };
    assert!(!format!("{config:?}").contains("secret"));
    let client = Client::new(config).expect("a client");
    client.send(Request::get(["pools", "a b?ü"]).query("to", "1+1&x")).await.expect("an answer");
    let seen = node.seen().remove(0);
    assert!(seen.starts_with("GET /api/v1/pools/a%20b%3F%C3%BC?to=1%2B1%26x HTTP/1.1\r\n"), "{seen}");
    assert_eq!(header(&seen, "authorization").as_deref(), Some("Basic b3BzOnNlY3JldA=="));
}

#[test]
fn what_is_no_address_is_refused_before_anything_is_sent() {
    for node in ["", "ftp://a", "http://", "http://u:p@a:1", "https://:80"] {
        assert!(matches!(Client::new(ClientConfig::new([node])), Err(ClientError::Config(_))), "{node}");
    }
    assert!(Client::new(ClientConfig::new(Vec::<String>::new())).is_err());
    let client = Client::new(ClientConfig::new(["n1:8089"])).expect("https is meant");
    assert_eq!(client.nodes(), ["https://n1:8089"]);
    let open =
        ClientConfig { credential: Credential::Bearer(Secret::new("t")), ..ClientConfig::new(["http://10.0.0.1:1"]) };
    assert!(Client::new(open).expect_err("plain HTTP").to_string().contains("plain HTTP"));
}
