//! `cluster`: beginning one, joining it, and changing who is in it.

mod found;
mod ticket;

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::print::{self, Field, Kind};
use super::{Context, Failure, ask, connect, status};
use crate::client::{Client, ClientError, Request, host_of};

const EXAMPLES: &str = "\
Examples:
  quartermaster cluster init --data-dir n1 --operator-dir operator --name eu-1 --zone Europe/Berlin --node-name n1 \\
      --peer 10.0.0.11:8090 --api https://10.0.0.11:8089 --admin admin --admin-password-file admin.password
  quartermaster serve --data-dir n1 --listen 10.0.0.11:8089 --peer-listen 10.0.0.11:8090
  quartermaster cluster ticket --operator-dir operator --out n2.ticket --host 10.0.0.12
  quartermaster cluster join --ticket n2.ticket --data-dir n2 --node-name n2 --peer 10.0.0.12:8090 \\
      --api https://10.0.0.12:8089
  quartermaster cluster promote 2";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum ClusterCommand {
    /// Begin a cluster: its certificate authority, its first node, its first administrator (offline)
    Init(Box<found::Init>),
    /// Make a one-time ticket that lets a new node join
    Ticket(ticket::TicketArgs),
    /// Join a cluster with a ticket, and make the new node's data directory
    Join(ticket::Join),
    /// Make new certificates for a node with the cluster's authority (offline)
    Cert(found::Cert),
    /// Show the cluster and its members; exit code 5 when it is not well
    Status,
    /// List the members
    Members,
    /// Make a learner that has caught up a voter
    Promote {
        /// The node's id
        node: u64,
        /// How long to wait until it has caught up
        #[arg(long, value_name = "TIME", value_parser = connect::duration, default_value = "60s")]
        wait: Duration,
    },
    /// Remove a member for good; its id is never used again
    Remove {
        /// The node's id
        node: u64,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Hand leadership to a voter
    Transfer {
        /// The node's id
        node: u64,
    },
}

const MEMBERS: [Field; 7] = [
    ("ID", "/id", Kind::Plain),
    ("NAME", "/name", Kind::Plain),
    ("ROLE", "/role", Kind::Plain),
    ("PEER", "/peer", Kind::Plain),
    ("API", "/api", Kind::Plain),
    ("APPLIED", "/applied_seq", Kind::Plain),
    ("LAST CONTACT MS", "/last_contact_ms", Kind::Plain),
];

/// How often a learner's progress is looked at.
const LOOK: Duration = Duration::from_millis(500);

impl ClusterCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            ClusterCommand::Init(init) => init.run(context),
            ClusterCommand::Cert(cert) => cert.run(context),
            ClusterCommand::Ticket(ticket) => ticket.run(context).await,
            ClusterCommand::Join(join) => join.run(context).await,
            ClusterCommand::Status => show(context).await,
            ClusterCommand::Members => {
                let cluster = status::cluster(&context.client.connect()?).await?;
                context.out.list(&json!({ "items": cluster["members"] }), &MEMBERS)
            }
            ClusterCommand::Promote { node, wait } => promote(context, node, wait).await,
            ClusterCommand::Remove { node, yes } => {
                ask::sure(&format!("remove node {node} for good?"), yes)?;
                let request = Request::delete(["cluster".to_owned(), "members".to_owned(), node.to_string()]);
                context.client.connect()?.send(request).await?;
                context.out.say(&format!("node {node} is no member any more; stop it, and never start it again"));
                Ok(())
            }
            ClusterCommand::Transfer { node } => {
                let request = Request::post(["cluster", "leader"]).json(&json!({ "node": node }));
                let cluster = context.client.connect()?.send(request).await?.json()?;
                context.out.either(&cluster, || format!("node {node} leads\n"))
            }
        }
    }
}

async fn show(context: &Context) -> Result<(), Failure> {
    let cluster = status::cluster(&context.client.connect()?).await?;
    let members = cluster["members"].as_array().cloned().unwrap_or_default();
    const HEAD: [Field; 6] = [
        ("Cluster", "/name", Kind::Plain),
        ("Id", "/cluster_id", Kind::Plain),
        ("Leader", "/leader", Kind::Plain),
        ("Term", "/term", Kind::Plain),
        ("Applied", "/applied_seq", Kind::Plain),
        ("Digest", "/digest", Kind::Plain),
    ];
    context
        .out
        .either(&cluster, || format!("{}\n{}", print::lines(&cluster, &HEAD), print::table(&members, &MEMBERS)))?;
    match status::troubles(&cluster).first() {
        None => Ok(()),
        Some(trouble) => Err(Failure::unhealthy(trouble.clone())),
    }
}

async fn promote(context: &Context, node: u64, wait: Duration) -> Result<(), Failure> {
    let client = context.client.connect()?;
    let deadline = Instant::now() + wait;
    let progress = print::spinner(format!("waiting until node {node} has caught up"));
    let path = ["cluster".to_owned(), "members".to_owned(), node.to_string(), "promote".to_owned()];
    loop {
        match client.send(Request::post(path.clone())).await {
            Ok(reply) => {
                progress.finish_and_clear();
                return context.out.either(&reply.json()?, || format!("node {node} is a voter\n"));
            }
            Err(ClientError::Refused { status: 409, .. })
                if Instant::now() + LOOK < deadline && learns(&client, node).await => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(far) = behind(&client, node).await {
            progress.set_message(format!("node {node} is behind by {far} records"));
        }
        sleep(LOOK).await;
    }
}

/// Whether a node that was refused may yet be taken: it is a learner, and has not caught up.
async fn learns(client: &Client, node: u64) -> bool {
    let cluster = status::cluster(client).await.unwrap_or_default();
    let mut members = cluster["members"].as_array().into_iter().flatten();
    members.any(|member| member["id"] == node && member["role"] == "learner")
}

/// How many records a member is behind the one that is furthest.
async fn behind(client: &Client, node: u64) -> Option<u64> {
    let cluster = status::cluster(client).await.ok()?;
    let members = cluster["members"].as_array()?;
    let first = members.iter().filter_map(|member| member["applied_seq"].as_u64()).max()?;
    let mine = members.iter().find(|member| member["id"] == node).map_or(0, applied);
    Some(first.saturating_sub(mine))
}

fn applied(member: &Value) -> u64 {
    member["applied_seq"].as_u64().unwrap_or_default()
}

/// The names under which a node's API is reached when nobody says: its host in `api`, and this machine when that is a
/// loopback address.
fn hosts(given: Vec<String>, api: &str) -> Result<Vec<String>, Failure> {
    let host = host(api)?;
    let mut hosts = if given.is_empty() { vec![host.clone()] } else { given };
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if loopback {
        hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    }
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

/// The host of an API's URL, which must have its scheme: other nodes and clients are given it as it is.
fn host(api: &str) -> Result<String, Failure> {
    let bad =
        |why: &str| Failure::usage(format!("--api {api}: {why}")).hint("write for example https://10.0.0.11:8089");
    if !api.contains("://") {
        return Err(bad("no URL"));
    }
    host_of(api).map_err(|error| bad(&error.to_string()))
}

/// Whether `peer` is a host and a port.
fn check_peer(peer: &str) -> Result<(), Failure> {
    let good = peer
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if good { Ok(()) } else { Err(Failure::usage(format!("--peer {peer}: no HOST:PORT"))) }
}
