//! What is asked: the bodies of our own API and of etcd's JSON gateway, with the same content.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Reports in one request of [`Work::Batch`].
pub(super) const BATCH: u64 = 100;
/// Reports in one request while slaves are written for the first time.
pub(super) const FILL: u64 = 1_000;
/// Bytes that a report counts: one row of so many.
pub(super) const REPORT_BYTES: u64 = 1_234;

/// What is asked again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// One usage report a request
    Report,
    /// A hundred usage reports a request
    Batch,
    /// A pool edit: each connection has its own pool, bench-0 and on
    Edit,
    /// One slave, linearizable
    Read,
    /// A login and its logout: a seat of type bench is taken with a token, and given back with that token
    Seat,
    /// etcd: one key, whose value is a usage report
    Put,
    /// etcd: one key, linearizable
    Range,
    /// etcd's own protocol: one key, whose value is a usage report
    NativePut,
    /// etcd's own protocol: one key, linearizable
    NativeRange,
}

impl Work {
    /// How many reports, or writes, one request carries.
    pub(super) const fn writes(self) -> u64 {
        match self {
            Work::Report | Work::Edit | Work::Seat | Work::Put | Work::NativePut => 1,
            Work::Batch => BATCH,
            Work::Read | Work::Range | Work::NativeRange => 0,
        }
    }

    pub(super) const fn reports(self) -> bool {
        matches!(self, Work::Report | Work::Batch)
    }

    /// The status that says that all is done.
    pub(super) const fn success(self) -> u16 {
        if matches!(self, Work::Seat) { 204 } else { 200 }
    }

    /// Method and path; a name in the path comes with each request.
    pub(super) const fn target(self) -> (&'static str, &'static str) {
        match self {
            Work::Report | Work::Batch => ("POST", "/api/v1/usage"),
            Work::Edit => ("PATCH", "/api/v1/pools/bench-"),
            Work::Read => ("GET", "/api/v1/slaves/"),
            Work::Seat => ("POST", "/api/v1/sessions"),
            Work::Put => ("POST", "/v3/kv/put"),
            Work::Range => ("POST", "/v3/kv/range"),
            Work::NativePut => ("POST", "/etcdserverpb.KV/Put"),
            Work::NativeRange => ("POST", "/etcdserverpb.KV/Range"),
        }
    }
}

/// A slave's GUID, which is also its key in etcd. It differs from others from its first digit on, as real ones do.
pub(super) fn guid(run: u32, slave: u64) -> String {
    let mut text = String::new();
    write_guid(&mut text, run, slave);
    text
}

/// The same into a text that there is.
pub(super) fn write_guid(text: &mut String, run: u32, slave: u64) {
    let mixed = slave.wrapping_add(u64::from(run) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    write!(text, "{:08X}-{:04X}-4000-8000-{slave:012X}", mixed >> 32, run & 0xFFFF)
        .expect("writing to a string cannot fail");
}

/// One usage report as JSON.
pub(super) fn report(text: &mut String, run: u32, slave: u64, sequence: u64) {
    let (host, source) = (slave % 200, slave % 50);
    text.push_str("{\"slave\":\"");
    write_guid(text, run, slave);
    write!(
        text,
        "\",\"sequence\":{sequence},\"rows\":[{{\"bytes\":{REPORT_BYTES},\"sourcetype\":\"access_combined\",\
         \"host\":\"web-{host:03}\",\"source\":\"/var/log/nginx/access-{source:02}.log\",\"index\":\"main\"}}]}}"
    )
    .expect("writing to a string cannot fail");
}

/// Many of them as one body; `next` names a slave and its sequence.
pub(super) fn reports(text: &mut String, run: u32, count: u64, mut next: impl FnMut() -> (u64, u64)) {
    text.push_str("{\"reports\":[");
    for at in 0..count {
        if at > 0 {
            text.push(',');
        }
        let (slave, sequence) = next();
        report(text, run, slave, sequence);
    }
    text.push_str("]}");
}

/// A pool edit that changes something each time.
pub(super) fn edit(text: &mut String, turn: u64) {
    write!(text, "{{\"quota\":{}}}", 1_000_000 + turn % 1_000).expect("writing to a string cannot fail");
}

/// What takes a seat. Logging in by token: how long hashing a password takes is argon2's doing, and etcd hashes none.
pub(super) const CHECKOUT: &str = r#"{"type":"bench","token":true}"#;

/// A put: the key is the slave's GUID, the value its report.
pub(super) fn put(text: &mut String, run: u32, slave: u64, sequence: u64) {
    let mut value = String::new();
    report(&mut value, run, slave, sequence);
    let (key, value) = (STANDARD.encode(guid(run, slave)), STANDARD.encode(value));
    write!(text, "{{\"key\":\"{key}\",\"value\":\"{value}\"}}").expect("writing to a string cannot fail");
}

/// A range of one key; linearizable unless said otherwise.
pub(super) fn range(text: &mut String, run: u32, slave: u64) {
    let key = STANDARD.encode(guid(run, slave));
    write!(text, "{{\"key\":\"{key}\"}}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json() {
        let mut texts = vec![String::new(); 5];
        report(&mut texts[0], 7, 12, 3);
        let mut sequence = 0;
        reports(&mut texts[1], 7, 3, || {
            sequence += 1;
            (12, sequence)
        });
        edit(&mut texts[2], 5);
        put(&mut texts[3], 7, 12, 3);
        range(&mut texts[4], 7, 12);
        for text in &texts {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
        let many: serde_json::Value = serde_json::from_str(&texts[1]).expect("is JSON");
        assert_eq!(many["reports"][2]["sequence"], 3);
        assert_eq!(guid(7, 12).len(), 36);
    }
}
