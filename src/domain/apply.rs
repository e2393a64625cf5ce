//! The ledger: state, and the one fold that changes it. Usable without any I/O.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::event::Event;
use super::intent::{Class, Command, CommandKind, Intent, IntentId};
use super::memory::{self, Known};
use super::name::{Hash, Name};
use super::record::{Outcome, Record, Stored};
use super::refusal::Refusal;
use super::slaves::ABREAST;
use super::state::State;
use super::time::{Moment, Stamp};
use super::user::{Actor, Credential};
use super::{checkpoint, deadline, decide, evolve, pass_time, right, seat};
use crate::codec::{self, Malformed};

/// The format number of a batch in the log.
pub const BATCH_FORMAT: u8 = 1;
/// How much of a panic's message is recorded, in characters: enough to find the rule.
const BROKEN_CHARS: usize = 200;

/// A record and its stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What was decided.
    pub record: Record,
    /// What is stored of it.
    pub stored: Stored,
}

/// State, and the one fold that changes it.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// All that counts.
    pub state: State,
}

impl Ledger {
    /// A ledger before its first record.
    #[must_use]
    pub fn new() -> Ledger {
        Ledger { state: State::default() }
    }

    /// Lets time pass up to `stamp`, then decides the intents in order: one record each, and one for each step that time
    /// alone took. Seats that came free are granted to those in line before anybody else can ask, by a last record.
    pub fn apply(&mut self, stamp: &Stamp, intents: &[Intent]) -> Vec<Applied> {
        let stamp = Stamp { at: stamp.at.max(self.state.now), calendar: stamp.calendar };
        let mut applied = Vec::with_capacity(intents.len() + 1);
        let mut budget = deadline::PER_BATCH;
        while let Some((kind, events)) = pass_time(&self.state, &stamp, budget) {
            budget = budget.saturating_sub(deadline::cost(&events));
            applied.push(self.commit(stamp.at, &system(), IntentId::NONE, None, kind, Outcome::Done(events)));
        }
        for abreast in intents.chunks(ABREAST) {
            self.state.slaves.approach(abreast.iter().filter_map(lone_reporter));
            for intent in abreast {
                self.state.now = stamp.at;
                let outcome = self.answer(&stamp, intent);
                let kind = intent.command.kind();
                applied.push(self.commit(stamp.at, &intent.actor, intent.id, intent.key.clone(), kind, outcome));
            }
        }
        if !self.state.seats.ready.is_empty() {
            self.state.now = stamp.at;
            let granted = seat::grants(&self.state, budget);
            if !granted.is_empty() {
                let (kind, outcome) = (CommandKind::GrantSeats, Outcome::Done(granted));
                applied.push(self.commit(stamp.at, &system(), IntentId::NONE, None, kind, outcome));
            }
        }
        applied
    }

    /// Folds a record that was applied before, from its stored bytes.
    ///
    /// # Errors
    /// When the bytes are no record, or not the one that comes next.
    pub fn replay(&mut self, bytes: Bytes) -> Result<Applied, Malformed> {
        let record = Record::decode(&bytes)?;
        let next = self.state.heads.seq + 1;
        if record.seq != next {
            return Err(Malformed::Value(format!("record {} came where {next} comes next", record.seq)));
        }
        let stored = self.fold(&record, bytes);
        Ok(Applied { record, stored })
    }

    /// SHA-256 over the canonical encoding of the whole state: equal on all nodes at the same position.
    #[must_use]
    pub fn state_digest(&self) -> Hash {
        checkpoint::digest(&self.state)
    }

    fn answer(&self, stamp: &Stamp, intent: &Intent) -> Outcome {
        if intent.command.kind().class() == Class::Audit
            && let Some(seq) = memory::answered(&self.state, intent.id)
        {
            return Outcome::Repeated { seq };
        }
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&self.state, stamp, intent)));
        match judged {
            Ok(outcome) => outcome,
            Err(panic) => Outcome::Refused(Refusal::RuleBroken { what: message(panic.as_ref()) }),
        }
    }

    fn commit(
        &mut self,
        at: Moment,
        actor: &Actor,
        intent: IntentId,
        key: Option<super::intent::IdempotencyKey>,
        kind: CommandKind,
        outcome: Outcome,
    ) -> Applied {
        let seq = self.state.heads.seq + 1;
        let record = Record { seq, at, actor: actor.clone(), intent, key, kind, outcome };
        let bytes = record.encode();
        let stored = self.fold(&record, bytes);
        Applied { record, stored }
    }

    /// What a record does to the state: the same when it is new and when it is replayed.
    fn fold(&mut self, record: &Record, bytes: Bytes) -> Stored {
        let state = &mut self.state;
        let class = record.kind.class();
        state.now = record.at;
        let mut closed = false;
        if let Outcome::Done(events) = &record.outcome {
            for event in events {
                evolve(state, event);
                closed |= matches!(event, Event::DayClosed(_));
            }
        }
        seat::history::remember(state, record);
        memory::remember(state, record);
        memory::trim(state);
        state.heads = state.heads.after(class, &bytes);
        if closed {
            state.heads.bulk = Hash::default();
        }
        Stored { seq: record.seq, class, bytes, digest: state.heads.digest() }
    }
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger::new()
    }
}

/// Whether it may be asked by this actor, whether it was asked before, and what the rules say.
fn judge(state: &State, stamp: &Stamp, intent: &Intent) -> Outcome {
    if let Err(refusal) = right::check_credential(state, intent) {
        return Outcome::Refused(refusal);
    }
    match memory::key_known(state, intent) {
        Known::Never => {}
        Known::Answered { seq } => return Outcome::Repeated { seq },
        Known::OtherBody { key } => return Outcome::Refused(Refusal::IdempotencyMismatch { key }),
    }
    match right::check(state, intent).and_then(|()| decide(state, stamp, intent)) {
        Ok(events) => Outcome::Done(events),
        Err(refusal) => Outcome::Refused(refusal),
    }
}

/// The slave that an intent's only report is of.
fn lone_reporter(intent: &Intent) -> Option<&str> {
    let Command::ReportUsage { reports } = &intent.command else { return None };
    reports.first().filter(|_| reports.len() == 1).map(|report| &*report.slave)
}

fn system() -> Actor {
    Actor { user: "system".into(), credential: Credential::System }
}

fn message(panic: &(dyn Any + Send)) -> Name {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "a panic without words",
    };
    text.chars().take(BROKEN_CHARS).collect::<String>().into()
}

/// The bytes of one batch: the stamp, and the intents as the answering nodes encoded them.
///
/// # Panics
/// Never: no part reaches 4 GiB, the door lets in far less.
#[must_use]
pub fn encode_batch(stamp: &Stamp, intents: &[Bytes]) -> Bytes {
    let head = codec::encode(BATCH_FORMAT, stamp);
    let size = head.len() + 5 + intents.iter().map(|intent| intent.len() + 4).sum::<usize>();
    let mut batch = Vec::with_capacity(size);
    batch.push(BATCH_FORMAT);
    for part in std::iter::once(head.as_slice()).chain(intents.iter().map(Bytes::as_ref)) {
        let length = u32::try_from(part.len()).expect("a part of a batch is far below 4 GiB");
        batch.extend_from_slice(&length.to_le_bytes());
        batch.extend_from_slice(part);
    }
    Bytes::from(batch)
}

/// Reads a batch.
///
/// # Errors
/// When the bytes are no batch: the log is damaged, or was written by a newer binary.
pub fn decode_batch(bytes: &[u8]) -> Result<(Stamp, Vec<Intent>), Malformed> {
    let (&found, mut rest) = bytes.split_first().ok_or(Malformed::Empty)?;
    if found != BATCH_FORMAT {
        return Err(Malformed::Format { found, known: BATCH_FORMAT });
    }
    let stamp = codec::decode(BATCH_FORMAT, part(&mut rest)?)?;
    let mut intents = Vec::new();
    while !rest.is_empty() {
        intents.push(Intent::decode(part(&mut rest)?)?);
    }
    Ok((stamp, intents))
}

/// Takes one length-prefixed part off the front.
fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let cut = || Malformed::Value("the batch ends within a part".to_owned());
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_too_large| cut())?;
    let (part, after) = after.split_at_checked(length).ok_or_else(cut)?;
    *rest = after;
    Ok(part)
}
