//! openraft's way to its peers: what it asks of a network, told in this one's terms.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{
    ErrorSource as _, NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption, RPCTypes,
    RaftNetworkFactory,
};
use openraft::{OptionalSend, StorageError, alias};
use tokio::time::Instant;

use super::peers::wire::{
    AppendRequest, AppendResult, Ask, RpcError, SnapshotResponse, Tell, TransferRequest, TransferResponse, Vote,
    VoteRequest, VoteResponse,
};
use super::peers::{Appender, CallFailed, LinkError, Peer, Peers, STALLED, ShipError};
use super::types::{Member, SnapshotFiles, TypeConfig};

/// After an unreachable peer, openraft waits so long at first; it doubles.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
/// It never waits longer: a peer that comes back hears from its leader before it would call an election.
const LONGEST_BACKOFF: Duration = Duration::from_millis(150);
/// A vote is given so long at least: on a busy machine the first connection takes longer than a lively election timer.
const SHORTEST_VOTE: Duration = Duration::from_millis(100);

/// The way to one peer, as openraft owns it: one for entries, one for heartbeats, one for each snapshot or vote. Each has
/// its own append connection, made when it is first used; all share the peer's call connection.
pub struct Network {
    peers: Peers,
    peer: Arc<Peer>,
    appender: Appender,
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Network;

    async fn new_client(&mut self, target: u64, node: &Member) -> Network {
        let peer = self.meet(target, node);
        let appender = Appender::new(self.clone(), Arc::clone(&peer));
        Network { peers: self.clone(), peer, appender }
    }

    // A client of its own has a connection of its own: heartbeats never wait behind entries.
    async fn new_heartbeat_client(&mut self, target: u64, node: &Member) -> Network {
        self.new_client(target, node).await
    }
}

/// Who speaks to whom, for error messages.
#[derive(Clone, Copy)]
struct Ends {
    id: u64,
    target: u64,
}

impl Ends {
    /// A break of a connection that stood: openraft tries again at once.
    fn broken(self, error: &LinkError, action: RPCTypes) -> RpcError {
        match error {
            LinkError::Slow(_) => RPCError::Timeout(self.timeout(action, STALLED)),
            LinkError::Closed | LinkError::Io(_) | LinkError::OutOfTurn => RPCError::Network(NetworkError::new(error)),
            LinkError::Malformed(_)
            | LinkError::TooLong(_)
            | LinkError::Turned(_)
            | LinkError::Paused
            | LinkError::Reverted
            | LinkError::Replaced
            | LinkError::NotLoopback(_) => RPCError::Unreachable(Unreachable::new(error)),
        }
    }

    const fn timeout(self, action: RPCTypes, timeout: Duration) -> Timeout<TypeConfig> {
        Timeout { action, id: self.id, target: self.target, timeout }
    }
}

impl Network {
    fn ends(&self) -> Ends {
        Ends { id: self.peers.local().node, target: self.peer.node }
    }

    async fn ask(&self, ask: Ask, action: RPCTypes, within: Duration) -> Result<Tell, RpcError> {
        self.peers.ask(&self.peer, ask, Instant::now() + within).await.map_err(|failed| match failed {
            CallFailed::Unreachable { .. } => RPCError::Unreachable(Unreachable::new(&failed)),
            CallFailed::Lost { .. } => RPCError::Network(NetworkError::new(&failed)),
            CallFailed::Deadline { .. } => RPCError::Timeout(self.ends().timeout(action, within)),
        })
    }

    async fn ask_vote(&self, ask: Ask, option: &RPCOption) -> Result<VoteResponse, RpcError> {
        match self.ask(ask, RPCTypes::Vote, option.soft_ttl().max(SHORTEST_VOTE)).await? {
            Tell::Vote(response) => Ok(response),
            Tell::Pong | Tell::Transfer(_) | Tell::Reply(_) | Tell::Failed(_) => Err(out_of_turn()),
        }
    }
}

fn out_of_turn() -> RpcError {
    RPCError::Network(NetworkError::new(&LinkError::OutOfTurn))
}

impl NetBackoff<TypeConfig> for Network {
    fn backoff(&self) -> Option<Backoff> {
        let doubling = std::iter::successors(Some(FIRST_BACKOFF), |wait| Some((*wait * 2).min(LONGEST_BACKOFF)));
        Some(Backoff::new(doubling))
    }
}

impl NetVote<TypeConfig> for Network {
    async fn vote(&mut self, rpc: VoteRequest, option: RPCOption) -> Result<VoteResponse, RpcError> {
        self.ask_vote(Ask::Vote(rpc), &option).await
    }

    async fn pre_vote(&mut self, rpc: VoteRequest, option: RPCOption) -> Result<VoteResponse, RpcError> {
        self.ask_vote(Ask::PreVote(rpc), &option).await
    }
}

impl NetTransferLeader<TypeConfig> for Network {
    async fn transfer_leader(&mut self, req: TransferRequest, option: RPCOption) -> Result<TransferResponse, RpcError> {
        let within = option.soft_ttl().max(SHORTEST_VOTE);
        match self.ask(Ask::Transfer(req), RPCTypes::TransferLeader, within).await? {
            Tell::Transfer(response) => Ok(response),
            Tell::Pong | Tell::Vote(_) | Tell::Reply(_) | Tell::Failed(_) => Err(out_of_turn()),
        }
    }
}

impl NetStreamAppend<TypeConfig> for Network {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<AppendResult, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendRequest> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let ends = self.ends();
            // openraft waits out its backoff where it makes the first request: whoever connects before asking for it
            // turns a peer that is down into a loop that takes a whole core.
            let mut input = input.peekable();
            Pin::new(&mut input).peek().await;
            let session = self.appender.session(input).await;
            let session = session.map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))?;
            let told = session.map(move |answer| answer.map_err(|error| ends.broken(&error, RPCTypes::AppendEntries)));
            Ok(Box::pin(told) as BoxStream<'s, _>)
        })
    }
}

/// A directory that is removed with this value.
struct OwnedDir(PathBuf);

impl Drop for OwnedDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(dir = %self.0.display(), %error, "cannot remove a snapshot that was sent");
        }
    }
}

impl NetSnapshot<TypeConfig> for Network {
    type SnapshotData = SnapshotFiles;

    /// Sends the snapshot; the directory is removed afterwards, however it went: this network owns it.
    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: alias::SnapshotOf<TypeConfig, SnapshotFiles>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse, StreamingError<TypeConfig>> {
        let dir = OwnedDir(snapshot.snapshot.dir);
        let ends = self.ends();
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            shipped = self.peers.ship(&self.peer, vote, snapshot.meta, &dir.0) => shipped.map_err(|error| match error {
                ShipError::Files(error) => {
                    StorageError::read_snapshot(None, alias::ErrorSourceOf::<TypeConfig>::from_error(&error)).into()
                },
                ShipError::Link(error) => ends.broken(&error, RPCTypes::InstallSnapshot).into(),
                ShipError::Refused(_) => StreamingError::Unreachable(Unreachable::new(&error)),
            }),
        }
    }
}
