//! Founding a cluster, and certifying its nodes: done where the authority's key lies, without a node.

use std::path::{Path, PathBuf};

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use clap::Args;
use serde_json::json;

use super::{check_peer, hosts};
use crate::cli::print::{Field, Kind};
use crate::cli::{Context, Failure, ask, files};
use crate::config::NodeFile;
use crate::domain::cluster::InitCluster;
use crate::domain::name::{Name, is_name};
use crate::domain::node::NodeAddress;
use crate::identity::{ClusterCa, NodeIdentity};
use crate::node;

/// The first node's id.
const FIRST: u64 = 1;
/// Shortest and longest password that a node takes, in bytes.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// Begins a cluster.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The first node's data; must not exist yet, or be empty
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where the cluster's authority goes: its key signs nodes in; keep it off the nodes
    #[arg(long, value_name = "DIR")]
    operator_dir: PathBuf,
    /// What people call the cluster
    #[arg(long)]
    name: String,
    /// The zone whose midnight ends the license day, such as Europe/Berlin
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// What people call the first node
    #[arg(long, default_value = "n1")]
    node_name: String,
    /// Where the other nodes reach it
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8090")]
    peer: String,
    /// Where clients reach it
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:8089")]
    api: String,
    /// The first administrator's name
    #[arg(long, default_value = "admin")]
    admin: String,
    /// File with the administrator's password, - for standard input; without it you are asked
    #[arg(long, value_name = "FILE")]
    admin_password_file: Option<PathBuf>,
    /// A name or address in the API's certificate; may be given several times [default: the host of --api]
    #[arg(long = "host", value_name = "HOST", value_delimiter = ',')]
    hosts: Vec<String>,
}

impl Init {
    /// Writes the operator's directory, then the node's.
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        for (flag, name) in [("--name", &self.name), ("--node-name", &self.node_name), ("--admin", &self.admin)] {
            if !is_name(name) {
                return Err(Failure::usage(format!(
                    "{flag} {name}: 1 to 100 characters, no `/` and no control characters"
                )));
            }
        }
        if self.zone.parse::<chrono_tz::Tz>().is_err() {
            return Err(
                Failure::usage(format!("--zone {}: no such zone", self.zone)).hint("write for example Europe/Berlin")
            );
        }
        check_peer(&self.peer)?;
        let hosts = hosts(self.hosts, &self.api)?;
        let password = ask::new_secret(self.admin_password_file.as_deref(), "password", "--admin-password-file FILE")?;
        let password = hash(password.expose())?;
        files::make_empty_dir(&self.data_dir)?;

        let cluster = uuid::Uuid::new_v4().to_string();
        let authority = ClusterCa::create(&cluster)?;
        let identity = certify(&authority, FIRST, &hosts)?;
        authority.write(&self.operator_dir)?;
        let address = NodeAddress {
            name: self.node_name.as_str().into(),
            peer: self.peer.as_str().into(),
            api: self.api.as_str().into(),
        };
        let first = InitCluster {
            cluster_id: cluster.as_str().into(),
            name: self.name.as_str().into(),
            zone: self.zone.into(),
            node: address,
            admin: self.admin.as_str().into(),
            password,
        };
        node::create(&self.data_dir, Some(&first))?;
        let file = NodeFile { cluster, node: FIRST, name: self.node_name, peer: self.peer, api: self.api };
        write_node(&self.data_dir, &identity, &file)?;

        let made = json!({
            "cluster_id": file.cluster,
            "name": self.name,
            "node": FIRST,
            "data_dir": self.data_dir,
            "operator_dir": self.operator_dir,
            "ca_file": self.operator_dir.join("ca.pem"),
            "admin": self.admin,
        });
        const FIELDS: [Field; 5] = [
            ("Cluster", "/name", Kind::Plain),
            ("Id", "/cluster_id", Kind::Plain),
            ("Node's data", "/data_dir", Kind::Plain),
            ("CA for clients", "/ca_file", Kind::Plain),
            ("Administrator", "/admin", Kind::Plain),
        ];
        context.out.one(&made, &FIELDS)?;
        let (operator, data) = (self.operator_dir.display(), self.data_dir.display());
        context.out.say(&format!("keep {operator} safe and off the nodes; now: quartermaster serve --data-dir {data}"));
        Ok(())
    }
}

/// Makes new certificates for a node.
#[derive(Debug, Args)]
pub(crate) struct Cert {
    /// Where the cluster's authority is
    #[arg(long, value_name = "DIR")]
    operator_dir: PathBuf,
    /// A node's data directory, whose certificates are replaced
    #[arg(long, value_name = "DIR", conflicts_with_all = ["node", "out_dir"], required_unless_present = "node")]
    data_dir: Option<PathBuf>,
    /// A node's id
    #[arg(long, requires = "out_dir")]
    node: Option<u64>,
    /// Where the certificates go, to be copied to identity/ of the node's data directory
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// A name or address in the API's certificate; may be given several times
    #[arg(long = "host", value_name = "HOST", value_delimiter = ',')]
    hosts: Vec<String>,
}

impl Cert {
    /// Writes the certificates.
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let authority = ClusterCa::load(&self.operator_dir)?;
        let (node, dir, hosts) = match (self.data_dir, self.node, self.out_dir) {
            (Some(data_dir), _, _) => {
                let file = NodeFile::read(&data_dir)?;
                if file.cluster != authority.cluster() {
                    return Err(Failure::usage("that node belongs to another cluster than that authority"));
                }
                (file.node, data_dir.join("identity"), hosts(self.hosts, &file.api)?)
            }
            (None, Some(node), Some(dir)) if !self.hosts.is_empty() => (node, dir, self.hosts),
            _ => return Err(Failure::usage("--node needs --out-dir and at least one --host")),
        };
        let identity = certify(&authority, node, &hosts)?;
        identity.write(&dir)?;
        let expires = crate::identity::expires(&identity.api.certificate)?;
        let made = json!({ "node": node, "dir": dir, "hosts": hosts, "expires_timestamp_seconds": expires });
        const FIELDS: [Field; 3] =
            [("Node", "/node", Kind::Plain), ("Certificates", "/dir", Kind::Plain), ("Hosts", "/hosts", Kind::Plain)];
        context.out.one(&made, &FIELDS)?;
        context.out.say("restart the node, so that it shows them");
        Ok(())
    }
}

/// Certificates for a node: one towards its peers, one towards clients.
pub(super) fn certify(authority: &ClusterCa, node: u64, hosts: &[String]) -> Result<NodeIdentity, Failure> {
    Ok(NodeIdentity {
        ca: authority.certificate().to_owned(),
        node: authority.issue_node(node)?,
        api: authority.issue_api(node, hosts)?,
    })
}

/// Writes who a node is into its data directory; the last file is the one that makes it a data directory.
pub(super) fn write_node(data_dir: &Path, identity: &NodeIdentity, file: &NodeFile) -> Result<(), Failure> {
    identity.write(&data_dir.join("identity"))?;
    files::write_new(&data_dir.join(NodeFile::NAME), file.render()?.as_bytes(), true)?;
    files::sync_dir(data_dir)
}

/// argon2id as OWASP recommends it (19 MiB, two passes): the only form in which a password is ever written.
fn hash(password: &str) -> Result<Name, Failure> {
    if !PASSWORD_BYTES.contains(&password.len()) {
        let (least, most) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        return Err(Failure::usage(format!("a password has {least} to {most} bytes, this one has {}", password.len())));
    }
    let failed = |error: String| Failure::failed(format!("the password could not be hashed: {error}"));
    let params = Params::new(19_456, 2, 1, None).map_err(|error| failed(error.to_string()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.as_bytes()).map_err(|error| failed(error.to_string()))?;
    Ok(hash.to_string().into())
}
