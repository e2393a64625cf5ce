//! From a data directory to a serving replica: opened, checked, loaded, replayed, caught up; and back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use tokio::sync::watch;
use tokio::time::Instant;

use super::ahead::Ahead;
use super::behind::{Behind, Order, Pace};
use super::clock::Clock;
use super::counters::Counters;
use super::either_way;
use super::folded::{self, Folded};
use super::inbound::Answering;
use super::journal::{Journal, Position};
use super::log::{LogHandle, LogOptions, LogStore, SyncObserver};
use super::machine::Machine;
use super::marks::Marks;
use super::members::system;
use super::peers::wire::{PeerCall, PeerReply};
use super::peers::{Local, Patience, Peers, Security, Serving, log_went_back, serve};
use super::phase::Phase;
use super::proposals;
use super::published::{Readers, Window};
use super::reads;
use super::roster::Roster;
use super::shared::{Dirs, Lead, Raft, Shared};
use super::snapshot::{self, Snapshots};
use super::timing::Timing;
use super::types::Member;
use super::waiters::Waiters;
use super::{Waited, submit, upkeep};
use crate::codec;
use crate::domain::cluster::{self, InitCluster};
use crate::domain::intent::Command;
use crate::domain::record::Outcome;
use crate::store::{StateDb, StoreError};

/// The format of `init.bin`.
const INIT_FORMAT: u8 = 1;
/// How long peers are asked what this node once acknowledged: those who live answer in milliseconds, and a whole cluster
/// that starts must not wait for itself.
const REMEMBERED: Duration = Duration::from_millis(1_000);
/// One try to catch up, or to have the first command applied.
const TRY: Duration = Duration::from_secs(2);
/// How often progress is shown.
const PROGRESS: Duration = Duration::from_millis(100);

/// What a replica is started with.
#[derive(Clone)]
pub struct Options {
    /// The data directory.
    pub dir: PathBuf,
    /// This node's id.
    pub node: u64,
    /// The cluster's id.
    pub cluster: String,
    /// This node, as members know it.
    pub member: Member,
    /// How connections between peers are protected.
    pub security: Security,
    /// Election timers.
    pub timing: Timing,
    /// How often what is written.
    pub pace: Pace,
    /// Where readers are answered.
    pub readers: Readers,
    /// Told how long each sync of the log took.
    pub on_sync: Option<SyncObserver>,
}

/// Why a node stays down; in words for the person who must act on it.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// What lies on disk says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else does.
    #[error("{0}")]
    Other(String),
}

impl CannotStart {
    fn other(error: impl std::fmt::Display) -> CannotStart {
        CannotStart::Other(error.to_string())
    }
}

/// Makes the databases of a new node where nothing is: of a new cluster's first node with its first command, of a node
/// that joins without one. Blocks.
///
/// # Errors
/// When something is there already, or the disk refuses.
pub fn create(dir: &Path, first: Option<&InitCluster>) -> Result<(), CannotStart> {
    let dirs = Dirs { root: dir.to_owned() };
    let made = |error: std::io::Error| CannotStart::Other(format!("cannot make {}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(made)?;
    if let Some(first) = first {
        let mut file = std::fs::File::create_new(dirs.init()).map_err(made)?;
        std::io::Write::write_all(&mut file, &codec::encode(INIT_FORMAT, first)).map_err(made)?;
        file.sync_all().map_err(made)?;
    }
    StateDb::create(&dirs.state())?.flush()?;
    LogStore::create(&dirs.log(), &dirs.promise())?;
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(made)
}

fn first_command(dirs: &Dirs) -> Result<Option<InitCluster>, CannotStart> {
    match std::fs::read(dirs.init()) {
        Ok(bytes) => codec::decode(INIT_FORMAT, &bytes)
            .map(Some)
            .map_err(|error| CannotStart::Other(format!("{} does not decode: {error}", dirs.init().display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CannotStart::Other(format!("cannot read {}: {error}", dirs.init().display()))),
    }
}

/// A replica that runs, and what ends it.
pub(super) struct Running {
    /// Its parts.
    pub shared: Arc<Shared>,
    raft: Raft,
    /// The log, from outside.
    pub log: LogHandle,
    ends: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    tasks: tokio::task::JoinSet<()>,
}

struct Opened {
    log: LogStore,
    db: StateDb,
    folded: Folded,
    position: Position,
    replayed: u64,
    first: Option<InitCluster>,
}

/// Opens what lies on disk, and folds the journal up to where it was flushed. Blocks.
fn open(options: &Options, phase: &watch::Sender<Phase>) -> Result<Opened, CannotStart> {
    let dirs = Dirs { root: options.dir.clone() };
    let log = LogStore::open(
        &dirs.log(),
        &dirs.promise(),
        LogOptions { on_sync: options.on_sync.clone(), ..LogOptions::default() },
    )?;
    snapshot::clear(&dirs.snapshots()).map_err(CannotStart::other)?;
    let db = StateDb::open(&dirs.state())?;
    let progress = |done, of| {
        phase.send_replace(Phase::Replaying { done, of });
    };
    let (folded, position, replayed) = folded::load(&db, progress).map_err(CannotStart::other)?;
    let (held, expected) = (&folded.ledger.state.cluster_id, options.cluster.as_str());
    if !held.is_empty() && held.as_ref() != expected {
        return Err(CannotStart::Other(format!(
            "the data in {} is of cluster {held}, not of {expected}",
            options.dir.display()
        )));
    }
    Ok(Opened { log, db, folded, position, replayed, first: first_command(&dirs)? })
}

/// Starts a replica on this runtime; returns when it runs, which is before it serves.
///
/// # Errors
/// Why the node stays down.
pub(super) async fn start(
    options: Options,
    listener: tokio::net::TcpListener,
    phase: Arc<watch::Sender<Phase>>,
    hold: &OnceLock<Arc<Shared>>,
) -> Result<Running, CannotStart> {
    let config = options.timing.config(&options.cluster).map_err(CannotStart::Other)?;
    let (opening, shown) = (options.clone(), Arc::clone(&phase));
    let opened = tokio::task::spawn_blocking(move || open(&opening, &shown)).await.map_err(CannotStart::other)??;
    let Opened { mut log, db, folded, position, replayed, first } = opened;
    let handle = log.handle();
    let last = handle.last();
    let vote = log.get_log_reader().await.read_vote().await.map_err(CannotStart::other)?;

    let (proposals, queue) = proposals::queue();
    let (reads, readers) = reads::queue();
    let (behind, orders) = Behind::new();
    let counters = Counters::default();
    counters.replayed.store(replayed, std::sync::atomic::Ordering::Relaxed);
    let local = Local { node: options.node, cluster: options.cluster.clone(), security: options.security.clone() };
    let window = Window::new(folded.publish(&position), options.readers);
    let clock = Clock::new();
    clock.seen(folded.ledger.state.now);
    let shared = Arc::new(Shared {
        node: options.node,
        member: options.member.clone(),
        dirs: Dirs { root: options.dir.clone() },
        timing: options.timing,
        journal: Journal::new(db, position.clone()),
        window,
        clock,
        waiters: Waiters::new(options.node, fresh_run()),
        proposals,
        ahead: Ahead::default(),
        reads,
        peers: Peers::new(local),
        roster: Roster::default(),
        snapshots: Snapshots::default(),
        marks: Marks::default(),
        behind,
        counters,
        lead: watch::Sender::new(Lead::default()),
        phase,
        first_zone: first.as_ref().map_or_else(|| "UTC".to_owned(), |first| first.zone.to_string()),
        raft: OnceLock::new(),
    });
    shared.members_changed(&position.membership);
    Behind::start(&shared, orders, options.pace).map_err(CannotStart::other)?;
    either_way(hold.set(Arc::clone(&shared)));

    let machine = Machine::new(Arc::clone(&shared), folded, position);
    let showing = tokio::spawn(show_progress(Arc::clone(&shared), last.map_or(0, |last| last.index)));
    let built = Raft::build(options.node, config, shared.peers.clone(), log, machine).await;
    showing.abort();
    let raft =
        built.map_err(|fatal| CannotStart::Other(format!("the log and the state do not fit together: {fatal}")))?;
    if let Some(reason) = went_back(&shared, vote.as_ref(), last.as_ref()).await {
        shared.behind.end(Order::Stop);
        return Err(CannotStart::Other(reason));
    }
    run(shared, raft, handle, listener, first, (queue, readers), options.pace)
}

/// A number that no earlier run of any node had.
fn fresh_run() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// openraft applies what the log has beyond the state while it is built; this shows how far it is.
async fn show_progress(shared: Arc<Shared>, last: u64) {
    let from = *shared.window.applied().borrow();
    loop {
        let now = *shared.window.applied().borrow();
        shared.phase.send_replace(Phase::Replaying { done: now - from, of: last.saturating_sub(from) });
        tokio::time::sleep(PROGRESS).await;
    }
}

/// Asks the others whether this node's log ends before what it once acknowledged to one of them. Who does not answer in
/// time says nothing.
async fn went_back(
    shared: &Shared,
    vote: Option<&super::peers::wire::Vote>,
    last: Option<&super::peers::wire::LogId>,
) -> Option<String> {
    let published = shared.window.newest();
    let nodes = published.membership.nodes().map(|(&node, _)| node).filter(|&node| node != shared.node);
    let deadline = Instant::now() + REMEMBERED;
    let asked = nodes.map(|node| async move {
        match shared.peers.call(node, PeerCall::Acknowledged, deadline).await {
            Ok(PeerReply::Acknowledged(Some(acknowledged))) => Some((node, acknowledged)),
            Ok(_) | Err(_) => None,
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    let (node, acknowledged) =
        answers.into_iter().flatten().find(|(_, acknowledged)| log_went_back(vote, last, acknowledged))?;
    let ends = last.map_or_else(|| "is empty".to_owned(), |last| format!("ends at entry {}", last.index));
    Some(format!(
        "the log {ends}, but this node has acknowledged entry {} to node {node}: its disk went back, and what it \
         acknowledged is lost, so it must not vote; replace this node: docs/operating.md",
        acknowledged.last.index
    ))
}

fn run(
    shared: Arc<Shared>,
    raft: Raft,
    log: LogHandle,
    listener: tokio::net::TcpListener,
    first: Option<InitCluster>,
    (queue, readers): (proposals::Queue, reads::Readers),
    pace: Pace,
) -> Result<Running, CannotStart> {
    raft.run();
    either_way(shared.raft.set(raft.clone()));
    let (ends, end) = watch::channel(false);
    let serving = Serving {
        peers: shared.peers.clone(),
        inbound: Arc::new(Answering::new(Arc::clone(&shared))),
        snapshots: shared.dirs.received(),
        patience: Patience::default(),
    };
    let serving = tokio::spawn(serve(listener, serving, end));
    let mut tasks = tokio::task::JoinSet::new();
    let again = || (Arc::clone(&shared), raft.clone());
    let ((for_lead, its_raft), (for_failure, another)) = (again(), again());
    tasks.spawn(upkeep::follow_lead(for_lead, its_raft));
    tasks.spawn(upkeep::watch_failure(for_failure, another));
    tasks.spawn(proposals::run(Arc::clone(&shared), queue));
    tasks.spawn(reads::run(Arc::clone(&shared), readers));
    tasks.spawn(upkeep::let_time_pass(Arc::clone(&shared)));
    tasks.spawn(upkeep::mark(Arc::clone(&shared)));
    tasks.spawn(upkeep::ask_peers(Arc::clone(&shared)));
    tasks.spawn(upkeep::purge(Arc::clone(&shared), raft.clone(), log.clone(), pace));
    tasks.spawn(upkeep::sweep(Arc::clone(&shared)));
    shared.phase.send_replace(Phase::CatchingUp);
    tasks.spawn(become_ready(Arc::clone(&shared), raft.clone(), first));
    Ok(Running { shared, raft, log, ends, serving, tasks })
}

/// Begins the cluster if that is still to be done, catches up, and serves.
async fn become_ready(shared: Arc<Shared>, raft: Raft, first: Option<InitCluster>) {
    if let Some(first) = first
        && let Err(reason) = begin(&shared, &raft, first).await
    {
        shared.fail(&reason);
        return;
    }
    // One barrier covers all that was committed before this start, here or elsewhere.
    while shared.reads.fresh(&shared, Instant::now() + TRY).await.is_err() {
        if !shared.phase.borrow().runs() {
            return;
        }
    }
    shared.phase.send_if_modified(|phase| {
        let ready = matches!(phase, Phase::CatchingUp);
        if ready {
            *phase = Phase::Serving;
        }
        ready
    });
}

/// Makes this node the cluster's only member, and has its first command applied; takes its file away then.
async fn begin(shared: &Arc<Shared>, raft: &Raft, first: InitCluster) -> Result<(), String> {
    if !raft.is_initialized().await.map_err(|error| error.to_string())? {
        let members = BTreeMap::from([(shared.node, shared.member.clone())]);
        raft.initialize(members).await.map_err(|error| format!("the cluster cannot begin: {error}"))?;
    }
    while shared.window.newest().state.cluster_id.is_empty() {
        let command = Command::InitCluster(first.clone());
        let deadline = Instant::now() + TRY;
        let answer = submit::submit(shared, &system(), None, &command, deadline, Waited::EvenWhileCatchingUp).await;
        match answer.map(|answer| answer.outcome) {
            Ok(Outcome::Refused(refusal)) if shared.window.newest().state.cluster_id.is_empty() => {
                return Err(format!("the cluster cannot begin: {refusal:?}"));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the first command is proposed again"),
        }
        if !shared.phase.borrow().runs() {
            return Ok(());
        }
    }
    for command in cluster::beginning() {
        grant(shared, &command).await;
    }
    std::fs::remove_file(shared.dirs.init()).map_err(|error| format!("{}: {error}", shared.dirs.init().display()))
}

/// Has one of the commands decided that a new cluster asks for itself. What it has already is refused, which is as good.
async fn grant(shared: &Arc<Shared>, command: &Command) {
    while shared.phase.borrow().runs() {
        let deadline = Instant::now() + TRY;
        let (actor, waited) = (system(), Waited::EvenWhileCatchingUp);
        match submit::submit(shared, &actor, None, command, deadline, waited).await {
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, "a new cluster's grant is proposed again"),
        }
    }
}

impl Running {
    /// Ends it: hands over the lead, flushes, closes.
    pub(super) async fn stop(self) {
        upkeep::hand_over(&self.shared, &self.raft).await;
        self.close(Order::Stop).await;
    }

    /// Ends it without handing over or flushing anything: what a crash leaves, as far as one process can show it.
    pub(super) async fn abandon(self) {
        self.close(Order::Abandon).await;
    }

    async fn close(mut self, last: Order) {
        self.shared.phase.send_if_modified(|phase| {
            let fine = !matches!(phase, Phase::Failed(_));
            if fine {
                *phase = Phase::Stopping;
            }
            fine
        });
        if self.raft.shutdown().await.is_err() {
            tracing::error!("openraft did not end cleanly");
        }
        self.ends.send_replace(true);
        self.tasks.shutdown().await;
        if self.serving.await.is_err() {
            tracing::error!("serving peers did not end cleanly");
        }
        self.shared.waiters.clear();
        let (shared, log) = (self.shared, self.log);
        let closed = tokio::task::spawn_blocking(move || {
            log.shutdown();
            shared.behind.end(last);
            shared.journal.close();
        });
        if closed.await.is_err() {
            tracing::error!("closing the databases did not end cleanly");
        }
    }
}
