//! A replica without peers or disk, whose clock and ids are set by its user: for transcripts of dialects.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Answer, MemberStatus, Page, Status, View};
use crate::domain::apply::Ledger;
use crate::domain::intent::{Command, IdempotencyKey, Intent, IntentId};
use crate::domain::name::Hash;
use crate::domain::record::{Outcome, Record, Stored};
use crate::domain::time::Stamp;
use crate::domain::user::Actor;
use crate::projection::usage::UsageHistory;

/// One ledger in memory.
pub struct Solo {
    inner: Mutex<Inner>,
}

struct Inner {
    ledger: Ledger,
    usage: UsageHistory,
    stamp: Stamp,
    next: u64,
    journal: Vec<Stored>,
}

impl Solo {
    /// A ledger before its first record, at this moment.
    #[must_use]
    pub fn new(stamp: Stamp) -> Solo {
        Solo {
            inner: Mutex::new(Inner {
                ledger: Ledger::new(),
                usage: UsageHistory::default(),
                stamp,
                next: 0,
                journal: Vec::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the moment of the next command.
    pub fn set_time(&self, stamp: Stamp) {
        self.lock().stamp = stamp;
    }

    /// Decides and applies at once.
    pub fn submit(&self, actor: Actor, key: Option<IdempotencyKey>, command: Command) -> Answer {
        let mut inner = self.lock();
        let id = IntentId { node: 1, run: 1, number: inner.next };
        inner.next += 1;
        let stamp = inner.stamp;
        let applied = inner.ledger.apply(&stamp, &[Intent { id, actor, key, command }]);
        applied.iter().for_each(|applied| inner.usage.fold(&applied.record));
        inner.journal.extend(applied.iter().map(|applied| applied.stored.clone()));
        let last = applied.iter().rfind(|applied| applied.record.intent == id);
        let last = last.expect("each intent has a record").record.clone();
        let (record, repeated) = match last.outcome {
            Outcome::Repeated { seq } => (inner.record(seq), true),
            Outcome::Done(_) | Outcome::Refused(_) => (last, false),
        };
        Answer { seq: record.seq, at: record.at, outcome: record.outcome, repeated, view: inner.view() }
    }

    /// The state as it is.
    pub fn view(&self) -> View {
        self.lock().view()
    }

    /// Records after a position.
    pub fn journal(&self, page: Page) -> Vec<Stored> {
        self.lock().journal.iter().filter(|stored| stored.seq > page.after).take(page.limit).cloned().collect()
    }

    /// The digest at a position.
    pub fn digest_at(&self, seq: u64) -> Option<Hash> {
        self.lock().journal.iter().find(|stored| stored.seq == seq).map(|stored| stored.digest)
    }

    /// One node that leads itself.
    pub fn status(&self) -> Status {
        let inner = self.lock();
        let heads = inner.ledger.state.heads;
        let member = super::types::Member {
            name: "n1".into(),
            peer: "127.0.0.1:8090".into(),
            api: "http://127.0.0.1:8089".into(),
        };
        Status {
            node: 1,
            leader: Some(1),
            term: 1,
            applied_seq: heads.seq,
            digest: heads.digest(),
            members: vec![MemberStatus {
                id: 1,
                member,
                role: "leader",
                applied_seq: Some(heads.seq),
                last_contact_ms: Some(0),
            }],
            trouble: None,
        }
    }
}

impl Inner {
    fn view(&self) -> View {
        View { state: Arc::new(self.ledger.state.clone()), usage: Arc::new(self.usage.clone()), age: Duration::ZERO }
    }

    fn record(&self, seq: u64) -> Record {
        let stored =
            self.journal.iter().find(|stored| stored.seq == seq).expect("a repeated record was applied before");
        Record::decode(&stored.bytes).expect("the journal holds what was encoded")
    }
}
