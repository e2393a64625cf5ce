//! `usage`: report it, and look back at it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::print::{self, Field, Kind};
use super::{Context, Failure, files};
use crate::client::{Report, Request, Row};
use crate::signing::quantity;

const EXAMPLES: &str = "\
Examples:
  quartermaster usage report --slave 4F2C… --sequence 17 --bytes 120MB --sourcetype syslog
  quartermaster usage report --file reports.ndjson
  quartermaster usage history --from 2026-11-01 --to 2026-11-22 --by sourcetype

A file holds one report, {\"reports\":[…]}, a list of reports, or one report a line. Counted is each report once, however
often it is sent: a slave's sequence, or its report_id, names it.";

/// Most reports that are sent in one request.
const REPORTS_PER_REQUEST: usize = 1_000;

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum UsageCommand {
    /// Report usage
    Report(Box<OneReport>),
    /// Show usage by license day
    History {
        /// The first day, such as 2026-11-01
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// The last day
        #[arg(long, value_name = "DAY")]
        to: Option<String>,
        /// Split by what
        #[arg(long, default_value = "pool")]
        by: Dimension,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Dimension {
    /// Pools
    Pool,
    /// Stacks
    Stack,
    /// Sourcetypes
    Sourcetype,
    /// Hosts
    Host,
    /// Sources
    Source,
    /// Indexes
    Index,
}

#[derive(Debug, Args)]
pub(super) struct OneReport {
    /// File with reports in JSON, - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["slave", "bytes"], required_unless_present = "slave")]
    file: Option<PathBuf>,
    /// The slave's GUID
    #[arg(long, value_name = "GUID", requires = "bytes")]
    slave: Option<String>,
    /// Counts up within the epoch
    #[arg(long, required_unless_present_any = ["report_id", "file"])]
    sequence: Option<u64>,
    /// The slave's epoch
    #[arg(long)]
    epoch: Option<String>,
    /// The slave's own name for the report
    #[arg(long)]
    report_id: Option<String>,
    /// The pool that it would like to be counted in
    #[arg(long)]
    pool: Option<String>,
    /// When the bytes were indexed, in RFC 3339 [default: now]
    #[arg(long)]
    time: Option<String>,
    /// How many bytes, such as 120MB
    #[arg(long, value_parser = quantity::bytes)]
    bytes: Option<u64>,
    /// Of which sourcetype
    #[arg(long)]
    sourcetype: Option<String>,
    /// From which host
    #[arg(long)]
    host: Option<String>,
    /// From which source
    #[arg(long)]
    source: Option<String>,
    /// Into which index
    #[arg(long)]
    index: Option<String>,
}

const RESULT: [Field; 5] = [
    ("SEQUENCE", "/sequence", Kind::Plain),
    ("REPORT ID", "/report_id", Kind::Plain),
    ("STATUS", "/status", Kind::Plain),
    ("POOL", "/pool", Kind::Plain),
    ("REASON", "/reason", Kind::Plain),
];

impl UsageCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            UsageCommand::Report(report) => report.send(context).await,
            UsageCommand::History { from, to, by } => {
                let by = by.to_possible_value().map(|value| value.get_name().to_owned());
                let request = Request::get(["usage", "days"]).maybe("from", from).maybe("to", to).maybe("by", by);
                let history = context.client.connect()?.send(request).await?.json()?;
                context.out.either(&history, || days(&history))
            }
        }
    }
}

impl OneReport {
    async fn send(self, context: &Context) -> Result<(), Failure> {
        let reports = match &self.file {
            Some(path) => parse(&files::read_text(path, files::FILE_BYTES)?)
                .map_err(|why| Failure::usage(format!("{}: {why}", path.display())))?,
            None => vec![self.report()],
        };
        let client = context.client.connect()?;
        let bar = print::bar(reports.len().div_ceil(REPORTS_PER_REQUEST) as u64, "reporting");
        let (mut results, mut next) = (Vec::with_capacity(reports.len()), 0);
        for reports in reports.chunks(REPORTS_PER_REQUEST) {
            let answer = client.report(reports).await?;
            results.extend(answer.results);
            next = answer.next_report_in_ms;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let refused = results.iter().filter(|result| !result.is_counted()).count();
        let count = results.len();
        let answer = serde_json::json!({ "results": results, "next_report_in_ms": next });
        context.out.either(&answer, || {
            let rows = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
            print::table(rows, &RESULT)
        })?;
        if refused > 0 {
            return Err(Failure::refused(format!("{refused} of {count} reports were refused")));
        }
        Ok(())
    }

    fn report(self) -> Report {
        let row = Row {
            bytes: self.bytes.unwrap_or_default(),
            sourcetype: self.sourcetype,
            host: self.host,
            source: self.source,
            index: self.index,
        };
        Report {
            slave: self.slave.unwrap_or_default(),
            sequence: self.sequence,
            epoch: self.epoch,
            report_id: self.report_id,
            pool: self.pool,
            time: self.time,
            rows: vec![row],
            ..Report::default()
        }
    }
}

/// Reports in any of the forms that a file may have.
fn parse(text: &str) -> Result<Vec<Report>, String> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut reports = Vec::new();
    for value in values {
        let mut value = value.map_err(|error| error.to_string())?;
        if let Some(list) = value.get_mut("reports") {
            value = list.take();
        }
        let list = if value.is_array() { value } else { Value::Array(vec![value]) };
        let list: Vec<Report> = serde_json::from_value(list).map_err(|error| error.to_string())?;
        reports.extend(list);
    }
    if reports.is_empty() { Err("no report".to_owned()) } else { Ok(reports) }
}

/// One line a day and name.
fn days(history: &Value) -> String {
    let mut rows = Vec::new();
    for day in history["days"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let date = print::cell(day.get("day"), Kind::Plain);
        let total = print::cell(day.get("bytes"), Kind::Bytes);
        rows.push(vec![
            date.clone(),
            "(all)".to_owned(),
            total,
            String::new(),
            print::cell(day.get("closed"), Kind::Plain),
        ]);
        for row in day["rows"].as_array().map(Vec::as_slice).unwrap_or_default() {
            rows.push(vec![
                date.clone(),
                print::cell(row.get("name"), Kind::Plain),
                print::cell(row.get("used_bytes"), Kind::Bytes),
                print::cell(row.get("quota_bytes"), Kind::Bytes),
                print::cell(row.get("over"), Kind::Plain),
            ]);
        }
    }
    let name = history["by"].as_str().unwrap_or("name").to_uppercase();
    print::grid(&["DAY", &name, "USED", "QUOTA", "CLOSED/OVER"], rows, &[2, 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_alone_in_lists_and_in_lines() {
        let one = r#"{"slave":"a","sequence":1,"rows":[{"bytes":5}]}"#;
        for (text, count) in [
            (one.to_owned(), 1),
            (format!("[{one},{one}]"), 2),
            (format!("{{\"reports\":[{one}]}}"), 1),
            (format!("{one}\n{one}\n\n{one}\n"), 3),
        ] {
            assert_eq!(parse(&text).map(|reports| reports.len()), Ok(count), "{text}");
        }
        assert!(parse("").is_err() && parse("{").is_err() && parse(r#"{"rows":[]}"#).is_err());
    }
}
