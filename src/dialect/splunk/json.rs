//! The same feeds as JSON, with JSON's own types. Unlike XML it has the acl and the fields beside the content.

use serde_json::{Value as Json, json};

use super::value::{Entry, Feed, Value};
use crate::domain::name::Name;

/// What a feed begins with, up to its entries.
pub(super) fn begin(out: &mut String, feed: &Feed) {
    out.push_str("{\"links\":");
    let links = feed.links.iter().map(|relation| ((*relation).to_owned(), Json::from(feed.link(relation))));
    out.push_str(&Json::Object(links.collect()).to_string());
    member(out, "origin", &Json::from(format!("{}{}", feed.base, feed.path)));
    member(out, "updated", &Json::from(feed.updated.as_str()));
    member(out, "generator", &json!({"build": super::BUILD, "version": super::VERSION}));
    out.push_str(",\"entry\":[");
}

/// What a feed ends with.
pub(super) fn end(out: &mut String, feed: &Feed) {
    out.push(']');
    member(out, "paging", &json!({"total": feed.total, "perPage": feed.per_page, "offset": feed.offset}));
    member(out, "messages", &json!([]));
    out.push('}');
}

/// An entry up to its content's first key.
pub(super) fn begin_entry(out: &mut String, feed: &Feed, entry: &Entry) {
    out.push_str("{\"name\":");
    out.push_str(&Json::from(&*entry.name).to_string());
    member(out, "id", &Json::from(format!("{}{}", feed.base, entry.path)));
    member(out, "updated", &Json::from(feed.updated.as_str()));
    let relations = std::iter::once(&"alternate").chain(&entry.links);
    let links = relations.map(|relation| ((*relation).to_owned(), Json::from(entry.link(relation))));
    member(out, "links", &Json::Object(links.collect()));
    let acl = &entry.acl;
    member(out, "author", &Json::from(acl.owner));
    member(
        out,
        "acl",
        &json!({
            "app": acl.app, "can_list": true, "can_write": acl.can_write, "modifiable": false, "owner": acl.owner,
            "perms": {"read": list(&acl.read), "write": list(&acl.write)}, "removable": false, "sharing": "system",
        }),
    );
    if let Some(fields) = &entry.fields {
        let fields = json!({"required": fields.required, "optional": fields.optional, "wildcard": []});
        member(out, "fields", &fields);
    }
    out.push_str(",\"content\":{");
}

/// The end of an entry.
pub(super) fn end_entry(out: &mut String) {
    out.push_str("}}");
}

/// One key of a content.
pub(super) fn key(out: &mut String, name: &str, value: &Value) {
    named(out, name);
    out.push_str(&shown(value).to_string());
}

/// The beginning of a dict that is written pair by pair.
pub(super) fn begin_dict(out: &mut String, name: &str) {
    named(out, name);
    out.push('{');
}

/// One pair of it.
pub(super) fn pair(out: &mut String, name: &str, number: u64) {
    named(out, name);
    out.push_str(&number.to_string());
}

/// Its end.
pub(super) fn end_dict(out: &mut String) {
    out.push('}');
}

/// An error's whole answer.
pub(super) fn message(kind: &str, code: Option<&str>, text: &str) -> String {
    let mut message = json!({"type": kind, "text": text});
    if let Some(code) = code {
        message["code"] = Json::from(code);
    }
    json!({"messages": [message]}).to_string()
}

/// A login's answer.
pub(super) fn session(key: &str) -> String {
    json!({"sessionKey": key}).to_string()
}

fn shown(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::from(&**text),
        Value::Number(number) => Json::from(*number),
        Value::Flag(yes) => Json::from(*yes),
        Value::Nothing | Value::UsedBy(_) => Json::Null,
        Value::List(items) => list(items),
        Value::Dict(pairs) => {
            Json::Object(pairs.iter().map(|(name, value)| (name.to_string(), shown(value))).collect())
        }
    }
}

fn list(names: &[Name]) -> Json {
    names.iter().map(|name| Json::from(&**name)).collect()
}

fn member(out: &mut String, name: &str, value: &Json) {
    out.push(',');
    out.push_str(&Json::from(name).to_string());
    out.push(':');
    out.push_str(&value.to_string());
}

/// A member's name; a comma goes before it unless it is the first.
fn named(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(&Json::from(name).to_string());
    out.push(':');
}
