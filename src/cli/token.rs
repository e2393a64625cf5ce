//! `token`: API tokens, for machines.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::print::{Field, Kind};
use super::{Context, Failure, connect, files};
use crate::client::Request;

const EXAMPLES: &str = "\
Examples:
  quartermaster token create --label ci --ttl 90d --out ci.token
  quartermaster token list
  quartermaster token revoke 12";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum TokenCommand {
    /// List your tokens; with the right manage_users, everybody's
    List {
        /// Only this user's
        #[arg(long = "of", value_name = "NAME")]
        of: Option<String>,
    },
    /// Make a token; it is shown once
    Create {
        /// What it is for
        #[arg(long, default_value = "")]
        label: String,
        /// How long it is good, such as 12h or 90d
        #[arg(long, value_name = "TIME", value_parser = connect::duration)]
        ttl: Option<Duration>,
        /// Whose it will be [default: yours]
        #[arg(long = "of", value_name = "NAME")]
        of: Option<String>,
        /// Where the token goes, readable by you alone [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// End a token
    Revoke {
        /// Its id
        id: u64,
    },
}

const COLUMNS: [Field; 6] = [
    ("ID", "/id", Kind::Plain),
    ("USER", "/user", Kind::Plain),
    ("KIND", "/kind", Kind::Plain),
    ("LABEL", "/label", Kind::Plain),
    ("CREATED", "/created", Kind::Plain),
    ("EXPIRES", "/expires", Kind::Plain),
];

impl TokenCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        match self {
            TokenCommand::List { of } => {
                let request = Request::get(["tokens"]).query("all", true).maybe("user", of);
                context.out.list(&client.send(request).await?.json()?, &COLUMNS)
            }
            TokenCommand::Create { label, ttl, of, out } => {
                let body = json!({ "label": label, "ttl_ms": ttl.map(connect::millis), "user": of });
                let mut made = client.send(Request::post(["tokens"]).json(&body)).await?.json()?;
                let token = made["token"].as_str().unwrap_or_default().to_owned();
                context.out.say(&format!("token {}; it is shown this once only", made["id"]));
                match out {
                    None => context.out.either(&made, || format!("{token}\n")),
                    Some(path) => {
                        files::write_new(&path, format!("{token}\n").as_bytes(), true)?;
                        if let Some(made) = made.as_object_mut() {
                            made.remove("token");
                        }
                        context.out.one(&made, &COLUMNS)
                    }
                }
            }
            TokenCommand::Revoke { id } => {
                client.send(Request::delete(["tokens".to_owned(), id.to_string()])).await?;
                context.out.say(&format!("token {id} is revoked"));
                Ok(())
            }
        }
    }
}
