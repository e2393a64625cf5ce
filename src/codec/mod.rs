//! Bytes in and out: the one place that names the binary encoding (docs/adr/0004).
//!
//! Every stored or sent value starts with a format number; decoding is bounded and takes the whole input.

pub mod shared;

use std::cell::RefCell;

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest single value that is decoded, in bytes: a batch of the largest requests fits, a hostile length does not.
pub const VALUE_BYTES: usize = 256 << 20;

/// Room for a value that stays with the thread; what grew beyond it is given back.
const SCRATCH_BYTES: usize = 64 << 10;

const CONFIG: Configuration<LittleEndian, Varint, Limit<VALUE_BYTES>> = config::standard().with_limit::<VALUE_BYTES>();

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is nothing.
    #[error("no bytes")]
    Empty,
    /// A format number that this binary does not read.
    #[error("format {found}, this binary reads {known}")]
    Format {
        /// The number found.
        found: u8,
        /// The number known.
        known: u8,
    },
    /// The value itself does not decode.
    #[error("{0}")]
    Value(String),
    /// Bytes are left over.
    #[error("{0} bytes left over")]
    Rest(usize),
}

/// `value` behind its format number.
///
/// # Panics
/// Never: encoding plain data into memory cannot fail.
#[must_use]
pub fn encode<T: Serialize>(format: u8, value: &T) -> Vec<u8> {
    with_encoded(format, value, <[u8]>::to_vec)
}

/// What `with` makes of `value` behind its format number; `with` encodes nothing itself.
///
/// # Panics
/// Never: encoding plain data into memory cannot fail.
pub fn with_encoded<T: Serialize, R>(format: u8, value: &T, with: impl FnOnce(&[u8]) -> R) -> R {
    thread_local! {
        // A value's length is known only once it is encoded: it grows here, in room that is kept.
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.push(format);
        bincode::serde::encode_into_std_write(value, scratch, config::standard()).expect("plain data always encodes");
        let made = with(scratch);
        if scratch.capacity() > SCRATCH_BYTES {
            *scratch = Vec::new();
        }
        made
    })
}

/// The value behind the format number `known`, which must take all of `bytes`.
///
/// # Errors
/// When the bytes are of another format or malformed.
pub fn decode<T: DeserializeOwned>(known: u8, bytes: &[u8]) -> Result<T, Malformed> {
    let (&found, value) = bytes.split_first().ok_or(Malformed::Empty)?;
    if found != known {
        return Err(Malformed::Format { found, known });
    }
    let (value, read) =
        bincode::serde::borrow_decode_from_slice(value, CONFIG).map_err(|error| Malformed::Value(error.to_string()))?;
    match bytes.len() - 1 - read {
        0 => Ok(value),
        rest => Err(Malformed::Rest(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_anything_else_is_refused() {
        let bytes = encode(3, &(7_u64, "seven".to_owned()));
        assert_eq!(decode::<(u64, String)>(3, &bytes), Ok((7, "seven".to_owned())));
        assert_eq!(decode::<(u64, String)>(4, &bytes), Err(Malformed::Format { found: 3, known: 4 }));
        assert_eq!(decode::<(u64, String)>(3, &[]), Err(Malformed::Empty));
        assert!(matches!(decode::<(u64, String)>(3, &bytes[..4]), Err(Malformed::Value(_))));
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode::<(u64, String)>(3, &longer), Err(Malformed::Rest(1)));
    }

    #[test]
    fn a_hostile_length_is_refused_without_taking_memory() {
        let hostile = [1, 253, 255, 255, 255, 255, 255, 255, 255, 127];
        assert!(matches!(decode::<Vec<u8>>(1, &hostile), Err(Malformed::Value(_))));
    }
}
