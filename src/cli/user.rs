//! `user`: who may do what.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::print::{Field, Kind, cell, grid};
use super::{Context, Failure, ask};
use crate::client::Request;

const EXAMPLES: &str = "\
Examples:
  quartermaster user create jane --role operator
  quartermaster user create idx7 --role reporter --slave 4F2C… --new-password-file idx7.password
  quartermaster user password jane
  quartermaster user edit jane --disable
  quartermaster user rights jane";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum UserCommand {
    /// List users
    List,
    /// Show a user
    Show {
        /// Its name
        name: String,
    },
    /// Create a user
    Create {
        /// Its name
        name: String,
        /// A role; may be given several times
        #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<String>,
        /// The one slave that it may report for
        #[arg(long, value_name = "GUID")]
        slave: Option<String>,
        /// File with its password, - for standard input; without it you are asked
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Change a user; what is not given stays
    Edit {
        /// Its name
        name: String,
        /// A role; may be given several times; replaces those there are
        #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<String>,
        /// Refuse it everywhere, its tokens too
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Let it in again
        #[arg(long)]
        enable: bool,
        /// The one slave that it may report for
        #[arg(long, value_name = "GUID", conflicts_with = "any_slave")]
        slave: Option<String>,
        /// Let it report for any slave
        #[arg(long)]
        any_slave: bool,
    },
    /// Set a password: your own, or anybody's with the right manage_users
    Password {
        /// Whose
        name: String,
        /// File with the new password, - for standard input; without it you are asked
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Delete a user and its tokens
    Delete {
        /// Its name
        name: String,
    },
    /// Show what a user may do, in our words and in each product's; without a name, every right there is
    Rights {
        /// Its name
        name: Option<String>,
    },
    /// Show who you are, and what you may do
    Whoami,
}

const COLUMNS: [Field; 6] = [
    ("NAME", "/name", Kind::Plain),
    ("ROLES", "/roles", Kind::Plain),
    ("GROUPS", "/groups", Kind::Plain),
    ("DISABLED", "/disabled", Kind::Plain),
    ("SLAVE", "/slave", Kind::Plain),
    ("CREATED", "/created", Kind::Plain),
];

const WHOAMI: [Field; 7] = [
    ("Name", "/username", Kind::Plain),
    ("Signed in by", "/credential", Kind::Plain),
    ("Roles", "/roles", Kind::Plain),
    ("Groups", "/groups", Kind::Plain),
    ("Rights", "/rights", Kind::Plain),
    ("Slave", "/slave", Kind::Plain),
    ("Notices", "/notices", Kind::Plain),
];

impl UserCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        let out = context.out;
        match self {
            UserCommand::List => {
                out.list(&client.send(Request::get(["users"]).query("all", true)).await?.json()?, &COLUMNS)
            }
            UserCommand::Show { name } => {
                out.one(&client.send(Request::get(["users", &name])).await?.json()?, &COLUMNS)
            }
            UserCommand::Create { name, roles, slave, new_password_file } => {
                let password = ask::new_secret(new_password_file.as_deref(), "password", "--new-password-file FILE")?;
                let body = json!({ "name": name, "password": password.expose(), "roles": roles, "slave": slave });
                out.one(&client.send(Request::post(["users"]).json(&body)).await?.json()?, &COLUMNS)
            }
            UserCommand::Edit { name, roles, disable, enable, slave, any_slave } => {
                let mut body = Map::new();
                if !roles.is_empty() {
                    body.insert("roles".to_owned(), roles.into());
                }
                if disable || enable {
                    body.insert("disabled".to_owned(), disable.into());
                }
                if any_slave || slave.is_some() {
                    body.insert("slave".to_owned(), slave.map_or(Value::Null, Value::from));
                }
                if body.is_empty() {
                    return Err(Failure::usage("nothing to change").hint("see quartermaster user edit --help"));
                }
                out.one(&client.send(Request::patch(["users", &name]).json(&body)).await?.json()?, &COLUMNS)
            }
            UserCommand::Password { name, new_password_file } => {
                let password = ask::new_secret(new_password_file.as_deref(), "password", "--new-password-file FILE")?;
                let body = json!({ "password": password.expose() });
                client.send(Request::put(["users", &name, "password"]).json(&body)).await?;
                out.say(&format!("{name} has a new password"));
                Ok(())
            }
            UserCommand::Delete { name } => {
                client.send(Request::delete(["users", &name])).await?;
                out.say(&format!("deleted user {name}"));
                Ok(())
            }
            UserCommand::Rights { name: None } => {
                let reply = client.send(Request::get(["rights"])).await?.json()?;
                out.either(&reply, || every_right(&reply))
            }
            UserCommand::Rights { name: Some(name) } => {
                let reply = client.send(Request::get(["users", &name, "rights"])).await?.json()?;
                out.either(&reply, || rights(&reply))
            }
            UserCommand::Whoami => out.one(&client.send(Request::get(["whoami"])).await?.json()?, &WHOAMI),
        }
    }
}

/// A user's rights, one a line, and below them what each product calls them.
fn rights(reply: &Value) -> String {
    let ours = reply["rights"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours: String = ours.iter().filter_map(Value::as_str).map(|right| format!("{right}\n")).collect();
    let products = reply["dialects"].as_object().into_iter().flatten().map(|(product, words)| {
        ["privileges", "roles"]
            .map(|what| format!("{product:<8} {what:<10}  {}\n", cell(words.get(what), Kind::Plain)))
            .concat()
    });
    format!("{ours}\n{}", products.collect::<String>())
}

/// Every right with each product's words for it: a column a product.
fn every_right(reply: &Value) -> String {
    let items = reply["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let products: BTreeSet<&str> =
        items.iter().filter_map(|item| item["dialects"].as_object()).flatten().map(|(name, _)| name.as_str()).collect();
    let heads: Vec<String> = products.iter().map(|product| product.to_uppercase()).collect();
    let heads: Vec<&str> = std::iter::once("RIGHT").chain(heads.iter().map(String::as_str)).collect();
    let row = |item: &Value| -> Vec<String> {
        let words = products.iter().map(|product| cell(item["dialects"].get(product), Kind::Plain));
        std::iter::once(cell(item.get("name"), Kind::Plain)).chain(words).collect()
    };
    grid(&heads, items.iter().map(row).collect(), &[])
}
