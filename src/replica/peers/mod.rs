//! The network of peers: who may connect, what is asked and answered, and what is remembered of each peer.
//!
//! Two kinds of connection lead to a peer: append streams (one for entries, one for heartbeats), whose answers come in
//! order, and one call connection for everything small, so that a large append never delays a vote. A snapshot has a
//! connection of its own.

mod answer;
mod append;
mod calls;
mod client;
mod crowd;
mod dial;
mod frame;
mod guard;
mod receive;
mod server;
mod ship;
pub mod wire;

use std::future::Future;

use openraft::base::BoxStream;

pub(in crate::replica) use append::{Appender, STALLED};
pub(in crate::replica) use client::Peer;
pub use client::{CallFailed, Local, Peers, Security, Traffic};
pub(in crate::replica) use frame::LinkError;
pub use guard::log_went_back;
pub use server::{Patience, Serving, serve};
pub(in crate::replica) use ship::ShipError;

use crate::replica::types::SnapshotFiles;
use wire::{
    AppendRequest, AppendResult, PeerCall, PeerReply, Purpose, SnapshotMeta, SnapshotResponse, TransferRequest,
    TransferResponse, Vote, VoteRequest, VoteResponse,
};

/// The node behind this network does not answer any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(pub String);

/// What a node does with what its peers send. The network has checked who the peer is.
pub trait Inbound: Send + Sync + 'static {
    /// Whether `node` may open a connection for `purpose`; asked again for every request on it. It must not wait.
    ///
    /// A member may do everything but join. A node that holds a ticket may join ([`Purpose::Join`]). A removed node may
    /// do nothing. A node whose own log is still empty knows no members: it lets any node of its cluster in, which the
    /// certificate has proved.
    fn may_connect(&self, node: u64, purpose: Purpose) -> bool;

    /// Appends entries; answers come in order, and end after a conflict or a higher vote
    /// (`Raft::stream_append`).
    fn append(
        &self,
        from: u64,
        requests: BoxStream<'static, AppendRequest>,
    ) -> BoxStream<'static, Result<AppendResult, Stopped>>;

    /// A candidate asks for this node's vote.
    fn vote(&self, request: VoteRequest) -> impl Future<Output = Result<VoteResponse, Stopped>> + Send;

    /// A candidate asks whether it would get this node's vote.
    fn pre_vote(&self, request: VoteRequest) -> impl Future<Output = Result<VoteResponse, Stopped>> + Send;

    /// The leader wants this node to take over.
    fn transfer_leader(
        &self,
        request: TransferRequest,
    ) -> impl Future<Output = Result<TransferResponse, Stopped>> + Send;

    /// A whole snapshot has arrived, complete and synced to disk. The callee owns the directory.
    fn install_snapshot(
        &self,
        vote: Vote,
        meta: SnapshotMeta,
        files: SnapshotFiles,
    ) -> impl Future<Output = Result<SnapshotResponse, Stopped>> + Send;

    /// Everything else. It is dropped when the caller's deadline has passed.
    fn call(&self, from: u64, call: PeerCall) -> impl Future<Output = PeerReply> + Send;
}

#[cfg(test)]
mod tests;
