//! Three real Raft nodes over this network, with logs in memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use openraft::alias::SnapshotOf;
use openraft::async_runtime::WatchReceiver as _;
use openraft::base::BoxStream;
use openraft::{ChangeMembers, Config, Raft};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::wire::{
    AppendRequest, AppendResult, PeerCall, PeerReply, Purpose, SnapshotMeta, SnapshotResponse, TransferRequest,
    TransferResponse, Vote, VoteRequest, VoteResponse,
};
use super::super::{Inbound, Patience, Peers, Serving, Stopped, serve};
use super::double::{Keys, member};
use super::memory::{Log, Machine};
use crate::replica::types::{Batch, SnapshotFiles, TypeConfig};

type Node = Raft<TypeConfig, Machine>;

/// Everything ends, but nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The answering side of a real node. It starts to serve before there is a Raft.
#[derive(Default)]
struct Real(OnceLock<Node>);

impl Real {
    fn raft(&self) -> Result<&Node, Stopped> {
        self.0.get().ok_or_else(|| Stopped("it is starting".to_owned()))
    }
}

fn stopped(error: impl std::fmt::Display) -> Stopped {
    Stopped(error.to_string())
}

impl Inbound for Real {
    fn may_connect(&self, _node: u64, purpose: Purpose) -> bool {
        purpose != Purpose::Join
    }

    fn append(
        &self,
        _from: u64,
        requests: BoxStream<'static, AppendRequest>,
    ) -> BoxStream<'static, Result<AppendResult, Stopped>> {
        match self.raft() {
            Ok(raft) => Box::pin(raft.stream_append(requests).map(|answer| answer.map_err(stopped))),
            Err(error) => Box::pin(futures_util::stream::iter([Err(error)])),
        }
    }

    async fn vote(&self, request: VoteRequest) -> Result<VoteResponse, Stopped> {
        self.raft()?.vote(request).await.map_err(stopped)
    }

    async fn pre_vote(&self, request: VoteRequest) -> Result<VoteResponse, Stopped> {
        self.raft()?.pre_vote(request).await.map_err(stopped)
    }

    async fn transfer_leader(&self, request: TransferRequest) -> Result<TransferResponse, Stopped> {
        self.raft()?.handle_transfer_leader(request).await.map_err(stopped)
    }

    async fn install_snapshot(
        &self,
        vote: Vote,
        meta: SnapshotMeta,
        files: SnapshotFiles,
    ) -> Result<SnapshotResponse, Stopped> {
        let snapshot = SnapshotOf::<TypeConfig, SnapshotFiles> { meta, snapshot: files };
        self.raft()?.install_full_snapshot(vote, snapshot).await.map_err(stopped)
    }

    async fn call(&self, _from: u64, _call: PeerCall) -> PeerReply {
        PeerReply::Busy
    }
}

/// A node that runs.
struct Running {
    raft: Node,
    peers: Peers,
    machine: Machine,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    dir: TempDir,
}

/// Lively enough for a test, and calm enough for a busy machine.
fn config() -> Arc<Config> {
    let config = Config {
        election_timeout_min: 400,
        election_timeout_max: 800,
        heartbeat_interval: 100,
        enable_pre_vote: Some(true),
        max_in_snapshot_log_to_keep: 0,
        ..Config::default()
    };
    Arc::new(config.validate().expect("a sound configuration"))
}

async fn start(keys: &Keys, node: u64, log: Log, address: SocketAddr) -> Running {
    let dir = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind(address).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let peers = Peers::new(keys.tls(node));
    let inbound = Arc::new(Real::default());
    let (stop, stopping) = watch::channel(false);
    let serving = Serving {
        peers: peers.clone(),
        inbound: Arc::clone(&inbound),
        snapshots: dir.path().join("received"),
        patience: Patience::default(),
    };
    let serving = tokio::spawn(serve(listener, serving, stopping));
    let machine = Machine::new(dir.path().join("sent"));
    let raft = Raft::new(node, config(), peers.clone(), log, machine.clone()).await.expect("it starts");
    inbound.0.set(raft.clone()).map_err(|_raft| "set twice").expect("set once");
    Running { raft, peers, machine, address, stop, serving, dir }
}

impl Running {
    async fn stop(self) -> SocketAddr {
        self.raft.shutdown().await.expect("it ends");
        self.stop.send(true).expect("it is served");
        self.serving.await.expect("it ends");
        self.address
    }

    /// Makes it a cluster of its own.
    async fn found(&self) {
        let members = BTreeMap::from([(1, member(self.address))]);
        self.raft.initialize(members).await.expect("new");
        let wait = self.raft.wait(Some(PATIENCE));
        wait.current_leader(1, "alone").await.expect("it leads");
        wait.applied_index_at_least(Some(1), "its first entries").await.expect("they are committed");
    }

    /// Writes; a leader that has just been elected says no until its followers have confirmed it.
    async fn write(&self, byte: u8) {
        let written = tokio::time::timeout(PATIENCE, async {
            while let Err(error) = self.raft.client_write(Batch(vec![byte].into())).await {
                assert!(error.forward_to_leader().is_some(), "{error}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        written.await.expect("written");
    }

    async fn has(&self, applied: &[u8]) {
        let index = self.raft.metrics().borrow_watched().last_applied.map(|log| log.index);
        let all = self.raft.wait(Some(PATIENCE)).metrics(|_| self.machine.applied() == applied, "everything").await;
        all.unwrap_or_else(|error| panic!("applied up to {index:?}: {:?}: {error}", self.machine.applied()));
    }
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Three nodes, the first of which leads.
async fn three(keys: &Keys) -> [Running; 3] {
    let nodes = [
        start(keys, 1, Log::default(), any()).await,
        start(keys, 2, Log::default(), any()).await,
        start(keys, 3, Log::default(), any()).await,
    ];
    let [one, two, three] = &nodes;
    one.found().await;
    for (id, node) in [(2, two), (3, three)] {
        one.raft.add_learner(id, member(node.address), true).await.expect("it has caught up");
    }
    one.raft.change_membership(ChangeMembers::AddVoterIds([2, 3].into()), false).await.expect("three voters");
    nodes
}

async fn new_leader<'a>(nodes: &[&'a Running], old: u64) -> &'a Running {
    let elected = nodes[0].raft.wait(Some(PATIENCE));
    let elected = elected.metrics(|seen| seen.current_leader.is_some_and(|leader| leader != old), "a new leader").await;
    let leader = elected.expect("elected").current_leader;
    nodes.iter().find(|node| Some(node.peers.local().node) == leader).expect("one of them")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_and_outlive_their_leader() {
    let keys = Keys::new();
    let [one, two, three] = three(&keys).await;
    let mut written = Vec::new();
    for byte in 0..50 {
        one.write(byte).await;
        written.push(byte);
    }
    for node in [&one, &two, &three] {
        node.has(&written).await;
    }
    let reads = one.raft.ensure_linearizable(openraft::ReadPolicy::ReadIndex).await;
    assert!(reads.is_ok(), "{reads:?}");

    one.stop().await;
    let leader = new_leader(&[&two, &three], 1).await;
    leader.write(50).await;
    written.push(50);
    for node in [&two, &three] {
        node.has(&written).await;
    }
    assert!(two.peers.reverted().is_empty() && three.peers.reverted().is_empty());
    two.stop().await;
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over() {
    let keys = Keys::new();
    let [one, two, three] = three(&keys).await;
    one.write(1).await;
    one.raft.trigger().transfer_leader(2).await.expect("asked");
    two.raft.wait(Some(PATIENCE)).current_leader(2, "handed over").await.expect("it leads");
    two.write(2).await;
    for node in [&one, &two, &three] {
        node.has(&[1, 2]).await;
    }
    for node in [one, two, three] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_far_behind_gets_the_files_of_a_snapshot() {
    let keys = Keys::new();
    let one = start(&keys, 1, Log::default(), any()).await;
    one.found().await;
    let written: Vec<u8> = (0..100).collect();
    for &byte in &written {
        one.write(byte).await;
    }
    one.raft.trigger().snapshot().await.expect("asked");
    let wait = one.raft.wait(Some(PATIENCE));
    wait.metrics(|seen| seen.purged.is_some_and(|log| log.index > 90), "purged").await.expect("the log is gone");

    let two = start(&keys, 2, Log::default(), any()).await;
    one.raft.add_learner(2, member(two.address), true).await.expect("it has caught up");
    two.has(&written).await;
    one.write(200).await;
    two.has(&[written, vec![200]].concat()).await;
    let sent = std::fs::read_dir(one.dir.path().join("sent")).expect("the directory").count();
    assert!(sent <= 1, "what was sent is removed: {sent} are left");
    for node in [one, two] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_lost_its_log_is_refused_by_the_leader_and_the_others_go_on() {
    let keys = Keys::new();
    let [one, two, three] = three(&keys).await;
    for byte in 0..20 {
        one.write(byte).await;
    }
    two.has(&(0..20).collect::<Vec<_>>()).await;
    let address = two.stop().await;
    let two = start(&keys, 2, Log::default(), address).await;
    let caught = tokio::time::timeout(PATIENCE, async {
        while one.peers.reverted().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    caught.await.expect("the leader notices");
    assert_eq!(one.peers.reverted(), [2]);
    one.write(20).await;
    three.has(&(0..=20).collect::<Vec<_>>()).await;
    assert_eq!(two.machine.applied(), Vec::<u8>::new());
    for node in [one, two, three] {
        node.stop().await;
    }
}
