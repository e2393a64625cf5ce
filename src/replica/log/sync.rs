//! The sync thread: makes durable what waits, promises it, says so, and writes it to the log.
//!
//! A log's sync and a promise's are two, and in a row they would double what a lone client waits for. Both at once
//! would make a power cut between them look like a loss. So a promise carries the entries themselves: its sync alone makes them
//! durable, and nobody waits for their way into the log. The log is synced when the promises have no more room, for what is too large
//! to be carried, and for a vote. After a crash or a power cut the log gets back from the promises what it lacks ([`super::check`]).

use std::io;
use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::check::{Carried, Pledge, bytes_of};
use super::shared::Shared;
use super::{LogId, LogOptions, Vote};
use crate::replica::types::TypeConfig;
use crate::store::{LogBatch, Promise, StoreError};

/// What one promise carries at most, beside the rest of it: more bytes are better written once, to the log.
const CARRIED_BYTES: usize = Promise::PAYLOAD_BYTES - PLEDGE_BYTES;

/// What a promise takes besides what it carries, at most.
const PLEDGE_BYTES: usize = 512;

/// How many bytes of entries are written to the log together unless told otherwise: each write has its price, whatever is in it.
pub(super) const WRITTEN_TOGETHER: usize = 64 << 10;

/// How many jobs may wait: more than openraft has in flight, so that a caller waits only for a disk that stands still.
const WAITING_JOBS: usize = 4096;

/// What the thread is asked to do, in the order of openraft's calls.
pub(super) enum Job {
    /// Make it durable with what was written before, promise it, and say so.
    Commit { what: What, done: Done },
    /// Promise no more than this, because the rest is about to be truncated.
    Lower { to: Option<LogId>, done: Done },
    /// Let go of entries before this index: that they are purged was written, and must be durable before they go.
    Drop { before: u64 },
    /// Do what waits, and end.
    Stop,
}

/// What is to be made durable.
pub(super) enum What {
    /// Entries up to this one.
    Entries { last: Option<LogId>, entries: Vec<Carried> },
    /// A vote.
    Vote(Vote),
    /// A snapshot stands for the log up to here.
    Snapshot(LogId),
}

/// Who is told.
pub(super) enum Done {
    Openraft(IOFlushed<TypeConfig>),
    Waiter(oneshot::Sender<io::Result<()>>),
}

impl Done {
    fn tell(self, result: Result<(), StoreError>) {
        let result = result.map_err(io::Error::from);
        match self {
            Done::Openraft(callback) => callback.io_completed(result),
            // A caller that has gone away was shut down, and asks nothing any more.
            Done::Waiter(waiter) => drop(waiter.send(result)),
        }
    }
}

/// The thread's handle.
pub(super) struct Syncer {
    jobs: SyncSender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Syncer {
    pub(super) fn start(
        shared: Arc<Shared>,
        promise: Promise,
        pledge: Pledge,
        options: LogOptions,
    ) -> Result<Self, StoreError> {
        let (jobs, inbox) = mpsc::sync_channel(WAITING_JOBS);
        let path = promise.path().to_owned();
        let mut worker = Worker { shared, promise, pledge, unwritten: Vec::new(), settled: true, options };
        let thread = thread::Builder::new().name("log-sync".to_owned()).spawn(move || worker.run(&inbox));
        let thread = thread.map_err(|error| StoreError::Refused {
            doing: "start a thread for",
            what: "log",
            path,
            detail: error.to_string(),
        })?;
        Ok(Self { jobs, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn send(&self, job: Job) {
        if let Err(mpsc::SendError(job)) = self.jobs.send(job) {
            match job {
                Job::Commit { done, .. } | Job::Lower { done, .. } => done.tell(Err(ended())),
                Job::Drop { .. } | Job::Stop => {}
            }
        }
    }

    pub(super) async fn wait(&self, job: impl FnOnce(Done) -> Job) -> io::Result<()> {
        let (done, told) = oneshot::channel();
        self.send(job(Done::Waiter(done)));
        told.await.unwrap_or_else(|_| Err(ended().into()))
    }

    pub(super) fn shutdown(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        self.send(Job::Stop);
        if thread.join().is_err() {
            tracing::error!("the log's sync thread had panicked");
        }
    }
}

fn ended() -> StoreError {
    StoreError::Stopped { what: "log", detail: "it was shut down".to_owned() }
}

struct Worker {
    shared: Arc<Shared>,
    promise: Promise,
    /// What was promised last; what the promises carry is not kept.
    pledge: Pledge,
    /// What the log does not hold yet; the promises carry it.
    unwritten: Vec<Carried>,
    /// Whether the log by itself holds all that the promises carry, so that the next one need not leave them as they are.
    settled: bool,
    options: LogOptions,
}

/// Commits that are made durable together.
#[derive(Default)]
struct Group {
    what: Vec<What>,
    done: Vec<Done>,
}

impl Worker {
    fn run(&mut self, inbox: &Receiver<Job>) {
        let mut group = Group::default();
        while let Ok(first) = inbox.try_recv().or_else(|_| {
            self.settle_behind();
            inbox.recv()
        }) {
            let mut stop = false;
            for job in std::iter::once(first).chain(inbox.try_iter()) {
                match job {
                    Job::Commit { what, done } => {
                        group.what.push(what);
                        group.done.push(done);
                    }
                    Job::Lower { to, done } => {
                        self.commit(mem::take(&mut group));
                        done.tell(self.lower(to));
                    }
                    Job::Drop { before } => {
                        self.commit(mem::take(&mut group));
                        self.drop_before(before);
                    }
                    Job::Stop => stop = true,
                }
            }
            self.commit(mem::take(&mut group));
            if stop {
                break;
            }
        }
        self.settle();
    }

    fn commit(&mut self, group: Group) {
        if group.done.is_empty() {
            return;
        }
        let begin = Instant::now();
        let result = self.make_durable(group.what);
        if let (Ok(()), Some(observe)) = (&result, &self.options.on_sync) {
            observe(begin.elapsed());
        }
        for done in group.done {
            done.tell(result.clone());
        }
    }

    fn make_durable(&mut self, group: Vec<What>) -> Result<(), StoreError> {
        self.shared.refuse_after_failure()?;
        let mut pledge = self.pledge.clone();
        let mut carry = true;
        for what in group {
            match what {
                What::Entries { last, entries } => {
                    pledge.last = last.or(pledge.last);
                    pledge.carried.extend(entries);
                }
                What::Vote(vote) => (pledge.vote, carry) = (Some(vote), false),
                What::Snapshot(last) => (pledge.last, carry) = (Some(last), false),
            }
        }
        let carried_bytes = bytes_of(&pledge.carried);
        if !carry || carried_bytes > CARRIED_BYTES {
            self.unwritten.append(&mut pledge.carried);
            self.sync_log()?;
        } else if !self.settled && !self.promise.has_room(carried_bytes + PLEDGE_BYTES) {
            self.sync_log()?;
        }
        self.promise(pledge)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let Some(last) = self.unwritten.last() else { return Ok(()) };
        let end = last.index + 1;
        let mut batch = LogBatch::default();
        for entry in self.unwritten.drain(..) {
            batch.put_entry(entry.index, &entry.bytes);
        }
        self.shared.write(batch)?;
        self.shared.view_mut().cache.written(end);
        Ok(())
    }

    /// While nobody waits: writes, and makes room before somebody has to wait for it. A failure is remembered, and nothing is taken
    /// after it.
    fn settle_behind(&mut self) {
        let full = !self.settled && self.promise.is_half_full();
        let _remembered = match self.shared.refuse_after_failure() {
            Ok(()) if full => self.sync_log(),
            Ok(()) if bytes_of(&self.unwritten) >= self.options.written_together => self.write(),
            otherwise => otherwise,
        };
    }

    /// Before a truncation: the log is durable up to here, so nothing has to be carried, and less is promised.
    fn lower(&mut self, to: Option<LogId>) -> Result<(), StoreError> {
        self.shared.refuse_after_failure()?;
        self.sync_log()?;
        self.promise(Pledge { last: self.pledge.last.min(to), ..self.pledge.clone() })
    }

    /// What is not dropped now goes with the next purge.
    fn drop_before(&mut self, first: u64) {
        if self.shared.refuse_after_failure().is_err() || self.sync_log().is_err() {
            return;
        }
        if let Err(error) = self.shared.db.drop_before(first) {
            tracing::warn!(%error, "purged entries stay on disk until the next purge");
        }
    }

    /// At the end: the log holds everything by itself.
    fn settle(&mut self) {
        let unsaved = self.shared.view().committed_unsaved;
        if unsaved && let Err(error) = self.shared.write(LogBatch::default()) {
            tracing::warn!(%error, "what is committed was not written at the end; the leader will say it");
        }
        if self.shared.refuse_after_failure().is_err() {
            return;
        }
        let emptied = self.sync_log().and_then(|()| self.pledge.with_encoded(|bytes| self.promise.begin(bytes)));
        if let Err(error) = emptied {
            tracing::warn!(%error, "the log was not synced at the end; its promise still holds everything");
        }
    }

    fn sync_log(&mut self) -> Result<(), StoreError> {
        self.write()?;
        self.shared.db.sync().map_err(|error| self.shared.fail(&error))?;
        self.shared.stats.log_syncs.fetch_add(1, Relaxed);
        self.settled = true;
        Ok(())
    }

    fn promise(&mut self, mut pledge: Pledge) -> Result<(), StoreError> {
        if pledge == self.pledge {
            return Ok(());
        }
        let write = if self.settled { Promise::begin } else { Promise::append };
        let written = pledge.with_encoded(|bytes| write(&mut self.promise, bytes));
        written.map_err(|error| self.shared.fail(&error))?;
        self.shared.stats.syncs.fetch_add(1, Relaxed);
        self.shared.acknowledge(pledge.last);
        self.settled = pledge.carried.is_empty() && self.settled;
        self.unwritten.append(&mut pledge.carried);
        self.pledge = pledge;
        Ok(())
    }
}
