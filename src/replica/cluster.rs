//! The handle on a replica that runs in a thread of its own: decision 12 keeps the raft core and the peers apart from
//! requests, so that no request delays a heartbeat.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::either_way;
use super::log::LogHandle;
use super::peers::wire::MembersCall;
use super::phase::Phase;
use super::shared::Shared;
use super::start::{self, Options, Running};
use super::stats::Stats;
use super::{Answer, Consistency, MemberStatus, Page, Status, Unavailable, View, Waited, members, stats, submit};
use crate::domain::intent::{Command, IdempotencyKey};
use crate::domain::name::Hash;
use crate::domain::record::Stored;
use crate::domain::user::Actor;

/// Records of one page at most: a page is answered from memory.
const PAGE_RECORDS: usize = 10_000;
/// How long tasks that hang may delay the end of the thread.
const END: Duration = Duration::from_secs(2);

/// How a replica ends.
enum End {
    Stop(oneshot::Sender<()>),
    Abandon(oneshot::Sender<()>),
}

/// A replica that runs, or is on its way up or down.
pub struct Cluster {
    node: u64,
    /// The replica's thread.
    runtime: Handle,
    shared: OnceLock<Arc<Shared>>,
    /// Let go of at the end: it holds the log database open.
    log: Mutex<Option<LogHandle>>,
    phase: Arc<watch::Sender<Phase>>,
    end: Mutex<Option<oneshot::Sender<End>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Cluster {
    /// Starts a replica in a thread of its own and returns at once; [`Cluster::phase`] says how far it is. `listener` is
    /// where peers come in.
    ///
    /// # Errors
    /// When the system has no thread or no runtime.
    pub fn start(options: Options, listener: std::net::TcpListener) -> io::Result<Arc<Cluster>> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let cluster = Arc::new(Cluster {
            node: options.node,
            runtime: runtime.handle().clone(),
            shared: OnceLock::new(),
            log: Mutex::default(),
            phase: Arc::new(watch::Sender::new(Phase::Opening)),
            end: Mutex::new(Some(end)),
            thread: Mutex::default(),
        });
        let its = Arc::clone(&cluster);
        let thread = std::thread::Builder::new().name("replica".to_owned()).spawn(move || {
            let done = runtime.block_on(its.live(options, listener, ended));
            runtime.shutdown_timeout(END);
            if let Some(done) = done {
                either_way(done.send(()));
            }
        })?;
        *cluster.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(cluster)
    }

    /// The thread's life.
    async fn live(
        &self,
        options: Options,
        listener: std::net::TcpListener,
        ended: oneshot::Receiver<End>,
    ) -> Option<oneshot::Sender<()>> {
        let phase = Arc::clone(&self.phase);
        let running = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => start::start(options, listener, phase, &self.shared).await,
            Err(error) => Err(start::CannotStart::Other(format!("cannot listen for peers: {error}"))),
        };
        let running: Option<Running> = match running {
            Ok(running) => {
                *self.log() = Some(running.log.clone());
                Some(running)
            }
            Err(reason) => {
                tracing::error!("{reason}");
                self.phase.send_replace(Phase::Failed(reason.to_string()));
                None
            }
        };
        // The handle keeps the sender; without a handle nobody can ask anything either.
        let end = ended.await.ok();
        let (done, gently) = match end {
            Some(End::Stop(done)) => (Some(done), true),
            Some(End::Abandon(done)) => (Some(done), false),
            None => (None, true),
        };
        *self.log() = None;
        match running {
            Some(running) if gently => running.stop().await,
            Some(running) => running.abandon().await,
            None => {}
        }
        done
    }

    async fn end(&self, end: impl FnOnce(oneshot::Sender<()>) -> End) {
        let (done, wait) = oneshot::channel();
        let sender = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender
            && sender.send(end(done)).is_ok()
        {
            either_way(wait.await);
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && tokio::task::spawn_blocking(move || thread.join()).await.is_err()
        {
            tracing::error!("the replica's thread did not end cleanly");
        }
    }

    /// The replica's own thread, for what is better done there than woken from there: it must be short. Ends with
    /// [`Cluster::stop`].
    #[must_use]
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Ends it: hands over the lead, flushes, closes. Returns when all is closed.
    pub async fn stop(&self) {
        self.end(End::Stop).await;
    }

    /// Ends it as a crash would, as far as one process can show it: nothing is handed over or flushed.
    pub async fn abandon(&self) {
        self.end(End::Abandon).await;
    }

    /// What it is doing, and when that changes.
    #[must_use]
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    fn log(&self) -> MutexGuard<'_, Option<LogHandle>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> Result<&Arc<Shared>, Unavailable> {
        self.shared.get().ok_or_else(|| Unavailable::NotServing(self.phase.borrow().to_string()))
    }

    fn serving(&self) -> Result<&Arc<Shared>, Unavailable> {
        let phase = self.phase.borrow();
        if phase.serves() { self.shared() } else { Err(Unavailable::NotServing(phase.to_string())) }
    }

    /// See [`super::Replica::submit`].
    ///
    /// # Errors
    /// This node's no.
    pub async fn submit(
        &self,
        actor: &Actor,
        key: Option<&IdempotencyKey>,
        command: &Command,
        deadline: Instant,
    ) -> Result<Answer, Unavailable> {
        submit::submit(self.shared()?, actor, key, command, deadline, Waited::UntilServing).await
    }

    /// See [`super::Replica::view`].
    ///
    /// # Errors
    /// When no quorum confirms it before `deadline`.
    pub async fn view(&self, consistency: Consistency, deadline: Instant) -> Result<View, Unavailable> {
        let shared = self.serving()?;
        match consistency {
            Consistency::Linearizable => {
                let published = shared.reads.fresh(shared, deadline).await?;
                Ok(View::of(&published, Duration::ZERO))
            }
            Consistency::Stale => Ok(View::of(&shared.window.newest(), stats::age(shared))),
        }
    }

    /// See [`super::Replica::journal`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn journal(&self, page: Page, wait: Duration) -> Result<Vec<Stored>, Unavailable> {
        let shared = Arc::clone(self.serving()?);
        let limit = page.limit.min(PAGE_RECORDS);
        let mut grown = shared.journal.grown();
        if *grown.borrow() <= page.after {
            // No growth in time is an empty page.
            either_way(tokio::time::timeout(wait, grown.wait_for(|seq| *seq > page.after)).await);
        }
        blocking(move || shared.journal.page(page.after, limit)).await
    }

    /// See [`super::Replica::digest_at`].
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn digest_at(&self, seq: u64) -> Result<Option<Hash>, Unavailable> {
        let shared = Arc::clone(self.serving()?);
        blocking(move || Ok(shared.journal.get(seq)?.map(|stored| stored.digest))).await
    }

    /// See [`super::Replica::promote`], [`super::Replica::remove`] and [`super::Replica::transfer`].
    ///
    /// # Errors
    /// When it cannot be done as asked, or there is no quorum.
    pub async fn change(&self, change: MembersCall, deadline: Instant) -> Result<(), Unavailable> {
        members::change(self.serving()?, change, deadline).await
    }

    /// See [`super::Replica::status`].
    #[must_use]
    pub fn status(&self) -> Status {
        let phase = self.phase.borrow().clone();
        let trouble = (!phase.serves()).then(|| phase.to_string());
        let Some(shared) = self.shared.get() else {
            return Status { node: self.node, trouble, ..Status::default() };
        };
        let (published, lead) = (shared.window.newest(), *shared.lead.borrow());
        let heads = published.state.heads;
        Status {
            node: self.node,
            leader: lead.leader,
            term: lead.term,
            applied_seq: heads.seq,
            digest: heads.digest(),
            members: roles(shared, lead.leader, heads.seq),
            trouble: trouble.or_else(|| shared.marks.disagreement()),
        }
    }

    /// Plain numbers, for the metrics.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        let (shared, log) = (self.shared.get()?, self.log().clone()?);
        Some(stats::stats(shared, &log))
    }

    /// All parts; for tests of this room.
    #[cfg(test)]
    pub(super) fn parts(&self) -> &Arc<Shared> {
        self.shared.get().expect("it has started")
    }
}

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, super::journal::Unreadable> + Send + 'static,
) -> Result<T, Unavailable> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| Unavailable::NotServing(error.to_string()))?
        .map_err(|error| Unavailable::NotServing(error.to_string()))
}

fn roles(shared: &Shared, leader: Option<u64>, applied_seq: u64) -> Vec<MemberStatus> {
    let membership = match shared.raft() {
        Some(raft) => Arc::clone(&raft.server_metrics().borrow_watched().membership_config),
        None => Arc::clone(&shared.window.newest().membership),
    };
    let voters: Vec<u64> = membership.voter_ids().collect();
    let member = |(&id, member): (&u64, &super::types::Member)| {
        let heard = shared.roster.get(id);
        let own = id == shared.node;
        let role = match () {
            () if leader == Some(id) => "leader",
            () if voters.contains(&id) => "follower",
            () => "learner",
        };
        let ago = |at: std::time::Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        MemberStatus {
            id,
            member: member.clone(),
            role,
            applied_seq: if own { Some(applied_seq) } else { heard.as_ref().map(|heard| heard.status.applied_seq) },
            last_contact_ms: if own { Some(0) } else { heard.map(|heard| ago(heard.at)) },
        }
    };
    membership.nodes().map(member).collect()
}
