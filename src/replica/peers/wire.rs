//! What peers say to each other: the values inside the frames. Positional on the wire, so enums and structs grow only at
//! the end, and a change of meaning takes a new [`WIRE_FORMAT`].

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use openraft::alias;
use openraft::errors::RPCError;
use serde::{Deserialize, Serialize};

use crate::domain::name::Hash;
use crate::replica::types::{Member, TypeConfig};

/// The format number of everything after the greeting.
pub const WIRE_FORMAT: u8 = 1;
/// The format number of the greeting itself; it never changes, so that any two releases can refuse each other in words.
pub const GREETING_FORMAT: u8 = 1;
/// First bytes of a greeting: a stray client of another protocol is told apart from a peer.
pub const MAGIC: [u8; 8] = *b"QMSTRPR1";

/// A position in the replicated log.
pub type LogId = alias::LogIdOf<TypeConfig>;
/// A leader's or candidate's claim.
pub type Vote = alias::VoteOf<TypeConfig>;
/// A vote once it was granted, as log ids carry it.
pub type LeaderId = alias::LeaderIdOf<TypeConfig>;
/// What a snapshot says about itself.
pub type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
/// Entries on their way to a follower; a heartbeat when there are none.
pub type AppendRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
/// A follower's answer to one [`AppendRequest`].
pub type AppendResult = openraft::raft::StreamAppendResult<TypeConfig>;
/// A candidate's question.
pub type VoteRequest = openraft::raft::VoteRequest<TypeConfig>;
/// A voter's answer.
pub type VoteResponse = openraft::raft::VoteResponse<TypeConfig>;
/// A leader's wish to be followed by the receiver.
pub type TransferRequest = openraft::raft::TransferLeaderRequest<TypeConfig>;
/// The receiver's answer.
pub type TransferResponse = openraft::raft::TransferLeaderResponse<TypeConfig>;
/// The answer to an installed snapshot.
pub type SnapshotResponse = openraft::raft::SnapshotResponse<TypeConfig>;
/// Why openraft did not get an answer.
pub type RpcError = RPCError<TypeConfig>;

/// What a connection is for; said once, in its greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Log entries or heartbeats, answered in order.
    Append,
    /// Votes and [`PeerCall`]s, answered in any order.
    Calls,
    /// One snapshot.
    Snapshot,
    /// Only [`PeerCall::Join`]: the caller holds a ticket and is no member yet.
    Join,
}

/// The first frame from the side that connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// The newest wire format that the sender speaks.
    pub newest: u8,
    /// The sender's cluster.
    pub cluster: String,
    /// The sender's id; over TLS it must be the certificate's.
    pub node: u64,
    /// The node that the sender believes to reach.
    pub target: u64,
    /// What the connection is for.
    pub purpose: Purpose,
}

/// The first frame back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    /// The connection stands, and both sides speak this format.
    Come {
        /// The wire format.
        format: u8,
    },
    /// The connection is closed after this.
    No(Turned),
}

/// Why a connection was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Turned {
    /// The greeting was none.
    #[error("that is no greeting of a peer")]
    NoPeer,
    /// The two are of different clusters.
    #[error("it belongs to another cluster")]
    OtherCluster,
    /// The address belongs to another node than the caller looks for.
    #[error("it is node {0}, not the node looked for")]
    OtherNode(u64),
    /// The certificate is another node's.
    #[error("the certificate belongs to node {0}, not to the node that was named")]
    OtherCertificate(u64),
    /// The caller is no member, or not any longer.
    #[error("it does not know this node as a member")]
    NoMember,
    /// Too many connections.
    #[error("it has too many connections")]
    Full,
}

/// What a node asks a peer, beside Raft. Grows only at the end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerCall {
    /// To the leader: propose these encoded intents. Answer: [`PeerReply::Proposed`].
    Propose {
        /// Intents as `domain` encodes them.
        intents: Vec<Bytes>,
    },
    /// To the leader: a log index that covers every write acknowledged so far. Answer: [`PeerReply::ReadIndex`].
    ReadIndex,
    /// To the leader: take this node in as a learner. Answer: [`PeerReply::Joined`].
    Join {
        /// The id that the ticket names.
        node: u64,
        /// The ticket's secret.
        secret: String,
        /// The node's name and addresses.
        member: Member,
    },
    /// What is the highest log id that you, as a leader, know me to have acknowledged? Answer:
    /// [`PeerReply::Acknowledged`].
    Acknowledged,
    /// How are you? Answer: [`PeerReply::Status`].
    Status,
    /// To the leader: change the members. Answer: [`PeerReply::Done`].
    Members(MembersCall),
}

/// A change of the members, as an operator asked for it on any node. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembersCall {
    /// Makes a learner that has caught up a voter.
    Promote(u64),
    /// Takes a node out, for good.
    Remove(u64),
    /// Hands leadership to a voter.
    Transfer(u64),
}

impl fmt::Debug for PeerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerCall::Propose { intents } => write!(f, "Propose({} intents)", intents.len()),
            PeerCall::ReadIndex => f.write_str("ReadIndex"),
            PeerCall::Join { node, member, .. } => write!(f, "Join(node {node}, {member})"),
            PeerCall::Acknowledged => f.write_str("Acknowledged"),
            PeerCall::Status => f.write_str("Status"),
            PeerCall::Members(call) => write!(f, "{call:?}"),
        }
    }
}

/// What a peer answers to a [`PeerCall`]. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerReply {
    /// The intents were handed to the log; the caller waits for its own apply.
    Proposed,
    /// The peer does not lead.
    NotLeader {
        /// Who does, as far as it knows.
        leader: Option<u64>,
    },
    /// Every write acknowledged before the call is at or before this log index.
    ReadIndex {
        /// The index.
        log_index: u64,
    },
    /// The caller is a learner now.
    Joined {
        /// All members, the caller among them.
        members: BTreeMap<u64, Member>,
    },
    /// What the caller once acknowledged to the peer; `None` when the peer has not led it since it started.
    Acknowledged(Option<Acknowledged>),
    /// How the peer is.
    Status(PeerStatus),
    /// The peer takes no more for now; nothing was done.
    Busy,
    /// The peer says no, and why; nothing was done.
    Refused(String),
    /// It was done.
    Done,
    /// It may be done yet: the peer lost its lead on the way.
    Unclear,
}

/// The highest log id that a leader knows a node to have stored durably, and as which leader it learned that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The leader, as its vote named it.
    pub leader: LeaderId,
    /// The log id.
    pub last: LogId,
}

/// A node's own view of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The last applied record.
    pub applied_seq: u64,
    /// The journal's digest at it.
    pub digest: Hash,
    /// Digests of the state at the newest checkpoints, by their positions.
    pub states: Vec<(u64, Hash)>,
    /// The node's wall clock, in milliseconds since 1970.
    pub wall_ms: i64,
}

/// A request on a call connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Chosen by the caller, unique on its connection.
    pub id: u64,
    /// After so many milliseconds nobody waits any longer.
    pub within_ms: u32,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked on a call connection. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Is anybody there? Also how the round trip is measured.
    Ping,
    /// A candidate's question.
    Vote(VoteRequest),
    /// Would you vote for me?
    PreVote(VoteRequest),
    /// Take over.
    Transfer(TransferRequest),
    /// Everything that is not Raft.
    Call(PeerCall),
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The question's id.
    pub id: u64,
    /// The answer.
    pub tell: Tell,
}

/// What can be answered. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tell {
    /// To [`Ask::Ping`].
    Pong,
    /// To [`Ask::Vote`] and [`Ask::PreVote`].
    Vote(VoteResponse),
    /// To [`Ask::Transfer`].
    Transfer(TransferResponse),
    /// To [`Ask::Call`].
    Reply(PeerReply),
    /// The node has stopped, or the question does not belong on this connection.
    Failed(String),
}

/// A request on an append connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Append {
    /// The sender's session: after a conflict it begins a new one, and answers to an older one mean nothing.
    pub session: u64,
    /// The entries.
    pub request: AppendRequest,
}

/// The answers on an append connection come in the requests' order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The request's session.
    pub session: u64,
    /// The answer; `Err` when the node has stopped, or dropped the request after an earlier one's conflict.
    pub result: Result<AppendResult, String>,
}

/// What a sender says on a snapshot connection, in this order: `Begin`, then for each file its chunks and its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SnapshotPart {
    /// What is coming.
    Begin {
        /// The sender's vote.
        vote: Vote,
        /// What the snapshot says about itself.
        meta: SnapshotMeta,
        /// The files, in the order in which they come.
        files: Vec<FileHead>,
    },
    /// The next bytes of the file that is under way.
    Chunk(Bytes),
    /// The file is complete.
    End {
        /// SHA-256 of it.
        digest: Hash,
    },
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHead {
    /// Its name inside the directory.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
}

/// What a receiver says on a snapshot connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotAnswer {
    /// Everything arrived; installing takes its time.
    Working,
    /// Done.
    Installed(SnapshotResponse),
    /// Refused, and why; the connection is closed after this.
    Refused(String),
}
