//! `group`: license groups, of which one is active.

use clap::Subcommand;

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;

#[derive(Debug, Subcommand)]
pub(super) enum GroupCommand {
    /// List license groups
    List,
    /// Make a group the active one
    Activate {
        /// Its name, such as Enterprise, Free or Trial
        name: String,
    },
}

const COLUMNS: [Field; 3] =
    [("NAME", "/name", Kind::Plain), ("ACTIVE", "/active", Kind::Plain), ("STACKS", "/stacks", Kind::Plain)];

impl GroupCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        match self {
            GroupCommand::List => context.out.list(&client.send(Request::get(["groups"])).await?.json()?, &COLUMNS),
            GroupCommand::Activate { name } => {
                let reply = client.send(Request::post(["groups", &name, "activate"])).await?.json()?;
                context.out.either(&reply, || format!("group {name} is active\n"))
            }
        }
    }
}
