//! What an entry says: values, typed as JSON has them; XML writes each as text.

use std::collections::BTreeMap;

use crate::domain::name::Name;
use crate::domain::pool::PoolUid;

/// A value of an entry's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Text; also a quota of `MAX`.
    Text(Name),
    /// A whole number: bytes, seconds since 1970, counts.
    Number(u64),
    /// Yes or no: `1` or `0` in XML.
    Flag(bool),
    /// An empty dict: nothing in XML, `null` in JSON (dialect note, 1.19).
    Nothing,
    /// A list; may be empty.
    List(Vec<Name>),
    /// A dict.
    Dict(Vec<(Name, Value)>),
    /// What each slave used of a pool today. Written while the state is walked: it may be longer than all else.
    UsedBy(PoolUid),
}

impl Value {
    /// Text of anything that is.
    pub(super) fn text(text: impl Into<Name>) -> Value {
        Value::Text(text.into())
    }

    /// A list of names.
    pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a Name>) -> Value {
        Value::List(names.into_iter().cloned().collect())
    }

    /// Whether one of the texts that the value is made of fits.
    pub(super) fn any(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Value::Text(text) => fits(text),
            Value::Number(number) => fits(&number.to_string()),
            Value::Flag(yes) => fits(if *yes { "1" } else { "0" }) || fits(if *yes { "true" } else { "false" }),
            Value::Nothing | Value::UsedBy(_) => false,
            Value::List(items) => items.iter().any(|item| fits(item)),
            Value::Dict(pairs) => pairs.iter().any(|(_, value)| value.any(fits)),
        }
    }

    /// The text that a list is sorted by.
    pub(super) fn sorted_by(&self) -> String {
        match self {
            Value::Text(text) => text.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Flag(yes) => u8::from(*yes).to_string(),
            Value::List(items) => items.join(","),
            Value::Nothing | Value::UsedBy(_) | Value::Dict(_) => String::new(),
        }
    }
}

/// An entry's content: sorted by key, as every capture has it.
pub(super) type Content = BTreeMap<&'static str, Value>;

/// Which arguments an endpoint takes, as `eai:attributes` tells clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Those that must be given.
    pub(super) required: Vec<&'static str>,
    /// Those that may be.
    pub(super) optional: Vec<&'static str>,
}

/// Who may do what with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acl {
    /// Its owner: `nobody` where links have a namespace, else `system`.
    pub(super) owner: &'static str,
    /// Its app: `system` where links have a namespace, else none.
    pub(super) app: &'static str,
    /// Whether who asks may change it.
    pub(super) can_write: bool,
    /// Roles that may see it.
    pub(super) read: Vec<Name>,
    /// Roles that may change it.
    pub(super) write: Vec<Name>,
}

/// One entry of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name, which is its title.
    pub(super) name: Name,
    /// Its path, encoded.
    pub(super) path: String,
    /// Relations beyond `alternate`: `list`, `_reload`, `edit`, `remove`.
    pub(super) links: Vec<&'static str>,
    /// Who may do what.
    pub(super) acl: Acl,
    /// Its arguments; on single entries only.
    pub(super) fields: Option<Fields>,
    /// What it says.
    pub(super) content: Content,
}

/// All of a feed but its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Feed {
    /// Its title.
    pub(super) title: &'static str,
    /// The URL in front of every path.
    pub(super) base: String,
    /// Its own path.
    pub(super) path: String,
    /// Cluster time of the state that answers.
    pub(super) updated: String,
    /// Relations of the collection: `create`, `_reload`.
    pub(super) links: Vec<&'static str>,
    /// How many entries there are, after the filter and before the page.
    pub(super) total: usize,
    /// How many were asked for; 0 is all.
    pub(super) per_page: usize,
    /// Where the page begins.
    pub(super) offset: usize,
}

impl Feed {
    /// Where a relation of the collection leads.
    pub(super) fn link(&self, relation: &str) -> String {
        let word = if relation == "create" { "_new" } else { relation };
        format!("{}/{word}", self.path)
    }
}

impl Entry {
    /// Where a relation of the entry leads.
    pub(super) fn link(&self, relation: &str) -> String {
        if relation == "_reload" { format!("{}/_reload", self.path) } else { self.path.clone() }
    }
}

/// A name as a path segment: everything but letters, digits and `-._~` is percent-encoded; a blank is `%20`, never `+`
/// (dialect note, 1.5).
pub(super) fn encoded(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::with_capacity(name.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_in_a_link_is_percent_encoded() {
        assert_eq!(encoded("two words+1/2"), "two%20words%2B1%2F2");
        assert_eq!(encoded("ä"), "%C3%A4");
    }

    #[test]
    fn a_flag_is_found_by_both_of_its_spellings() {
        let is = |text: &'static str| move |found: &str| found == text;
        assert!(Value::Flag(true).any(&is("1")) && Value::Flag(true).any(&is("true")));
        assert!(!Value::Flag(false).any(&is("1")));
    }
}
