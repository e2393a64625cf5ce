//! JSON as Elasticsearch writes it: members in their order, pretty or compact, and thinned out by `filter_path`.

use serde_json::Value;

/// Most patterns in a `filter_path`, and the longest of them in segments: what matching costs stays small.
const PATTERNS: usize = 64;
const SEGMENTS: usize = 16;

/// A value whose members keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// An object.
    Object(Vec<(String, Node)>),
    /// A list.
    List(Vec<Node>),
    /// Anything else.
    Leaf(Value),
}

macro_rules! leaves {
    ($($of:ty),*) => {
        $(impl From<$of> for Node {
            fn from(value: $of) -> Node {
                Node::Leaf(value.into())
            }
        })*
    };
}

leaves!(&str, String, bool, u16, i32, u64, i64, Value);

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Node); N]) -> Node {
    Node::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A list of these.
pub(super) fn list<T: Into<Node>>(items: impl IntoIterator<Item = T>) -> Node {
    Node::List(items.into_iter().map(Into::into).collect())
}

impl Node {
    /// The value as text.
    pub(super) fn text(&self, pretty: bool) -> String {
        let mut out = String::new();
        self.write(&mut out, pretty.then_some(0));
        if pretty {
            out.push('\n');
        }
        out
    }

    fn write(&self, out: &mut String, depth: Option<usize>) {
        match self {
            Node::Leaf(value) => out.push_str(&value.to_string()),
            Node::Object(members) => {
                let colon = if depth.is_some() { " : " } else { ":" };
                between(out, ('{', '}'), depth, members, |out, (name, value), inner| {
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push_str(colon);
                    value.write(out, inner);
                });
            }
            Node::List(items) => between(out, ('[', ']'), depth, items, |out, item, inner| item.write(out, inner)),
        }
    }

    /// What `filter_path` leaves of it; an object without members if nothing.
    pub(super) fn filtered(self, filter: &Filter) -> Node {
        if filter.include.is_empty() && filter.exclude.is_empty() {
            return self;
        }
        filter.keep(self, &mut Vec::new(), filter.include.is_empty()).unwrap_or(Node::Object(Vec::new()))
    }
}

/// Entries between brackets, one a line when `depth` says how far in.
fn between<T>(
    out: &mut String,
    (open, close): (char, char),
    depth: Option<usize>,
    entries: &[T],
    mut write: impl FnMut(&mut String, &T, Option<usize>),
) {
    out.push(open);
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if let Some(depth) = depth {
            out.push('\n');
            out.push_str(&"  ".repeat(depth + 1));
        }
        write(out, entry, depth.map(|depth| depth + 1));
    }
    match depth {
        Some(depth) if !entries.is_empty() => {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        Some(_) => out.push(' '),
        None => {}
    }
    out.push(close);
}

/// A `filter_path`: dotted paths with `*` and `**`, and after a `-` what is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    include: Vec<Vec<String>>,
    exclude: Vec<Vec<String>>,
}

impl Filter {
    /// Reads the parameter; `None` when it is larger than anybody needs.
    pub(super) fn of(text: &str) -> Option<Filter> {
        let mut filter = Filter::default();
        let patterns: Vec<&str> = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()).collect();
        if patterns.len() > PATTERNS {
            return None;
        }
        for pattern in patterns {
            let (list, pattern) = match pattern.strip_prefix('-') {
                Some(rest) => (&mut filter.exclude, rest),
                None => (&mut filter.include, pattern),
            };
            let mut segments: Vec<String> = pattern.split('.').map(str::to_owned).collect();
            // `a.**.**.b` says no more than `a.**.b`, and costs more
            segments.dedup_by(|one, other| one == "**" && other == "**");
            if segments.len() > SEGMENTS {
                return None;
            }
            list.push(segments);
        }
        Some(filter)
    }

    fn keep(&self, node: Node, path: &mut Vec<String>, included: bool) -> Option<Node> {
        match node {
            Node::Leaf(_) => included.then_some(node),
            Node::List(items) => {
                let items: Vec<Node> = items.into_iter().filter_map(|item| self.keep(item, path, included)).collect();
                (!items.is_empty()).then_some(Node::List(items))
            }
            Node::Object(members) => {
                let mut kept = Vec::new();
                for (name, value) in members {
                    path.push(name.clone());
                    let left_out = self.exclude.iter().any(|pattern| matches(pattern, path));
                    let included = included || self.include.iter().any(|pattern| matches(pattern, path));
                    if let Some(value) = (!left_out).then(|| self.keep(value, path, included)).flatten() {
                        kept.push((name, value));
                    }
                    path.pop();
                }
                (!kept.is_empty()).then_some(Node::Object(kept))
            }
        }
    }
}

fn matches(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((first, rest)), _) if first == "**" => (0..=path.len()).any(|skipped| matches(rest, &path[skipped..])),
        (Some(_), None) => false,
        (Some((first, rest)), Some((name, below))) => glob(first.as_bytes(), name.as_bytes()) && matches(rest, below),
    }
}

/// Whether a segment with `*` fits a name. Looks at each place once for each star, never more.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen, mut back) = (0, 0, None);
    while seen < name.len() {
        if pattern.get(at) == Some(&b'*') {
            back = Some((at + 1, seen));
            at += 1;
        } else if pattern.get(at) == Some(&name[seen]) {
            (at, seen) = (at + 1, seen + 1);
        } else if let Some((after, from)) = back {
            back = Some((after, from + 1));
            (at, seen) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Node {
        object([
            ("license", object([("uid", "u".into()), ("status", "active".into()), ("max_nodes", Value::Null.into())])),
            ("list", list([1_u64, 2])),
            ("none", object([])),
        ])
    }

    fn filtered(filter: &str) -> String {
        sample().filtered(&Filter::of(filter).expect("is small")).text(false)
    }

    #[test]
    fn a_value_is_written_as_the_product_does() {
        assert_eq!(
            sample().text(false),
            r#"{"license":{"uid":"u","status":"active","max_nodes":null},"list":[1,2],"none":{}}"#
        );
        let pretty = "{\n  \"license\" : {\n    \"uid\" : \"u\",\n    \"status\" : \"active\",\n    \"max_nodes\" : null\n  },\n  \
                      \"list\" : [\n    1,\n    2\n  ],\n  \"none\" : { }\n}\n";
        assert_eq!(sample().text(true), pretty);
    }

    #[test]
    fn a_filter_keeps_what_its_patterns_name() {
        assert_eq!(filtered("license.uid"), r#"{"license":{"uid":"u"}}"#);
        assert_eq!(filtered("license"), r#"{"license":{"uid":"u","status":"active","max_nodes":null}}"#);
        assert_eq!(filtered("*.st*"), r#"{"license":{"status":"active"}}"#);
        assert_eq!(filtered("**.uid,list"), r#"{"license":{"uid":"u"},"list":[1,2]}"#);
        assert_eq!(filtered("-license,-none"), r#"{"list":[1,2]}"#);
        assert_eq!(filtered("license,-**.max_nodes"), r#"{"license":{"uid":"u","status":"active"}}"#);
        assert_eq!(filtered("nothing"), "{}");
    }

    #[test]
    fn a_pattern_costs_no_more_than_it_is_long() {
        assert_eq!(Filter::of(&"a,".repeat(PATTERNS + 1)), None);
        assert_eq!(Filter::of(&"a.".repeat(SEGMENTS)), None);
        assert!(!glob(b"*a*a*a*a*a*a*b", &b"a".repeat(5_000)));
        assert_eq!(filtered(&"**.".repeat(500)), "{}");
    }
}
