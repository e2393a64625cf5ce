//! `serve`: a node in the foreground.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{NodeFile, Settings};
use crate::node;

const EXAMPLES: &str = "\
Examples:
  quartermaster serve --data-dir /var/lib/quartermaster
  quartermaster serve --data-dir n1 --listen 127.0.0.1:8089 --plain-http
  quartermaster serve --data-dir /data --config /etc/quartermaster.toml --listen 0.0.0.0:8089 --peer-listen 0.0.0.0:8090

Settings come from flags, else from QUARTERMASTER_* variables, else from the file, else they are the defaults.
SIGTERM and SIGINT stop the node cleanly.";

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Serve {
    /// The node's data, made by `cluster init` or `cluster join`
    #[arg(long, env = "QUARTERMASTER_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Settings in TOML, under the flags' names with _ for -
    #[arg(long, env = "QUARTERMASTER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        NodeFile::read(&self.data_dir)?;
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let config = self.settings.over(file).decide(self.data_dir)?;
        Ok(node::run(config)?)
    }
}
