//! Digests of the whole state at agreed positions, worked out beside apply, so that nodes can be compared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::apply::Ledger;
use crate::domain::name::Hash;
use crate::domain::state::State;

/// Digests that are remembered: a peer that lags by some hours can still be compared.
const KEPT: usize = 8;

/// The newest digests of this node's state, and what the others said.
#[derive(Clone, Default)]
pub(super) struct Marks {
    inner: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    digests: BTreeMap<u64, Hash>,
    disagreement: Option<String>,
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works out the digest of this frozen state in a thread of its own: a large state takes seconds.
    pub(super) fn work_out(&self, seq: u64, state: Arc<State>) {
        let marks = self.clone();
        let work = move || {
            let digest = Ledger { state: State::clone(&state) }.state_digest();
            let mut known = marks.lock();
            known.digests.insert(seq, digest);
            while known.digests.len() > KEPT {
                known.digests.pop_first();
            }
        };
        if let Err(error) = std::thread::Builder::new().name("state-digest".to_owned()).spawn(work) {
            tracing::warn!(%error, "no thread for the digest of the state; this mark is left out");
        }
    }

    /// What is known, oldest first.
    #[must_use]
    pub(super) fn digests(&self) -> Vec<(u64, Hash)> {
        self.lock().digests.iter().map(|(&seq, &digest)| (seq, digest)).collect()
    }

    /// Compares with what another node says of the same positions.
    pub(super) fn compare(&self, node: u64, theirs: &[(u64, Hash)]) {
        let mut known = self.lock();
        let differs = theirs.iter().find(|(seq, digest)| known.digests.get(seq).is_some_and(|ours| ours != digest));
        if let (Some((seq, _)), None) = (differs, &known.disagreement) {
            let text = format!("the state at record {seq} differs from node {node}'s: one of the two must be replaced");
            tracing::error!("{text}");
            known.disagreement = Some(text);
        }
    }

    /// What was found to differ, in words.
    #[must_use]
    pub(super) fn disagreement(&self) -> Option<String> {
        self.lock().disagreement.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_different_digest_at_the_same_position_is_a_disagreement() {
        let marks = Marks::default();
        marks.lock().digests.insert(10, [1; 32]);
        marks.compare(2, &[(9, [9; 32]), (10, [1; 32])]);
        assert_eq!(marks.disagreement(), None);
        marks.compare(2, &[(10, [2; 32])]);
        assert!(marks.disagreement().expect("a disagreement").contains("node 2"));
    }
}
