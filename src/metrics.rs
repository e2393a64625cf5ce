//! Every metric's name, kind and help, in one table; the recorder behind them; and the text that a scrape gets.
//!
//! Names follow Prometheus' rules: base units, `_total` on counters, labels from bounded sets only (never a user's or a
//! slave's own words), and every series is there with 0 from the start.

use std::fmt::Write as _;

use ::metrics::{Key, KeyName, Label, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by buckets, in seconds or entries.
    Histogram,
}

/// Where a metric's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Recorded where it happens, by this process.
    Recorded,
    /// Read from the replicated state or the node's status when somebody scrapes: no series outlives what it is of.
    Scraped,
}

/// One row of the table.
#[derive(Debug)]
pub struct Metric {
    /// Its full name; the unit is in it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Where it comes from.
    pub source: Source,
    /// One sentence.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// The label values that are there from the start, for each series; empty: none but the one without labels.
    pub series: &'static [&'static [&'static str]],
}

/// Bounds of what a client waits for, in seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Bounds of disk and apply times: 50 microseconds, doubling.
const FAST_BUCKETS: [f64; 14] =
    [0.00005, 0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.5, 2.0];
/// Bounds of what may take minutes.
const SLOW_BUCKETS: [f64; 9] = [0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Bounds of how long sessions last: a minute to a day.
const SESSION_BUCKETS: [f64; 9] = [60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0];
/// Bounds of how many go at once.
const ENTRY_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0];

macro_rules! names {
    ($($constant:ident = $name:literal;)*) => {
        $(#[doc = concat!("`", $name, "`: see [`ALL`].")] pub const $constant: &str = $name;)*
    };
}

names! {
    LICENSE_INSTALLS = "quartermaster_license_installs_total";
    USAGE_REPORTS = "quartermaster_usage_reports_total";
    USAGE_BYTES = "quartermaster_usage_reported_bytes_total";
    RAFT_LEADER_CHANGES = "quartermaster_raft_leader_changes_total";
    RAFT_LAST_LOG_INDEX = "quartermaster_raft_last_log_index";
    RAFT_COMMITTED_INDEX = "quartermaster_raft_committed_index";
    RAFT_APPLIED_INDEX = "quartermaster_raft_applied_index";
    RAFT_SNAPSHOT_INDEX = "quartermaster_raft_snapshot_index";
    RAFT_PURGED_INDEX = "quartermaster_raft_purged_index";
    RAFT_QUORUM_ACK_AGE = "quartermaster_raft_quorum_ack_age_seconds";
    RAFT_PEER_LAG = "quartermaster_raft_peer_lag_entries";
    RAFT_PROPOSALS = "quartermaster_raft_proposals_total";
    RAFT_PROPOSALS_PENDING = "quartermaster_raft_proposals_pending";
    RAFT_PEER_SEND_FAILURES = "quartermaster_raft_peer_send_failures_total";
    RAFT_PEER_SENT_BYTES = "quartermaster_raft_peer_sent_bytes_total";
    RAFT_PEER_RECEIVED_BYTES = "quartermaster_raft_peer_received_bytes_total";
    RAFT_SNAPSHOT_BUILD = "quartermaster_raft_snapshot_build_duration_seconds";
    RAFT_SNAPSHOT_INSTALL = "quartermaster_raft_snapshot_install_duration_seconds";
    PROPOSAL_DURATION = "quartermaster_proposal_duration_seconds";
    APPLY_DURATION = "quartermaster_apply_duration_seconds";
    APPLY_BATCH = "quartermaster_apply_batch_entries";
    CLOCK_SKEW = "quartermaster_clock_skew_seconds";
    LOG_FSYNC = "quartermaster_log_fsync_duration_seconds";
    LOG_APPEND_BYTES = "quartermaster_log_append_bytes_total";
    DB_SIZE = "quartermaster_db_size_bytes";
    DB_PENDING_COMPACTION = "quartermaster_db_pending_compaction_bytes";
    DB_WRITE_STALL = "quartermaster_db_write_stall";
    DATA_DIR_SIZE = "quartermaster_data_dir_size_bytes";
    DATA_DIR_FREE = "quartermaster_data_dir_free_bytes";
    SNAPSHOT_LAST_SUCCESS = "quartermaster_snapshot_last_success_timestamp_seconds";
    HTTP_REQUESTS = "quartermaster_http_requests_total";
    HTTP_REQUEST_DURATION = "quartermaster_http_request_duration_seconds";
    HTTP_IN_FLIGHT = "quartermaster_http_requests_in_flight";
    HTTP_CONNECTIONS = "quartermaster_http_connections";
    HTTP_REFUSED_CONNECTIONS = "quartermaster_http_refused_connections_total";
    AUTH_FAILURES = "quartermaster_auth_failures_total";
    RATE_LIMITED = "quartermaster_rate_limited_total";
    TLS_EXPIRY = "quartermaster_tls_certificate_expiry_timestamp_seconds";
    BUILD_INFO = "quartermaster_build_info";
    NODE_INFO = "quartermaster_node_info";
    LICENSE_INFO = "quartermaster_license_info";
    LICENSE_EXPIRY = "quartermaster_license_expiry_timestamp_seconds";
    LICENSE_START = "quartermaster_license_start_timestamp_seconds";
    LICENSES = "quartermaster_licenses";
    STACK_QUOTA = "quartermaster_stack_quota_bytes";
    STACK_USED = "quartermaster_stack_used_bytes";
    POOL_QUOTA = "quartermaster_pool_quota_bytes";
    POOL_USED = "quartermaster_pool_used_bytes";
    POOL_WARNINGS = "quartermaster_pool_warnings";
    POOL_WARNINGS_LIMIT = "quartermaster_pool_warnings_limit";
    POOL_VIOLATION = "quartermaster_pool_violation";
    SLAVES = "quartermaster_slaves";
    SEATS_LIMIT = "quartermaster_seats_limit";
    SEATS_IN_USE = "quartermaster_seats_in_use";
    SEATS_KEPT = "quartermaster_seats_kept";
    SEATS_BORROWED = "quartermaster_seats_borrowed";
    SEATS_WAITING = "quartermaster_seats_waiting";
    WORKERS_LIMIT = "quartermaster_workers_limit";
    WORKERS_IN_USE = "quartermaster_workers_in_use";
    SEAT_CHECKOUTS = "quartermaster_seat_checkouts_total";
    SEAT_RELEASES = "quartermaster_seat_releases_total";
    SESSION_DURATION = "quartermaster_session_duration_seconds";
    DAY_ROLLOVER = "quartermaster_day_rollover_timestamp_seconds";
    MESSAGES = "quartermaster_messages";
    RAFT_HAS_LEADER = "quartermaster_raft_has_leader";
    RAFT_IS_LEADER = "quartermaster_raft_is_leader";
    RAFT_STATE = "quartermaster_raft_state";
    RAFT_TERM = "quartermaster_raft_term";
    RAFT_VOTERS = "quartermaster_raft_voters";
    RAFT_LEARNERS = "quartermaster_raft_learners";
    JOURNAL_SEQ = "quartermaster_journal_applied_seq";
    HEALTHCHECK = "quartermaster_healthcheck";
    CLUSTER_SHARDS_LIMIT = "cluster_shards_limit";
    LICENSE_SHARDS_LIMIT = "license_shards_limit";
    BDB_SHARDS_USED = "bdb_shards_used";
    LICENSE_EXPIRATION_DAYS = "license_expiration_days";
}

const fn recorded(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    Metric { name, kind, source: Source::Recorded, help, labels: &[], series: &[] }
}

const fn scraped(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, kind: Kind::Gauge, source: Source::Scraped, help, labels, series: &[] }
}

impl Metric {
    const fn labelled(self, labels: &'static [&'static str], series: &'static [&'static [&'static str]]) -> Metric {
        Metric { labels, series, ..self }
    }
}

use Kind::{Counter, Gauge, Histogram};

/// Names that dashboards of another product read, and that are therefore its own.
pub const FOREIGN: [&str; 4] = [CLUSTER_SHARDS_LIMIT, LICENSE_SHARDS_LIMIT, BDB_SHARDS_USED, LICENSE_EXPIRATION_DAYS];
const SHARDS: [&str; 2] = ["cluster", "shard_type"];

/// Every metric there is, but `process_*`, which the metrics-process crate names itself.
pub const ALL: &[Metric] = &[
    scraped(BUILD_INFO, "What runs; always 1.", &["version", "revision", "rustc", "openraft", "rocksdb"]),
    scraped(NODE_INFO, "Which node this is; always 1.", &["node", "name", "cluster_id"]),
    scraped(LICENSE_INFO, "An installed license; always 1.", &["license", "dialect", "stack", "type", "owner"]),
    scraped(LICENSE_EXPIRY, "When a license ends; absent for perpetual ones.", &["license", "stack"]),
    scraped(LICENSE_START, "When a license begins to count.", &["license", "stack"]),
    scraped(LICENSES, "Installed licenses by where they came from and whether they count.", &["dialect", "state"]),
    recorded(LICENSE_INSTALLS, Counter, "Licenses that were sent to this node, by what became of them.").labelled(
        &["dialect", "result"],
        &[
            &["native", "installed"],
            &["native", "duplicate"],
            &["native", "bad_signature"],
            &["native", "malformed"],
            &["native", "refused"],
            &["elastic", "installed"],
            &["elastic", "bad_signature"],
            &["elastic", "malformed"],
            &["elastic", "refused"],
            &["redis", "installed"],
            &["redis", "bad_signature"],
            &["redis", "malformed"],
            &["redis", "refused"],
        ],
    ),
    scraped(STACK_QUOTA, "What the licenses of a stack add up to, a day.", &["stack"]),
    scraped(STACK_USED, "What was used of a stack on the open license day.", &["stack"]),
    scraped(POOL_QUOTA, "What a pool may use a day; for MAX, what the stack leaves.", &["stack", "pool"]),
    scraped(POOL_USED, "What a pool used on the open license day.", &["stack", "pool"]),
    scraped(POOL_WARNINGS, "Days within the window on which a pool was over its quota.", &["stack", "pool"]),
    scraped(POOL_WARNINGS_LIMIT, "How many such days make a violation.", &["stack", "pool"]),
    scraped(POOL_VIOLATION, "Whether a pool is in violation.", &["stack", "pool"]),
    scraped(SLAVES, "Slaves by state; one may be in several.", &["state"]),
    recorded(USAGE_REPORTS, Counter, "Usage reports that this node answered, by what became of them.")
        .labelled(&["result"], &[&["accepted"], &["duplicate"], &["late"], &["refused"]]),
    recorded(USAGE_BYTES, Counter, "Bytes counted in reports that this node answered.")
        .labelled(&["stack", "pool"], &[]),
    scraped(SEATS_LIMIT, "Seats that licenses give.", &["product"]),
    scraped(SEATS_IN_USE, "Seats held.", &["product"]),
    scraped(SEATS_KEPT, "Free seats that are kept for somebody.", &["product"]),
    scraped(SEATS_BORROWED, "Held seats that are borrowed for offline use.", &["product"]),
    scraped(SEATS_WAITING, "Clients in line for a seat.", &["product"]),
    scraped(WORKERS_LIMIT, "Workers that licenses give.", &["product"]),
    scraped(WORKERS_IN_USE, "Workers held.", &["product"]),
    recorded(SEAT_CHECKOUTS, Counter, "Checkouts that this node answered, by what became of them.")
        .labelled(&["product", "result", "reason"], &[]),
    Metric {
        kind: Counter,
        ..scraped(
            SEAT_RELEASES,
            "Sessions that ended within the days that are kept, by why; every node says the same.",
            &["product", "cause"],
        )
    },
    recorded(SESSION_DURATION, Histogram, "How long sessions were held that this node was told the end of.")
        .labelled(&["product"], &[]),
    scraped(DAY_ROLLOVER, "When the open license day began.", &[]),
    scraped(MESSAGES, "Messages that stand now.", &["category", "severity"]),
    scraped(RAFT_HAS_LEADER, "Whether this node knows a leader.", &[]),
    scraped(RAFT_IS_LEADER, "Whether this node leads.", &[]),
    scraped(RAFT_STATE, "What this node is; 1 at one of the states.", &["state"]),
    scraped(RAFT_TERM, "The Raft term.", &[]),
    scraped(RAFT_VOTERS, "Members that vote.", &[]),
    scraped(RAFT_LEARNERS, "Members that do not vote yet.", &[]),
    scraped(JOURNAL_SEQ, "The last journal record that this node has applied.", &[]),
    recorded(RAFT_LEADER_CHANGES, Counter, "How often this node saw another leader."),
    recorded(RAFT_LAST_LOG_INDEX, Gauge, "The last entry in this node's log."),
    recorded(RAFT_COMMITTED_INDEX, Gauge, "The last entry that this node knows to be committed."),
    recorded(RAFT_APPLIED_INDEX, Gauge, "The last entry that this node has applied."),
    recorded(RAFT_SNAPSHOT_INDEX, Gauge, "The last entry that is in this node's newest checkpoint."),
    recorded(RAFT_PURGED_INDEX, Gauge, "The last entry that was dropped from this node's log."),
    recorded(RAFT_QUORUM_ACK_AGE, Gauge, "How long ago a quorum answered this leader."),
    recorded(RAFT_PEER_LAG, Gauge, "Entries that a peer is behind this leader.").labelled(&["peer"], &[]),
    recorded(RAFT_PROPOSALS, Counter, "Intents that this node took, by what became of them.")
        .labelled(&["result"], &[&["applied"], &["failed"], &["forwarded"], &["timed_out"]]),
    recorded(RAFT_PROPOSALS_PENDING, Gauge, "Intents that wait for this node's apply."),
    recorded(RAFT_PEER_SEND_FAILURES, Counter, "Requests to a peer that failed.").labelled(&["peer"], &[]),
    recorded(RAFT_PEER_SENT_BYTES, Counter, "Bytes sent to a peer.").labelled(&["peer"], &[]),
    recorded(RAFT_PEER_RECEIVED_BYTES, Counter, "Bytes received from a peer.").labelled(&["peer"], &[]),
    recorded(RAFT_SNAPSHOT_BUILD, Histogram, "How long a snapshot took to build."),
    recorded(RAFT_SNAPSHOT_INSTALL, Histogram, "How long a snapshot took to install."),
    recorded(PROPOSAL_DURATION, Histogram, "From taking an intent to its record in this node's apply."),
    recorded(APPLY_DURATION, Histogram, "How long one apply took."),
    recorded(APPLY_BATCH, Histogram, "Intents in one log entry."),
    recorded(CLOCK_SKEW, Gauge, "How far this node's wall clock is ahead of cluster time."),
    recorded(LOG_FSYNC, Histogram, "How long one sync of the log took."),
    recorded(LOG_APPEND_BYTES, Counter, "Bytes appended to the log."),
    recorded(DB_SIZE, Gauge, "Bytes of a database's live files.").labelled(&["db"], &[]),
    recorded(DB_PENDING_COMPACTION, Gauge, "Bytes that compaction still has to rewrite.").labelled(&["db"], &[]),
    recorded(DB_WRITE_STALL, Gauge, "Whether a database holds its writers back.").labelled(&["db"], &[]),
    recorded(DATA_DIR_SIZE, Gauge, "Bytes in the data directory."),
    recorded(DATA_DIR_FREE, Gauge, "Bytes free on the data directory's file system."),
    recorded(SNAPSHOT_LAST_SUCCESS, Gauge, "When a checkpoint was last written."),
    recorded(HTTP_REQUESTS, Counter, "Requests answered.").labelled(&["dialect", "route", "method", "code"], &[]),
    recorded(HTTP_REQUEST_DURATION, Histogram, "From a request's head to its reply's.")
        .labelled(&["dialect", "route"], &[]),
    recorded(HTTP_IN_FLIGHT, Gauge, "Requests being answered."),
    recorded(HTTP_CONNECTIONS, Gauge, "Open client connections."),
    recorded(HTTP_REFUSED_CONNECTIONS, Counter, "Connections closed at once, by which limit was reached.")
        .labelled(&["limit"], &[&["total"], &["address"]]),
    recorded(AUTH_FAILURES, Counter, "Requests whose credential was not taken or did not suffice.").labelled(
        &["dialect", "reason"],
        &[
            &["native", "anonymous"],
            &["native", "unreadable"],
            &["native", "bad_credentials"],
            &["native", "locked_out"],
            &["native", "forbidden"],
            &["native", "busy"],
            &["elastic", "anonymous"],
            &["elastic", "unreadable"],
            &["elastic", "bad_credentials"],
            &["elastic", "locked_out"],
            &["elastic", "forbidden"],
            &["elastic", "busy"],
            &["redis", "anonymous"],
            &["redis", "unreadable"],
            &["redis", "bad_credentials"],
            &["redis", "locked_out"],
            &["redis", "forbidden"],
            &["redis", "busy"],
        ],
    ),
    recorded(RATE_LIMITED, Counter, "Requests that were told to come again later.")
        .labelled(&["dialect"], &[&["native"]]),
    scraped(CLUSTER_SHARDS_LIMIT, "Shards that the license in force allows, as dashboards of old name it.", &SHARDS),
    scraped(LICENSE_SHARDS_LIMIT, "Shards that the license in force allows.", &SHARDS),
    scraped(BDB_SHARDS_USED, "Shards in use, all databases together.", &["bdb", "cluster", "shard_type"]),
    scraped(LICENSE_EXPIRATION_DAYS, "Whole days until the license in force ends; below 0 since it has.", &["cluster"]),
    scraped(HEALTHCHECK, "Whether a check of this node passes.", &["type", "name"]),
    recorded(TLS_EXPIRY, Gauge, "When a certificate ends.").labelled(&["use"], &[]),
];

/// A number as a metric's value. Beyond 2^53 it is rounded: a scrape has doubles only.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the exposition format has doubles only")]
pub fn value(number: u64) -> f64 {
    number as f64
}

/// What is recorded in this process.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
    process: metrics_process::Collector,
}

impl Recorder {
    /// Makes this process' recorder, describes every metric and begins every series that is known beforehand.
    ///
    /// # Errors
    /// When the process has a recorder already.
    pub fn install() -> Result<Recorder, String> {
        let recorder = builder()?.build_recorder();
        describe(&recorder);
        let handle = recorder.handle();
        ::metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
        let process = metrics_process::Collector::default();
        process.describe();
        Ok(Recorder { handle, process })
    }

    /// Moves samples into buckets. Call every few seconds, else memory grows between scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Everything recorded, as text.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.handle.render()
    }
}

fn builder() -> Result<PrometheusBuilder, String> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
        let buckets: &[f64] = match metric.name {
            HTTP_REQUEST_DURATION | PROPOSAL_DURATION => &LATENCY_BUCKETS,
            RAFT_SNAPSHOT_BUILD | RAFT_SNAPSHOT_INSTALL => &SLOW_BUCKETS,
            SESSION_DURATION => &SESSION_BUCKETS,
            APPLY_BATCH => &ENTRY_BUCKETS,
            _ => &FAST_BUCKETS,
        };
        let matcher = Matcher::Full(metric.name.to_owned());
        builder = builder.set_buckets_for_metric(matcher, buckets).map_err(|error| error.to_string())?;
    }
    Ok(builder)
}

/// Gives every recorded metric its help, and every series that is known beforehand a 0.
fn describe(recorder: &dyn ::metrics::Recorder) {
    const METADATA: ::metrics::Metadata<'static> =
        ::metrics::Metadata::new("quartermaster", ::metrics::Level::INFO, Some(module_path!()));
    for metric in ALL.iter().filter(|metric| metric.source == Source::Recorded) {
        let (name, help) = (KeyName::from(metric.name), SharedString::from(metric.help));
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram => recorder.describe_histogram(name, None, help),
        }
        for key in first_series(metric) {
            match metric.kind {
                Kind::Counter => recorder.register_counter(&key, &METADATA).increment(0),
                Kind::Gauge => recorder.register_gauge(&key, &METADATA).set(0.0),
                Kind::Histogram => {}
            }
        }
    }
}

fn first_series(metric: &Metric) -> Vec<Key> {
    if metric.labels.is_empty() {
        return vec![Key::from_name(metric.name)];
    }
    let labels = |values: &&[&'static str]| -> Vec<Label> {
        metric.labels.iter().zip(*values).map(|(name, value)| Label::new(*name, *value)).collect()
    };
    metric.series.iter().map(|values| Key::from_parts(metric.name, labels(values))).collect()
}

/// Text of what is read at scrape time.
#[derive(Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// One metric, a gauge or a counter, with all its series: label values in the table's order.
    ///
    /// # Panics
    /// When the table has no such scraped metric: a slip of its caller.
    pub fn gauge<L: AsRef<str>>(&mut self, name: &str, series: impl IntoIterator<Item = (Vec<L>, f64)>) {
        let metric = ALL
            .iter()
            .find(|metric| metric.name == name && metric.source == Source::Scraped)
            .expect("the table has every metric");
        let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
        self.line(format_args!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help));
        for (values, value) in series {
            let labels: Vec<String> = metric
                .labels
                .iter()
                .zip(&values)
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value.as_ref())))
                .collect();
            if labels.is_empty() {
                self.line(format_args!("{name} {value}\n"));
            } else {
                self.line(format_args!("{name}{{{}}} {value}\n", labels.join(",")));
            }
        }
    }

    /// One number.
    pub fn one(&mut self, name: &str, value: f64) {
        self.gauge(name, [(Vec::<String>::new(), value)]);
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("writing to a string cannot fail");
    }

    /// The text.
    #[must_use]
    pub fn text(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_keeps_the_naming_rules() {
        for (at, metric) in ALL.iter().enumerate() {
            let foreign = FOREIGN.contains(&metric.name);
            assert_ne!(metric.name.starts_with("quartermaster_"), foreign, "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            assert!(ALL[..at].iter().all(|other| other.name != metric.name), "{} stands twice", metric.name);
            assert!(metric.series.iter().all(|values| values.len() == metric.labels.len()), "{}", metric.name);
        }
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut text = Exposition::default();
        text.gauge(STACK_USED, [(vec!["a\"} 1\nb\\"], 7.0)]);
        assert!(text.text().ends_with("quartermaster_stack_used_bytes{stack=\"a\\\"} 1\\nb\\\\\"} 7\n"));
    }

    #[test]
    fn counters_are_there_before_they_count() {
        let recorder = builder().expect("the buckets are in order").build_recorder();
        describe(&recorder);
        let text = recorder.handle().render();
        assert!(text.contains("quartermaster_usage_reports_total{result=\"refused\"} 0"), "{text}");
        assert!(text.contains("# HELP quartermaster_raft_leader_changes_total "), "{text}");
    }
}
