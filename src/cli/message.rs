//! `message`: what the cluster warns of now.

use clap::Subcommand;

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;

#[derive(Debug, Subcommand)]
pub(super) enum MessageCommand {
    /// List messages that stand now
    List {
        /// Only those of this severity: INFO, WARN or ERROR
        #[arg(long)]
        severity: Option<String>,
        /// Only those of this category
        #[arg(long)]
        category: Option<String>,
    },
}

const COLUMNS: [Field; 7] = [
    ("SEVERITY", "/severity", Kind::Plain),
    ("CATEGORY", "/category", Kind::Plain),
    ("STACK", "/stack", Kind::Plain),
    ("POOL", "/pool", Kind::Plain),
    ("SLAVE", "/slave", Kind::Plain),
    ("CREATED", "/created", Kind::Plain),
    ("TEXT", "/text", Kind::Plain),
];

impl MessageCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let MessageCommand::List { severity, category } = self;
        let request =
            Request::get(["messages"]).query("all", true).maybe("severity", severity).maybe("category", category);
        context.out.list(&context.client.connect()?.send(request).await?.json()?, &COLUMNS)
    }
}
