//! The thread that writes behind apply: the tail many times a second, a flush every few, checkpoints and snapshots when
//! they are asked for (docs/adr/0007). Only what is flushed counts as applied after a crash.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::metrics::gauge;
use tokio::sync::{oneshot, watch};

use super::either_way;
use super::journal::{Position, Unreadable};
use super::phase::Phase;
use super::shared::Shared;
use crate::metrics;

/// Orders that may wait: each is asked for by hand or by one task at a time.
const ORDERS_WAITING: usize = 64;

/// How often what is done.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two writes of the tail: so short that the memory of what is written is taken again while caches have it, and
    /// before the allocator gives it back (docs/adr/0069).
    pub write: Duration,
    /// Between two flushes, at most.
    pub flush: Duration,
    /// Log bytes applied since the last checkpoint after which another is due, unless that one is larger: then as many as
    /// it has. So what a restart replays, and what checkpoints cost, both follow the size of the state.
    pub checkpoint_bytes: u64,
    /// Time after which a checkpoint is due if anything was applied at all.
    pub checkpoint: Duration,
    /// Bytes of the newest log entries that stay for followers that lag: those who lag more get a snapshot.
    pub keep_log_bytes: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            write: Duration::from_millis(50),
            flush: Duration::from_secs(5),
            checkpoint_bytes: 128 << 20,
            checkpoint: Duration::from_secs(600),
            keep_log_bytes: 64 << 20,
        }
    }
}

impl Pace {
    /// Whether a checkpoint is due, so many log bytes and so long after the last one began, whose size was `newest_bytes`.
    fn is_checkpoint_due(&self, grown: u64, since: Duration, newest_bytes: u64) -> bool {
        grown > 0 && (since >= self.checkpoint || grown >= self.checkpoint_bytes.max(newest_bytes))
    }
}

/// What the thread is asked to do.
pub(super) enum Order {
    /// Write and flush all that is applied, and copy the database by hard links into a directory that is not there yet.
    Snapshot(PathBuf, oneshot::Sender<Result<Position, Unreadable>>),
    /// Begin a checkpoint now.
    #[cfg(test)]
    Checkpoint,
    /// Write and flush all, and end.
    Stop,
    /// End, and leave the disk as it is: as if the process had been killed.
    Abandon,
}

/// The hold on the thread.
pub(super) struct Behind {
    orders: Mutex<SyncSender<Order>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The log index up to which the database was flushed.
    pub flushed: watch::Sender<u64>,
    /// Counts finished checkpoints.
    pub checkpoints: watch::Sender<u64>,
}

impl Behind {
    /// The hold, and what [`Behind::start`] takes.
    #[must_use]
    pub(super) fn new() -> (Behind, Receiver<Order>) {
        let (orders, received) = sync_channel(ORDERS_WAITING);
        let flushed = watch::Sender::new(0);
        let checkpoints = watch::Sender::new(0);
        (Behind { orders: Mutex::new(orders), thread: Mutex::default(), flushed, checkpoints }, received)
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(super) fn start(shared: &Arc<Shared>, orders: Receiver<Order>, pace: Pace) -> std::io::Result<()> {
        let worker = Worker {
            shared: Arc::clone(shared),
            pace,
            written: None,
            flushed: Instant::now(),
            last: Instant::now(),
            bytes: 0,
            checkpoint: None,
        };
        let thread = std::thread::Builder::new().name("write-behind".to_owned()).spawn(move || worker.run(&orders))?;
        *shared.behind.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Asks for something; nothing happens once the thread has ended.
    pub(super) fn order(&self, order: Order) {
        either_way(self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(order));
    }

    /// Writes and flushes all that is applied, and copies the database to `dir`; says how far it goes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) async fn snapshot(&self, dir: PathBuf) -> Result<Position, Unreadable> {
        let (done, wait) = oneshot::channel();
        self.order(Order::Snapshot(dir, done));
        wait.await.unwrap_or(Err(Unreadable::Closed))
    }

    /// Ends the thread with this order, and waits for it. Blocks.
    pub(super) fn end(&self, order: Order) {
        self.order(order);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the write-behind thread panicked");
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    pace: Pace,
    /// How far the database goes, flushed or not.
    written: Option<Position>,
    flushed: Instant,
    last: Instant,
    /// Log bytes applied when the last checkpoint began.
    bytes: u64,
    /// Who writes it.
    checkpoint: Option<JoinHandle<()>>,
}

impl Worker {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(self.pace.write) {
                Ok(Order::Snapshot(dir, done)) => {
                    let made = self.flush().and_then(|position| {
                        self.shared.journal.with_db(|db| db.snapshot_to(&dir))?;
                        Ok(position)
                    });
                    either_way(done.send(made));
                }
                #[cfg(test)]
                Ok(Order::Checkpoint) => self.checkpoint(),
                Ok(Order::Stop) => {
                    if let Err(error) = self.flush() {
                        tracing::error!(%error, "the last flush failed; the log replays more at the next start");
                    }
                    return;
                }
                Ok(Order::Abandon) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        let done = if self.flushed.elapsed() >= self.pace.flush { self.flush().map(|_| ()) } else { self.write() };
        let failed = |what: &str, error: Unreadable| match error {
            // A snapshot is being installed: the new database has everything.
            Unreadable::Closed => {}
            error => self.shared.fail(&format!("{what}: {error}")),
        };
        match done.map(|()| self.checkpoint_due()) {
            Ok(Ok(true)) => self.checkpoint(),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => failed("the last checkpoint cannot be looked at", error),
            Err(error) => failed("the journal cannot be written", error),
        }
    }

    fn checkpoint_due(&self) -> Result<bool, Unreadable> {
        if self.checkpoint.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(false);
        }
        let (grown, since) = (self.shared.counters.log_bytes() - self.bytes, self.last.elapsed());
        // What is not due after an empty one needs no look at the disk.
        if !self.pace.is_checkpoint_due(grown, since, 0) {
            return Ok(false);
        }
        let newest =
            self.shared.journal.with_db(|db| db.newest_checkpoint()?.map_or(Ok(0), |newest| newest.bytes()))?;
        Ok(self.pace.is_checkpoint_due(grown, since, newest))
    }

    fn write(&mut self) -> Result<(), Unreadable> {
        if self.written.as_ref().is_none_or(|written| written.log != self.shared.journal.position().log) {
            self.written = Some(self.shared.journal.write_tail()?);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Position, Unreadable> {
        self.write()?;
        self.shared.journal.with_db(|db| db.flush())?;
        self.flushed = Instant::now();
        let position = self.written.clone().unwrap_or_else(|| self.shared.journal.position());
        self.shared.behind.flushed.send_replace(position.log.as_ref().map_or(0, |log| log.index));
        Ok(position)
    }

    /// Writes a checkpoint from a frozen view, in a thread of its own: a large state takes seconds.
    fn checkpoint(&mut self) {
        self.last = Instant::now();
        self.bytes = self.shared.counters.log_bytes();
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let frozen = shared.window.newest();
            if matches!(*shared.phase.borrow(), Phase::Failed(_)) {
                // Apply may have stopped in the middle of a record: what it left is no state.
                return;
            }
            let seq = frozen.state.heads.seq;
            // The rows up to it are in the database before it counts.
            let done = shared.journal.write_tail().and_then(|_| {
                shared.journal.with_db(|db| {
                    let mut writer = db.begin_checkpoint(seq)?;
                    super::folded::chunks(&frozen, |chunk| writer.put(chunk))?;
                    writer.finish()
                })
            });
            match done {
                Ok(()) => {
                    gauge!(metrics::SNAPSHOT_LAST_SUCCESS).set(metrics::value(super::clock::wall().0 / 1000));
                    shared.behind.checkpoints.send_modify(|count| *count += 1);
                }
                Err(Unreadable::Closed) => {}
                Err(error) => shared.fail(&format!("no checkpoint can be written: {error}")),
            }
        };
        match std::thread::Builder::new().name("checkpoint".to_owned()).spawn(work) {
            Ok(thread) => self.checkpoint = Some(thread),
            Err(error) => tracing::warn!(%error, "no thread for a checkpoint; it is tried again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_after_as_many_bytes_as_the_last_one_has() {
        let pace = Pace { checkpoint_bytes: 100, checkpoint: Duration::from_secs(60), ..Pace::default() };
        let soon = Duration::from_secs(59);
        for (grown, newest, due) in
            [(99, 0, false), (100, 0, true), (100, 250, false), (249, 250, false), (250, 250, true)]
        {
            assert_eq!(pace.is_checkpoint_due(grown, soon, newest), due, "{grown} bytes after one of {newest}");
        }
    }

    #[test]
    fn a_checkpoint_is_due_after_its_time_if_there_is_anything_in_it() {
        let pace = Pace { checkpoint: Duration::from_secs(60), ..Pace::default() };
        assert!(pace.is_checkpoint_due(1, pace.checkpoint, u64::MAX));
        assert!(!pace.is_checkpoint_due(0, pace.checkpoint, 0));
    }
}
