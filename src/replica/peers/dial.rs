//! Making a connection: address, TLS, greeting, all within one deadline.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::client::{Local, Security};
use super::frame::{Bytecount, Channel, Link, LinkError};
use super::wire::{GREETING_FORMAT, Hello, MAGIC, Purpose, WIRE_FORMAT, Welcome};
use crate::identity::PeerName;

/// The longest that a connection takes to stand, the greeting included.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// A connection to `node` at `address`.
pub(super) async fn dial(
    local: Local,
    node: u64,
    address: String,
    purpose: Purpose,
    count: Arc<Bytecount>,
) -> Result<Link, LinkError> {
    let stands = async {
        let mut link = Link::new(open(&local, node, &address).await?);
        greet(&mut link, &local, node, purpose).await?;
        link.trust(&count);
        Ok(link)
    };
    timeout(CONNECT, stands).await.unwrap_or(Err(LinkError::Slow("connecting")))
}

async fn open(local: &Local, node: u64, address: &str) -> Result<Box<dyn Channel>, LinkError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    match &local.security {
        Security::Tls { client, .. } => {
            let name = PeerName { cluster: local.cluster.clone(), node }.dns();
            let name = ServerName::try_from(name).map_err(|error| LinkError::Io(error.to_string()))?;
            Ok(Box::new(TlsConnector::from(Arc::clone(client)).connect(name, stream).await?))
        }
        Security::PlainLoopback if stream.peer_addr()?.ip().is_loopback() => Ok(Box::new(stream)),
        Security::PlainLoopback => Err(LinkError::NotLoopback(address.to_owned())),
    }
}

async fn greet(link: &mut Link, local: &Local, target: u64, purpose: Purpose) -> Result<(), LinkError> {
    let cluster = local.cluster.clone();
    let hello = Hello { magic: MAGIC, newest: WIRE_FORMAT, cluster, node: local.node, target, purpose };
    link.writer.send(GREETING_FORMAT, &hello).await?;
    match link.reader.read(GREETING_FORMAT).await?.ok_or(LinkError::Closed)? {
        Welcome::Come { format: WIRE_FORMAT } => Ok(()),
        Welcome::Come { .. } => Err(LinkError::OutOfTurn),
        Welcome::No(turned) => Err(LinkError::Turned(turned)),
    }
}
