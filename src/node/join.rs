//! Asks a cluster to take a new node in.

use std::time::Duration;

use tokio::time::Instant;

use super::NodeError;
use crate::domain::node::NodeAddress;
use crate::identity::{Ticket, peer_client, peer_server};
use crate::replica::peers::wire::{PeerCall, PeerReply};
use crate::replica::peers::{Local, Peers, Security};
use crate::replica::types::Member;

/// How long one member may take to answer a node that wants to join: a write and a change of members.
const JOIN_ATTEMPT: Duration = Duration::from_secs(10);

/// Has the cluster take in the node of `ticket`, which is reached at `address`. Asks the ticket's members in turn and
/// follows them to the leader; a ticket that this node has used already is good again.
///
/// # Errors
/// When no member answers, or the cluster says no.
pub async fn join(
    ticket: &Ticket,
    address: &NodeAddress,
    plain_peers: bool,
    deadline: Instant,
) -> Result<(), NodeError> {
    let security = if plain_peers {
        Security::PlainLoopback
    } else {
        let bad = |error: crate::identity::IdentityError| NodeError(error.to_string());
        Security::Tls {
            server: peer_server(&ticket.identity).map_err(bad)?,
            client: peer_client(&ticket.identity).map_err(bad)?,
        }
    };
    let peers = Peers::new(Local { node: ticket.node, cluster: ticket.cluster.clone(), security });
    let member =
        Member { name: address.name.to_string(), peer: address.peer.to_string(), api: address.api.to_string() };
    let mut why = "the ticket names no member".to_owned();
    while Instant::now() < deadline {
        for known in &ticket.members {
            let call =
                PeerCall::Join { node: ticket.node, secret: ticket.secret.reveal().to_owned(), member: member.clone() };
            let attempt = deadline.min(Instant::now() + JOIN_ATTEMPT);
            why = match peers.join(known.id, &known.peer, call, attempt).await {
                Ok(PeerReply::Joined { .. }) => return Ok(()),
                Ok(PeerReply::Refused(why)) => {
                    return Err(NodeError(format!("the cluster does not take this node in: {why}")));
                }
                Ok(PeerReply::NotLeader { .. }) => format!("{} does not lead", known.peer),
                Ok(other) => format!("{} answered {other:?}", known.peer),
                Err(error) => format!("{}: {error}", known.peer),
            };
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(NodeError(format!("no member took this node in: {why}")))
}
