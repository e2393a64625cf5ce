//! Sessions: taking a seat, waiting for one, keeping, claiming, borrowing and giving it back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::metrics::{counter, histogram};
use hyper::StatusCode;
use tokio::time::{Instant, sleep};

use super::super::endpoint::SeatEndpoint;
use super::super::wire::{self, stamp, time};
use super::list::{self, Rows};
use super::seat::{may_see, wished};
use super::{Asked, Result, bad_body, done, missing};
use crate::access::token;
use crate::dialect::reply::Reply;
use crate::dialect::trouble::Trouble;
use crate::dialect::{proof, submit};
use crate::domain::event::Event;
use crate::domain::intent::Command;
use crate::domain::name::{Hash, Name};
use crate::domain::record::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::seat::event::SeatEvent;
use crate::domain::seat::{Checkout, Overask, SeatCommand};
use crate::domain::state::State;
use crate::domain::user::Right;
use crate::metrics;
use crate::projection::seats::{self, SeatView};
use crate::replica::{Consistency, Unavailable, View};

/// Longest wait for a turn: what a long poll may take beyond a request's own deadline leaves time for the claim.
const WAIT_MS: u64 = 20_000;
/// Least time for the claim that follows a wait: the request's own deadline may have passed by then.
const CLAIM: Duration = Duration::from_secs(5);
/// How often a waiting request looks whether its turn has come, when few wait on this node.
const LOOK_MS: u64 = 20;
/// How many looks all waiting requests of a node take together in a millisecond: more would be felt.
const LOOKS_PER_MS: u64 = 50;

/// How many requests wait on this node.
static WAITING: AtomicU64 = AtomicU64::new(0);

pub(super) async fn answer(call: &mut Asked, endpoint: SeatEndpoint) -> Result {
    match endpoint {
        SeatEndpoint::ListSessions => list_sessions(call),
        SeatEndpoint::Checkout => checkout(call).await,
        SeatEndpoint::Get(id) => get(call, id),
        SeatEndpoint::Beat(id) => beat(call, id).await,
        SeatEndpoint::Claim(id) => claim(call, id).await,
        SeatEndpoint::Borrow(id) => borrow(call, id).await,
        SeatEndpoint::Return(id) => {
            call.no_body().await?;
            end(call, id, SeatCommand::Return { id }, b"").await
        }
        SeatEndpoint::Release(id) => {
            let (wish, body) = call.json_or_none::<wire::ReleaseRequest>().await?;
            let even_borrowed = wish.unwrap_or_default().even_borrowed;
            end(call, id, SeatCommand::Release { id, even_borrowed }, &body).await
        }
        other => Err(missing("endpoint", &format!("{other:?}"))),
    }
}

/// A session or place as the API writes it.
pub(super) fn seat(state: &State, view: &SeatView<'_>) -> wire::Seat {
    match view {
        SeatView::Session(session) => wire::Seat {
            seat: session.id,
            state: if session.borrowed { "borrowed" } else { "held" },
            product: session.product.to_string(),
            user: session.user.to_string(),
            address: session.address.to_string(),
            client: session.client.to_string(),
            workers: session.workers,
            reservation: session.reservation.as_ref().map(ToString::to_string),
            since: stamp(session.since),
            waited_ms: Some(session.waited_ms),
            last_beat: Some(stamp(session.beat)),
            ends: time(session.ends),
            next_beat_in_ms: (!session.borrowed).then(|| {
                let next = state.seats.rules_of(&session.product).next_beat_ms(session.id);
                next.min(session.ends.0.saturating_sub(session.beat.0) / 2)
            }),
            position: None,
            estimate_ms: None,
        },
        SeatView::Place { place, position, estimate_ms } => wire::Seat {
            seat: place.id,
            state: "waiting",
            product: place.product.to_string(),
            user: place.user.to_string(),
            address: place.address.to_string(),
            client: place.client.to_string(),
            workers: place.need.most,
            reservation: None,
            since: stamp(place.since),
            waited_ms: None,
            last_beat: None,
            ends: time(place.ends),
            next_beat_in_ms: Some(state.seats.rules_of(&place.product).place_ms / 3),
            position: Some(*position),
            estimate_ms: *estimate_ms,
        },
    }
}

fn one(state: &State, id: u64) -> Result<wire::Seat> {
    let found = seats::seat(state, id).ok_or(Trouble::Refused(Refusal::SeatEnded { id }))?;
    Ok(seat(state, &found))
}

/// One's own sessions and places; with the right to see the cluster, everybody's.
fn list_sessions(call: &Asked) -> Result {
    may_see(call)?;
    let word = |name| call.head.param(name).map(Name::from);
    let (product, state, address) = (word("type"), word("state"), word("address"));
    let mine = (!call.caller().may(Right::View)).then(|| call.caller().actor.user.clone());
    let user = mine.or_else(|| word("user"));
    let all = product.is_none() && state.is_none() && address.is_none() && user.is_none();
    let held = &call.view().state.seats;
    let total = all.then(|| held.sessions.len() + held.places.len());
    list::reply(call, total, move |view, after, limit| {
        let frozen = &view.state;
        let after = after.and_then(|after| after.parse().ok()).map_or(0, |after: u64| after.saturating_add(1));
        let fits = |wanted: &Option<Name>, found: &str| wanted.as_ref().is_none_or(|wanted| **wanted == *found);
        let shown = |id: u64| {
            let seat = seat(frozen, &seats::seat(frozen, id)?);
            let fits = fits(&product, &seat.product) && fits(&state, seat.state) && fits(&address, &seat.address);
            (fits && self::fits_user(user.as_ref(), &seat.user)).then_some(seat)
        };
        match &user {
            Some(user) => {
                let ids = frozen.seats.of_user.range((user.clone(), after)..=(user.clone(), u64::MAX));
                Rows::of(ids.map(|(_, id)| (*id, shown(*id))), limit)
            }
            None => {
                let sessions = frozen.seats.sessions.range(after..).map(|(id, _)| *id);
                let places = frozen.seats.places.range(after..).map(|(id, _)| *id);
                Rows::of(merged(sessions, places).map(|id| (id, shown(id))), limit)
            }
        }
    })
}

fn fits_user(wanted: Option<&Name>, found: &str) -> bool {
    wanted.is_none_or(|wanted| **wanted == *found)
}

/// Two walks in order as one.
fn merged(left: impl Iterator<Item = u64>, right: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(a), Some(b)) if a > b => right.next(),
        (None, Some(_)) => right.next(),
        (Some(_), _) => left.next(),
        (None, None) => None,
    })
}

fn get(call: &Asked, id: u64) -> Result {
    may_see(call)?;
    let state = &call.view().state;
    let found = seats::seat(state, id).map(|found| seat(state, &found));
    let mine = |seat: &wire::Seat| call.caller().may(Right::View) || *seat.user == *call.caller().actor.user;
    Ok(Reply::ok(&found.filter(mine).ok_or_else(|| missing("seat or place in line", &id.to_string()))?))
}

fn wait_of(wait_ms: u64) -> Result<Duration> {
    if wait_ms > WAIT_MS {
        return Err(bad_body(format!("wait_ms is at most {WAIT_MS}; ask again to wait longer, the place is kept")));
    }
    Ok(Duration::from_millis(wait_ms))
}

/// Takes a seat, or waits for one.
async fn checkout(call: &mut Asked) -> Result {
    let (wish, body) = call.json::<wire::CheckoutRequest>().await?;
    let wait = wait_of(wish.wait_ms)?;
    let over = match wish.over.as_deref() {
        None | Some("clamp") => Overask::Clamp,
        Some("refuse") => Overask::Refuse,
        Some(_) => return Err(bad_body("over is clamp or refuse")),
    };
    let token = if wish.token { Some(fresh()?) } else { None };
    let command = Checkout {
        product: wished(wish.product),
        workers: wish.workers,
        over,
        hash: token.as_ref().map(|(_, hash)| *hash),
        queue: wish.queue,
        address: call.head.peer.to_string().into(),
        client: wish.client.into(),
    };
    let product = command.product.clone();
    let submitted = call.submit(Command::Seat(SeatCommand::Checkout(command)), &body).await;
    let answer = match submitted {
        Ok(answer) => answer,
        Err(trouble) => {
            if let Ok(here) = call.cx.replica.view(Consistency::Stale, call.head.deadline).await {
                count_denied(&here.state, product.as_ref(), &trouble);
            }
            return Err(trouble);
        }
    };
    let id = seat_of(&answer.outcome).ok_or_else(|| missing("seat or place in line", "of this request"))?;
    let state = wait_for_turn(call, answer.view, id, wait).await?.state;
    let held = state.seats.sessions.get(&id);
    if let Some(session) = held {
        count(&session.product, "granted", "ok");
    }
    let has =
        |hash: &Hash| held.and_then(|session| state.tokens.get(&session.token?)).is_some_and(|at| at.hash == *hash);
    match token {
        Some((token, hash)) if has(&hash) => given(&state, id, Some(token)),
        Some((token, hash)) if held.is_some() => claimed(call, id, token, hash).await,
        Some(_) | None => given(&state, id, None),
    }
}

fn fresh() -> Result<(String, Hash)> {
    Ok(token::fresh().map_err(Unavailable::NotServing)?)
}

fn given(state: &State, id: u64, token: Option<String>) -> Result {
    let seat = one(state, id)?;
    let status = if seat.state == "waiting" { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    Ok(Reply::json(status, &wire::SeatAnswer { token, seat }).with("cache-control", "no-store"))
}

/// Has the session know this token. Without the caller's key, which stands for the checkout.
async fn claimed(call: &Asked, id: u64, token: String, hash: Hash) -> Result {
    let command = Command::Seat(SeatCommand::Claim { id, hash });
    let deadline = call.head.deadline.max(Instant::now() + CLAIM);
    let answer = submit(&call.cx, &call.caller().actor, None, &command, deadline).await?;
    given(&answer.view.state, id, Some(token))
}

/// The seat or place that an answered checkout is about.
fn seat_of(outcome: &Outcome) -> Option<u64> {
    let Outcome::Done(events) = outcome else { return None };
    events.iter().find_map(|event| match event {
        Event::Seat(SeatEvent::Taken { session, .. }) => Some(session.id),
        Event::Seat(SeatEvent::Queued { place }) => Some(place.id),
        Event::Seat(SeatEvent::Kept { id, .. } | SeatEvent::Claimed { id, .. }) => Some(*id),
        _other => None,
    })
}

/// Counts itself among those who wait on this node.
struct Waits;

impl Waits {
    fn begin() -> Waits {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Waits
    }

    /// How long until the next look: the more wait, the longer, so that all looks together cost the same.
    fn pause(&self) -> Duration {
        Duration::from_millis(LOOK_MS.max(WAITING.load(Ordering::Relaxed) / LOOKS_PER_MS))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until a place is one no more, at most half as long as it is kept. Looks at what this node has: the turn comes
/// with the log to every node.
async fn wait_for_turn(call: &Asked, now: View, id: u64, most: Duration) -> Result<View> {
    let Some(place) = now.state.seats.places.get(&id) else { return Ok(now) };
    let kept = Duration::from_millis(now.state.seats.rules_of(&place.product).place_ms / 2);
    let until = Instant::now() + most.min(kept);
    let (mut view, waits) = (now, Waits::begin());
    while view.state.seats.places.contains_key(&id) && Instant::now() < until {
        drop(view);
        sleep(waits.pause().min(until.saturating_duration_since(Instant::now()))).await;
        view = call.cx.replica.view(Consistency::Stale, call.head.deadline).await?;
    }
    Ok(view)
}

/// Keeps a session, or a place and waits for its turn.
async fn beat(call: &mut Asked, id: u64) -> Result {
    let (wish, body) = call.json_or_none::<wire::BeatRequest>().await?;
    let wait = wait_of(wish.unwrap_or_default().wait_ms)?;
    let answer = call.submit(Command::Seat(SeatCommand::Beat { id }), &body).await?;
    let view = wait_for_turn(call, answer.view, id, wait).await?;
    Ok(Reply::ok(&one(&view.state, id)?))
}

async fn claim(call: &mut Asked, id: u64) -> Result {
    call.no_body().await?;
    let (token, hash) = fresh()?;
    claimed(call, id, token, hash).await
}

async fn borrow(call: &mut Asked, id: u64) -> Result {
    let (wish, body) = call.json::<wire::BorrowRequest>().await?;
    let answer = call.submit(Command::Seat(SeatCommand::Borrow { id, for_ms: wish.for_ms }), &body).await?;
    let state = &answer.view.state;
    let session = state.seats.sessions.get(&id).ok_or(Trouble::Refused(Refusal::SeatEnded { id }))?;
    let proof = proof::of(&call.cx, state, session).map_err(Unavailable::NotServing)?;
    Ok(Reply::ok(&wire::BorrowAnswer { seat: one(state, id)?, proof: proof.map(proof_shown) }))
}

fn proof_shown(proof: proof::Proof) -> wire::BorrowProof {
    let proof::Proof { payload, signature, certificate } = proof;
    wire::BorrowProof { format: proof::FORMAT.to_owned(), payload, signature, certificate }
}

/// Ends a session or a place.
async fn end(call: &mut Asked, id: u64, command: SeatCommand, body: &[u8]) -> Result {
    let held = call.view().state.seats.sessions.get(&id).cloned();
    let answer = call.submit(Command::Seat(command), body).await?;
    if let Some(session) = held.filter(|_| !answer.repeated) {
        let seconds = answer.at.0.saturating_sub(session.since.0) / 1_000;
        histogram!(metrics::SESSION_DURATION, "product" => session.product.to_string()).record(metrics::value(seconds));
    }
    Ok(done())
}

fn count(product: &str, result: &'static str, reason: &'static str) {
    counter!(metrics::SEAT_CHECKOUTS, "product" => product.to_owned(), "result" => result, "reason" => reason)
        .increment(1);
}

/// Counts a checkout that got nothing. Only types that there are have series: a client may send any word.
fn count_denied(state: &State, product: Option<&Name>, trouble: &Trouble) {
    let (result, reason) = match trouble {
        Trouble::Refused(Refusal::NoSeatLeft { .. }) => ("denied", "no_seats"),
        Trouble::Refused(Refusal::NoWorkersLeft { .. }) => ("denied", "no_workers"),
        Trouble::Refused(Refusal::SeatTypeExpired { .. }) => ("denied", "expired"),
        Trouble::Refused(Refusal::NoSuchSeatType { .. }) => ("denied", "unknown_product"),
        Trouble::Refused(_) => ("denied", "rules"),
        Trouble::Unavailable(_) | Trouble::TooLate { .. } => ("error", "no_quorum"),
        _other => ("error", "other"),
    };
    let types = &state.seats.types;
    let product = match product {
        Some(product) => types.get(product).map(|kind| &kind.name),
        None => types.get_min().map(|(name, _)| name),
    };
    count(product.map_or("unknown", |name| name), result, reason);
}
