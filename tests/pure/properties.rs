//! Any history: two machines agree, a replay agrees, a checkpoint in the middle agrees, the invariants hold, nothing
//! panics, and each report counts once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use quartermaster::domain::apply::{Ledger, decode_batch};
use quartermaster::domain::checkpoint::{Loader, encode_chunks};
use quartermaster::domain::current::{ReplaceLicense, StartGrant};
use quartermaster::domain::event::Event;
use quartermaster::domain::intent::{Class, Command, IdempotencyKey};
use quartermaster::domain::license::{BuiltinGrant, Format, License, Term};
use quartermaster::domain::name::{Name, Set, sha256};
use quartermaster::domain::node::{CreateTicket, JoinNode, NodeAddress, NodeCommand, TicketCommand};
use quartermaster::domain::policy::{Choice, Policy};
use quartermaster::domain::pool::{CreatePool, EditPool, Members, Quota};
use quartermaster::domain::record::{Outcome, Record};
use quartermaster::domain::refusal::Refusal;
use quartermaster::domain::settings::ChangeSettings;
use quartermaster::domain::slave::{EditSlave, Fate, Level, Report, Row};
use quartermaster::domain::state::Heads;
use quartermaster::domain::term::IssueOrder;
use quartermaster::domain::time::{Day, Moment, NEVER};
use quartermaster::domain::user::{Right, TokenKind, UserCommand};
use quartermaster::projection;
use quartermaster::projection::usage::UsageHistory;

use crate::invariants;
use crate::world::{DAY_MS, World, init, issuer, license, system};

/// One step of a history.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// How the leader's clock moves, in milliseconds.
    pub clock: i64,
    pub intents: Vec<(Who, Option<u8>, Command)>,
    /// Whether the last intent is proposed again.
    pub again: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    System,
    Admin,
    User(usize),
    Stale,
}

pub(crate) const USERS: [&str; 3] = ["ann", "bob", "cid"];
const SLAVES: [&str; 5] = ["AA-1", "AA-9", "BB-2", "CC-3", "DD-4"];
const POOLS: [&str; 4] = ["auto_generated_pool_enterprise", "auto_generated_pool_free", "web", "db"];

fn name(of: &'static [&'static str]) -> impl Strategy<Value = Name> {
    prop::sample::select(of).prop_map(Name::from)
}

fn members() -> impl Strategy<Value = Members> {
    (any::<bool>(), vec(name(&SLAVES), 0..3))
        .prop_map(|(all, named)| Members { all, named: named.into_iter().collect() })
}

fn quota() -> impl Strategy<Value = Quota> {
    prop_oneof![Just(Quota::Max), (0_u64..150).prop_map(Quota::Bytes)]
}

fn a_license() -> impl Strategy<Value = License> {
    let stack = prop::sample::select(vec![
        ("Enterprise", "enterprise"),
        ("Enterprise", "fixed-sourcetype_1"),
        ("Free", "free"),
        ("Free", "enterprise"),
    ]);
    (0_u8..6, 0_u64..100, stack, -1_i64..3, 1_i64..6, any::<bool>()).prop_map(
        |(number, bytes, (group, stack), from, days, reset)| {
            let mut license = license(&format!("license {number}"), bytes);
            let base = i64::try_from(crate::world::START).expect("a small number");
            let day = i64::try_from(DAY_MS).expect("a small number");
            license.starts = Moment(u64::try_from(base + from * day).expect("after 1970"));
            license.expires = if days == 5 {
                NEVER
            } else {
                Moment(u64::try_from(base + (from + days) * day + 77).expect("after 1970"))
            };
            let Term::Meter(meter) = &mut license.terms[0] else { return license };
            meter.group = group.into();
            meter.stack = stack.into();
            meter.max_violations = 1;
            if reset {
                meter.features.insert("ResetWarnings".into());
                meter.sourcetypes = Set::unit("syslog".into());
            }
            license
        },
    )
}

fn a_replacement() -> impl Strategy<Value = ReplaceLicense> {
    let kinds = prop::sample::select(vec!["basic", "gold", "platinum", "enterprise", "trial"]);
    (0_u8..8, kinds, any::<bool>(), -3_i64..3, 0_u64..5, 0_u64..8, any::<bool>()).prop_map(
        |(number, kind, redis, day, issue, used, acknowledged)| {
            let format = if redis { Format::Redis } else { Format::Elastic };
            let base = i64::try_from(crate::world::START + 5 * DAY_MS).expect("a small number");
            let issued = u64::try_from(base + day * i64::try_from(DAY_MS).expect("small")).expect("after 1970");
            let mut license = crate::world::signed(format, &format!("signed {number}"), kind, issued);
            if issue > 0 && redis {
                license.terms.push(Term::Issue(IssueOrder { series: "".into(), number: issue }));
            }
            let in_use = vec![Level { name: "ram_shards".into(), value: used }];
            ReplaceLicense { license: Box::new(license), acknowledged, in_use }
        },
    )
}

fn a_report() -> impl Strategy<Value = Report> {
    let bytes = prop_oneof![30 => 0_u64..60, 1 => Just(u64::MAX), 1 => Just((1 << 53) + 1)];
    let sequence = prop_oneof![8 => (0_u64..90).prop_map(Some), 1 => Just(None), 1 => any::<u64>().prop_map(Some)];
    let time = prop_oneof![4 => Just(None), 3 => (-5_i64..2).prop_map(Some)];
    let rows = vec((bytes, 0_u8..3), 0..3);
    (name(&SLAVES), sequence, 0_u8..7, 0_u8..4, name(&POOLS), time, rows, any::<bool>()).prop_map(
        |(slave, sequence, epoch, id, pool, time, rows, level)| Report {
            slave,
            sequence,
            epoch: if epoch < 3 { "".into() } else { format!("e{epoch}").into() },
            report_id: if id == 0 { "".into() } else { format!("r{id}").into() },
            pool,
            time: time.map(|days| {
                let base = i64::try_from(crate::world::START + 4 * DAY_MS).expect("small");
                Moment(u64::try_from(base + days * i64::try_from(DAY_MS / 3).expect("small")).expect("after 1970"))
            }),
            rows: rows
                .into_iter()
                .map(|(bytes, kind)| Row { bytes, sourcetype: format!("s{kind}").into(), ..Row::default() })
                .collect(),
            levels: if level { vec![Level { name: "shards".into(), value: 3 }] } else { vec![] },
        },
    )
}

fn account() -> impl Strategy<Value = UserCommand> {
    let users = || name(&USERS);
    let roles = || {
        vec(prop::sample::select(vec!["admin", "viewer", "reporter", "mine"]), 0..3)
            .prop_map(|roles| roles.into_iter().map(Name::from).collect::<Set<Name>>())
    };
    let anyone = || prop_oneof![users(), Just(Name::from("admin"))];
    let teams = || prop::sample::select(vec!["team", "crew"]).prop_map(Name::from);
    let hash = || any::<u8>().prop_map(|byte| [byte; 32]);
    prop_oneof![
        (users(), roles(), prop::option::of(name(&SLAVES))).prop_map(|(name, roles, slave)| UserCommand::CreateUser {
            name,
            password: "$p".into(),
            roles,
            slave
        }),
        (anyone(), prop::option::of(roles()), prop::option::of(any::<bool>()))
            .prop_map(|(name, roles, disabled)| UserCommand::EditUser { name, roles, disabled, slave: None }),
        anyone().prop_map(|name| UserCommand::ChangePassword { name, password: "$q".into() }),
        anyone().prop_map(|name| UserCommand::DeleteUser { name }),
        vec(prop::sample::select(Right::ALL.to_vec()), 0..4)
            .prop_map(|rights| UserCommand::PutRole { name: "mine".into(), rights: rights.into_iter().collect() }),
        Just(UserCommand::DeleteRole { name: "mine".into() }),
        (teams(), roles(), vec(anyone(), 0..3)).prop_map(|(name, roles, members)| UserCommand::PutUserGroup {
            name,
            roles,
            members: members.into_iter().collect()
        }),
        (teams(), vec(anyone(), 0..2), vec(anyone(), 0..2)).prop_map(|(name, add, remove)| {
            let (add, remove) = (add.into_iter().collect(), remove.into_iter().collect());
            UserCommand::EditUserGroup { name, add, remove }
        }),
        teams().prop_map(|name| UserCommand::DeleteUserGroup { name }),
        (anyone(), hash(), 1_000_u64..DAY_MS).prop_map(|(user, hash, ttl_ms)| UserCommand::CreateToken {
            user,
            hash,
            kind: TokenKind::Session,
            label: "".into(),
            ttl_ms
        }),
        (0_u64..6).prop_map(|id| UserCommand::RevokeToken { id }),
        (users(), 1_u64..DAY_MS).prop_map(|(user, for_ms)| UserCommand::LockOut {
            user,
            address: "::1".into(),
            for_ms
        }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let pool = || name(&POOLS);
    let stack = prop::sample::select(vec!["Enterprise", "free", "fixed-sourcetype_1", "nothing"]).prop_map(Name::from);
    prop_oneof![
        12 => vec(a_report(), 1..6).prop_map(|reports| Command::ReportUsage { reports }),
        1 => (name(&SLAVES), 0_u64..40).prop_map(|(slave, from)| Command::ReportUsage {
            reports: (0..40).map(|step| crate::world::report(&slave, from + 2 * step, 1)).collect(),
        }),
        4 => a_license().prop_map(|license| Command::InstallLicense(Box::new(license))),
        2 => (0_u8..6).prop_map(|number| Command::RemoveLicense { license: sha256(&[format!("license {number}").as_bytes()]) }),
        1 => prop::sample::select(vec![BuiltinGrant::SplunkFree, BuiltinGrant::SplunkForwarder, BuiltinGrant::SplunkTrial]).prop_map(|grant| Command::GrantBuiltin { grant }),
        2 => prop::sample::select(vec!["Enterprise", "free", "TRIAL", "nothing"]).prop_map(|group| Command::ActivateGroup { group: group.into() }),
        3 => (pool(), stack, quota(), members()).prop_map(|(pool, stack, quota, members)| Command::CreatePool(CreatePool { pool, stack, quota, members, description: "".into() })),
        3 => (pool(), prop::option::of(quota()), prop::option::of(members()), any::<bool>()).prop_map(|(pool, quota, members, append)| Command::EditPool(EditPool { pool, quota, members, append, description: None })),
        2 => pool().prop_map(|pool| Command::DeletePool { pool }),
        1 => name(&SLAVES).prop_map(|slave| Command::ForgetSlave { slave }),
        1 => name(&SLAVES).prop_map(|slave| Command::EditSlave(EditSlave { slave, label: Some("mine".into()) })),
        6 => account().prop_map(Command::User),
        1 => (1_000_u64..DAY_MS).prop_map(|ttl_ms| Command::Ticket(TicketCommand::Create(CreateTicket { hash: [1; 32], ttl_ms }))),
        1 => (0_u64..4).prop_map(|node| Command::Ticket(TicketCommand::Revoke { node })),
        1 => (0_u64..4).prop_map(|node| Command::Node(NodeCommand::Join(JoinNode { node, hash: [1; 32], address: NodeAddress { name: "n".into(), peer: "p".into(), api: "a".into() } }))),
        1 => (0_u64..4).prop_map(|node| Command::Node(NodeCommand::Remove { node })),
        1 => Just(Command::DistrustKey { key: issuer().id }),
        2 => Just(Command::TrustKey(issuer())),
        1 => (0_u32..3).prop_map(|rules| Command::AdoptRules { rules }),
        1 => (1_u32..50).prop_map(|days| Command::ChangeSettings(ChangeSettings { retention_days: Some(days), squash_threshold: Some(1), ..ChangeSettings::default() })),
        1 => crate::seat_properties::license().prop_map(|license| Command::InstallLicense(Box::new(license))),
        1 => (0_u8..4).prop_map(|number| Command::RemoveLicense { license: sha256(&[format!("seats {number}").as_bytes()]) }),
        4 => crate::seat_properties::command(),
        1 => crate::works::any_license().prop_map(|license| Command::InstallLicense(Box::new(license))),
        2 => crate::works::any_work(),
        4 => a_replacement().prop_map(Command::ReplaceLicense),
        1 => a_replacement().prop_map(|wish| Command::InstallLicense(wish.license)),
        2 => (any::<bool>(), prop::sample::select(vec!["basic", "trial", "gold", "x"]), any::<bool>()).prop_map(|(basic, kind, acknowledged)| Command::StartGrant(StartGrant {
            grant: if basic { BuiltinGrant::ElasticBasic } else { BuiltinGrant::ElasticTrial },
            kind: kind.into(),
            acknowledged,
        })),
        1 => (0_u8..8, any::<bool>()).prop_map(|(number, series)| Command::RevokeLicense { license: sha256(&[format!("signed {number}").as_bytes()]), series }),
        1 => any::<bool>().prop_map(|refuse| Command::SetPolicy { policy: Policy::SignedBasic, choice: if refuse { Choice::Refuse } else { Choice::Accept } }),
        1 => Just(Command::Mark),
        1 => Just(init()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let day = i64::try_from(DAY_MS).expect("small");
    let clock = prop_oneof![5 => 0_i64..5_000, 3 => 0..day / 2, 1 => day..5 * day, 1 => -day..0];
    let who = prop_oneof![1 => Just(Who::System), 9 => Just(Who::Admin), 3 => (0_usize..3).prop_map(Who::User), 1 => Just(Who::Stale)];
    let intent = (who, prop::option::weighted(0.2, 0_u8..4), command());
    (clock, vec(intent, 0..5), prop::bool::weighted(0.2)).prop_map(|(clock, intents, again)| Step {
        clock,
        intents,
        again,
    })
}

pub(crate) fn run(steps: &[Step]) -> (World, Vec<u8>) {
    let mut world = World::empty();
    world.run(system(), init());
    world.run(world.admin(), Command::TrustKey(issuer()));
    let mut halfway = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        world.now = world.now.saturating_add_signed(step.clock);
        let mut intents = Vec::new();
        for (who, key, command) in &step.intents {
            let actor = match who {
                Who::System => system(),
                Who::Admin => world.admin(),
                Who::User(number) => world.user(USERS[*number]),
                Who::Stale => quartermaster::domain::user::Actor {
                    user: "admin".into(),
                    credential: quartermaster::domain::user::Credential::Password { version: 999 },
                },
            };
            let key = key.map(|key| IdempotencyKey {
                key: format!("k{key}").into(),
                body: sha256(&[format!("{command:?}").as_bytes()]),
            });
            intents.push(world.intent(actor, key, command.clone()));
        }
        if let Some(last) = intents.last().cloned().filter(|_| step.again) {
            intents.push(last);
        }
        world.batch(&intents);
        invariants::check(&world.ledger.state);
        if number == steps.len() / 2 {
            halfway = encode_chunks(&world.ledger.state)
                .flat_map(|chunk| [u32::try_from(chunk.len()).expect("small").to_le_bytes().to_vec(), chunk].concat())
                .collect();
        }
    }
    (world, halfway)
}

fn load(mut bytes: &[u8]) -> Ledger {
    let mut loader = Loader::default();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (chunk, rest) = rest.split_at(usize::try_from(u32::from_le_bytes(*length)).expect("small"));
        loader.take(chunk).expect("a chunk that was encoded is taken");
        bytes = rest;
    }
    Ledger { state: loader.finish().expect("all chunks are there") }
}

pub(crate) fn check_history(steps: &[Step]) {
    let (world, halfway) = run(steps);
    let digest = world.ledger.state_digest();

    let mut second = Ledger::new();
    let mut journal = Vec::new();
    for batch in &world.batches {
        let (stamp, intents) = decode_batch(batch).expect("it was decoded before");
        journal.extend(second.apply(&stamp, &intents).into_iter().map(|applied| applied.stored));
    }
    assert_eq!(journal, world.journal, "two machines write the same journal");
    assert_eq!(second.state_digest(), digest, "two machines have the same state");

    let mut replayed = Ledger::new();
    for stored in &world.journal {
        let again = replayed.replay(stored.bytes.clone()).expect("a record that was applied is replayed");
        assert_eq!(again.stored, *stored);
    }
    assert!(replayed.state == world.ledger.state, "a replay gives the same state");
    assert_eq!(replayed.state_digest(), digest);

    if !halfway.is_empty() {
        let mut resumed = load(&halfway);
        for stored in world.journal.iter().skip(usize::try_from(resumed.state.heads.seq).expect("small")) {
            resumed.replay(stored.bytes.clone()).expect("the journal goes on where the checkpoint ends");
        }
        assert!(resumed.state == world.ledger.state, "a checkpoint and what came after it give the same state");
    }
    chain(&world);
    counted_once(&world);
    crate::seat_properties::check(&world);
    for message in projection::messages::messages(&world.ledger.state) {
        assert_eq!(projection::messages::message(&world.ledger.state, &message.id), Some(message));
    }
    assert!(projection::slaves::slaves(&world.ledger.state, None).count() == world.ledger.state.slaves.len());
}

/// A1: gap-free from 1, each record carries the chain; no rule broke.
fn chain(world: &World) {
    let mut heads = Heads::default();
    let mut at = Moment(0);
    for (stored, seq) in world.journal.iter().zip(1..) {
        let record = Record::decode(&stored.bytes).expect("the journal holds records");
        assert_eq!((stored.seq, record.seq), (seq, seq));
        assert!(record.at >= at, "time never goes back");
        at = record.at;
        assert!(!matches!(record.outcome, Outcome::Refused(Refusal::RuleBroken { .. })), "{record:?}");
        heads = heads.after(stored.class, &stored.bytes);
        if let Outcome::Done(events) = &record.outcome
            && events.iter().any(|event| matches!(event, Event::DayClosed(_)))
        {
            assert_eq!(stored.class, Class::Audit);
            heads.bulk = [0; 32];
        }
        assert_eq!(heads.digest(), stored.digest, "record {seq}");
        let shown = projection::journal::view(&record).to_string();
        assert!(!shown.contains("$argon2id") && !shown.contains("text of"), "{shown}");
    }
}

/// U2: each sequence counts at most once, and what was counted is what the days hold.
fn counted_once(world: &World) {
    let mut keys = BTreeSet::new();
    let mut days: BTreeMap<Day, u64> = BTreeMap::new();
    let mut today = Day(0);
    let mut history = UsageHistory::default();
    for stored in &world.journal {
        let record = Record::decode(&stored.bytes).expect("the journal holds records");
        history.fold(&record);
        let Outcome::Done(events) = &record.outcome else { continue };
        for event in events {
            match event {
                Event::ClusterInitialized { calendar, .. } => today = calendar.today,
                Event::DayClosed(closed) => {
                    assert_eq!(closed.totals.bytes, days.get(&closed.day).copied().unwrap_or(0), "U3");
                    today = closed.calendar.today;
                }
                Event::SlaveForgotten { slave } => keys.retain(|(of, ..): &(Name, Name, u64)| of != slave),
                Event::ReportJudged(judged) => {
                    let day = match judged.fate {
                        Fate::Accepted => today,
                        Fate::Late(day) => day,
                        Fate::Duplicate | Fate::Refused(_) => continue,
                    };
                    assert_eq!(judged.rows.iter().map(|row| row.bytes).sum::<u64>(), judged.bytes);
                    *days.entry(day).or_default() += judged.bytes;
                    if let Some(sequence) = judged.sequence {
                        let fresh = keys.insert((judged.slave.clone(), judged.epoch.clone(), sequence));
                        assert!(fresh, "U2: {judged:?} counted twice");
                    }
                }
                _other => {}
            }
        }
    }
    let state = &world.ledger.state;
    assert_eq!(state.today.bytes, days.get(&state.calendar.today).copied().unwrap_or(0));
    for (day, totals) in &state.days {
        assert_eq!(totals.bytes, days.get(day).copied().unwrap_or(0), "U2 on {day}");
        let named: u64 = history.on(*day, projection::usage::Dimension::Sourcetype).values().sum();
        assert_eq!(totals.bytes, named, "the history by sourcetype adds up on {day}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_the_same_on_every_node_and_after_every_restart(steps in vec(step(), 1..60)) {
        check_history(&steps);
    }

    #[test]
    fn bytes_that_are_no_batch_are_an_error_and_never_a_panic(bytes in vec(any::<u8>(), 0..300), cut in 0_usize..200) {
        prop_assert!(bytes.first() == Some(&1) || decode_batch(&bytes).is_err());
        drop(decode_batch(&bytes));
        let world = World::new();
        let batch = &world.batches[1];
        let cut = cut.min(batch.len() - 1);
        drop(decode_batch(&batch[..cut]));
        prop_assert!(Ledger::new().replay(bytes::Bytes::from(bytes)).is_err());
    }
}

/// The histories above are worth something only if they get everywhere.
#[test]
fn histories_reach_every_fact_and_most_refusals() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut facts: BTreeMap<String, usize> = BTreeMap::new();
    let mut refusals = BTreeSet::new();
    for _ in 0..800 {
        let steps = vec(step(), 1..60).new_tree(&mut runner).expect("a history is made").current();
        let (world, _) = run(&steps);
        for stored in &world.journal {
            match Record::decode(&stored.bytes).expect("the journal holds records").outcome {
                Outcome::Done(events) => {
                    for event in events {
                        let name = match &event {
                            Event::ReportJudged(judged) => format!("{:?}", judged.fate),
                            other => format!("{other:?}"),
                        };
                        let word = name.split(['(', ' ']).next().unwrap_or_default().to_owned();
                        let word = if word == "Refused" { name } else { word };
                        *facts.entry(word).or_default() += 1;
                    }
                }
                Outcome::Refused(refusal) => {
                    refusals.insert(format!("{refusal:?}").split(' ').next().unwrap_or_default().to_owned());
                }
                Outcome::Repeated { .. } => *facts.entry("Repeated".to_owned()).or_default() += 1,
            }
        }
    }
    for fact in [
        "Accepted",
        "Duplicate",
        "Late",
        "Refused(TooOld)",
        "Refused(Overflow)",
        "Refused(TimeRequired)",
        "Refused(Unidentified)",
        "Refused(NotYourSlave)",
        "Refused(EpochClosed)",
        "GapClosed",
        "EpochClosed",
        "DayClosed",
        "LicenseStarted",
        "LicenseExpired",
        "WarningsReset",
        "GroupActivated",
        "PoolCreated",
        "PoolEdited",
        "PoolDeleted",
        "SlaveEdited",
        "SlaveForgotten",
        "TokensEnded",
        "LocksEnded",
        "TicketsEnded",
        "UserDeleted",
        "RoleDeleted",
        "KeyDistrusted",
        "NodeJoined",
        "NodeRemoved",
        "Repeated",
        "StateMarked",
        "UserGroupPut",
        "UserGroupMembers",
        "UserGroupDeleted",
    ] {
        assert!(facts.contains_key(fact), "no history reaches {fact}: {facts:?}");
    }
    assert!(refusals.len() > 30, "{refusals:?}");
}
