//! The words of the golden scripts about work on seats and about licenses for accounts, and any such commands.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::ArgumentConsumer;
use proptest::prelude::*;
use quartermaster::domain::account_license::{AccountGrant, installed, notices, seats, takes_seat};
use quartermaster::domain::event::Event;
use quartermaster::domain::intent::Command;
use quartermaster::domain::license::{License, Term};
use quartermaster::domain::name::{Map, Name};
use quartermaster::domain::record::Outcome;
use quartermaster::domain::state::State;
use quartermaster::domain::time::Moment;
use quartermaster::domain::work::limits::SeatLimits;
use quartermaster::domain::work::{Ask, Kind, Stage, Work, WorkCommand, WorkEvent};

use crate::script::span;
use crate::world::{DAY_MS, START, World};

type Failure = Box<dyn Error>;

/// A command about work or accounts; `None` when the word is about something else.
pub(crate) fn command(now: u64, word: &str, args: &mut ArgumentConsumer<'_>) -> Result<Option<Command>, Failure> {
    let mut next = || args.next_pos().map(Name::from).ok_or("which?");
    let command = match word {
        "work" => {
            let (session, run) = (next()?, next()?);
            let key = args.next_pos().ok_or("which key?")?.into();
            let kind = if args.take_key("kind") == Some("hold") { Kind::LegalHold } else { Kind::Processing };
            let bytes = args.take_key("bytes").map_or(Ok(0), str::parse)?;
            let (session, run_ms) = (session.parse()?, span(&run)?);
            WorkCommand::Ask(Box::new(Ask { session, key, kind, label: "".into(), bytes, run_ms }))
        }
        "stop" => WorkCommand::Cancel { key: next()? },
        "close" => {
            let session = next()?.parse()?;
            WorkCommand::Close { session, ignore_done: args.take_key("done") != Some("holds") }
        }
        "accounts" => return accounts(now, args).map(Some),
        "limits" => {
            let (name, product) = (next()?, next()?);
            let users = args.take_key("users").map(str::parse).transpose()?;
            let holds = args.take_key("holds").map(str::parse).transpose()?;
            let mut license = crate::world::license(&name, 0);
            license.terms = vec![Term::SeatLimits(SeatLimits { product, users, holds })];
            return Ok(Some(Command::InstallLicense(Box::new(license))));
        }
        _other => return Ok(None),
    };
    Ok(Some(Command::Work(command)))
}

/// `accounts LICENSE SEATS`: a license for people.
fn accounts(now: u64, args: &mut ArgumentConsumer<'_>) -> Result<Command, Failure> {
    let name = args.next_pos().ok_or("which?")?;
    let mut license = people(name, args.next_pos().ok_or("how many?")?.parse()?);
    if let Some(expires) = args.take_key("expires") {
        license.expires = Moment(now + span(expires)?);
    }
    for term in &mut license.terms {
        if let Term::Accounts(grant) = term {
            grant.soft_seats = args.take_key("soft").map_or(Ok(0), str::parse)?;
            grant.hard_expiration = args.take_key("hard") == Some("true");
            grant.hard_delete = args.take_key("gone") == Some("true");
        }
    }
    Ok(Command::InstallLicense(Box::new(license)))
}

/// A perpetual license for so many people.
pub(crate) fn people(name: &str, seats: u64) -> License {
    let grant = AccountGrant {
        seats,
        soft_seats: 0,
        features: Map::unit("FPE".into(), true),
        handlers: Map::new(),
        hard_expiration: false,
        hard_delete: false,
        notice: format!("notice of {name}").into(),
        notice_on_expire: format!("{name} has ended").into(),
    };
    License { terms: vec![Term::Accounts(grant)], ..crate::world::license(name, 0) }
}

/// A fact in few words.
pub(crate) fn fact(event: &WorkEvent) -> String {
    match event {
        WorkEvent::Asked { work } => format!("Asked {} on {}: {:?}", work.key, work.session, work.stage),
        WorkEvent::Begun { id, .. } => format!("Begun {id}"),
        WorkEvent::Ended { id, cancelled } => format!("Ended {id}{}", if *cancelled { ", cancelled" } else { "" }),
        WorkEvent::Forgotten { ids } => format!("Forgotten {ids:?}"),
        WorkEvent::Closing { session, .. } => format!("Closing {session}"),
    }
}

/// What a script may look at.
pub(crate) fn shown(state: &State, what: &str) -> Result<Option<String>, Failure> {
    let mut out = String::new();
    match what {
        "work" => {
            for work in state.works.works.values() {
                writeln!(out, "{} {} on {}: {:?}", work.id, work.key, work.session, work.stage)?;
            }
            for session in state.works.closing.keys() {
                writeln!(out, "{session} is closing")?;
            }
        }
        "accounts" => {
            for (remembered, license, _) in installed(state) {
                writeln!(out, "{} {}: {:?}", remembered.number, license.label, license.standing(state, state.now))?;
            }
            writeln!(out, "{} taken of {:?}, told {:?}", state.account_seats_taken, seats(state), notices(state))?;
        }
        _other => return Ok(None),
    }
    Ok(Some(out))
}

/// Every fact about work, and licenses for accounts and of limits.
pub(crate) fn events() -> Vec<Event> {
    let work = Work {
        id: 3,
        key: "k".into(),
        session: 7,
        user: "ann".into(),
        product: "review".into(),
        kind: Kind::LegalHold,
        label: "hold".into(),
        bytes: 5,
        run_ms: 60,
        asked: Moment(1),
        begun: Some(Moment(2)),
        ends: Some(Moment(62)),
        stage: Stage::Running,
    };
    let limits = SeatLimits { product: "review".into(), users: Some(4), holds: None };
    let limited = License { terms: vec![Term::SeatLimits(limits)], ..crate::world::license("limits", 0) };
    let installed = [people("people", 20), limited];
    let installed = installed.map(|license| Event::LicenseInstalled { license: Box::new(license) });
    let events = [
        WorkEvent::Asked { work: Box::new(work) },
        WorkEvent::Begun { id: 3, ends: Moment(62) },
        WorkEvent::Ended { id: 3, cancelled: true },
        WorkEvent::Forgotten { ids: vec![3, 4] },
        WorkEvent::Closing { session: 7, ignore_done: true },
    ];
    installed.into_iter().chain(events.map(Event::Work)).collect()
}

/// Work that runs, waits and has ended on a seat, and a license for accounts.
pub(crate) fn some(world: &mut World) {
    world.run(world.admin(), Command::InstallLicense(Box::new(people("people", 20))));
    let ask = |key: &str, run_ms| {
        let (key, label) = (Name::from(key), Name::default());
        WorkCommand::Ask(Box::new(Ask { session: 2, key, kind: Kind::Processing, label, bytes: 1, run_ms }))
    };
    let close = WorkCommand::Close { session: 2, ignore_done: true };
    for command in [ask("a", 5), ask("b", DAY_MS), ask("c", DAY_MS), close] {
        let outcome = world.run(world.admin(), Command::Work(command));
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
    world.now += 5;
    world.pass();
}

/// Any command about work.
pub(crate) fn any_work() -> impl Strategy<Value = Command> {
    let key = || prop::sample::select(vec!["k1", "k2", "k3", "k4"]).prop_map(Name::from);
    let kind = prop_oneof![3 => Just(Kind::Processing), 1 => Just(Kind::LegalHold)];
    prop_oneof![
        6 => (1_u64..12, key(), kind, 0_u64..100, 1_u64..DAY_MS).prop_map(|(session, key, kind, bytes, run_ms)| {
            WorkCommand::Ask(Box::new(Ask { session, key, kind, label: "".into(), bytes, run_ms }))
        }),
        2 => key().prop_map(|key| WorkCommand::Cancel { key }),
        2 => (1_u64..12, any::<bool>()).prop_map(|(session, ignore_done)| WorkCommand::Close { session, ignore_done }),
    ]
    .prop_map(Command::Work)
}

/// Any license for accounts, or of limits.
pub(crate) fn any_license() -> impl Strategy<Value = License> {
    let accounts =
        (0_u8..3, 0_u64..4, any::<bool>(), any::<bool>(), 0_u64..4).prop_map(|(number, seats, hard, gone, days)| {
            let mut license = people(&format!("people {number}"), seats);
            for term in &mut license.terms {
                if let Term::Accounts(grant) = term {
                    (grant.hard_expiration, grant.hard_delete) = (hard, gone);
                }
            }
            if days < 3 {
                license.expires = Moment(START + days * DAY_MS + 77);
            }
            license
        });
    let limits = (1_u64..3, 0_u64..2).prop_map(|(users, holds)| {
        let limits = SeatLimits { product: "review".into(), users: Some(users), holds: Some(holds) };
        License { terms: vec![Term::SeatLimits(limits)], ..crate::world::license("limits", 0) }
    });
    prop_oneof![accounts, limits]
}

/// What is always true of work and of licenses for accounts, whatever happened.
pub(crate) fn check(state: &State) {
    let works = &*state.works;
    for work in works.works.values() {
        assert!(state.seats.sessions.contains_key(&work.session), "no work without its session");
        assert_eq!(works.by_key(&work.key).map(|found| found.id), Some(work.id));
        assert!(works.by_session.contains(&(work.session, work.id)));
    }
    assert_eq!((works.keys.len(), works.by_session.len()), (works.works.len(), works.works.len()));
    for (session, ignore_done) in &works.closing {
        let mut left = works.of_session(*session).filter(|work| work.is_open() || !ignore_done);
        assert!(left.next().is_some(), "a session that is closing waits for something");
    }
    for session in state.seats.sessions.values() {
        let running = works.running(session.id) as u64;
        assert!(running <= session.workers.max(1), "no more runs than there are workers");
        let waits = works.open_of(session.id).count() as u64 > running;
        assert!(!waits || running == session.workers.max(1), "nothing waits while a worker is free");
    }
    let taken = state.users.iter().filter(|(name, user)| takes_seat(state, name, user)).count();
    assert_eq!(state.account_seats_taken, taken as u64, "accounts are counted as they change");
    let numbers: Vec<u64> = state.account_licenses.values().map(|remembered| remembered.number).collect();
    let distinct: std::collections::BTreeSet<&u64> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len(), "a number is one license's for ever");
    for (number, id) in &state.account_license_numbers {
        assert!(state.licenses.contains_key(id), "license {number} is installed");
    }
}
