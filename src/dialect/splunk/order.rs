//! The order of a list, and its next rows in that order: of any number of rows that are looked at, only so many are kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::wanted::{SortMode, Wanted};

/// Longest text that rows are ordered by, in characters: a pool may name ten thousand slaves.
const KEY_CHARS: usize = 200;

/// How keys are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    numeric: bool,
    with_case: bool,
    descending: bool,
}

/// What a row is ordered by. Keys of one order compare as their rows do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The smallest comes first.
    Up(Compared),
    /// The largest does.
    Down(Reverse<Compared>),
}

/// A key without its direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Compared {
    /// A number; what is none comes before all of them.
    Number(Option<i128>),
    /// A text.
    Text(String),
}

/// A row's place: by its key, and among equal ones by where it stands in the state. No two rows have the same.
pub(super) type Place = (Key, usize);

impl Order {
    /// The order that is wanted; `numbers` says whether all rows have numbers where they are ordered by.
    pub(super) fn of(wanted: &Wanted, numbers: bool) -> Order {
        let numeric = match wanted.sort_mode {
            SortMode::Num => true,
            SortMode::Auto => numbers,
            SortMode::Alpha | SortMode::AlphaCase => false,
        };
        Order { numeric, with_case: wanted.sort_mode == SortMode::AlphaCase, descending: wanted.descending }
    }

    /// The key of a text.
    pub(super) fn key(&self, text: &str) -> Key {
        let value = if self.numeric {
            Compared::Number(number(text))
        } else if self.with_case {
            Compared::Text(text.chars().take(KEY_CHARS).collect())
        } else {
            Compared::Text(text.chars().take(KEY_CHARS).flat_map(char::to_lowercase).collect())
        };
        if self.descending { Key::Down(Reverse(value)) } else { Key::Up(value) }
    }
}

/// A text that is a number.
pub(super) fn number(text: &str) -> Option<i128> {
    text.parse().ok()
}

/// Of the rows behind a place, the first `most`.
pub(super) struct Next<T> {
    most: usize,
    behind: Option<Place>,
    kept: BinaryHeap<Kept<T>>,
}

struct Kept<T> {
    place: Place,
    row: T,
}

impl<T> PartialEq for Kept<T> {
    fn eq(&self, other: &Kept<T>) -> bool {
        self.place == other.place
    }
}

impl<T> Eq for Kept<T> {}

impl<T> PartialOrd for Kept<T> {
    fn partial_cmp(&self, other: &Kept<T>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Kept<T> {
    fn cmp(&self, other: &Kept<T>) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl<T> Next<T> {
    /// Nothing looked at yet. Without a place all rows are behind it.
    pub(super) fn new(behind: Option<Place>, most: usize) -> Next<T> {
        Next { most, behind, kept: BinaryHeap::new() }
    }

    /// Looks at a row.
    pub(super) fn offer(&mut self, place: Place, row: T) {
        let is_behind = self.behind.as_ref().is_none_or(|behind| place > *behind);
        let is_first = self.kept.len() < self.most || self.kept.peek().is_some_and(|last| place < last.place);
        if is_behind && is_first {
            if self.kept.len() == self.most {
                self.kept.pop();
            }
            self.kept.push(Kept { place, row });
        }
    }

    /// The rows in order, and the place of the last one.
    pub(super) fn rows(self) -> (Vec<T>, Option<Place>) {
        let sorted = self.kept.into_sorted_vec();
        let last = sorted.last().map(|last| last.place.clone());
        (sorted.into_iter().map(|kept| kept.row).collect(), last)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    /// A row that counts how many of its kind there are.
    struct Counted<'a> {
        text: &'a str,
        living: &'a Cell<usize>,
    }

    impl<'a> Counted<'a> {
        fn new(text: &'a str, living: &'a Cell<usize>) -> Counted<'a> {
            living.set(living.get() + 1);
            Counted { text, living }
        }
    }

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.living.set(self.living.get() - 1);
        }
    }

    fn order(numeric: bool, with_case: bool, descending: bool) -> Order {
        Order { numeric, with_case, descending }
    }

    #[test]
    fn numbers_and_letters_compare_as_they_are_asked_to() {
        let sorted = |order: Order, texts: &[&'static str]| {
            let mut texts = texts.to_vec();
            texts.sort_by_key(|text| order.key(text));
            texts
        };
        assert_eq!(sorted(order(true, false, false), &["10", "9", "x"]), ["x", "9", "10"]);
        assert_eq!(sorted(order(true, false, true), &["10", "9", "x"]), ["10", "9", "x"]);
        assert_eq!(sorted(order(false, false, false), &["b", "A", "a", "10", "9"]), ["10", "9", "A", "a", "b"]);
        assert_eq!(sorted(order(false, true, false), &["b", "a", "B"]), ["B", "a", "b"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn passes_give_what_sorting_all_would_and_keep_no_more_than_they_may(
            texts in proptest::collection::vec("[a-cA-C0-9]{0,3}", 0..200),
            most in 1_usize..20,
            kind in 0_u8..8,
        ) {
            let order = order(kind & 1 > 0, kind & 2 > 0, kind & 4 > 0);
            let mut wanted: Vec<&str> = texts.iter().map(String::as_str).collect();
            wanted.sort_by_key(|text| order.key(text));
            let (living, mut found, mut behind) = (Cell::new(0), Vec::new(), None);
            loop {
                let mut next = Next::new(behind.take(), most);
                for (at, text) in texts.iter().enumerate() {
                    next.offer((order.key(text), at), Counted::new(text, &living));
                    prop_assert!(living.get() <= most, "{} rows are kept, at most {most} may be", living.get());
                }
                let (rows, last) = next.rows();
                if rows.is_empty() {
                    break;
                }
                found.extend(rows.iter().map(|row| row.text));
                behind = last;
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
