//! Wires the rooms together, starts and stops them; decides nothing.

mod gauges;
mod join;
mod logging;
mod signals;

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{gauge, histogram};
use rustix::fs::{FlockOperation, flock};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::{NodeConfig, NodeFile};
use crate::dialect::aside::Aside;
use crate::dialect::proof::Prover;
use crate::dialect::{self, Context};
use crate::domain::cluster::InitCluster;
use crate::http::limits::Limits;
use crate::http::listener::Listener;
use crate::http::tls::Tls;
use crate::http::{House, Serves};
use crate::identity::{NodeIdentity, Signer, expires, peer_client, peer_server};
use crate::metrics::{self, Recorder};
use crate::replica::peers::Security;
use crate::replica::types::Member;
use crate::replica::verify::Verified;
use crate::replica::{Cluster, Options, Pace, Phase, Readers, Replica, Timing};

pub use join::join;
pub use logging::start as start_logging;
use signals::Signal;

/// The file whose lock says that a node uses the directory.
const LOCK_FILE: &str = "lock";
/// On so many cores the replica's own thread serves the connections: handing a request to it and back would cost more in
/// switches than another thread answers (docs/adr/0065).
const FEW_CORES: usize = 2;
/// Most threads that answer requests elsewhere; a core is left to the replica's.
const REQUEST_THREADS: usize = 8;
/// How often recorded samples are moved into their buckets, so that memory does not grow between scrapes.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Why a node does not run, or did not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NodeError(pub String);

impl NodeError {
    fn because(error: impl std::fmt::Display) -> NodeError {
        NodeError(error.to_string())
    }
}

/// Makes the databases of a new node; `first` begins a new cluster, a node that joins has none.
///
/// # Errors
/// When there are some already, or the disk refuses.
pub fn create(data_dir: &Path, first: Option<&InitCluster>) -> Result<(), NodeError> {
    crate::replica::create(data_dir, first).map_err(NodeError::because)
}

/// Recomputes both chains of a stopped node's journal; `seen` is told how many of how many records were read.
///
/// # Errors
/// When the node runs, a row cannot be read, or the chains do not hold.
pub fn verify(data_dir: &Path, seen: impl FnMut(u64, u64)) -> Result<Verified, NodeError> {
    NodeFile::read(data_dir).map_err(NodeError::because)?;
    let _lock = lock(data_dir)?;
    crate::replica::verify::verify(data_dir, seen).map_err(NodeError::because)
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// When it cannot start, or fails; why it stays down is in the error.
pub fn run(config: NodeConfig) -> Result<(), NodeError> {
    logging::start(&config.log, config.log_format)?;
    let _lock = lock(&config.data_dir)?;
    let threads = config.request_threads.unwrap_or_else(request_threads);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name("requests")
        .enable_all()
        .build()
        .map_err(NodeError::because)?;
    let ran = runtime.block_on(serve(&config, if threads == 0 { Readers::Together } else { Readers::Apart }));
    runtime.shutdown_timeout(config.drain_timeout);
    ran
}

/// How many threads answer requests, unless a node is told; 0: the replica's own.
fn request_threads() -> usize {
    match std::thread::available_parallelism().map_or(1, usize::from) {
        ..=FEW_CORES => 0,
        cores => (cores - 1).min(REQUEST_THREADS),
    }
}

/// Keeps a second process out of the directory for as long as the file is open.
fn lock(data_dir: &Path) -> Result<File, NodeError> {
    let path = data_dir.join(LOCK_FILE);
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|error| NodeError(format!("cannot open {}: {error}", path.display())))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(error) => Err(NodeError(format!("another node uses {}: {error}", data_dir.display()))),
    }
}

/// With readers together, connections are served on the replica's own thread, and what may take long on this runtime.
async fn serve(config: &NodeConfig, readers: Readers) -> Result<(), NodeError> {
    let together = readers == Readers::Together;
    let mut signals = signals::listen().map_err(NodeError::because)?;
    let recorder = Recorder::install().map_err(NodeError)?;
    let file = NodeFile::read(&config.data_dir).map_err(NodeError::because)?;
    let identity = NodeIdentity::load(&config.data_dir.join("identity")).map_err(NodeError::because)?;
    for (name, certificate) in [("peer", &identity.node.certificate), ("server", &identity.api.certificate)] {
        let expires = expires(certificate).map_err(NodeError::because)?;
        gauge!(metrics::TLS_EXPIRY, "use" => name).set(metrics::value(u64::try_from(expires).unwrap_or_default()));
    }
    let peers = bind(config.peer_listen)?;
    let cluster = Cluster::start(options(config, &file, &identity, readers)?, peers).map_err(NodeError::because)?;
    let front = if together { cluster.runtime().clone() } else { Handle::current() };
    let replica = Replica::Cluster(cluster);
    let phase = replica.phase();

    let signer = Signer::of(&identity).map_err(NodeError::because)?;
    let certificate = signer.certificate().to_owned();
    let sign = Box::new(move |bytes: &[u8]| signer.sign(bytes).map_err(|error| error.to_string()));
    let mut context = Context::new(replica.clone(), dialect::Limits::default());
    context.aside = together.then(|| Aside::new(Handle::current()));
    context.prover = Some(Prover { sign, certificate });
    let context = Arc::new(context.with_license_folder(config.license_folder.clone()));
    let house = House::new(context, Some(recorder.clone()), limits(config));
    let tls = tls(config)?;
    let listeners = match listen(config, &house, tls.as_ref(), &front).await {
        Ok(listeners) => listeners,
        Err(error) => {
            replica.stop().await;
            return Err(error);
        }
    };
    tracing::info!(
        node = file.node, name = file.name, cluster = file.cluster, api = %config.listen, peers = %config.peer_listen,
        metrics = %config.metrics_listen, "the node is up"
    );
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP).await;
            recorder.upkeep();
        }
    });
    let gauges = tokio::spawn(gauges::run(replica.clone(), config.data_dir.clone()));
    let ended = until_told(&mut signals, phase, || reload(config, tls.as_ref())).await;

    house.leave();
    tokio::select! {
        () = leave(config, listeners, &replica) => {}
        () = signals.insist() => return Err(NodeError("told to stop twice: ended at once".to_owned())),
    }
    upkeep.abort();
    gauges.abort();
    tracing::info!("the node has stopped");
    ended
}

/// Stops what takes requests, lets those under way end, then stops the replica.
async fn leave(config: &NodeConfig, listeners: Vec<Listener>, replica: &Replica) {
    tokio::time::sleep(config.shutdown_delay).await;
    futures_util::future::join_all(listeners.into_iter().map(Listener::stop)).await;
    replica.stop().await;
}

/// Waits for a signal to stop, or for the replica to fail.
async fn until_told(
    signals: &mut signals::Signals,
    mut phase: watch::Receiver<Phase>,
    reload: impl Fn(),
) -> Result<(), NodeError> {
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop => return Ok(()),
                Signal::Reload => reload(),
            },
            failed = phase.wait_for(|phase| matches!(phase, Phase::Failed(_))) => {
                let reason = failed.map_or_else(|_| "the replica is gone".to_owned(), |phase| phase.to_string());
                return Err(NodeError(format!("the node stays down: {reason}")));
            }
        }
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).map_err(|error| NodeError(format!("cannot listen on {address}: {error}")))
}

fn options(
    config: &NodeConfig,
    file: &NodeFile,
    identity: &NodeIdentity,
    readers: Readers,
) -> Result<Options, NodeError> {
    let security = if config.plain_peers {
        Security::PlainLoopback
    } else {
        Security::Tls {
            server: peer_server(identity).map_err(NodeError::because)?,
            client: peer_client(identity).map_err(NodeError::because)?,
        }
    };
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(Options {
        dir: config.data_dir.clone(),
        node: file.node,
        cluster: file.cluster.clone(),
        member: Member { name: file.name.clone(), peer: file.peer.clone(), api: file.api.clone() },
        security,
        timing: Timing {
            heartbeat_ms: ms(config.heartbeat),
            election_min_ms: ms(config.election.0),
            election_max_ms: ms(config.election.1),
        },
        pace: Pace::default(),
        readers,
        on_sync: Some(Arc::new(|took: Duration| histogram!(metrics::LOG_FSYNC).record(took))),
    })
}

fn limits(config: &NodeConfig) -> Limits {
    Limits {
        connections: config.connections,
        connections_per_address: config.connections_per_address,
        request: config.request_timeout,
        drain: config.drain_timeout,
        ..Limits::default()
    }
}

/// Certificate and key that clients meet.
fn tls(config: &NodeConfig) -> Result<Option<Tls>, NodeError> {
    if config.plain_http {
        return Ok(None);
    }
    let (certificate, key) = tls_files(config);
    Tls::load(&certificate, &key).map(Some).map_err(NodeError::because)
}

fn tls_files(config: &NodeConfig) -> (std::path::PathBuf, std::path::PathBuf) {
    config.tls.clone().unwrap_or_else(|| {
        let identity = config.data_dir.join("identity");
        (identity.join("api.pem"), identity.join("api-key.pem"))
    })
}

fn reload(config: &NodeConfig, tls: Option<&Tls>) {
    let Some(tls) = tls else { return };
    let (certificate, key) = tls_files(config);
    match tls.reload(&certificate, &key) {
        Ok(()) => tracing::info!("the API's certificate was read again"),
        Err(error) => tracing::error!(%error, "the API's certificate stays as it was"),
    }
}

/// Health and metrics first: they answer while the rest comes up.
async fn listen(
    config: &NodeConfig,
    house: &Arc<House>,
    tls: Option<&Tls>,
    front: &Handle,
) -> Result<Vec<Listener>, NodeError> {
    let api = std::iter::once(config.listen).chain(config.extra_listen.iter().copied());
    let api = api.map(|address| (Serves::Api, address, tls.cloned(), front.clone()));
    let metrics = (Serves::Metrics, config.metrics_listen, None, Handle::current());
    let mut listeners = Vec::new();
    for (serves, address, tls, runtime) in std::iter::once(metrics).chain(api) {
        let listener = Listener::start(Arc::clone(house), serves, address, tls, &runtime).await;
        listeners.push(listener.map_err(|error| NodeError(format!("cannot listen on {address}: {error}")))?);
    }
    Ok(listeners)
}
