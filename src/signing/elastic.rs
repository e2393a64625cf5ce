//! Elasticsearch's license: a JSON object whose signature covers a canonical form of its fields.
//!
//! ```text
//! signature = base64( i32 version | i32 length, magic | i32 length, fingerprint | i32 length, RSA signature )
//! ```
//!
//! All integers are big-endian. The signature is RSASSA-PKCS1-v1_5 with SHA-512 over [`Spec::canonical`]; the magic is
//! random and never looked at. From version 4 on the fingerprint is the SHA-256 of the key's SubjectPublicKeyInfo, before
//! that it is of no use here, and every trusted RSA key is tried (dialect note, part 7).

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::claims::{ClaimsFile, bad};
use super::elastic_spec::{LATEST, Spec};
use super::keys::{KeyProblem, PublicKey, SigningKey, key_name};
use super::{LicenseProblem, SignProblem, Signer, json as strict};
use crate::domain::license::{Format, License};
use crate::domain::name::{Name, sha256};
use crate::domain::time::Moment;
use crate::domain::trust::Algorithm;

/// The oldest version whose signature is checked: version 1 signs fields that no license has any more.
const OLDEST: u32 = 2;
/// From here on the fingerprint names the key.
const FINGERPRINTED: u32 = 4;
/// How many random bytes the issuer puts in front.
const MAGIC_BYTES: usize = 13;
/// Most licenses in one upload: the product's own files hold one or two.
const LICENSES: usize = 100;

/// A license taken apart, not believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What it says.
    pub spec: Spec,
    fingerprint: Vec<u8>,
    signature: Vec<u8>,
    encoded: String,
}

/// The one license of a document.
///
/// # Errors
/// When it is none, several, or not laid out as the product asks.
pub fn one(text: &str) -> Result<Envelope, LicenseProblem> {
    let mut all = all(text)?;
    match (all.len(), all.pop()) {
        (1, Some(one)) => Ok(one),
        (0, _) => Err(unreadable("it has no `license`, and begins like no other format that is known here")),
        (count, _) => Err(unreadable(format!("it holds {count} licenses; give one at a time"))),
    }
}

/// The licenses of a document, in its order: `{"license": …}` or `{"licenses": […]}`. None when it has neither.
///
/// # Errors
/// When it is no such JSON, or a license in it is not laid out as the product asks; words are the product's own.
pub fn all(text: &str) -> Result<Vec<Envelope>, LicenseProblem> {
    let value = strict::parse(text.as_bytes()).map_err(|error| unreadable(format!("not JSON: {error}")))?;
    let mut top = match value {
        Value::Object(top) => top,
        Value::String(_) => {
            return Err(unreadable(
                "expected an object, and this is a JSON string that holds text; send the object itself",
            ));
        }
        other => return Err(unreadable(format!("expected an object, and this is {}", kind(&other)))),
    };
    if top.is_empty() {
        return Err(unreadable("expected a field, and the object is empty"));
    }
    match (top.remove("licenses"), top.remove("license")) {
        (Some(_), Some(_)) => Err(unreadable("`license` and `licenses` stand side by side; send one of them")),
        (Some(Value::Array(items)), None) if items.len() <= LICENSES => items.into_iter().map(object).collect(),
        (Some(Value::Array(items)), None) => Err(unreadable(format!("{} licenses, at most {LICENSES}", items.len()))),
        (Some(other), None) => Err(unreadable(format!("licenses is a list, and this is {}", kind(&other)))),
        (None, Some(license)) => object(license).map(|envelope| vec![envelope]),
        (None, None) => Ok(Vec::new()),
    }
}

fn object(value: Value) -> Result<Envelope, LicenseProblem> {
    match value {
        Value::Object(map) => Envelope::of(map),
        other => Err(unreadable(format!("a license is an object, and this is {}", kind(&other)))),
    }
}

impl Envelope {
    /// Takes one license apart. Keys that the product does not know are passed over, as it does.
    fn of(map: Map<String, Value>) -> Result<Envelope, LicenseProblem> {
        let uid = map.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let encoded = match map.get("signature") {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => return Err(bad("signature", "signature can not be null")),
            Some(_) => return Err(malformed(&uid)),
        };
        let bytes = STANDARD.decode(&encoded).map_err(|_not_base64| malformed(&uid))?;
        let (first, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| malformed(&uid))?;
        let version = i32::from_be_bytes(*first);
        if version.unsigned_abs() > LATEST {
            return Err(unreadable(format!("Unknown license version found, version {version}, at most {LATEST}")));
        }
        let layout = match version {
            0 => return Err(malformed(&uid)),
            // a license that the product signed for itself: an encryption without authenticity, no signature
            i32::MIN..0 => None,
            1.. => Some(parts(rest).ok_or_else(|| malformed(&uid))?),
        };
        let (fingerprint, signature) = layout.unwrap_or_default();
        let version = u32::try_from(version).unwrap_or(0);
        Ok(Envelope { spec: Spec::of(map, version)?, fingerprint, signature, encoded })
    }

    /// Which key it says it was signed by.
    pub(super) fn signer(&self) -> Signer {
        if self.spec.version < FINGERPRINTED {
            return Signer::Any(Algorithm::Rsa2048);
        }
        Signer::Named(key_name(Algorithm::Rsa2048, &self.fingerprint))
    }

    /// Whether the key signed what the fields say.
    pub(super) fn verify(&self, key: &PublicKey) -> Result<(), LicenseProblem> {
        if key.algorithm != Algorithm::Rsa2048 {
            return Err(unreadable(format!("key {} is not RSA, and this format takes RSA only", key.id())));
        }
        let named = self.spec.version < FINGERPRINTED || self.fingerprint == sha256(&[&key.bytes]);
        let known = self.spec.version >= OLDEST && named;
        if known && key.verifies(self.spec.canonical().as_bytes(), &self.signature) {
            return Ok(());
        }
        Err(LicenseProblem::BadSignature { key: key.id() })
    }

    /// The license that the fields describe. Kept of the document: the fields that count, in the product's own order.
    pub(super) fn license(&self, key: &Name) -> Result<License, LicenseProblem> {
        let spec = &self.spec;
        Ok(License {
            id: sha256(&[spec.canonical().as_bytes()]),
            format: Format::Elastic,
            key: Some(key.clone()),
            text: Arc::from(spec.document(&self.encoded)),
            label: spec.uid.as_str().into(),
            owner: spec.issued_to.as_str().into(),
            kind: spec.kind.as_str().into(),
            issue: spec.uid.as_str().into(),
            created: spec.created(),
            starts: spec.starts(),
            expires: spec.expires(),
            terms: spec.terms(),
            installed: Moment(0),
            expired: false,
        })
    }
}

/// Fingerprint and signature out of what follows the version. Nothing may be left over.
fn parts(rest: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_magic, rest) = part(rest)?;
    let (fingerprint, rest) = part(rest)?;
    let (signature, rest) = part(rest)?;
    rest.is_empty().then(|| (fingerprint.to_vec(), signature.to_vec()))
}

/// One length-prefixed part, never longer than what is there.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// Signs claims in the product's own keys; `version` 2 to 5 chooses the layout.
pub(super) fn sign(key: &SigningKey, file: ClaimsFile, now: Moment) -> Result<String, SignProblem> {
    if let SigningKey::Ed25519(_) = key {
        return Err(SignProblem::WrongKey { format: "elastic", wanted: "RSA-2048", given: "Ed25519" });
    }
    let spec = Spec::claimed(file, now)?;
    let public = key.public()?.bytes;
    let fingerprint = match spec.version {
        FINGERPRINTED.. => sha256(&[&public]).to_vec(),
        _older => STANDARD.encode(&public).into_bytes(),
    };
    let mut magic = [0; MAGIC_BYTES];
    SystemRandom::new().fill(&mut magic).map_err(|_unspecified| KeyProblem::Failed("used: no randomness"))?;
    let signature = key.sign(spec.canonical().as_bytes())?;
    let mut bytes = spec.version.to_be_bytes().to_vec();
    for part in [&magic[..], &fingerprint, &signature] {
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(part);
    }
    Ok(spec.document(&STANDARD.encode(bytes)) + "\n")
}

fn malformed(uid: &str) -> LicenseProblem {
    unreadable(format!("malformed signature for license [{}]", uid.escape_debug()))
}

fn unreadable(why: impl Into<String>) -> LicenseProblem {
    LicenseProblem::Unreadable(why.into())
}

pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
