//! Data on its way out: tables without borders for people, JSON as the API gave it for programs.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::Failure;
use crate::domain::time::Moment;
use crate::signing::native::rfc3339;
use crate::signing::quantity;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For programs: snake_case, bytes as numbers, times in RFC 3339
    Json,
}

/// What a field holds, and so how a table writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is.
    Plain,
    /// An amount of bytes.
    Bytes,
    /// A quota: bytes, or null for MAX.
    Quota,
    /// A content hash: its beginning is enough.
    Short,
    /// How many entries it has.
    Count,
}

/// A column or a line: its head, where the value lies (JSON pointer), what it is.
pub(super) type Field = (&'static str, &'static str, Kind);

/// How many hex digits of a hash people compare.
const SHORT: usize = 12;

/// Where data goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    format: Format,
}

impl Output {
    pub(super) const fn new(format: Format) -> Output {
        Output { format }
    }

    /// Writes text as it is.
    pub(super) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::reader_gone()),
            Err(error) => Err(Failure::failed(format!("standard output: {error}"))),
        }
    }

    /// Writes JSON for programs, `words` for people.
    pub(super) fn either(self, value: &Value, words: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.text(&format!("{value:#}\n")),
            Format::Table => self.text(&words()),
        }
    }

    /// Writes one line of JSON for programs, `words` for people: for what never ends.
    pub(super) fn stream(self, value: &Value, words: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.text(&format!("{value}\n")),
            Format::Table => self.text(&words()),
        }
    }

    /// Writes a list: the whole answer as JSON, its `items` as a table.
    pub(super) fn list(self, answer: &Value, columns: &[Field]) -> Result<(), Failure> {
        let items = answer.get("items").unwrap_or(answer).as_array().map(Vec::as_slice).unwrap_or_default();
        self.either(answer, || table(items, columns))
    }

    /// Writes one thing, field by field.
    pub(super) fn one(self, value: &Value, fields: &[Field]) -> Result<(), Failure> {
        self.either(value, || lines(value, fields))
    }

    /// Says something about what was done, for people only; not data.
    pub(super) fn say(self, words: &str) {
        say(words);
    }
}

/// Says something on standard error. A standard error that is closed changes nothing about what was done.
pub(super) fn say(words: &str) {
    drop(writeln!(std::io::stderr().lock(), "{words}"));
}

/// A table without borders.
pub(super) fn table(items: &[Value], columns: &[Field]) -> String {
    let rows = items.iter().map(|item| columns.iter().map(|(_, at, kind)| cell(item.pointer(at), *kind)).collect());
    let heads: Vec<&str> = columns.iter().map(|(head, ..)| *head).collect();
    let right: Vec<usize> =
        (0..columns.len()).filter(|i| matches!(columns[*i].2, Kind::Bytes | Kind::Quota | Kind::Count)).collect();
    grid(&heads, rows.collect(), &right)
}

/// Rows under heads; `right` are the columns of numbers.
pub(super) fn grid(heads: &[&str], rows: Vec<Vec<String>>, right: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads);
    table.add_rows(rows);
    for column in 0..heads.len() {
        if let Some(column_style) = table.column_mut(column) {
            column_style.set_padding((0, 2));
            if right.contains(&column) {
                column_style.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// One thing, a line a field; what is absent is left out.
pub(super) fn lines(value: &Value, fields: &[Field]) -> String {
    let shown =
        fields.iter().filter(|(_, at, kind)| value.pointer(at).is_some_and(|v| !v.is_null() || *kind == Kind::Quota));
    let width = fields.iter().map(|(head, ..)| head.len()).max().unwrap_or_default();
    shown.map(|(head, at, kind)| format!("{head:width$}  {}\n", cell(value.pointer(at), *kind))).collect()
}

/// A value in a table's cell.
pub(super) fn cell(value: Option<&Value>, kind: Kind) -> String {
    let Some(value) = value else { return "-".to_owned() };
    match (kind, value) {
        (Kind::Quota, Value::Null) => "MAX".to_owned(),
        (Kind::Count, Value::Array(items)) => items.len().to_string(),
        (Kind::Count, Value::Object(entries)) => entries.len().to_string(),
        (Kind::Bytes | Kind::Quota, Value::Number(number)) => {
            number.as_u64().map_or_else(|| number.to_string(), quantity::human)
        }
        (Kind::Short, Value::String(text)) => text.chars().take(SHORT).collect(),
        (_, Value::Null) => "-".to_owned(),
        (_, Value::String(text)) if text.is_empty() => "-".to_owned(),
        // a name is data of others: it must not steer a terminal
        (_, Value::String(text)) => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        (_, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        (_, Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| cell(Some(item), kind)).collect();
            if items.is_empty() { "-".to_owned() } else { items.join(",") }
        }
        (_, other) => other.to_string(),
    }
}

/// A moment for people and JSON alike.
pub(super) fn moment(moment: Moment) -> String {
    rfc3339(moment)
}

/// How far off a moment is, in the largest unit that fits.
pub(super) fn distance(from: Moment, to: Moment) -> String {
    let seconds = to.seconds().saturating_sub(from.seconds());
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A bar for `count` things on standard error; silent off a terminal and for a single thing.
pub(super) fn bar(count: u64, what: &'static str) -> ProgressBar {
    if count < 2 || !draws() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {eta}");
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_prefix(what)
}

/// A sign of life on standard error for what takes a while; silent off a terminal.
pub(super) fn spinner(what: impl Into<String>) -> ProgressBar {
    if !draws() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what.into());
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

fn draws() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_heads_and_no_borders() {
        let items = [json!({"name": "prod", "quota_bytes": null, "used_bytes": 1536}), json!({"name": "dev\u{1b}[2J"})];
        let columns: [Field; 3] = [
            ("NAME", "/name", Kind::Plain),
            ("QUOTA", "/quota_bytes", Kind::Quota),
            ("USED", "/used_bytes", Kind::Bytes),
        ];
        let text = table(&items, &columns);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["NAME", "QUOTA", "USED"]);
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["prod", "MAX", "1.5", "KB"]);
        assert!(!text.contains('\u{1b}') && !text.contains('|') && !text.contains('+'));
        assert!(lines[2].starts_with("dev") && lines[2].ends_with('-'));
    }

    #[test]
    fn one_thing_leaves_out_what_it_has_not() {
        let fields: [Field; 3] =
            [("Name", "/name", Kind::Plain), ("Quota", "/q", Kind::Quota), ("Label", "/label", Kind::Plain)];
        assert_eq!(lines(&json!({"name": "a", "q": null, "label": null}), &fields), "Name   a\nQuota  MAX\n");
    }

    #[test]
    fn distances_are_short() {
        assert_eq!(distance(Moment(0), Moment(59_000)), "59s");
        assert_eq!(distance(Moment(0), Moment(7_200_000)), "2h");
        assert_eq!(distance(Moment(0), Moment(86_400_000 * 9)), "9d");
        assert_eq!(distance(Moment(5), Moment(0)), "0s");
    }
}
