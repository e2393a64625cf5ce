//! The ticket: one file with all that a new node needs to join, made by the operator, good once.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{read, write_new};
use super::{Certified, IdentityError, NodeIdentity, Secret};

/// The ticket format that is written and read.
const TICKET_FORMAT: u32 = 1;

/// A one-time permission to join, with the certificates that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The cluster's id.
    pub cluster: String,
    /// The id that the node will have.
    pub node: u64,
    /// What the cluster knows the hash of.
    pub secret: Secret,
    /// Where the cluster is reached.
    pub members: Vec<TicketMember>,
    /// Who the node will be.
    pub identity: NodeIdentity,
}

/// A member, as a ticket names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketMember {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Host and port where its peers reach it.
    pub peer: String,
    /// URL where clients reach it.
    pub api: String,
}

/// The file as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketFile {
    format: u32,
    cluster: String,
    node: u64,
    secret: Secret,
    ca: String,
    node_certificate: String,
    node_key: Secret,
    api_certificate: String,
    api_key: Secret,
    members: Vec<TicketMember>,
}

impl Ticket {
    /// Writes the ticket to a file that must not exist yet. It holds private keys: only its owner can read it.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), IdentityError> {
        let file = TicketFile {
            format: TICKET_FORMAT,
            cluster: self.cluster.clone(),
            node: self.node,
            secret: self.secret.clone(),
            ca: self.identity.ca.clone(),
            node_certificate: self.identity.node.certificate.clone(),
            node_key: self.identity.node.key.clone(),
            api_certificate: self.identity.api.certificate.clone(),
            api_key: self.identity.api.key.clone(),
            members: self.members.clone(),
        };
        let text = toml::to_string_pretty(&file).map_err(|error| IdentityError::Ticket(error.to_string()))?;
        write_new(path, &text)
    }

    /// Reads a ticket.
    ///
    /// # Errors
    /// When it cannot be read, is no ticket, or its certificate is another node's.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        Self::parse(&read(path)?)
    }

    fn parse(text: &str) -> Result<Self, IdentityError> {
        // The parser's message may quote the line, and the line may be a key: say only where it is.
        let file: TicketFile = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            IdentityError::Ticket(format!("it cannot be read at byte {place}"))
        })?;
        if file.format != TICKET_FORMAT {
            let format = file.format;
            return Err(IdentityError::Ticket(format!("format {format}, this release reads {TICKET_FORMAT}")));
        }
        let identity = NodeIdentity {
            ca: file.ca,
            node: Certified { certificate: file.node_certificate, key: file.node_key },
            api: Certified { certificate: file.api_certificate, key: file.api_key },
        };
        let name = identity.name()?;
        if name.cluster != file.cluster || name.node != file.node {
            return Err(IdentityError::Ticket("its certificate belongs to another node".to_owned()));
        }
        Ok(Self { cluster: file.cluster, node: file.node, secret: file.secret, members: file.members, identity })
    }
}
