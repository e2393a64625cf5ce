//! `journal`: everything that was asked, in order, and the proof that nobody edited it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::print::{self, Field, Kind};
use super::{Context, Failure};
use crate::client::{Client, Journal, Request};
use crate::domain::name::hex;
use crate::node;

const EXAMPLES: &str = "\
Examples:
  quartermaster journal tail --follow
  quartermaster journal tail --after 0 --kind install_license -o json
  quartermaster journal show 17
  quartermaster journal verify
  quartermaster journal verify --data-dir /var/lib/quartermaster";

/// Records a page.
const PAGE: usize = 500;

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum JournalCommand {
    /// Show the newest records, or all after a position; JSON is one record a line
    Tail {
        /// Only records after this position
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
        /// How many of the newest, without --after
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u64,
        /// Go on with what comes
        #[arg(short, long)]
        follow: bool,
        /// Only this command, such as install_license
        #[arg(long)]
        kind: Option<String>,
        /// Only this user
        #[arg(long)]
        actor: Option<String>,
        /// Only this outcome: done, refused or repeated
        #[arg(long)]
        outcome: Option<String>,
    },
    /// Show one record
    Show {
        /// Its position
        seq: u64,
    },
    /// Check that all nodes have the same journal, or recompute the chains of a stopped node (offline)
    Verify {
        /// A stopped node's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

const COLUMNS: [Field; 6] = [
    ("SEQ", "/seq", Kind::Plain),
    ("TIME", "/time", Kind::Plain),
    ("ACTOR", "/actor/user", Kind::Plain),
    ("COMMAND", "/command", Kind::Plain),
    ("OUTCOME", "/outcome", Kind::Plain),
    ("DIGEST", "/digest", Kind::Short),
];

impl JournalCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        if let JournalCommand::Verify { data_dir: Some(dir) } = self {
            return recompute(context, &dir);
        }
        let client = context.client.connect()?;
        match self {
            JournalCommand::Tail { after, lines, follow, kind, actor, outcome } => {
                let after = match after {
                    Some(seq) => seq,
                    None => applied(&client).await?.saturating_sub(lines),
                };
                let journal = client
                    .journal(after, PAGE)
                    .only("kind", kind.as_deref())
                    .only("actor", actor.as_deref())
                    .only("outcome", outcome.as_deref());
                tail(context, journal, follow).await
            }
            JournalCommand::Show { seq } => {
                let record = client.send(Request::get(["journal".to_owned(), seq.to_string()])).await?.json()?;
                context.out.text(&format!("{record:#}\n"))
            }
            JournalCommand::Verify { .. } => compare(context, &client).await,
        }
    }
}

async fn applied(client: &Client) -> Result<u64, Failure> {
    let cluster = client.send(Request::get(["cluster"])).await?.json()?;
    Ok(cluster["applied_seq"].as_u64().unwrap_or_default())
}

async fn tail(context: &Context, mut journal: Journal, follow: bool) -> Result<(), Failure> {
    let mut headless = true;
    loop {
        let records = if follow { journal.next().await? } else { journal.page().await? };
        if records.is_empty() {
            return Ok(());
        }
        for record in &records {
            context.out.stream(record, || line(record, std::mem::take(&mut headless)))?;
        }
    }
}

/// A record in columns of fixed width, since what is still to come cannot be measured.
fn line(record: &Value, headed: bool) -> String {
    const WIDTHS: [usize; 6] = [8, 24, 16, 18, 8, 12];
    let row = |cells: Vec<String>| {
        let cells = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let head = if headed { row(COLUMNS.iter().map(|(head, ..)| (*head).to_owned()).collect()) } else { String::new() };
    head + &row(COLUMNS.iter().map(|(_, at, kind)| print::cell(record.pointer(at), *kind)).collect())
}

/// Asks every member for the digest at a position that all of them have.
async fn compare(context: &Context, client: &Client) -> Result<(), Failure> {
    let cluster = client.send(Request::get(["cluster"])).await?.json()?;
    let members = cluster["members"].as_array().cloned().unwrap_or_default();
    let positions: Option<Vec<u64>> = members.iter().map(|member| member["applied_seq"].as_u64()).collect();
    let Some(seq) = positions.and_then(|positions| positions.into_iter().min()) else {
        return Err(Failure::unhealthy("not every node was heard of").hint("see quartermaster cluster status"));
    };
    let mut nodes = Vec::new();
    for member in &members {
        let api = member["api"].as_str().unwrap_or_default();
        let request = Request::get(["journal", "digest"]).query("seq", seq).query("consistency", "stale");
        let answer = client.only(api)?.send(request).await?.json()?;
        nodes.push(json!({ "node": member["id"], "name": member["name"], "digest": answer["digest"] }));
    }
    let same = nodes.windows(2).all(|pair| pair[0]["digest"] == pair[1]["digest"]);
    let verdict = json!({ "seq": seq, "same": same, "nodes": nodes });
    const NODES: [Field; 3] =
        [("ID", "/node", Kind::Plain), ("NAME", "/name", Kind::Plain), ("DIGEST", "/digest", Kind::Plain)];
    let words = if same { "all nodes have the same journal" } else { "the nodes' journals differ" };
    context.out.either(&verdict, || format!("{}{words} up to record {seq}\n", print::table(&nodes, &NODES)))?;
    if same { Ok(()) } else { Err(Failure::unhealthy(words)) }
}

/// Computes both chains of a stopped node's journal again.
fn recompute(context: &Context, data_dir: &Path) -> Result<(), Failure> {
    let bar = print::bar(u64::MAX, "checking records");
    let verified = node::verify(data_dir, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let verified = verified.map_err(|error| Failure::refused(format!("{}: {error}", data_dir.display())))?;
    let found = json!({
        "seq": verified.seq,
        "digest": hex(&verified.digest),
        "records": verified.records,
        "dropped": verified.dropped,
    });
    const FOUND: [Field; 4] = [
        ("Checked", "/records", Kind::Plain),
        ("Dropped by age", "/dropped", Kind::Plain),
        ("Last record", "/seq", Kind::Plain),
        ("Digest", "/digest", Kind::Plain),
    ];
    context.out.one(&found, &FOUND)?;
    let seq = verified.seq;
    context.out.say(&format!("both chains hold; other nodes must have the same digest at record {seq}"));
    Ok(())
}
