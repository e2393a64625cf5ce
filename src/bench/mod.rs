//! The load generator: keeps so many connections busy for so long and says what came back, how fast, and what it cost.
//!
//! One generator for both sides of a comparison: the same loop, sockets and clock ask our own API and etcd's, so what the
//! generator takes from the machine is the same for both. Its requests are prepared bytes on kept-alive connections, one
//! request under way on each; nothing is retried, and a request that was sent is always waited for, so that what was
//! acknowledged is known exactly.

mod histogram;
mod message;
mod native;
mod wire;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use histogram::Histogram;
pub use message::Work;
use worker::{Tally, Worker};

/// How long connecting may take: all connections are made before the clock runs.
const CONNECT: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The node that is asked, such as `http://127.0.0.1:8089`.
    pub url: String,
    /// Certificates in PEM that the node's must come from.
    pub ca_pem: Option<Vec<u8>>,
    /// A bearer token.
    pub token: Option<String>,
    /// What is asked.
    pub work: Work,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// How long is not measured at first.
    pub warm_up: Duration,
    /// How long is measured.
    pub measured: Duration,
    /// Slaves, or keys, that the requests are spread over.
    pub slaves: u64,
    /// What tells this run's slaves from those of others.
    pub run: u32,
    /// Whether each slave, or key, is written once before the clock runs.
    pub fill: bool,
    /// Processes whose CPU time is measured.
    pub watch: Vec<u32>,
    /// Where each request's begin and end go, in microseconds of the wall clock: to be compared with what the kernel saw.
    pub trace: Option<PathBuf>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BenchError(pub String);

impl BenchError {
    fn because(what: &str, error: impl std::fmt::Display) -> BenchError {
        BenchError(format!("{what}: {error}"))
    }
}

/// What came back.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// What was asked.
    pub work: Work,
    /// Connections.
    pub connections: usize,
    /// How long was measured.
    pub seconds: f64,
    /// Requests that began and ended within it.
    pub requests: u64,
    /// The same for each second.
    pub per_second: f64,
    /// Latencies of these requests.
    pub latency_us: Latency,
    /// Answers that were no success; the first one's text is in `first_odd`.
    pub odd: u64,
    /// The first answer that was no success.
    pub first_odd: Option<String>,
    /// Reports, or writes, that were acknowledged from the first request to the last one, also outside of the measured time.
    pub acknowledged: u64,
    /// Bytes in these reports.
    pub acknowledged_bytes: u64,
    /// CPU time for each measured request by watched process, in microseconds, in the order of [`Plan::watch`].
    pub cpu_us: Vec<f64>,
    /// The generator's own.
    pub own_cpu_us: f64,
}

/// Latencies in microseconds.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// Nine of ten are below.
    pub p90: f64,
    /// 99 of a hundred are below.
    pub p99: f64,
    /// 999 of a thousand are below.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// Carries a plan out.
///
/// # Errors
/// When a connection cannot be made, or breaks.
pub async fn run(plan: Plan) -> Result<Outcome, BenchError> {
    if plan.connections == 0 || plan.slaves < plan.connections as u64 {
        return Err(BenchError("at least one connection, and a slave for each".to_owned()));
    }
    let plan = Arc::new(plan);
    let mut workers = connect(&plan).await?;
    if plan.fill {
        workers = all(workers, |mut worker| async move { worker.fill().await.map(|()| worker) }).await?;
        // a node ends connections that idle, and filling a million takes longer than it waits
        workers = all(workers, |mut worker| async move { worker.connect_again().await.map(|()| worker) }).await?;
    }
    let (start, cpu) = (Instant::now() + plan.warm_up, plan.watch.clone());
    let watching = tokio::spawn(async move {
        tokio::time::sleep_until(start.into()).await;
        cpu_of(&cpu)
    });
    let end = start + plan.measured;
    let own = own_cpu();
    let tallies = all(workers, move |worker| worker.run(start, end)).await?;
    let after = cpu_of(&plan.watch);
    let before = watching.await.map_err(|error| BenchError::because("watching processes", error))?;
    let cpu: Vec<u64> = before.iter().zip(after).map(|(before, after)| after.saturating_sub(*before)).collect();
    outcome(&plan, tallies, &cpu, own_cpu().saturating_sub(own))
}

async fn connect(plan: &Arc<Plan>) -> Result<Vec<Worker>, BenchError> {
    let mut workers = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let worker = tokio::time::timeout(CONNECT, Worker::connect(Arc::clone(plan), number)).await;
        workers.push(worker.map_err(|error| BenchError::because("connecting", error))??);
    }
    Ok(workers)
}

/// Runs something on every worker at once; the results in any order.
async fn all<T: Send + 'static, F: Future<Output = Result<T, BenchError>> + Send + 'static>(
    workers: Vec<Worker>,
    each: impl Fn(Worker) -> F,
) -> Result<Vec<T>, BenchError> {
    let mut tasks: JoinSet<Result<T, BenchError>> = workers.into_iter().map(each).collect();
    let mut done = Vec::new();
    while let Some(one) = tasks.join_next().await {
        done.push(one.map_err(|error| BenchError::because("a worker", error))??);
    }
    Ok(done)
}

#[expect(clippy::cast_precision_loss, reason = "rates and means of far fewer than 2^53 requests")]
fn outcome(plan: &Plan, tallies: Vec<Tally>, cpu_ns: &[u64], own_ns: u64) -> Result<Outcome, BenchError> {
    let mut sum = Tally::default();
    for tally in tallies {
        sum.add(tally);
    }
    if let Some(path) = &plan.trace {
        let lines: String = sum.trace.iter().map(|(begin, end)| format!("{begin} {end}\n")).collect();
        std::fs::write(path, lines).map_err(|error| BenchError::because(&path.display().to_string(), error))?;
    }
    let requests = sum.latencies.count();
    let each = |ns: u64| ns as f64 / 1e3 / requests.max(1) as f64;
    let at = |share: f64| sum.latencies.at(share) as f64 / 1e3;
    let latency_us = Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) };
    let seconds = plan.measured.as_secs_f64();
    Ok(Outcome {
        work: plan.work,
        connections: plan.connections,
        seconds,
        requests,
        per_second: requests as f64 / seconds,
        latency_us,
        odd: sum.odd,
        first_odd: sum.first_odd,
        acknowledged: sum.acknowledged,
        acknowledged_bytes: sum.acknowledged_bytes,
        cpu_us: cpu_ns.iter().map(|ns| each(*ns)).collect(),
        own_cpu_us: each(own_ns),
    })
}

/// Nanoseconds on a CPU of each process, all its threads together; 0 for what does not run.
fn cpu_of(processes: &[u32]) -> Vec<u64> {
    processes.iter().map(|pid| cpu_in(&format!("/proc/{pid}/task"))).collect()
}

fn own_cpu() -> u64 {
    cpu_in("/proc/self/task")
}

fn cpu_in(tasks: &str) -> u64 {
    let Ok(threads) = std::fs::read_dir(tasks) else { return 0 };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}
