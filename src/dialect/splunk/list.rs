//! Lists: walked once to count and to see whether they are in order, and once more to be written. When they are wanted in
//! another order than the state keeps, they are walked as often as it takes to write them while only so many rows are
//! kept, so that memory is bounded by the page and never by the list (docs/adr/0020).

use futures_util::stream;
use tokio::sync::mpsc;

use super::args::Mode;
use super::order::{Key, Next, Order, number};
use super::render;
use super::routes::{Collection, Kind};
use super::rows::{Desk, Row};
use super::sink::{Gone, PIECES_WAITING, Sink};
use super::value::{Feed, Value};
use super::wanted::{SortMode, Wanted};
use crate::access::Caller;
use crate::dialect::reply::Reply;
use crate::replica::View;

/// How many rows are looked at before others get their turn.
const ROWS_A_TURN: usize = 500;
/// Longest list that is written into memory whole.
const SHORT_ROWS: usize = 1_000;
/// How many rows are kept at once of a list in another order than the state's: three megabytes of names. Of a list that is
/// longer, each so many rows cost a walk of their own.
const KEPT_ROWS: usize = 20_000;

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

type Rows<'a> = Box<dyn Iterator<Item = Row<'a>> + Send + 'a>;

/// The rows that fit, as the state keeps them.
fn rows<'a>(desk: &'a Desk<'a>, wanted: &'a Wanted) -> Rows<'a> {
    Box::new(desk.walk().filter(move |row| fits(desk, wanted, row)))
}

/// Lets others have their turn now and then.
async fn turn(at: usize) {
    if at % ROWS_A_TURN == ROWS_A_TURN - 1 {
        tokio::task::yield_now().await;
    }
}

async fn write(asked: &Asked, sink: &mut Sink) -> Result<(), Gone> {
    let desk = Desk::new(&asked.view.state, asked.collection, &asked.caller);
    let wanted = &asked.wanted;
    let (total, order) = survey(&desk, wanted).await;
    let mut feed = feed(&desk, asked.base.clone(), total);
    feed.per_page = wanted.count.unwrap_or(0);
    feed.offset = wanted.offset;
    render::begin(asked.mode, &mut sink.text, &feed);
    let mut page = Page { desk: &desk, wanted, mode: asked.mode, feed: &feed, sink, written: 0 };
    match order {
        None => {
            for row in rows(&desk, wanted).skip(wanted.offset).take(wanted.count.unwrap_or(usize::MAX)) {
                page.entry(&row).await?;
            }
        }
        Some(order) => page.in_order(&order, KEPT_ROWS).await?,
    }
    render::end(asked.mode, &mut sink.text, &feed);
    Ok(())
}

/// The page as it is written.
struct Page<'a> {
    desk: &'a Desk<'a>,
    wanted: &'a Wanted,
    mode: Mode,
    feed: &'a Feed,
    sink: &'a mut Sink,
    written: usize,
}

impl Page<'_> {
    async fn entry(&mut self, row: &Row<'_>) -> Result<(), Gone> {
        let mut entry = self.desk.entry(row);
        self.wanted.keep_fields(&mut entry.content);
        render::entry(self.mode, self.sink, (self.feed, &entry, self.written), self.desk.state).await?;
        turn(self.written).await;
        self.written += 1;
        Ok(())
    }

    /// The same rows in another order than the state's: each walk keeps the next `most` of them.
    async fn in_order(&mut self, order: &Order, most: usize) -> Result<(), Gone> {
        let (desk, wanted) = (self.desk, self.wanted);
        let end = wanted.offset.saturating_add(wanted.count.unwrap_or(usize::MAX)).min(self.feed.total);
        let (mut passed, mut behind) = (0, None);
        while passed < end {
            let mut next = Next::new(behind, most.min(end - passed));
            for (at, row) in rows(desk, wanted).enumerate() {
                next.offer((key(desk, wanted, order, &row), at), row);
                turn(at).await;
            }
            let (kept, last) = next.rows();
            debug_assert!(!kept.is_empty(), "the state is frozen: what was counted is there");
            if kept.is_empty() {
                return Ok(());
            }
            behind = last;
            for row in &kept {
                if passed >= wanted.offset {
                    self.entry(row).await?;
                }
                passed += 1;
            }
        }
        Ok(())
    }
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

/// What a row is ordered by, as it is written.
fn sorted_by(desk: &Desk<'_>, wanted: &Wanted, row: &Row<'_>) -> String {
    match &wanted.sort_key {
        None => desk.name(row).to_string(),
        Some(key) => desk.content(row).get(key.as_str()).map(Value::sorted_by).unwrap_or_default(),
    }
}

fn key(desk: &Desk<'_>, wanted: &Wanted, order: &Order, row: &Row<'_>) -> Key {
    order.key(&sorted_by(desk, wanted, row))
}

/// How many rows fit, and the order that they are wanted in unless they stand in it already.
async fn survey(desk: &Desk<'_>, wanted: &Wanted) -> (usize, Option<Order>) {
    // messages have no names that mean anything: unless somebody asks for an order they come by what they are about
    let any_order = desk.collection.kind == Kind::Messages && !wanted.ordered;
    let numbers = wanted.sort_mode == SortMode::Auto && !any_order && are_numbers(desk, wanted).await;
    let order = Order::of(wanted, numbers);
    let (mut total, mut in_order, mut last) = (0, true, None::<Key>);
    for row in rows(desk, wanted) {
        if in_order && !any_order {
            let key = key(desk, wanted, &order, &row);
            in_order = last.is_none_or(|last| last <= key);
            last = Some(key);
        }
        turn(total).await;
        total += 1;
    }
    (total, (!in_order).then_some(order))
}

/// Whether all rows have numbers where they are ordered by; the first that has none says no.
async fn are_numbers(desk: &Desk<'_>, wanted: &Wanted) -> bool {
    for (at, row) in rows(desk, wanted).enumerate() {
        if number(&sorted_by(desk, wanted, &row)).is_none() {
            return false;
        }
        turn(at).await;
    }
    true
}
