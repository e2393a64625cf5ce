//! `slave`: whoever reports usage.

use clap::Subcommand;
use serde_json::json;

use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;

#[derive(Debug, Subcommand)]
pub(super) enum SlaveCommand {
    /// List slaves
    List {
        /// Only those of this pool
        #[arg(long)]
        pool: Option<String>,
        /// At most so many [default: all]
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Show a slave
    Show {
        /// Its GUID
        guid: String,
    },
    /// Call a slave something
    Edit {
        /// Its GUID
        guid: String,
        /// What people call it
        #[arg(long)]
        label: String,
    },
    /// Forget a slave that will not come back; its bytes stay in the totals
    Forget {
        /// Its GUID
        guid: String,
    },
}

const COLUMNS: [Field; 7] = [
    ("GUID", "/slave", Kind::Plain),
    ("LABEL", "/label", Kind::Plain),
    ("POOL", "/pool", Kind::Plain),
    ("USED TODAY", "/used_bytes", Kind::Bytes),
    ("WARNINGS", "/warning_count", Kind::Plain),
    ("SILENT", "/silent", Kind::Plain),
    ("LAST REPORT", "/last_report", Kind::Plain),
];

const FIELDS: [Field; 12] = [
    ("GUID", "/slave", Kind::Plain),
    ("Label", "/label", Kind::Plain),
    ("Pools", "/pools", Kind::Plain),
    ("Counted in", "/pool", Kind::Plain),
    ("Used today", "/used_bytes", Kind::Bytes),
    ("Not allowed", "/disallowed_bytes", Kind::Bytes),
    ("Warnings", "/warning_count", Kind::Plain),
    ("In violation", "/in_violation", Kind::Plain),
    ("Silent", "/silent", Kind::Plain),
    ("First report", "/first_report", Kind::Plain),
    ("Last report", "/last_report", Kind::Plain),
    ("Levels", "/levels", Kind::Plain),
];

impl SlaveCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        match self {
            SlaveCommand::List { pool, limit } => {
                let request = Request::get(["slaves"]).maybe("pool", pool);
                let request = match limit {
                    Some(limit) => request.query("limit", limit),
                    None => request.query("all", true),
                };
                context.out.list(&client.send(request).await?.json()?, &COLUMNS)
            }
            SlaveCommand::Show { guid } => {
                context.out.one(&client.send(Request::get(["slaves", &guid])).await?.json()?, &FIELDS)
            }
            SlaveCommand::Edit { guid, label } => {
                let request = Request::patch(["slaves", &guid]).json(&json!({ "label": label }));
                context.out.one(&client.send(request).await?.json()?, &FIELDS)
            }
            SlaveCommand::Forget { guid } => {
                client.send(Request::delete(["slaves", &guid])).await?;
                context.out.say(&format!("forgot slave {guid}"));
                Ok(())
            }
        }
    }
}
