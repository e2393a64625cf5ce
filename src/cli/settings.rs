//! `settings`: what an operator may change for all nodes at once.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::print::{Field, Kind};
use super::{Context, Failure, connect};
use crate::client::Request;
use crate::domain::policy::{Choice, Policy};
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
    /// Choose where a product and its documentation differ, such as elastic_signed_basic=refuse; may be given several times
    #[arg(long = "policy", value_name = "NAME=CHOICE", value_parser = choice)]
    policies: Vec<(Policy, Choice)>,
}

const FIELDS: [Field; 11] = [
    ("Zone", "/zone", Kind::Plain),
    ("Retention in days", "/retention_days", Kind::Plain),
    ("Retention in bytes", "/retention_bytes", Kind::Bytes),
    ("Report interval in ms", "/report_interval_ms", Kind::Plain),
    ("Silent after ms", "/silent_after_ms", Kind::Plain),
    ("Squash threshold", "/squash_threshold", Kind::Plain),
    ("Lock-out after failures", "/lockout_failures", Kind::Plain),
    ("Lock-out in ms", "/lockout_ms", Kind::Plain),
    ("Session in ms", "/session_ms", Kind::Plain),
    ("Elastic signed basic", "/policies/elastic_signed_basic", Kind::Plain),
    ("Nuix workers beyond free", "/policies/nuix_workers_beyond_free", Kind::Plain),
];

impl SettingsCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let requests = match self {
            SettingsCommand::Show => vec![Request::get(["settings"])],
            SettingsCommand::Set(set) => set.requests(),
        };
        let client = context.client.connect()?;
        let mut settings = None;
        for request in requests {
            settings = Some(client.send(request).await?.json()?);
        }
        let nothing = || Failure::usage("nothing to change").hint("see quartermaster settings set --help");
        context.out.one(&settings.ok_or_else(nothing)?, &FIELDS)
    }
}

impl Set {
    /// Settings in one request, and one for each policy: each is decided for itself.
    fn requests(mut self) -> Vec<Request> {
        let policies = std::mem::take(&mut self.policies);
        let body = self.body();
        let settings = (!body.is_empty()).then(|| Request::patch(["settings"]).json(&body));
        let policies = policies.into_iter().map(|(policy, choice)| {
            Request::put(["settings", "policies", policy.name()]).json(&json!({ "choice": choice.name() }))
        });
        settings.into_iter().chain(policies).collect()
    }

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

/// `NAME=CHOICE`, of the policies and words that there are.
fn choice(text: &str) -> Result<(Policy, Choice), String> {
    let (name, word) = text.split_once('=').ok_or("write NAME=CHOICE")?;
    let known = || Policy::ALL.map(Policy::name).join(", ");
    let policy = Policy::named(name).ok_or_else(|| format!("no policy {name}; there are {}", known()))?;
    let words = || policy.choices().iter().map(|choice| choice.name()).collect::<Vec<_>>().join(" or ");
    let choice = Choice::named(word).filter(|choice| policy.choices().contains(choice));
    choice.map(|choice| (policy, choice)).ok_or_else(|| format!("{name} is {}", words()))
}
