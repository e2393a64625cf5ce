//! Names that people and machines give to things, and the collections that hold them.
//!
//! Every collection is persistent (a clone shares structure) and ordered, so that a frozen view costs nothing
//! and every node walks it in the same order.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;

/// An ordered, persistent map: cloning is O(1), iteration order is the same on every node.
pub type Map<K, V> = imbl::OrdMap<K, V>;
/// An ordered, persistent set.
pub type Set<T> = imbl::OrdSet<T>;

/// A name as its owner wrote it: 1 to [`NAME_CHARS`] characters, checked by [`is_name`].
pub type Name = Arc<str>;
/// A slave's GUID, exactly as it reports it.
pub type SlaveId = Arc<str>;
/// SHA-256 of something.
pub type Hash = [u8; 32];

/// Longest name of anything, in characters (L8).
pub const NAME_CHARS: usize = 100;

/// Whether `name` may name a pool, user, role, slave or stack: no control characters, no `/`, not only blanks.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    if (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(plain) {
        return true;
    }
    let length = name.chars().count();
    (1..=NAME_CHARS).contains(&length) && !name.trim().is_empty() && !name.chars().any(|c| c.is_control() || c == '/')
}

/// Refuses what is no name.
///
/// # Errors
/// With what it should have named.
pub fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    if is_name(name) { Ok(()) } else { Err(Refusal::BadName { what: what.into(), name: shortened(name) }) }
}

/// Refuses a free text that is too long or has control characters; empty is fine.
///
/// # Errors
/// With what it is.
pub fn check_text(what: &str, text: &str, most: usize) -> Result<(), Refusal> {
    let fits = text.chars().count() <= most && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    if fits { Ok(()) } else { Err(Refusal::BadName { what: what.into(), name: shortened(text) }) }
}

fn shortened(text: &str) -> Name {
    text.chars().take(NAME_CHARS).collect::<String>().into()
}

/// Refuses a number outside its limits.
///
/// # Errors
/// With the limits.
pub fn check_range(what: &str, asked: u64, least: u64, most: u64) -> Result<(), Refusal> {
    let fits = (least..=most).contains(&asked);
    if fits { Ok(()) } else { Err(Refusal::OutOfRange { what: what.into(), asked, least, most }) }
}

/// SHA-256 over the parts, one after the other.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Lower-case hexadecimal of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
