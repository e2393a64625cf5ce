//! Which connections of which peers stand. A peer that lost its connections without a word makes new ones: the newest
//! few of each kind are kept, an older one is closed, so that what is dead does not use up the room of what lives.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::wire::Purpose;

/// So many connections of one peer for one purpose: entries and heartbeats are two, and each may be made anew while the
/// old one is not yet known to be dead.
const OF_A_KIND: usize = 4;

type Kinds = BTreeMap<(u64, u8), VecDeque<Arc<Notify>>>;

/// All connections that stand.
#[derive(Default)]
pub(super) struct Crowd(Mutex<Kinds>);

/// A connection's place; it is given back with this value.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    kind: (u64, u8),
    leave: Arc<Notify>,
}

impl Crowd {
    /// A place for a new connection, for which the oldest of its kind may have to leave.
    pub(super) fn enter(self: &Arc<Self>, node: u64, purpose: Purpose) -> Place {
        let kind = (node, purpose as u8);
        let leave = Arc::new(Notify::new());
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = kinds.entry(kind).or_default();
        standing.push_back(Arc::clone(&leave));
        if standing.len() > OF_A_KIND {
            standing.pop_front().iter().for_each(|oldest| oldest.notify_one());
        }
        drop(kinds);
        Place { crowd: Arc::clone(self), kind, leave }
    }
}

impl Place {
    /// Waits until a newer connection needs the place.
    pub(super) async fn needed(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut kinds = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = kinds.get_mut(&self.kind) {
            standing.retain(|other| !Arc::ptr_eq(other, &self.leave));
            if standing.is_empty() {
                kinds.remove(&self.kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_oldest_of_its_kind_leaves_and_places_are_given_back() {
        let crowd = Arc::new(Crowd::default());
        let mut standing: Vec<_> = (0..=OF_A_KIND).map(|_| crowd.enter(2, Purpose::Append)).collect();
        assert!(standing[0].needed().now_or_never().is_some());
        assert!(standing[1..].iter().all(|place| place.needed().now_or_never().is_none()));
        drop(standing.remove(1));
        let other = (crowd.enter(2, Purpose::Append), crowd.enter(2, Purpose::Calls), crowd.enter(3, Purpose::Append));
        assert!(standing[1..].iter().all(|place| place.needed().now_or_never().is_none()));
        drop((standing, other));
        assert!(crowd.0.lock().expect("whole").is_empty());
    }
}
