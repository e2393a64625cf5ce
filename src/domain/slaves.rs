//! All slaves: their order apart from what they hold (docs/adr/0064).
//!
//! Every report changes a slave, and what changes is copied with the way to it, because a frozen view keeps what it had. The
//! order changes only when a slave comes or goes; what each holds lies in an array of narrow nodes, so that a copy touches
//! tens of counts, however many slaves there are, and not hundreds.

use std::cmp::Ordering;
use std::fmt;
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;

use equivalent::{Comparable, Equivalent};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hints::Hints;
use super::name::{Map, Set, SlaveId};
use super::slave::Slave;

/// Bits of a place that one level of the array tells apart: narrow nodes cost levels, wide ones cost copies.
const BITS: u32 = 3;
/// Places of a node.
const WIDTH: usize = 1 << BITS;
/// Bytes of a GUID that lie in the order itself: GUIDs differ within them, so looking one up reads no other memory.
const HEAD: usize = 8;

/// Slaves that are approached side by side: what is read of so many stays in the nearest cache until it is their turn.
pub(super) const ABREAST: usize = 64;
/// Of so few slaves all that reports need lies in caches anyway.
const FEW: usize = 8_192;

/// A GUID with its first bytes at hand; ordered like the GUID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    head: u64,
    id: SlaveId,
}

/// A GUID that is looked for.
struct Wanted<'a> {
    head: u64,
    id: &'a str,
}

/// The first bytes as one number, with zeros behind a shorter GUID: ordered like the GUIDs wherever they differ.
fn head(id: &str) -> u64 {
    let mut head = [0; HEAD];
    let length = id.len().min(HEAD);
    head[..length].copy_from_slice(&id.as_bytes()[..length]);
    u64::from_be_bytes(head)
}

impl Wanted<'_> {
    fn new(id: &str) -> Wanted<'_> {
        Wanted { head: head(id), id }
    }
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.head == key.head && *self.id == *key.id
    }
}

impl Comparable<Key> for Wanted<'_> {
    fn compare(&self, key: &Key) -> Ordering {
        self.head.cmp(&key.head).then_with(|| self.id.cmp(&key.id))
    }
}

/// A node of the array. A leaf's height is 0.
#[derive(Clone)]
enum Node {
    Inner([Option<Arc<Node>>; WIDTH]),
    Leaf([Option<Arc<Slave>>; WIDTH]),
}

impl Node {
    fn empty(height: u32) -> Node {
        if height == 0 { Node::Leaf(Default::default()) } else { Node::Inner(Default::default()) }
    }
}

/// Which of a node's places leads to the place.
fn branch(place: usize, height: u32) -> usize {
    (place >> (BITS * height)) % WIDTH
}

/// Slaves by place; a persistent array.
#[derive(Clone, Default)]
struct Places {
    root: Option<Arc<Node>>,
    height: u32,
}

impl Places {
    fn get(&self, place: usize) -> Option<&Arc<Slave>> {
        let (mut node, mut height) = (self.root.as_ref()?, self.height);
        loop {
            match &**node {
                Node::Leaf(slaves) => return slaves[branch(place, 0)].as_ref(),
                Node::Inner(nodes) => node = nodes[branch(place, height)].as_ref()?,
            }
            height -= 1;
        }
    }

    /// What lies at the place, to be changed; the way to it is this array's own then.
    fn get_mut(&mut self, place: usize) -> &mut Option<Arc<Slave>> {
        while place >> (BITS * (self.height + 1)) > 0 {
            let below = self.root.take();
            let mut nodes: [Option<Arc<Node>>; WIDTH] = Default::default();
            nodes[0] = below;
            self.root = Some(Arc::new(Node::Inner(nodes)));
            self.height += 1;
        }
        let mut height = self.height;
        let mut node = Arc::make_mut(self.root.get_or_insert_with(|| Arc::new(Node::empty(height))));
        loop {
            match node {
                Node::Leaf(slaves) => return &mut slaves[branch(place, 0)],
                Node::Inner(nodes) => {
                    let below = &mut nodes[branch(place, height)];
                    height -= 1;
                    node = Arc::make_mut(below.get_or_insert_with(|| Arc::new(Node::empty(height))));
                }
            }
        }
    }
}

/// Where a slave was found: looked at first when it is looked for again, which spares the way through the order. It is
/// never taken at its word, and is no part of what is stored or compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spot {
    place: Option<usize>,
    /// Whether a hint led there.
    hinted: bool,
}

impl PartialEq for Spot {
    fn eq(&self, _other: &Spot) -> bool {
        true
    }
}

impl Eq for Spot {}

/// Slaves by GUID, in its order. A clone is a frozen view.
#[derive(Clone, Default)]
pub struct Slaves {
    order: Map<Key, usize>,
    places: Places,
    /// Places of slaves that were forgotten.
    free: Set<usize>,
    /// Where those that report were found the last time.
    hints: Hints,
}

impl Slaves {
    /// None.
    #[must_use]
    pub fn new() -> Slaves {
        Slaves::default()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn spot(&self, id: &str) -> Spot {
        let hinted = self.hints.get(id).find(|place| self.is_at(*place, id));
        let place = hinted.or_else(|| self.order.get(&Wanted::new(id)).copied());
        Spot { place, hinted: hinted.is_some() }
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.spot(id).place
    }

    fn is_at(&self, place: usize, id: &str) -> bool {
        self.places.get(place).is_some_and(|slave| *slave.id == *id)
    }

    /// Whether it is known.
    #[must_use]
    pub fn contains_key(&self, id: &str) -> bool {
        self.place(id).is_some()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Slave>> {
        self.places.get(self.place(id)?)
    }

    /// One of them, and where it is.
    #[must_use]
    pub fn find(&self, id: &str) -> (Option<&Arc<Slave>>, Spot) {
        let spot = self.spot(id);
        (spot.place.and_then(|place| self.places.get(place)), spot)
    }

    /// Reads what reports of these slaves are going to read, one step for all of them before the next step: memory that no
    /// cache holds is waited for side by side then, and not one after the other. Changes nothing and says nothing.
    pub(super) fn approach<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        if self.len() < FEW {
            return;
        }
        let places: Vec<usize> = ids.filter_map(|id| self.hints.get(id).next()).collect();
        let slaves: Vec<&Slave> =
            places.iter().filter_map(|place| self.places.get(*place)).map(|slave| &**slave).collect();
        for slave in &slaves {
            black_box((
                slave.last_report,
                slave.used.day,
                slave.placement,
                slave.epochs.last().map(|epoch| epoch.last),
            ));
        }
        for slave in &slaves {
            black_box(slave.id.as_bytes().first());
        }
    }

    /// The spot if it is still right, or a new one.
    fn checked(&self, spot: Spot, id: &str) -> Spot {
        if spot.place.is_some_and(|place| self.is_at(place, id)) { spot } else { self.spot(id) }
    }

    /// One of them, that was found there before.
    #[must_use]
    pub fn get_from(&self, spot: Spot, id: &str) -> Option<&Arc<Slave>> {
        self.places.get(self.checked(spot, id).place?)
    }

    /// The same, to be changed; and remembered: who reports now will report again.
    pub fn get_mut_from(&mut self, spot: Spot, id: &str) -> Option<&mut Arc<Slave>> {
        let Spot { place, hinted } = self.checked(spot, id);
        let place = place?;
        if !hinted {
            self.hints.put(id, place, self.order.len());
        }
        self.places.get_mut(place).as_mut()
    }

    /// One of them, to be changed.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Arc<Slave>> {
        let place = self.place(id)?;
        self.places.get_mut(place).as_mut()
    }

    /// Puts a slave; gives back the one that was there.
    pub fn insert(&mut self, id: SlaveId, slave: Arc<Slave>) -> Option<Arc<Slave>> {
        let place = self.place(&id).unwrap_or_else(|| {
            let place = self.free.get_min().copied().unwrap_or(self.order.len());
            self.free.remove(&place);
            self.hints.put(&id, place, self.order.len() + 1);
            self.order.insert(Key { head: head(&id), id }, place);
            place
        });
        self.places.get_mut(place).replace(slave)
    }

    /// Takes a slave away.
    pub fn remove(&mut self, id: &str) -> Option<Arc<Slave>> {
        let place = self.order.remove(&Wanted::new(id))?;
        self.free.insert(place);
        self.places.get_mut(place).take()
    }

    fn at(&self, place: usize) -> &Arc<Slave> {
        self.places.get(place).expect("a slave that has a place lies there")
    }

    /// All, by GUID.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Slave>> {
        self.order.values().map(|place| self.at(*place))
    }

    /// Those between two GUIDs, in order.
    pub fn range<'a>(&'a self, from: Bound<&str>, to: Bound<&str>) -> impl Iterator<Item = &'a Arc<Slave>> + use<'a> {
        let bounds = (from.map(Wanted::new), to.map(Wanted::new));
        self.order.range::<_, Wanted<'_>>(bounds).map(|(_, place)| self.at(*place))
    }
}

impl PartialEq for Slaves {
    fn eq(&self, other: &Slaves) -> bool {
        self.len() == other.len() && self.values().eq(other.values())
    }
}

impl Eq for Slaves {}

impl fmt::Debug for Slaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.values().map(|slave| (&slave.id, slave))).finish()
    }
}

/// As any map: what is written does not show how it is held.
impl Serialize for Slaves {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.len()))?;
        for slave in self.values() {
            map.serialize_entry(&slave.id, slave)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Slaves {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Slaves, D::Error> {
        let map = Map::<SlaveId, Arc<Slave>>::deserialize(from)?;
        let mut slaves = Slaves::new();
        for (id, slave) in map {
            slaves.insert(id, slave);
        }
        Ok(slaves)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::time::Moment;

    fn slave(id: &str, at: u64) -> Arc<Slave> {
        Arc::new(Slave::new(&id.into(), Moment(at)))
    }

    /// Names that begin alike, shorter and longer than a head.
    fn name(number: u64) -> String {
        match number % 4 {
            0 => format!("{:X}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            1 => format!("slave-{number}"),
            2 => format!("{number}"),
            _ => format!("12345678{number}"),
        }
    }

    fn same(slaves: &Slaves, model: &BTreeMap<String, Arc<Slave>>) {
        assert_eq!(slaves.len(), model.len());
        assert!(slaves.values().eq(model.values()));
        for (id, slave) in model {
            assert_eq!(slaves.get(id), Some(slave));
        }
    }

    #[test]
    fn it_is_an_ordered_map_and_clones_are_frozen() {
        let (mut slaves, mut model, mut frozen) = (Slaves::new(), BTreeMap::new(), Vec::new());
        let mut random = 1_u64;
        for turn in 0..6_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = name((random >> 33) % 1_500);
            match random >> 61 {
                0 => assert_eq!(slaves.remove(&id), model.remove(&id)),
                1..3 => {
                    let (ours, theirs) = (slaves.get_mut(&id), model.get_mut(&id));
                    assert_eq!(ours.is_some(), theirs.is_some());
                    for one in ours.into_iter().chain(theirs) {
                        Arc::make_mut(one).last_report = Moment(turn);
                    }
                }
                _ => {
                    let new = slave(&id, turn);
                    assert_eq!(slaves.insert(id.as_str().into(), Arc::clone(&new)), model.insert(id, new));
                }
            }
            if turn % 1_000 == 0 {
                frozen.push((slaves.clone(), model.clone()));
            }
        }
        same(&slaves, &model);
        for (slaves, model) in &frozen {
            same(slaves, model);
        }
    }

    #[test]
    fn a_spot_is_a_hint_and_no_more() {
        let mut slaves = Slaves::new();
        for id in ["a", "b"] {
            slaves.insert(id.into(), slave(id, 0));
        }
        let (found, spot) = slaves.find("a");
        assert_eq!(found.map(|slave| slave.id.to_string()).as_deref(), Some("a"));
        slaves.remove("a");
        assert_eq!(slaves.get_from(spot, "a"), None);
        slaves.insert("c".into(), slave("c", 0));
        assert_eq!(slaves.find("c").1.place, spot.place, "another slave lies there now");
        for (id, from) in
            [("b", spot), ("c", spot), ("b", Spot { place: Some(1_000), hinted: true }), ("c", Spot::default())]
        {
            assert_eq!(slaves.get_from(from, id).map(|slave| slave.id.to_string()).as_deref(), Some(id));
            assert_eq!(slaves.get_mut_from(from, id).map(|slave| slave.id.to_string()).as_deref(), Some(id));
        }
        assert_eq!(slaves.get_from(spot, "a"), None);
    }

    #[test]
    fn who_is_approached_may_be_unknown_or_gone() {
        let mut slaves = Slaves::new();
        for number in 0..FEW as u64 + 2 {
            let id = name(number);
            slaves.insert(id.as_str().into(), slave(&id, number));
        }
        let (last, before) = (name(FEW as u64 + 1), slaves.clone());
        slaves.remove(&last);
        slaves.approach(["0", last.as_str(), "nobody"].into_iter());
        slaves.insert(last.as_str().into(), slave(&last, FEW as u64 + 1));
        assert!(slaves == before);
    }

    #[test]
    fn a_range_has_both_ends_as_asked() {
        let mut slaves = Slaves::new();
        for id in ["a", "b", "b\0", "b-and-much-longer", "c"] {
            slaves.insert(id.into(), slave(id, 0));
        }
        let ids = |from, to| slaves.range(from, to).map(|slave| slave.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(Bound::Excluded("b"), Bound::Unbounded), ["b\0", "b-and-much-longer", "c"]);
        assert_eq!(ids(Bound::Included("b"), Bound::Excluded("c")), ["b", "b\0", "b-and-much-longer"]);
        assert_eq!(ids(Bound::Unbounded, Bound::Included("b")), ["a", "b"]);
    }

    #[test]
    fn it_is_written_as_any_map() {
        let (mut slaves, mut map) = (Slaves::new(), Map::new());
        for number in 0..100 {
            let id = name(number);
            slaves.insert(id.as_str().into(), slave(&id, number));
            map.insert(SlaveId::from(id.as_str()), slave(&id, number));
        }
        let bytes = crate::codec::encode(1, &slaves);
        assert_eq!(bytes, crate::codec::encode(1, &map));
        assert_eq!(crate::codec::decode::<Slaves>(1, &bytes), Ok(slaves));
    }
}
