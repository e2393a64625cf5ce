//! `bench`: load on one node, of this system or of etcd beside it; scripts/bench compares the two with it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::connect::duration;
use super::{Context, Failure};
use crate::bench::{self, Outcome, Plan, Work};

const EXAMPLES: &str = "\
Examples:
  quartermaster bench report --url http://127.0.0.1:8089 --token-file token --connections 64
  quartermaster bench put --url http://127.0.0.1:2379 --connections 64 --measure 10s -o json

It writes real reports of slaves that it makes up: never point it at a cluster whose numbers matter. scripts/bench
starts clusters of its own and compares them.";

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Bench {
    /// What is asked again and again
    work: Work,
    /// The node that is asked
    #[arg(long, value_name = "URL")]
    url: String,
    /// Connections, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// How long is not measured at first
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "500ms")]
    warm_up: Duration,
    /// How long is measured
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "3s")]
    measure: Duration,
    /// Slaves, or keys, that the requests are spread over
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    slaves: u64,
    /// A number that tells the slaves of this run from others
    #[arg(long, value_name = "N", default_value_t = 1)]
    run: u32,
    /// Write each slave, or key, once before anything is measured
    #[arg(long)]
    fill: bool,
    /// A process whose CPU time is measured; may be given several times
    #[arg(long, value_name = "PID")]
    watch: Vec<u32>,
    /// Where each request's begin and end are written, in microseconds of the wall clock
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl Bench {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let plan = Plan {
            url: self.url,
            ca_pem: context.client.ca_pem()?,
            token: context.client.bearer()?,
            work: self.work,
            connections: self.connections,
            warm_up: self.warm_up,
            measured: self.measure,
            slaves: self.slaves.max(self.connections as u64),
            run: self.run,
            fill: self.fill,
            watch: self.watch,
            trace: self.trace,
        };
        let outcome = bench::run(plan).await.map_err(|error| Failure::failed(error.to_string()))?;
        let value = serde_json::to_value(&outcome).map_err(|error| Failure::failed(error.to_string()))?;
        context.out.stream(&value, || words(&outcome))?;
        match &outcome.first_odd {
            None => Ok(()),
            Some(odd) => Err(Failure::failed(format!("{} answers were no success, the first: {odd}", outcome.odd))),
        }
    }
}

fn words(outcome: &Outcome) -> String {
    let latency = &outcome.latency_us;
    let cpu: String = outcome.cpu_us.iter().map(|cpu| format!("{cpu:.1} ")).collect();
    format!(
        "{:.0} requests a second on {} connections; p50 {:.0} µs, p99 {:.0} µs, longest {:.0} µs\n\
         CPU µs for each request: {cpu}(generator {:.1})\n{} acknowledged\n",
        outcome.per_second,
        outcome.connections,
        latency.p50,
        latency.p99,
        latency.max,
        outcome.own_cpu_us,
        outcome.acknowledged
    )
}
