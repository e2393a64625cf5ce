//! The state machine as openraft drives it: entries in, in order; records, a new view and answers out.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use ::metrics::histogram;

use futures_util::{Stream, TryStreamExt};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};

use super::folded::Folded;
use super::journal::Position;
use super::phase::Phase;
use super::published::Turn;
use super::shared::Shared;
use super::snapshot::{self, Builder};
use super::types::{Batch, SnapshotFiles, TypeConfig};
use crate::domain::apply;
use crate::domain::event::Event;
use crate::domain::record::{Outcome, Record, Stored};
use crate::domain::state::State;
use crate::domain::time::Stamp;
use crate::metrics;

/// Records after which readers see what a long apply has done so far: bounds how long an answer waits for others.
const SHOW_AFTER: usize = 4_096;
/// Bytes of entries after which the same: one record may be of thousands of reports, and a node that catches up must not keep
/// its leader waiting for all of them.
const SHOW_AFTER_BYTES: usize = 512 << 10;
/// Closed days whose ends are known: more than any retention needs, and bounded.
const DAYS_KNOWN: usize = 4_000;

/// openraft's hold on the state. It alone changes it.
pub(super) struct Machine {
    shared: Arc<Shared>,
    folded: Folded,
    position: Position,
}

/// What an apply has brought about and not yet shown.
#[derive(Default)]
struct Fresh {
    rows: Vec<Stored>,
    ours: Vec<Record>,
    /// The position of a mark in the entry that is being applied.
    marked: Option<u64>,
    /// The last mark, with the state as of the end of its entry: all nodes compare their digests of it.
    marks: Option<(u64, Arc<State>)>,
    log_bytes: u64,
}

impl Machine {
    /// Goes on from what was loaded.
    #[must_use]
    pub(super) fn new(shared: Arc<Shared>, folded: Folded, position: Position) -> Machine {
        Machine { shared, folded, position }
    }

    /// Replaces everything with what an installed snapshot holds.
    pub(super) fn restart_from(&mut self, folded: Folded, position: Position) {
        let published = Arc::new(folded.publish(&position));
        self.folded = folded;
        self.position = position;
        self.shared.clock.seen(published.state.now);
        self.shared.window.turn().show(published);
    }

    fn entry(&mut self, entry: EntryOf<TypeConfig>, fresh: &mut Fresh) -> io::Result<()> {
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(batch) => self.batch(&batch, entry.log_id, fresh)?,
            EntryPayload::Membership(membership) => {
                let membership = StoredMembershipOf::<TypeConfig>::new(Some(entry.log_id), membership);
                self.shared.members_changed(&membership);
                self.position.membership = Arc::new(membership);
            }
        }
        self.position.log = Some(entry.log_id);
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, at: LogIdOf<TypeConfig>, fresh: &mut Fresh) -> io::Result<()> {
        fresh.log_bytes += batch.0.len() as u64;
        let (stamp, intents): (Stamp, _) = match self.shared.ahead.take(&batch.0) {
            Some(decoded) => decoded,
            None => apply::decode_batch(&batch.0)
                .map_err(|error| self.fatal(&format!("log entry {} does not decode: {error}", at.index)))?,
        };
        let folded = &mut self.folded;
        // A panic in a rule would come again on every node and after every restart: say where, and stop here.
        let applied = catch_unwind(AssertUnwindSafe(|| folded.apply(&stamp, &intents)))
            .map_err(|_gone| self.fatal(&format!("a rule panicked on log entry {}", at.index)))?;
        for one in applied {
            if let Outcome::Done(events) = &one.record.outcome {
                events.iter().for_each(|event| self.notice(event, one.record.seq, fresh));
            }
            fresh.rows.push(one.stored);
            if self.shared.waiters.is_ours(&one.record.intent) {
                fresh.ours.push(one.record);
            }
        }
        self.position.seq = self.folded.ledger.state.heads.seq;
        if let Some(seq) = fresh.marked.take() {
            // As of the end of the entry: the same state on every node, whatever else an apply took in.
            fresh.marks = Some((seq, Arc::new(self.folded.ledger.state.clone())));
        }
        Ok(())
    }

    /// Facts that concern the replica itself.
    fn notice(&mut self, event: &Event, seq: u64, fresh: &mut Fresh) {
        if let Event::DayClosed(closed) = event {
            let days = Arc::make_mut(&mut self.position.days);
            days.push((closed.day, seq));
            days.drain(..days.len().saturating_sub(DAYS_KNOWN));
        }
        if matches!(event, Event::StateMarked) {
            fresh.marked = Some(seq);
        }
    }

    /// Applies entries until readers should see what was done.
    fn some(&mut self, entries: &mut impl Iterator<Item = EntryResponder<TypeConfig>>) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let turn = shared.window.turn();
        let (mut fresh, mut responders) = (Fresh::default(), Vec::new());
        for (entry, responder) in entries {
            self.entry(entry, &mut fresh)?;
            responders.extend(responder);
            if fresh.rows.len() >= SHOW_AFTER {
                break;
            }
        }
        self.show(fresh, turn);
        responders.into_iter().for_each(|responder| responder.send(()));
        Ok(())
    }

    fn show(&self, fresh: Fresh, turn: Turn<'_>) {
        let Fresh { rows, ours, marks, log_bytes, .. } = fresh;
        let published = Arc::new(self.folded.publish(&self.position));
        self.shared.clock.seen(published.state.now);
        self.shared.counters.applied(rows.len(), published.index(), log_bytes);
        self.shared.journal.append(rows, self.position.clone());
        turn.show(Arc::clone(&published));
        self.shared.waiters.answer(ours, &published);
        if let Some((seq, state)) = marks {
            self.shared.marks.work_out(seq, state);
        }
    }

    fn fatal(&self, reason: &str) -> io::Error {
        let reason =
            format!("{reason}; this node stops, because going on would make its state differ from the others'");
        self.shared.fail(&reason);
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }
}

/// The next entries, as many as are shown at once; none at the end.
async fn gather<Strm>(entries: &mut Strm) -> io::Result<Vec<EntryResponder<TypeConfig>>>
where
    Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin,
{
    let (mut some, mut bytes) = (Vec::new(), 0);
    while bytes < SHOW_AFTER_BYTES
        && let Some(next) = entries.try_next().await?
    {
        if let EntryPayload::Normal(batch) = &next.0.payload {
            bytes += batch.0.len();
        }
        some.push(next);
    }
    Ok(some)
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = Builder;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogIdOf<TypeConfig>>, StoredMembershipOf<TypeConfig>), io::Error> {
        Ok((self.position.log, StoredMembershipOf::<TypeConfig>::clone(&self.position.membership)))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let (begun, from) = (Instant::now(), self.position.seq);
        let mut shown = false;
        loop {
            let mut some = gather(&mut entries).await?.into_iter();
            if some.len() == 0 {
                break;
            }
            while some.len() > 0 {
                if std::mem::replace(&mut shown, true) {
                    // Those who were answered get their turn before more is done.
                    tokio::task::yield_now().await;
                }
                self.some(&mut some)?;
            }
        }
        histogram!(metrics::APPLY_DURATION).record(begun.elapsed());
        histogram!(metrics::APPLY_BATCH).record(metrics::value(self.position.seq - from));
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder::new(Arc::clone(&self.shared))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: SnapshotFiles,
    ) -> Result<(), io::Error> {
        let shared = Arc::clone(&self.shared);
        let was_serving = shared.phase.send_if_modified(|phase| {
            let serves = phase.serves();
            if serves {
                *phase = Phase::CatchingUp;
            }
            serves
        });
        let wanted = meta.clone();
        let installed = tokio::task::spawn_blocking(move || snapshot::install(&shared, &wanted, &snapshot));
        let (folded, position) = installed.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        self.shared.members_changed(&position.membership);
        self.restart_from(folded, position);
        self.shared.propose_again();
        if was_serving {
            self.shared.phase.send_if_modified(|phase| {
                let back = *phase == Phase::CatchingUp;
                if back {
                    *phase = Phase::Serving;
                }
                back
            });
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, SnapshotFiles>>, io::Error> {
        snapshot::current(&self.shared)
    }
}
