//! Nodes in one process for the tests of this room: real databases in temporary directories, real TLS on loopback.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::peers::wire::{PeerCall, PeerReply};
use super::peers::{Local, Peers, Security};
use super::types::Member;
use super::{Answer, Cluster, Consistency, Options, Pace, Phase, Readers, Replica, Timing, Unavailable, View, create};
use crate::domain::cluster::InitCluster;
use crate::domain::event::Event;
use crate::domain::intent::Command;
use crate::domain::name::{SlaveId, sha256};
use crate::domain::node::{CreateTicket, NodeAddress, TicketCommand};
use crate::domain::record::Outcome;
use crate::domain::slave::{Report, Row};
use crate::domain::user::{Actor, Credential};
use crate::identity::{Certified, ClusterCa, NodeIdentity, peer_client, peer_server};

/// Longer than anything takes on a machine that stalls; nothing waits so long when it works.
pub(super) const LONG: Duration = Duration::from_secs(60);
pub(super) const CLUSTER: &str = "0190a0e2-0000-7000-8000-000000000001";

/// The first administrator, by the password that the cluster began with.
pub(super) fn admin() -> Actor {
    Actor { user: "admin".into(), credential: Credential::Password { version: 1 } }
}

pub(super) fn soon() -> Instant {
    Instant::now() + LONG
}

/// A cluster under test: its authority, and its nodes' directories.
pub(super) struct Rig {
    dir: tempfile::TempDir,
    ca: ClusterCa,
    pace: Pace,
}

/// A node under test.
pub(super) struct Node {
    pub id: u64,
    pub dir: PathBuf,
    pub cluster: Arc<Cluster>,
    pub replica: Replica,
    address: String,
}

impl Rig {
    pub(super) fn new() -> Rig {
        Rig::with(Pace::default())
    }

    pub(super) fn with(pace: Pace) -> Rig {
        // What the nodes say, for whoever looks into a failure: RUST_LOG=quartermaster=debug.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        super::either_way(tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init());
        let dir = tempfile::tempdir().expect("a temporary directory");
        Rig { dir, ca: ClusterCa::create(CLUSTER).expect("an authority"), pace }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn security(&self, id: u64) -> Security {
        let node = self.ca.issue_node(id).expect("a certificate");
        let api = Certified { certificate: String::new(), key: crate::identity::Secret::new(String::new()) };
        let identity = NodeIdentity { ca: self.ca.certificate().to_owned(), node, api };
        Security::Tls {
            server: peer_server(&identity).expect("a server config"),
            client: peer_client(&identity).expect("a client config"),
        }
    }

    /// The first node of a new cluster, created and started.
    pub(super) async fn first(&self) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let dir = self.path("n1");
        let member = member(1, &address);
        let first = InitCluster {
            cluster_id: CLUSTER.into(),
            name: "test".into(),
            zone: "Europe/Berlin".into(),
            node: NodeAddress { name: "n1".into(), peer: address.as_str().into(), api: member.api.as_str().into() },
            admin: "admin".into(),
            password: "$argon2id$".into(),
        };
        create(&dir, Some(&first)).expect("a new node");
        let node = self.start_on(1, &dir, listener, &address);
        node.serving().await;
        node
    }

    /// A node with a ticket from `leader`, created, taken in and started; a learner.
    pub(super) async fn join(&self, leader: &Node) -> Node {
        let secret = "ticket-secret";
        let create_ticket = CreateTicket { hash: sha256(&[secret.as_bytes()]), ttl_ms: 600_000 };
        let answer = leader.admin(Command::Ticket(TicketCommand::Create(create_ticket))).await.expect("a ticket");
        let Outcome::Done(events) = &answer.outcome else { panic!("{:?}", answer.outcome) };
        let ticket = events.iter().find_map(|event| match event {
            Event::TicketCreated { ticket } => Some(ticket.node),
            _other => None,
        });
        let id = ticket.expect("a fresh id");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let dir = self.path(&format!("n{id}"));
        create(&dir, None).expect("a new node");
        let node = self.start_on(id, &dir, listener, &address);
        let peers = Peers::new(Local { node: id, cluster: CLUSTER.to_owned(), security: self.security(id) });
        let call = PeerCall::Join { node: id, secret: secret.to_owned(), member: member(id, &address) };
        let reply = peers.join(leader.id, &leader.address, call, soon()).await.expect("an answer");
        assert!(matches!(reply, PeerReply::Joined { .. }), "{reply:?}");
        node.serving().await;
        node
    }

    /// Three voters.
    pub(super) async fn three(&self) -> [Node; 3] {
        let one = self.first().await;
        let two = self.join(&one).await;
        one.replica.promote(two.id, soon()).await.expect("a voter");
        let three = self.join(&one).await;
        one.replica.promote(three.id, soon()).await.expect("a voter");
        [one, two, three]
    }

    /// Starts a node that is stopped, where it was.
    pub(super) fn restart(&self, node: &Node) -> Node {
        let listener = TcpListener::bind(&node.address).expect("its old port");
        self.start_on(node.id, &node.dir, listener, &node.address)
    }

    fn start_on(&self, id: u64, dir: &Path, listener: TcpListener, address: &str) -> Node {
        let options = Options {
            dir: dir.to_owned(),
            node: id,
            cluster: CLUSTER.to_owned(),
            member: member(id, address),
            security: self.security(id),
            timing: Timing::wide(),
            pace: self.pace,
            readers: Readers::Together,
            on_sync: None,
        };
        let cluster = Cluster::start(options, listener).expect("a thread");
        let replica = Replica::Cluster(Arc::clone(&cluster));
        Node { id, dir: dir.to_owned(), cluster, replica, address: address.to_owned() }
    }
}

fn member(id: u64, address: &str) -> Member {
    Member { name: format!("n{id}"), peer: address.to_owned(), api: format!("https://n{id}:8089") }
}

impl Node {
    pub(super) async fn serving(&self) {
        let mut phase = self.cluster.phase();
        let ended = timeout(LONG, phase.wait_for(|phase| phase.serves() || matches!(phase, Phase::Failed(_)))).await;
        let phase = ended.expect("it starts in time").expect("it runs").clone();
        assert_eq!(phase, Phase::Serving);
    }

    pub(super) async fn failed(&self) -> String {
        let mut phase = self.cluster.phase();
        let failed = timeout(LONG, phase.wait_for(|phase| matches!(phase, Phase::Failed(_)))).await;
        failed.expect("it fails in time").expect("it runs").to_string()
    }

    pub(super) async fn admin(&self, command: Command) -> Result<Answer, Unavailable> {
        self.replica.submit(&admin(), None, &command, soon()).await
    }

    /// Reports `bytes` for a slave.
    pub(super) async fn report(&self, slave: &str, sequence: u64, bytes: u64) -> Result<Answer, Unavailable> {
        self.admin(usage(slave, sequence, bytes)).await
    }

    pub(super) async fn fresh(&self) -> View {
        self.replica.view(Consistency::Linearizable, soon()).await.expect("a view")
    }

    /// Bytes of the open day of a slave, as this node reads it.
    pub(super) async fn used(&self, slave: &str) -> u64 {
        used(&self.fresh().await, slave)
    }

    /// Waits until it has applied this record.
    pub(super) async fn has(&self, seq: u64) {
        let mut grown = self.cluster.parts().journal.grown();
        timeout(LONG, grown.wait_for(|now| *now >= seq)).await.expect("in time").expect("it runs");
    }

    pub(super) fn applied_seq(&self) -> u64 {
        self.replica.status().applied_seq
    }
}

pub(super) fn usage(slave: &str, sequence: u64, bytes: u64) -> Command {
    let report = Report {
        slave: SlaveId::from(slave),
        sequence: Some(sequence),
        epoch: "e".into(),
        report_id: "".into(),
        pool: "".into(),
        time: None,
        rows: vec![Row { bytes, sourcetype: "s".into(), host: "h".into(), source: "f".into(), index: "i".into() }],
        levels: Vec::new(),
    };
    Command::ReportUsage { reports: vec![report] }
}

pub(super) fn used(view: &View, slave: &str) -> u64 {
    view.state.slaves.get(slave).map_or(0, |slave| slave.used.on(view.state.calendar.today))
}

/// Copies a directory tree.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
