//! Tokens: 256 random bits, shown once; only their hash goes on (docs/adr/0003).

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::name::{Hash, sha256};

/// What every token begins with, so that secret scanners recognize a leaked one.
pub const PREFIX: &str = "qm_";

/// A fresh token and its hash.
///
/// # Errors
/// When the machine has no randomness.
pub fn fresh() -> Result<(String, Hash), String> {
    let mut bits = [0_u8; 32];
    SystemRandom::new().fill(&mut bits).map_err(|_unspecified| "the machine gave no randomness".to_owned())?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits));
    let hash = sha256(&[token.as_bytes()]);
    Ok((token, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_differ_and_carry_256_bits() {
        let (one, hash) = fresh().expect("randomness");
        let (two, _) = fresh().expect("randomness");
        assert_ne!(one, two);
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert_eq!(hash, sha256(&[one.as_bytes()]));
    }
}
