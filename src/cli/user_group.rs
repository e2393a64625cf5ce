//! `user-group`: users who belong together. `group` is about license groups.

use clap::Subcommand;
use serde_json::json;

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;

const EXAMPLES: &str = "\
Examples:
  quartermaster user-group put reviewers --role viewer --member ann,bob
  quartermaster user-group edit reviewers --add cid --remove ann";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum UserGroupCommand {
    /// List groups
    List,
    /// Show a group and who is in it
    Show {
        /// Its name
        name: String,
    },
    /// Create or replace a group
    Put {
        /// Its name
        name: String,
        /// A role that its members have besides their own; may be given several times
        #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<String>,
        /// A user in it; may be given several times
        #[arg(long = "member", value_name = "USER", value_delimiter = ',')]
        members: Vec<String>,
    },
    /// Take users in and out
    Edit {
        /// Its name
        name: String,
        /// Who joins; may be given several times
        #[arg(long, value_name = "USER", value_delimiter = ',', required_unless_present = "remove")]
        add: Vec<String>,
        /// Who leaves; may be given several times
        #[arg(long, value_name = "USER", value_delimiter = ',')]
        remove: Vec<String>,
    },
    /// Delete a group; its members stay
    Delete {
        /// Its name
        name: String,
    },
}

const COLUMNS: [Field; 3] =
    [("NAME", "/name", Kind::Plain), ("ROLES", "/roles", Kind::Plain), ("MEMBERS", "/member_count", Kind::Count)];

const FIELDS: [Field; 3] =
    [("Name", "/name", Kind::Plain), ("Roles", "/roles", Kind::Plain), ("Members", "/members", Kind::Plain)];

impl UserGroupCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        let out = context.out;
        let path = |name: &str| ["user-groups".to_owned(), name.to_owned()];
        match self {
            UserGroupCommand::List => {
                out.list(&client.send(Request::get(["user-groups"]).query("all", true)).await?.json()?, &COLUMNS)
            }
            UserGroupCommand::Show { name } => out.one(&client.send(Request::get(path(&name))).await?.json()?, &FIELDS),
            UserGroupCommand::Put { name, roles, members } => {
                let request = Request::put(path(&name)).json(&json!({ "roles": roles, "members": members }));
                out.one(&client.send(request).await?.json()?, &FIELDS)
            }
            UserGroupCommand::Edit { name, add, remove } => {
                let request = Request::patch(path(&name)).json(&json!({ "add": add, "remove": remove }));
                out.one(&client.send(request).await?.json()?, &FIELDS)
            }
            UserGroupCommand::Delete { name } => {
                client.send(Request::delete(path(&name))).await?;
                out.say(&format!("deleted user group {name}"));
                Ok(())
            }
        }
    }
}
