//! Bytes that were written once stay readable for ever: every event, records, intents and batches, a checkpoint.
//!
//! A file is a list of `name hex`. `UPDATE=1` adds what is missing to lists and never takes a line out; a new format
//! needs a new format number, and the old lines stay.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use quartermaster::codec;
use quartermaster::domain::apply::{decode_batch, encode_batch};
use quartermaster::domain::checkpoint::{Loader, encode_chunks};
use quartermaster::domain::event::{DayClosed, DayTotals, DayUse, Event, ReportJudged};
use quartermaster::domain::intent::{Command, CommandKind, IdempotencyKey, Intent, IntentId};
use quartermaster::domain::license::{Format, License, Term};
use quartermaster::domain::name::{Map, Name, Set, hex};
use quartermaster::domain::node::{NodeAddress, Ticket};
use quartermaster::domain::policy::{Choice, Policy};
use quartermaster::domain::pool::{Members, Quota};
use quartermaster::domain::record::{Outcome, RECORD_FORMAT, Record};
use quartermaster::domain::refusal::Refusal;
use quartermaster::domain::seat::event::{EndCause, SeatEvent};
use quartermaster::domain::seat::rules::{ChangeSeatRules, Principal, SeatRules};
use quartermaster::domain::seat::{Checkout, Need, Overask, Place, SeatCommand, Session};
use quartermaster::domain::settings::Settings;
use quartermaster::domain::slave::{Fate, Level, Range, ReportRefusal, Row};
use quartermaster::domain::slaves::Spot;
use quartermaster::domain::state::State;
use quartermaster::domain::term::{IssueOrder, LevelLimit};
use quartermaster::domain::time::{Day, Moment};
use quartermaster::domain::user::{Right, Token, TokenKind, User, UserCommand};
use quartermaster::domain::work::WorkEvent;

use crate::world::{DAY_MS, START, World, init, issuer, license, report, stamp, system};

/// Every event there is, once. `named` has no `_` arm: a new event stops the build until it is here.
#[expect(clippy::too_many_lines, reason = "one line for each event there is")]
fn events() -> Vec<Event> {
    let judged = |fate| ReportJudged {
        slave: "S1".into(),
        sequence: Some(7),
        epoch: "e".into(),
        report_id: "r".into(),
        fate,
        pool: Some(1),
        stack: "enterprise".into(),
        wish: "".into(),
        bytes: 5,
        disallowed: 1,
        rows: vec![Row {
            bytes: 5,
            sourcetype: "syslog".into(),
            host: "h".into(),
            source: "/x".into(),
            index: "main".into(),
        }],
        levels: vec![Level { name: "shards".into(), value: 3 }],
        spot: Spot::default(),
    };
    let calendar = stamp(START).calendar;
    let members = Members { all: true, named: Set::unit("S1".into()) };
    let address = NodeAddress { name: "n1".into(), peer: "h:1".into(), api: "http://h:2".into() };
    let used = DayUse { used_bytes: 5, quota_bytes: 4 };
    let totals = DayTotals {
        bytes: 5,
        unpooled_bytes: 0,
        reports: 1,
        pools: Map::unit(1, used),
        stacks: Map::unit("enterprise".into(), used),
    };
    let user = User {
        password: "$argon2id".into(),
        password_version: 2,
        roles: Set::unit("viewer".into()),
        disabled: false,
        slave: Some("S1".into()),
        created: Moment(1),
    };
    let token = Token {
        id: 1,
        version: 1,
        user: "ann".into(),
        hash: [3; 32],
        kind: TokenKind::Api,
        label: "ci".into(),
        created: Moment(1),
        expires: Moment(2),
    };
    let settings = Settings::new("Europe/Berlin".into());
    let id = [9; 32];
    vec![
        Event::ClusterInitialized {
            cluster_id: "c".into(),
            name: "test".into(),
            settings: settings.clone(),
            calendar,
            rules: 1,
        },
        Event::SettingsChanged { settings },
        Event::RulesAdopted { rules: 2 },
        Event::KeyTrusted { key: issuer() },
        Event::KeyDistrusted { key: issuer().id },
        Event::LicenseInstalled { license: Box::new(license("one", 100)) },
        Event::LicenseRemoved { license: id },
        Event::LicenseStarted { license: id },
        Event::LicenseExpired { license: id },
        Event::WarningsReset { stack: "enterprise".into(), through: Day(3) },
        Event::GroupActivated { group: "Free".into() },
        Event::PoolCreated {
            uid: 1,
            name: "p".into(),
            stack: "enterprise".into(),
            quota: Quota::Max,
            members: members.clone(),
            description: "d".into(),
            fixed: false,
        },
        Event::PoolEdited { name: "p".into(), quota: Quota::Bytes(300), members, description: "d".into() },
        Event::PoolDeleted { name: "p".into() },
        Event::ReportJudged(judged(Fate::Accepted)),
        Event::ReportJudged(judged(Fate::Duplicate)),
        Event::ReportJudged(judged(Fate::Late(Day(3)))),
        Event::ReportJudged(judged(Fate::Refused(ReportRefusal::TooOld))),
        Event::ReportJudged(judged(Fate::Refused(ReportRefusal::Malformed))),
        Event::DayClosed(Box::new(DayClosed { day: Day(3), totals, bulk_head: [5; 32], calendar })),
        Event::SlaveEdited { slave: "S1".into(), label: "web".into() },
        Event::SlaveForgotten { slave: "S1".into() },
        Event::UserPut { name: "ann".into(), user },
        Event::UserDeleted { name: "ann".into() },
        Event::RolePut { name: "r".into(), rights: Right::ALL.into_iter().collect(), builtin: true },
        Event::RoleDeleted { name: "r".into() },
        Event::TokenPut { token },
        Event::TokensEnded { ids: vec![1, 300] },
        Event::LockedOut { user: "ann".into(), address: "::1".into(), until: Moment(5) },
        Event::LocksEnded { locks: vec![("ann".into(), "::1".into())] },
        Event::TicketCreated { ticket: Ticket { node: 2, hash: [4; 32], expires: Moment(9) } },
        Event::TicketsEnded { nodes: vec![2] },
        Event::NodeJoined { node: 2, address },
        Event::NodeRemoved { node: 2 },
        Event::StateMarked,
        Event::GapClosed { slave: "S1".into(), epoch: "e".into(), range: Range { first: 1, last: 4 } },
        Event::EpochClosed { slave: "S1".into(), epoch: "e".into() },
        Event::CalendarChanged { calendar },
        Event::UserGroupPut { name: "team".into(), roles: Set::unit("viewer".into()) },
        Event::UserGroupMembers { name: "team".into(), joined: vec!["ann".into()], left: vec!["bob".into()] },
        Event::UserGroupDeleted { name: "team".into() },
        Event::PolicySet { policy: Policy::WorkersBeyondFree, choice: Choice::Clamp },
        Event::LicenseRevoked { license: id, series: None },
        Event::LicenseRevoked { license: id, series: Some((Format::Nuix, "i".into())) },
        Event::LicenseInstalled { license: Box::new(of_every_term()) },
    ]
    .into_iter()
    .chain(seat_events())
    .chain(crate::works::events())
    .collect()
}

/// Every fact about seats, and a license that grants some.
fn seat_events() -> Vec<Event> {
    let (product, until) = (Name::from("review"), Moment(9));
    let kept = Some(Principal::Group("lab".into()));
    let session = Session {
        id: 7,
        product: product.clone(),
        user: "ann".into(),
        address: "::1".into(),
        client: "job 4".into(),
        workers: 2,
        reservation: kept,
        since: Moment(3),
        waited_ms: 2,
        beat: Moment(4),
        ends: until,
        borrowed: true,
        token: Some(5),
    };
    let place = Place {
        id: 8,
        product: product.clone(),
        user: "bob".into(),
        address: "::1".into(),
        client: "".into(),
        need: Need { least: 1, most: 3 },
        rank: 255,
        principals: vec![Principal::User("bob".into())],
        since: Moment(3),
        ends: until,
    };
    let rules = SeatRules {
        allow: Some(Set::unit(Principal::User("ann".into()))),
        per_user: Some(2),
        priorities: Map::unit(Principal::Group("lab".into()), 9),
        ..SeatRules::default()
    };
    let causes = [
        EndCause::Returned,
        EndCause::LeaseEnded,
        EndCause::Released,
        EndCause::CredentialEnded,
        EndCause::HolderGone,
        EndCause::Hopeless,
    ];
    let ended = causes.map(|cause| SeatEvent::Ended { ids: vec![7, 300], cause });
    let principal = Principal::User("ann".into());
    let events = [
        SeatEvent::Taken { session: Box::new(session), hash: Some([3; 32]) },
        SeatEvent::Queued { place: Box::new(place) },
        SeatEvent::Kept { id: 7, until },
        SeatEvent::Claimed { id: 7, token: 5, version: 2, hash: [4; 32], until },
        SeatEvent::Borrowed { id: 7, until },
        SeatEvent::Reserved { product: product.clone(), principal, seats: 3 },
        SeatEvent::RulesSet { product, rules: Box::new(rules) },
    ];
    let license = Event::LicenseInstalled { license: Box::new(crate::world::seats("seats", "review", 10, 6)) };
    let token = Token {
        id: 5,
        version: 1,
        user: "ann".into(),
        hash: [3; 32],
        kind: TokenKind::Seat,
        label: "review".into(),
        created: Moment(1),
        expires: Moment(2),
    };
    let put = Event::TokenPut { token };
    [license, put].into_iter().chain(events.into_iter().chain(ended).map(Event::Seat)).collect()
}

/// A license with one of each term that is no meter, and of the last format and grant.
fn of_every_term() -> License {
    let mut license = License { kind: "enterprise".into(), ..license("every term", 100) };
    let limits = [Some(7), None].map(|limit| Term::Level(LevelLimit { level: "nodes".into(), limit }));
    license.terms.extend(limits);
    license.terms.push(Term::Features(Set::unit("bigstore".into())));
    license.terms.push(Term::Cluster("test".into()));
    license.terms.push(Term::Issue(IssueOrder { series: "s".into(), number: 3 }));
    license
}

/// How many variants [`named`] names.
const EVENTS: usize = 52;

fn named(event: &Event) -> &'static str {
    match event {
        Event::ClusterInitialized { .. } => "ClusterInitialized",
        Event::SettingsChanged { .. } => "SettingsChanged",
        Event::RulesAdopted { .. } => "RulesAdopted",
        Event::KeyTrusted { .. } => "KeyTrusted",
        Event::KeyDistrusted { .. } => "KeyDistrusted",
        Event::LicenseInstalled { .. } => "LicenseInstalled",
        Event::LicenseRemoved { .. } => "LicenseRemoved",
        Event::LicenseStarted { .. } => "LicenseStarted",
        Event::LicenseExpired { .. } => "LicenseExpired",
        Event::WarningsReset { .. } => "WarningsReset",
        Event::GroupActivated { .. } => "GroupActivated",
        Event::PoolCreated { .. } => "PoolCreated",
        Event::PoolEdited { .. } => "PoolEdited",
        Event::PoolDeleted { .. } => "PoolDeleted",
        Event::ReportJudged(_) => "ReportJudged",
        Event::DayClosed(_) => "DayClosed",
        Event::SlaveEdited { .. } => "SlaveEdited",
        Event::SlaveForgotten { .. } => "SlaveForgotten",
        Event::UserPut { .. } => "UserPut",
        Event::UserDeleted { .. } => "UserDeleted",
        Event::RolePut { .. } => "RolePut",
        Event::RoleDeleted { .. } => "RoleDeleted",
        Event::TokenPut { .. } => "TokenPut",
        Event::TokensEnded { .. } => "TokensEnded",
        Event::LockedOut { .. } => "LockedOut",
        Event::LocksEnded { .. } => "LocksEnded",
        Event::TicketCreated { .. } => "TicketCreated",
        Event::TicketsEnded { .. } => "TicketsEnded",
        Event::NodeJoined { .. } => "NodeJoined",
        Event::NodeRemoved { .. } => "NodeRemoved",
        Event::StateMarked => "StateMarked",
        Event::GapClosed { .. } => "GapClosed",
        Event::EpochClosed { .. } => "EpochClosed",
        Event::CalendarChanged { .. } => "CalendarChanged",
        Event::Seat(SeatEvent::Taken { .. }) => "SeatTaken",
        Event::Seat(SeatEvent::Queued { .. }) => "SeatQueued",
        Event::Seat(SeatEvent::Kept { .. }) => "SeatKept",
        Event::Seat(SeatEvent::Claimed { .. }) => "SeatClaimed",
        Event::Seat(SeatEvent::Ended { .. }) => "SeatsEnded",
        Event::Seat(SeatEvent::Borrowed { .. }) => "SeatBorrowed",
        Event::Seat(SeatEvent::Reserved { .. }) => "SeatsReserved",
        Event::Seat(SeatEvent::RulesSet { .. }) => "SeatRulesSet",
        Event::UserGroupPut { .. } => "UserGroupPut",
        Event::UserGroupMembers { .. } => "UserGroupMembers",
        Event::UserGroupDeleted { .. } => "UserGroupDeleted",
        Event::Work(WorkEvent::Asked { .. }) => "WorkAsked",
        Event::Work(WorkEvent::Begun { .. }) => "WorkBegun",
        Event::Work(WorkEvent::Ended { .. }) => "WorkEnded",
        Event::Work(WorkEvent::Forgotten { .. }) => "WorkForgotten",
        Event::Work(WorkEvent::Closing { .. }) => "SessionClosing",
        Event::PolicySet { .. } => "PolicySet",
        Event::LicenseRevoked { .. } => "LicenseRevoked",
    }
}

/// One of each outcome, and the first and the last refusal of the list: a variant put in between is seen.
fn records() -> Vec<(&'static str, Record)> {
    let refused = [
        Refusal::RuleBroken { what: "x".into() },
        Refusal::QuotaBeyondStack { asked_bytes: 71, free_bytes: 70 },
        Refusal::NodeWasRemoved { node: 2 },
        Refusal::SlaveReportedToday { slave: "S1".into() },
        Refusal::NoSuchSeatType { product: "review".into() },
        Refusal::ReservedBeyondCount { product: "review".into(), asked: 3, free: 2, count: 9 },
        Refusal::RoleInGroup { role: "viewer".into(), group: "team".into() },
        Refusal::NoAccountSeat { taken: 3, seats: 2 },
        Refusal::AuditThreshold { product: "review".into(), read: 1, asked: 2, threshold: 2 },
        Refusal::SignedBasicRefused,
        Refusal::NoSuchChoice { policy: Policy::SignedBasic, choice: Choice::Clamp },
    ];
    let outcomes = [Outcome::Done(vec![Event::StateMarked]), Outcome::Repeated { seq: 3 }];
    let outcomes = outcomes.into_iter().chain(refused.map(Outcome::Refused));
    let record = |outcome| Record {
        seq: 17,
        at: Moment(START),
        actor: system(),
        intent: IntentId { node: 1, run: 2, number: 3 },
        key: Some(IdempotencyKey { key: "k".into(), body: [6; 32] }),
        kind: CommandKind::ExpireLicense,
        outcome,
    };
    outcomes.map(|outcome| ("Record", record(outcome))).collect()
}

/// A batch as the leader writes it.
fn batch() -> Bytes {
    let commands = [init(), Command::ReportUsage { reports: vec![report("s1", 1, 5)] }, Command::Mark];
    let intents = commands.into_iter().zip(0..).map(|(command, number)| {
        Intent { id: IntentId { node: 1, run: 2, number }, actor: system(), key: None, command }.encode()
    });
    encode_batch(&stamp(START), &intents.collect::<Vec<_>>())
}

fn list(file: &str) -> (PathBuf, Vec<(String, Vec<u8>)>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let line = |line: &str| {
        let (name, hex) = line.split_once(' ').expect("a line is a name and its bytes");
        let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).expect("hexadecimal");
        (name.to_owned(), (0..hex.len()).step_by(2).map(byte).collect())
    };
    let lines = text.lines().map(line).collect();
    (path, lines)
}

/// Gives the lines of a list, after making sure that it holds what is written today.
fn kept(file: &str, today: &[(&str, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let (path, mut lines) = list(file);
    for (name, bytes) in today {
        if lines.iter().any(|(known, old)| known == name && old == bytes) {
            continue;
        }
        assert!(std::env::var_os("UPDATE").is_some(), "{file} has no such {name}: {}", hex(bytes));
        lines.push(((*name).to_owned(), bytes.clone()));
    }
    if std::env::var_os("UPDATE").is_some() {
        let text = lines.iter().fold(String::new(), |mut text, (name, bytes)| {
            writeln!(text, "{name} {}", hex(bytes)).expect("writing to a string cannot fail");
            text
        });
        fs::write(path, text).expect("a golden file is written");
    }
    lines
}

#[test]
fn every_event_that_was_ever_written_is_read_and_written_again_alike() {
    let events = events();
    let names: BTreeSet<&str> = events.iter().map(named).collect();
    assert_eq!(names.len(), EVENTS, "every event has its line");
    let today: Vec<_> = events.iter().map(|event| (named(event), codec::encode(RECORD_FORMAT, event))).collect();
    for (name, bytes) in kept("events", &today) {
        let event: Event = codec::decode(RECORD_FORMAT, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(named(&event), name);
        assert_eq!(codec::encode(RECORD_FORMAT, &event), bytes, "{name}");
    }
}

#[test]
fn every_record_and_batch_that_was_ever_written_is_read_and_written_again_alike() {
    let records = records();
    let today: Vec<_> = records.iter().map(|(name, record)| (*name, record.encode().to_vec())).collect();
    for (name, bytes) in kept("records", &today) {
        let record = Record::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(record.encode(), bytes);
    }
    for (name, bytes) in kept("batches", &[("Batch", batch().to_vec())]) {
        let (stamp, intents) = decode_batch(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let intents: Vec<Bytes> = intents.iter().map(Intent::encode).collect();
        assert_eq!(encode_batch(&stamp, &intents), bytes);
    }
}

/// A state with something in every corner.
fn state() -> World {
    let mut world = World::licensed(100);
    let token = UserCommand::CreateToken {
        user: "admin".into(),
        hash: [8; 32],
        kind: TokenKind::Session,
        label: "".into(),
        ttl_ms: DAY_MS,
    };
    let key = IdempotencyKey { key: "k".into(), body: [1; 32] };
    world.run_keyed(world.admin(), Some(key), Command::User(token));
    world.run(world.admin(), Command::ReportUsage { reports: vec![report("s1", 9, 200), report("s2", 1, 5)] });
    world.now += DAY_MS;
    let mut by_id = report("s3", 0, 7);
    by_id.sequence = None;
    by_id.report_id = Name::from("r");
    by_id.time = Some(Moment(world.now));
    by_id.levels = vec![Level { name: "shards".into(), value: 3 }];
    world.run(world.admin(), Command::ReportUsage { reports: vec![by_id, report("s1", 10, 1)] });
    seats(&mut world);
    group(&mut world);
    crate::works::some(&mut world);
    world
}

/// Seats held, borrowed, reserved and waited for.
fn seats(world: &mut World) {
    let license = crate::world::seats("seats", "review", 2, 4);
    world.run(world.admin(), Command::InstallLicense(Box::new(license)));
    let changes = ChangeSeatRules { borrow_seats: Some(1), per_user: Some(Some(9)), ..ChangeSeatRules::default() };
    let rules = SeatCommand::SetRules { product: "review".into(), changes: Box::new(changes) };
    let reserve =
        SeatCommand::Reserve { product: "review".into(), principal: Principal::User("admin".into()), seats: 1 };
    let take = |byte: u8| {
        SeatCommand::Checkout(Checkout {
            product: None,
            workers: Some(2),
            over: Overask::Refuse,
            hash: Some([byte; 32]),
            queue: true,
            address: "::1".into(),
            client: "golden".into(),
        })
    };
    let borrow = SeatCommand::Borrow { id: 1, for_ms: DAY_MS };
    for command in [rules, reserve, take(21), take(22), take(23), borrow] {
        let outcome = world.run(world.admin(), Command::Seat(command));
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
}

/// A user group with a member.
fn group(world: &mut World) {
    let (roles, members) = (Set::unit("viewer".into()), Set::unit("admin".into()));
    let command = UserCommand::PutUserGroup { name: "team".into(), roles, members };
    world.run(world.admin(), Command::User(command));
}

/// The checkpoints that were ever written, oldest first: `checkpoint-1`, `checkpoint-2`, …
fn checkpoints() -> Vec<Vec<Vec<u8>>> {
    let file = |number: usize| list(&format!("checkpoint-{number}")).1;
    let chunks = |file: Vec<(String, Vec<u8>)>| file.into_iter().map(|(_, bytes)| bytes).collect();
    (1..).map(file).take_while(|lines| !lines.is_empty()).map(chunks).collect()
}

fn loaded(chunks: &[Vec<u8>]) -> State {
    let mut loader = Loader::default();
    chunks.iter().for_each(|chunk| loader.take(chunk).unwrap_or_else(|error| panic!("{error}")));
    loader.finish().expect("the checkpoint is whole")
}

#[test]
fn every_checkpoint_that_was_ever_written_is_loaded_and_written_again_alike() {
    let state = state().ledger.state;
    let today: Vec<Vec<u8>> = encode_chunks(&state).collect();
    let mut known = checkpoints();
    if known.last() != Some(&today) {
        let name = format!("checkpoint-{}", known.len() + 1);
        assert!(std::env::var_os("UPDATE").is_some(), "there is no {name}, and today's is another than the last one");
        kept(&name, &today.iter().map(|chunk| ("Chunk", chunk.clone())).collect::<Vec<_>>());
        known.push(today);
    }
    for chunks in &known {
        assert_eq!(encode_chunks(&loaded(chunks)).collect::<Vec<_>>(), *chunks);
    }
    let last = loaded(known.last().expect("there are checkpoints"));
    assert!(last == state, "the checkpoint is of the state that it was written from");
}
