//! The cluster and its members.

use hyper::StatusCode;

use super::super::endpoint::Endpoint;
use super::super::wire::{self, stamp};
use super::{Asked, Result, bad_body, done};
use crate::dialect::reply::Reply;
use crate::domain::event::Event;
use crate::domain::intent::Command;
use crate::domain::name::{Hash, hex};
use crate::domain::node::{CreateTicket, TicketCommand};
use crate::domain::record::Outcome;
use crate::domain::state::State;
use crate::replica::{MemberStatus, Unavailable};

/// How long a ticket is good when nobody says.
const TICKET_TTL_MS: u64 = 3_600_000;

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::GetCluster => Ok(Reply::ok(&shown(call, &call.view().state))),
        Endpoint::CreateTicket => create_ticket(call).await,
        Endpoint::RevokeTicket(node) => {
            call.no_body().await?;
            call.submit(Command::Ticket(TicketCommand::Revoke { node }), b"").await.map(|_| done())
        }
        Endpoint::Promote(node) => {
            call.no_body().await?;
            call.cx.replica.promote(node, call.head.deadline).await?;
            after_change(call).await
        }
        Endpoint::RemoveMember(node) => {
            call.no_body().await?;
            call.cx.replica.remove(node, call.head.deadline).await?;
            Ok(done())
        }
        Endpoint::TransferLeader => {
            let (wish, _) = call.json::<wire::NewLeader>().await?;
            call.cx.replica.transfer(wish.node, call.head.deadline).await?;
            after_change(call).await
        }
        other => Err(super::missing("endpoint", &format!("{other:?}"))),
    }
}

async fn after_change(call: &Asked) -> Result {
    let view = call.cx.replica.view(crate::replica::Consistency::Stale, call.head.deadline).await?;
    Ok(Reply::ok(&shown(call, &view.state)))
}

/// Position and digest are those of the one state that everything else here is of; what the members are is this node's
/// own knowledge.
fn shown(call: &Asked, state: &State) -> wire::Cluster {
    let status = call.cx.replica.status();
    wire::Cluster {
        cluster_id: state.cluster_id.to_string(),
        name: state.cluster_name.to_string(),
        node: status.node,
        leader: status.leader,
        term: status.term,
        members: status.members.iter().map(|member| self::member(member, status.node, state.heads.seq)).collect(),
        applied_seq: state.heads.seq,
        digest: hex(&state.heads.digest()),
        time: stamp(state.now),
        day: state.calendar.today.to_string(),
        day_ends: stamp(state.calendar.ends),
        rules: state.rules,
        active_group: state.active_group.to_string(),
        tickets: state
            .tickets
            .iter()
            .filter(|(node, _)| !state.nodes.contains_key(*node))
            .map(|(_, ticket)| wire::OpenTicket { node: ticket.node, expires: stamp(ticket.expires) })
            .collect(),
    }
}

fn member(member: &MemberStatus, here: u64, applied_seq: u64) -> wire::Member {
    wire::Member {
        id: member.id,
        name: member.member.name.clone(),
        role: member.role,
        applied_seq: if member.id == here { Some(applied_seq) } else { member.applied_seq },
        peer: member.member.peer.clone(),
        api: member.member.api.clone(),
        last_contact_ms: member.last_contact_ms,
    }
}

fn parse_hash(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

async fn create_ticket(call: &mut Asked) -> Result {
    let (wish, body) = call.json::<wire::NewTicket>().await?;
    let hash = parse_hash(&wish.secret_hash).ok_or_else(|| bad_body("secret_hash is 64 hex digits: a SHA-256"))?;
    let ttl_ms = wish.ttl_ms.unwrap_or(TICKET_TTL_MS);
    let command = Command::Ticket(TicketCommand::Create(CreateTicket { hash, ttl_ms }));
    let answer = call.submit(command, &body).await?;
    let Outcome::Done(events) = &answer.outcome else {
        return Err(Unavailable::NotServing("a ticket was refused and done".to_owned()).into());
    };
    let made = events.iter().find_map(|event| match event {
        Event::TicketCreated { ticket } => Some(ticket),
        _ => None,
    });
    let ticket = made.ok_or_else(|| Unavailable::NotServing("no ticket was made".to_owned()))?;
    let (status, state) = (call.cx.replica.status(), &answer.view.state);
    let members = status.members.iter().map(|member| self::member(member, status.node, state.heads.seq)).collect();
    let cluster_id = state.cluster_id.to_string();
    let answer = wire::Ticket { node: ticket.node, cluster_id, expires: stamp(ticket.expires), members };
    Ok(Reply::json(StatusCode::CREATED, &answer))
}
