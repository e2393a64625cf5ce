//! The door over a real socket: what is too large, too slow, too deep or broken is answered in our shape or closed in time.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::CONTENT_LENGTH;
use quartermaster::dialect::aside::Aside;
use quartermaster::http::limits::Limits;
use quartermaster::http::listener::Listener;
use quartermaster::http::{House, Serves};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Instant, timeout};

use super::fixture::{Cluster, PASSWORD, basic};

/// Nothing in here may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    house: Arc<House>,
    listener: Listener,
}

impl Server {
    async fn start(serves: Serves, limits: Limits) -> Server {
        let house = House::new(Cluster::new().context, None, limits);
        let address: SocketAddr = "127.0.0.1:0".parse().expect("is an address");
        let listener = Listener::start(house.clone(), serves, address, None, &Handle::current()).await.expect("binds");
        Server { house, listener }
    }

    /// Sends bytes and reads until the server closes.
    async fn send(&self, pieces: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(self.listener.address).await.expect("connects");
        for piece in pieces {
            if stream.write_all(piece).await.is_err() {
                break;
            }
        }
        read(&mut stream).await
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes in time");
    if let Err(error) = end {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Short ones, so that the tests are.
fn limits() -> Limits {
    let short = Duration::from_millis(400);
    Limits { head: short, body: short, ..Limits::default() }
}

fn request(line: &str, headers: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: q\r\nAuthorization: {}\r\nConnection: close\r\n{headers}\r\n",
        basic("admin", PASSWORD)
    )
}

/// Whether a reply has this status and our shape.
fn is_ours(reply: &str, status: u16, code: &str) {
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    assert!(reply.contains(&format!("{{\"error\":{{\"code\":\"{code}\"")), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_with_and_without_a_length() {
    let server = Server::start(Serves::Api, Limits::default()).await;
    let huge = vec![b' '; (1 << 20) + 1];
    let head = request("POST /api/v1/pools", &format!("Content-Length: {}\r\n", huge.len()));
    is_ours(&server.send(&[head.as_bytes(), &huge]).await, 413, "too_large");
    let head = request("POST /api/v1/pools", "Transfer-Encoding: chunked\r\n");
    let size = format!("{:x}\r\n", huge.len());
    is_ours(&server.send(&[head.as_bytes(), size.as_bytes(), &huge, b"\r\n0\r\n\r\n"]).await, 413, "too_large");
    let login =
        format!("POST /api/v1/login HTTP/1.1\r\nHost: q\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", 9000);
    is_ours(&server.send(&[login.as_bytes(), &huge[..9000]]).await, 413, "too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large_or_too_many_are_431() {
    let server = Server::start(Serves::Api, Limits::default()).await;
    let long = format!("X-Long: {}\r\n", "x".repeat(500_000));
    let reply = server.send(&[request("GET /livez", &long).as_bytes()]).await;
    assert!(reply.starts_with("HTTP/1.1 431 ") || reply.is_empty(), "{reply}");
    // With the three that every request here has, 100 are taken.
    for (count, status) in [(97, 200), (98, 431)] {
        let many: String = (0..count).map(|at| format!("X-{at}: 1\r\n")).collect();
        let reply = server.send(&[request("GET /livez", &many).as_bytes()]).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{count}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_or_nothing_at_all_is_closed_in_time() {
    let server = Server::start(Serves::Api, limits()).await;
    let begun = Instant::now();
    for half in [&b"GET /api/v1/pools HTTP/1.1\r\nHos"[..], b"", b"P"] {
        server.send(&[half]).await;
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_408_and_one_cut_off_ends() {
    let server = Server::start(Serves::Api, limits()).await;
    let head = request("POST /api/v1/pools", "Content-Length: 100\r\n");
    is_ours(&server.send(&[head.as_bytes(), b"{\"name\":"]).await, 408, "too_slow");
    let mut stream = TcpStream::connect(server.listener.address).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("is sent");
    stream.shutdown().await.expect("half closes");
    let reply = read(&mut stream).await;
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_400_in_our_shape() {
    let server = Server::start(Serves::Api, Limits::default()).await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, code) in
        [("{\"name\":", "bad_body"), ("[1,2", "bad_body"), (deep.as_str(), "too_deep"), ("", "bad_body")]
    {
        let head = request("POST /api/v1/pools", &format!("Content-Length: {}\r\n", body.len()));
        is_ours(&server.send(&[head.as_bytes(), body.as_bytes()]).await, 400, code);
    }
    let head = request("POST /api/v1/pools", "Content-Length: 3\r\n");
    is_ours(&server.send(&[head.as_bytes(), b"\"\xff\""]).await, 400, "bad_body");
    is_ours(&server.send(&[request("GET /api/v1/pools/%ff%fe", "").as_bytes()]).await, 400, "not_utf8");
    is_ours(&server.send(&[request("GET /api/v1/pools?stack=%ff", "").as_bytes()]).await, 400, "not_utf8");
    let zipped = request("POST /api/v1/pools", "Content-Encoding: gzip\r\nContent-Length: 2\r\n");
    is_ours(&server.send(&[zipped.as_bytes(), b"{}"]).await, 415, "compressed");
    let reply = server.send(&[b"\x00\x01\x02 garbage\r\n\r\n"]).await;
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400"), "{reply}");
    let pipelined = b"GET /livez HTTP/1.1\r\nHost: q\r\n\r\nGARBAGE\r\n\r\n";
    let reply = server.send(&[pipelined]).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_are_404_and_wrong_methods_405_with_allow() {
    let server = Server::start(Serves::Api, Limits::default()).await;
    for path in ["/nothing", "/api", "/api/v1", "/api/v1/pools/a/b", "/service/licenser/pools"] {
        is_ours(&server.send(&[request(&format!("GET {path}"), "").as_bytes()]).await, 404, "unknown_path");
    }
    let reply = server.send(&[request("PUT /api/v1/pools", "Content-Length: 0\r\n").as_bytes()]).await;
    is_ours(&reply, 405, "wrong_method");
    assert!(reply.contains("allow: GET, HEAD, OPTIONS, POST\r\n"), "{reply}");
    let reply = server.send(&[request("POST /livez", "Content-Length: 0\r\n").as_bytes()]).await;
    assert!(reply.starts_with("HTTP/1.1 405 ") && reply.contains("allow: GET, HEAD"), "{reply}");
    let reply = server.send(&[request("HEAD /api/v1/pools", "").as_bytes()]).await;
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\n"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_every_connection() {
    let limits = Limits { connections_per_address: 4, ..Limits::default() };
    let server = Server::start(Serves::Api, limits).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(server.listener.address).await.expect("connects");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: q\r\n\r\n").await.expect("is sent");
        let mut byte = [0];
        stream.read_exact(&mut byte).await.expect("is answered");
        idle.push(stream);
    }
    assert_eq!(server.send(&[b"GET /livez HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n"]).await, "");
    drop(idle);
    let mut answered = false;
    for _ in 0..100 {
        answered = answered
            || server.send(&[b"GET /livez HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n"]).await.contains("200 OK");
        tokio::task::yield_now().await;
    }
    assert!(answered, "a place that was given back can be taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_open_and_turns_false_before_the_listener_stops() {
    let server = Server::start(Serves::Api, Limits::default()).await;
    let ask = |line: &str| format!("{line} HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n");
    let reply = server.send(&[ask("GET /readyz?verbose").as_bytes()]).await;
    assert!(reply.contains("200 OK") && reply.contains("[+]raft_leader ok"), "{reply}");
    server.house.leave();
    let reply = server.send(&[ask("GET /readyz").as_bytes()]).await;
    assert!(reply.contains(" 503 ") && reply.contains("[-]not_stopping failed"), "{reply}");
    let reply = server.send(&[ask("GET /readyz?exclude=not_stopping").as_bytes()]).await;
    assert!(reply.contains("200 OK"), "{reply}");
    let reply = server.send(&[ask("GET /readyz/raft_leader").as_bytes()]).await;
    assert!(reply.contains("200 OK"), "{reply}");
    let reply = server.send(&[ask("GET /livez").as_bytes()]).await;
    assert!(reply.contains("200 OK") && reply.ends_with("\r\n\r\nok\n"), "{reply}");
    timeout(PATIENCE, server.listener.stop()).await.expect("stops in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_on_their_own_listener_only() {
    let server = Server::start(Serves::Api, Limits::default()).await;
    let ask = "GET /metrics HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n";
    is_ours(&server.send(&[ask.as_bytes()]).await, 401, "unauthenticated");
    let reply = server.send(&[request("GET /metrics", "").as_bytes()]).await;
    assert!(reply.contains("quartermaster_raft_has_leader 1\n"), "{reply}");
    let server = Server::start(Serves::Metrics, Limits::default()).await;
    let reply = server.send(&[ask.as_bytes()]).await;
    assert!(
        reply.contains("text/plain; version=0.0.4") && reply.contains("quartermaster_slaves{state=\"orphan\"} 0\n"),
        "{reply}"
    );
    is_ours(&server.send(&[request("GET /api/v1/pools", "").as_bytes()]).await, 404, "unknown_path");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_reports_is_answered_line_by_line() {
    let server = Server::start(Serves::Api, Limits::default()).await;
    let head = request("POST /api/v1/usage", "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n");
    let lines: String =
        (1..=2500).map(|at| format!("{{\"slave\":\"S\",\"sequence\":{at},\"rows\":[{{\"bytes\":2}}]}}\n")).collect();
    let (one, two) = lines.split_at(lines.len() / 3);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let reply = server.send(&[head.as_bytes(), chunk(one).as_bytes(), chunk(two).as_bytes(), b"0\r\n\r\n"]).await;
    assert_eq!(reply.matches("\"status\":\"accepted\"").count(), 2500, "{}", reply.len());
    assert!(reply.contains("{\"next_report_in_ms\":"), "{}", &reply[reply.len() - 200..]);
}

/// A runtime with one thread, which is busy until its sender is dropped.
fn busy() -> (Runtime, std::sync::mpsc::SyncSender<()>) {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let (free, held) = std::sync::mpsc::sync_channel::<()>(1);
    runtime.spawn(async move { assert!(held.recv().is_err(), "nobody sends") });
    (runtime, free)
}

#[tokio::test]
async fn what_may_take_long_waits_aside_and_a_report_does_not() {
    let (runtime, free) = busy();
    let Cluster { solo, context } = Cluster::new();
    let mut context = Arc::into_inner(context).expect("nobody else holds it");
    context.aside = Some(Aside::new(runtime.handle().clone()));
    let cluster = Cluster { solo, context: Arc::new(context) };
    // as a client sends it: with its length, unless it streams
    let ask = |method: &'static str, path: &'static str, body: String, length: Option<usize>| {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", basic("admin", PASSWORD).parse().expect("is a header"));
        headers.extend(length.map(|length| (CONTENT_LENGTH, length.into())));
        let cluster = &cluster;
        async move { cluster.ask(method, path, headers, &body).await.0.status.as_u16() }
    };
    let report = |sequence: u32, blanks: usize| {
        format!("{{\"slave\":\"S\",\"sequence\":{sequence},\"rows\":[{{\"bytes\":9}}]{}}}", " ".repeat(blanks))
    };
    let short = |sequence: u32| {
        let body = report(sequence, 0);
        ask("POST", "/api/v1/usage", body.clone(), Some(body.len()))
    };
    assert_eq!(short(1).await, 200, "the password is known from here on");
    let (usage, long) = ("/api/v1/usage", report(2, 5_000));
    let length = long.len();
    for (method, path, body, length, waits) in [
        ("GET", "/api/v1/slaves/S", String::new(), Some(0), false),
        ("GET", "/api/v1/slaves", String::new(), Some(0), true),
        ("GET", "/_license", String::new(), Some(0), true),
        ("POST", usage, long, Some(length), true),
        ("POST", usage, report(3, 0), None, true),
    ] {
        let mut asked = std::pin::pin!(ask(method, path, body, length));
        tokio::select! {
            biased;
            answered = &mut asked => assert!(!waits, "{method} {path} was answered: {answered}"),
            status = short(4) => assert!(waits && status == 200, "{method} {path} was not answered"),
        }
    }
    drop(free);
    assert_eq!(cluster.ask_as("admin", "GET", "/api/v1/slaves", "").await.0, 200);
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_is_what_promtool_wants() {
    let recorder = quartermaster::metrics::Recorder::install().expect("this process has no other recorder");
    let cluster = Cluster::new();
    let key = serde_json::json!({"public_key": super::transcripts::public_key()}).to_string();
    for (path, body) in [("keys", key), ("licenses", super::transcripts::license("enterprise"))] {
        let (status, text) = cluster.ask_as("admin", "POST", &format!("/api/v1/{path}"), &body).await;
        assert_eq!(status, 201, "{text}");
    }
    let (status, text) = cluster
        .ask_as("admin", "POST", "/api/v1/usage", "{\"slave\":\"S\",\"sequence\":1,\"rows\":[{\"bytes\":9}]}")
        .await;
    assert_eq!(status, 200, "{text}");
    recorder.upkeep();
    let house = House::new(cluster.context, Some(recorder), Limits::default());
    let address: SocketAddr = "127.0.0.1:0".parse().expect("is an address");
    let listener =
        Listener::start(house.clone(), Serves::Metrics, address, None, &Handle::current()).await.expect("binds");
    let server = Server { house, listener };
    let reply = server.send(&[b"GET /metrics HTTP/1.0\r\n\r\n"]).await;
    let (_, text) = reply.split_once("\r\n\r\n").expect("has a body");
    for line in [
        "quartermaster_stack_quota_bytes{stack=\"enterprise\"} 1073741824",
        "quartermaster_pool_used_bytes{stack=\"enterprise\",pool=\"auto_generated_pool_enterprise\"} 9",
        "quartermaster_usage_reported_bytes_total{stack=\"enterprise\",pool=\"auto_generated_pool_enterprise\"} 9",
        "quartermaster_licenses{dialect=\"native\",state=\"valid\"} 1",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} is missing in\n{text}");
    }
    let Ok(mut promtool) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        eprintln!("promtool is not installed: the text was not linted");
        return;
    };
    promtool.stdin.take().expect("is piped").write_all(text.as_bytes()).expect("is read");
    let said = promtool.wait_with_output().expect("ends");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}
