//! `pool`: a stack's volume, shared out among slaves.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;
use crate::signing::quantity;

const EXAMPLES: &str = "\
Examples:
  quartermaster pool create web --stack enterprise --quota 500GB --slave 4F2C… --slave 9A01…
  quartermaster pool create rest --stack enterprise --quota MAX --slave '*'
  quartermaster pool edit web --quota 600GB
  quartermaster pool show web -o json";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum PoolCommand {
    /// List pools
    List {
        /// Only those of this stack
        #[arg(long)]
        stack: Option<String>,
    },
    /// Show a pool, and what each slave used of it today
    Show {
        /// Its name
        name: String,
    },
    /// Create a pool
    Create {
        /// Its name
        name: String,
        /// The stack that it shares out
        #[arg(long, default_value = "enterprise")]
        stack: String,
        /// Bytes a day, such as 50MB or 1TB (powers of 1024), or MAX
        #[arg(long, value_parser = quota)]
        quota: Value,
        /// A slave's GUID, or * for all that no pool names; may be given several times
        #[arg(long = "slave", value_name = "GUID", value_delimiter = ',')]
        slaves: Vec<String>,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
    },
    /// Change a pool; what is not given stays
    Edit {
        /// Its name
        name: String,
        /// Bytes a day, such as 50MB or 1TB (powers of 1024), or MAX
        #[arg(long, value_parser = quota)]
        quota: Option<Value>,
        /// A slave's GUID, or *; may be given several times; replaces those there are
        #[arg(long = "slave", value_name = "GUID", value_delimiter = ',')]
        slaves: Vec<String>,
        /// Add the slaves to those there are
        #[arg(long, requires = "slaves")]
        append: bool,
        /// Take all slaves out
        #[arg(long, conflicts_with = "slaves")]
        no_slaves: bool,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete a pool
    Delete {
        /// Its name
        name: String,
    },
}

const COLUMNS: [Field; 7] = [
    ("NAME", "/name", Kind::Plain),
    ("STACK", "/stack", Kind::Plain),
    ("QUOTA", "/quota_bytes", Kind::Quota),
    ("USED TODAY", "/used_bytes", Kind::Bytes),
    ("WARNINGS", "/warning_count", Kind::Plain),
    ("IN VIOLATION", "/in_violation", Kind::Plain),
    ("SLAVES", "/slaves", Kind::Plain),
];

const FIELDS: [Field; 12] = [
    ("Name", "/name", Kind::Plain),
    ("Stack", "/stack", Kind::Plain),
    ("Description", "/description", Kind::Plain),
    ("Quota a day", "/quota_bytes", Kind::Quota),
    ("Effective quota", "/effective_quota_bytes", Kind::Bytes),
    ("Used today", "/used_bytes", Kind::Bytes),
    ("Warnings", "/warning_count", Kind::Plain),
    ("In violation", "/in_violation", Kind::Plain),
    ("Slaves", "/slaves", Kind::Plain),
    ("Slaves that used it", "/slaves_used_bytes", Kind::Count),
    ("Fixed", "/fixed", Kind::Plain),
    ("Created", "/created", Kind::Plain),
];

impl PoolCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        match self {
            PoolCommand::List { stack } => {
                let request = Request::get(["pools"]).query("all", true).maybe("stack", stack);
                context.out.list(&client.send(request).await?.json()?, &COLUMNS)
            }
            PoolCommand::Show { name } => {
                context.out.one(&client.send(Request::get(["pools", &name])).await?.json()?, &FIELDS)
            }
            PoolCommand::Create { name, stack, quota, slaves, description } => {
                let description = description.unwrap_or_default();
                let body = json!({ "name": name, "stack": stack, "quota": quota, "slaves": slaves, "description": description });
                context.out.one(&client.send(Request::post(["pools"]).json(&body)).await?.json()?, &FIELDS)
            }
            PoolCommand::Edit { name, quota, slaves, append, no_slaves, description } => {
                let mut body = Map::new();
                body.extend(quota.map(|quota| ("quota".to_owned(), quota)));
                body.extend(description.map(|text| ("description".to_owned(), text.into())));
                if no_slaves || !slaves.is_empty() {
                    body.insert("slaves".to_owned(), slaves.into());
                }
                if append {
                    body.insert("append_slaves".to_owned(), true.into());
                }
                if body.is_empty() {
                    return Err(Failure::usage("nothing to change").hint("see quartermaster pool edit --help"));
                }
                context.out.one(&client.send(Request::patch(["pools", &name]).json(&body)).await?.json()?, &FIELDS)
            }
            PoolCommand::Delete { name } => {
                client.send(Request::delete(["pools", &name])).await?;
                context.out.say(&format!("deleted pool {name}"));
                Ok(())
            }
        }
    }
}

/// A quota as the API takes it: a number, or `MAX`.
fn quota(text: &str) -> Result<Value, String> {
    if text.eq_ignore_ascii_case("max") { Ok("MAX".into()) } else { quantity::bytes(text).map(Value::from) }
}
