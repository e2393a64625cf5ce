//! One real node: started from the binary under test, on ports of its own, gone when it is dropped.

use std::fs::{self, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::wire::{Answer, exchange};

/// How long anything that must happen may take on a busy machine; nobody waits that long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// Wide timers: these tests are about what is true, not how fast it becomes so.
const TIMERS: [(&str, &str); 3] = [
    ("QUARTERMASTER_HEARTBEAT_MS", "150"),
    ("QUARTERMASTER_ELECTION_MIN_MS", "600"),
    ("QUARTERMASTER_ELECTION_MAX_MS", "1200"),
];

pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_quartermaster")
}

/// Calls `check` until it gives something.
///
/// # Panics
/// When it gives nothing in time; `check` says why.
pub(crate) fn wait_for<T>(what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match check() {
            Ok(value) => return value,
            Err(why) => assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}: {why}"),
        }
        thread::sleep(PAUSE);
    }
}

/// A port that is free now. Outside of the range of outgoing connections, so that no client takes it while its node is
/// down; each test process begins elsewhere, each call goes on.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 6_000).unwrap_or(0) * 3;
    loop {
        let offset = (spread + NEXT.fetch_add(1, Ordering::Relaxed)) % 18_000;
        let port = 12_000 + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().expect("kill is there");
    assert!(done.success(), "kill -{name} {pid}");
}

/// One node.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) api: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    /// Whether its API speaks TLS; the peers always do.
    pub(crate) encrypted: bool,
    child: Option<Child>,
}

impl Node {
    pub(crate) fn new(folder: &Path, name: &str) -> Node {
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        Node {
            name: name.to_owned(),
            id: 0,
            api: address(),
            peer: address(),
            metrics: address(),
            data: folder.join(name),
            log: folder.join(format!("{name}.log")),
            encrypted: false,
            child: None,
        }
    }

    /// Where clients reach it.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.encrypted { "https" } else { "http" }, self.api)
    }

    /// Starts it; its words go to its log file.
    pub(crate) fn start(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        let child = Command::new(binary())
            .args(if self.encrypted { &["serve", "--data-dir"][..] } else { &["serve", "--plain-http", "--data-dir"] })
            .arg(&self.data)
            .args(["--listen", &self.api.to_string(), "--peer-listen", &self.peer.to_string()])
            .args(["--metrics-listen", &self.metrics.to_string()])
            .envs(TIMERS)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the binary under test starts");
        assert!(self.child.replace(child).is_none(), "{} runs already", self.name);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a node that runs").id()
    }

    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child that ended");
        }
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.ended()
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a node that was started");
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("a child of ours") {
                return status;
            }
            if Instant::now() > end {
                child.kill().expect("a child can be killed");
                child.wait().expect("a child that ended");
                panic!("{} did not end by itself: {}", self.name, self.words());
            }
            thread::sleep(PAUSE);
        }
    }

    /// All that it ever said.
    pub(crate) fn words(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// What it says from here on.
    pub(crate) fn mark_words(&self) -> usize {
        self.words().len()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, body: &[u8]) -> Result<Answer, String> {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        exchange(self.api, method, path, &headers, body).map_err(|error| format!("{method} {path}: {error}"))
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        let answer = exchange(self.metrics, "GET", "/readyz?verbose", "", b"").map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of what a node said.
pub(crate) fn tail(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}
