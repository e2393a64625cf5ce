//! `agent`: measures files and reports what is appended to them, until it is told to stop.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::agent::{self, Agent, AgentSettings, WatchSettings};
use crate::client::{Client, ClientError};
use crate::node;

const EXAMPLES: &str = "\
Examples:
  quartermaster agent --config /etc/quartermaster/agent.toml
  quartermaster agent --state-dir S --watch /var/log --sourcetype log --addr https://n1:8089,https://n2:8089 \\
      --ca ca.pem --user idx7 --password-file idx7.password
  quartermaster agent --config agent.toml --once        # measure, report, and end when all is counted
  quartermaster agent status --state-dir S

Bytes appended to a file count once, through rotation, truncation, outages of the cluster and kill -9 of the agent.
SIGTERM and SIGINT stop it: what is measured is reported, or stays in the state directory.";

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct AgentCommand {
    #[command(subcommand)]
    command: Option<AgentSubcommand>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum AgentSubcommand {
    /// Show what an agent keeps: what is counted and what waits
    Status {
        /// Where the agent keeps its spool
        #[arg(long, env = "QUARTERMASTER_AGENT_STATE_DIR", value_name = "DIR")]
        state_dir: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// Settings in TOML, under the flags' names with _ for -, and [[watch]] tables
    #[arg(long, env = "QUARTERMASTER_AGENT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file, a directory, or a pattern in quotes to measure; may be given several times
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
    /// The sourcetype of what --watch names
    #[arg(long, value_name = "NAME", requires = "watch")]
    sourcetype: Option<String>,
    /// Measure once, and end when the cluster has counted all of it
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    settings: AgentSettings,
}

const STATUS: [Field; 8] = [
    ("Slave", "/slave", Kind::Plain),
    ("Epoch", "/epoch", Kind::Plain),
    ("Next sequence", "/next_sequence", Kind::Plain),
    ("Files", "/files", Kind::Plain),
    ("Reports waiting", "/pending_reports", Kind::Plain),
    ("Bytes waiting", "/pending_bytes", Kind::Bytes),
    ("Bytes counted", "/counted_bytes", Kind::Bytes),
    ("Bytes set aside", "/set_aside_bytes", Kind::Bytes),
];

impl AgentCommand {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            Some(AgentSubcommand::Status { state_dir }) => {
                let status = serde_json::to_value(agent::status(&state_dir)?);
                context.out.one(&status.map_err(|error| Failure::failed(error.to_string()))?, &STATUS)
            }
            None => self.run.run(context),
        }
    }
}

impl Run {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let file = self.config.as_deref().map(AgentSettings::read).transpose()?.unwrap_or_default();
        let options = context.client.over(&file);
        let watch = self.watch.iter().map(|path| watch(path, self.sourcetype.as_ref())).collect::<Result<_, _>>()?;
        let config = AgentSettings { watch, ..self.settings }.over(file).decide()?;
        node::start_logging(&config.log, config.log_format)?;
        // files are read again each time, so that a credential can be replaced while the agent runs
        let connect = move || -> Result<Client, ClientError> {
            options.connect().map_err(|failure| ClientError::Config(failure.to_string().trim().to_owned()))
        };
        let agent = Agent::open(config, connect)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
        runtime.block_on(async {
            let failed = |error: std::io::Error| Failure::failed(format!("signals cannot be received: {error}"));
            let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
            let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
            let stop = async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            if self.once {
                tokio::select! {
                    done = agent.once() => Ok(done?),
                    () = stop => Err(Failure::interrupted()),
                }
            } else {
                Ok(agent.run(stop).await?)
            }
        })
    }
}

/// A watch from a flag; relative to where the command was typed.
fn watch(path: &Path, sourcetype: Option<&String>) -> Result<WatchSettings, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let text = path.to_str().ok_or_else(|| Failure::usage(format!("{}: no UTF-8 text", path.display())))?;
    Ok(WatchSettings { path: text.to_owned(), sourcetype: sourcetype.cloned(), ..WatchSettings::default() })
}
