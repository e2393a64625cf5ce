//! Claims: what a license says, field by field, each refused with its own reason. Nothing unknown passes, so that a
//! misspelled limit never becomes an unlimited license.

use serde_json::{Map, Value};

use super::{LicenseProblem, json, quantity};
use crate::domain::name::{Name, Set, is_name};
use crate::domain::time::Moment;

/// Most names in one list of a license (features, sourcetypes).
pub const LIST_NAMES: usize = 1_000;

/// When a license begins that does not say so: the minute that runs. A cluster whose clock is a little behind the issuer's
/// takes it at once.
#[must_use]
pub const fn this_minute(now: Moment) -> Moment {
    Moment(now.0 / 60_000 * 60_000)
}

/// A claims file, TOML or JSON, in the field names of the format that it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsFile(pub Map<String, Value>);

impl ClaimsFile {
    /// Reads a claims file: JSON when it begins with `{`, else TOML.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<ClaimsFile, LicenseProblem> {
        if !text.trim_start().starts_with('{') {
            let table: toml::Table =
                toml::from_str(text).map_err(|error| LicenseProblem::Unreadable(format!("claims in TOML: {error}")))?;
            return Ok(ClaimsFile(table.into_iter().map(|(key, value)| (key, of_toml(value))).collect()));
        }
        match json::parse(text.as_bytes()) {
            Ok(Value::Object(map)) => Ok(ClaimsFile(map)),
            Ok(_) => Err(LicenseProblem::Unreadable("claims in JSON: not an object".to_owned())),
            Err(error) => Err(LicenseProblem::Unreadable(format!("claims in JSON: {error}"))),
        }
    }
}

/// TOML's values in JSON's; a date is its text.
fn of_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(yes) => Value::Bool(yes),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(of_toml).collect()),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, of_toml(value))).collect())
        }
    }
}

/// Takes claims one by one; what is left at the end is unknown.
pub struct Fields {
    map: Map<String, Value>,
    asked: Vec<&'static str>,
}

impl Fields {
    /// All claims of a document.
    #[must_use]
    pub fn new(map: Map<String, Value>) -> Fields {
        Fields { map, asked: Vec::new() }
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.asked.push(field);
        self.map.remove(field)
    }

    /// A text.
    ///
    /// # Errors
    /// When it is no string.
    pub fn text(&mut self, field: &'static str) -> Result<Option<String>, LicenseProblem> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(bad(field, format!("a string is needed, and this is {}", kind(&other)))),
        }
    }

    /// A name: 1 to 100 characters, none of them a control character or `/`.
    ///
    /// # Errors
    /// When it is none.
    pub fn name(&mut self, field: &'static str) -> Result<Option<Name>, LicenseProblem> {
        self.text(field)?.map(|text| name(field, text)).transpose()
    }

    /// A list of names.
    ///
    /// # Errors
    /// When it is no list, too long, or holds what is no name, or one twice.
    pub fn names(&mut self, field: &'static str) -> Result<Option<Set<Name>>, LicenseProblem> {
        let items = match self.take(field) {
            None => return Ok(None),
            Some(Value::Array(items)) if items.len() <= LIST_NAMES => items,
            Some(Value::Array(items)) => {
                return Err(bad(field, format!("{} entries, at most {LIST_NAMES}", items.len())));
            }
            Some(other) => return Err(bad(field, format!("a list is needed, and this is {}", kind(&other)))),
        };
        let mut names = Set::new();
        for item in items {
            let Value::String(text) = item else {
                return Err(bad(field, format!("a list of strings is needed, and it holds {}", kind(&item))));
            };
            let name = name(field, text)?;
            if names.insert(name.clone()).is_some() {
                return Err(bad(field, format!("`{name}` stands twice")));
            }
        }
        Ok(Some(names))
    }

    /// A time in RFC 3339, since 1970.
    ///
    /// # Errors
    /// When it is none.
    pub fn moment(&mut self, field: &'static str) -> Result<Option<Moment>, LicenseProblem> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let moment = chrono::DateTime::parse_from_rfc3339(&text).ok().map(|time| time.timestamp_millis());
        match moment.and_then(|ms| u64::try_from(ms).ok()) {
            Some(ms) => Ok(Some(Moment(ms))),
            None => Err(bad(field, format!("`{text}` is no time in RFC 3339, such as 2027-12-31T23:59:59Z"))),
        }
    }

    /// A time in whole seconds since 1970, or in RFC 3339.
    ///
    /// # Errors
    /// When it is neither.
    pub fn seconds(&mut self, field: &'static str) -> Result<Option<Moment>, LicenseProblem> {
        if !self.map.get(field).is_some_and(Value::is_number) {
            return self.moment(field);
        }
        let value = self.take(field).unwrap_or_default();
        match value.as_u64().and_then(|seconds| seconds.checked_mul(1_000)) {
            Some(ms) => Ok(Some(Moment(ms))),
            None => Err(bad(field, format!("whole seconds since 1970 are needed, and this is {value}"))),
        }
    }

    /// A whole number within `most`.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&mut self, field: &'static str, most: u32) -> Result<Option<u32>, LicenseProblem> {
        let Some(value) = self.take(field) else { return Ok(None) };
        match value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => Err(bad(field, format!("a whole number from 0 to {most} is needed, and this is {value}"))),
        }
    }

    /// A whole number of 64 bits within `most`.
    ///
    /// # Errors
    /// When it is none.
    pub fn whole(&mut self, field: &'static str, most: u64) -> Result<Option<u64>, LicenseProblem> {
        let Some(value) = self.take(field) else { return Ok(None) };
        match value.as_u64().filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => Err(bad(field, format!("a whole number from 0 to {most} is needed, and this is {value}"))),
        }
    }

    /// A yes or a no.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&mut self, field: &'static str) -> Result<Option<bool>, LicenseProblem> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(yes)),
            Some(other) => Err(bad(field, format!("true or false is needed, and this is {}", kind(&other)))),
        }
    }

    /// A list of tables, each with claims of its own; none when it is absent.
    ///
    /// # Errors
    /// When it is no such list, or longer than `most`.
    pub fn tables(&mut self, field: &'static str, most: usize) -> Result<Vec<Map<String, Value>>, LicenseProblem> {
        let items = match self.take(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= most => items,
            Some(Value::Array(items)) => return Err(bad(field, format!("{} entries, at most {most}", items.len()))),
            Some(other) => return Err(bad(field, format!("a list is needed, and this is {}", kind(&other)))),
        };
        let table = |item| match item {
            Value::Object(map) => Ok(map),
            other => Err(bad(field, format!("a list of tables is needed, and it holds {}", kind(&other)))),
        };
        items.into_iter().map(table).collect()
    }

    /// Names and whether each is on: `{"FPE": {"enabled": true}}`, `{"FPE": true}`, or a list of those that are.
    ///
    /// # Errors
    /// When it is none of these, too long, or holds what is no name.
    pub fn switches(&mut self, field: &'static str) -> Result<crate::domain::name::Map<Name, bool>, LicenseProblem> {
        let entries = match self.take(field) {
            None => return Ok(crate::domain::name::Map::new()),
            Some(Value::Object(entries)) if entries.len() <= LIST_NAMES => entries,
            Some(Value::Object(entries)) => {
                return Err(bad(field, format!("{} entries, at most {LIST_NAMES}", entries.len())));
            }
            Some(list) => {
                self.map.insert(field.to_owned(), list);
                self.asked.pop();
                let names = self.names(field)?.unwrap_or_default();
                return Ok(names.into_iter().map(|name| (name, true)).collect());
            }
        };
        let on = |entry: &Value| match entry {
            Value::Bool(on) => Some(*on),
            Value::Object(members) if members.len() == 1 => members.get("enabled").and_then(Value::as_bool),
            _other => None,
        };
        let mut switches = crate::domain::name::Map::new();
        for (text, entry) in entries {
            let on = on(&entry).ok_or_else(|| bad(field, format!("`{text}` is not {{\"enabled\": true}} or false")))?;
            switches.insert(name(field, text)?, on);
        }
        Ok(switches)
    }

    /// An amount of bytes: a whole number, or a text such as `10TB`.
    ///
    /// # Errors
    /// When it is none.
    pub fn bytes(&mut self, field: &'static str) -> Result<Option<u64>, LicenseProblem> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => quantity::bytes(&text).map(Some).map_err(|why| bad(field, why)),
            Some(Value::Number(number)) if number.is_u64() => Ok(number.as_u64()),
            Some(other) => {
                Err(bad(field, format!("bytes such as 1048576 or \"10TB\" are needed, and this is {other}")))
            }
        }
    }

    /// Refuses what nobody asked for.
    ///
    /// # Errors
    /// When a claim is left.
    pub fn finish(self) -> Result<(), LicenseProblem> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(field) => Err(bad(field, format!("not known; this format has {}", self.asked.join(", ")))),
        }
    }
}

/// A claim that is missing.
#[must_use]
pub fn missing(field: &str) -> LicenseProblem {
    bad(field, "missing")
}

/// A claim that is wrong.
pub fn bad(field: &str, why: impl Into<String>) -> LicenseProblem {
    LicenseProblem::BadClaims { field: field.to_owned(), why: why.into() }
}

fn name(field: &str, text: String) -> Result<Name, LicenseProblem> {
    if is_name(&text) {
        return Ok(text.into());
    }
    Err(bad(
        field,
        format!("`{}` is no name: 1 to 100 characters, no `/` and no control characters", text.escape_debug()),
    ))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null (leave the field out)",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
