//! `stack`: what the licenses of one kind add up to.

use clap::Subcommand;

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;

#[derive(Debug, Subcommand)]
pub(super) enum StackCommand {
    /// List stacks
    List,
    /// Show a stack
    Show {
        /// Its id, such as enterprise
        id: String,
    },
}

const COLUMNS: [Field; 6] = [
    ("ID", "/id", Kind::Plain),
    ("GROUP", "/group", Kind::Plain),
    ("ACTIVE", "/active", Kind::Plain),
    ("QUOTA", "/quota_bytes", Kind::Bytes),
    ("USED TODAY", "/used_bytes", Kind::Bytes),
    ("POOLS", "/pools", Kind::Plain),
];

const FIELDS: [Field; 13] = [
    ("Id", "/id", Kind::Plain),
    ("Label", "/label", Kind::Plain),
    ("Kind", "/kind", Kind::Plain),
    ("Group", "/group", Kind::Plain),
    ("Active", "/active", Kind::Plain),
    ("Quota a day", "/quota_bytes", Kind::Bytes),
    ("Used today", "/used_bytes", Kind::Bytes),
    ("Max violations", "/max_violations", Kind::Plain),
    ("Window in days", "/window_days", Kind::Plain),
    ("Features", "/features", Kind::Plain),
    ("Sourcetypes", "/sourcetypes", Kind::Plain),
    ("Pools", "/pools", Kind::Plain),
    ("Licenses", "/licenses", Kind::Plain),
];

impl StackCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        match self {
            StackCommand::List => {
                context.out.list(&client.send(Request::get(["stacks"]).query("all", true)).await?.json()?, &COLUMNS)
            }
            StackCommand::Show { id } => {
                context.out.one(&client.send(Request::get(["stacks", &id])).await?.json()?, &FIELDS)
            }
        }
    }
}
