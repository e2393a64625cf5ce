//! Usage: reports in, one by one, many at once or as a stream; history out.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::endpoint::Matched;
use super::super::event::{fate, pool_name};
use super::super::wire::{self, moment};
use super::{Asked, Result, bad_body};
use crate::dialect::Call;
use crate::dialect::reply::Reply;
use crate::dialect::request::{Body, Head, check_encoding};
use crate::dialect::tally::Tally;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::wording;
use crate::domain::event::{Event, ReportJudged};
use crate::domain::intent::Command;
use crate::domain::record::Outcome;
use crate::domain::slave::{Fate, Level, REPORTS_PER_INTENT, ROWS_PER_REPORT, Report, Row, Slave};
use crate::domain::state::State;
use crate::domain::warning::{self, FeatureStatus};
use crate::replica::Answer;

/// How many reports of a stream go into one intent.
const PIECE_REPORTS: usize = 1_000;
/// How many bytes of a stream's lines go into one intent.
const PIECE_BYTES: usize = 512 << 10;
/// How many pieces' results wait for a client that sends all before it reads.
const RESULTS_WAITING: usize = 256;

/// Reports: JSON as one request, `application/x-ndjson` as a stream of lines.
pub(super) async fn report(call: &mut Asked) -> Result {
    let kind = call.head.header("content-type").unwrap_or("");
    if kind.to_ascii_lowercase().contains("ndjson") || kind.to_ascii_lowercase().contains("jsonl") {
        return stream_in(call);
    }
    let body = call.body.read(&call.head, call.cx.limits.body_bytes).await?;
    let reports = parse(&body)?;
    let interval_ms = call.view().state.settings.report_interval_ms;
    let (results, next) = submit(call, reports, &body).await?;
    let next_report_in_ms = next.unwrap_or(interval_ms);
    Ok(Reply::ok(&wire::UsageAnswer { results, next_report_in_ms }))
}

/// What every body with many reports begins with, blanks aside.
const MANY: &[u8] = b"{\"reports\"";

/// One report, or `{"reports":[…]}`: told apart by that field. It is the only one of its body, so it comes first.
fn parse(body: &[u8]) -> Result<Vec<Report>> {
    let mut bare = body.iter().filter(|byte| !byte.is_ascii_whitespace());
    let many = MANY.iter().all(|wanted| bare.next() == Some(wanted));
    let reports = if many { wire::read::<wire::Reports>(body)?.reports } else { vec![wire::read(body)?] };
    if reports.len() > REPORTS_PER_INTENT {
        return Err(bad_body(format!(
            "at most {REPORTS_PER_INTENT} reports at once; stream more as application/x-ndjson"
        )));
    }
    reports.into_iter().map(|report| translate(report).map_err(bad_body)).collect()
}

fn translate(report: wire::Report) -> std::result::Result<Report, String> {
    if report.rows.len() > ROWS_PER_REPORT {
        return Err(format!("at most {ROWS_PER_REPORT} rows in a report"));
    }
    let time = report.time.as_deref().map(moment).transpose().map_err(|error| format!("time: {error}"))?;
    let word = |word: Option<wire::Word>| word.unwrap_or_default().0;
    Ok(Report {
        slave: report.slave.0,
        sequence: report.sequence,
        epoch: word(report.epoch),
        report_id: word(report.report_id),
        pool: word(report.pool),
        time,
        rows: report
            .rows
            .into_iter()
            .map(|row| Row {
                bytes: row.bytes,
                sourcetype: word(row.sourcetype),
                host: word(row.host),
                source: word(row.source),
                index: word(row.index),
            })
            .collect(),
        levels: report
            .levels
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| Level { name: name.into(), value })
            .collect(),
    })
}

/// All reports of a request, or of a stream's piece, are one intent. What became of each, and when to report again.
async fn submit(call: &mut Asked, reports: Vec<Report>, body: &[u8]) -> Result<(Vec<wire::ReportResult>, Option<u64>)> {
    if reports.is_empty() {
        return Ok((Vec::new(), None));
    }
    let answer = call.submit(Command::ReportUsage { reports }, body).await?;
    let state = &answer.view.state;
    let judged = judged(&answer);
    let results: Vec<wire::ReportResult> = judged.iter().map(|judged| result(judged, state)).collect();
    count(&judged, state, &call.cx.tally);
    let next = judged.iter().map(|judged| next_report(&judged.slave, state)).min();
    Ok((results, next))
}

fn judged(answer: &Answer) -> Vec<&ReportJudged> {
    let Outcome::Done(events) = &answer.outcome else { return Vec::new() };
    events
        .iter()
        .filter_map(|event| if let Event::ReportJudged(judged) = event { Some(judged) } else { None })
        .collect()
}

fn result(judged: &ReportJudged, state: &State) -> wire::ReportResult {
    let (status, reason, day) = fate(&judged.fate);
    let slave = state.slaves.get_from(judged.spot, &judged.slave);
    let pool = match judged.fate {
        Fate::Accepted | Fate::Late(_) => judged.pool,
        Fate::Duplicate => slave.and_then(|slave| slave.pool),
        Fate::Refused(_) => None,
    };
    wire::ReportResult {
        sequence: judged.sequence,
        report_id: (!judged.report_id.is_empty()).then(|| judged.report_id.clone()),
        status,
        pool: pool.and_then(|uid| pool_name(state, uid)),
        reason,
        slave: judged.slave.clone(),
        day,
        disallowed_bytes: (judged.disallowed > 0).then_some(judged.disallowed),
        features: slave.filter(|slave| warning::is_violating(state, slave)).map(|slave| switched_off(state, slave)),
    }
}

/// What a violation takes away: told with every answer, until it is over.
fn switched_off(state: &State, slave: &Slave) -> BTreeMap<String, bool> {
    let features = warning::features(state, slave).into_iter();
    let off = features.filter(|(_, status)| *status == FeatureStatus::DisabledDueToViolation);
    off.map(|(name, _)| (name.to_string(), false)).collect()
}

fn count(judged: &[&ReportJudged], state: &State, tally: &Tally) {
    for judged in judged {
        let (status, _, _) = fate(&judged.fate);
        tally.reported(status);
        if judged.bytes > 0 {
            tally.counted(judged.pool, judged.bytes, || {
                let pool = judged.pool.and_then(|uid| pool_name(state, uid)).unwrap_or_default();
                (judged.stack.to_string(), pool.to_string())
            });
        }
    }
}

/// Each slave has its own place within the interval, so that a restart does not make all of them come at once; it comes
/// no sooner than after half an interval.
fn next_report(slave: &str, state: &State) -> u64 {
    let interval = state.settings.report_interval_ms.max(1);
    let place = u64::from(crc32fast::hash(slave.as_bytes())) % interval;
    let soonest = state.now.0 + interval / 2;
    interval / 2 + (place + interval - soonest % interval) % interval
}

/// A stream: read, split into lines, submitted in pieces; results go back in order while more comes in.
fn stream_in(call: &mut Asked) -> Result {
    check_encoding(&call.head)?;
    let body = call.body.take();
    let mut head = Head::clone(&call.head);
    // A stream is many intents, and each report has its own key: one key for all of them would say nothing.
    head.headers.remove("idempotency-key");
    let own = Call {
        cx: call.cx.clone(),
        head: Arc::new(head),
        endpoint: Matched { route: call.endpoint.route, endpoint: call.endpoint.endpoint.clone() },
        body: Body::from(Bytes::new()),
        caller: call.caller.clone(),
        presented: call.presented.clone(),
        view: None,
    };
    let next_ms = call.view().state.settings.report_interval_ms;
    let (results, waiting) = mpsc::channel::<std::result::Result<Bytes, String>>(RESULTS_WAITING);
    tokio::spawn(async move {
        let mut lines = Lines { call: own, results, number: 0, piece: Vec::new(), next_ms };
        let end = tokio::time::timeout(lines.call.cx.limits.stream, lines.run(body)).await;
        lines.finish(end.unwrap_or(Err(Malformed::TooSlow.into()))).await;
    });
    let pieces =
        stream::unfold(waiting, |mut waiting| async move { waiting.recv().await.map(|piece| (piece, waiting)) });
    Ok(Reply::pieces("application/x-ndjson", Box::pin(pieces)))
}

/// A line of a stream: a report, or why it is none.
enum Line {
    Report(Box<Report>),
    Bad { number: u64, what: String },
}

struct Lines {
    call: Asked,
    results: mpsc::Sender<std::result::Result<Bytes, String>>,
    number: u64,
    piece: Vec<Line>,
    /// When to report again: after the interval, or before.
    next_ms: u64,
}

impl Lines {
    async fn run(&mut self, mut body: Body) -> Result<()> {
        let (mut rest, mut total) = (BytesMut::new(), 0);
        loop {
            body.set_deadline(Instant::now() + self.call.cx.limits.piece);
            let Some(piece) = body.next().await? else { break };
            total += piece.len();
            if total > self.call.cx.limits.stream_bytes {
                return Err(Malformed::TooLarge { limit_bytes: self.call.cx.limits.stream_bytes }.into());
            }
            rest.extend_from_slice(&piece);
            if rest.len() >= PIECE_BYTES || rest.contains(&b'\n') {
                self.split(&mut rest).await?;
            }
            if rest.len() > self.call.cx.limits.body_bytes {
                return Err(Malformed::TooLarge { limit_bytes: self.call.cx.limits.body_bytes }.into());
            }
        }
        rest.extend_from_slice(b"\n");
        self.split(&mut rest).await?;
        self.flush().await
    }

    /// Takes all whole lines off `rest`.
    async fn split(&mut self, rest: &mut BytesMut) -> Result<()> {
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            let line = line.trim_ascii();
            self.number += 1;
            if line.is_empty() {
                continue;
            }
            let number = self.number;
            let parsed = wire::read::<wire::Report>(line).map_err(Trouble::from);
            self.piece.push(match parsed.and_then(|report| translate(report).map_err(bad_body)) {
                Ok(report) => Line::Report(Box::new(report)),
                Err(trouble) => Line::Bad { number, what: said(&trouble) },
            });
            if self.piece.len() >= PIECE_REPORTS {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Submits what waits and sends its results.
    async fn flush(&mut self) -> Result<()> {
        let piece = std::mem::take(&mut self.piece);
        let mut bad = Vec::new();
        let mut reports = Vec::new();
        for line in piece {
            match line {
                Line::Report(report) => {
                    reports.push(*report);
                    bad.push(None);
                }
                Line::Bad { number, what } => bad.push(Some((number, what))),
            }
        }
        Arc::make_mut(&mut self.call.head).deadline = Instant::now() + self.call.cx.limits.piece;
        let (results, next_ms) = submit(&mut self.call, reports, format!("line {}", self.number).as_bytes()).await?;
        self.next_ms = self.next_ms.min(next_ms.unwrap_or(u64::MAX));
        let mut results = results.into_iter();
        let mut text = Vec::new();
        for line in bad {
            let line = match line {
                Some((line, what)) => serde_json::to_string(&serde_json::json!({
                    "line": line, "status": "refused", "pool": null, "reason": "malformed", "message": what,
                    "sequence": null, "report_id": null,
                })),
                None => serde_json::to_string(&results.next()),
            };
            text.extend_from_slice(line.unwrap_or_else(|error| error.to_string()).as_bytes());
            text.push(b'\n');
        }
        self.send(text).await;
        Ok(())
    }

    async fn send(&self, text: Vec<u8>) {
        if self.results.send(Ok(text.into())).await.is_err() {
            tracing::debug!(request = %self.call.head.id, "the reader of a usage stream went away");
        }
    }

    /// The last line: when to report again, or what stopped the stream. What has a result line was counted.
    async fn finish(&self, end: Result<()>) {
        let last = match end {
            Ok(()) => serde_json::json!({"next_report_in_ms": self.next_ms}),
            Err(trouble) => {
                let done = matches!(&trouble, Trouble::Unavailable(error) if !error.surely_not_done());
                serde_json::json!({"error": {
                    "code": "stream_ended", "message": said(&trouble), "numbers": {"line": self.number},
                    "hint": "send the reports without a result line again: none is counted twice",
                    "done": if done { "unknown" } else { "no" },
                }})
            }
        };
        self.send(format!("{last}\n").into_bytes()).await;
    }
}

fn said(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Malformed(Malformed::BadBody { what }) => what.clone(),
        Trouble::Malformed(other) => format!("{other:?}"),
        Trouble::Unavailable(error) => error.to_string(),
        Trouble::Refused(refusal) => wording::refusal(refusal).message,
        other => format!("{other:?}"),
    }
}
