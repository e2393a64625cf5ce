//! Folding facts about work. Never refuses: the decision was taken when the event was written.

use std::sync::Arc;

use super::state::Works;
use super::{Kind, RESULT_MS, Stage, Work, WorkEvent, limits};
use crate::domain::name::{Map, Name};
use crate::domain::state::State;
use crate::domain::time::Moment;

/// Folds a fact about work.
pub(in crate::domain) fn evolve(state: &mut State, event: &WorkEvent) {
    let now = state.now;
    if let WorkEvent::Asked { work } = event
        && work.kind == Kind::Processing
        && state.seats.types.get(&work.product).is_some_and(|kind| kind.audited)
    {
        let (today, read) = (state.calendar.today, limits::audited(state, &work.product));
        let read = read.saturating_add(work.bytes);
        Arc::make_mut(&mut state.works).audited.insert(work.product.clone(), (today, read));
    }
    let works = Arc::make_mut(&mut state.works);
    match event {
        WorkEvent::Asked { work } => {
            works.last = works.last.max(work.id);
            put(works, (**work).clone());
        }
        WorkEvent::Begun { id, ends } => {
            change(works, *id, |work| Work { begun: Some(now), ends: Some(*ends), stage: Stage::Running, ..work })
        }
        WorkEvent::Ended { id, cancelled } => {
            let stage = if *cancelled { Stage::Cancelled } else { Stage::Done };
            change(works, *id, |work| Work { ends: Some(now), stage, ..work });
        }
        WorkEvent::Forgotten { ids } => ids.iter().for_each(|id| drop(take(works, *id))),
        WorkEvent::Closing { session, ignore_done } => {
            works.closing.insert(*session, *ignore_done);
        }
    }
}

/// Nothing runs on sessions that are over. Called before they are folded away.
pub(in crate::domain) fn sessions_gone(state: &mut State, sessions: &[u64]) {
    if state.works.by_session.is_empty() && state.works.closing.is_empty() {
        return;
    }
    let works = Arc::make_mut(&mut state.works);
    for session in sessions {
        let gone: Vec<u64> = works.of_session(*session).map(|work| work.id).collect();
        gone.into_iter().for_each(|id| drop(take(works, id)));
        works.closing.remove(session);
    }
}

fn add(counts: &mut Map<Name, u64>, name: &Name, step: i64) {
    let count = counts.get(name).copied().unwrap_or(0).saturating_add_signed(step);
    if count == 0 {
        counts.remove(name);
    } else {
        counts.insert(name.clone(), count);
    }
}

/// When something happens to a piece by time alone: it ends, or it is forgotten. A waiting one has no such time.
fn deadline(work: &Work) -> Option<Moment> {
    match work.stage {
        Stage::Queued => None,
        Stage::Running => work.ends,
        Stage::Done | Stage::Cancelled => work.ends.map(|ended| ended.plus_ms(RESULT_MS)),
    }
}

fn is_hold(work: &Work) -> bool {
    work.kind == Kind::LegalHold && work.is_open()
}

/// Puts a piece in its places; also when a checkpoint is loaded.
pub(in crate::domain) fn put(works: &mut Works, work: Work) {
    works.keys.insert(work.key.clone(), work.id);
    works.by_session.insert((work.session, work.id));
    works.deadlines.extend(deadline(&work).map(|at| (at, work.id)));
    add(&mut works.holds, &work.product, i64::from(is_hold(&work)));
    works.works.insert(work.id, Arc::new(work));
}

fn take(works: &mut Works, id: u64) -> Option<Work> {
    let work = (*works.works.remove(&id)?).clone();
    works.keys.remove(&work.key);
    works.by_session.remove(&(work.session, id));
    if let Some(at) = deadline(&work) {
        works.deadlines.remove(&(at, id));
    }
    add(&mut works.holds, &work.product, -i64::from(is_hold(&work)));
    Some(work)
}

fn change(works: &mut Works, id: u64, how: impl FnOnce(Work) -> Work) {
    if let Some(work) = take(works, id) {
        put(works, how(work));
    }
}
