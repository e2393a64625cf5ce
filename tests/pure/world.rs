//! A small world to test in: stamps of a calendar without zones, licenses, intents with ids that count up.

use bytes::Bytes;
use quartermaster::domain::apply::{Applied, Ledger, decode_batch, encode_batch};
use quartermaster::domain::cluster::InitCluster;
use quartermaster::domain::intent::{Command, IdempotencyKey, Intent, IntentId};
use quartermaster::domain::license::{Format, License, Meter, SeatGrant, Term};
use quartermaster::domain::name::{Name, Set, sha256};
use quartermaster::domain::node::NodeAddress;
use quartermaster::domain::record::{Outcome, Stored};
use quartermaster::domain::slave::{Report, Row};
use quartermaster::domain::term::LevelLimit;
use quartermaster::domain::time::{Calendar, Day, LATE_DAYS, Moment, NEVER, Stamp};
use quartermaster::domain::trust::{Algorithm, TrustedKey, key_id};
use quartermaster::domain::user::{Actor, Credential};

pub(crate) const DAY_MS: u64 = 24 * 3_600_000;
/// Noon of some day.
pub(crate) const START: u64 = 20_779 * DAY_MS + DAY_MS / 2;

/// The stamp of a moment, where every day has 24 hours.
pub(crate) fn stamp(ms: u64) -> Stamp {
    let today = ms / DAY_MS;
    let starts: [Moment; LATE_DAYS + 1] = std::array::from_fn(|back| Moment((today - back as u64) * DAY_MS));
    let day = Day(u32::try_from(today).expect("tests end before the year 11 million"));
    Stamp { at: Moment(ms), calendar: Calendar { today: day, starts, ends: Moment((today + 1) * DAY_MS) } }
}

pub(crate) fn system() -> Actor {
    Actor { user: "system".into(), credential: Credential::System }
}

/// A ledger with a clock and a journal.
pub(crate) struct World {
    pub ledger: Ledger,
    pub now: u64,
    pub journal: Vec<Stored>,
    pub batches: Vec<Bytes>,
    next: u64,
}

impl World {
    /// Before the first record.
    pub(crate) fn empty() -> World {
        World { ledger: Ledger::new(), now: START, journal: Vec::new(), batches: Vec::new(), next: 0 }
    }

    /// With administrator `admin` and one trusted key.
    pub(crate) fn new() -> World {
        let mut world = World::empty();
        world.run(system(), init());
        world.run(world.admin(), Command::TrustKey(issuer()));
        world
    }

    /// With a stack `enterprise` of so many bytes a day.
    pub(crate) fn licensed(bytes: u64) -> World {
        let mut world = World::new();
        let outcome = world.run(world.admin(), Command::InstallLicense(Box::new(license("main", bytes))));
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        world
    }

    /// The administrator by the password of the version that is good now.
    pub(crate) fn admin(&self) -> Actor {
        self.user("admin")
    }

    pub(crate) fn user(&self, name: &str) -> Actor {
        let version = self.ledger.state.users.get(name).map_or(1, |user| user.password_version);
        Actor { user: name.into(), credential: Credential::Password { version } }
    }

    pub(crate) fn intent(&mut self, actor: Actor, key: Option<IdempotencyKey>, command: Command) -> Intent {
        self.next += 1;
        Intent { id: IntentId { node: 1, run: 7, number: self.next }, actor, key, command }
    }

    /// Applies a batch as it would come from the log.
    pub(crate) fn batch(&mut self, intents: &[Intent]) -> Vec<Applied> {
        let encoded: Vec<Bytes> = intents.iter().map(Intent::encode).collect();
        let batch = encode_batch(&stamp(self.now), &encoded);
        let (stamp, intents) = decode_batch(&batch).expect("a batch that was encoded decodes");
        let applied = self.ledger.apply(&stamp, &intents);
        self.journal.extend(applied.iter().map(|applied| applied.stored.clone()));
        self.batches.push(batch);
        applied
    }

    /// Applies one command and gives what became of it.
    pub(crate) fn run(&mut self, actor: Actor, command: Command) -> Outcome {
        self.run_keyed(actor, None, command)
    }

    pub(crate) fn run_keyed(&mut self, actor: Actor, key: Option<IdempotencyKey>, command: Command) -> Outcome {
        let intent = self.intent(actor, key, command);
        let id = intent.id;
        let answered = self.batch(&[intent]).into_iter().rfind(|applied| applied.record.intent == id);
        answered.expect("each intent has a record").record.outcome
    }

    /// Lets time pass until nothing more is due.
    pub(crate) fn pass(&mut self) -> Vec<Applied> {
        let mut all = Vec::new();
        loop {
            let applied = self.batch(&[]);
            if applied.is_empty() {
                return all;
            }
            all.extend(applied);
        }
    }
}

pub(crate) fn init() -> Command {
    Command::InitCluster(InitCluster {
        cluster_id: "7f4c".into(),
        name: "test".into(),
        zone: "UTC".into(),
        node: NodeAddress { name: "n1".into(), peer: "127.0.0.1:8090".into(), api: "http://127.0.0.1:8089".into() },
        admin: "admin".into(),
        password: "$argon2id$admin".into(),
    })
}

pub(crate) fn issuer() -> TrustedKey {
    let public = vec![7; 32];
    TrustedKey {
        id: key_id(Algorithm::Ed25519, &public),
        algorithm: Algorithm::Ed25519,
        public,
        label: "issuer".into(),
        since: Moment(0),
        distrusted: None,
    }
}

/// A perpetual license of stack `enterprise`.
pub(crate) fn license(name: &str, bytes: u64) -> License {
    License {
        id: sha256(&[name.as_bytes()]),
        format: Format::Native,
        key: Some(issuer().id),
        text: format!("text of {name}").into(),
        label: name.into(),
        owner: "Example Corp".into(),
        kind: "enterprise".into(),
        issue: name.into(),
        created: Moment(0),
        starts: Moment(0),
        expires: NEVER,
        terms: vec![Term::Meter(Meter {
            group: "Enterprise".into(),
            stack: "enterprise".into(),
            quota_bytes: bytes,
            max_violations: 5,
            window_days: 30,
            features: ["LocalSearch", "Auth"].into_iter().map(Name::from).collect(),
            sourcetypes: Set::new(),
        })],
        installed: Moment(0),
        expired: false,
    }
}

/// A perpetual license of seats only.
pub(crate) fn seats(name: &str, product: &str, count: u64, workers: u64) -> License {
    let grant = SeatGrant {
        product: product.into(),
        description: format!("seats of {product}").into(),
        count,
        workers,
        can_choose_workers: true,
        audited: false,
        audit_threshold_bytes: 0,
    };
    License { terms: vec![Term::Seats(grant)], ..license(name, 0) }
}

/// A signed license of a product that has one at a time: of this type, issued at this moment, for ten days.
pub(crate) fn signed(format: Format, name: &str, kind: &str, issued: u64) -> License {
    let level = if format == Format::Redis { "ram_shards" } else { "nodes" };
    License {
        format,
        kind: kind.into(),
        created: Moment(issued),
        starts: Moment(issued),
        expires: Moment(issued + 10 * DAY_MS),
        terms: vec![Term::Level(LevelLimit { level: level.into(), limit: Some(5) })],
        ..license(name, 0)
    }
}

/// A report of one row.
pub(crate) fn report(slave: &str, sequence: u64, bytes: u64) -> Report {
    Report {
        slave: slave.into(),
        sequence: Some(sequence),
        epoch: "".into(),
        report_id: "".into(),
        pool: "".into(),
        time: None,
        rows: vec![Row { bytes, sourcetype: "syslog".into(), ..Row::default() }],
        levels: Vec::new(),
    }
}
