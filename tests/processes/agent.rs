//! Real agents: killed while nodes die and files turn over, they end with exactly the bytes of their files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::json;

use super::harness::{Cluster, PASSWORD, offline};
use super::node::{binary, signal, wait_for};

const POOL: &str = "auto_generated_pool_enterprise";
const SLAVE: &str = "AGENT-1";

/// An agent's configuration, its files, and the process if it runs.
struct Agent {
    config: PathBuf,
    logs: PathBuf,
    state: PathBuf,
    words: PathBuf,
    written: u64,
    child: Option<Child>,
}

impl Agent {
    /// A user that may report for this slave alone, and the agent's file; not started yet.
    fn new(cluster: &Cluster) -> Agent {
        let password = cluster.path("agent.password");
        fs::write(&password, PASSWORD).expect("written");
        let file = password.to_string_lossy();
        let made = cluster.cli(&[
            "user",
            "create",
            "agent",
            "--role",
            "reporter",
            "--slave",
            SLAVE,
            "--new-password-file",
            &file,
        ]);
        assert!(made.status.success(), "{made:?}");
        cluster.write("PATCH", "/api/v1/settings", &json!({"report_interval_ms": 1_000}));
        let agent = Agent {
            config: cluster.path("agent.toml"),
            logs: cluster.path("logs"),
            state: cluster.path("agent"),
            words: cluster.path("agent.log"),
            written: 0,
            child: None,
        };
        fs::create_dir(&agent.logs).expect("a directory");
        let nodes: Vec<String> = cluster.nodes.iter().map(|node| node.url()).collect();
        let text = format!(
            "slave = {SLAVE:?}\nstate_dir = {:?}\naddr = {nodes:?}\nuser = \"agent\"\npassword_file = {password:?}\n\
             scan_interval_ms = 50\n[[watch]]\npath = {:?}\nsourcetype = \"log\"\n",
            agent.state, agent.logs
        );
        fs::write(&agent.config, text).expect("written");
        agent
    }

    fn start(&mut self) {
        let words = OpenOptions::new().create(true).append(true).open(&self.words).expect("a log file");
        let child = Command::new(binary())
            .args(["agent", "--log-format", "json", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stderr(words)
            .spawn()
            .expect("the binary under test starts");
        assert!(self.child.replace(child).is_none(), "it runs already");
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child that ended");
        }
    }

    /// SIGTERM.
    fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("an agent that runs");
        signal(child.id(), "TERM");
        child.wait().expect("a child that ended")
    }

    fn append(&mut self, name: &str, length: usize) {
        let line = format!("{} {}\n", self.written, "x".repeat(length));
        let file = OpenOptions::new().create(true).append(true).open(self.logs.join(name));
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("appended");
        self.written += line.len() as u64;
    }

    fn counted(&self) -> Result<u64, String> {
        let status = offline(&["agent", "status", "-o", "json", "--state-dir", &self.state.to_string_lossy()]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).map_err(|error| error.to_string())?;
        status["counted_bytes"].as_u64().ok_or_else(|| status.to_string())
    }

    fn words(&self) -> String {
        fs::read_to_string(&self.words).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn an_agent_killed_while_nodes_die_counts_every_byte_once() {
    let mut cluster = Cluster::licensed(3);
    let mut agent = Agent::new(&cluster);
    for round in 0..6_usize {
        agent.append("a.log", 100 + round);
        agent.start();
        for line in 0..20 {
            agent.append("a.log", line * 7);
            agent.append("b.log", line);
        }
        match round % 3 {
            0 => fs::rename(agent.logs.join("a.log"), agent.logs.join(format!("a.log.{round}"))).expect("renamed"),
            1 => {
                let (live, copy) = (agent.logs.join("a.log"), agent.logs.join(format!("a.log.{round}")));
                fs::copy(&live, copy).expect("copied");
                OpenOptions::new().write(true).open(live).and_then(|file| file.set_len(0)).expect("cut");
            }
            _ => agent.append("a.log", 5_000),
        }
        let node = round % 3;
        if round % 2 == 0 {
            cluster.nodes[node].kill();
            cluster.nodes[node].start();
        }
        // somewhere on its way: in the middle of the first round, of a report, or of nothing
        if round % 2 == 1 {
            wait_for("something is counted", || if agent.counted()? > 0 { Ok(()) } else { Err("not yet".to_owned()) });
        }
        agent.kill();
    }
    for index in 0..3 {
        cluster.wait_ready(index);
    }
    agent.start();
    let written = agent.written;
    wait_for("everything is counted", || match agent.counted()? {
        counted if counted == written => Ok(()),
        counted => Err(format!("{counted} of {written}: {}", super::node::tail(&agent.words()))),
    });
    agent.append("c.log", 10);
    assert!(agent.stop().success(), "{}", agent.words());
    assert_eq!(cluster.used(POOL), agent.written, "told to stop, it reports what is there");
    cluster.alike();
    assert!(!agent.words().contains(PASSWORD));
}

#[test]
fn an_agent_measures_once_and_says_whether_it_was_counted() {
    let mut cluster = Cluster::licensed(1);
    let mut agent = Agent::new(&cluster);
    agent.append("a.log", 500);
    let config = agent.config.to_string_lossy().into_owned();
    let once = offline(&["agent", "--once", "--config", &config]);
    assert!(once.status.success(), "{once:?}");
    assert_eq!(cluster.used(POOL), agent.written);

    agent.append("a.log", 50);
    cluster.nodes[0].kill();
    let once = offline(&["agent", "--once", "--config", &config, "--timeout", "1s"]);
    assert_eq!(once.status.code(), Some(3), "no node could be reached: {once:?}");
    cluster.nodes[0].start();
    cluster.wait_ready(0);
    assert_eq!(offline(&["agent", "--once", "--config", &config]).status.code(), Some(0));
    assert_eq!(cluster.used(POOL), agent.written);

    // the user may report for its slave alone: nothing is counted, and nothing is lost
    let other =
        fs::read_to_string(&agent.config).expect("read").replace(SLAVE, "AGENT-2").replace("/agent\"", "/two\"");
    fs::write(&agent.config, other).expect("written");
    let once = offline(&["agent", "--once", "--config", &config]);
    assert_eq!(once.status.code(), Some(1), "{once:?}");
    assert!(String::from_utf8_lossy(&once.stderr).contains("not_your_slave"), "{once:?}");
    assert_eq!(cluster.used(POOL), agent.written);
}
