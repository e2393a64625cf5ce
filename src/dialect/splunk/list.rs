//! Lists: walked once to count and to see whether they are in order, and once more to be written. Only when they are
//! wanted in another order than the state keeps are their rows collected, not yet looked into.

use std::cmp::Ordering;

use futures_util::stream;
use tokio::sync::mpsc;

use super::args::Mode;
use super::render;
use super::routes::{Collection, Kind};
use super::rows::{Desk, Row};
use super::sink::{Gone, PIECES_WAITING, Sink};
use super::value::Feed;
use super::wanted::{SortMode, Wanted};
use crate::access::Caller;
use crate::dialect::reply::Reply;
use crate::replica::View;

/// How many rows are looked at before others get their turn.
const ROWS_A_TURN: usize = 500;
/// Longest list that is written into memory whole.
const SHORT_ROWS: usize = 1_000;

/// A list that is asked for.
pub(super) struct Asked {
    /// The state that it is answered from.
    pub(super) view: View,
    /// Of what.
    pub(super) collection: &'static Collection,
    /// By whom.
    pub(super) caller: Caller,
    /// Which of it.
    pub(super) wanted: Wanted,
    /// The URL in front of every path.
    pub(super) base: String,
    /// In which shape.
    pub(super) mode: Mode,
}

/// Answers a list.
pub(super) async fn reply(asked: Asked) -> Reply {
    let mode = asked.mode;
    if is_short(&asked) {
        let mut sink = Sink::default();
        return match write(&asked, &mut sink).await {
            Ok(()) | Err(Gone) => render::whole(mode, hyper::StatusCode::OK, sink.text),
        };
    }
    let (sender, waiting) = mpsc::channel(PIECES_WAITING);
    tokio::spawn(async move {
        let mut sink = Sink::to(sender);
        let written = write(&asked, &mut sink).await;
        if written.is_err() || sink.flush().await.is_err() {
            tracing::debug!(list = asked.collection.path, "the reader of a list went away");
        }
    });
    let pieces =
        stream::unfold(waiting, |mut waiting| async move { waiting.recv().await.map(|piece| (piece, waiting)) });
    render::dressed(Reply::pieces(render::media_type(mode), Box::pin(pieces)))
}

fn is_short(asked: &Asked) -> bool {
    let state = &asked.view.state;
    let desk = Desk::new(state, asked.collection, &asked.caller);
    let rows = asked.wanted.count.unwrap_or(usize::MAX).min(desk.size());
    // a pool names each slave that used it
    let used_by = if asked.collection.kind == Kind::Pools { state.slaves.len() } else { 0 };
    rows.saturating_add(used_by) <= SHORT_ROWS
}

/// What the first walk found.
enum Plan<'a> {
    /// The state's own order is the wanted one.
    AsTheyStand,
    /// The rows in the wanted order.
    Sorted(Vec<Row<'a>>),
}

type Rows<'a> = Box<dyn Iterator<Item = Row<'a>> + Send + 'a>;

/// The rows that fit, as the state keeps them.
fn rows<'a>(desk: &'a Desk<'a>, wanted: &'a Wanted) -> Rows<'a> {
    Box::new(desk.walk().filter(move |row| fits(desk, wanted, row)))
}

/// The rows of the page.
fn page<'a>(desk: &'a Desk<'a>, wanted: &'a Wanted, plan: Plan<'a>) -> Rows<'a> {
    let all = match plan {
        Plan::AsTheyStand => rows(desk, wanted),
        Plan::Sorted(rows) => Box::new(rows.into_iter()),
    };
    Box::new(all.skip(wanted.offset).take(wanted.count.unwrap_or(usize::MAX)))
}

async fn write(asked: &Asked, sink: &mut Sink) -> Result<(), Gone> {
    let desk = Desk::new(&asked.view.state, asked.collection, &asked.caller);
    let wanted = &asked.wanted;
    let (total, plan) = plan(&desk, wanted).await;
    let mut feed = feed(&desk, asked.base.clone(), total);
    feed.per_page = wanted.count.unwrap_or(0);
    feed.offset = wanted.offset;
    render::begin(asked.mode, &mut sink.text, &feed);
    for (at, row) in page(&desk, wanted, plan).enumerate() {
        let mut entry = desk.entry(&row);
        wanted.keep_fields(&mut entry.content);
        render::entry(asked.mode, sink, (&feed, &entry, at), desk.state).await?;
        if at % ROWS_A_TURN == ROWS_A_TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    render::end(asked.mode, &mut sink.text, &feed);
    Ok(())
}

/// The feed of a collection with `total` entries.
pub(super) fn feed(desk: &Desk<'_>, base: String, total: usize) -> Feed {
    Feed {
        title: desk.collection.title,
        base,
        path: format!("/services/{}", desk.collection.path),
        updated: render::updated(desk.state.now),
        links: desk.collection.feed_links().to_vec(),
        total,
        per_page: 30,
        offset: 0,
    }
}

fn fits(desk: &Desk<'_>, wanted: &Wanted, row: &Row<'_>) -> bool {
    wanted.search.is_all() || wanted.search.fits(&desk.name(row), &desk.content(row))
}

/// What a row is sorted by.
fn key(desk: &Desk<'_>, wanted: &Wanted, row: &Row<'_>) -> String {
    match &wanted.sort_key {
        None => desk.name(row).to_string(),
        Some(key) => desk.content(row).get(key.as_str()).map(super::value::Value::sorted_by).unwrap_or_default(),
    }
}

async fn plan<'a>(desk: &'a Desk<'a>, wanted: &'a Wanted) -> (usize, Plan<'a>) {
    // messages have no names that mean anything: unless somebody asks for an order they come by what they are about
    let any_order = desk.collection.kind == Kind::Messages && !wanted.ordered;
    let numeric = match wanted.sort_mode {
        SortMode::Num => true,
        SortMode::Auto => !any_order && are_numbers(desk, wanted),
        SortMode::Alpha | SortMode::AlphaCase => false,
    };
    let order = Order { numeric, with_case: wanted.sort_mode == SortMode::AlphaCase, descending: wanted.descending };
    let (mut total, mut in_order, mut last) = (0, true, None::<String>);
    for row in rows(desk, wanted) {
        total += 1;
        if in_order && !any_order {
            let key = key(desk, wanted, &row);
            in_order = last.as_deref().is_none_or(|last| order.compare(last, &key) != Ordering::Greater);
            last = Some(key);
        }
        if total % ROWS_A_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    if in_order {
        return (total, Plan::AsTheyStand);
    }
    (total, Plan::Sorted(sorted(desk, wanted, &order)))
}

/// Whether all rows have numbers where they are sorted by; the first that has none says no.
fn are_numbers(desk: &Desk<'_>, wanted: &Wanted) -> bool {
    rows(desk, wanted).all(|row| key(desk, wanted, &row).parse::<i128>().is_ok())
}

fn sorted<'a>(desk: &'a Desk<'a>, wanted: &'a Wanted, order: &Order) -> Vec<Row<'a>> {
    let mut keyed: Vec<(String, Row<'a>)> = rows(desk, wanted).map(|row| (key(desk, wanted, &row), row)).collect();
    keyed.sort_by(|(one, _), (other, _)| order.compare(one, other));
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// How two keys are compared.
struct Order {
    numeric: bool,
    with_case: bool,
    descending: bool,
}

impl Order {
    fn compare(&self, one: &str, other: &str) -> Ordering {
        let order = if self.numeric {
            one.parse::<i128>().ok().cmp(&other.parse::<i128>().ok())
        } else if self.with_case {
            one.cmp(other)
        } else {
            let (one, other) = (one.chars(), other.chars());
            one.flat_map(char::to_lowercase).cmp(other.flat_map(char::to_lowercase))
        };
        if self.descending { order.reverse() } else { order }
    }
}
