//! The house rules that neither the compiler nor clippy keeps: who may import whom, which words stand where, how long a
//! file may be, and that the papers tell the truth.
//!
//! Every rule is a function from text to breaches, so that each is shown to fail on a bad snippet.

#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// A rule that a line breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    what: String,
}

/// A file of the project: its path from the root, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    fn breach(&self, line: usize, what: impl Into<String>) -> Breach {
        Breach { file: self.path.clone(), line, what: what.into() }
    }

    /// The top-level module of `src` that the file belongs to; `None` for `main.rs`, `lib.rs` and what is not in `src`.
    fn room(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (room != "main" && room != "lib").then_some(room)
    }
}

/// The line, from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text[..offset].bytes().filter(|byte| *byte == b'\n').count()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `folder` whose name ends in `suffix`, in order.
fn files(folder: &str, suffix: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root().join(folder), suffix, &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn collect(folder: &Path, suffix: &str, found: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder of the project is readable").path();
        if path.is_dir() {
            collect(&path, suffix, found);
        } else if path.to_string_lossy().ends_with(suffix) {
            found.push(read(&path));
        }
    }
}

fn read(path: &Path) -> File {
    let name = path.strip_prefix(root()).expect("only files of the project are read");
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    File { path: name.to_string_lossy().into_owned(), text }
}

fn rust_files() -> Vec<File> {
    let mut all = files("src", ".rs");
    all.extend(files("tests", ".rs"));
    assert!(all.len() > 20, "tidy looks at the wrong place: {} files", all.len());
    all
}

/// Fails with one line per breach.
fn expect_none(breaches: &[Breach]) {
    let list: Vec<String> =
        breaches.iter().map(|breach| format!("{}:{}: {}", breach.file, breach.line, breach.what)).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

/// A file that does not exist, for showing that a rule can fail.
#[cfg(test)]
fn snippet(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}
