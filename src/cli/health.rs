//! `health`: probes for containers and monitoring; no credentials, no other program needed.

use clap::Subcommand;

use super::{Context, Exit, Failure};
use crate::client::{ClientError, Request};

const EXAMPLES: &str = "\
Examples:
  quartermaster health livez --addr http://127.0.0.1:8091
  quartermaster health readyz --addr http://127.0.0.1:8091";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum HealthCommand {
    /// Does the process live? Exit code 0 if so
    Livez,
    /// Does the node serve? Exit code 0 if so, 5 if not
    Readyz,
}

impl HealthCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let path = match self {
            HealthCommand::Livez => "livez",
            HealthCommand::Readyz => "readyz",
        };
        let client = context.client.connect_as_nobody()?;
        match client.send(Request::root([path]).query("verbose", "").accept("text/plain")).await {
            Ok(reply) => {
                let text = reply.text();
                context.out.text(&if text.ends_with('\n') { text } else { format!("{text}\n") })
            }
            Err(error @ ClientError::NotServed { .. }) => {
                let failure = Failure::from(error);
                Err(Failure { exit: Exit::Unhealthy, ..failure }.hint("the node says why in its log"))
            }
            Err(error) => Err(error.into()),
        }
    }
}
