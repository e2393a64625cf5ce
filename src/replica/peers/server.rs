//! The answering side: the accept loop, and the greeting that proves who is there. What is done on each kind of
//! connection is in `answer` and `receive`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::answer::{answer_appends, answer_calls};
use super::client::{Local, Peers, Security};
use super::crowd::Crowd;
use super::frame::{Channel, Link, LinkError};
use super::receive::{Intake, clear};
use super::ship::SNAPSHOT_STALL;
use super::wire::{GREETING_FORMAT, Hello, MAGIC, Purpose, Turned, WIRE_FORMAT, Welcome};
use super::{Inbound, Stopped};
use crate::identity::{PeerName, peer_of};

/// Who connects must have shown who it is within this time.
const GREETING: Duration = Duration::from_secs(5);
/// So many connections may be at their greeting; more are closed at once.
const GREETINGS: usize = 64;
/// So many connections of known peers may stand: every member of the largest cluster has a handful.
const CONNECTIONS: usize = 512;
/// When no connection can be accepted, for instance because no file descriptor is left, the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What serving peers takes.
pub struct Serving<I> {
    /// This node's peers: who it is itself, and who of them is not spoken to.
    pub peers: Peers,
    /// What it does with what peers send.
    pub inbound: Arc<I>,
    /// Where snapshots are received; each in a directory of its own.
    pub snapshots: PathBuf,
    /// How long it waits for what does not come.
    pub patience: Patience,
}

/// How long a server of peers waits for what does not come. The default is for use, shorter ones are for tests.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Who connects must have shown who it is within this time.
    pub greeting: Duration,
    /// A snapshot of which nothing more comes for so long has failed.
    pub snapshot: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { greeting: GREETING, snapshot: SNAPSHOT_STALL }
    }
}

/// Shared by all connections.
pub(super) struct Served<I> {
    pub(super) peers: Peers,
    pub(super) inbound: Arc<I>,
    snapshots: PathBuf,
    patience: Patience,
    standing: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    /// One snapshot is received at a time.
    receiving: Semaphore,
}

/// Serves peers until `stop` becomes true or its sender is gone; returns when the last connection has ended.
pub async fn serve<I: Inbound>(listener: TcpListener, serving: Serving<I>, mut stop: watch::Receiver<bool>) {
    let Serving { peers, inbound, snapshots, patience } = serving;
    clear(&snapshots).await;
    let standing = Arc::new(Semaphore::new(CONNECTIONS));
    let receiving = Semaphore::new(1);
    let crowd = Arc::default();
    let served = Arc::new(Served { peers, inbound, snapshots, patience, standing, crowd, receiving });
    let greetings = Arc::new(Semaphore::new(GREETINGS));
    let mut connections = JoinSet::new();
    let stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|&stop| stop) => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted.map(|accepted| (accepted, Arc::clone(&greetings).try_acquire_owned())) {
            Ok(((stream, from), Ok(permit))) => {
                connections.spawn(attend(Arc::clone(&served), stream, from, permit, stopping.clone()));
            }
            Ok(((_, from), Err(_))) => tracing::warn!(%from, "too many connections are at their greeting; closed one"),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer's connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// One connection's life.
async fn attend<I: Inbound>(
    served: Arc<Served<I>>,
    stream: TcpStream,
    from: SocketAddr,
    greeting: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    let attended = async {
        let greeted = timeout(served.patience.greeting, greet(&served, stream, from)).await;
        let (mut link, hello, _standing) = greeted.unwrap_or(Err(LinkError::Slow("the greeting")))?;
        drop(greeting);
        let place = served.crowd.enter(hello.node, hello.purpose);
        tokio::select! {
            () = place.needed() => Err(LinkError::Replaced),
            ended = served.answer(&mut link, &hello) => ended,
        }
    };
    tokio::select! {
        _ = stop.wait_for(|&stop| stop) => {}
        ended = attended => match ended {
            Ok(()) | Err(LinkError::Closed) => {}
            Err(error) => tracing::info!(%from, %error, "a peer's connection ended"),
        },
    }
}

impl<I: Inbound> Served<I> {
    /// Whether the node may use a connection for this purpose, now.
    pub(super) fn may(&self, node: u64, purpose: Purpose) -> bool {
        !self.peers.is_reverted(node) && self.inbound.may_connect(node, purpose)
    }

    async fn answer(self: &Arc<Self>, link: &mut Link, hello: &Hello) -> Result<(), LinkError> {
        match hello.purpose {
            Purpose::Append => answer_appends(self, link, hello.node).await,
            Purpose::Calls | Purpose::Join => answer_calls(self, link, hello.node, hello.purpose).await,
            Purpose::Snapshot => {
                let Ok(_one) = self.receiving.try_acquire() else {
                    let busy = super::wire::SnapshotAnswer::Refused("it is receiving another one".to_owned());
                    return link.writer.send(WIRE_FORMAT, &busy).await;
                };
                let intake = Intake { snapshots: &self.snapshots, patience: self.patience.snapshot };
                intake.receive(link, &*self.inbound, hello.node).await
            }
        }
    }
}

/// TLS, then the greeting: the connection, and who is there.
async fn greet<I: Inbound>(
    served: &Served<I>,
    stream: TcpStream,
    from: SocketAddr,
) -> Result<(Link, Hello, OwnedSemaphorePermit), LinkError> {
    let local = served.peers.local();
    let (channel, certificate) = open(local, stream, from).await?;
    let mut link = Link::new(channel);
    let hello: Hello = link.reader.read(GREETING_FORMAT).await?.ok_or(LinkError::Closed)?;
    let standing = match served.check(&hello, certificate.as_ref()) {
        Ok(standing) => standing,
        Err(turned) => {
            link.writer.send(GREETING_FORMAT, &Welcome::No(turned.clone())).await?;
            link.writer.close().await?;
            return Err(LinkError::Turned(turned));
        }
    };
    link.writer.send(GREETING_FORMAT, &Welcome::Come { format: WIRE_FORMAT }).await?;
    if hello.purpose != Purpose::Join {
        link.trust(&served.peers.count(hello.node));
    }
    Ok((link, hello, standing))
}

async fn open(
    local: &Local,
    stream: TcpStream,
    from: SocketAddr,
) -> Result<(Box<dyn Channel>, Option<PeerName>), LinkError> {
    stream.set_nodelay(true)?;
    match &local.security {
        Security::Tls { server, .. } => {
            let stream = TlsAcceptor::from(Arc::clone(server)).accept(stream).await?;
            let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let certificate = certificate.ok_or_else(|| LinkError::Io("the peer shows no certificate".to_owned()))?;
            let name = peer_of(certificate).map_err(|error| LinkError::Io(error.to_string()))?;
            Ok((Box::new(stream), Some(name)))
        }
        Security::PlainLoopback if from.ip().is_loopback() && stream.local_addr()?.ip().is_loopback() => {
            Ok((Box::new(stream), None))
        }
        Security::PlainLoopback => Err(LinkError::NotLoopback(from.to_string())),
    }
}

impl<I: Inbound> Served<I> {
    fn check(&self, hello: &Hello, certificate: Option<&PeerName>) -> Result<OwnedSemaphorePermit, Turned> {
        let local = self.peers.local();
        if hello.magic != MAGIC || hello.newest < WIRE_FORMAT {
            return Err(Turned::NoPeer);
        }
        if hello.cluster != local.cluster || certificate.is_some_and(|name| name.cluster != local.cluster) {
            return Err(Turned::OtherCluster);
        }
        if hello.target != local.node {
            return Err(Turned::OtherNode(local.node));
        }
        if let Some(name) = certificate.filter(|name| name.node != hello.node) {
            return Err(Turned::OtherCertificate(name.node));
        }
        if hello.node == local.node || !self.may(hello.node, hello.purpose) {
            return Err(Turned::NoMember);
        }
        Arc::clone(&self.standing).try_acquire_owned().map_err(|_full| Turned::Full)
    }
}

impl From<Stopped> for LinkError {
    fn from(Stopped(reason): Stopped) -> Self {
        LinkError::Io(reason)
    }
}
