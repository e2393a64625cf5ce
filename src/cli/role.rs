//! `role`: named sets of rights.

use clap::Subcommand;
use serde_json::json;

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;
use crate::domain::user::Right;

#[derive(Debug, Subcommand)]
pub(super) enum RoleCommand {
    /// List roles and what they allow
    List,
    /// Show a role
    Show {
        /// Its name
        name: String,
    },
    /// Create or replace a role
    Put {
        /// Its name
        name: String,
        /// A right; may be given several times
        #[arg(long = "right", value_name = "RIGHT", required = true, value_delimiter = ',', value_parser = right)]
        rights: Vec<String>,
    },
    /// Delete a role that nobody has
    Delete {
        /// Its name
        name: String,
    },
}

const COLUMNS: [Field; 3] =
    [("NAME", "/name", Kind::Plain), ("BUILT IN", "/builtin", Kind::Plain), ("RIGHTS", "/rights", Kind::Plain)];

impl RoleCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        match self {
            RoleCommand::List => {
                context.out.list(&client.send(Request::get(["roles"]).query("all", true)).await?.json()?, &COLUMNS)
            }
            RoleCommand::Show { name } => {
                context.out.one(&client.send(Request::get(["roles", &name])).await?.json()?, &COLUMNS)
            }
            RoleCommand::Put { name, rights } => {
                let request = Request::put(["roles", &name]).json(&json!({ "rights": rights }));
                context.out.one(&client.send(request).await?.json()?, &COLUMNS)
            }
            RoleCommand::Delete { name } => {
                client.send(Request::delete(["roles", &name])).await?;
                context.out.say(&format!("deleted role {name}"));
                Ok(())
            }
        }
    }
}

fn right(text: &str) -> Result<String, String> {
    let known = Right::ALL.iter().map(|right| right.name()).find(|name| *name == text);
    known
        .map(str::to_owned)
        .ok_or_else(|| format!("no such right; there are {}", Right::ALL.map(Right::name).join(", ")))
}
