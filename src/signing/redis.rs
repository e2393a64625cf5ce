//! Redis Enterprise's license: a text block as the product's, with an Ed25519 signature of ours inside.
//!
//! ```text
//! ----- LICENSE START -----
//! (base64, 60 characters a line)
//! ----- LICENSE END -----
//! ```
//!
//! The base64 holds a format number, eight bytes that name the key, 64 bytes of signature, and the payload: a JSON
//! object of claims. The signature covers the payload's bytes exactly. White space may stand anywhere between the
//! characters, and the two characters `\n` count as a line end: mail, YAML and shells make such things. What is kept is
//! the canonical block.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::claims::{ClaimsFile, Fields, bad, missing, this_minute};
use super::keys::{PublicKey, SigningKey, key_name};
use super::native::rfc3339;
use super::{LicenseProblem, SignProblem, Signer, json as strict};
use crate::domain::license::{Format, License, Term};
use crate::domain::name::{Name, Set, sha256};
use crate::domain::term::{IssueOrder, LevelLimit};
use crate::domain::time::Moment;
use crate::domain::trust::Algorithm;

/// How every document of this format begins.
pub(super) const BEGIN: &str = "----- LICENSE START -----";
const END: &str = "----- LICENSE END -----";
/// Characters of base64 on a line, as the product's documentation shows it.
const LINE_CHARS: usize = 60;
/// What stands first in the base64.
const LAYOUT: u8 = 1;
/// How many bytes of its hash name the key.
const KEY_BYTES: usize = 8;
/// An Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// A document taken apart, not believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    key: Name,
    signature: Vec<u8>,
    payload: Vec<u8>,
    text: Arc<str>,
}

impl Envelope {
    /// Takes a document apart.
    pub(super) fn of(text: &str) -> Result<Envelope, LicenseProblem> {
        let text = text.replace("\\r", "\r").replace("\\n", "\n");
        let inner = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let inner = inner.ok_or_else(|| unreadable(format!("it is not between `{BEGIN}` and `{END}`")))?;
        let inner: String = inner.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(&inner).map_err(|error| unreadable(format!("not in canonical base64: {error}")))?;
        let cut = || unreadable("it ends too early");
        let (layout, rest) = bytes.split_first().ok_or_else(cut)?;
        if *layout != LAYOUT {
            return Err(unreadable(format!("layout {layout} is not known, only {LAYOUT}")));
        }
        let (key, rest) = rest.split_at_checked(KEY_BYTES).ok_or_else(cut)?;
        let (signature, payload) = rest.split_at_checked(SIGNATURE_BYTES).ok_or_else(cut)?;
        Ok(Envelope {
            key: key_name(Algorithm::Ed25519, key),
            signature: signature.to_vec(),
            payload: payload.to_vec(),
            text: block(&inner).into(),
        })
    }

    /// Which key it says it was signed by.
    pub(super) fn signer(&self) -> Signer {
        Signer::Named(self.key.clone())
    }

    /// Whether the key signed these very bytes.
    pub(super) fn verify(&self, key: &PublicKey) -> Result<(), LicenseProblem> {
        match key.algorithm {
            Algorithm::Ed25519 if key.verifies(&self.payload, &self.signature) => Ok(()),
            Algorithm::Ed25519 => Err(LicenseProblem::BadSignature { key: self.key.clone() }),
            Algorithm::Rsa2048 => Err(unreadable(format!("key {} is RSA, and this takes Ed25519 only", self.key))),
        }
    }

    /// The license that the signed bytes claim.
    pub(super) fn license(&self, key: &Name) -> Result<License, LicenseProblem> {
        let claims = match strict::parse(&self.payload) {
            Ok(Value::Object(map)) => Claims::of(map)?,
            Ok(_) => return Err(unreadable("the payload is JSON, but no object")),
            Err(error) => return Err(unreadable(format!("the payload is not the JSON of a license: {error}"))),
        };
        Ok(License {
            id: sha256(&[&self.payload]),
            format: Format::Redis,
            key: Some(key.clone()),
            text: self.text.clone(),
            label: claims.label(),
            owner: claims.owner.clone().unwrap_or_default(),
            kind: "cluster".into(),
            issue: claims.id.clone(),
            created: claims.issued,
            starts: claims.activation,
            expires: claims.expiration,
            terms: claims.terms(),
            installed: Moment(0),
            expired: false,
        })
    }
}

/// The canonical block around base64 without white space.
fn block(base64: &str) -> String {
    let mut text = format!("{BEGIN}\n");
    let mut rest = base64;
    while !rest.is_empty() {
        // base64 is ASCII: every place is a character's
        let (line, after) = rest.split_at(rest.len().min(LINE_CHARS));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + END + "\n"
}

/// Signs claims; those that say when and which are filled in when they are absent.
pub(super) fn sign(key: &SigningKey, file: ClaimsFile, now: Moment) -> Result<String, SignProblem> {
    if let SigningKey::Rsa2048(_) = key {
        return Err(SignProblem::WrongKey { format: "redis", wanted: "Ed25519", given: "RSA" });
    }
    let ClaimsFile(mut map) = file;
    let now = Value::String(rfc3339(this_minute(now)));
    map.entry("id").or_insert_with(|| Value::String(uuid::Uuid::new_v4().to_string()));
    map.entry("issued").or_insert_with(|| now.clone());
    map.entry("activation_date").or_insert(now);
    let payload = Claims::of(map)?.payload();
    let hash = sha256(&[&key.public()?.bytes]);
    let signature = key.sign(payload.as_bytes())?;
    let bytes = [&[LAYOUT][..], &hash[..KEY_BYTES], &signature, payload.as_bytes()].concat();
    Ok(block(&STANDARD.encode(bytes)))
}

/// The claims of this format.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claims {
    id: Name,
    owner: Option<Name>,
    cluster: Option<Name>,
    shards: Option<u32>,
    ram_shards: Option<u32>,
    flash_shards: Option<u32>,
    features: Set<Name>,
    issue: Option<u32>,
    issued: Moment,
    activation: Moment,
    expiration: Moment,
}

impl Claims {
    fn of(map: Map<String, Value>) -> Result<Claims, LicenseProblem> {
        let mut fields = Fields::new(map);
        let claims = Claims {
            id: fields.name("id")?.ok_or_else(|| missing("id"))?,
            owner: fields.name("owner")?,
            cluster: fields.name("cluster_name")?,
            shards: fields.number("shards_limit", u32::MAX)?,
            ram_shards: fields.number("ram_shards_limit", u32::MAX)?,
            flash_shards: fields.number("flash_shards_limit", u32::MAX)?,
            features: fields.names("features")?.unwrap_or_default(),
            issue: fields.number("issue", u32::MAX)?,
            issued: fields.moment("issued")?.ok_or_else(|| missing("issued"))?,
            activation: fields.moment("activation_date")?.ok_or_else(|| missing("activation_date"))?,
            expiration: fields.moment("expiration_date")?.ok_or_else(|| missing("expiration_date"))?,
        };
        fields.finish()?;
        for (field, moment) in [("activation_date", claims.activation), ("expiration_date", claims.expiration)] {
            if moment.0 % 1_000 != 0 {
                return Err(bad(field, "whole seconds only: clients read no fraction"));
            }
        }
        if claims.expiration <= claims.activation {
            let (ends, begins) = (rfc3339(claims.expiration), rfc3339(claims.activation));
            return Err(bad("expiration_date", format!("{ends} is not after its activation, {begins}")));
        }
        Ok(claims)
    }

    /// What the whole cluster may have: told, or the sum of both kinds.
    fn all_shards(&self) -> Option<u64> {
        let both = || Some(u64::from(self.ram_shards?) + u64::from(self.flash_shards?));
        self.shards.map(u64::from).or_else(both)
    }

    fn label(&self) -> Name {
        self.cluster.clone().or_else(|| self.owner.clone()).unwrap_or_else(|| self.id.clone())
    }

    fn terms(&self) -> Vec<Term> {
        let level = |name: &str, limit: Option<u64>| Term::Level(LevelLimit { level: name.into(), limit });
        let mut terms = vec![
            level("shards", self.all_shards()),
            level("ram_shards", self.ram_shards.map(u64::from)),
            level("flash_shards", self.flash_shards.map(u64::from)),
            Term::Features(self.features.clone()),
        ];
        terms.extend(self.cluster.clone().map(Term::Cluster));
        let order = |number: u32| Term::Issue(IssueOrder { series: "".into(), number: u64::from(number) });
        terms.extend(self.issue.map(order));
        terms
    }

    /// The bytes that are signed.
    fn payload(&self) -> String {
        let mut payload = json!({
            "id": self.id.as_ref(),
            "issued": rfc3339(self.issued),
            "activation_date": rfc3339(self.activation),
            "expiration_date": rfc3339(self.expiration),
            "features": self.features.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        });
        let words = [("owner", &self.owner), ("cluster_name", &self.cluster)];
        for (field, word) in words {
            if let Some(word) = word {
                payload[field] = Value::from(word.as_ref());
            }
        }
        let numbers = [
            ("shards_limit", self.shards),
            ("ram_shards_limit", self.ram_shards),
            ("flash_shards_limit", self.flash_shards),
            ("issue", self.issue),
        ];
        for (field, number) in numbers {
            if let Some(number) = number {
                payload[field] = Value::from(number);
            }
        }
        payload.to_string()
    }
}

fn unreadable(why: impl Into<String>) -> LicenseProblem {
    LicenseProblem::Unreadable(why.into())
}
