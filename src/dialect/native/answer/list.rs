//! Lists: filtered, in pages or all at once, the latter streamed from one frozen state.

use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

use super::{Asked, Result};
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::trouble::Malformed;
use crate::replica::View;

/// How many a page has when nobody says.
const PAGE: usize = 100;
/// Most on one page (L8); "all" is streamed in pages of this size.
const MOST: usize = 10_000;
/// How many are rendered between two pieces of a stream.
const PIECE: usize = 1_000;

/// Some rows of a list, and where the next ones begin.
pub(super) struct Rows<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

impl<T> Rows<T> {
    /// Takes `limit` rows of an ordered walk that began after the cursor; `None` in the walk is a row that the filter
    /// leaves out.
    pub(super) fn of<K: ToString>(walk: impl Iterator<Item = (K, Option<T>)>, limit: usize) -> Rows<T> {
        let mut rows = Rows { items: Vec::new(), next: None };
        let mut last = None;
        for (key, row) in walk {
            let Some(row) = row else { continue };
            if rows.items.len() == limit {
                rows.next = last.map(|key: K| key.to_string());
                return rows;
            }
            rows.items.push(row);
            last = Some(key);
        }
        rows
    }
}

/// What a client wants of a list.
struct Wanted {
    limit: Option<usize>,
    after: Option<String>,
}

fn wanted(head: &Head) -> Result<Wanted> {
    let all = head.flag("all")?;
    let limit = match head.number("limit")? {
        Some(0) => None,
        Some(limit) => match usize::try_from(limit).ok().filter(|limit| *limit <= MOST) {
            Some(limit) => Some(limit),
            None => {
                return Err(Malformed::BadQuery { name: "limit", what: format!("at most {MOST}, or 0 for all") }.into());
            }
        },
        None if all => None,
        None => Some(PAGE),
    };
    Ok(Wanted { limit, after: head.param("after").filter(|after| !after.is_empty()).map(str::to_owned) })
}

#[derive(Serialize)]
struct Page<'a, T> {
    items: &'a [T],
    next: Option<String>,
    total: Option<usize>,
}

/// Answers a list. `rows` walks the state after a cursor; `total` is `None` where a filter makes it unknown.
pub(super) fn reply<T: Serialize + 'static>(
    call: &Asked,
    total: Option<usize>,
    rows: impl Fn(&View, Option<&str>, usize) -> Rows<T> + Send + Sync + 'static,
) -> Result {
    let wanted = wanted(&call.head)?;
    let view = call.view().clone();
    match wanted.limit {
        Some(limit) => {
            let Rows { items, next } = rows(&view, wanted.after.as_deref(), limit);
            Ok(Reply::ok(&Page { items: &items, next, total }))
        }
        None => Ok(streamed(view, wanted.after, total, rows)),
    }
}

enum Step {
    Begin(Option<String>),
    More(String),
    End,
    Over,
}

fn streamed<T: Serialize + 'static>(
    view: View,
    after: Option<String>,
    total: Option<usize>,
    rows: impl Fn(&View, Option<&str>, usize) -> Rows<T> + Send + Sync + 'static,
) -> Reply {
    let total = total.map_or_else(|| "null".to_owned(), |total| total.to_string());
    let pieces = stream::unfold(Step::Begin(after), move |step| {
        let piece = match step {
            Step::Begin(after) => Some(piece(&rows(&view, after.as_deref(), PIECE), b"{\"items\":[")),
            Step::More(after) => Some(piece(&rows(&view, Some(&after), PIECE), b",")),
            Step::End => Some((Ok(Bytes::from(format!("],\"next\":null,\"total\":{total}}}\n"))), Step::Over)),
            Step::Over => None,
        };
        std::future::ready(piece)
    });
    Reply::pieces("application/json", Box::pin(pieces))
}

fn piece<T: Serialize>(rows: &Rows<T>, before: &[u8]) -> (std::result::Result<Bytes, String>, Step) {
    let mut piece = before.to_vec();
    for (at, item) in rows.items.iter().enumerate() {
        if at > 0 {
            piece.push(b',');
        }
        if let Err(error) = serde_json::to_writer(&mut piece, item) {
            return (Err(error.to_string()), Step::Over);
        }
    }
    let next = rows.next.clone().map_or(Step::End, Step::More);
    (Ok(piece.into()), next)
}
