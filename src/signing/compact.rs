//! License keys of one word, without blanks and line ends: they go through a JSON string, a form, and a file whose line
//! ends were lost on the way.
//!
//! `NAME.KEY.PAYLOAD.SIGNATURE`: the format's name, the issuer key's id, and the claims in JSON and the Ed25519 signature
//! in base64url without padding. What is signed is the format's name and the payload, so that no text of one format passes
//! as one of another.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::keys::{PublicKey, SigningKey};
use super::{LicenseProblem, SignProblem, json as strict};
use crate::domain::license::LicenseId;
use crate::domain::name::{NAME_CHARS, Name, sha256};
use crate::domain::trust::Algorithm;

/// A license key, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The id of the issuer's key.
    pub key: Name,
    /// The license key as it is kept: without blanks around it.
    pub(super) text: Arc<str>,
    name: &'static str,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

impl Envelope {
    /// Takes a license key of the format `name` apart; `None` when it is not one of that format.
    ///
    /// # Errors
    /// When it begins like one, and is not laid out so.
    pub fn of(name: &'static str, text: &str) -> Option<Result<Envelope, LicenseProblem>> {
        let text = text.trim();
        let rest = text.strip_prefix(name)?.strip_prefix('.')?;
        Some(Envelope::apart(name, rest, text))
    }

    fn apart(name: &'static str, rest: &str, text: &str) -> Result<Envelope, LicenseProblem> {
        let parts: Vec<&str> = rest.split('.').collect();
        let [key, payload, signature] = parts.as_slice() else {
            return Err(unreadable(format!("a license key is `{name}.KEY.PAYLOAD.SIGNATURE`")));
        };
        if key.is_empty() || key.chars().count() > NAME_CHARS {
            return Err(unreadable("the issuer key's id is empty or too long"));
        }
        let (payload, signature) = (base64(payload)?, base64(signature)?);
        Ok(Envelope { key: (*key).into(), text: text.into(), name, signature, payload })
    }

    /// Whether the key signed these very bytes.
    ///
    /// # Errors
    /// When it did not, or may not sign this format.
    pub fn verify(&self, key: &PublicKey) -> Result<(), LicenseProblem> {
        match key.algorithm {
            Algorithm::Ed25519 if key.verifies(&signed(self.name, &self.payload), &self.signature) => Ok(()),
            Algorithm::Ed25519 => Err(LicenseProblem::BadSignature { key: self.key.clone() }),
            Algorithm::Rsa2048 => {
                Err(unreadable(format!("key {} is RSA, and this format takes Ed25519 only", self.key)))
            }
        }
    }

    /// The license's content hash.
    pub(super) fn id(&self) -> LicenseId {
        sha256(&[&signed(self.name, &self.payload)])
    }

    /// The claims that were signed.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, LicenseProblem> {
        match strict::parse(&self.payload) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(unreadable("the payload is JSON, but no object")),
            Err(error) => Err(unreadable(format!("the payload is not the JSON of a license: {error}"))),
        }
    }
}

/// Signs a payload as a license key of the format `name`.
pub(super) fn sign(name: &'static str, key: &SigningKey, payload: &str) -> Result<String, SignProblem> {
    if let SigningKey::Rsa2048(_) = key {
        return Err(SignProblem::WrongKey { format: name, wanted: "Ed25519", given: "RSA" });
    }
    let id = key.public()?.id();
    let signature = key.sign(&signed(name, payload.as_bytes()))?;
    Ok(format!("{name}.{id}.{}.{}\n", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signature)))
}

/// The bytes that are signed.
fn signed(name: &str, payload: &[u8]) -> Vec<u8> {
    [b"quartermaster license of format ", name.as_bytes(), b"\n", payload].concat()
}

fn base64(text: &str) -> Result<Vec<u8>, LicenseProblem> {
    URL_SAFE_NO_PAD.decode(text).map_err(|error| unreadable(format!("not in canonical base64url: {error}")))
}

fn unreadable(why: impl Into<String>) -> LicenseProblem {
    LicenseProblem::Unreadable(why.into())
}

#[cfg(test)]
mod tests {
    use super::super::claims::ClaimsFile;
    use super::super::{FORMATS, Verdict, inspect, read_license, sign};
    use super::*;
    use crate::domain::license::{Format, License, Term};
    use crate::domain::name::Map as Names;
    use crate::domain::time::Moment;
    use crate::domain::trust::TrustedKey;

    const ISSUER: &str = include_str!("../../tests/dialects/issuer.pem");
    const CLAIMS: [(Format, &str); 2] = [
        (
            Format::Immuta,
            "uuid = \"4ceaf808-5d3c-4a51-8f0e-1d4a753fc5a0\"\nseats = 20\nsoftSeats = 3\nfeatures = [\"FPE\"]\n\
             expires = \"2199-01-01T00:00:00Z\"\nhardExpiration = true\nnotice = \"Welcome\"",
        ),
        (
            Format::Nuix,
            "id = \"4ceaf808-5d3c-4a51-8f0e-1d4a753fc5a0\"\nshortname = \"enterprise-workstation\"\ncount = 10\n\
             workers = 8\nexpiry = 7226582400000\nconcurrentUserLimit = 2\nlegalHoldHoldCountLimit = 0",
        ),
    ];

    fn issuer() -> (SigningKey, Names<Name, TrustedKey>) {
        let key = SigningKey::from_pem(ISSUER).expect("is a key");
        let trusted = key.public().expect("has a public half").trusted("test".into());
        (key, Names::unit(trusted.id.clone(), trusted))
    }

    fn signed(format: Format, claims: &str) -> String {
        sign(format, &issuer().0, ClaimsFile::parse(claims).expect("are claims"), Moment(1)).expect("can be signed")
    }

    fn read(text: &str) -> Result<License, LicenseProblem> {
        read_license(text, &issuer().1)
    }

    #[test]
    fn what_was_signed_is_read_again() {
        let [immuta, nuix] = CLAIMS.map(|(format, claims)| read(&signed(format, claims)).expect("is a license"));
        let Some(Term::Accounts(grant)) = immuta.terms.first() else { panic!("{immuta:?}") };
        assert_eq!((grant.seats, grant.soft_seats, grant.hard_expiration), (20, 3, true));
        assert_eq!(grant.features.get("FPE"), Some(&true));
        let [Term::Seats(grant), Term::SeatLimits(limits)] = nuix.terms.as_slice() else { panic!("{nuix:?}") };
        assert_eq!((&*grant.product, grant.count, grant.workers), ("enterprise-workstation", 10, 8));
        assert_eq!((limits.users, limits.holds, nuix.expires), (Some(2), Some(0), Moment(7_226_582_400_000)));
        assert_eq!(
            read(&format!("  {}\r\n\n", signed(CLAIMS[0].0, CLAIMS[0].1).trim())).expect("blanks").id,
            immuta.id
        );
    }

    #[test]
    fn a_changed_byte_is_refused_or_changes_nothing() {
        for (format, claims) in CLAIMS {
            let text = signed(format, claims);
            let license = read(&text).expect("is a license");
            for at in 0..text.len() {
                for bit in 0..8 {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let Ok(changed) = String::from_utf8(bytes) else { continue };
                    if let Ok(other) = read(&changed) {
                        assert_eq!(other, license, "byte {at} of {text}");
                    }
                }
            }
        }
    }

    #[test]
    fn one_format_s_signature_is_no_other_s() {
        let text = signed(CLAIMS[0].0, CLAIMS[0].1);
        let other = format!("nuix{}", text.strip_prefix("immuta").expect("begins so"));
        assert!(matches!(read(&other), Err(LicenseProblem::BadSignature { .. })));
        let Verdict { format, license, .. } = inspect(&text, &Names::new()).expect("can be looked into");
        assert_eq!((format, license.is_ok()), (Format::Immuta, true));
        assert!(FORMATS.iter().any(|(name, _)| *name == "immuta"));
    }

    #[test]
    fn claims_that_make_no_license_are_not_signed() {
        let none = |format, claims: &str| {
            let claims = ClaimsFile::parse(claims).expect("are claims");
            assert!(sign(format, &issuer().0, claims, Moment(1)).is_err());
        };
        for claims in [
            "",
            "seats = -1",
            "seats = 1.5",
            "seats = \"20\"",
            "seats = 1\nsudo = true",
            "seats = 1\nuuid = \"x\"",
            "seats = 1\nexpires = \"1969-01-01T00:00:00Z\"",
            "seats = 1\nfeatures = { FPE = 7 }",
            "seats = 1\nhardDelete = 1",
        ] {
            none(Format::Immuta, claims);
        }
        for claims in [
            "",
            "shortname = \"a\"",
            "shortname = \"a\"\ncount = 0",
            "shortname = \"a/b\"\ncount = 1",
            "shortname = \"a\"\ncount = 1\nexpiry = -5",
            "shortname = \"a\"\ncount = 1\nconcurrentUserLimit = 0",
        ] {
            none(Format::Nuix, claims);
        }
    }
}
