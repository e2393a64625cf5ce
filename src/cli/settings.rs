//! `settings`: what an operator may change for all nodes at once.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::print::{Field, Kind};
use super::{Context, Failure, connect};
use crate::client::Request;
use crate::signing::quantity;

#[derive(Debug, Subcommand)]
pub(super) enum SettingsCommand {
    /// Show the cluster's settings
    Show,
    /// Change settings; what is not given stays
    Set(Set),
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The zone whose midnight ends the license day, such as Europe/Berlin
    #[arg(long)]
    zone: Option<String>,
    /// How many days of usage records are kept
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u32>,
    /// How many bytes of usage records are kept, such as 64GB
    #[arg(long, value_name = "BYTES", value_parser = quantity::bytes)]
    retention_bytes: Option<u64>,
    /// How often a slave should report
    #[arg(long, value_name = "TIME", value_parser = connect::duration)]
    report_interval: Option<Duration>,
    /// After which silence a slave counts as silent
    #[arg(long, value_name = "TIME", value_parser = connect::duration)]
    silent_after: Option<Duration>,
    /// From how many different rows on a report loses host and source
    #[arg(long, value_name = "ROWS")]
    squash_threshold: Option<u32>,
    /// How many failed logins lock a user out
    #[arg(long, value_name = "N")]
    lockout_failures: Option<u32>,
    /// How long a lock-out lasts
    #[arg(long, value_name = "TIME", value_parser = connect::duration)]
    lockout: Option<Duration>,
    /// How long a login's token is good
    #[arg(long, value_name = "TIME", value_parser = connect::duration)]
    session: Option<Duration>,
}

const FIELDS: [Field; 9] = [
    ("Zone", "/zone", Kind::Plain),
    ("Retention in days", "/retention_days", Kind::Plain),
    ("Retention in bytes", "/retention_bytes", Kind::Bytes),
    ("Report interval in ms", "/report_interval_ms", Kind::Plain),
    ("Silent after ms", "/silent_after_ms", Kind::Plain),
    ("Squash threshold", "/squash_threshold", Kind::Plain),
    ("Lock-out after failures", "/lockout_failures", Kind::Plain),
    ("Lock-out in ms", "/lockout_ms", Kind::Plain),
    ("Session in ms", "/session_ms", Kind::Plain),
];

impl SettingsCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = match self {
            SettingsCommand::Show => Request::get(["settings"]),
            SettingsCommand::Set(set) => {
                let body = set.body();
                if body.is_empty() {
                    return Err(Failure::usage("nothing to change").hint("see quartermaster settings set --help"));
                }
                Request::patch(["settings"]).json(&body)
            }
        };
        context.out.one(&context.client.connect()?.send(request).await?.json()?, &FIELDS)
    }
}

impl Set {
    fn body(self) -> Map<String, Value> {
        let ms = |span: Option<Duration>| span.map(|span| Value::from(connect::millis(span)));
        let given = [
            ("zone", self.zone.map(Value::from)),
            ("retention_days", self.retention_days.map(Value::from)),
            ("retention_bytes", self.retention_bytes.map(Value::from)),
            ("report_interval_ms", ms(self.report_interval)),
            ("silent_after_ms", ms(self.silent_after)),
            ("squash_threshold", self.squash_threshold.map(Value::from)),
            ("lockout_failures", self.lockout_failures.map(Value::from)),
            ("lockout_ms", ms(self.lockout)),
            ("session_ms", ms(self.session)),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
