//! `search=`: which entries a list has. `foo` finds it in any field, `field=value` in that one; both without case, `*`
//! stands for anything; several terms must all fit, `OR` stands between those of which one must, `NOT` before one that
//! must not (dialect note, 6; the full grammar is not public).

use super::args::{shown, wrong};
use super::value::Content;
use crate::dialect::trouble::Trouble;

/// Longest search, in characters.
const SEARCH_CHARS: usize = 1_000;
/// Most terms of a search.
const TERMS: usize = 32;

/// A search: one of the outer lists must fit whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Search {
    any: Vec<Vec<Term>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    not: bool,
    /// The field; `None` for any.
    field: Option<String>,
    /// Lower case; with `*` at both ends where no field is named.
    pattern: String,
}

impl Search {
    /// Reads one.
    ///
    /// # Errors
    /// When it is too long, a quotation does not end, or `OR` and `NOT` stand where nothing follows.
    pub(super) fn of(text: &str) -> Result<Search, Trouble> {
        if text.chars().count() > SEARCH_CHARS {
            return Err(wrong(format!("search has at most {SEARCH_CHARS} characters.")));
        }
        let bad = |why: &str| wrong(format!("search \"{}\": {why}.", shown(text)));
        let words = words(text).ok_or_else(|| bad("a quotation does not end"))?;
        if words.len() > TERMS {
            return Err(bad("too many terms"));
        }
        let mut any = vec![Vec::new()];
        let mut not = false;
        for word in &words {
            match word.as_str() {
                "OR" if !not && any.last().is_some_and(|terms: &Vec<Term>| !terms.is_empty()) => any.push(Vec::new()),
                "OR" => return Err(bad("OR stands between two terms")),
                "AND" => {}
                "NOT" => not = !not,
                word => {
                    let term = term(word, std::mem::take(&mut not));
                    any.last_mut().expect("there is always one list").push(term);
                }
            }
        }
        if not || (any.len() > 1 && any.last().is_some_and(Vec::is_empty)) {
            return Err(bad("it ends where a term should follow"));
        }
        Ok(Search { any })
    }

    /// Whether everything fits.
    pub(super) fn is_all(&self) -> bool {
        self.any.iter().all(Vec::is_empty)
    }

    /// Whether an entry fits.
    pub(super) fn fits(&self, name: &str, content: &Content) -> bool {
        self.any.iter().any(|terms| terms.iter().all(|term| term.fits(name, content)))
    }
}

impl Term {
    fn fits(&self, name: &str, content: &Content) -> bool {
        let like = |text: &str| like(&self.pattern, &text.to_lowercase());
        let found = match self.field.as_deref() {
            Some("name" | "title") => like(name),
            Some(field) => content.get(field).is_some_and(|value| value.any(&like)),
            None => like(name) || content.values().any(|value| value.any(&like)),
        };
        found != self.not
    }
}

fn term(word: &str, not: bool) -> Term {
    let is_field =
        |field: &str| !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || "_.:".contains(c));
    match word.split_once('=') {
        Some((field, value)) if is_field(field.trim_end_matches('!')) => {
            let differs = field.ends_with('!');
            let field = field.trim_end_matches('!').to_owned();
            Term { not: not != differs, field: Some(field), pattern: value.to_lowercase() }
        }
        _ => Term { not, field: None, pattern: format!("*{}*", word.to_lowercase()) },
    }
}

/// Splits at blanks that no quotation holds; quotation marks go away. `None` when one does not end.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut begun) = (false, false);
    for letter in text.chars() {
        match letter {
            '"' => (quoted, begun) = (!quoted, true),
            letter if letter.is_whitespace() && !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            letter => {
                word.push(letter);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    (!quoted).then_some(words)
}

/// Whether a text fits a pattern with `*`. Takes the product of both lengths at most.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, in_text));
            at += 1;
        } else if pattern.get(at) == text.get(in_text) {
            at += 1;
            in_text += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            at = star_at + 1;
            in_text = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;

    fn finds(search: &str) -> bool {
        let content = Content::from([
            ("stack_id", Value::text("enterprise")),
            ("quota", Value::Number(52_428_800)),
            ("slaves", Value::List(vec!["A1".into(), "B2".into()])),
            ("description", Value::text("team ops")),
        ]);
        Search::of(search).expect("is a search").fits("Web", &content)
    }

    #[test]
    fn terms_find_fields_and_anything() {
        for search in [
            "",
            "web",
            "ENTER",
            "stack_id=Enterprise",
            "quota=52428800",
            "slaves=b2",
            "name=w*",
            "ops NOT stack_id=free",
        ] {
            assert!(finds(search), "{search}");
        }
        for search in ["nothing", "stack_id=enter", "quota=5", "web nothing", "NOT web", "stack_id!=enterprise"] {
            assert!(!finds(search), "{search}");
        }
        assert!(finds("nothing OR web") && finds("description=\"team ops\"") && finds("\"team ops\""));
    }

    #[test]
    fn what_is_no_search_is_refused() {
        let long = "x".repeat(SEARCH_CHARS + 1);
        let many = "x ".repeat(TERMS + 1);
        for search in ["\"open", "OR web", "web OR", "NOT", "NOT OR x", &long, &many] {
            assert!(Search::of(search).is_err(), "{search}");
        }
    }

    #[test]
    fn stars_do_not_take_for_ever() {
        let text = "a".repeat(1_000);
        assert!(!like(&format!("{}b", "a*".repeat(400)), &text));
        assert!(like("*a*", "bab") && like("a*b*c", "a12b34c") && !like("a*b", "abc") && like("*", ""));
    }
}
