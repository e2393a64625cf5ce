//! Arguments: what the query and a form say together. A form is read as one whatever its Content-Type says, since real
//! clients send none or a wrong one (dialect note, 1.1).

use hyper::Method;
use hyper::header::CONTENT_TYPE;

use super::endpoint::Endpoint;
use super::routes::{Arg, COMMON_ARGS, LIST_ARGS};
use crate::dialect::Call;
use crate::dialect::request::{Head, split_query};
use crate::dialect::trouble::{Malformed, Trouble};

/// Most arguments of a request (L4).
const ARGUMENTS: usize = 200;
/// Longest name of an argument that is said again in a message.
const SHOWN_CHARS: usize = 100;

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// Atom.
    #[default]
    Xml,
    /// JSON.
    Json,
}

impl Mode {
    /// What the query asks for; XML where it is not understood.
    pub(super) fn of(head: &Head) -> Mode {
        head.param("output_mode").and_then(Mode::named).unwrap_or_default()
    }

    fn named(name: &str) -> Option<Mode> {
        match name {
            "xml" | "atom" => Some(Mode::Xml),
            "json" => Some(Mode::Json),
            _ => None,
        }
    }
}

/// Names and values, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Args(Vec<(String, String)>);

/// What is wrong with the arguments, as the whole text of the message.
pub(super) fn wrong(what: impl Into<String>) -> Trouble {
    Malformed::BadBody { what: what.into() }.into()
}

/// The pairs of a form. Their number is looked at before they are: a pair in memory is much longer than one that is sent.
fn pairs(body: &[u8]) -> Result<Vec<(String, String)>, Trouble> {
    let count = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).count();
    if count > ARGUMENTS {
        return Err(wrong(format!("There are {count} arguments; at most {ARGUMENTS} are read.")));
    }
    let text = std::str::from_utf8(body).ok().and_then(|text| split_query(text.trim_ascii()));
    text.ok_or_else(|| wrong("The form is not UTF-8."))
}

impl Args {
    /// The query's.
    pub(super) fn of_query(head: &Head) -> Args {
        Args(head.query.clone())
    }

    /// The query's and, for a POST, the form's, which may be `limit` bytes.
    pub(super) async fn of(call: &mut Call<Endpoint>, limit: usize) -> Result<Args, Trouble> {
        let mut args = call.head.query.clone();
        if call.head.method == Method::POST {
            let kind = call.head.header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
            if kind.starts_with("multipart/") {
                return Err(Malformed::WrongType { wants: "application/x-www-form-urlencoded" }.into());
            }
            let body = call.body.read(&call.head, limit).await?;
            args.extend(pairs(&body)?);
        }
        Ok(Args(args))
    }

    /// What these ask for as the shape of the answer.
    ///
    /// # Errors
    /// When there is no such shape here.
    pub(super) fn mode(&self) -> Result<Mode, Trouble> {
        match self.one("output_mode")? {
            None => Ok(Mode::Xml),
            Some(name) => {
                Mode::named(name).ok_or_else(|| wrong(format!("Invalid output mode specified ({}).", shown(name))))
            }
        }
    }

    /// The value of an argument that may stand once.
    ///
    /// # Errors
    /// When it stands twice.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Trouble> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(wrong(format!("Argument \"{name}\" was given more than once."))),
        }
    }

    /// The values of an argument that may stand often.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A value that is a yes or a no.
    ///
    /// # Errors
    /// When it is neither.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Trouble> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "on" => Ok(Some(true)),
            "0" | "false" | "f" | "no" | "off" => Ok(Some(false)),
            _ => Err(wrong(format!("Argument \"{name}\" is a Boolean (1 or 0), not \"{}\".", shown(value)))),
        }
    }

    /// Refuses what an endpoint does not take, and a write without what it needs. Names that begin with `_` are clients'
    /// own and stay unread, as does what a GET does not know.
    ///
    /// # Errors
    /// With the first argument that is unknown, or all that are missing.
    pub(super) fn check(&self, takes: &[Arg]) -> Result<(), Trouble> {
        if self.0.len() > ARGUMENTS {
            return Err(wrong(format!("There are {} arguments; at most {ARGUMENTS} are read.", self.0.len())));
        }
        let known = |name: &str| {
            name.starts_with('_')
                || COMMON_ARGS.contains(&name)
                || LIST_ARGS.contains(&name)
                || takes.iter().any(|arg| arg.name == name)
        };
        if let Some((name, _)) = self.0.iter().find(|(name, _)| !known(name)) {
            return Err(wrong(format!("Argument \"{}\" is not supported by this handler.", shown(name))));
        }
        let given = |name: &str| self.0.iter().any(|(key, value)| key == name && !value.is_empty());
        let missing: Vec<&str> =
            takes.iter().filter(|arg| arg.required && !given(arg.name)).map(|arg| arg.name).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(wrong(format!("The following required arguments are missing: {}.", missing.join(", "))))
    }

    /// An argument under its old and its new name.
    ///
    /// # Errors
    /// When both stand, and say different things.
    pub(super) fn either(&self, old: &str, new: &str) -> Result<Option<&str>, Trouble> {
        match (self.one(old)?, self.one(new)?) {
            (Some(one), Some(other)) if one != other => {
                Err(wrong(format!("\"{old}\" and \"{new}\" are two names of one argument: give one of them.")))
            }
            (one, other) => Ok(one.or(other)),
        }
    }
}

/// A client's word in a message, cut short.
pub(super) fn shown(word: &str) -> String {
    word.chars().take(SHOWN_CHARS).filter(|letter| !letter.is_control()).collect()
}
