//! The slave agent: measures what is appended to files, and has each byte counted exactly once, whatever dies.
//!
//! A round of looking (`tailer`) gives the new place of every file together with the rows that report the difference;
//! both are one synced step of the `spool`. A report keeps its epoch and sequence until the cluster says that it is
//! counted, and is sent again after every crash, silence or doubt (docs/adr/0070). The agent never reads more of a file
//! than a fingerprint, and never sends what lies in it.

mod book;
mod config;
mod copies;
mod disk;
mod draft;
mod file;
mod held;
mod meter;
mod pattern;
mod spool;
mod tailer;
mod walk;

#[cfg(test)]
mod crash_test;
#[cfg(test)]
mod rig_test;
#[cfg(test)]
mod spool_test;
#[cfg(test)]
mod tailer_test;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

pub use config::{AgentConfig, AgentSettings, Existing, Watch, WatchSettings};

use crate::client::{Acknowledged, Client, ClientError, Pace, Report};
use disk::Disk;
use meter::{Measured, Meter, Settled};
use spool::Spool;
use tailer::Tailer;

/// How long an agent that is told to stop tries to have its last report counted; what is not stays in the spool.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Why an agent ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// It cannot start, or not go on.
    #[error("{0}")]
    Failed(String),
    /// The cluster did not count everything; only with `once`.
    #[error("{0}")]
    Client(ClientError),
}

impl AgentError {
    fn because(why: impl std::fmt::Display) -> AgentError {
        AgentError::Failed(why.to_string())
    }
}

/// What lies in an agent's state directory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AgentStatus {
    /// Who reports.
    pub slave: String,
    /// Its epoch.
    pub epoch: String,
    /// The sequence of the next report.
    pub next_sequence: u64,
    /// How many files are followed.
    pub files: usize,
    /// Reports that are not acknowledged.
    pub pending_reports: usize,
    /// Bytes that are measured and not acknowledged.
    pub pending_bytes: u64,
    /// Bytes that the cluster counted since the spool was begun.
    pub counted_bytes: u64,
    /// Bytes that it will never count.
    pub set_aside_bytes: u64,
}

/// What lies in a state directory, also while an agent uses it.
///
/// # Errors
/// When there is no spool, or it is damaged.
pub fn status(state_dir: &Path) -> Result<AgentStatus, AgentError> {
    let book = spool::peek(&Disk::new(state_dir))?
        .ok_or_else(|| AgentError::because(format!("no agent has kept anything in {}", state_dir.display())))?;
    Ok(AgentStatus {
        next_sequence: book.next,
        files: book.files.len(),
        pending_reports: book.sealed.len() + usize::from(book.open.is_some()),
        pending_bytes: book.pending_bytes(),
        counted_bytes: book.counted_bytes,
        set_aside_bytes: book.set_aside_bytes,
        slave: book.slave,
        epoch: book.epoch,
    })
}

/// An agent that may run.
#[derive(Debug)]
pub struct Agent<C> {
    meter: Arc<Mutex<Meter>>,
    scan_interval: Duration,
    connect: C,
}

impl<C: Fn() -> Result<Client, ClientError>> Agent<C> {
    /// Opens the state directory, and begins it if there is none. `connect` makes a client; it is asked again when the
    /// credential is refused, because it may have been replaced.
    ///
    /// # Errors
    /// When the directory cannot be used, another agent uses it, or it is another slave's.
    pub fn open(config: AgentConfig, connect: C) -> Result<Agent<C>, AgentError> {
        let directory = config.state_dir.display();
        std::fs::create_dir_all(&config.state_dir)
            .map_err(|error| AgentError::because(format!("cannot make {directory}: {error}")))?;
        let name = || uuid::Uuid::new_v4().to_string().to_uppercase();
        let spool = Spool::open(Disk::new(&config.state_dir), config.slave.as_deref(), name)?;
        let book = spool.book();
        tracing::info!(
            slave = book.slave,
            epoch = book.epoch,
            files = book.files.len(),
            pending_reports = book.sealed.len(),
            state_dir = %directory,
            "the agent is up"
        );
        let meter = Meter::new(spool, Tailer::new(config.watches), config.pool, config.spool_bytes);
        Ok(Agent { meter: Arc::new(Mutex::new(meter)), scan_interval: config.scan_interval, connect })
    }

    /// Measures and reports until `stop` comes; then once more what is there.
    ///
    /// # Errors
    /// When the spool cannot be trusted any more: the next start reads it from the disk.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<(), AgentError> {
        let work = async {
            self.measure().await?;
            tokio::select! {
                ended = self.measure_on() => ended,
                ended = self.report_on() => ended,
            }
        };
        tokio::select! {
            ended = work => return ended,
            () = stop => {}
        }
        match timeout(STOP_PATIENCE, self.once()).await {
            Ok(Ok(())) => tracing::info!("the agent has stopped; everything is counted"),
            Ok(Err(error)) => tracing::warn!(%error, "the agent has stopped; the rest stays in the spool"),
            Err(_) => tracing::warn!("the agent has stopped; the rest stays in the spool"),
        }
        Ok(())
    }

    /// Measures once, and returns when the cluster has counted all of it.
    ///
    /// # Errors
    /// When it has not.
    pub async fn once(&self) -> Result<(), AgentError> {
        self.measure().await?;
        self.with(|meter| meter.seal(now_ms(), true)).await?;
        let client = self.client().map_err(AgentError::Client)?;
        let mut waited = false;
        loop {
            let reports = self.with(|meter| Ok(meter.batch())).await?;
            if reports.is_empty() {
                return Ok(());
            }
            let answer = client.report(&reports).await.map_err(AgentError::Client)?;
            match self.settle(reports, answer).await? {
                Settled::All => waited = false,
                // what was too old goes again at once, under another time
                Settled::Waits if !waited => waited = true,
                Settled::Waits => return Err(AgentError::because("the cluster did not count every report")),
            }
        }
    }

    async fn measure_on(&self) -> Result<(), AgentError> {
        let mut rounds = interval(self.scan_interval);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.measure().await?;
        }
    }

    async fn measure(&self) -> Result<(), AgentError> {
        while self.with(|meter| meter.measure(now_ms())).await? == Measured::More {}
        Ok(())
    }

    async fn report_on(&self) -> Result<(), AgentError> {
        let mut pace = Pace::default();
        let mut client = self.client().map_err(AgentError::Client)?;
        let mut trouble = String::new();
        loop {
            self.with(|meter| meter.seal(now_ms(), false)).await?;
            let reports = self.with(|meter| Ok(meter.batch())).await?;
            let answer = if reports.is_empty() { None } else { Some(client.report(&reports).await) };
            let mut wait = answer.as_ref().map_or(Duration::ZERO, |answer| pace.after(answer));
            match answer {
                None => wait = pace.failed(None),
                Some(Ok(answer)) => {
                    say_well(&mut trouble);
                    let settled = self.settle(reports, answer).await?;
                    let left = self.with(|meter| Ok(!meter.book().sealed.is_empty())).await?;
                    match settled {
                        Settled::All if left => wait = Duration::ZERO,
                        Settled::All => {}
                        Settled::Waits => wait = pace.failed(None),
                    }
                }
                Some(Err(error)) => {
                    say_unwell(&mut trouble, &error);
                    if error.is_denied()
                        && let Ok(fresh) = self.client()
                    {
                        client = fresh;
                    }
                }
            }
            sleep(wait).await;
        }
    }

    /// A client that begins with a node drawn by lot, so that a fleet of agents does not crowd the first one.
    fn client(&self) -> Result<Client, ClientError> {
        (self.connect)().map(Client::begin_anywhere)
    }

    async fn settle(&self, reports: Vec<Report>, answer: Acknowledged) -> Result<Settled, AgentError> {
        self.with(move |meter| meter.settle(&reports, &answer)).await
    }

    /// Does something with the meter where it may wait for the disk.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Meter) -> Result<T, AgentError> + Send + 'static,
    ) -> Result<T, AgentError> {
        let meter = Arc::clone(&self.meter);
        // a panic in the middle of a step left the book as it was: it moves last
        let work = move || work(&mut meter.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.map_err(AgentError::because)?
    }
}

fn say_unwell(trouble: &mut String, error: &ClientError) {
    let text = error.to_string();
    if *trouble != text {
        let tried: Vec<String> = error.tried().iter().map(|tried| format!("{}: {}", tried.node, tried.why)).collect();
        tracing::warn!(error = text, ?tried, "not reported; the spool keeps it");
        *trouble = text;
    }
}

fn say_well(trouble: &mut String) {
    if !trouble.is_empty() {
        trouble.clear();
        tracing::info!("the cluster counts again");
    }
}

/// The wall clock: a report says when its bytes were measured, and the cluster finds their day.
#[expect(clippy::disallowed_methods, reason = "a slave dates what it measured; the cluster decides what that means")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
