//! A node that remembers what it was told, in place of a real one, and the keys of a cluster that lives for one test.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use openraft::base::BoxStream;
use openraft::raft::StreamAppendError;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::client::lock;
use super::super::wire::{
    AppendRequest, AppendResult, LogId, PeerCall, PeerReply, PeerStatus, Purpose, SnapshotMeta, SnapshotResponse,
    TransferRequest, TransferResponse, Vote, VoteRequest, VoteResponse,
};
use super::super::{Inbound, Local, Patience, Peers, Security, Serving, Stopped, serve};
use crate::identity::{ClusterCa, NodeIdentity, peer_client, peer_server};
use crate::replica::types::{Member, SnapshotFiles};

/// The cluster of every test.
pub(super) const CLUSTER: &str = "0198-test";

/// A deadline that is not meant to be met.
pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(super) fn member(address: SocketAddr) -> Member {
    Member { name: "n".to_owned(), peer: address.to_string(), api: String::new() }
}

/// A cluster's authority.
pub(super) struct Keys(ClusterCa);

impl Keys {
    pub(super) fn new() -> Self {
        Self::of(CLUSTER)
    }

    pub(super) fn of(cluster: &str) -> Self {
        Self(ClusterCa::create(cluster).expect("an authority"))
    }

    /// Node `node`, over TLS.
    pub(super) fn tls(&self, node: u64) -> Local {
        self.tls_as(node, node)
    }

    /// Who says to be `node` but shows the certificate of `certified`.
    pub(super) fn tls_as(&self, node: u64, certified: u64) -> Local {
        let identity = NodeIdentity {
            ca: self.0.certificate().to_owned(),
            node: self.0.issue_node(certified).expect("a certificate"),
            api: self.0.issue_api(certified, &["localhost".to_owned()]).expect("a certificate"),
        };
        let server = peer_server(&identity).expect("usable");
        let client = peer_client(&identity).expect("usable");
        Local { node, cluster: self.0.cluster().to_owned(), security: Security::Tls { server, client } }
    }
}

/// Node `node`, without TLS.
pub(super) fn plain(node: u64) -> Local {
    Local { node, cluster: CLUSTER.to_owned(), security: Security::PlainLoopback }
}

/// The node's double.
#[derive(Default)]
pub(super) struct Double {
    /// The last entry of its log.
    pub log: Arc<Mutex<Option<LogId>>>,
    /// How many append streams it was given.
    pub streams: AtomicUsize,
    /// What it does not let anybody do; `None` when it lets everybody do everything.
    forbidden: Mutex<Option<Purpose>>,
    /// Somebody waits for a read index.
    pub reading: Notify,
    /// Answers that one.
    pub read: Notify,
    /// What was installed: names and contents.
    pub installed: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Double {
    pub(super) fn forbid(&self, purpose: Option<Purpose>) {
        *lock(&self.forbidden) = purpose;
    }
}

fn append_one(log: &Mutex<Option<LogId>>, request: &AppendRequest) -> AppendResult {
    let mut log = lock(log);
    if let Some(previous) = request.prev_log_id.filter(|&previous| Some(previous) > *log) {
        return Err(StreamAppendError::Conflict(previous));
    }
    let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
    *log = (*log).max(last);
    Ok(last)
}

impl Inbound for Double {
    fn may_connect(&self, _node: u64, purpose: Purpose) -> bool {
        *lock(&self.forbidden) != Some(purpose)
    }

    fn append(
        &self,
        _from: u64,
        requests: BoxStream<'static, AppendRequest>,
    ) -> BoxStream<'static, Result<AppendResult, Stopped>> {
        self.streams.fetch_add(1, Ordering::Relaxed);
        let log = Arc::clone(&self.log);
        let answers = requests.map(move |request| append_one(&log, &request));
        // As openraft's own, it ends after the first conflict.
        Box::pin(answers.scan(false, |ended, answer| {
            let answer = (!*ended).then(|| {
                *ended = answer.is_err();
                Ok(answer)
            });
            std::future::ready(answer)
        }))
    }

    async fn vote(&self, request: VoteRequest) -> Result<VoteResponse, Stopped> {
        Ok(VoteResponse::new(request.vote, None, true))
    }

    async fn pre_vote(&self, request: VoteRequest) -> Result<VoteResponse, Stopped> {
        Ok(VoteResponse::new(request.vote, None, false))
    }

    async fn transfer_leader(&self, _request: TransferRequest) -> Result<TransferResponse, Stopped> {
        Ok(Ok(()))
    }

    async fn install_snapshot(
        &self,
        vote: Vote,
        _meta: SnapshotMeta,
        files: SnapshotFiles,
    ) -> Result<SnapshotResponse, Stopped> {
        let mut found: Vec<_> = std::fs::read_dir(&files.dir)
            .expect("the directory")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                (entry.file_name().into_string().expect("UTF-8"), std::fs::read(entry.path()).expect("a file"))
            })
            .collect();
        found.sort();
        *lock(&self.installed) = found;
        std::fs::remove_dir_all(&files.dir).expect("removed");
        Ok(SnapshotResponse::new(vote))
    }

    async fn call(&self, _from: u64, call: PeerCall) -> PeerReply {
        match call {
            PeerCall::Propose { .. } => PeerReply::Proposed,
            PeerCall::ReadIndex => {
                self.reading.notify_one();
                self.read.notified().await;
                PeerReply::ReadIndex { log_index: 9 }
            }
            PeerCall::Members(_) => PeerReply::Done,
            PeerCall::Join { .. } => PeerReply::Joined { members: [].into() },
            PeerCall::Acknowledged => PeerReply::Acknowledged(None),
            PeerCall::Status => PeerReply::Status(PeerStatus { applied_seq: 1, ..PeerStatus::default() }),
        }
    }
}

/// A double that is served, on a port of its own.
pub(super) struct Endpoint {
    pub double: Arc<Double>,
    pub address: SocketAddr,
    pub node: u64,
    pub snapshots: TempDir,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Endpoint {
    pub(super) async fn start(local: Local) -> Self {
        Self::start_at(local, ([127, 0, 0, 1], 0).into()).await
    }

    pub(super) async fn start_at(local: Local, address: SocketAddr) -> Self {
        Self::begin(local, address, Patience::default()).await
    }

    /// One that does not wait long.
    pub(super) async fn impatient(local: Local) -> Self {
        let patience = Patience { greeting: Duration::from_millis(50), snapshot: Duration::from_millis(50) };
        Self::begin(local, ([127, 0, 0, 1], 0).into(), patience).await
    }

    async fn begin(local: Local, address: SocketAddr, patience: Patience) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let double = Arc::new(Double::default());
        let snapshots = tempfile::tempdir().expect("a directory");
        let (stop, stopping) = watch::channel(false);
        let node = local.node;
        let peers = Peers::new(local);
        let inbound = Arc::clone(&double);
        let serving = Serving { peers, inbound, snapshots: snapshots.path().join("snapshots"), patience };
        let serving = tokio::spawn(serve(listener, serving, stopping));
        Self { double, address, node, snapshots, stop, serving }
    }

    /// Peers of `local` that know this endpoint.
    pub(super) fn caller(&self, local: Local) -> Peers {
        let peers = Peers::new(local);
        peers.set_members(&[(self.node, member(self.address))].into());
        peers
    }

    /// Stops serving; says where it was.
    pub(super) async fn stop(self) -> SocketAddr {
        self.stop.send(true).expect("it is still served");
        self.serving.await.expect("it ends");
        self.address
    }
}
