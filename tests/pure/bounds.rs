//! Nothing in apply grows with the number of slaves, and what is overdue is handled in bounded steps.

use std::time::{Duration, Instant};

use quartermaster::domain::apply::Ledger;
use quartermaster::domain::checkpoint::{Loader, encode_chunks};
use quartermaster::domain::event::Event;
use quartermaster::domain::intent::Command;
use quartermaster::domain::license::{Format, LICENSES, License, Term};
use quartermaster::domain::name::Set;
use quartermaster::domain::pool::{CreatePool, Members, Quota};
use quartermaster::domain::record::Outcome;
use quartermaster::domain::refusal::Refusal;
use quartermaster::domain::term::IssueOrder;
use quartermaster::domain::user::{Actor, Credential, TokenKind, UserCommand};

use crate::world::{DAY_MS, START, World, license, report, signed, stamp};

/// A world of `slaves` slaves that all reported today, and `pools` sized pools beside the automatic one, all over.
fn crowd(slaves: u64, pools: u64) -> World {
    let mut world = World::licensed(pools);
    for number in 0..pools {
        let slave = format!("S-{number:07}");
        let members = Members { all: false, named: Set::unit(slave.into()) };
        let pool = format!("pool {number:05}").into();
        let create =
            CreatePool { pool, stack: "enterprise".into(), quota: Quota::Bytes(1), members, description: "".into() };
        world.run(world.admin(), Command::CreatePool(create));
    }
    let numbers: Vec<u64> = (0..slaves).collect();
    for some in numbers.chunks(1_000) {
        let reports = some.iter().map(|number| report(&format!("S-{number:07}"), 1, 100)).collect();
        world.run(world.admin(), Command::ReportUsage { reports });
    }
    world.journal.clear();
    world.batches.clear();
    world
}

/// The shortest of a few tries of one batch, from the same frozen ledger.
fn time_of(ledger: &Ledger, at: u64) -> Duration {
    let once = || {
        let mut ledger = ledger.clone();
        let begun = Instant::now();
        let applied = ledger.apply(&stamp(at), &[]);
        let took = begun.elapsed();
        assert!(applied.iter().any(|applied| matches!(&applied.record.outcome, Outcome::Done(events)
            if events.iter().any(|event| matches!(event, Event::DayClosed(_))))));
        took
    };
    (0..7).map(|_| once()).min().expect("seven tries")
}

#[test]
fn closing_a_day_costs_the_same_with_a_hundred_times_the_slaves() {
    let few = crowd(1_000, 200);
    let many = crowd(100_000, 200);
    let midnight = few.now + DAY_MS;
    let (few, many) = (time_of(&few.ledger, midnight), time_of(&many.ledger, midnight));
    assert!(many < few * 10, "with 100 times the slaves it took {many:?} instead of {few:?}");
}

#[test]
fn a_closed_day_warns_every_pool_that_was_over_and_its_slaves() {
    let mut world = crowd(2_000, 20);
    world.now += DAY_MS;
    world.pass();
    let state = &world.ledger.state;
    let over = state.pool_pasts.values().filter(|past| past.over.len() == 1).count();
    assert_eq!(over, 21);
    let slave = quartermaster::projection::slaves::slave(state, "S-0001999").expect("it reported");
    assert_eq!(slave.warnings.len(), 1);
    assert_eq!(slave.used_bytes, 0);
}

/// A world with `tokens` tokens that all end at the same moment.
fn tokens(tokens: u32) -> World {
    let mut world = World::new();
    let users = tokens.div_ceil(1_000);
    for user in 0..users {
        let name = format!("machine {user}");
        let create = UserCommand::CreateUser {
            name: name.into(),
            password: "$argon2id".into(),
            roles: Set::unit("viewer".into()),
            slave: None,
        };
        world.run(world.admin(), Command::User(create));
    }
    for number in 0..tokens {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        let user = format!("machine {}", number % users).into();
        let create =
            UserCommand::CreateToken { user, hash, kind: TokenKind::Session, label: "".into(), ttl_ms: 3_600_000 };
        let outcome = world.run(world.admin(), Command::User(create));
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
    world
}

#[test]
fn many_tokens_end_in_bounded_steps_and_count_as_ended_before_their_turn() {
    let mut world = tokens(2_500);
    world.now += 3_600_000;
    let overdue = Actor { user: "machine 2".into(), credential: Credential::Token { id: 2_499, version: 1 } };
    assert_eq!(world.run(overdue, Command::Mark), Outcome::Refused(Refusal::CredentialStale));
    let mut left = vec![world.ledger.state.tokens.len()];
    while let Some(applied) = world.batch(&[]).pop() {
        assert!(matches!(applied.record.outcome, Outcome::Done(_)));
        left.push(world.ledger.state.tokens.len());
    }
    assert_eq!(left, [1_500, 500, 0]);
}

/// Slaves in the gate's run of [`a_crowd_survives_a_checkpoint_and_costs_what_is_printed`].
const CROWD: u64 = 20_000;

/// What `apply` takes with many slaves is printed; `scripts/campaign crowd` runs it with a million.
#[test]
fn a_crowd_survives_a_checkpoint_and_costs_what_is_printed() {
    let slaves = std::env::var("QM_SLAVES").map_or(CROWD, |slaves| slaves.parse().expect("QM_SLAVES is a number"));
    let begun = Instant::now();
    let mut world = crowd(slaves, 1_000);
    println!(
        "{slaves} first reports in batches of 1,000: {:?} each",
        begun.elapsed() / u32::try_from(slaves).expect("a crowd that fits")
    );

    let begun = Instant::now();
    let state = world.ledger.state.clone();
    let mut loader = Loader::default();
    let chunks: Vec<Vec<u8>> = encode_chunks(&state).collect();
    println!("checkpoint written in {:?}, {} bytes", begun.elapsed(), chunks.iter().map(Vec::len).sum::<usize>());
    let begun = Instant::now();
    chunks.iter().for_each(|chunk| loader.take(chunk).expect("it was encoded"));
    assert!(loader.finish().expect("it is whole") == state);
    println!("loaded and compared in {:?}", begun.elapsed());
    let begun = Instant::now();
    let digest = world.ledger.state_digest();
    println!("state digest in {:?}: {}", begun.elapsed(), quartermaster::domain::name::hex(&digest));

    for spread in [1, 997] {
        let slaves = (0..1_000_u64).map(|number| (number * spread * 7) % slaves);
        let reports = slaves.map(|number| report(&format!("S-{number:07}"), 2 + spread, 100)).collect();
        let intent = world.intent(world.admin(), None, Command::ReportUsage { reports });
        let frozen = world.ledger.clone();
        let begun = Instant::now();
        world.ledger.apply(&stamp(world.now), std::slice::from_ref(&intent));
        println!("a report, {spread} apart, beside a frozen view: {:?}", begun.elapsed() / 1_000);
        drop(frozen);
    }
    let midnight = world.now + DAY_MS;
    println!("closing a day of 1,001 pools: {:?}", time_of(&world.ledger, midnight));
    drop(world);

    let mut world = tokens(100_000);
    world.now += 3_600_000;
    let mut longest = Duration::ZERO;
    loop {
        let begun = Instant::now();
        if world.batch(&[]).is_empty() {
            break;
        }
        longest = longest.max(begun.elapsed());
    }
    println!("100,000 tokens end: at most {longest:?} a batch");
    assert!(world.ledger.state.tokens.is_empty());
}

#[test]
fn what_replaces_a_license_is_taken_when_there_are_as_many_as_there_may_be() {
    let mut world = World::new();
    let issue = |number: u64| {
        let order = IssueOrder { series: "one".into(), number };
        License { terms: vec![Term::Issue(order)], ..license(&format!("issue {number}"), 0) }
    };
    let redis = |name: &str| signed(Format::Redis, name, "cluster", START);
    let mut install = |license: License| world.run(world.admin(), Command::InstallLicense(Box::new(license)));
    let bare = |number: usize| License { terms: vec![], ..license(&format!("license {number}"), 0) };
    for license in (2..LICENSES).map(bare).chain([issue(1), redis("first")]) {
        assert!(matches!(install(license), Outcome::Done(_)));
    }
    let full = Outcome::Refused(Refusal::TooMany { what: "licenses".into(), limit: LICENSES as u64 });
    assert_eq!(install(bare(0)), full);
    assert!(matches!(install(redis("second")), Outcome::Done(_)), "it takes the place of the first");
    assert!(matches!(install(issue(2)), Outcome::Done(_)), "it supersedes the first issue");
    assert_eq!(install(bare(0)), full);
    assert_eq!(world.ledger.state.licenses.len(), LICENSES);
}
