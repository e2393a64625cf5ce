//! Our own license format: armored text that survives mail and copying, one signed field.
//!
//! ```text
//! -----BEGIN QUARTERMASTER LICENSE-----
//! Key: ed25519:0123456789abcdef
//! Signature: (base64 of 64 bytes, on one line)
//!
//! (base64 of the payload, 64 characters a line)
//! -----END QUARTERMASTER LICENSE-----
//! ```
//!
//! The payload is a JSON object of claims. The signature is Ed25519 over the payload's bytes, exactly as received; only
//! those bytes are parsed, and only after they were verified.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::claims::{ClaimsFile, Fields, bad, missing};
use super::keys::{PublicKey, SigningKey};
use super::pem::{self, LINE_CHARS};
use super::{LicenseProblem, SignProblem, json as strict};
use crate::domain::license::{Format, License, Meter, SeatGrant, Term};
use crate::domain::name::{NAME_CHARS, Name, Set, sha256};
use crate::domain::stack::GROUPS;
use crate::domain::time::{Moment, NEVER};
use crate::domain::trust::Algorithm;

/// How every document of this format begins.
pub(super) const BEGIN: &str = "-----BEGIN QUARTERMASTER LICENSE-----";
const END: &str = "-----END QUARTERMASTER LICENSE-----";

/// Largest volume of one license, in bytes a day: an exabyte, so that thousands of them still add up in 64 bits.
pub(super) const QUOTA_MOST: u64 = 1 << 60;
/// Largest `max_violations`: more than there are days in the largest window means "never".
pub(super) const VIOLATIONS_MOST: u32 = 1_000;
/// Largest `window_period` in days: what the journal's day totals are kept for.
const WINDOW_MOST: u32 = 366;

/// Most seat types in one license: with the volume they are all the terms that a license has.
const SEATS_MOST: usize = 15;
/// Most seats, and most workers, of one type in one license.
const SEAT_COUNT_MOST: u32 = 1_000_000_000;

/// What a license enables when it does not say, as dialect note 4 lists it for Enterprise.
pub(super) const FEATURES: [&str; 15] = [
    "Alerting",
    "AllowDuplicateKeys",
    "Auth",
    "CanBeRemoteMaster",
    "DeployClient",
    "DeployServer",
    "DistSearch",
    "FwdData",
    "LocalSearch",
    "RcvData",
    "RcvSearch",
    "ScheduledSearch",
    "SigningProcessor",
    "SplunkWeb",
    "SyslogOutputProcessor",
];

/// A document taken apart, not believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The key that it says it was signed by.
    pub key: Name,
    signature: Vec<u8>,
    payload: Vec<u8>,
    text: Arc<str>,
}

impl Envelope {
    /// Takes a document apart. Every byte has one place: nothing may stand before, between or after.
    ///
    /// # Errors
    /// When it is not laid out so.
    pub fn of(text: &str) -> Result<Envelope, LicenseProblem> {
        let trimmed = text.trim_end_matches(['\n', '\r', ' ', '\0']);
        let mut lines = trimmed.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        if lines.next() != Some(BEGIN) {
            return Err(unreadable(format!("the first line is not `{BEGIN}`")));
        }
        let key = header(lines.next(), "Key: ")?;
        let signature = base64(header(lines.next(), "Signature: ")?)?;
        if lines.next() != Some("") {
            return Err(unreadable("an empty line is missing after the signature"));
        }
        let body: Vec<&str> = lines.collect();
        let [armor @ .., END] = body.as_slice() else {
            return Err(unreadable(format!("the last line is not `{END}`")));
        };
        if key.chars().count() > NAME_CHARS {
            return Err(unreadable("the key's id is too long"));
        }
        Ok(Envelope { key: key.into(), signature, payload: base64(&joined(armor)?)?, text: text.into() })
    }

    /// Whether the key signed these very bytes.
    ///
    /// # Errors
    /// When it did not, or may not sign this format.
    pub fn verify(&self, key: &PublicKey) -> Result<(), LicenseProblem> {
        match key.algorithm {
            Algorithm::Ed25519 if key.verifies(&self.payload, &self.signature) => Ok(()),
            Algorithm::Ed25519 => Err(LicenseProblem::BadSignature { key: self.key.clone() }),
            Algorithm::Rsa2048 => {
                Err(unreadable(format!("key {} is RSA, and this format takes Ed25519 only", self.key)))
            }
        }
    }

    /// The license that the signed bytes claim; the document is kept as it came.
    ///
    /// # Errors
    /// When the claims make no license.
    pub fn license(&self, key: &Name) -> Result<License, LicenseProblem> {
        let claims = match strict::parse(&self.payload) {
            Ok(Value::Object(map)) => Claims::of(map)?,
            Ok(_) => return Err(unreadable("the payload is JSON, but no object")),
            Err(error) => return Err(unreadable(format!("the payload is not the JSON of a license: {error}"))),
        };
        let meter = claims.quota_bytes.map(|quota_bytes| {
            Term::Meter(Meter {
                group: claims.group,
                stack: claims.stack,
                quota_bytes,
                max_violations: claims.max_violations,
                window_days: claims.window_days,
                features: claims.features,
                sourcetypes: claims.sourcetypes,
            })
        });
        Ok(License {
            id: sha256(&[&self.payload]),
            format: Format::Native,
            key: Some(key.clone()),
            text: self.text.clone(),
            label: claims.label,
            owner: claims.owner,
            kind: claims.kind,
            issue: claims.id,
            created: claims.issued,
            starts: claims.starts,
            expires: claims.expires,
            terms: meter.into_iter().chain(claims.seats.into_iter().map(Term::Seats)).collect(),
            installed: Moment(0),
            expired: false,
        })
    }
}

/// Signs claims; those that say when and which are filled in when they are absent.
///
/// # Errors
/// When the key is not Ed25519, or the claims make no license.
pub(super) fn sign(key: &SigningKey, file: ClaimsFile, now: Moment) -> Result<String, SignProblem> {
    if let SigningKey::Rsa2048(_) = key {
        return Err(SignProblem::WrongKey { format: "native", wanted: "Ed25519", given: "RSA" });
    }
    let ClaimsFile(mut map) = file;
    map.entry("id").or_insert_with(|| Value::String(uuid::Uuid::new_v4().to_string()));
    map.entry("issued").or_insert_with(|| Value::String(rfc3339(now)));
    let payload = Claims::of(map)?.payload();
    let id = key.public()?.id();
    let signature = STANDARD.encode(key.sign(payload.as_bytes())?);
    let armor = pem::wrap(payload.as_bytes());
    Ok(format!("{BEGIN}\nKey: {id}\nSignature: {signature}\n\n{armor}{END}\n"))
}

/// The claims of this format, every one present.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claims {
    id: Name,
    label: Name,
    owner: Name,
    kind: Name,
    issued: Moment,
    starts: Moment,
    expires: Moment,
    group: Name,
    stack: Name,
    /// Absent when the license grants seats only.
    quota_bytes: Option<u64>,
    max_violations: u32,
    window_days: u32,
    features: Set<Name>,
    sourcetypes: Set<Name>,
    seats: Vec<SeatGrant>,
}

impl Claims {
    fn of(map: Map<String, Value>) -> Result<Claims, LicenseProblem> {
        let mut fields = Fields::new(map);
        let id = fields.text("id")?.ok_or_else(|| missing("id"))?;
        let id: Name = match uuid::Uuid::try_parse(&id) {
            Ok(uuid) => uuid.to_string().into(),
            Err(_) => return Err(bad("id", format!("`{}` is no UUID", id.escape_debug()))),
        };
        let label = fields.name("label")?;
        let owner = fields.name("owner")?;
        let kind = match (fields.name("kind")?, fields.name("type")?) {
            (Some(_), Some(_)) => return Err(bad("type", "the same as kind; give one of them")),
            (kind, other) => kind.or(other),
        };
        let issued = fields.moment("issued")?;
        let starts = fields.moment("starts")?;
        let expires = fields.moment("expires")?.unwrap_or(NEVER);
        let group = fields.name("group")?.map_or(Ok("Enterprise"), |group| known_group(&group))?;
        let stack = fields.name("stack")?.unwrap_or_else(|| "enterprise".into());
        let quota_bytes = fields.bytes("quota")?;
        let max_violations = fields.number("max_violations", VIOLATIONS_MOST)?.unwrap_or(5);
        let window_days = fields.number("window_period", WINDOW_MOST)?.unwrap_or(30);
        let features = fields.names("features")?;
        let sourcetypes = fields.names("sourcetypes")?.unwrap_or_default();
        let seats = fields.tables("seats", SEATS_MOST)?.into_iter().map(seat_grant).collect::<Result<Vec<_>, _>>()?;
        fields.finish()?;

        if quota_bytes.is_none() && seats.is_empty() {
            return Err(missing("quota"));
        }
        if let Some(quota_bytes) = quota_bytes.filter(|bytes| *bytes > QUOTA_MOST) {
            return Err(bad("quota", format!("{quota_bytes} bytes a day, at most {QUOTA_MOST}")));
        }
        let starts = starts.or(issued).unwrap_or_default();
        if expires <= starts {
            return Err(bad("expires", format!("{} is not after its start, {}", rfc3339(expires), rfc3339(starts))));
        }
        Ok(Claims {
            label: label.unwrap_or_else(|| id.clone()),
            owner: owner.unwrap_or_default(),
            kind: kind.unwrap_or_else(|| "enterprise".into()),
            issued: issued.unwrap_or(starts),
            starts,
            expires,
            group: group.into(),
            stack: stack.to_lowercase().into(),
            quota_bytes,
            max_violations,
            window_days,
            features: features.unwrap_or_else(|| FEATURES.iter().map(|feature| Name::from(*feature)).collect()),
            sourcetypes,
            seats,
            id,
        })
    }

    /// The bytes that are signed.
    fn payload(&self) -> String {
        let names = |set: &Set<Name>| set.iter().map(|name| Value::from(name.as_ref())).collect::<Vec<_>>();
        let mut payload = json!({
            "id": self.id.as_ref(),
            "label": self.label.as_ref(),
            "kind": self.kind.as_ref(),
            "issued": rfc3339(self.issued),
            "starts": rfc3339(self.starts),
        });
        if let Some(quota_bytes) = self.quota_bytes {
            payload["group"] = Value::from(self.group.as_ref());
            payload["stack"] = Value::from(self.stack.as_ref());
            payload["quota"] = Value::from(quota_bytes);
            payload["max_violations"] = Value::from(self.max_violations);
            payload["window_period"] = Value::from(self.window_days);
            payload["features"] = Value::from(names(&self.features));
            payload["sourcetypes"] = Value::from(names(&self.sourcetypes));
        }
        if !self.seats.is_empty() {
            payload["seats"] = self.seats.iter().map(seat_claims).collect();
        }
        if !self.owner.is_empty() {
            payload["owner"] = Value::from(self.owner.as_ref());
        }
        if self.expires != NEVER {
            payload["expires"] = Value::from(rfc3339(self.expires));
        }
        format!("{payload:#}\n")
    }
}

/// One table of `seats`.
fn seat_grant(map: Map<String, Value>) -> Result<SeatGrant, LicenseProblem> {
    let mut fields = Fields::new(map);
    let product = fields.name("type")?.ok_or_else(|| missing("seats.type"))?;
    let description = fields.name("description")?.unwrap_or_else(|| product.clone());
    let count = fields.number("count", SEAT_COUNT_MOST)?.filter(|count| *count > 0);
    let count = u64::from(count.ok_or_else(|| bad("seats.count", "how many seats, at least 1"))?);
    let workers = u64::from(fields.number("workers", SEAT_COUNT_MOST)?.unwrap_or(0));
    let can_choose_workers = fields.flag("can_choose_workers")?.unwrap_or(true);
    let audited = fields.flag("audited")?.unwrap_or(false);
    let audit_threshold_bytes = fields.bytes("audit_threshold")?.unwrap_or(0);
    fields.finish()?;
    Ok(SeatGrant { product, description, count, workers, can_choose_workers, audited, audit_threshold_bytes })
}

fn seat_claims(grant: &SeatGrant) -> Value {
    json!({
        "type": grant.product.as_ref(),
        "description": grant.description.as_ref(),
        "count": grant.count,
        "workers": grant.workers,
        "can_choose_workers": grant.can_choose_workers,
        "audited": grant.audited,
        "audit_threshold": grant.audit_threshold_bytes,
    })
}

pub(super) fn known_group(group: &str) -> Result<&'static str, LicenseProblem> {
    let known = GROUPS.iter().find(|known| known.eq_ignore_ascii_case(group));
    known.copied().ok_or_else(|| bad("group", format!("`{group}` is none of {}", GROUPS.join(", "))))
}

/// A moment as documents write it; what is beyond the calendar is `never`.
#[must_use]
pub fn rfc3339(moment: Moment) -> String {
    let time = i64::try_from(moment.0).ok().and_then(chrono::DateTime::from_timestamp_millis);
    time.map_or_else(|| "never".to_owned(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

fn header<'a>(line: Option<&'a str>, name: &str) -> Result<&'a str, LicenseProblem> {
    line.and_then(|line| line.strip_prefix(name)).ok_or_else(|| unreadable(format!("a line `{name}…` is missing")))
}

/// Armor lines as one text: all full but the last.
fn joined(armor: &[&str]) -> Result<String, LicenseProblem> {
    let Some((last, full)) = armor.split_last() else { return Err(unreadable("there is no payload")) };
    if full.iter().any(|line| line.len() != LINE_CHARS) || !(1..=LINE_CHARS).contains(&last.len()) {
        return Err(unreadable(format!("the payload is not in lines of {LINE_CHARS} characters")));
    }
    Ok(armor.concat())
}

fn base64(text: &str) -> Result<Vec<u8>, LicenseProblem> {
    STANDARD.decode(text).map_err(|error| unreadable(format!("not in canonical base64: {error}")))
}

fn unreadable(why: impl Into<String>) -> LicenseProblem {
    LicenseProblem::Unreadable(why.into())
}
