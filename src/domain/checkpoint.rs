//! The whole state as bytes, in chunks: so that a million slaves are never one value, and so that a frozen view can be
//! written out while the ledger goes on. The same state always gives the same bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::account;
use super::account_license::{self, Remembered};
use super::intent::IntentId;
use super::license::{Format, LicenseId};
use super::name::{Hash, Map, Name, Set, SlaveId};
use super::policy::{Choice, Policy};
use super::pool::PoolUid;
use super::seat::history::SeatDay;
use super::seat::rules::{Principal, SeatRules};
use super::seat::state::{Reservation, Seats, Tally};
use super::seat::types::SeatType;
use super::seat::{Place, Session};
use super::slave::Slave;
use super::slaves::Slaves;
use super::state::{Answered, State};
use super::time::{Day, Moment};
use super::user::Token;
use super::user_group;
use super::warning;
use super::work::limits::SeatLimits;
use super::work::state::Works;
use super::work::{self, Work};
use crate::codec::{self, Malformed};

/// The format number of a chunk.
pub const CHUNK_FORMAT: u8 = 1;
/// How many entries one chunk holds: about a megabyte of slaves.
const PER_CHUNK: usize = 4_096;

/// A piece of a checkpoint. Grows only at the end (decision 4).
#[derive(Debug, Serialize, Deserialize)]
enum Chunk {
    /// Everything but the large collections; always the first.
    Frame(Box<State>),
    Slaves(Vec<Arc<Slave>>),
    PoolUsers(Vec<(Option<PoolUid>, SlaveId)>),
    ReportIds(Vec<(Moment, u64)>),
    Tokens(Vec<Token>),
    Intents(Vec<(u64, Moment, IntentId)>),
    Keys(Vec<(Name, Name, Answered, Moment)>),
    /// Always the last: a checkpoint that was cut off is seen.
    End,
    /// Seats without their sessions, places and days; absent when nothing was ever said about seats.
    Seats(Box<SeatFrame>),
    SeatSessions(Vec<Arc<Session>>),
    SeatPlaces(Vec<Arc<Place>>),
    SeatDays(Vec<(Day, Name, SeatDay)>),
    /// User groups and their roles.
    UserGroups(Vec<(Name, Set<Name>)>),
    /// Groups and their members.
    Members(Vec<(Name, Name)>),
    /// Licenses for accounts.
    AccountLicenses(Vec<(LicenseId, Remembered)>),
    /// Work without its pieces; absent when nothing was ever said about work.
    Work(Box<WorkFrame>),
    WorkPieces(Vec<Arc<Work>>),
    Policies(Vec<(Policy, Choice)>),
    Revoked(Vec<LicenseId>),
    RevokedSeries(Vec<(Format, Name)>),
    Issues(Vec<(Format, Name, u64)>),
}

/// The small part of what is known of seats.
#[derive(Debug, Serialize, Deserialize)]
struct SeatFrame {
    last: u64,
    types: Map<Name, SeatType>,
    rules: Map<Name, Arc<SeatRules>>,
    reservations: Map<(Name, Principal), Reservation>,
    tallies: Map<Name, Tally>,
}

/// The small part of what is known of work.
#[derive(Debug, Serialize, Deserialize)]
struct WorkFrame {
    last: u64,
    closing: Map<u64, bool>,
    audited: Map<Name, (Day, u64)>,
    limits: Map<Name, SeatLimits>,
}

/// The state in chunks, each with its format number. Nothing is encoded before it is asked for.
pub fn encode_chunks(state: &State) -> impl Iterator<Item = Vec<u8>> + '_ {
    let frame = std::iter::once_with(|| Chunk::Frame(Box::new(frame(state))));
    let slaves = pieces(state.slaves.values(), |part| Chunk::Slaves(part.cloned().collect()));
    let users = pieces(state.pool_users.iter(), |part| Chunk::PoolUsers(part.cloned().collect()));
    let ids = pieces(state.report_ids_by_time.iter(), |part| Chunk::ReportIds(part.copied().collect()));
    let tokens = pieces(state.tokens.values(), |part| Chunk::Tokens(part.cloned().collect()));
    let intents = pieces(state.intents_by_seq.iter(), |part| {
        Chunk::Intents(part.map(|(seq, (at, id))| (*seq, *at, *id)).collect())
    });
    let keys = pieces(state.keys_used.iter(), |part| {
        let at = |answered: &Answered| state.keys_used_by_seq.get(&answered.seq).map_or(Moment(0), |(at, ..)| *at);
        Chunk::Keys(part.map(|((user, key), answered)| (user.clone(), key.clone(), *answered, at(answered))).collect())
    });
    let seats = (!state.seats.is_empty()).then(|| Chunk::Seats(Box::new(seat_frame(&state.seats))));
    let sessions = pieces(state.seats.sessions.values(), |part| Chunk::SeatSessions(part.cloned().collect()));
    let places = pieces(state.seats.places.values(), |part| Chunk::SeatPlaces(part.cloned().collect()));
    let days = pieces(state.seats.days.iter(), |part| {
        Chunk::SeatDays(part.map(|((day, product), of)| (*day, product.clone(), *of)).collect())
    });
    let seats = seats.into_iter().chain(sessions).chain(places).chain(days);
    let groups = pieces(state.user_groups.iter(), |part| {
        Chunk::UserGroups(part.map(|(name, group)| (name.clone(), group.roles.clone())).collect())
    });
    let members = state.user_groups.iter().flat_map(|(name, group)| group.members.iter().map(move |user| (name, user)));
    let members =
        pieces(members, |part| Chunk::Members(part.map(|(name, user)| (name.clone(), user.clone())).collect()));
    let accounts = pieces(state.account_licenses.iter(), |part| {
        Chunk::AccountLicenses(part.map(|(id, remembered)| (*id, *remembered)).collect())
    });
    let work = (!state.works.is_empty()).then(|| Chunk::Work(Box::new(work_frame(&state.works))));
    let pieces_of_work = pieces(state.works.works.values(), |part| Chunk::WorkPieces(part.cloned().collect()));
    let policies = pieces(state.policies.iter(), |part| {
        Chunk::Policies(part.map(|(policy, choice)| (*policy, *choice)).collect())
    });
    let revoked = pieces(state.revoked.iter(), |part| Chunk::Revoked(part.copied().collect()));
    let series = pieces(state.revoked_series.iter(), |part| Chunk::RevokedSeries(part.cloned().collect()));
    let issues = pieces(state.issues.iter(), |part| {
        Chunk::Issues(part.map(|((format, series), number)| (*format, series.clone(), *number)).collect())
    });
    let end = std::iter::once(Chunk::End);
    let chunks = frame.chain(slaves).chain(users).chain(ids).chain(tokens).chain(intents).chain(keys);
    let chunks = chunks.chain(seats).chain(groups).chain(members).chain(accounts).chain(work).chain(pieces_of_work);
    let chunks = chunks.chain(policies).chain(revoked).chain(series).chain(issues).chain(end);
    chunks.map(|chunk| codec::encode(CHUNK_FORMAT, &chunk))
}

/// Runs of entries, each made into a chunk.
fn pieces<I: Iterator>(
    mut entries: I,
    chunk: impl Fn(&mut dyn Iterator<Item = I::Item>) -> Chunk,
) -> impl Iterator<Item = Chunk> {
    std::iter::from_fn(move || {
        let first = entries.next()?;
        let mut part = std::iter::once(first).chain(entries.by_ref().take(PER_CHUNK - 1));
        Some(chunk(&mut part))
    })
}

/// The state without its large collections, and without what follows from them.
fn frame(state: &State) -> State {
    State {
        slaves: Slaves::new(),
        pool_users: Set::new(),
        orphans: Set::new(),
        gauged: Set::new(),
        report_ids: Map::new(),
        report_ids_by_time: Set::new(),
        tokens: Map::new(),
        token_hashes: Map::new(),
        token_owners: Set::new(),
        token_deadlines: Set::new(),
        intents: Map::new(),
        intents_by_seq: Map::new(),
        keys_used: Map::new(),
        keys_used_by_seq: Map::new(),
        policies: Map::new(),
        revoked: Set::new(),
        revoked_series: Set::new(),
        issues: Map::new(),
        ..state.clone()
    }
}

fn seat_frame(seats: &Seats) -> SeatFrame {
    SeatFrame {
        last: seats.last,
        types: seats.types.clone(),
        rules: seats.rules.clone(),
        reservations: seats.reservations.clone(),
        tallies: seats.tallies.clone(),
    }
}

/// SHA-256 over the chunks, each behind its length.
#[must_use]
pub fn digest(state: &State) -> Hash {
    let mut hasher = Sha256::new();
    for chunk in encode_chunks(state) {
        hasher.update((chunk.len() as u64).to_be_bytes());
        hasher.update(&chunk);
    }
    hasher.finalize().into()
}

/// Puts a state together from its chunks, in their order.
#[derive(Debug, Default)]
pub struct Loader {
    state: Option<State>,
    ended: bool,
}

impl Loader {
    /// Takes the next chunk.
    ///
    /// # Errors
    /// When it is no chunk, or comes out of place.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let chunk = codec::decode(CHUNK_FORMAT, bytes)?;
        match (chunk, &mut self.state, self.ended) {
            (Chunk::Frame(frame), none @ None, false) => *none = Some(*frame),
            (Chunk::End, Some(state), false) => {
                Arc::make_mut(&mut state.seats).loaded();
                state.account_seats_taken = account_license::counted(state);
                state.offenders = warning::offenders(state);
                self.ended = true;
            }
            (_, None, _) | (Chunk::Frame(_), Some(_), _) | (_, Some(_), true) => {
                return Err(Malformed::Value("a checkpoint's chunk is out of place".to_owned()));
            }
            (chunk, Some(state), false) => load(state, chunk),
        }
        Ok(())
    }

    /// The state.
    ///
    /// # Errors
    /// When the last chunk is missing.
    pub fn finish(self) -> Result<State, Malformed> {
        self.state.filter(|_| self.ended).ok_or_else(|| Malformed::Value("the checkpoint was cut off".to_owned()))
    }
}

/// Puts a chunk's entries back, and what follows from them.
fn load(state: &mut State, chunk: Chunk) {
    match chunk {
        Chunk::Frame(_) | Chunk::End => {}
        Chunk::Slaves(slaves) => slaves.into_iter().for_each(|slave| put_slave(state, slave)),
        Chunk::PoolUsers(users) => {
            for (pool, id) in users {
                let id = state.slaves.get(&id).map_or(id, |slave| slave.id.clone());
                state.pool_users.insert((pool, id));
            }
        }
        Chunk::ReportIds(ids) => {
            for (at, id) in ids {
                state.report_ids.insert(id, at);
                state.report_ids_by_time.insert((at, id));
            }
        }
        Chunk::Tokens(tokens) => {
            for token in tokens {
                state.token_hashes.insert(token.hash, token.id);
                state.token_owners.insert((token.user.clone(), token.id));
                state.token_deadlines.insert((token.expires, token.id));
                account::count_token(state, &token, true);
                state.tokens.insert(token.id, token);
            }
        }
        Chunk::Intents(intents) => {
            for (seq, at, id) in intents {
                state.intents.insert(id, seq);
                state.intents_by_seq.insert(seq, (at, id));
            }
        }
        Chunk::Policies(policies) => state.policies.extend(policies),
        Chunk::Revoked(revoked) => state.revoked.extend(revoked),
        Chunk::RevokedSeries(series) => state.revoked_series.extend(series),
        Chunk::Issues(issues) => {
            let issues = issues.into_iter().map(|(format, series, number)| ((format, series), number));
            state.issues.extend(issues);
        }
        Chunk::Keys(keys) => {
            for (user, key, answered, at) in keys {
                state.keys_used_by_seq.insert(answered.seq, (at, user.clone(), key.clone()));
                state.keys_used.insert((user, key), answered);
            }
        }
        Chunk::UserGroups(groups) => {
            groups.iter().for_each(|(name, roles)| user_group::put_roles(state, name, roles));
        }
        Chunk::AccountLicenses(licenses) => {
            licenses.into_iter().for_each(|(id, remembered)| account_license::put(state, id, remembered));
        }
        Chunk::Members(members) => {
            for (name, user) in members {
                state.groups_of.entry(user.clone()).or_default().insert(name.clone());
                state.user_groups.entry(name).or_default().members.insert(user);
            }
        }
        Chunk::Work(frame) => {
            let WorkFrame { last, closing, audited, limits } = *frame;
            state.works = Arc::new(Works { last, closing, audited, limits, ..Works::default() });
        }
        Chunk::WorkPieces(works) => {
            let into = Arc::make_mut(&mut state.works);
            works.into_iter().for_each(|work| work::put(into, (*work).clone()));
        }
        Chunk::Seats(_) | Chunk::SeatSessions(_) | Chunk::SeatPlaces(_) | Chunk::SeatDays(_) => {
            load_seats(Arc::make_mut(&mut state.seats), chunk);
        }
    }
}

fn work_frame(works: &Works) -> WorkFrame {
    let Works { last, closing, audited, limits, .. } = works.clone();
    WorkFrame { last, closing, audited, limits }
}

fn load_seats(seats: &mut Seats, chunk: Chunk) {
    match chunk {
        Chunk::Seats(frame) => {
            let SeatFrame { last, types, rules, reservations, tallies } = *frame;
            *seats = Seats { last, types, rules, reservations, tallies, ..Seats::default() };
        }
        Chunk::SeatSessions(sessions) => sessions.into_iter().for_each(|session| seats.load_session(session)),
        Chunk::SeatPlaces(places) => places.into_iter().for_each(|place| seats.load_place(place)),
        Chunk::SeatDays(days) => seats.days.extend(days.into_iter().map(|(day, product, of)| ((day, product), of))),
        Chunk::Frame(_)
        | Chunk::End
        | Chunk::Slaves(_)
        | Chunk::PoolUsers(_)
        | Chunk::ReportIds(_)
        | Chunk::Tokens(_)
        | Chunk::Intents(_)
        | Chunk::Keys(_)
        | Chunk::UserGroups(_)
        | Chunk::Members(_)
        | Chunk::AccountLicenses(_)
        | Chunk::Work(_)
        | Chunk::WorkPieces(_)
        | Chunk::Policies(_)
        | Chunk::Revoked(_)
        | Chunk::RevokedSeries(_)
        | Chunk::Issues(_) => {}
    }
}

/// Puts a slave back, and what follows from it.
fn put_slave(state: &mut State, mut slave: Arc<Slave>) {
    // one allocation for a name that is also the label, as it was before
    if slave.label == slave.id {
        let id = slave.id.clone();
        Arc::make_mut(&mut slave).label = id;
    }
    if slave.pool.is_none() {
        state.orphans.insert(slave.id.clone());
    }
    if !slave.levels.is_empty() {
        state.gauged.insert(slave.id.clone());
    }
    state.slaves.insert(slave.id.clone(), slave);
}
