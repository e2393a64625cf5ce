//! Splunk's license file: XML as the product's (dialect note, 8), with an Ed25519 signature of ours.
//!
//! ```xml
//! <?xml version="1.0" encoding="UTF-8"?>
//! <license>
//!   <signature key="ed25519:0123456789abcdef">(base64 of 64 bytes)</signature>
//!   <payload>
//!     <type>enterprise</type>
//!     …
//!   </payload>
//! </license>
//! ```
//!
//! The signature covers the payload element's own bytes, from `<payload>` to `</payload>`, exactly as they stand; line ends
//! count as `\n`, since forms change them. Nothing may stand beside what is shown: no other element, attribute, comment or
//! instruction. A DTD is refused before anything else is read, so there are no entities but XML's own five (T6).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value, json};

use super::claims::{ClaimsFile, Fields, bad, missing};
use super::keys::{PublicKey, SigningKey};
use super::native::{FEATURES, QUOTA_MOST, VIOLATIONS_MOST, known_group, rfc3339};
use super::{LicenseProblem, SignProblem, Signer};
use crate::domain::license::{Format, License, Meter, Term, WINDOW_DAYS};
use crate::domain::name::{NAME_CHARS, Name, Set, hex, sha256};
use crate::domain::stack::{POOLABLE_GROUP, home_of};
use crate::domain::time::{Moment, NEVER};
use crate::domain::trust::Algorithm;

/// Most nodes that a document may have (T6): a thousand features and as many sourcetypes, and white space between them.
const NODES: u32 = 10_000;
/// Most quotation marks that a document may have. A license has one attribute and its declaration two; the parser looks at
/// each attribute of an element once for every other one, and copies each namespace to every element below, so that
/// 256 KiB of them would keep it busy for hours.
const QUOTES: usize = 200;
/// "Never", in seconds since 1970 (dialect note, 4).
const PERPETUAL: u64 = 2_147_483_647;
/// The kind of a license that is for some sourcetypes only: each such set has a stack of its own.
const FIXED_SOURCETYPE: &str = "fixed-sourcetype";
/// Elements of the payload that hold a number.
const NUMBERS: [&str; 5] = ["quota", "max_violations", "window_period", "creation_time", "expiration_time"];
/// Elements of the payload that hold a list, and what its items are called.
const LISTS: [(&str, &str); 2] = [("features", "feature"), ("sourcetypes", "sourcetype")];

/// A document taken apart, not believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    key: Name,
    signature: Vec<u8>,
    payload: String,
    claims: Map<String, Value>,
}

impl Envelope {
    /// Takes a document apart.
    pub(super) fn of(text: &str) -> Result<Envelope, LicenseProblem> {
        if text.contains("<!") {
            return Err(unreadable("declarations, comments and CDATA have no place in a license"));
        }
        let quotes = text.bytes().filter(|byte| matches!(byte, b'"' | b'\'')).count();
        if quotes > QUOTES {
            return Err(unreadable(format!(
                "it has {quotes} quotation marks, at most {QUOTES}; write &quot; and &apos;"
            )));
        }
        let text = text.trim_end_matches(['\0', '\n', '\r', ' ']).replace("\r\n", "\n");
        let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text.trim_start(), options)
            .map_err(|error| unreadable(format!("it is not the XML of a license: {error}")))?;
        let only = |node: Node<'_, '_>| node.is_element() || node.is_text();
        if !document.descendants().all(|node| only(node) || node.is_root()) {
            return Err(unreadable("instructions have no place in a license"));
        }
        let license = document.root_element();
        named(license, "license", &[])?;
        let [signature, payload] = children(license)?[..] else {
            return Err(unreadable("a license holds a signature and a payload"));
        };
        named(signature, "signature", &["key"])?;
        named(payload, "payload", &[])?;
        let key = signature.attribute("key").filter(|key| key.chars().count() <= NAME_CHARS);
        let key = key.ok_or_else(|| unreadable("<signature> has no attribute key that names one"))?;
        let decoded = STANDARD.decode(content(signature)?.trim());
        Ok(Envelope {
            key: key.into(),
            signature: decoded.map_err(|error| unreadable(format!("signature: not in canonical base64: {error}")))?,
            payload: document.input_text()[payload.range()].to_owned(),
            claims: claims(payload)?,
        })
    }

    /// Which key it says it was signed by.
    pub(super) fn signer(&self) -> Signer {
        Signer::Named(self.key.clone())
    }

    /// Whether the key signed these very bytes.
    pub(super) fn verify(&self, key: &PublicKey) -> Result<(), LicenseProblem> {
        match key.algorithm {
            Algorithm::Ed25519 if key.verifies(self.payload.as_bytes(), &self.signature) => Ok(()),
            Algorithm::Ed25519 => Err(LicenseProblem::BadSignature { key: self.key.clone() }),
            Algorithm::Rsa2048 => Err(unreadable(format!("key {} is RSA, and this takes Ed25519 only", self.key))),
        }
    }

    /// The license that the signed bytes claim.
    pub(super) fn license(&self, key: &Name) -> Result<License, LicenseProblem> {
        let claims = Claims::of(self.claims.clone())?;
        let meter = Meter {
            group: claims.group,
            stack: claims.stack,
            quota_bytes: claims.quota_bytes,
            max_violations: claims.max_violations,
            window_days: claims.window_days,
            features: claims.features,
            sourcetypes: claims.sourcetypes,
        };
        Ok(License {
            id: sha256(&[self.payload.as_bytes()]),
            format: Format::Splunk,
            key: Some(key.clone()),
            text: self.text(),
            label: claims.label,
            owner: Name::default(),
            kind: claims.kind,
            issue: claims.guid,
            created: claims.created,
            starts: claims.created,
            expires: claims.expires,
            terms: vec![Term::Meter(meter)],
            installed: Moment(0),
            expired: false,
        })
    }

    /// The document as it is kept: what is not signed is written in one way only.
    fn text(&self) -> Arc<str> {
        let (key, signature, payload) = (&self.key, STANDARD.encode(&self.signature), &self.payload);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<license>\n  <signature key=\"{}\">{signature}</signature>\n  \
             {payload}\n</license>\n",
            escaped(key)
        )
        .into()
    }
}

/// Signs claims; those that say when and which are filled in when they are absent.
pub(super) fn sign(key: &SigningKey, file: ClaimsFile, now: Moment) -> Result<String, SignProblem> {
    if let SigningKey::Rsa2048(_) = key {
        return Err(SignProblem::WrongKey { format: "splunk", wanted: "Ed25519", given: "RSA" });
    }
    let ClaimsFile(mut map) = file;
    let guid = || Value::String(uuid::Uuid::new_v4().to_string().to_uppercase());
    map.entry("guid").or_insert_with(guid);
    map.entry("creation_time").or_insert_with(|| Value::from(now.seconds()));
    let claims = Claims::of(map)?;
    let payload = claims.payload();
    let envelope =
        Envelope { key: key.public()?.id(), signature: key.sign(payload.as_bytes())?, payload, claims: claims.json() };
    let text = envelope.text().to_string();
    // what cannot be read back, such as a letter that XML has no place for, is not given away
    if Envelope::of(&text)? == envelope { Ok(text) } else { Err(unreadable("the claims do not survive XML").into()) }
}

/// The claims of this format, every one present.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claims {
    kind: Name,
    group: Name,
    stack: Name,
    quota_bytes: u64,
    max_violations: u32,
    window_days: u32,
    created: Moment,
    label: Name,
    expires: Moment,
    features: Set<Name>,
    sourcetypes: Set<Name>,
    guid: Name,
}

impl Claims {
    fn of(map: Map<String, Value>) -> Result<Claims, LicenseProblem> {
        let mut fields = Fields::new(map);
        let kind = fields.name("type")?.unwrap_or_else(|| "enterprise".into());
        let group = fields.name("group_id")?;
        let stack = fields.name("stack_id")?;
        let quota_bytes = fields.bytes("quota")?.ok_or_else(|| missing("quota"))?;
        let max_violations = fields.number("max_violations", VIOLATIONS_MOST)?.unwrap_or(5);
        let window_days = fields.number("window_period", WINDOW_DAYS)?.unwrap_or(30);
        let created = fields.seconds("creation_time")?.ok_or_else(|| missing("creation_time"))?;
        let label = fields.name("label")?;
        let expires = fields.seconds("expiration_time")?.unwrap_or(NEVER);
        let features = fields.names("features")?;
        let sourcetypes = fields.names("sourcetypes")?.unwrap_or_default();
        let guid = fields.name("guid")?.ok_or_else(|| missing("guid"))?;
        fields.finish()?;

        let expires = if expires.seconds() >= PERPETUAL { NEVER } else { expires };
        if quota_bytes > QUOTA_MOST {
            return Err(bad("quota", format!("{quota_bytes} bytes a day, at most {QUOTA_MOST}")));
        }
        if expires <= created {
            let why = format!("{} is not after its creation, {}", rfc3339(expires), rfc3339(created));
            return Err(bad("expiration_time", why));
        }
        let stack = stack.map_or_else(|| stack_of(&kind, &sourcetypes), |stack| stack.to_lowercase().into());
        let home = home_of(&stack).unwrap_or(POOLABLE_GROUP);
        Ok(Claims {
            group: group
                .map_or(Ok(home), |group| known_group(&group).map_err(|problem| renamed(problem, "group_id")))?
                .into(),
            stack,
            kind,
            quota_bytes,
            max_violations,
            window_days,
            created,
            label: label.unwrap_or_else(|| guid.clone()),
            expires,
            features: features.unwrap_or_else(|| FEATURES.iter().map(|feature| Name::from(*feature)).collect()),
            sourcetypes,
            guid,
        })
    }

    /// The claims as values, the way that a document's are read.
    fn json(&self) -> Map<String, Value> {
        let names = |set: &Set<Name>| set.iter().map(|name| Value::from(&**name)).collect::<Vec<_>>();
        let expires = if self.expires == NEVER { PERPETUAL } else { self.expires.seconds() };
        let fields = json!({
            "type": &*self.kind,
            "group_id": &*self.group,
            "stack_id": &*self.stack,
            "quota": self.quota_bytes,
            "max_violations": self.max_violations,
            "window_period": self.window_days,
            "creation_time": self.created.seconds(),
            "label": &*self.label,
            "expiration_time": expires,
            "features": names(&self.features),
            "sourcetypes": names(&self.sourcetypes),
            "guid": &*self.guid,
        });
        if let Value::Object(map) = fields { map } else { Map::new() }
    }

    /// The bytes that are signed.
    fn payload(&self) -> String {
        let mut out = String::from("<payload>\n");
        for (name, value) in self.json() {
            match value {
                Value::Array(items) => {
                    let item = LISTS.iter().find(|(list, _)| *list == name).map_or("item", |(_, item)| item);
                    let items = items.iter().filter_map(Value::as_str);
                    let items: String = items.map(|text| format!("<{item}>{}</{item}>", escaped(text))).collect();
                    out += &format!("    <{name}>{items}</{name}>\n");
                }
                Value::String(text) => out += &format!("    <{name}>{}</{name}>\n", escaped(&text)),
                other => out += &format!("    <{name}>{other}</{name}>\n"),
            }
        }
        out + "  </payload>"
    }
}

/// The stack of a kind: its own where that is known, one for each set of sourcetypes, else the one that everybody's is.
fn stack_of(kind: &str, sourcetypes: &Set<Name>) -> Name {
    let lower = kind.to_lowercase();
    if lower == FIXED_SOURCETYPE {
        let names: Vec<&str> = sourcetypes.iter().map(AsRef::as_ref).collect();
        return format!("{FIXED_SOURCETYPE}_{}", hex(&sha256(&[names.join(",").as_bytes()]))).into();
    }
    if home_of(&lower).is_some() { lower.into() } else { "enterprise".into() }
}

fn renamed(problem: LicenseProblem, field: &str) -> LicenseProblem {
    match problem {
        LicenseProblem::BadClaims { why, .. } => bad(field, why),
        other => other,
    }
}

/// The payload's elements as values.
fn claims(payload: Node<'_, '_>) -> Result<Map<String, Value>, LicenseProblem> {
    let mut map = Map::new();
    for element in children(payload)? {
        let name = element.tag_name().name();
        named(element, name, &[])?;
        let value = match LISTS.iter().find(|(list, _)| *list == name) {
            Some((_, item)) => Value::Array(items(element, item)?),
            None => text_value(name, content(element)?),
        };
        if map.insert(name.to_owned(), value).is_some() {
            return Err(bad(name, "stands twice"));
        }
    }
    Ok(map)
}

fn items(list: Node<'_, '_>, item: &str) -> Result<Vec<Value>, LicenseProblem> {
    let items = children(list)?.into_iter().map(|child| {
        named(child, item, &[])?;
        content(child).map(Value::from)
    });
    items.collect()
}

/// A number where one belongs; what is none is refused by whoever asks for the claim.
fn text_value(name: &str, text: &str) -> Value {
    let digits = NUMBERS.contains(&name) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if digits => Value::from(number),
        Ok(_) | Err(_) => Value::from(text),
    }
}

/// The element children; text between them must be white space.
fn children<'a, 'input>(node: Node<'a, 'input>) -> Result<Vec<Node<'a, 'input>>, LicenseProblem> {
    let blank = |node: &Node<'_, '_>| node.text().is_none_or(|text| text.trim().is_empty());
    match node.children().find(|child| child.is_text() && !blank(child)) {
        Some(_) => Err(unreadable(format!("text beside the elements of <{}>", node.tag_name().name()))),
        None => Ok(node.children().filter(Node::is_element).collect()),
    }
}

/// The text of an element that holds nothing else.
fn content<'a>(node: Node<'a, '_>) -> Result<&'a str, LicenseProblem> {
    if node.children().any(|child| child.is_element()) {
        return Err(unreadable(format!("<{}> holds elements", node.tag_name().name())));
    }
    Ok(node.text().unwrap_or_default())
}

/// Refuses an element of another name, in a namespace, or with attributes beside those that are known.
fn named(node: Node<'_, '_>, name: &str, attributes: &[&str]) -> Result<(), LicenseProblem> {
    let tag = node.tag_name();
    let plain = tag.namespace().is_none();
    let known = node.attributes().all(|found| found.namespace().is_none() && attributes.contains(&found.name()));
    if tag.name() == name && plain && known {
        return Ok(());
    }
    Err(unreadable(format!("<{}> where a plain <{name}> belongs", tag.name())))
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&apos;")
}

fn unreadable(why: impl Into<String>) -> LicenseProblem {
    LicenseProblem::Unreadable(why.into())
}

#[cfg(test)]
#[path = "splunk_test.rs"]
mod tests;
