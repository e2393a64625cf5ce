//! License documents: read and verified on a node, signed offline by the operator's own issuer.
//!
//! What a document says is looked at only after the signature over those very bytes was found good under a key that the
//! operator trusts (T1), and how a key signs is a property of the trusted key, never of the document (T2).
//!
//! Every format is one file with an `Envelope`, and one arm in `document`; nothing else names it.

pub mod claims;
mod compact;
pub mod document;
pub mod elastic;
pub mod elastic_spec;
mod immuta;
pub mod json;
pub mod keys;
pub mod native;
mod nuix;
mod pem;
pub mod quantity;
mod redis;
mod splunk;

use crate::domain::license::{Format, License};
use crate::domain::name::{Map, Name};
use crate::domain::time::Moment;
use crate::domain::trust::TrustedKey;

use claims::ClaimsFile;
pub use document::{Document, Signer};
use keys::{KeyProblem, SigningKey};

/// Largest license document that is read, in bytes: what Splunk's own upload form takes (32 reads of 8 KiB).
pub const DOCUMENT_BYTES: usize = 256 << 10;

/// Why a document is no license here. Grows only at the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LicenseProblem {
    /// It is too large, of no known format, or not laid out as its format asks.
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
    /// It names a key that nobody trusted.
    #[error("signed by a key that is not trusted here: {key}")]
    UnknownKey {
        /// The key's id.
        key: Name,
    },
    /// It names a key that is trusted no more.
    #[error("signed by a key that is trusted no more: {key}")]
    DistrustedKey {
        /// The key's id.
        key: Name,
    },
    /// The signature does not fit the signed bytes.
    #[error("the signature is not good under key {key}: the document was changed, or another key signed it")]
    BadSignature {
        /// The key's id.
        key: Name,
    },
    /// It is signed, but what it claims makes no license.
    #[error("claim {field}: {why}")]
    BadClaims {
        /// The claim's name.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

impl LicenseProblem {
    /// A short code for programs, as the API writes it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            LicenseProblem::Unreadable(_) => "license_unreadable",
            LicenseProblem::UnknownKey { .. } => "license_key_unknown",
            LicenseProblem::DistrustedKey { .. } => "license_key_distrusted",
            LicenseProblem::BadSignature { .. } => "license_signature_bad",
            LicenseProblem::BadClaims { .. } => "license_claims_bad",
        }
    }

    /// What its reader can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            LicenseProblem::Unreadable(_) => "give the file exactly as `quartermaster license sign` wrote it",
            LicenseProblem::UnknownKey { .. } => "trust the issuer's public key first: quartermaster key trust FILE",
            LicenseProblem::DistrustedKey { .. } => "have the license signed again with a key that is trusted",
            LicenseProblem::BadSignature { .. } => "ask its issuer for the file again, and copy it unchanged",
            LicenseProblem::BadClaims { .. } => "ask its issuer to correct the claim and to sign again",
        }
    }
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignProblem {
    /// This release reads the format's name but cannot write it.
    #[error("format {0} cannot be signed by this release")]
    FormatNotBuilt(&'static str),
    /// The format asks for another kind of key.
    #[error("format {format} is signed with {wanted} keys, and this one is {given}")]
    WrongKey {
        /// The format.
        format: &'static str,
        /// What it needs.
        wanted: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The claims make no license.
    #[error(transparent)]
    Claims(#[from] LicenseProblem),
    /// The key failed.
    #[error(transparent)]
    Key(#[from] KeyProblem),
}

/// The document formats by the names that the command line gives them.
pub const FORMATS: [(&str, Format); 6] = [
    ("native", Format::Native),
    ("splunk", Format::Splunk),
    ("elastic", Format::Elastic),
    ("redis", Format::Redis),
    ("immuta", Format::Immuta),
    ("nuix", Format::Nuix),
];

/// A format's name.
#[must_use]
pub const fn format_name(format: Format) -> &'static str {
    match format {
        Format::Native => "native",
        Format::Splunk => "splunk",
        Format::Elastic => "elastic",
        Format::Redis => "redis",
        Format::Immuta => "immuta",
        Format::Nuix => "nuix",
        Format::Builtin => "builtin",
    }
}

/// Reads a license document of any format that is built in, and verifies it under one of the `trusted` keys.
///
/// # Errors
/// When it is unreadable, not signed by a trusted key, or claims what makes no license.
pub fn read_license(text: &str, trusted: &Map<Name, TrustedKey>) -> Result<License, LicenseProblem> {
    Document::of(text)?.read(trusted)
}

/// Signs `claims` as a document of `format`. `now` fills in when it was issued.
///
/// # Errors
/// When the format is not built, the key does not fit it, or the claims make no license.
pub fn sign(format: Format, key: &SigningKey, claims: ClaimsFile, now: Moment) -> Result<String, SignProblem> {
    match format {
        Format::Native => native::sign(key, claims, now),
        Format::Immuta => immuta::sign(key, claims, now),
        Format::Nuix => nuix::sign(key, claims, now),
        Format::Splunk => splunk::sign(key, claims, now),
        Format::Elastic => elastic::sign(key, claims, now),
        Format::Redis => redis::sign(key, claims, now),
        Format::Builtin => Err(SignProblem::FormatNotBuilt(format_name(format))),
    }
}

/// What is known of a document's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// Good under the key of this label.
    Valid {
        /// What the key was called by who gave it.
        label: Name,
    },
    /// Not good under the key that the document names.
    Invalid,
    /// The document's key was not among those given, so nothing is known.
    NotChecked,
}

/// What a document says about itself, and how far that can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its format.
    pub format: Format,
    /// The key that it says it was signed by.
    pub key: Name,
    /// Whether it was.
    pub signature: Signature,
    /// What it claims, believable only under a valid signature.
    pub license: Result<License, LicenseProblem>,
}

impl Verdict {
    /// Whether a cluster that trusts the given keys would take it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(self.signature, Signature::Valid { .. }) && self.license.is_ok()
    }
}

/// Looks into a document without a cluster, with the keys that are at hand.
///
/// # Errors
/// When it is no document of a known format.
pub fn inspect(text: &str, keys: &Map<Name, TrustedKey>) -> Result<Verdict, LicenseProblem> {
    let document = Document::of(text)?;
    let (key, signature) = match document.signer_among(keys) {
        Ok(key) => (key.id.clone(), Signature::Valid { label: key.label.clone() }),
        Err(LicenseProblem::UnknownKey { key }) => {
            // a document that does not name its key was tried under each of its kind
            let tried = |kind| keys.values().any(|key| key.algorithm == kind);
            let wrong = matches!(document.signer(), Signer::Any(kind) if tried(kind));
            (key, if wrong { Signature::Invalid } else { Signature::NotChecked })
        }
        Err(LicenseProblem::DistrustedKey { key } | LicenseProblem::BadSignature { key }) => (key, Signature::Invalid),
        Err(LicenseProblem::Unreadable(_) | LicenseProblem::BadClaims { .. }) => {
            (document.signer().id(), Signature::Invalid)
        }
    };
    let license = document.license(&key);
    Ok(Verdict { format: document.format(), key, signature, license })
}

#[cfg(test)]
mod formats_test;
#[cfg(test)]
mod tests;
