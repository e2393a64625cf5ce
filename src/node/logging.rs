//! Log lines: for people on a terminal, one JSON object a line elsewhere; always on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use super::NodeError;
use crate::config::LogFormat;

/// Begins to write log lines: those that `filter` lets through, in this format.
///
/// # Errors
/// When the filter is none, or lines are written already.
pub fn start(filter: &str, format: LogFormat) -> Result<(), NodeError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| NodeError(format!("--log {filter}: {error}; write for example info")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let started = if text { lines.try_init() } else { lines.json().flatten_event(true).try_init() };
    started.map_err(NodeError::because)
}
