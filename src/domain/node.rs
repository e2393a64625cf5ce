//! The cluster's nodes: ids come from the log and are never used twice (decision 18).

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::name::{Hash, NAME_CHARS, Name, check_name, check_range, check_text};
use super::refusal::Refusal;
use super::state::State;
use super::time::Moment;

/// How long a node that has joined may repeat the call, in milliseconds: a join that goes through an election ends well
/// within.
const JOIN_AGAIN_MS: u64 = 60_000;

/// What a node is called and where it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddress {
    /// What people call it.
    pub name: Name,
    /// Host and port where its peers reach it.
    pub peer: Name,
    /// URL where clients reach it.
    pub api: Name,
}

/// A node that has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name and addresses.
    pub address: NodeAddress,
    /// When it joined.
    pub joined: Moment,
    /// When it was removed, for good.
    pub removed: Option<Moment>,
}

/// A one-time permission to join, which names a fresh node id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The id that the node will have.
    pub node: u64,
    /// SHA-256 of the ticket's secret.
    pub hash: Hash,
    /// When it ends.
    pub expires: Moment,
}

/// What can be asked about tickets. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TicketCommand {
    /// Makes a ticket and takes a fresh node id for it.
    Create(CreateTicket),
    /// Ends a ticket that was not used.
    Revoke {
        /// The node id that it names.
        node: u64,
    },
}

/// Asks for a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTicket {
    /// SHA-256 of the ticket's secret.
    pub hash: Hash,
    /// How long it is good, in milliseconds.
    pub ttl_ms: u64,
}

/// What can be asked about nodes. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeCommand {
    /// Uses a ticket. A second use by the same node changes its addresses.
    Join(JoinNode),
    /// Removes a node for good: its id is never used again.
    Remove {
        /// Its id.
        node: u64,
    },
}

/// Uses a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinNode {
    /// The id that the ticket names.
    pub node: u64,
    /// SHA-256 of the ticket's secret.
    pub hash: Hash,
    /// The node's name and addresses.
    pub address: NodeAddress,
}

/// Most tickets that are open at once.
pub const TICKETS: usize = 100;
/// Longest life of a ticket: a week.
const TICKET_MS: u64 = 7 * 24 * 3_600_000;

/// Makes a ticket for the next node id; an id is used up even if nobody comes.
pub(super) fn create_ticket(state: &State, create: &CreateTicket) -> Result<Vec<Event>, Refusal> {
    check_range("ttl_ms", create.ttl_ms, 1_000, TICKET_MS)?;
    if state.tickets.len() >= TICKETS {
        return Err(Refusal::TooMany { what: "tickets".into(), limit: TICKETS as u64 });
    }
    let ticket = Ticket { node: state.next_node, hash: create.hash, expires: state.now.plus_ms(create.ttl_ms) };
    Ok(vec![Event::TicketCreated { ticket }])
}

pub(super) fn ticket_created(state: &mut State, ticket: &Ticket) {
    state.next_node = ticket.node + 1;
    state.tickets.insert(ticket.node, ticket.clone());
}

pub(super) fn revoke_ticket(state: &State, node: u64) -> Result<Vec<Event>, Refusal> {
    if !state.tickets.contains_key(&node) {
        return Err(Refusal::NoSuchTicket { node });
    }
    Ok(vec![Event::TicketsEnded { nodes: vec![node] }])
}

pub(super) fn tickets_ended(state: &mut State, nodes: &[u64]) {
    for node in nodes {
        state.tickets.remove(node);
    }
}

/// Uses a ticket. It takes in one node: until it ends, only the same one may ask again, when its answer was lost.
pub(super) fn join(state: &State, join: &JoinNode) -> Result<Vec<Event>, Refusal> {
    let node = join.node;
    check_name("node", &join.address.name)?;
    check_text("address", &join.address.peer, 2 * NAME_CHARS)?;
    check_text("address", &join.address.api, 2 * NAME_CHARS)?;
    let known = state.nodes.get(&node);
    if known.is_some_and(|known| known.removed.is_some()) {
        return Err(Refusal::NodeWasRemoved { node });
    }
    let ticket = state.tickets.get(&node).filter(|ticket| ticket.hash == join.hash);
    let ticket = ticket.ok_or(Refusal::NoSuchTicket { node })?;
    if ticket.expires <= state.now {
        return Err(Refusal::TicketExpired { node, expired: ticket.expires });
    }
    match known {
        // The same call once more, because its answer was lost. Later it is somebody whose disk was lost: the id is used up.
        Some(known) if known.address == join.address && state.now < known.joined.plus_ms(JOIN_AGAIN_MS) => Ok(vec![]),
        Some(_) => Err(Refusal::NoSuchTicket { node }),
        None => Ok(vec![Event::NodeJoined { node, address: join.address.clone() }]),
    }
}

pub(super) fn joined(state: &mut State, node: u64, address: &NodeAddress) {
    let joined = state.nodes.get(&node).map_or(state.now, |known| known.joined);
    state.nodes.insert(node, Node { address: address.clone(), joined, removed: None });
    state.next_node = state.next_node.max(node + 1);
}

/// Removes a node for good.
pub(super) fn remove(state: &State, node: u64) -> Result<Vec<Event>, Refusal> {
    let known = state.nodes.get(&node).ok_or(Refusal::NoSuchNode { node })?;
    Ok(if known.removed.is_some() { vec![] } else { vec![Event::NodeRemoved { node }] })
}

pub(super) fn removed(state: &mut State, node: u64) {
    let now = state.now;
    state.tickets.remove(&node);
    let known = state.nodes.get_mut(&node).expect("a removed node joined before");
    known.removed = Some(now);
}
