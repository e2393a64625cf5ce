//! Where slaves were found the last time: one line of memory in the place of a way through a tree of a million
//! (docs/adr/0069). Never taken at its word.

use std::hash::{DefaultHasher, Hasher as _};

/// Entries of a bucket: a line of memory.
const BUCKET: usize = 8;
/// Buckets of the smallest table.
const LEAST_BUCKETS: usize = 64;
/// Bits of a tag; its first ones choose the bucket.
const TAG_BITS: u32 = 32;

/// A table from names to places that forgets when it is full. It belongs to whoever changes the slaves: a clone has none,
/// so that a frozen view costs nothing.
#[derive(Default)]
pub(super) struct Hints {
    buckets: Vec<[Entry; BUCKET]>,
}

/// What a name's hash begins with, and the place behind it plus one; 0 is empty.
#[derive(Clone, Copy, Default)]
struct Entry {
    tag: u32,
    place: u32,
}

/// The same for a name on every node and in every run.
fn tag(name: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    (hasher.finish() >> TAG_BITS) as u32
}

impl Hints {
    fn bucket(&self, tag: u32) -> usize {
        (tag >> (TAG_BITS - self.buckets.len().trailing_zeros())) as usize
    }

    /// Where this name may be.
    pub(super) fn get(&self, name: &str) -> impl Iterator<Item = usize> {
        let (tag, bucket) = if self.buckets.is_empty() {
            (0, &[][..])
        } else {
            let tag = tag(name);
            (tag, &self.buckets[self.bucket(tag)][..])
        };
        let found = bucket.iter().filter(move |entry| entry.place != 0 && entry.tag == tag);
        found.map(|entry| entry.place as usize - 1)
    }

    /// Remembers where one of so many names is.
    pub(super) fn put(&mut self, name: &str, place: usize, names: usize) {
        let Some(place) = u32::try_from(place).ok().and_then(|place| place.checked_add(1)) else { return };
        // Three quarters full at most, so that few buckets overflow.
        while names * 4 > self.buckets.len() * BUCKET * 3 {
            self.grow();
        }
        self.enter(Entry { tag: tag(name), place });
    }

    /// Doubles. What a bucket had goes into two that lie side by side, so a million entries take some ten milliseconds.
    fn grow(&mut self) {
        let buckets = vec![Default::default(); (self.buckets.len() * 2).max(LEAST_BUCKETS)];
        let before = std::mem::replace(&mut self.buckets, buckets);
        before.into_iter().flatten().filter(|entry| entry.place != 0).for_each(|entry| self.enter(entry));
    }

    fn enter(&mut self, entry: Entry) {
        let at = self.bucket(entry.tag);
        let bucket = &mut self.buckets[at];
        let same = bucket.iter().position(|old| old.place == entry.place || old.tag == entry.tag);
        let free = || bucket.iter().position(|old| old.place == 0);
        bucket[same.or_else(free).unwrap_or(entry.place as usize % BUCKET)] = entry;
    }
}

impl Clone for Hints {
    fn clone(&self) -> Hints {
        Hints::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_are_found_and_a_clone_has_none() {
        let mut hints = Hints::default();
        let name = |number: usize| format!("slave-{number}");
        let is_found = |hints: &Hints, number: usize| hints.get(&name(number)).any(|place| place == number);
        assert!(!is_found(&hints, 0));
        for number in 0..10_000 {
            hints.put(&name(number), number, number + 1);
            assert!(is_found(&hints, number));
        }
        // A bucket that overflows forgets.
        let found = (0..10_000).filter(|number| is_found(&hints, *number)).count();
        assert!(found > 9_000, "{found}");
        assert!(!is_found(&hints.clone(), 9_999));
    }
}
