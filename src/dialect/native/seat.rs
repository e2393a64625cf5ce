//! Facts about seats as the journal's readers see them; a token shows as its id only (docs/adr/0003). No `_` arm.

#![deny(clippy::wildcard_enum_match_arm)]

use serde_json::{Value, json};

use super::wire::{stamp, time};
use crate::domain::name::{Map, Set};
use crate::domain::seat::event::SeatEvent;
use crate::domain::seat::rules::{Principal, SeatRules};
use crate::domain::seat::{Place, Session};

/// One fact.
pub(super) fn event(event: &SeatEvent) -> Value {
    match event {
        SeatEvent::Taken { session, .. } => taken(session),
        SeatEvent::Queued { place } => queued(place),
        SeatEvent::Kept { id, until } => json!({"event": "seat_kept", "seat": id, "until": stamp(*until)}),
        SeatEvent::Claimed { id, token, version, until, .. } => json!({
            "event": "seat_claimed", "seat": id, "token_id": token, "token_version": version, "until": stamp(*until),
        }),
        SeatEvent::Ended { ids, cause } => json!({"event": "seats_ended", "seats": ids, "cause": cause.name()}),
        SeatEvent::Borrowed { id, until } => json!({"event": "seat_borrowed", "seat": id, "until": time(*until)}),
        SeatEvent::Reserved { product, principal, seats } => json!({
            "event": "seats_reserved", "type": product, "for": principal.to_string(), "seats": seats,
        }),
        SeatEvent::RulesSet { product, rules } => {
            json!({"event": "seat_rules_set", "type": product, "rules": self::rules(rules)})
        }
    }
}

fn taken(session: &Session) -> Value {
    json!({
        "event": "seat_taken", "seat": session.id, "type": session.product, "user": session.user,
        "address": session.address, "client": session.client, "workers": session.workers,
        "reservation": session.reservation.as_ref().map(ToString::to_string), "waited_ms": session.waited_ms,
        "token_id": session.token, "until": stamp(session.ends),
    })
}

fn queued(place: &Place) -> Value {
    json!({
        "event": "seat_queued", "seat": place.id, "type": place.product, "user": place.user, "address": place.address,
        "client": place.client, "workers": place.need.most, "priority": u8::MAX - place.rank,
        "until": stamp(place.ends),
    })
}

/// A type's rules, in the API's field names.
fn rules(rules: &SeatRules) -> Value {
    json!({
        "allow": rules.allow.as_ref().map(names), "deny": names(&rules.deny), "per_user": rules.per_user,
        "per_address": rules.per_address, "priorities": priorities(&rules.priorities), "lease_ms": rules.lease_ms,
        "place_ms": rules.place_ms, "borrow_seats": rules.borrow_seats, "borrow_ms": rules.borrow_ms,
    })
}

/// Users and groups as people write them.
pub(super) fn names(names: &Set<Principal>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// The same with a number each.
pub(super) fn priorities(priorities: &Map<Principal, u8>) -> std::collections::BTreeMap<String, u8> {
    priorities.iter().map(|(principal, priority)| (principal.to_string(), *priority)).collect()
}
