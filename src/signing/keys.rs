//! Issuer keys: Ed25519 for our own formats, RSA-2048 with SHA-512 for Elasticsearch's layout.
//!
//! Private keys are PKCS#8 in PEM, public ones SubjectPublicKeyInfo in PEM, so that openssl reads and makes both.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA512, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::pem;
use crate::domain::name::{Name, hex, sha256};
use crate::domain::time::Moment;
use crate::domain::trust::{Algorithm, TrustedKey};

/// Largest key text that is read, in bytes: an RSA-2048 private key in PEM takes 1.7 KiB.
pub const KEY_BYTES: usize = 16 << 10;

/// The modulus of the RSA keys that are taken, in bytes.
const RSA_MODULUS_BYTES: usize = 2048 / 8;

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// How many hex digits of its hash name a key.
const KEY_ID_HEX: usize = 16;

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// It is not a key of the two kinds.
    #[error("{0}")]
    Unreadable(String),
    /// The cryptography library refused; it says no more.
    #[error("the key could not be {0}")]
    Failed(&'static str),
}

/// The id of the key whose public bytes have this hash.
#[must_use]
pub fn key_name(algorithm: Algorithm, hash: &[u8]) -> Name {
    let kind = match algorithm {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Rsa2048 => "rsa",
    };
    let digits = hex(hash);
    format!("{kind}:{}", &digits[..digits.len().min(KEY_ID_HEX)]).into()
}

/// An issuer's private key. Never on a node.
pub enum SigningKey {
    /// For our own formats.
    Ed25519(Box<Ed25519KeyPair>),
    /// For Elasticsearch's layout.
    Rsa2048(Box<RsaKeyPair>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().map_or_else(|_| "unreadable".into(), |key| key.id()))
    }
}

impl SigningKey {
    /// A fresh key.
    ///
    /// # Errors
    /// When the library has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<SigningKey, KeyProblem> {
        let failed = |_| KeyProblem::Failed("generated");
        Ok(match algorithm {
            Algorithm::Ed25519 => SigningKey::Ed25519(Box::new(Ed25519KeyPair::generate().map_err(failed)?)),
            Algorithm::Rsa2048 => {
                SigningKey::Rsa2048(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?))
            }
        })
    }

    /// Reads a private key in PKCS#8 PEM.
    ///
    /// # Errors
    /// When it is not one, or of another kind than Ed25519 and RSA-2048.
    pub fn from_pem(text: &str) -> Result<SigningKey, KeyProblem> {
        let der = match pem::decode(text) {
            Some(("PRIVATE KEY", der)) => der,
            Some(("ENCRYPTED PRIVATE KEY", _)) => {
                return Err(unreadable("the key is encrypted; decrypt it first: openssl pkcs8 -in KEY -out PLAIN"));
            }
            Some((label, _)) => {
                let why =
                    format!("PEM block `{label}` is no PKCS#8 private key; convert it: openssl pkcs8 -topk8 -nocrypt");
                return Err(KeyProblem::Unreadable(why));
            }
            None => return Err(unreadable("not a private key in PKCS#8 PEM")),
        };
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(&der) {
            return Ok(SigningKey::Ed25519(Box::new(pair)));
        }
        match RsaKeyPair::from_pkcs8(&der) {
            Ok(pair) if pair.public_modulus_len() == RSA_MODULUS_BYTES => Ok(SigningKey::Rsa2048(Box::new(pair))),
            Ok(pair) => Err(wrong_size(pair.public_modulus_len())),
            Err(_) => Err(unreadable("neither an Ed25519 nor an RSA private key")),
        }
    }

    /// The key in PKCS#8 PEM: a secret.
    ///
    /// # Errors
    /// When the library refuses to encode it.
    pub fn to_pem(&self) -> Result<String, KeyProblem> {
        let der: Result<Pkcs8V1Der<'_>, _> = match self {
            SigningKey::Ed25519(pair) => pair.as_der(),
            SigningKey::Rsa2048(pair) => pair.as_der(),
        };
        Ok(pem::encode("PRIVATE KEY", der.map_err(|_unspecified| KeyProblem::Failed("encoded"))?.as_ref()))
    }

    /// Its public half.
    ///
    /// # Errors
    /// When the library refuses to encode it.
    pub fn public(&self) -> Result<PublicKey, KeyProblem> {
        Ok(match self {
            SigningKey::Ed25519(pair) => {
                PublicKey { algorithm: Algorithm::Ed25519, bytes: pair.public_key().as_ref().to_vec() }
            }
            SigningKey::Rsa2048(pair) => {
                let der: PublicKeyX509Der<'_> =
                    pair.public_key().as_der().map_err(|_unspecified| KeyProblem::Failed("encoded"))?;
                PublicKey { algorithm: Algorithm::Rsa2048, bytes: der.as_ref().to_vec() }
            }
        })
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        match self {
            SigningKey::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            SigningKey::Rsa2048(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_unspecified| KeyProblem::Failed("used"))?;
                Ok(signature)
            }
        }
    }
}

/// An issuer's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// How it signs.
    pub algorithm: Algorithm,
    /// As [`TrustedKey::public`] holds it.
    pub bytes: Vec<u8>,
}

impl PublicKey {
    /// The key of a trusted entry.
    #[must_use]
    pub fn of(key: &TrustedKey) -> PublicKey {
        PublicKey { algorithm: key.algorithm, bytes: key.public.clone() }
    }

    /// Reads a public key: SubjectPublicKeyInfo as PEM or as bare base64, or the bare base64 of 32 Ed25519 bytes.
    ///
    /// # Errors
    /// When it is none of these, of another kind than Ed25519 and RSA-2048, or a private key.
    pub fn parse(text: &str) -> Result<PublicKey, KeyProblem> {
        if text.len() > KEY_BYTES {
            return Err(unreadable("too long for a public key"));
        }
        let der = match pem::decode(text) {
            Some(("PUBLIC KEY", der)) => der,
            Some((label, _)) if label.contains("PRIVATE") => {
                return Err(unreadable("that is a private key: keep it offline, and give its public half"));
            }
            Some((label, _)) => {
                return Err(KeyProblem::Unreadable(format!("PEM block `{label}` is no public key (`PUBLIC KEY`)")));
            }
            None => STANDARD
                .decode(text.trim())
                .map_err(|_unspecified| unreadable("neither PEM nor base64 of a public key"))?,
        };
        if let Some(key) = der.strip_prefix(&ED25519_SPKI).filter(|key| key.len() == 32) {
            return Ok(PublicKey { algorithm: Algorithm::Ed25519, bytes: key.to_vec() });
        }
        if der.len() == 32 {
            return Ok(PublicKey { algorithm: Algorithm::Ed25519, bytes: der });
        }
        rsa(der)
    }

    /// Its id: the algorithm, and the beginning of the hash of its bytes.
    #[must_use]
    pub fn id(&self) -> Name {
        key_name(self.algorithm, &sha256(&[&self.bytes]))
    }

    /// The key as SubjectPublicKeyInfo in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        match self.algorithm {
            Algorithm::Ed25519 => pem::encode("PUBLIC KEY", &[&ED25519_SPKI, self.bytes.as_slice()].concat()),
            Algorithm::Rsa2048 => pem::encode("PUBLIC KEY", &self.bytes),
        }
    }

    /// Whether `signature` was made over `message` by this key, in this key's way.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature).is_ok(),
            Algorithm::Rsa2048 => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, &self.bytes).verify(message, signature).is_ok()
            }
        }
    }

    /// The entry that makes a cluster trust it; `decide` sets when.
    #[must_use]
    pub fn trusted(&self, label: Name) -> TrustedKey {
        TrustedKey {
            id: self.id(),
            algorithm: self.algorithm,
            public: self.bytes.clone(),
            label,
            since: Moment(0),
            distrusted: None,
        }
    }
}

/// An RSA key of the one size that is taken, and nothing after it.
fn rsa(der: Vec<u8>) -> Result<PublicKey, KeyProblem> {
    use x509_parser::prelude::FromDer as _;
    use x509_parser::public_key::PublicKey as Kind;
    let parsed = x509_parser::x509::SubjectPublicKeyInfo::from_der(&der);
    match parsed.ok().filter(|(rest, _)| rest.is_empty()).map(|(_, key)| match key.parsed() {
        Ok(Kind::RSA(rsa)) => Some(rsa.key_size() / 8),
        _ => None,
    }) {
        Some(Some(RSA_MODULUS_BYTES)) => Ok(PublicKey { algorithm: Algorithm::Rsa2048, bytes: der }),
        Some(Some(bytes)) => Err(wrong_size(bytes)),
        Some(None) | None => Err(unreadable("neither an Ed25519 nor an RSA public key")),
    }
}

fn wrong_size(modulus_bytes: usize) -> KeyProblem {
    KeyProblem::Unreadable(format!("an RSA key of {} bits; Elasticsearch's layout takes 2048", modulus_bytes * 8))
}

fn unreadable(why: &str) -> KeyProblem {
    KeyProblem::Unreadable(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_either_kind_survives_pem_and_verifies_what_it_signed() {
        for (algorithm, prefix) in [(Algorithm::Ed25519, "ed25519:"), (Algorithm::Rsa2048, "rsa:")] {
            let key = SigningKey::generate(algorithm).expect("a key");
            let key = SigningKey::from_pem(&key.to_pem().expect("pem")).expect("its own pem");
            let public = key.public().expect("its public half");
            assert_eq!(PublicKey::parse(&public.to_pem()).expect("its own pem"), public);
            assert!(public.id().starts_with(prefix) && public.id().len() == prefix.len() + KEY_ID_HEX);
            let signature = key.sign(b"ten").expect("a signature");
            assert!(public.verifies(b"ten", &signature));
            assert!(!public.verifies(b"tem", &signature));
            assert!(!public.verifies(b"ten", &[]));
        }
    }

    #[test]
    fn keys_that_openssl_made_are_read() {
        let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
        let key = PublicKey::parse(ed25519).expect("RFC 8032's first key");
        let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        let signature: Vec<u8> =
            (0..64).map(|i| u8::from_str_radix(&signature[2 * i..2 * i + 2], 16).expect("hex")).collect();
        assert!(key.verifies(b"", &signature));
        assert_eq!(PublicKey::parse("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), Ok(key));
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_a_reason() {
        let private = SigningKey::generate(Algorithm::Ed25519).and_then(|key| key.to_pem()).expect("a key");
        let problem = PublicKey::parse(&private).expect_err("a private key");
        assert!(problem.to_string().contains("private key"));
        assert!(PublicKey::parse("bm90IGEga2V5").is_err());
        assert!(PublicKey::parse("").is_err());
        assert!(SigningKey::from_pem("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----").is_err());
    }
}
