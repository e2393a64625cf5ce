//! Log lines: for people on a terminal, one JSON object a line elsewhere; always on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use super::NodeError;
use crate::config::{LogFormat, NodeConfig};

/// Begins to write log lines as configured.
pub(super) fn start(config: &NodeConfig) -> Result<(), NodeError> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| NodeError(format!("--log {}: {error}; write for example info", config.log)))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let text = match config.log_format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let started = if text { lines.try_init() } else { lines.json().flatten_event(true).try_init() };
    started.map_err(NodeError::because)
}
