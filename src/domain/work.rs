//! Work that runs on a held seat: a session that is asked to end while some is left ends after it (seed 000, S5).
//!
//! A session runs as many pieces of work at once as it has workers, at least one; the others wait in the order in which
//! they were asked. How long a piece takes is said when it is asked for, and the end is a deadline of the log: so it is
//! the same on every node, and survives them. Nothing here loops over all sessions.

mod fold;
pub mod limits;
pub mod state;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::intent::CommandKind;
use super::name::{NAME_CHARS, Name, check_name, check_range, check_text};
use super::refusal::Refusal;
use super::seat::Session;
use super::seat::event::{EndCause, SeatEvent};
use super::state::State;
use super::time::Moment;
use super::user::{Actor, Credential};

pub(super) use fold::{evolve, put, sessions_gone};

/// Most pieces of work that a session has running or waiting: each step of one looks at the others.
pub const PER_SESSION: usize = 100;
/// Most pieces of work in the cluster, ended ones that are still remembered too.
pub const WORKS: usize = 100_000;
/// Longest run: a day, as nothing that repeats is longer.
pub const RUN_MS: u64 = 24 * 3_600_000;
/// How long the result of an ended piece is remembered: what the product's documentation says.
pub const RESULT_MS: u64 = 5 * 60_000;

/// What kind of work it is. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Reads and prepares data: its bytes are audited where the license says so.
    Processing,
    /// Keeps a legal hold: the license says how many there may be at once.
    LegalHold,
}

/// How a piece of work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Waits for a worker.
    Queued,
    /// Runs until its deadline.
    Running,
    /// Ran to its end.
    Done,
    /// Was stopped before its end.
    Cancelled,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Counts up within the cluster.
    pub id: u64,
    /// What its owner calls for it by: drawn by the answering node.
    pub key: Name,
    /// The session that it runs on.
    pub session: u64,
    /// The session's holder.
    pub user: Name,
    /// The session's seat type.
    pub product: Name,
    /// What kind it is.
    pub kind: Kind,
    /// What people call it.
    pub label: Name,
    /// How much data it reads.
    pub bytes: u64,
    /// How long it runs.
    pub run_ms: u64,
    /// When it was asked for.
    pub asked: Moment,
    /// When it began.
    pub begun: Option<Moment>,
    /// When it ends or, once it has ended, when it did.
    pub ends: Option<Moment>,
    /// How it stands.
    pub stage: Stage,
}

impl Work {
    /// Whether it runs or waits.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Queued | Stage::Running)
    }
}

/// Asks for a piece of work on one's own session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The session.
    pub session: u64,
    /// [`Work::key`]
    pub key: Name,
    /// What kind it is.
    pub kind: Kind,
    /// What people call it.
    pub label: Name,
    /// How much data it reads.
    pub bytes: u64,
    /// How long it runs.
    pub run_ms: u64,
}

/// What can be asked about work. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkCommand {
    /// Runs something, or has it wait its turn.
    Ask(Box<Ask>),
    /// Stops something that runs or waits.
    Cancel {
        /// [`Work::key`]
        key: Name,
    },
    /// Ends one's own session when its work is done: at once when there is none.
    Close {
        /// The session.
        session: u64,
        /// Whether work that has ended holds nothing up; else the session stays until it is forgotten.
        ignore_done: bool,
    },
}

impl WorkCommand {
    /// The kind of record that answers it.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            WorkCommand::Ask(_) => CommandKind::AskWork,
            WorkCommand::Cancel { .. } => CommandKind::CancelWork,
            WorkCommand::Close { .. } => CommandKind::CloseSession,
        }
    }
}

/// One fact about work. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkEvent {
    /// A piece of work runs or waits.
    Asked {
        /// It.
        work: Box<Work>,
    },
    /// A waiting piece runs.
    Begun {
        /// [`Work::id`]
        id: u64,
        /// When it ends.
        ends: Moment,
    },
    /// A piece ended.
    Ended {
        /// [`Work::id`]
        id: u64,
        /// Whether it was stopped before its end.
        cancelled: bool,
    },
    /// The results of ended pieces are remembered no more.
    Forgotten {
        /// [`Work::id`] of each.
        ids: Vec<u64>,
    },
    /// A session ends when its work does, and takes no more.
    Closing {
        /// The session.
        session: u64,
        /// [`WorkCommand::Close::ignore_done`]
        ignore_done: bool,
    },
}

/// Decides what is asked about work.
pub(super) fn decide(state: &State, actor: &Actor, command: &WorkCommand) -> Result<Vec<Event>, Refusal> {
    match command {
        WorkCommand::Ask(wanted) => ask(state, actor, wanted),
        WorkCommand::Cancel { key } => cancel(state, actor, key),
        WorkCommand::Close { session, ignore_done } => close(state, actor, *session, *ignore_done),
    }
}

/// The actor's own session, if it has not ended.
fn own<'a>(state: &'a State, actor: &Actor, id: u64) -> Result<&'a Session, Refusal> {
    let session = state.seats.sessions.get(&id).filter(|session| session.ends > state.now);
    let session = session.ok_or(Refusal::SeatEnded { id })?;
    if session.user == actor.user { Ok(session) } else { Err(Refusal::NotYourSeat { id }) }
}

fn ask(state: &State, actor: &Actor, wanted: &Ask) -> Result<Vec<Event>, Refusal> {
    let session = own(state, actor, wanted.session)?;
    check_name("key", &wanted.key)?;
    check_text("label", &wanted.label, NAME_CHARS)?;
    check_range("run_ms", wanted.run_ms, 1, RUN_MS)?;
    let works = &*state.works;
    if works.closing.contains_key(&session.id) {
        return Err(Refusal::SessionClosing { session: session.id });
    }
    if works.keys.contains_key(&wanted.key) {
        return Err(Refusal::BadName { what: "key".into(), name: wanted.key.clone() });
    }
    let open = works.open_of(session.id).count();
    if open >= PER_SESSION {
        return Err(Refusal::TooMany {
            what: "running and waiting work of one session".into(),
            limit: PER_SESSION as u64,
        });
    }
    if works.works.len() >= WORKS {
        return Err(Refusal::TooMany { what: "work".into(), limit: WORKS as u64 });
    }
    limits::check(state, session, wanted)?;
    let runs = (open as u64) < session.workers.max(1);
    let ends = runs.then(|| state.now.plus_ms(wanted.run_ms));
    let work = Work {
        id: works.last + 1,
        key: wanted.key.clone(),
        session: session.id,
        user: session.user.clone(),
        product: session.product.clone(),
        kind: wanted.kind,
        label: wanted.label.clone(),
        bytes: wanted.bytes,
        run_ms: wanted.run_ms,
        asked: state.now,
        begun: runs.then_some(state.now),
        ends,
        stage: if runs { Stage::Running } else { Stage::Queued },
    };
    let mut events = vec![Event::Work(WorkEvent::Asked { work: Box::new(work) })];
    events.extend(ends.and_then(|ends| kept(state, session, ends)));
    Ok(events)
}

/// Keeps a session's seat until its work has ended and a lease more: nobody loses a seat in the middle of it.
fn kept(state: &State, session: &Session, ends: Moment) -> Option<Event> {
    let until = ends.plus_ms(state.seats.rules_of(&session.product).lease_ms);
    let longer = !session.borrowed && until > session.ends;
    longer.then_some(Event::Seat(SeatEvent::Kept { id: session.id, until }))
}

fn cancel(state: &State, actor: &Actor, key: &Name) -> Result<Vec<Event>, Refusal> {
    let work = state.works.by_key(key).ok_or_else(|| Refusal::NoSuchWork { key: key.clone() })?;
    if work.user != actor.user {
        return Err(Refusal::NotYourSeat { id: work.session });
    }
    Ok(if work.is_open() { after(state, work, state.now, true) } else { vec![] })
}

/// A session whose work is done ends at once; another when it is.
fn close(state: &State, actor: &Actor, session: u64, ignore_done: bool) -> Result<Vec<Event>, Refusal> {
    let session = own(state, actor, session)?.id;
    let busy = state.works.of_session(session).any(|work| work.is_open() || !ignore_done);
    if !busy {
        return Ok(vec![returned(session)]);
    }
    let before = state.works.closing.get(&session);
    let changes = before.is_none_or(|before| *before != ignore_done);
    Ok(if changes { vec![Event::Work(WorkEvent::Closing { session, ignore_done })] } else { vec![] })
}

fn returned(session: u64) -> Event {
    Event::Seat(SeatEvent::Ended { ids: vec![session], cause: EndCause::Returned })
}

/// What follows when a piece of work ends: the next one begins, or the session, if that was asked to, ends.
fn after(state: &State, work: &Work, at: Moment, cancelled: bool) -> Vec<Event> {
    let mut events = vec![Event::Work(WorkEvent::Ended { id: work.id, cancelled })];
    let others = || state.works.open_of(work.session).filter(|other| other.id != work.id);
    let frees = work.stage == Stage::Running;
    if let Some(next) = others().find(|other| frees && other.stage == Stage::Queued) {
        let ends = at.plus_ms(next.run_ms);
        events.push(Event::Work(WorkEvent::Begun { id: next.id, ends }));
        events.extend(state.seats.sessions.get(&work.session).and_then(|session| kept(state, session, ends)));
    } else if others().next().is_none() && state.works.closing.get(&work.session) == Some(&true) {
        events.push(returned(work.session));
    }
    events
}

/// The first piece of work whose time has come: it ends, or is forgotten.
pub(super) fn due(state: &State, at: Moment) -> Option<Vec<Event>> {
    let (_, id) = *state.works.deadlines.get_min().filter(|due| due.0 <= at)?;
    let work = state.works.works.get(&id)?;
    if work.is_open() {
        return Some(after(state, work, at, false));
    }
    let mut events = vec![Event::Work(WorkEvent::Forgotten { ids: vec![id] })];
    let last = state.works.of_session(work.session).all(|other| other.id == id);
    if last && state.works.closing.contains_key(&work.session) {
        events.push(returned(work.session));
    }
    Some(events)
}

/// The session whose own token an actor came with.
#[must_use]
pub fn session_of(state: &State, credential: Credential) -> Option<u64> {
    match credential {
        Credential::Token { id, .. } => state.seats.tokens.get(&id).copied(),
        Credential::Password { .. } | Credential::System => None,
    }
}

/// Whether an actor came with the token of a session that is closing: it may ask how its work stands, and nothing else.
#[must_use]
pub fn is_closing(state: &State, credential: Credential) -> bool {
    !state.works.closing.is_empty()
        && session_of(state, credential).is_some_and(|session| state.works.closing.contains_key(&session))
}
