//! Short texts that come again and again, such as a host's name in each of its reports: read into the allocation that an
//! earlier one of the same text has. For `#[serde(with = "…")]`; written like any text.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::{Deserializer, Serializer, de};

/// Places of a thread's table: what the reports of some hundred slaves name.
const PLACES: usize = 4_096;
/// Longer texts are not held: the table stays below a megabyte.
const LONGEST: usize = 128;

/// Writes a text.
///
/// # Errors
/// What the format says.
pub fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

/// Reads a text.
///
/// # Errors
/// What the format says.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
    struct Text;
    impl de::Visitor<'_> for Text {
        type Value = Arc<str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Arc<str>, E> {
            Ok(shared(text))
        }
    }
    from.deserialize_str(Text)
}

/// The text, in an allocation that others may share.
#[must_use]
pub fn shared(text: &str) -> Arc<str> {
    thread_local! {
        static TABLE: RefCell<Vec<Option<Arc<str>>>> = RefCell::new(vec![None; PLACES]);
    }
    if text.is_empty() {
        return Arc::default();
    }
    if text.len() > LONGEST {
        return text.into();
    }
    TABLE.with_borrow_mut(|table| match &mut table[place(text)] {
        Some(held) if **held == *text => Arc::clone(held),
        place => Arc::clone(place.insert(text.into())),
    })
}

/// Where a text has its place: its own or another's, then the other one goes.
fn place(text: &str) -> usize {
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let sum = words
        .iter()
        .chain(std::iter::once(&last))
        .fold(text.len() as u64, |sum, word| (sum ^ u64::from_le_bytes(*word)).wrapping_mul(SPREAD).rotate_left(29));
    usize::try_from(sum.wrapping_mul(SPREAD) >> (u64::BITS - PLACES.trailing_zeros())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_and_different_ones_do_not() {
        let (one, other) = (shared("web-001"), shared("web-001"));
        assert!(Arc::ptr_eq(&one, &other));
        for number in 0..3 * PLACES {
            let text = format!("source {number}");
            assert_eq!(*shared(&text), *text);
        }
        assert_eq!(&*shared(""), "");
        assert_eq!(shared(&"x".repeat(1_000)).len(), 1_000);
    }
}
