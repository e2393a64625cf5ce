//! What a client wants of a list: filter, then sort, then page (dialect note, 6).

use super::args::{Args, shown, wrong};
use super::search::{Search, like};
use super::value::Content;
use crate::dialect::trouble::Trouble;

/// How many entries a page has when nobody says.
const PAGE: usize = 30;
/// Most field filters of a request.
const FIELD_FILTERS: usize = 100;

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SortMode {
    /// As numbers if all of them are, else as text without case.
    Auto,
    /// As text without case.
    Alpha,
    /// As text with case.
    AlphaCase,
    /// As numbers; what is none comes first.
    Num,
}

/// What a client wants of a list.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// How many; `None` is all.
    pub(super) count: Option<usize>,
    /// From which on.
    pub(super) offset: usize,
    /// Which.
    pub(super) search: Search,
    /// By which key they are sorted; `None` is the name.
    pub(super) sort_key: Option<String>,
    /// Whether the largest comes first.
    pub(super) descending: bool,
    /// How they are compared.
    pub(super) sort_mode: SortMode,
    /// Whether anything was said about the order.
    pub(super) ordered: bool,
    /// Which keys of the content are shown; empty: all.
    pub(super) fields: Vec<String>,
}

impl Wanted {
    /// Reads what the arguments say.
    ///
    /// # Errors
    /// When one of them says nothing that a list could do.
    pub(super) fn of(args: &Args) -> Result<Wanted, Trouble> {
        let fields: Vec<String> = args.all("f").map(str::to_owned).collect();
        if fields.len() > FIELD_FILTERS {
            return Err(wrong(format!("at most {FIELD_FILTERS} fields can be named with \"f\".")));
        }
        // asked for, it may leave out detail; nothing here is worth leaving out
        args.flag("summarize")?;
        let sort_key = args.one("sort_key")?.filter(|key| !key.is_empty());
        let descending = match args.one("sort_dir")? {
            None | Some("asc" | "") => false,
            Some("desc") => true,
            Some(other) => return Err(wrong(format!("sort_dir is asc or desc, not \"{}\".", shown(other)))),
        };
        let sort_mode = match args.one("sort_mode")? {
            None | Some("auto" | "") => SortMode::Auto,
            Some("alpha") => SortMode::Alpha,
            Some("alpha_case") => SortMode::AlphaCase,
            Some("num") => SortMode::Num,
            Some(other) => {
                return Err(wrong(format!("sort_mode is auto, alpha, alpha_case or num, not \"{}\".", shown(other))));
            }
        };
        Ok(Wanted {
            count: count(args.one("count")?)?,
            offset: offset(args.one("offset")?)?,
            search: Search::of(args.one("search")?.unwrap_or_default())?,
            ordered: sort_key.is_some() || descending || sort_mode != SortMode::Auto,
            sort_key: sort_key.filter(|key| !matches!(*key, "name" | "title")).map(str::to_owned),
            descending,
            sort_mode,
            fields,
        })
    }

    /// Leaves out the keys that nobody asked for.
    pub(super) fn keep_fields(&self, content: &mut Content) {
        if !self.fields.is_empty() {
            content.retain(|key, _| self.fields.iter().any(|field| like(field, key)));
        }
    }
}

/// Absent means a page; 0 and everything below mean all: clients send -1 (dialect note, 1.2).
fn count(text: Option<&str>) -> Result<Option<usize>, Trouble> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Some(PAGE)) };
    match text.trim().parse::<i64>() {
        Ok(count) => Ok(usize::try_from(count).ok().filter(|count| *count > 0)),
        Err(_) => Err(wrong(format!("count is a whole number, not \"{}\"; 0 is all.", shown(text)))),
    }
}

fn offset(text: Option<&str>) -> Result<usize, Trouble> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(0) };
    let offset = text.trim().parse::<usize>().ok();
    offset.ok_or_else(|| wrong(format!("offset is a whole number from 0 on, not \"{}\".", shown(text))))
}
