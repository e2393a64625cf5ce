//! The journal: pages, filters, long polls, digests.

use std::time::Duration;

use tokio::time::Instant;

use super::super::endpoint::Endpoint;
use super::super::event;
use super::super::wire;
use super::{Asked, Result, missing};
use crate::dialect::reply::Reply;
use crate::dialect::trouble::Malformed;
use crate::domain::name::hex;
use crate::domain::state::State;
use crate::replica::{Consistency, Page, Unavailable};

/// How many records a page has when nobody says.
const PAGE: u64 = 100;
/// Most on one page.
const MOST: u64 = 10_000;
/// Most records that one request looks at when a filter leaves most of them out; `next` goes on from there.
const SCANNED: usize = 50_000;
/// How many are read from the journal at once.
const PIECE: usize = 1_000;
/// Longest wait for the next record.
const WAIT_MS: u64 = 30_000;

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::ListJournal => list(call).await,
        Endpoint::JournalDigest => digest(call).await,
        Endpoint::GetRecord(seq) => one(call, seq).await,
        other => Err(missing("endpoint", &format!("{other:?}"))),
    }
}

/// What a reader wants to see.
struct Filter {
    kind: Option<String>,
    actor: Option<String>,
    outcome: Option<String>,
}

impl Filter {
    fn fits(&self, record: &wire::JournalRecord) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.kind, record.command) && is(&self.actor, &record.actor) && is(&self.outcome, record.outcome)
    }
}

/// Pages through the journal up to where it stood when the caller was let in, or waits for what comes next.
async fn list(call: &mut Asked) -> Result {
    let after = call.head.number("after")?.unwrap_or(0);
    let limit = match call.head.number("limit")?.unwrap_or(PAGE) {
        0 => MOST,
        limit => limit.min(MOST),
    };
    let wait_ms = call.head.number("wait_ms")?.unwrap_or(0);
    if wait_ms > WAIT_MS {
        return Err(Malformed::BadQuery { name: "wait_ms", what: format!("at most {WAIT_MS}") }.into());
    }
    let word = |name| call.head.param(name).map(str::to_owned);
    let filter = Filter { kind: word("kind"), actor: word("actor"), outcome: word("outcome") };
    let until = Instant::now() + Duration::from_millis(wait_ms);
    let mut page = wire::JournalPage { records: Vec::new(), next: after };
    let mut scanned = 0;
    loop {
        let left =
            if page.records.is_empty() { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
        let read = fill(call, &filter, &mut page, usize::try_from(limit).unwrap_or(usize::MAX), left).await?;
        scanned += read;
        let full = page.records.len() as u64 >= limit || scanned >= SCANNED;
        let waiting = page.records.is_empty() && Instant::now() < until;
        if full || (read == 0 && !waiting) {
            return Ok(Reply::ok(&page));
        }
        if read == 0 {
            // The journal's own wait may end early; this keeps an early end from becoming a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reads one piece on from `page.next`; says how many records it looked at.
async fn fill(
    call: &mut Asked,
    filter: &Filter,
    page: &mut wire::JournalPage,
    limit: usize,
    wait: Duration,
) -> Result<usize> {
    // Nobody waits with a view in hand: while it is held, what changes is copied.
    call.view = None;
    let stored = call.cx.replica.journal(Page { after: page.next, limit: PIECE }, wait).await?;
    let view = call.cx.replica.view(Consistency::Stale, call.head.deadline).await?;
    let state = &call.view.insert(view).state;
    let mut read = 0;
    for stored in &stored {
        if page.records.len() >= limit {
            break;
        }
        let shown = shown(stored, state)?;
        read += 1;
        page.next = shown.seq;
        if filter.fits(&shown) {
            page.records.push(shown);
        }
    }
    Ok(read)
}

fn shown(stored: &crate::domain::record::Stored, state: &State) -> Result<wire::JournalRecord> {
    let shown = event::record(stored, state);
    let (_, shown) = shown.map_err(|error| {
        tracing::error!(seq = stored.seq, %error, "a journal record cannot be read");
        Unavailable::NotServing(format!("journal record {} cannot be read", stored.seq))
    })?;
    Ok(shown)
}

async fn digest(call: &Asked) -> Result {
    let state = &call.view().state;
    let seq = call.head.number("seq")?.unwrap_or(state.heads.seq);
    let digest =
        if seq == state.heads.seq { Some(state.heads.digest()) } else { call.cx.replica.digest_at(seq).await? };
    let digest = digest.ok_or_else(|| missing("journal position", &seq.to_string()))?;
    Ok(Reply::ok(&wire::Digest { seq, digest: hex(&digest) }))
}

async fn one(call: &Asked, seq: u64) -> Result {
    let gone = || missing("journal record", &seq.to_string());
    let after = seq.checked_sub(1).ok_or_else(gone)?;
    let stored = call.cx.replica.journal(Page { after, limit: 1 }, Duration::ZERO).await?;
    let stored = stored.first().filter(|stored| stored.seq == seq).ok_or_else(gone)?;
    Ok(Reply::ok(&shown(stored, &call.view().state)?))
}
