//! Login is a checkout, logout is a return.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::answer::{Asked, Result, rendered};
use super::wire::{LoggedIn, Media, Members};
use crate::access::{Caller, Denied, token};
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::{idempotency_key, login, submit};
use crate::domain::event::Event;
use crate::domain::intent::Command;
use crate::domain::name::Name;
use crate::domain::policy::{Choice, Policy, chosen};
use crate::domain::record::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::seat::event::SeatEvent;
use crate::domain::seat::{Checkout, Overask, SeatCommand, Session};
use crate::domain::state::State;
use crate::domain::user::Right;
use crate::domain::work::{WorkCommand, session_of};
use crate::replica::{Answer, Consistency, Page, Unavailable};

/// How long a forced logout waits for the session's work: the product tries three times, five seconds apart.
const FORCED: Duration = Duration::from_secs(15);
/// Least time between two looks while it waits.
const LOOK: Duration = Duration::from_millis(20);
/// Most workers that a client can ask for: the product reads 32 bits with a sign.
const WORKERS: u64 = i32::MAX as u64;

/// What a login asks for.
struct Wish {
    username: String,
    password: String,
    product: Option<Name>,
    workers: Option<u64>,
}

impl Wish {
    fn of(members: &Members) -> Result<Wish> {
        let product = match (members.text("licenseShortName")?, members.text("licenceShortName")?) {
            (Some(one), Some(other)) if one != other => {
                let what = "licenceShortName says something else".to_owned();
                return Err(Malformed::BadQuery { name: "licenseShortName", what }.into());
            }
            (one, other) => one.or(other).filter(|name| !name.is_empty()),
        };
        Ok(Wish {
            username: members.required("username")?,
            password: members.required("password")?,
            product: product.map(Name::from),
            workers: members.number("workers", WORKERS)?,
        })
    }
}

/// A token, a seat and its workers, or none of them. A token that a client brings along is nobody's (T11).
pub(super) async fn login(call: &mut Asked, media: Media) -> Result {
    let body = call.body.read(&call.head, call.cx.limits.login_bytes).await?;
    let Wish { username, password, product, workers } = Wish::of(&Members::of(&call.head, &body)?)?;
    let (caller, _) = login::verified(&call.cx, &call.head, username, password).await?;
    let (token, hash) = token::fresh().map_err(Unavailable::NotServing)?;
    let chosen = {
        let here = call.cx.replica.view(Consistency::Stale, call.head.deadline).await?;
        chosen(&here.state, Policy::WorkersBeyondFree)
    };
    let over = match chosen {
        Choice::Refuse => Overask::Refuse,
        Choice::Accept | Choice::Clamp => Overask::Clamp,
    };
    let key = idempotency_key(&call.head, format!("seat {product:?} {workers:?}").as_bytes())?;
    let command = Command::Seat(SeatCommand::Checkout(Checkout {
        product,
        workers,
        over,
        hash: Some(hash),
        queue: false,
        address: call.head.peer.to_string().into(),
        client: "".into(),
    }));
    let answer = submit(&call.cx, &caller.actor, key.as_ref(), &command, call.head.deadline).await?;
    let session = taken(&answer).ok_or_else(|| Unavailable::NotServing("the seat is not here yet".to_owned()))?;
    let logged_in = LoggedIn {
        username: session.user.to_string(),
        auth_token: token,
        license_short_name: session.product.to_string(),
        cluster_system_license_short_name: None,
        worker_count: session.workers,
        workers_granted: session.workers,
    };
    Ok(rendered(StatusCode::CREATED, media, &logged_in).with("cache-control", "no-store"))
}

/// The session that a checkout was answered with: a fresh one, or, asked again, the one of before.
fn taken(answer: &Answer) -> Option<Session> {
    let Outcome::Done(events) = &answer.outcome else { return None };
    events.iter().find_map(|event| match event {
        Event::Seat(SeatEvent::Taken { session, .. }) => Some((**session).clone()),
        Event::Seat(SeatEvent::Claimed { id, .. }) => {
            answer.view.state.seats.sessions.get(id).map(|session| (**session).clone())
        }
        _other => None,
    })
}

/// The session of the token that a request came with.
pub(super) fn own(call: &Asked) -> Result<u64> {
    let found = session_of(&call.view().state, call.caller().actor.credential);
    found.ok_or_else(|| Denied::Wrong.into())
}

/// Ends the token's own session: at once, or when its work is done. Never somebody else's (T12).
pub(super) async fn logout(call: &mut Asked, media: Media, username: &str) -> Result {
    let forced = call.head.flag("forceSynchronous")?;
    let ignore_done = call.head.param("ignoreCompleted").is_none() || call.head.flag("ignoreCompleted")?;
    let limit = call.cx.limits.login_bytes;
    call.body.read(&call.head, limit).await?;
    if &*call.caller().actor.user != username {
        return Err(Denied::Forbidden { needs: Right::ManageSeats }.into());
    }
    let session = own(call)?;
    let command = Command::Work(WorkCommand::Close { session, ignore_done });
    let answer = match call.submit(command, b"").await {
        Err(Trouble::Refused(Refusal::SeatEnded { .. } | Refusal::CredentialStale)) => return Err(Denied::Wrong.into()),
        other => other?,
    };
    if forced && holds(&answer.view.state, session) {
        wait(call, session).await?;
    }
    Ok(rendered(StatusCode::OK, media, &json!({"success": true})))
}

fn holds(state: &State, session: u64) -> bool {
    state.seats.sessions.contains_key(&session)
}

/// Waits until a session has ended, but not for ever: after that it ends later.
async fn wait(call: &Asked, session: u64) -> Result<()> {
    let until = Instant::now() + FORCED;
    loop {
        let view = call.cx.replica.view(Consistency::Linearizable, until + FORCED).await?;
        let left = until.saturating_duration_since(Instant::now());
        if !holds(&view.state, session) || left.is_zero() {
            return Ok(());
        }
        let after = view.state.heads.seq;
        drop(view);
        call.cx.replica.journal(Page { after, limit: 1 }, left).await?;
        // The journal's own wait may end early; this keeps an early end from becoming a busy loop.
        tokio::time::sleep(LOOK).await;
    }
}

/// The session of a caller's token, if it is time to keep it.
fn to_keep(state: &State, caller: &Caller) -> Option<u64> {
    let session = session_of(state, caller.actor.credential).filter(|_| !caller.closing)?;
    let session = state.seats.sessions.get(&session)?;
    let lease_ms = state.seats.rules_of(&session.product).lease_ms;
    let ends_soon = session.ends.0.saturating_sub(state.now.0) <= lease_ms / 2;
    (!session.borrowed && ends_soon).then_some(session.id)
}

/// Whoever is heard of keeps its seat; one beat in the second half of a lease is enough.
pub(super) async fn beat(call: &mut Asked) {
    let view = match call.view.take() {
        Some(view) => view,
        // It was a write, which let go of it.
        None => match call.cx.replica.view(Consistency::Stale, call.head.deadline).await {
            Ok(view) => view,
            Err(_) => return,
        },
    };
    let Some(id) = to_keep(&view.state, call.caller()) else { return };
    drop(view);
    let command = Command::Seat(SeatCommand::Beat { id });
    if let Err(trouble) = call.submit(command, b"beat").await {
        tracing::debug!(?trouble, "a session was not kept");
    }
}
