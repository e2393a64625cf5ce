//! Seat types, sessions, lines, reservations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clearable;

/// A type of seat: what licenses give, and what is in use.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatType {
    /// Its short name.
    #[serde(rename = "type")]
    pub product: String,
    /// What it is.
    pub description: String,
    /// Seats that licenses give.
    pub count: u64,
    /// Seats held; with `free` all there are, unless licenses shrank below use.
    pub used: u64,
    /// Seats that nobody holds.
    pub free: u64,
    /// Free seats that are kept for somebody.
    pub kept: u64,
    /// Held seats that are borrowed.
    pub borrowed: u64,
    /// Clients in line.
    pub waiting: u64,
    /// How long the next one in line would wait, in milliseconds; null when that is not known.
    pub estimate_ms: Option<u64>,
    /// Workers that licenses give.
    pub workers: u64,
    /// Workers held.
    pub used_workers: u64,
    /// Workers that nobody holds.
    pub free_workers: u64,
    /// Whether a checkout says how many workers it wants.
    pub can_choose_workers: bool,
    /// How many workers each seat has when it does not.
    pub fixed_workers: Option<u64>,
    /// Whether its use is audited.
    pub audited: bool,
    /// From how many bytes on, if it is.
    pub audit_threshold_bytes: u64,
    /// When the last of its licenses ends, or ended; null for perpetual ones.
    pub expires: Option<String>,
    /// Its rules. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<SeatRules>,
    /// Its reservations. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservations: Option<Vec<SeatReservation>>,
}

/// Who may have how much of a type. Users and groups are written `user:NAME` and `group:NAME`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatRules {
    /// Who may have seats; null: everybody with the right take_seats.
    pub allow: Option<Vec<String>>,
    /// Who may not, whatever `allow` says.
    pub deny: Vec<String>,
    /// Most seats and places of one user; null: no limit.
    pub per_user: Option<u32>,
    /// Most seats and places of one address; null: no limit.
    pub per_address: Option<u32>,
    /// Who waits before others: 1 to 255, the others have 0.
    pub priorities: BTreeMap<String, u8>,
    /// How long a session lives without a beat.
    pub lease_ms: u64,
    /// How long a place in line lives without a question, and a seat that came up there without an answer.
    pub place_ms: u64,
    /// Most seats that are borrowed at a time; 0: none may be.
    pub borrow_seats: u64,
    /// Longest borrow.
    pub borrow_ms: u64,
}

/// Changes to a type's rules; absent fields stay, null lifts a limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeatRulesChanges {
    /// Who may have seats; null: everybody with the right take_seats.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<Vec<String>>)]
    pub allow: Option<Option<Vec<String>>>,
    /// Who may not.
    pub deny: Option<Vec<String>>,
    /// Most seats and places of one user; null: no limit.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<u32>)]
    pub per_user: Option<Option<u32>>,
    /// Most seats and places of one address; null: no limit.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<u32>)]
    pub per_address: Option<Option<u32>>,
    /// Who waits before others: 1 to 255.
    pub priorities: Option<BTreeMap<String, u8>>,
    /// How long a session lives without a beat.
    pub lease_ms: Option<u64>,
    /// How long a place in line lives without a question.
    pub place_ms: Option<u64>,
    /// Most seats that are borrowed at a time.
    pub borrow_seats: Option<u64>,
    /// Longest borrow.
    pub borrow_ms: Option<u64>,
}

/// Seats kept for somebody.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatReservation {
    /// For whom: `user:NAME` or `group:NAME`.
    #[serde(rename = "for")]
    pub principal: String,
    /// How many are kept.
    pub seats: u64,
    /// How many of them are held.
    pub used: u64,
}

/// Asks to keep seats for somebody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReservation {
    /// How many; 0 ends it.
    pub seats: u64,
}

/// Asks for a seat and workers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutRequest {
    /// Which type; absent: the first one listed.
    #[serde(rename = "type")]
    pub product: Option<String>,
    /// How many workers; absent: one, or the type's fixed number.
    pub workers: Option<u64>,
    /// When fewer workers are free: `clamp` (the default) takes those, `refuse` takes none.
    pub over: Option<String>,
    /// Whether a token is wanted that is good on every node exactly as long as the session lives.
    #[serde(default)]
    pub token: bool,
    /// Whether to wait in line when none is free.
    #[serde(default)]
    pub queue: bool,
    /// How long this request may wait for its turn, in milliseconds; the place is kept when it ends before.
    #[serde(default)]
    pub wait_ms: u64,
    /// What the client calls itself, such as a host or a job.
    #[serde(default)]
    pub client: String,
}

/// Keeps a session, or a place in line.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeatRequest {
    /// For a place: how long this request may wait for its turn, in milliseconds.
    #[serde(default)]
    pub wait_ms: u64,
}

/// Takes a seat along for offline use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BorrowRequest {
    /// For how long, in milliseconds.
    pub for_ms: u64,
}

/// Takes somebody's seat or place away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// Also a borrowed one, whose holder works offline.
    #[serde(default)]
    pub even_borrowed: bool,
}

/// A session, or a place in line.
#[derive(Debug, Serialize, ToSchema)]
pub struct Seat {
    /// Its id: the same from the place in line to the session's end.
    pub seat: u64,
    /// `held`, `borrowed` or `waiting`.
    pub state: &'static str,
    /// The seat's type.
    #[serde(rename = "type")]
    pub product: String,
    /// Who holds it or waits.
    pub user: String,
    /// From which address.
    pub address: String,
    /// What the client calls itself.
    pub client: String,
    /// Workers held; for a place, the most that are wanted.
    pub workers: u64,
    /// Whose reservation it counts on.
    pub reservation: Option<String>,
    /// Since when.
    pub since: String,
    /// How long the session was waited for.
    pub waited_ms: Option<u64>,
    /// When its client was last heard of.
    pub last_beat: Option<String>,
    /// When it ends unless its client is heard of again; for a borrowed one its absolute end.
    pub ends: Option<String>,
    /// When to beat next, in milliseconds from this answer; null for a borrowed one, which needs none.
    pub next_beat_in_ms: Option<u64>,
    /// For a place: 1 is next.
    pub position: Option<u64>,
    /// For a place: how long it will wait, in milliseconds; null when that is not known.
    pub estimate_ms: Option<u64>,
}

/// A seat that was taken or waited for, with its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatAnswer {
    /// The session's token, when one was asked for; shown once.
    pub token: Option<String>,
    /// The seat.
    #[serde(flatten)]
    pub seat: Seat,
}

/// A borrowed seat and its proof.
#[derive(Debug, Serialize, ToSchema)]
pub struct BorrowAnswer {
    /// The seat.
    #[serde(flatten)]
    pub seat: Seat,
    /// A signed document that can be checked without the cluster; null when the answering node has no certificate.
    pub proof: Option<BorrowProof>,
}

/// A signed document: `quartermaster seat verify` checks it with nothing but the cluster's CA certificate.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BorrowProof {
    /// `quartermaster-borrow-1`.
    pub format: String,
    /// What is proved: JSON, in base64.
    pub payload: String,
    /// ECDSA P-256 over the payload's bytes by the key of `certificate`, in base64.
    pub signature: String,
    /// The certificate of the node that signed, from the cluster's CA, as PEM.
    pub certificate: String,
}

/// What happened to a type on one day.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatDay {
    /// The day.
    pub day: String,
    /// Seats that licenses gave at its last change.
    pub count: u64,
    /// Most seats held at a time.
    pub peak_used: u64,
    /// Most workers held at a time.
    pub peak_workers: u64,
    /// Most clients in line at a time.
    pub peak_waiting: u64,
    /// Checkouts that got a seat at once.
    pub granted: u64,
    /// Checkouts that had to wait.
    pub queued: u64,
    /// Those that waited and got a seat: no denials.
    pub served: u64,
    /// Those that left the line without one.
    pub unserved: u64,
    /// Checkouts that were refused, by why: `no_seats`, `no_workers`, `expired`, `by_rule`.
    pub denied: BTreeMap<&'static str, u64>,
    /// Refused for want of a seat, workers or a license, or left the line without one.
    pub true_denials: u64,
    /// Sessions that ended, by why: `returned`, `lease_ended`, `taken_away`.
    pub ended: BTreeMap<&'static str, u64>,
    /// Borrows.
    pub borrowed: u64,
    /// How long the sessions that ended were held, together.
    pub held_ms: u64,
    /// How long those that were served had waited, together.
    pub waited_ms: u64,
}
