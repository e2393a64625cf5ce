//! What was answered before: intents that a node proposes again, and callers' own idempotency keys (decision 14).
//!
//! Both windows are trimmed by records alone, so that a replay forgets what the ledger forgot.

use super::event::Event;
use super::intent::{Class, Command, Intent, IntentId};
use super::name::Name;
use super::record::{Outcome, Record};
use super::refusal::Refusal;
use super::seat::SeatCommand;
use super::seat::event::SeatEvent;
use super::slave::REPORT_ID_MEMORY_MS;
use super::state::{Answered, State};
use super::user::UserCommand;

/// How long an intent's id is remembered: longer than any node goes on proposing it.
pub const INTENT_MEMORY_MS: u64 = 10 * 60_000;
/// How many intents are remembered: ten minutes of 100 audit records a second.
pub const INTENTS: usize = 65_536;
/// How long an idempotency key is remembered: a day, as callers expect of such keys.
pub const KEY_MEMORY_MS: u64 = 24 * 3_600_000;
/// How many keys are remembered in the cluster: about 20 MB.
pub const KEYS: usize = 100_000;
/// How many entries of each window one record lets go: more than it adds, few enough to cost nothing.
const FORGET_PER_RECORD: usize = 4;

/// What is known of an intent's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// It is decided as if it had no key.
    Never,
    /// The record at this position answered it.
    Answered { seq: u64 },
    /// The key came with another request.
    OtherBody { key: Name },
}

/// The position of the record that answered this intent, if it is still remembered.
pub(super) fn answered(state: &State, id: IntentId) -> Option<u64> {
    let seq = *state.intents.get(&id)?;
    let (at, _) = state.intents_by_seq.get(&seq)?;
    (at.plus_ms(INTENT_MEMORY_MS) >= state.now).then_some(seq)
}

/// What the caller's own key says. A token is never answered twice: only its hash exists, so it is decided again; and so
/// is a checkout, which may have waited meanwhile.
pub(super) fn key_known(state: &State, intent: &Intent) -> Known {
    let Some(key) = &intent.key else { return Known::Never };
    let Some(before) = remembered(state, &intent.actor.user, &key.key) else { return Known::Never };
    if before.body != key.body {
        return Known::OtherBody { key: key.key.clone() };
    }
    let token = matches!(
        intent.command,
        Command::User(UserCommand::CreateToken { .. }) | Command::Seat(SeatCommand::Checkout(_))
    );
    if token && before.token.is_some() { Known::Never } else { Known::Answered { seq: before.seq } }
}

/// The token that an earlier request with the same key made, or the seat or place that it got.
pub(super) fn token_of_key(state: &State, intent: &Intent) -> Option<u64> {
    remembered(state, &intent.actor.user, &intent.key.as_ref()?.key)?.token
}

fn remembered(state: &State, user: &Name, key: &Name) -> Option<Answered> {
    let before = *state.keys_used.get(&(user.clone(), key.clone()))?;
    let (at, ..) = state.keys_used_by_seq.get(&before.seq)?;
    (at.plus_ms(KEY_MEMORY_MS) >= state.now).then_some(before)
}

/// Remembers what a record answered.
pub(super) fn remember(state: &mut State, record: &Record) {
    if matches!(record.outcome, Outcome::Repeated { .. }) || record.intent == IntentId::NONE {
        return;
    }
    if record.kind.class() == Class::Audit {
        state.intents.insert(record.intent, record.seq);
        state.intents_by_seq.insert(record.seq, (record.at, record.intent));
    }
    let Some(key) = &record.key else { return };
    let token = match &record.outcome {
        Outcome::Refused(refusal) if !burns_key(refusal) => return,
        Outcome::Refused(_) | Outcome::Repeated { .. } => None,
        Outcome::Done(events) => events.iter().find_map(made),
    };
    let name = (record.actor.user.clone(), key.key.clone());
    if let Some(before) = state.keys_used.insert(name.clone(), Answered { seq: record.seq, body: key.body, token }) {
        state.keys_used_by_seq.remove(&before.seq);
    }
    state.keys_used_by_seq.insert(record.seq, (record.at, name.0, name.1));
}

/// The token, seat or place that a fact is of.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is asked for again under the same key and made anew")]
fn made(event: &Event) -> Option<u64> {
    match event {
        Event::TokenPut { token } => Some(token.id),
        Event::Seat(SeatEvent::Taken { session, .. }) => Some(session.id),
        Event::Seat(SeatEvent::Queued { place }) => Some(place.id),
        Event::Seat(SeatEvent::Kept { id, .. } | SeatEvent::Claimed { id, .. }) => Some(*id),
        _other => None,
    }
}

/// Whether a refusal is the key's answer. What was refused for the caller's sake may be asked again.
fn burns_key(refusal: &Refusal) -> bool {
    !matches!(
        refusal,
        Refusal::IdempotencyMismatch { .. }
            | Refusal::CredentialStale
            | Refusal::NotAllowed { .. }
            | Refusal::RuleBroken { .. }
            | Refusal::ClusterState { .. }
    )
}

/// Lets go of what is too old or too much; a few at a time, so that no record pays for a night's worth.
pub(super) fn trim(state: &mut State) {
    for _ in 0..FORGET_PER_RECORD {
        let Some(&(seq, (at, id))) = state.intents_by_seq.get_min() else { break };
        if state.intents_by_seq.len() <= INTENTS && at.plus_ms(INTENT_MEMORY_MS) >= state.now {
            break;
        }
        state.intents_by_seq.remove(&seq);
        state.intents.remove(&id);
    }
    for _ in 0..FORGET_PER_RECORD {
        let Some((seq, (at, user, key))) = state.keys_used_by_seq.get_min() else { break };
        if state.keys_used_by_seq.len() <= KEYS && at.plus_ms(KEY_MEMORY_MS) >= state.now {
            break;
        }
        let (seq, name) = (*seq, (user.clone(), key.clone()));
        state.keys_used_by_seq.remove(&seq);
        state.keys_used.remove(&name);
    }
    forget_report_ids(state, FORGET_PER_RECORD);
}

/// Lets go of up to `most` report ids whose hour is over.
pub(super) fn forget_report_ids(state: &mut State, most: usize) {
    for _ in 0..most {
        let Some(&(at, id)) = state.report_ids_by_time.get_min() else { break };
        if at.plus_ms(REPORT_ID_MEMORY_MS) >= state.now {
            break;
        }
        state.report_ids_by_time.remove(&(at, id));
        state.report_ids.remove(&id);
    }
}
