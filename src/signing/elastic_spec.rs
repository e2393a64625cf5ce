//! The fields of Elasticsearch's license: read from JSON as the product reads them, checked as it checks them, and
//! written in the one form that is signed.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::{Map, Value};

use super::LicenseProblem;
use super::claims::{ClaimsFile, bad, this_minute};
use super::elastic::kind;
use crate::domain::current::mode_of;
use crate::domain::license::Term;
use crate::domain::term::LevelLimit;
use crate::domain::time::{Moment, NEVER};

/// The newest version there is.
pub const LATEST: u32 = 5;
/// From here on the start date is signed.
const STARTED: u32 = 3;
/// The only one that knows type enterprise.
const ENTERPRISE: u32 = 5;
/// A date that was not given.
const ABSENT: i64 = -1;
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;

/// What an issuer may claim.
const CLAIMS: [&str; 12] = [
    "uid",
    "type",
    "issue_date",
    "issue_date_in_millis",
    "expiry_date",
    "expiry_date_in_millis",
    "start_date",
    "start_date_in_millis",
    "max_nodes",
    "max_resource_units",
    "issued_to",
    "issuer",
];

/// What a license says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The version that its signature names; 0 for one that the product signed for itself.
    pub version: u32,
    /// Its id, by its issuer.
    pub uid: String,
    /// Its type, as it was written.
    pub kind: String,
    /// When it was issued.
    pub issue_ms: i64,
    /// When it ends; `None`: never.
    pub expiry_ms: Option<i64>,
    /// When it begins; -1: when it was issued.
    pub start_ms: i64,
    /// How many nodes.
    pub max_nodes: Option<i64>,
    /// How many resource units; type enterprise only.
    pub max_resource_units: Option<i64>,
    /// Whom for.
    pub issued_to: String,
    /// Who by.
    pub issuer: String,
}

impl Spec {
    /// Reads the fields of a license. What the version does not sign is not believed: it reads as absent.
    pub(super) fn of(map: Map<String, Value>, version: u32) -> Result<Spec, LicenseProblem> {
        let fields = Fields(map);
        let start_ms = fields.date("start_date", "start", false)?.filter(|_| version >= STARTED).unwrap_or(ABSENT);
        let spec = Spec {
            version,
            uid: fields.text("uid")?.unwrap_or_default(),
            kind: fields.text("type")?.unwrap_or_default(),
            issue_ms: fields.date("issue_date", "issue", false)?.unwrap_or(ABSENT),
            expiry_ms: fields.date("expiry_date", "expiration", true)?.filter(|ms| *ms != ABSENT),
            start_ms,
            max_nodes: fields.number("max_nodes")?.filter(|number| *number != ABSENT),
            max_resource_units: fields.number("max_resource_units")?.filter(|number| *number != ABSENT),
            issued_to: fields.text("issued_to")?.unwrap_or_default(),
            issuer: fields.text("issuer")?.unwrap_or_default(),
        };
        spec.check()?;
        Ok(spec)
    }

    /// The claims of an issuer; what says when and which is filled in when it is absent.
    pub(super) fn claimed(file: ClaimsFile, now: Moment) -> Result<Spec, LicenseProblem> {
        let ClaimsFile(mut map) = file;
        let version = match map.remove("version") {
            None => LATEST,
            Some(value) => value
                .as_u64()
                .and_then(|version| u32::try_from(version).ok())
                .filter(|version| (2..=LATEST).contains(version))
                .ok_or_else(|| bad("version", format!("2 to {LATEST} are signed, and this is {value}")))?,
        };
        if let Some(field) = map.keys().find(|field| !CLAIMS.contains(&field.as_str())) {
            return Err(bad(field, format!("not known; this format has version, {}", CLAIMS.join(", "))));
        }
        map.entry("uid").or_insert_with(|| Value::String(uuid::Uuid::new_v4().to_string()));
        if !map.contains_key("issue_date") {
            map.entry("issue_date_in_millis").or_insert_with(|| Value::from(this_minute(now).0));
        }
        let starts = ["start_date", "start_date_in_millis"].iter().any(|field| map.contains_key(*field));
        if starts && version < STARTED {
            return Err(bad("start_date_in_millis", format!("version {version} does not sign it")));
        }
        Spec::of(map, version)
    }

    /// What the product checks before it looks at the signature, in its words.
    fn check(&self) -> Result<(), LicenseProblem> {
        for (field, name, text) in
            [("issuer", "issuer", &self.issuer), ("issued_to", "issuedTo", &self.issued_to), ("uid", "uid", &self.uid)]
        {
            if text.is_empty() {
                return Err(bad(field, format!("{name} can not be null")));
            }
        }
        if self.issue_ms < 0 {
            return Err(bad("issue_date_in_millis", "issueDate has to be set"));
        }
        let Some(_mode) = mode_of(&self.kind) else {
            return Err(bad("type", format!("unknown license type [{}]", self.kind.escape_debug())));
        };
        match self.expiry_ms {
            None if !self.is("basic") => {
                return Err(bad("expiry_date_in_millis", "only basic licenses are allowed to have no expiration"));
            }
            Some(ms) if ms < 0 => return Err(bad("expiry_date_in_millis", "expiryDate has to be set")),
            None | Some(_) => {}
        }
        if self.start_ms < ABSENT {
            return Err(bad("start_date_in_millis", "startDate has to be set"));
        }
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), LicenseProblem> {
        let kind = &self.kind;
        if self.is("enterprise") {
            if (1..ENTERPRISE).contains(&self.version) {
                let why = format!("license type [{kind}] is not a valid for version [{}] licenses", self.version);
                return Err(bad("type", why));
            }
            return match (self.max_nodes, self.max_resource_units) {
                (_, None) => Err(bad(
                    "max_resource_units",
                    format!("maxResourceUnits must be set for enterprise licenses (type=[{kind}])"),
                )),
                (Some(_), _) => {
                    Err(bad("max_nodes", format!("maxNodes may not be set for enterprise licenses (type=[{kind}])")))
                }
                (None, Some(units)) => positive("max_resource_units", units),
            };
        }
        match (self.max_nodes, self.max_resource_units) {
            (None, _) => Err(bad("max_nodes", "maxNodes has to be set")),
            (Some(_), Some(_)) => Err(bad(
                "max_resource_units",
                format!("maxResourceUnits may only be set for enterprise licenses (not permitted for type=[{kind}])"),
            )),
            (Some(nodes), None) => positive("max_nodes", nodes),
        }
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// The very text that is signed: compact, in the product's order, without what the version does not know.
    #[must_use]
    pub fn canonical(&self) -> String {
        let members = self.members();
        let signed = members.iter().filter(|(name, _)| match *name {
            "start_date_in_millis" => self.version >= STARTED,
            "max_resource_units" => self.version >= ENTERPRISE,
            _always => true,
        });
        joined(signed)
    }

    /// The document as the product's own tool writes it.
    pub(super) fn document(&self, signature: &str) -> String {
        let mut members = self.members();
        members.retain(|(name, _)| *name != "max_resource_units" || self.version >= ENTERPRISE);
        members.insert(members.len() - 1, ("signature", quoted(signature)));
        format!("{{\"license\":{}}}", joined(members.iter()))
    }

    fn members(&self) -> Vec<(&'static str, String)> {
        let number = |number: Option<i64>| number.map_or_else(|| "null".to_owned(), |number| number.to_string());
        let mut members = vec![
            ("uid", quoted(&self.uid)),
            ("type", quoted(&self.kind)),
            ("issue_date_in_millis", self.issue_ms.to_string()),
        ];
        members.extend(self.expiry_ms.map(|ms| ("expiry_date_in_millis", ms.to_string())));
        members.extend([
            ("max_nodes", number(self.max_nodes)),
            ("max_resource_units", number(self.max_resource_units)),
            ("issued_to", quoted(&self.issued_to)),
            ("issuer", quoted(&self.issuer)),
            ("start_date_in_millis", self.start_ms.to_string()),
        ]);
        members
    }

    /// When it was issued.
    #[must_use]
    pub fn created(&self) -> Moment {
        moment(self.issue_ms)
    }

    /// When it begins: not before it was issued.
    #[must_use]
    pub fn starts(&self) -> Moment {
        moment(self.issue_ms.max(self.start_ms))
    }

    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> Moment {
        self.expiry_ms.map_or(NEVER, moment)
    }

    pub(super) fn terms(&self) -> Vec<Term> {
        let level = |name: &str, limit: Option<i64>| {
            let limit = limit.and_then(|limit| u64::try_from(limit).ok());
            limit.map(|limit| Term::Level(LevelLimit { level: name.into(), limit: Some(limit) }))
        };
        [level("nodes", self.max_nodes), level("resource_units", self.max_resource_units)]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn positive(field: &str, number: i64) -> Result<(), LicenseProblem> {
    if number >= 0 { Ok(()) } else { Err(bad(field, format!("{field} is not below 0, and this is {number}"))) }
}

fn joined<'a>(members: impl Iterator<Item = &'a (&'static str, String)>) -> String {
    let members: Vec<String> = members.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A JSON string as the product writes it: `/`, `<`, `>`, `&` and what is not ASCII stay as they are.
fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..' ' => write!(out, "\\u{:04X}", u32::from(letter)).expect("writing to a string cannot fail"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn moment(ms: i64) -> Moment {
    Moment(u64::try_from(ms).unwrap_or(0))
}

/// The fields as they came.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&self, field: &str) -> Result<Option<String>, LicenseProblem> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(yes)) => Ok(Some(yes.to_string())),
            // the product passes lists and objects over
            Some(Value::Array(_) | Value::Object(_)) => Ok(None),
        }
    }

    fn number(&self, field: &str) -> Result<Option<i64>, LicenseProblem> {
        let value = match self.0.get(field) {
            None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => return Ok(None),
            Some(value) => value,
        };
        let number = match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        };
        let wrong =
            || bad(field, format!("failed to parse field [{field}]: a whole number is needed, not {}", kind(value)));
        number.map(Some).ok_or_else(wrong)
    }

    /// A date: in milliseconds, or as the product also takes it: a date-time, or a day that begins or ends then.
    fn date(&self, field: &str, word: &str, ends: bool) -> Result<Option<i64>, LicenseProblem> {
        if let Some(ms) = self.number(&format!("{field}_in_millis"))? {
            return Ok(Some(ms));
        }
        let text = match self.0.get(field) {
            None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => return Ok(None),
            Some(Value::Number(number)) if number.is_i64() => return Ok(number.as_i64()),
            Some(Value::String(text)) => text.as_str(),
            Some(_) => "",
        };
        let day = || {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?;
            Some(day.and_utc().timestamp_millis() + if ends { DAY_MS - 1 } else { 0 })
        };
        let local = || {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
            Some(time.and_utc().timestamp_millis())
        };
        let exact = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
        let shown: String = text.chars().take(100).collect();
        let wrong = || bad(field, format!("invalid {word} date format [{}]", shown.escape_debug()));
        exact.or_else(local).or_else(day).map(Some).ok_or_else(wrong)
    }
}
