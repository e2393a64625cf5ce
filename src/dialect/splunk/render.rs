//! One way to write a feed, in either shape.

use hyper::StatusCode;

use super::args::Mode;
use super::sink::{Gone, Sink};
use super::value::{Entry, Feed, Value};
use super::{json, xml};
use crate::dialect::reply::Reply;
use crate::domain::name::SlaveId;
use crate::domain::pool::PoolUid;
use crate::domain::state::State;
use crate::domain::time::Moment;
use crate::projection::journal::rfc3339;
use crate::projection::pools;

/// What a mode's answers are.
pub(super) const fn media_type(mode: Mode) -> &'static str {
    match mode {
        Mode::Xml => "text/xml; charset=utf-8",
        Mode::Json => "application/json; charset=UTF-8",
    }
}

/// A whole answer.
pub(super) fn whole(mode: Mode, status: StatusCode, text: String) -> Reply {
    dressed(Reply::of(status, media_type(mode), text))
}

/// An answer with the headers that every one of this dialect has: nothing is to be kept.
pub(super) fn dressed(reply: Reply) -> Reply {
    reply
        .with("cache-control", "no-store, max-age=0, must-revalidate, no-cache")
        .with("expires", "Fri, 30 Oct 1998 00:00:00 GMT")
}

/// A moment as feeds write it: ISO 8601 with an offset, in whole seconds.
pub(super) fn updated(at: Moment) -> String {
    let text = rfc3339(at);
    format!("{}+00:00", text.get(.."YYYY-MM-DDTHH:MM:SS".len()).unwrap_or("1970-01-01T00:00:00"))
}

/// What a feed begins with.
pub(super) fn begin(mode: Mode, out: &mut String, feed: &Feed) {
    match mode {
        Mode::Xml => xml::begin(out, feed),
        Mode::Json => json::begin(out, feed),
    }
}

/// What a feed ends with.
pub(super) fn end(mode: Mode, out: &mut String, feed: &Feed) {
    match mode {
        Mode::Xml => xml::end(out),
        Mode::Json => json::end(out, feed),
    }
}

/// The entry at a place of a feed.
pub(super) async fn entry(
    mode: Mode,
    sink: &mut Sink,
    (feed, entry, at): (&Feed, &Entry, usize),
    state: &State,
) -> Result<(), Gone> {
    let content = match mode {
        Mode::Xml => {
            xml::begin_entry(&mut sink.text, feed, entry);
            xml::with_own_keys(entry)
        }
        Mode::Json => {
            if at > 0 {
                sink.text.push(',');
            }
            json::begin_entry(&mut sink.text, feed, entry);
            let mut content = entry.content.clone();
            content.insert("eai:acl", Value::Nothing);
            content
        }
    };
    for (name, value) in &content {
        match value {
            Value::UsedBy(pool) => used_by(mode, sink, name, (state, *pool)).await?,
            Value::Text(_) | Value::Number(_) | Value::Flag(_) | Value::Nothing | Value::List(_) | Value::Dict(_) => {
                match mode {
                    Mode::Xml => xml::key(&mut sink.text, name, value),
                    Mode::Json => json::key(&mut sink.text, name, value),
                }
            }
        }
    }
    match mode {
        Mode::Xml => xml::end_entry(&mut sink.text),
        Mode::Json => json::end_entry(&mut sink.text),
    }
    sink.turn().await
}

/// What each slave used of a pool today.
fn users(state: &State, pool: PoolUid) -> Box<dyn Iterator<Item = (SlaveId, u64)> + Send + '_> {
    let living = state.pool_names.get(&pool).and_then(|name| state.pools.get(name));
    match living {
        Some(pool) => Box::new(pools::slaves_used(state, pool, None).filter(|(_, bytes)| *bytes > 0)),
        None => Box::new(std::iter::empty()),
    }
}

/// The same, written as it is walked.
async fn used_by(mode: Mode, sink: &mut Sink, name: &str, (state, pool): (&State, PoolUid)) -> Result<(), Gone> {
    let mut used = users(state, pool).peekable();
    if used.peek().is_none() {
        match mode {
            Mode::Xml => xml::key(&mut sink.text, name, &Value::Nothing),
            Mode::Json => json::key(&mut sink.text, name, &Value::Nothing),
        }
        return Ok(());
    }
    match mode {
        Mode::Xml => xml::begin_dict(&mut sink.text, name),
        Mode::Json => json::begin_dict(&mut sink.text, name),
    }
    for (slave, bytes) in used {
        match mode {
            Mode::Xml => xml::pair(&mut sink.text, &slave, bytes),
            Mode::Json => json::pair(&mut sink.text, &slave, bytes),
        }
        sink.turn().await?;
    }
    match mode {
        Mode::Xml => xml::end_dict(&mut sink.text),
        Mode::Json => json::end_dict(&mut sink.text),
    }
    Ok(())
}

/// A feed of one entry, or of none.
pub(super) async fn single(mode: Mode, feed: &Feed, entry: Option<&Entry>, state: &State) -> String {
    let mut sink = Sink::default();
    begin(mode, &mut sink.text, feed);
    if let Some(entry) = entry {
        // without a reader nobody can go away
        let written = self::entry(mode, &mut sink, (feed, entry, 0), state).await;
        debug_assert!(written.is_ok(), "a sink without a reader takes everything");
    }
    end(mode, &mut sink.text, feed);
    sink.text
}
