//! S1 to S7 for any history: asked of the journal, not of the state, so that state and records check each other.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use quartermaster::domain::event::Event;
use quartermaster::domain::intent::{Command, CommandKind};
use quartermaster::domain::license::License;
use quartermaster::domain::name::{Map, Name, Set, sha256};
use quartermaster::domain::record::{Outcome, Record};
use quartermaster::domain::seat::event::SeatEvent;
use quartermaster::domain::seat::rules::{ChangeSeatRules, Principal};
use quartermaster::domain::seat::{Checkout, Overask, SeatCommand};
use quartermaster::domain::time::Moment;
use quartermaster::domain::user::UserCommand;
use quartermaster::projection;

use crate::properties::{Step, USERS, Who, check_history, run};
use crate::world::{DAY_MS, World};

/// Seat types that histories know; no license names the last one.
const PRODUCTS: [&str; 3] = ["review", "studio", "nothing"];
const ADDRESSES: [&str; 2] = ["::1", "10.0.0.7"];

fn product() -> impl Strategy<Value = Name> {
    prop::sample::select(&PRODUCTS).prop_map(Name::from)
}

fn principal() -> impl Strategy<Value = Principal> {
    prop::sample::select(vec!["user:ann", "user:bob", "user:admin"])
        .prop_map(|text| Principal::parse(text).expect("a principal"))
}

/// A license of seats, for one of two types, with or without workers, with or without an end.
pub(crate) fn license() -> impl Strategy<Value = License> {
    (0_u8..4, prop::sample::select(vec!["review", "studio"]), 1_u64..4, 0_u64..5, any::<bool>(), 0_u64..5).prop_map(
        |(number, product, count, workers, choose, days)| {
            let mut license = crate::world::seats(&format!("seats {number}"), product, count, workers);
            if days < 4 {
                license.expires = Moment(crate::world::START + days * DAY_MS + 99);
            }
            for term in &mut license.terms {
                if let quartermaster::domain::license::Term::Seats(grant) = term {
                    grant.can_choose_workers = choose;
                }
            }
            license
        },
    )
}

fn checkout() -> impl Strategy<Value = SeatCommand> {
    let workers = prop_oneof![2 => Just(None), 3 => (0_u64..6).prop_map(Some)];
    let token = prop::option::weighted(0.7, any::<[u8; 2]>());
    let address = prop::sample::select(&ADDRESSES).prop_map(Name::from);
    (prop::option::weighted(0.9, product()), workers, any::<bool>(), token, any::<bool>(), address).prop_map(
        |(product, workers, clamp, token, queue, address)| {
            SeatCommand::Checkout(Checkout {
                product,
                workers,
                over: if clamp { Overask::Clamp } else { Overask::Refuse },
                hash: token.map(hash),
                queue,
                address,
                client: "".into(),
            })
        },
    )
}

fn hash(bytes: [u8; 2]) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..2].copy_from_slice(&bytes);
    hash
}

fn rules() -> impl Strategy<Value = ChangeSeatRules> {
    let people = || vec(principal(), 0..3).prop_map(|people| people.into_iter().collect::<Set<Principal>>());
    let limit = || prop::option::weighted(0.5, prop::option::of(prop_oneof![1 => Just(0_u32), 9 => 1_u32..3]));
    (
        prop::option::weighted(0.2, prop::option::of(people())),
        prop::option::weighted(0.2, people()),
        limit(),
        limit(),
        prop::option::weighted(0.5, (principal(), 1_u8..3)),
        prop::option::of(prop_oneof![1 => Just(1_u64), 9 => prop::sample::select(vec![5_000, 60_000, DAY_MS])]),
        prop::option::of(0_u64..3),
    )
        .prop_map(|(allow, deny, per_user, per_address, priority, lease_ms, borrow_seats)| ChangeSeatRules {
            allow,
            deny,
            per_user,
            per_address,
            priorities: priority.map(|(who, priority)| Map::unit(who, priority)),
            lease_ms,
            place_ms: lease_ms,
            borrow_seats,
            borrow_ms: None,
        })
}

/// Anything that can be asked about seats.
pub(crate) fn command() -> impl Strategy<Value = Command> {
    let id = || 0_u64..12;
    let seat = prop_oneof![
        10 => checkout(),
        3 => id().prop_map(|id| SeatCommand::Beat { id }),
        2 => (id(), any::<[u8; 2]>()).prop_map(|(id, bytes)| SeatCommand::Claim { id, hash: hash(bytes) }),
        4 => id().prop_map(|id| SeatCommand::Return { id }),
        1 => (id(), any::<bool>()).prop_map(|(id, even_borrowed)| SeatCommand::Release { id, even_borrowed }),
        2 => (id(), 1_000_u64..2 * DAY_MS).prop_map(|(id, for_ms)| SeatCommand::Borrow { id, for_ms }),
        2 => (product(), principal(), 0_u64..4)
            .prop_map(|(product, principal, seats)| SeatCommand::Reserve { product, principal, seats }),
        3 => (product(), rules())
            .prop_map(|(product, changes)| SeatCommand::SetRules { product, changes: Box::new(changes) }),
    ];
    seat.prop_map(Command::Seat)
}

/// What a fact is called where it is asked whether histories reach it.
pub(crate) fn words(event: &SeatEvent, kind: CommandKind) -> Vec<String> {
    let word = format!("{event:?}").split(' ').next().unwrap_or_default().to_owned();
    let cause = if let SeatEvent::Ended { cause, .. } = event { Some(format!("{cause:?}")) } else { None };
    let served = (kind == CommandKind::GrantSeats).then(|| "served".to_owned());
    [Some(word), cause, served].into_iter().flatten().collect()
}

/// A history of seats: people who may take them, licenses that come and go, time that passes by minutes.
fn history() -> impl Strategy<Value = Vec<Step>> {
    let begin = || {
        let users = USERS.map(|name| {
            let (name, roles) = (name.into(), Set::unit("seat_holder".into()));
            Command::User(UserCommand::CreateUser { name, password: "$p".into(), roles, slave: None })
        });
        let license = Command::InstallLicense(Box::new(crate::world::seats("begin", "review", 2, 3)));
        let changes = ChangeSeatRules { borrow_seats: Some(1), ..ChangeSeatRules::default() };
        let borrowable = SeatCommand::SetRules { product: "review".into(), changes: Box::new(changes) };
        let first = users.into_iter().chain([license, Command::Seat(borrowable)]);
        let first = first.map(|command| (Who::Admin, None, command));
        Step { clock: 0, intents: first.collect(), again: false }
    };
    let ending = prop_oneof![
        license().prop_map(|license| Command::InstallLicense(Box::new(license))),
        (0_u8..4)
            .prop_map(|number| Command::RemoveLicense { license: sha256(&[format!("seats {number}").as_bytes()]) }),
        (0_u64..9).prop_map(|id| Command::User(UserCommand::RevokeToken { id })),
        prop::sample::select(USERS.to_vec())
            .prop_map(|name| Command::User(UserCommand::ChangePassword { name: name.into(), password: "$q".into() })),
        Just(Command::User(UserCommand::DeleteUser { name: "cid".into() })),
        (0_u64..6, any::<bool>())
            .prop_map(|(id, even_borrowed)| Command::Seat(SeatCommand::Release { id, even_borrowed })),
    ];
    let who = prop_oneof![1 => Just(Who::Admin), 4 => (0_usize..3).prop_map(Who::User)];
    let asked = (who, prop::option::weighted(0.3, 0_u8..4), command());
    let done = ending.prop_map(|command| (Who::Admin, None, command));
    let intents = vec(prop_oneof![9 => asked, 1 => done], 0..5);
    let clock = prop_oneof![8 => 0_i64..9_000, 2 => 0..1_000_000_i64, 1 => 0..90_000_000_i64];
    let step = (clock, intents, prop::bool::weighted(0.1));
    let steps = vec(step.prop_map(|(clock, intents, again)| Step { clock, intents, again }), 1..50);
    steps.prop_map(move |steps| std::iter::once(begin()).chain(steps).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_seats_keeps_what_was_promised_property(steps in history()) {
        check_history(&steps);
    }
}

/// The histories above are worth something only if they get everywhere.
#[test]
fn histories_of_seats_reach_every_fact() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut facts: BTreeSet<String> = BTreeSet::new();
    let mut refusals = BTreeSet::new();
    for _ in 0..1_500 {
        let steps = history().new_tree(&mut runner).expect("a history is made").current();
        let (world, _) = run(&steps);
        for stored in &world.journal {
            let Record { outcome, kind, .. } = Record::decode(&stored.bytes).expect("the journal holds records");
            match outcome {
                Outcome::Done(events) => {
                    for event in &events {
                        if let Event::Seat(event) = event {
                            facts.extend(words(event, kind));
                        }
                    }
                }
                Outcome::Refused(refusal) => {
                    refusals.insert(format!("{refusal:?}").split(' ').next().unwrap_or_default().to_owned());
                }
                Outcome::Repeated { .. } => {}
            }
        }
    }
    for fact in [
        "Taken",
        "Queued",
        "Kept",
        "Claimed",
        "Ended",
        "Borrowed",
        "Reserved",
        "RulesSet",
        "Returned",
        "LeaseEnded",
        "Released",
        "served",
    ] {
        assert!(facts.contains(fact), "no history reaches {fact}: {facts:?}");
    }
    for refusal in [
        "NoSuchSeatType",
        "SeatTypeExpired",
        "NoSeatLeft",
        "NoWorkersLeft",
        "SeatNotAllowed",
        "SeatsPerUser",
        "SeatsPerAddress",
        "NoSuchSeat",
        "SeatEnded",
        "NotYourSeat",
        "SeatNotGranted",
        "BorrowBeyondLimit",
        "SeatIsBorrowed",
        "ReservedBeyondCount",
    ] {
        assert!(refusals.contains(refusal), "no history is refused by {refusal}: {refusals:?}");
    }
}

/// Who holds what, as the journal alone tells it.
#[derive(Default)]
struct Told {
    /// By id: type, workers.
    held: BTreeMap<u64, (Name, u64)>,
    waiting: BTreeMap<u64, (Name, u8)>,
    /// Tokens that live, and whose they are.
    hashes: BTreeMap<[u8; 32], u64>,
    seen: BTreeSet<u64>,
}

/// S1 at every grant, S2, S3, S5, S7, order in line, and that what the journal tells is what the state holds.
pub(crate) fn check(world: &World) {
    let mut told = Told::default();
    let mut ledger = quartermaster::domain::apply::Ledger::new();
    for stored in &world.journal {
        let before = ledger.state.clone();
        let record = Record::decode(&stored.bytes).expect("the journal holds records");
        ledger.replay(stored.bytes.clone()).expect("a record that was applied is replayed");
        let Outcome::Done(events) = &record.outcome else { continue };
        for event in events {
            match event {
                Event::Seat(event) => told.hear(event, &ledger.state),
                Event::TokensEnded { .. } | Event::UserDeleted { .. } => {
                    told.held.retain(|id, _| ledger.state.seats.sessions.contains_key(id));
                    told.waiting.retain(|id, _| ledger.state.seats.places.contains_key(id));
                    told.hashes.retain(|_, id| ledger.state.seats.sessions.contains_key(id));
                }
                _other => {}
            }
        }
        let (now, held) = (&ledger.state.seats, &before.seats);
        for (product, tally) in &now.tallies {
            let (kind, was) = (now.types.get(product), held.tally(product));
            let (count, workers) = kind.map_or((0, 0), |kind| (kind.count, kind.workers));
            assert!(tally.held <= was.held.max(count), "S1: {product} in record {}", record.seq);
            assert!(tally.workers <= was.workers.max(workers), "S1: workers of {product} in record {}", record.seq);
        }
        told.counts(&ledger.state);
    }
    let seats = &world.ledger.state.seats;
    assert!(told.held.keys().eq(seats.sessions.keys()), "the journal tells who holds a seat");
    assert!(told.waiting.keys().eq(seats.places.keys()), "the journal tells who waits");
}

impl Told {
    /// S7: free seats and those that the journal tells of are all there are; workers likewise. Where licenses shrank below
    /// what is held, none is free.
    fn counts(&self, state: &quartermaster::domain::state::State) {
        for view in projection::seats::types(state) {
            let of_type = self.held.values().filter(|(product, _)| *product == view.kind.name);
            let (held, workers) = of_type.fold((0, 0), |sum, (_, workers)| (sum.0 + 1, sum.1 + workers));
            assert_eq!(view.free + held, view.kind.count.max(held), "S7: seats of {}", view.kind.name);
            assert_eq!(
                view.free_workers + workers,
                view.kind.workers.max(workers),
                "S7: workers of {}",
                view.kind.name
            );
        }
    }

    fn hear(&mut self, event: &SeatEvent, after: &quartermaster::domain::state::State) {
        match event {
            SeatEvent::Taken { session, hash } => {
                let from_line = self.waiting.remove(&session.id);
                assert_eq!(from_line.is_some(), !self.seen.insert(session.id), "an id is given once");
                if let Some((product, rank)) = from_line
                    && session.reservation.is_none()
                {
                    let passed = self
                        .waiting
                        .iter()
                        .any(|(id, (of, other))| *of == product && (*other, *id) < (rank, session.id));
                    assert!(!passed, "somebody in line was passed over for {}", session.id);
                }
                if let Some(kind) = after.seats.types.get(&session.product) {
                    assert!(session.workers > 0 || kind.workers == 0, "S2: a seat with workers has at least one");
                }
                if let Some(hash) = hash {
                    assert!(self.hashes.insert(*hash, session.id).is_none(), "S3: a token is issued once");
                }
                self.held.insert(session.id, (session.product.clone(), session.workers));
            }
            SeatEvent::Queued { place } => {
                assert!(self.seen.insert(place.id), "an id is given once");
                self.waiting.insert(place.id, (place.product.clone(), place.rank));
            }
            SeatEvent::Ended { ids, .. } => {
                for id in ids {
                    let once = self.held.remove(id).is_some() | self.waiting.remove(id).is_some();
                    assert!(once, "S5: {id} ends once");
                    self.hashes.retain(|_, of| of != id);
                }
            }
            SeatEvent::Claimed { id, hash, .. } => {
                self.hashes.retain(|_, of| of != id);
                assert!(self.hashes.insert(*hash, *id).is_none(), "S3: a token is issued once");
                assert!(self.held.contains_key(id));
            }
            SeatEvent::Kept { id, .. } => assert!(self.held.contains_key(id) || self.waiting.contains_key(id)),
            SeatEvent::Borrowed { id, .. } => assert!(self.held.contains_key(id)),
            SeatEvent::Reserved { .. } | SeatEvent::RulesSet { .. } => {}
        }
    }
}
