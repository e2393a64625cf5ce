//! Who may import whom: ARCHITECTURE.md's table against every `crate::` path of `src`.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{code, places, word_at};
use super::{Breach, File, expect_none, files, line_of, read, root, snippet};

/// One row of the table.
#[derive(Debug, Clone, Default)]
struct Room {
    may_import: BTreeSet<String>,
    may_wait: bool,
}

type Table = BTreeMap<String, Room>;

/// Reads the table that begins with `| room | may import | async |`.
fn table(text: &str) -> Table {
    let mut rows = text.lines().skip_while(|line| !line.starts_with("| room | may import | async |")).skip(2);
    let mut rooms = Table::new();
    for line in rows.by_ref().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, imports, waits, _] = cells[..] else { panic!("a row of the rooms table has four cells: {line}") };
        let may_import = imports.split(',').map(|room| room.trim().to_owned()).filter(|room| room != "–").collect();
        rooms.insert(name.to_owned(), Room { may_import, may_wait: waits == "yes" });
    }
    rooms
}

/// The first segments after every path that begins with `keyword`, with their places; `*` for a glob.
fn imports(code: &str, keyword: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // a path that climbs further up is not this one
    for at in places(code, keyword).into_iter().filter(|at| !code[..*at].ends_with("super::")) {
        let rest = &code[at + keyword.len()..];
        let Some(path) = rest.trim_start().strip_prefix("::") else { continue };
        let from = code.len() - path.trim_start().len();
        match code.as_bytes().get(from) {
            Some(b'{') => found.extend(group(code, from)),
            Some(b'*') => found.push((from, "*".to_owned())),
            _ => found.extend(word_at(code, from).map(|word| (from, word.to_owned()))),
        }
    }
    found
}

/// The first segment of each branch of the group that opens at `open`.
fn group(code: &str, open: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut branch_begins = false;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => {
                depth += 1;
                branch_begins = depth == 1;
            }
            b'}' if depth == 1 => break,
            b'}' => depth -= 1,
            b',' if depth == 1 => branch_begins = true,
            b'*' if branch_begins => {
                found.push((offset, "*".to_owned()));
                branch_begins = false;
            }
            _ if branch_begins && !byte.is_ascii_whitespace() => {
                found.extend(word_at(code, offset).map(|word| (offset, word.to_owned())));
                branch_begins = false;
            }
            _ => {}
        }
    }
    found
}

/// Imports that the table does not allow.
fn doors(file: &File, table: &Table) -> Vec<Breach> {
    let code = code(&file.text, false);
    let mut breaches = Vec::new();
    let mut say = |at: usize, what: String| breaches.push(file.breach(line_of(&code, at), what));
    let Some(name) = file.room() else {
        for (at, room) in imports(&code, "quartermaster").into_iter().filter(|(_, room)| room != "cli") {
            say(at, format!("main imports `{room}`, and may import only cli"));
        }
        return breaches;
    };
    let Some(room) = table.get(name) else {
        return vec![file.breach(1, format!("the room `{name}` is missing from ARCHITECTURE.md's table"))];
    };
    for (at, target) in imports(&code, "crate").into_iter().chain(above(file, &code, table)) {
        if target == "*" {
            say(at, "a glob over all rooms hides who is imported".to_owned());
        } else if target != name && !room.may_import.contains(&target) {
            say(at, format!("`{name}` may not import `{target}`"));
        } else if target != name && glob_follows(&code, at) {
            say(at, format!("a glob import of `{target}`: name what is used"));
        }
    }
    breaches
}

/// Paths that climb out of their room by `super::super::…`: what they name is a room as well.
fn above(file: &File, code: &str, table: &Table) -> Vec<(usize, String)> {
    let inner = file.path.trim_start_matches("src/");
    // a module's own depth below the crate: that many `super` lead to the crate itself
    let depth = inner.split('/').count() - usize::from(inner.ends_with("/mod.rs"));
    let climb = vec!["super"; depth].join("::");
    // a submodule may share a room's name: `mod metrics;` in `http` is http's own
    let is_own = |room: &str| code.contains(&format!("mod {room};"));
    imports(code, &climb).into_iter().filter(|(_, room)| table.contains_key(room) && !is_own(room)).collect()
}

/// Whether the path that begins at `at` ends in a glob.
fn glob_follows(code: &str, at: usize) -> bool {
    let end = code[at..].find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'));
    end.is_some_and(|end| code[at..][..end].ends_with("::") && code[at + end..].starts_with('*'))
}

/// `async` in a room whose row says no.
fn waiting(file: &File, table: &Table) -> Vec<Breach> {
    let Some(room) = file.room().and_then(|name| table.get(name)) else { return Vec::new() };
    if room.may_wait {
        return Vec::new();
    }
    let code = code(&file.text, false);
    let found = ["async", "await"].into_iter().flat_map(|word| places(&code, word));
    found.map(|at| file.breach(line_of(&code, at), "async stands in a room that does not wait")).collect()
}

/// A dialect that knows another one.
fn strangers(file: &File) -> Vec<Breach> {
    let mut parts = file.path.split('/').skip_while(|part| *part != "dialect").skip(1);
    let (Some(own), Some(_)) = (parts.next(), parts.next()) else { return Vec::new() };
    let code = code(&file.text, false);
    let dialects = ["native", "splunk", "elastic", "redis", "immuta", "nuix"];
    let found = code.match_indices("crate::dialect::").filter_map(|(at, path)| {
        let other = word_at(&code, at + path.len())?;
        (other != own && dialects.contains(&other))
            .then(|| file.breach(line_of(&code, at), format!("the dialect `{own}` imports the dialect `{other}`")))
    });
    found.collect()
}

fn architecture() -> Table {
    table(&read(&root().join("ARCHITECTURE.md")).text)
}

#[test]
fn rooms_import_only_what_the_map_allows() {
    let table = architecture();
    let all: Vec<Breach> = files("src", ".rs").iter().flat_map(|file| doors(file, &table)).collect();
    expect_none(&all);
}

#[test]
fn rooms_that_do_not_wait_are_not_async() {
    let table = architecture();
    let all: Vec<Breach> = files("src", ".rs").iter().flat_map(|file| waiting(file, &table)).collect();
    expect_none(&all);
}

#[test]
fn dialects_do_not_know_each_other() {
    let all: Vec<Breach> = files("src/dialect", ".rs").iter().flat_map(strangers).collect();
    expect_none(&all);
}

#[test]
fn the_map_is_complete_and_has_no_circle() {
    let table = architecture();
    assert!(table.len() >= 15, "the rooms table was not read: {table:?}");
    let mut left = table.clone();
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|(_, room)| room.may_import.iter().all(|other| !left.contains_key(other)))
            .map(|(name, _)| name.clone())
            .collect();
        assert!(!free.is_empty(), "rooms import each other in a circle: {:?}", left.keys());
        left.retain(|name, _| !free.contains(name));
    }
    for (name, room) in &table {
        for other in &room.may_import {
            assert!(table.contains_key(other), "`{name}` may import `{other}`, which is no room");
        }
    }
}

const SMALL: &str = "| room | may import | async | what |\n|---|---|---|---|\n| rules | – | no | x |\n| disk | – | no | x |\n\
                     | net | rules, disk | yes | x |\n\nmore";

fn whats(breaches: &[Breach]) -> Vec<(usize, &str)> {
    breaches.iter().map(|breach| (breach.line, breach.what.as_str())).collect()
}

#[test]
fn a_closed_door_is_found_in_every_spelling() {
    let table = table(SMALL);
    for bad in [
        "use crate::disk;",
        "use crate::disk::Db;",
        "use crate::{rules::A, disk::{Db, Row}};",
        "use crate::{\n    rules::{A, B},\n    disk,\n};",
        "fn f() { crate::disk::open() }",
        "pub(crate) use crate::disk::Db as Other;",
        "use crate :: disk;",
        "use crate::*;",
        "use crate::{self as all, *};",
    ] {
        let found = doors(&snippet("src/rules/pool.rs", bad), &table);
        assert!(!found.is_empty(), "not found: {bad}");
    }
    let found = doors(&snippet("src/rules/mod.rs", "use super::disk::Db;"), &table);
    assert_eq!(whats(&found), vec![(1, "`rules` may not import `disk`")]);
    let found = doors(&snippet("src/rules.rs", "use super::{disk, net};"), &table);
    assert_eq!(found.len(), 2);
    for good in
        ["use crate::rules::state::State;", "// crate::disk", "let s = \"crate::disk\";", "use super::disk::Db;"]
    {
        assert_eq!(doors(&snippet("src/rules/pool.rs", good), &table), vec![], "{good}");
    }
    assert_eq!(doors(&snippet("src/net/mod.rs", "use crate::{disk::Db, rules::A};"), &table), vec![]);
}

#[test]
fn globs_detours_and_unknown_rooms_are_found() {
    let table = table(SMALL);
    let glob = doors(&snippet("src/net/mod.rs", "pub use crate::rules::event::*;"), &table);
    assert_eq!(whats(&glob), vec![(1, "a glob import of `rules`: name what is used")]);
    let detour = doors(&snippet("src/disk/a/b.rs", "\nuse super::super::super::rules::A;"), &table);
    assert_eq!(whats(&detour), vec![(2, "`disk` may not import `rules`")]);
    let detour = doors(&snippet("src/disk/a.rs", "use super::super::{rules::A, disk};"), &table);
    assert_eq!(whats(&detour), vec![(1, "`disk` may not import `rules`")]);
    assert_eq!(
        doors(&snippet("src/disk/a/b.rs", "use super::super::rules;"), &table),
        vec![],
        "a module of disk's own"
    );
    let unknown = doors(&snippet("src/cellar.rs", ""), &table);
    assert_eq!(whats(&unknown), vec![(1, "the room `cellar` is missing from ARCHITECTURE.md's table")]);
    let main = doors(&snippet("src/main.rs", "use quartermaster::{cli, rules};"), &table);
    assert_eq!(whats(&main), vec![(1, "main imports `rules`, and may import only cli")]);
}

#[test]
fn waiting_and_strange_dialects_are_found() {
    let table = table(SMALL);
    assert_eq!(waiting(&snippet("src/rules/a.rs", "async fn f() { g().await }"), &table).len(), 2);
    assert_eq!(waiting(&snippet("src/net/a.rs", "async fn f() {}"), &table), vec![]);
    let found = strangers(&snippet("src/dialect/redis/answer.rs", "use crate::dialect::nuix::Seat;"));
    assert_eq!(whats(&found), vec![(1, "the dialect `redis` imports the dialect `nuix`")]);
    assert_eq!(strangers(&snippet("src/dialect/mod.rs", "use crate::dialect::nuix::Nuix;")), vec![]);
}
