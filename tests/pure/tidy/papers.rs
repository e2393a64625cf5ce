//! The papers tell the truth: what README and docs name exists, decisions have numbers of their own, every alert has a
//! runbook, every metric in the table is made somewhere.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Breach, File, expect_none, files, line_of, read, root, snippet};

fn papers() -> Vec<File> {
    let mut all: Vec<File> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].iter().map(|name| read(&root().join(name))).collect();
    all.extend(files("docs", ".md"));
    all
}

/// Scripts that a paper names and the tree does not hold.
fn commands(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Breach> {
    let found = file.text.match_indices("scripts/").filter_map(|(at, prefix)| {
        let rest = &file.text[at + prefix.len()..];
        let length = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)));
        let name = rest[..length.unwrap_or(rest.len())].trim_end_matches('.');
        let path = format!("scripts/{name}");
        (!name.is_empty() && !exists(&path)).then(|| file.breach(line_of(&file.text, at), format!("no {path}")))
    });
    found.collect()
}

/// Links to files that are not there; `exists` gets a path from the root.
fn links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Breach> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let found = file.text.match_indices("](").filter_map(|(at, open)| {
        let rest = &file.text[at + open.len()..];
        let target = rest[..rest.find(')')?].split('#').next()?;
        let outside = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
        let path = folder.join(target).to_string_lossy().into_owned();
        (!outside && !exists(&path))
            .then(|| file.breach(line_of(&file.text, at), format!("a link to nothing: {target}")))
    });
    found.collect()
}

/// What is wrong with the names of the decisions.
fn numbering(names: &[String]) -> Vec<String> {
    let number = |name: &str| name.split_once('-').map(|(number, _)| number.to_owned()).unwrap_or_default();
    let mut wrong = Vec::new();
    let mut last = String::new();
    for name in names {
        let this = number(name);
        if this.len() != 4 || this.parse::<u16>().is_err() || this <= last {
            wrong.push(format!("{name} should begin with four digits of its own"));
        }
        last = this;
    }
    wrong
}

/// Metrics that the table names and no code makes.
fn unmade(table: &str, code: &str) -> Vec<String> {
    let constants = table.lines().filter_map(|line| line.trim().split_once(" = \"quartermaster_"));
    let made = |name: &str| {
        code.match_indices(&format!("metrics::{name}")).any(|(at, found)| {
            !code[at + found.len()..].starts_with(|next: char| next == '_' || next.is_ascii_alphanumeric())
        })
    };
    constants.map(|(name, _)| name.to_owned()).filter(|name| !made(name)).collect()
}

/// A decision says what was the matter, what was decided, and what it costs.
fn chapters(file: &File) -> Vec<Breach> {
    let missing =
        ["## Context", "## Decision", "## What it costs"].into_iter().filter(|title| !file.text.contains(title));
    missing.map(|title| file.breach(1, format!("a decision without `{title}`"))).collect()
}

fn in_tree(path: &str) -> bool {
    root().join(path).exists()
}

fn names(files: &[File]) -> Vec<String> {
    files.iter().filter_map(|file| file.path.rsplit('/').next().map(str::to_owned)).collect()
}

#[test]
fn the_papers_name_scripts_and_files_that_exist() {
    let all = papers();
    expect_none(&all.iter().flat_map(|file| commands(file, in_tree)).collect::<Vec<_>>());
    expect_none(&all.iter().flat_map(|file| links(file, in_tree)).collect::<Vec<_>>());
}

#[test]
fn the_readme_shows_the_two_commands() {
    let readme = read(&root().join("README.md")).text;
    assert!(readme.contains("scripts/demo") && readme.contains("scripts/test"));
}

#[cfg(unix)]
#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for file in files("scripts", "").iter().chain(&files(".ci", "")).filter(|file| file.text.starts_with("#!")) {
        let mode = std::fs::metadata(root().join(&file.path)).map(|about| about.permissions().mode()).unwrap_or(0);
        assert!(mode & 0o111 != 0, "{} is not executable", file.path);
    }
}

#[test]
fn every_metric_in_the_table_is_made_somewhere() {
    let table = read(&root().join("src/metrics.rs")).text;
    let code: String =
        files("src", ".rs").into_iter().filter(|file| file.path != "src/metrics.rs").map(|file| file.text).collect();
    assert_eq!(unmade(&table, &code), Vec::<String>::new());
}

#[test]
fn decisions_have_numbers_of_their_own_and_say_what_they_cost() {
    let all = files("docs/adr", ".md");
    assert!(all.len() >= 15, "the decisions were not found");
    assert_eq!(numbering(&names(&all)), Vec::<String>::new());
    expect_none(&all.iter().flat_map(chapters).collect::<Vec<_>>());
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let rules = read(&root().join("prometheus/alerts.rules.yml")).text;
    let named: BTreeSet<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).map(str::to_owned).collect();
    let written: BTreeSet<String> = files("docs/runbooks", ".md").into_iter().map(|file| file.path).collect();
    assert_eq!(named, written);
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let told = files("docs/runbooks", ".md").iter().any(|page| page.text.contains(alert));
        assert!(told, "no runbook names the alert {alert}");
    }
}

#[test]
fn the_map_fits_on_a_few_screens() {
    assert!(read(&root().join("ARCHITECTURE.md")).text.lines().count() < 200);
}

#[test]
fn a_paper_that_lies_is_found() {
    let nothing = |_: &str| false;
    assert_eq!(commands(&snippet("README.md", "run `scripts/fly` and\n`scripts/swim.`"), nothing).len(), 2);
    assert_eq!(links(&snippet("docs/a.md", "see [it](adr/0001.md) and [that](https://x.y/z)"), nothing).len(), 1);
    assert_eq!(links(&snippet("docs/a.md", "[up](../README.md#x)"), |path| path == "docs/../README.md"), vec![]);
    assert_eq!(numbering(&["0001-a.md".to_owned(), "0001-b.md".to_owned(), "3-c.md".to_owned()]).len(), 2);
    let table = "    ONE = \"quartermaster_one\";\n    TWO = \"quartermaster_two\";";
    assert_eq!(unmade(table, "counter!(metrics::ONE); gauge!(metrics::TWO_MORE)"), vec!["TWO".to_owned()]);
    assert_eq!(chapters(&snippet("docs/adr/0001-a.md", "## Context\n## Decision")).len(), 1);
}
