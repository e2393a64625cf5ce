//! Letting a node in: the operator makes a ticket, the new node uses it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::found::{certify, write_node};
use super::{check_peer, host};
use crate::cli::print::{self, Field, Kind};
use crate::cli::{Context, Failure, connect, files};
use crate::client::Request;
use crate::config::NodeFile;
use crate::domain::name::{hex, is_name, sha256};
use crate::domain::node::NodeAddress;
use crate::identity::{ClusterCa, Secret, Ticket, TicketMember};
use crate::node;

/// Random bytes of a ticket's secret.
const SECRET_BYTES: usize = 32;
/// The names under which a node on this machine is reached.
const LOCAL: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// Makes a ticket.
#[derive(Debug, Args)]
pub(crate) struct TicketArgs {
    /// Where the cluster's authority is
    #[arg(long, value_name = "DIR")]
    operator_dir: PathBuf,
    /// Where the ticket goes; it holds private keys: give it to the new node's operator alone
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long it is good
    #[arg(long, value_name = "TIME", value_parser = connect::duration, default_value = "24h")]
    ttl: Duration,
    /// A name or address in the API's certificate; may be given several times [default: this machine's loopback]
    #[arg(long = "host", value_name = "HOST", value_delimiter = ',')]
    hosts: Vec<String>,
}

/// The API's answer to a wish for a ticket.
#[derive(Deserialize)]
struct Granted {
    node: u64,
    cluster_id: String,
    expires: String,
    members: Vec<TicketMember>,
}

impl TicketArgs {
    /// Asks the cluster for a fresh id, and certifies it.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let authority = ClusterCa::load(&self.operator_dir)?;
        let mut secret = [0; SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_unspecified| Failure::failed("the machine has no randomness"))?;
        let secret = hex(&secret);
        let body = json!({
            "secret_hash": hex(&sha256(&[secret.as_bytes()])),
            "ttl_ms": connect::millis(self.ttl),
        });
        let client = context.client.connect()?;
        let granted: Granted = client.send(Request::post(["cluster", "tickets"]).json(&body)).await?.read()?;
        if granted.cluster_id != authority.cluster() {
            let cluster = granted.cluster_id;
            return Err(Failure::usage(format!("the authority in --operator-dir is not that of cluster {cluster}")));
        }
        let hosts = if self.hosts.is_empty() { LOCAL.map(str::to_owned).to_vec() } else { self.hosts };
        let ticket = Ticket {
            cluster: granted.cluster_id,
            node: granted.node,
            secret: Secret::new(secret),
            members: granted.members,
            identity: certify(&authority, granted.node, &hosts)?,
        };
        ticket.write(&self.out)?;
        let made = json!({ "node": granted.node, "expires": granted.expires, "ticket_file": self.out, "hosts": hosts });
        const FIELDS: [Field; 4] = [
            ("Node", "/node", Kind::Plain),
            ("Expires", "/expires", Kind::Plain),
            ("Ticket", "/ticket_file", Kind::Plain),
            ("Hosts", "/hosts", Kind::Plain),
        ];
        context.out.one(&made, &FIELDS)?;
        context.out.say(&format!("on the new node: quartermaster cluster join --ticket {} …", self.out.display()));
        Ok(())
    }
}

/// Uses a ticket.
#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The ticket
    #[arg(long, value_name = "FILE")]
    ticket: PathBuf,
    /// The new node's data; must not exist yet, or be empty
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// What people call the node
    #[arg(long)]
    node_name: String,
    /// Where the other nodes reach it
    #[arg(long, value_name = "HOST:PORT")]
    peer: String,
    /// Where clients reach it
    #[arg(long, value_name = "URL")]
    api: String,
    /// The cluster's nodes speak to each other without TLS, on loopback
    #[arg(long)]
    plain_peers: bool,
}

impl Join {
    /// Has the cluster take the node in, then makes its data directory.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        if !is_name(&self.node_name) {
            return Err(Failure::usage("--node-name: 1 to 100 characters, no `/` and no control characters"));
        }
        check_peer(&self.peer)?;
        host(&self.api)?;
        let ticket = Ticket::read(&self.ticket)?;
        files::make_empty_dir(&self.data_dir)?;
        let address = NodeAddress {
            name: self.node_name.as_str().into(),
            peer: self.peer.as_str().into(),
            api: self.api.as_str().into(),
        };
        let progress = print::spinner(format!("asking the cluster to take in node {}", ticket.node));
        let joined = node::join(&ticket, &address, self.plain_peers, Instant::now() + context.client.timeout()).await;
        progress.finish_and_clear();
        joined.map_err(|error| {
            let hint = "is a member reachable from here, and is the ticket still good? quartermaster cluster status";
            Failure::from(error).hint(hint)
        })?;
        let file = NodeFile {
            cluster: ticket.cluster.clone(),
            node: ticket.node,
            name: self.node_name,
            peer: self.peer,
            api: self.api,
        };
        node::create(&self.data_dir, None)?;
        write_node(&self.data_dir, &ticket.identity, &file)?;
        let made = json!({ "node": file.node, "cluster_id": file.cluster, "data_dir": self.data_dir });
        const FIELDS: [Field; 3] = [
            ("Node", "/node", Kind::Plain),
            ("Cluster", "/cluster_id", Kind::Plain),
            ("Data", "/data_dir", Kind::Plain),
        ];
        context.out.one(&made, &FIELDS)?;
        let (data, node) = (self.data_dir.display(), file.node);
        context
            .out
            .say(&format!("now: quartermaster serve --data-dir {data}; then: quartermaster cluster promote {node}"));
        Ok(())
    }
}
