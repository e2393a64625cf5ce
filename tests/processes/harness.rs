//! Clusters of real nodes, made by the commands that an operator types; all gone when they are dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::node::{Node, binary, tail, wait_for};
use super::wire::{Answer, exchange};

pub(crate) const ADMIN: &str = "admin";
pub(crate) const PASSWORD: &str = "correct horse 7 battery";

/// Some nodes that are one cluster.
pub(crate) struct Cluster {
    pub(crate) folder: TempDir,
    pub(crate) nodes: Vec<Node>,
    pub(crate) token: String,
    sequence: u64,
}

impl Cluster {
    /// Makes and starts `count` voters. No license yet.
    pub(crate) fn start(count: usize) -> Cluster {
        let mut cluster = Cluster::empty();
        cluster.first(false);
        cluster.token = cluster.login(0);
        for _ in 1..count {
            let index = cluster.join();
            cluster.promote(index);
        }
        cluster
    }

    /// One node whose API speaks TLS; it is spoken to by commands only.
    pub(crate) fn encrypted() -> Cluster {
        let mut cluster = Cluster::empty();
        cluster.first(true);
        cluster
    }

    fn empty() -> Cluster {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).expect("a password file");
        Cluster { folder, nodes: Vec::new(), token: String::new(), sequence: 0 }
    }

    /// The same, with an issuer whose license gives stack enterprise 10 TB a day.
    pub(crate) fn licensed(count: usize) -> Cluster {
        let cluster = Cluster::start(count);
        cluster.install(&cluster.signed_license("10TB"));
        cluster
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn first(&mut self, encrypted: bool) {
        let mut node = Node::new(self.folder.path(), "n1");
        node.encrypted = encrypted;
        let output = Command::new(binary())
            .args(["cluster", "init", "--name", "test", "--zone", "Etc/UTC", "--node-name", "n1", "--admin", ADMIN])
            .args(["--peer", &node.peer.to_string(), "--api", &node.url()])
            .args(["--host", "127.0.0.1", "--data-dir"])
            .arg(&node.data)
            .arg("--operator-dir")
            .arg(self.path("operator"))
            .arg("--admin-password-file")
            .arg(self.path("password"))
            .output()
            .expect("the binary under test runs");
        assert!(output.status.success(), "cluster init: {output:?}");
        node.start();
        node.id = 1;
        self.nodes.push(node);
        self.wait_ready(0);
    }

    /// Joins a fresh node as a learner; its place in `nodes`.
    pub(crate) fn join(&mut self) -> usize {
        let name = format!("n{}", self.nodes.len() + 1);
        let mut node = Node::new(self.folder.path(), &name);
        let ticket = self.path(&format!("{name}.ticket"));
        self.ticket(&ticket);
        let output = self.join_with(&ticket, &node);
        assert!(output.status.success(), "cluster join: {output:?}");
        node.start();
        self.nodes.push(node);
        let index = self.nodes.len() - 1;
        self.wait_ready(index);
        self.nodes[index].id = self.view(index)["node"].as_u64().expect("a node's id is a number");
        index
    }

    /// Writes a ticket.
    pub(crate) fn ticket(&self, path: &Path) {
        let operator = self.path("operator");
        let output = self.cli(&[
            "cluster",
            "ticket",
            "--operator-dir",
            &operator.to_string_lossy(),
            "--out",
            &path.to_string_lossy(),
            "--host",
            "127.0.0.1",
        ]);
        assert!(output.status.success(), "cluster ticket: {output:?}");
    }

    /// Tries to join with a ticket.
    pub(crate) fn join_with(&self, ticket: &Path, node: &Node) -> Output {
        Command::new(binary())
            .args(["cluster", "join", "--ticket"])
            .arg(ticket)
            .arg("--data-dir")
            .arg(&node.data)
            .args(["--node-name", &node.name, "--peer", &node.peer.to_string()])
            .args(["--api", &node.url()])
            .output()
            .expect("the binary under test runs")
    }

    /// A node that is not part of it yet, for trying to join.
    pub(crate) fn stranger(&self, name: &str) -> Node {
        Node::new(self.folder.path(), name)
    }

    pub(crate) fn promote(&self, index: usize) {
        let output = self.cli(&["cluster", "promote", &self.nodes[index].id.to_string()]);
        assert!(output.status.success(), "cluster promote: {output:?}");
    }

    /// Runs a client command against every node that runs.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        let addresses: Vec<String> = self.nodes.iter().filter(|node| node.runs()).map(|node| node.url()).collect();
        Command::new(binary())
            .args(arguments)
            .args(["--addr", &addresses.join(","), "--user", ADMIN, "--password-file"])
            .arg(self.path("password"))
            .stdin(Stdio::null())
            .output()
            .expect("the binary under test runs")
    }

    pub(crate) fn wait_ready(&self, index: usize) {
        let node = &self.nodes[index];
        wait_for(&format!("{} is ready", node.name), || {
            node.ready().map_err(|why| format!("{why}\n{}", tail(&node.words())))
        });
    }

    fn login(&self, index: usize) -> String {
        let body = json!({"username": ADMIN, "password": PASSWORD}).to_string();
        wait_for("login", || {
            let answer = self.nodes[index].ask("POST", "/api/v1/login", "none", body.as_bytes())?;
            answer.json()["token"].as_str().map(str::to_owned).ok_or_else(|| format!("{answer:?}"))
        })
    }

    /// One answer of one node.
    pub(crate) fn ask(&self, index: usize, method: &str, path: &str, body: &[u8]) -> Result<Answer, String> {
        self.nodes[index].ask(method, path, &self.token, body)
    }

    /// The JSON of a GET that must work.
    pub(crate) fn get(&self, index: usize, path: &str) -> Value {
        wait_for(&format!("GET {path} at {}", self.nodes[index].name), || {
            let answer = self.ask(index, "GET", path, b"")?;
            if answer.status == 503 { Err(format!("{answer:?}")) } else { Ok(answer) }
        })
        .expect_ok(path)
    }

    /// The answer of whichever node gives one that is no 503.
    pub(crate) fn anyone(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, String> {
        let mut last = "no node runs".to_owned();
        for (index, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.runs()) {
            match self.ask(index, method, path, body) {
                Ok(answer) if !matches!(answer.status, 503 | 504) => return Ok(answer),
                Ok(answer) => last = format!("{answer:?}"),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A write that must succeed on some node, sent again until it does.
    pub(crate) fn write(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        wait_for(&format!("{method} {path}"), || self.anyone(method, path, body.as_bytes())).expect_ok(path)
    }

    pub(crate) fn view(&self, index: usize) -> Value {
        self.get(index, "/api/v1/cluster")
    }

    /// The place of the leader, once a node that runs knows one that runs.
    pub(crate) fn leader(&self) -> usize {
        wait_for("a leader", || {
            let running = || self.nodes.iter().enumerate().filter(|(_, node)| node.runs());
            for (index, _) in running() {
                let answer = self.ask(index, "GET", "/api/v1/cluster", b"")?;
                let leader = answer.json()["leader"].as_u64();
                if let Some((place, _)) = running().find(|(_, node)| Some(node.id) == leader) {
                    return Ok(place);
                }
            }
            Err("nobody knows one".to_owned())
        })
    }

    /// A running node that does not lead.
    pub(crate) fn follower(&self) -> usize {
        let leader = self.leader();
        self.nodes
            .iter()
            .enumerate()
            .rfind(|(index, node)| *index != leader && node.runs())
            .map(|(index, _)| index)
            .expect("a cluster with a follower")
    }

    /// Has `bytes` counted for `slave`, on whichever node answers, exactly once.
    pub(crate) fn report(&mut self, slave: &str, bytes: u64) {
        self.sequence += 1;
        let body = json!({"slave": slave, "sequence": self.sequence, "rows": [{"bytes": bytes, "sourcetype": "test"}]});
        let answer = self.write("POST", "/api/v1/usage", &body);
        let status = answer["results"][0]["status"].as_str().unwrap_or("none");
        assert!(matches!(status, "accepted" | "duplicate"), "{answer}");
    }

    /// Has a report of many rows counted.
    pub(crate) fn report_rows(&mut self, slave: &str, rows: usize, bytes: u64) {
        self.sequence += 1;
        let rows: Vec<Value> =
            (0..rows).map(|row| json!({"bytes": bytes, "source": format!("source {row}")})).collect();
        let body = json!({"slave": slave, "sequence": self.sequence, "rows": rows});
        let answer = self.write("POST", "/api/v1/usage", &body);
        assert!(matches!(answer["results"][0]["status"].as_str(), Some("accepted" | "duplicate")), "{answer}");
    }

    /// Signs a license with an issuer key that is made and trusted on first use; its document.
    pub(crate) fn signed_license(&self, quota: &str) -> Vec<u8> {
        self.signed(&json!({"label": quota, "stack": "enterprise", "quota": quota, "owner": "the tests"}))
    }

    /// The same for any claims.
    pub(crate) fn signed(&self, wishes: &Value) -> Vec<u8> {
        let (key, claims, out) = (self.path("issuer.pem"), self.path("claims.json"), self.path("signed.license"));
        if !key.exists() {
            let output = offline(&["license", "keygen", "--out", &key.to_string_lossy()]);
            assert!(output.status.success(), "{output:?}");
            let public = fs::read_to_string(self.path("issuer.pem.pub")).expect("keygen writes the public half");
            self.write("POST", "/api/v1/keys", &json!({"public_key": public, "label": "test issuer"}));
        }
        fs::write(&claims, wishes.to_string()).expect("a claims file");
        let [key, claims, out] = [key, claims, out].map(|path| path.to_string_lossy().into_owned());
        let output =
            offline(&["license", "sign", "--format", "native", "--key", &key, "--claims", &claims, "--out", &out]);
        assert!(output.status.success(), "{output:?}");
        fs::read(&out).expect("a signed license")
    }

    pub(crate) fn install(&self, document: &[u8]) {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: text/plain\r\n", self.token);
        let answer = wait_for("a license is installed", || {
            let answer = exchange(self.nodes[0].api, "POST", "/api/v1/licenses", &headers, document);
            let answer = answer.map_err(|error| error.to_string())?;
            if answer.status == 503 { Err(format!("{answer:?}")) } else { Ok(answer) }
        });
        answer.expect_ok("installing a license");
    }

    /// Waits until every running node has the same digest at the same position, and gives both.
    pub(crate) fn alike(&self) -> (u64, String) {
        wait_for("all nodes agree", || {
            let running: Vec<usize> = (0..self.nodes.len()).filter(|index| self.nodes[*index].runs()).collect();
            let mut least = u64::MAX;
            for index in &running {
                let view = self.ask(*index, "GET", "/api/v1/cluster", b"")?.json();
                least = least.min(view["applied_seq"].as_u64().ok_or_else(|| format!("{view}"))?);
            }
            let mut digests = Vec::new();
            for index in &running {
                let answer = self.ask(*index, "GET", &format!("/api/v1/journal/digest?seq={least}"), b"")?;
                digests.push(answer.json()["digest"].as_str().map(str::to_owned).ok_or_else(|| format!("{answer:?}"))?);
            }
            digests.dedup();
            match &digests[..] {
                [one] => Ok((least, one.clone())),
                many => Err(format!("digests at {least}: {many:?}")),
            }
        })
    }

    /// Asserts that every running node says the same about a pool, and gives what it used.
    pub(crate) fn used(&self, pool: &str) -> u64 {
        let running = (0..self.nodes.len()).filter(|index| self.nodes[*index].runs());
        let mut answers: Vec<Value> = running.map(|index| self.get(index, &format!("/api/v1/pools/{pool}"))).collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "nodes answer differently: {answers:?}");
        let used = answers[0]["used_bytes"].as_u64().expect("used_bytes is a number");
        let slaves = answers[0]["slaves_used_bytes"].as_object().expect("slaves_used_bytes is an object");
        assert_eq!(used, slaves.values().filter_map(Value::as_u64).sum::<u64>(), "U1: {}", answers[0]);
        used
    }
}

/// Runs a command that needs no cluster.
pub(crate) fn offline(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output().expect("the binary under test runs")
}
