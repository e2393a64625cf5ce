//! One connection at work, and what it saw.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::{FILL, REPORT_BYTES};
use super::native::Caller;
use super::wire::{Connection, authority};
use super::{BenchError, Histogram, Plan, Work, message, native};

/// How much of an odd answer is kept.
const ODD_CHARS: usize = 300;
/// Times that a request of filling is sent while the answer is that it was not done.
const FILL_TRIES: u32 = 60;
/// Milliseconds between them.
const FILL_PAUSE_MS: u64 = 250;
/// What an answer says for each report that counted.
const ACCEPTED: &[u8] = b"\"accepted\"";

/// What one connection saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) latencies: Histogram,
    pub(super) odd: u64,
    pub(super) first_odd: Option<String>,
    pub(super) acknowledged: u64,
    pub(super) acknowledged_bytes: u64,
    pub(super) trace: Vec<(u128, u128)>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.latencies.add(&other.latencies);
        self.odd += other.odd;
        self.first_odd = self.first_odd.take().or(other.first_odd);
        self.acknowledged += other.acknowledged;
        self.acknowledged_bytes += other.acknowledged_bytes;
        self.trace.extend(other.trace);
    }

    fn answered(&mut self, work: Work, writes: u64, status: u16, body: &[u8]) {
        let accepted = if work.reports() { count(body) } else { writes };
        if status != work.success() || accepted != writes {
            self.odd += 1;
            let text = String::from_utf8_lossy(body);
            self.first_odd
                .get_or_insert_with(|| format!("{status} {}", text.chars().take(ODD_CHARS).collect::<String>()));
        }
        if status == work.success() {
            self.acknowledged += accepted;
            self.acknowledged_bytes += if work.reports() { accepted * REPORT_BYTES } else { 0 };
        }
    }
}

/// How many reports an answer says were accepted.
fn count(body: &[u8]) -> u64 {
    memchr::memmem::find_iter(body, ACCEPTED).count() as u64
}

enum Channel {
    Http(Box<Connection>),
    Native(Caller),
}

/// One connection with the slaves that are its own.
pub(super) struct Worker {
    plan: Arc<Plan>,
    number: u64,
    channel: Channel,
    /// What every request begins with, up to the path's variable end.
    head: String,
    /// What follows it, up to the body's length.
    tail: String,
    /// The next sequence of each own slave.
    sequences: Vec<u64>,
    random: u64,
    turn: u64,
    body: String,
    line: String,
    request: Vec<u8>,
    tally: Tally,
}

impl Worker {
    pub(super) async fn connect(plan: Arc<Plan>, number: usize) -> Result<Worker, BenchError> {
        let channel = open(&plan).await?;
        let ((method, path), (_, host)) = (plan.work.target(), authority(&plan.url)?);
        let token = plan.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let tail = format!(" HTTP/1.1\r\nHost: {host}\r\n{token}Content-Type: application/json\r\nContent-Length: ");
        let number = number as u64;
        let own = (plan.slaves - number).div_ceil(plan.connections as u64);
        let sequences = vec![0; usize::try_from(own).map_err(|error| BenchError::because("slaves", error))?];
        Ok(Worker {
            number,
            channel,
            head: format!("{method} {path}"),
            tail,
            sequences,
            random: 0x9E37_79B9_7F4A_7C15 ^ (number + 1),
            turn: 0,
            body: String::new(),
            line: String::new(),
            request: Vec::new(),
            tally: Tally::default(),
            plan,
        })
    }

    /// Takes a fresh connection.
    pub(super) async fn connect_again(&mut self) -> Result<(), BenchError> {
        self.channel = open(&self.plan).await?;
        Ok(())
    }

    /// Writes each own slave, or key, once.
    pub(super) async fn fill(&mut self) -> Result<(), BenchError> {
        let own = self.sequences.len() as u64;
        let mut at = 0;
        let ours = !matches!(self.plan.work, Work::Put | Work::Range | Work::NativePut | Work::NativeRange);
        self.channel = Channel::Http(Box::new(Connection::open(&self.plan).await?));
        let work = if ours { Work::Batch } else { Work::Put };
        while at < own {
            let (first, count) = (at, if ours { FILL.min(own - at) } else { 1 });
            let slave = |place: u64| self.number + place * self.plan.connections as u64;
            self.body.clear();
            if ours {
                let mut place = first;
                message::reports(&mut self.body, self.plan.run, count, || {
                    place += 1;
                    (slave(place - 1), 0)
                });
            } else {
                message::put(&mut self.body, self.plan.run, slave(first), 0);
            }
            let (method, path) = work.target();
            self.request.clear();
            let head = format!("{method} {path}{}{}\r\n\r\n", self.tail, self.body.len());
            self.request.extend_from_slice(head.as_bytes());
            self.request.extend_from_slice(self.body.as_bytes());
            let (mut status, mut body) = exchange(&mut self.channel, &self.request).await?;
            // a million new slaves at once is more than a node takes in time: filling waits, as any client would
            for _ in 1..FILL_TRIES {
                if status != 503 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(FILL_PAUSE_MS)).await;
                self.channel = Channel::Http(Box::new(Connection::open(&self.plan).await?));
                (status, body) = exchange(&mut self.channel, &self.request).await?;
            }
            self.tally.answered(work, count, status, &body);
            at += count;
        }
        self.sequences.fill(1);
        Ok(())
    }

    /// Asks until `end`; what begins from `start` on is measured.
    pub(super) async fn run(mut self, start: Instant, end: Instant) -> Result<Tally, BenchError> {
        let work = self.plan.work;
        loop {
            self.prepare();
            let (begun, wall) = (Instant::now(), self.wall());
            if begun >= end {
                return Ok(self.tally);
            }
            let (mut status, mut body) = exchange(&mut self.channel, &self.request).await?;
            if work == Work::Seat && status == 201 {
                give_back(&mut self.request, &self.plan, &body)?;
                (status, body) = exchange(&mut self.channel, &self.request).await?;
            }
            let ended = Instant::now();
            if begun >= start && ended <= end {
                self.tally.latencies.record(u64::try_from((ended - begun).as_nanos()).unwrap_or(u64::MAX));
            }
            self.tally.answered(work, work.writes(), status, &body);
            if let (Some(begin), Some(end)) = (wall, self.wall()) {
                self.tally.trace.push((begin, end));
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "compared with the kernel's own wall clock, of this machine and run")]
    fn wall(&self) -> Option<u128> {
        self.plan.trace.as_ref()?;
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_micros())
    }

    /// One of the own slaves, evenly at random, and its next sequence.
    fn next(&mut self) -> (u64, u64) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let place = usize::try_from(self.random % self.sequences.len() as u64).unwrap_or_default();
        let sequence = self.sequences[place];
        self.sequences[place] += 1;
        (self.number + place as u64 * self.plan.connections as u64, sequence)
    }

    fn prepare(&mut self) {
        let (run, work) = (self.plan.run, self.plan.work);
        self.turn += 1;
        self.request.clear();
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let mut head = std::mem::take(&mut self.line);
        head.clear();
        head.push_str(&self.head);
        match work {
            Work::Report => {
                let (slave, sequence) = self.next();
                message::report(&mut body, run, slave, sequence);
            }
            Work::Batch => message::reports(&mut body, run, work.writes(), || self.next()),
            Work::Edit => {
                write!(head, "{}", self.number).expect("writing to a string cannot fail");
                message::edit(&mut body, self.turn);
            }
            Work::Seat => body.push_str(message::CHECKOUT),
            Work::Read => message::write_guid(&mut head, run, self.next().0),
            Work::Put => {
                let (slave, sequence) = self.next();
                message::put(&mut body, run, slave, sequence);
            }
            Work::Range => message::range(&mut body, run, self.next().0),
            Work::NativePut | Work::NativeRange => {
                let (slave, sequence) = self.next();
                self.request = native::message(work, run, slave, sequence);
                (self.body, self.line) = (body, head);
                return;
            }
        }
        write!(head, "{}{}\r\n\r\n", self.tail, body.len()).expect("writing to a string cannot fail");
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body.as_bytes());
        (self.body, self.line) = (body, head);
    }
}

/// A seat that was taken, as far as giving it back needs.
#[derive(serde::Deserialize)]
struct Taken {
    seat: u64,
    token: String,
}

/// The request that ends the session which was just begun, by its own token.
fn give_back(request: &mut Vec<u8>, plan: &Plan, answer: &[u8]) -> Result<(), BenchError> {
    let broken = |error: serde_json::Error| BenchError::because("the answer of a login", error);
    let Taken { seat, token } = serde_json::from_slice(answer).map_err(broken)?;
    let path = Work::Seat.target().1;
    let (_, host) = authority(&plan.url)?;
    let head = format!("DELETE {path}/{seat} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    request.clear();
    request.extend_from_slice(head.as_bytes());
    Ok(())
}

/// The kind of connection that the work needs.
async fn open(plan: &Plan) -> Result<Channel, BenchError> {
    match plan.work {
        Work::NativePut | Work::NativeRange => Ok(Channel::Native(Caller::new(plan)?)),
        Work::Report | Work::Batch | Work::Edit | Work::Read | Work::Seat | Work::Put | Work::Range => {
            Ok(Channel::Http(Box::new(Connection::open(plan).await?)))
        }
    }
}

async fn exchange<'a>(channel: &'a mut Channel, request: &[u8]) -> Result<(u16, Cow<'a, [u8]>), BenchError> {
    match channel {
        Channel::Http(connection) => {
            let answer = connection.exchange(request).await;
            let (status, body) = answer.map_err(|error| BenchError::because("a connection broke", error))?;
            Ok((status, Cow::Borrowed(body)))
        }
        Channel::Native(caller) => {
            let (status, body) = caller.call(request.to_vec()).await?;
            Ok((status, Cow::Owned(body)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_accepted_reports_count_as_acknowledged() {
        let mut tally = Tally::default();
        tally.answered(Work::Batch, 2, 200, br#"{"results":[{"status":"accepted"},{"status":"accepted"}]}"#);
        assert_eq!((tally.acknowledged, tally.odd), (2, 0));
        tally.answered(Work::Batch, 2, 200, br#"{"results":[{"status":"accepted"},{"status":"duplicate"}]}"#);
        tally.answered(Work::Report, 1, 503, br#"{"error":"accepted"}"#);
        assert_eq!((tally.acknowledged, tally.acknowledged_bytes, tally.odd), (3, 3 * REPORT_BYTES, 2));
        assert!(tally.first_odd.is_some_and(|odd| odd.starts_with("200 ")));
    }
}
