//! Atom: the shape that clients get unless they ask for JSON. No comments, one `s:dict` in each content, every value
//! text (dialect note, 5).

use super::value::{Content, Entry, Feed, Fields, Value};

/// What a feed begins with, up to its entries.
pub(super) fn begin(out: &mut String, feed: &Feed) {
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str("<?xml-stylesheet type=\"text/xml\" href=\"/static/atom.xsl\"?>\n");
    out.push_str("<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:s=\"http://dev.splunk.com/ns/rest\"");
    out.push_str(" xmlns:opensearch=\"http://a9.com/-/spec/opensearch/1.1/\">\n");
    element(out, 1, "title", feed.title);
    element(out, 1, "id", &format!("{}{}", feed.base, feed.path));
    element(out, 1, "updated", &feed.updated);
    let (build, version) = (super::BUILD, super::VERSION);
    line(out, 1, &format!("<generator build=\"{build}\" version=\"{version}\"/>"));
    author(out, 1, "Splunk");
    for relation in &feed.links {
        link(out, 1, &feed.link(relation), relation);
    }
    element(out, 1, "opensearch:totalResults", &feed.total.to_string());
    element(out, 1, "opensearch:itemsPerPage", &feed.per_page.to_string());
    element(out, 1, "opensearch:startIndex", &feed.offset.to_string());
    line(out, 1, "<s:messages/>");
}

/// What a feed ends with.
pub(super) fn end(out: &mut String) {
    out.push_str("</feed>\n");
}

/// An entry up to its content's first key.
pub(super) fn begin_entry(out: &mut String, feed: &Feed, entry: &Entry) {
    line(out, 1, "<entry>");
    element(out, 2, "title", &entry.name);
    element(out, 2, "id", &format!("{}{}", feed.base, entry.path));
    element(out, 2, "updated", &feed.updated);
    link(out, 2, &entry.path, "alternate");
    author(out, 2, entry.acl.owner);
    for relation in &entry.links {
        link(out, 2, &entry.link(relation), relation);
    }
    line(out, 2, "<content type=\"text/xml\">");
    line(out, 3, "<s:dict>");
}

/// The end of an entry.
pub(super) fn end_entry(out: &mut String) {
    line(out, 3, "</s:dict>");
    line(out, 2, "</content>");
    line(out, 1, "</entry>");
}

/// How deep a content's keys stand.
const KEYS: usize = 4;

/// One key of a content.
pub(super) fn key(out: &mut String, name: &str, value: &Value) {
    keyed(out, KEYS, name, value);
}

/// The beginning of a dict that is written pair by pair.
pub(super) fn begin_dict(out: &mut String, name: &str) {
    line(out, KEYS, &format!("<s:key name=\"{}\">", escaped(name)));
    line(out, KEYS + 1, "<s:dict>");
}

/// One pair of it.
pub(super) fn pair(out: &mut String, name: &str, number: u64) {
    keyed(out, KEYS + 2, name, &Value::Number(number));
}

/// Its end.
pub(super) fn end_dict(out: &mut String) {
    line(out, KEYS + 1, "</s:dict>");
    line(out, KEYS, "</s:key>");
}

/// The keys that XML has in the content and JSON beside it.
pub(super) fn with_own_keys(entry: &Entry) -> Content {
    let mut content = entry.content.clone();
    content.insert("eai:acl", acl(entry));
    if let Some(fields) = &entry.fields {
        content.insert("eai:attributes", attributes(fields));
    }
    content
}

fn acl(entry: &Entry) -> Value {
    let acl = &entry.acl;
    let perms = vec![("read".into(), Value::List(acl.read.clone())), ("write".into(), Value::List(acl.write.clone()))];
    Value::Dict(vec![
        ("app".into(), Value::text(acl.app)),
        ("can_list".into(), Value::Flag(true)),
        ("can_write".into(), Value::Flag(acl.can_write)),
        ("modifiable".into(), Value::Flag(false)),
        ("owner".into(), Value::text(acl.owner)),
        ("perms".into(), Value::Dict(perms)),
        ("removable".into(), Value::Flag(false)),
        ("sharing".into(), Value::text("system")),
    ])
}

fn attributes(fields: &Fields) -> Value {
    let list = |names: &[&'static str]| Value::List(names.iter().map(|name| (*name).into()).collect());
    Value::Dict(vec![
        ("optionalFields".into(), list(&fields.optional)),
        ("requiredFields".into(), list(&fields.required)),
        ("wildcardFields".into(), Value::List(Vec::new())),
    ])
}

/// An error's whole answer.
pub(super) fn message(kind: &str, code: Option<&str>, text: &str) -> String {
    let code = code.map(|code| format!(" code=\"{code}\"")).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>\n  <messages>\n    <msg type=\"{kind}\"{code}>{}</msg>\n  \
         </messages>\n</response>\n",
        escaped(text)
    )
}

/// A login's answer.
pub(super) fn session(key: &str) -> String {
    format!("<response>\n  <sessionKey>{}</sessionKey>\n</response>\n", escaped(key))
}

fn keyed(out: &mut String, depth: usize, name: &str, value: &Value) {
    let name = escaped(name);
    match value {
        Value::Text(text) => line(out, depth, &format!("<s:key name=\"{name}\">{}</s:key>", escaped(text))),
        Value::Number(number) => line(out, depth, &format!("<s:key name=\"{name}\">{number}</s:key>")),
        Value::Flag(yes) => line(out, depth, &format!("<s:key name=\"{name}\">{}</s:key>", u8::from(*yes))),
        Value::Nothing | Value::UsedBy(_) => line(out, depth, &format!("<s:key name=\"{name}\"></s:key>")),
        Value::List(items) => {
            line(out, depth, &format!("<s:key name=\"{name}\">"));
            if items.is_empty() {
                line(out, depth + 1, "<s:list/>");
            } else {
                line(out, depth + 1, "<s:list>");
                for item in items {
                    line(out, depth + 2, &format!("<s:item>{}</s:item>", escaped(item)));
                }
                line(out, depth + 1, "</s:list>");
            }
            line(out, depth, "</s:key>");
        }
        Value::Dict(pairs) => {
            line(out, depth, &format!("<s:key name=\"{name}\">"));
            line(out, depth + 1, "<s:dict>");
            for (name, value) in pairs {
                keyed(out, depth + 2, name, value);
            }
            line(out, depth + 1, "</s:dict>");
            line(out, depth, "</s:key>");
        }
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    for _ in 0..depth {
        out.push_str("  ");
    }
    out.push_str(text);
    out.push('\n');
}

fn element(out: &mut String, depth: usize, name: &str, text: &str) {
    line(out, depth, &format!("<{name}>{}</{name}>", escaped(text)));
}

fn link(out: &mut String, depth: usize, href: &str, relation: &str) {
    line(out, depth, &format!("<link href=\"{}\" rel=\"{relation}\"/>", escaped(href)));
}

fn author(out: &mut String, depth: usize, name: &str) {
    line(out, depth, "<author>");
    element(out, depth + 1, "name", name);
    line(out, depth, "</author>");
}

/// Text as XML may hold it. What XML 1.0 has no place for, such as control characters, becomes U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(letter),
            '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            letter if u32::from(letter) < 0x20 => out.push('\u{FFFD}'),
            letter => out.push(letter),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_name_holds_breaks_the_document() {
        assert_eq!(escaped("a<b>&\"'\u{0}\u{FFFF}"), "a&lt;b&gt;&amp;&quot;&apos;\u{FFFD}\u{FFFD}");
    }
}
