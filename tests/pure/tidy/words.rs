//! Which words may stand where, and how a file must look.

use super::source::{code, is_word, places};
use super::{Breach, File, expect_none, files, line_of, rust_files, snippet};

/// Beyond this a file has become two rooms (HOUSE: aim at 150).
const LINES: usize = 500;

/// Words that would let two nodes decide differently, or make the rules wait.
const IMPURE: [&str; 22] = [
    "async",
    "await",
    "HashMap",
    "HashSet",
    "f32",
    "f64",
    "SystemTime",
    "Instant",
    "rand",
    "getrandom",
    "thread_rng",
    "tokio",
    "chrono",
    "chrono_tz",
    "println",
    "eprintln",
    "Mutex",
    "RwLock",
    "OnceLock",
    "AtomicU64",
    "thread",
    "env",
];

/// Crates that one room alone may name.
const OWNERS: [(&str, &str); 6] = [
    ("openraft", "replica"),
    ("rocksdb", "store"),
    ("bincode", "codec"),
    ("warp", "http"),
    ("hyper_util", "http"),
    ("rcgen", "identity"),
];

/// Vendors, whose words belong into `dialect` (and into `signing`, which knows their file formats).
const VENDORS: [&str; 6] = ["splunk", "elasticsearch", "elastic", "redis", "immuta", "nuix"];

/// The rooms that must not know a vendor.
const NEUTRAL: [&str; 10] =
    ["codec", "domain", "projection", "store", "identity", "replica", "access", "http", "client", "agent"];

/// Where a neutral room names a vendor all the same (ADR 0012): a built-in grant is made by an event, so its kind must
/// have a name in the log, and the groups that come with it too.
const KEPT: [&str; 7] = [
    "src/domain/cluster.rs",
    "src/domain/current.rs",
    "src/domain/license.rs",
    "src/domain/stack.rs",
    "src/domain/settings.rs",
    "src/domain/builtin.rs",
    "src/domain/policy.rs",
];

fn impurities(file: &File) -> Vec<Breach> {
    if !matches!(file.room(), Some("domain" | "projection")) {
        return Vec::new();
    }
    let code = code(&file.text, false);
    let mut breaches = Vec::new();
    for word in IMPURE {
        for at in places(&code, word) {
            breaches.push(file.breach(line_of(&code, at), format!("`{word}` in a pure room")));
        }
    }
    breaches
}

fn owners(file: &File) -> Vec<Breach> {
    let Some(room) = file.room() else { return Vec::new() };
    let code = code(&file.text, false);
    let mut breaches = Vec::new();
    for (name, owner) in OWNERS.into_iter().filter(|(_, owner)| *owner != room) {
        for at in places(&code, name) {
            let names_crate = code[at + name.len()..].trim_start().starts_with("::")
                || code[..at].trim_end().ends_with("use")
                || code[..at].trim_end().ends_with("extern crate");
            if names_crate && !code[..at].trim_end().ends_with("::") {
                breaches.push(file.breach(line_of(&code, at), format!("only `{owner}` names {name}")));
            }
        }
    }
    breaches
}

fn vendors(file: &File) -> Vec<Breach> {
    if !file.room().is_some_and(|room| NEUTRAL.contains(&room)) || KEPT.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let code = code(&file.text, true);
    let lower = code.to_ascii_lowercase();
    let mut breaches = Vec::new();
    for vendor in VENDORS {
        for (at, _) in lower.match_indices(vendor).filter(|(at, _)| is_name(&code, *at, vendor.len())) {
            breaches.push(file.breach(line_of(&code, at), format!("the vendor's word `{vendor}` outside of dialect")));
        }
    }
    breaches
}

/// Whether the letters at `at` are a word of their own, also within `snake_case` and `CamelCase`.
fn is_name(code: &str, at: usize, length: usize) -> bool {
    let bytes = code.as_bytes();
    let begins = at == 0 || !bytes[at - 1].is_ascii_alphabetic() || bytes[at].is_ascii_uppercase();
    begins && bytes.get(at + length).is_none_or(|next| !next.is_ascii_lowercase())
}

fn looks(file: &File) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let lines = file.text.lines().count();
    if lines > LINES {
        breaches.push(file.breach(lines, format!("{lines} lines, at most {LINES}")));
    }
    if !file.text.starts_with("//!") {
        breaches.push(file.breach(1, "the file does not say what it is for (`//!`)"));
    }
    let bare = code(&file.text, false);
    for (banned, instead) in [
        ("#[allow(", "`#[expect(…, reason = \"…\")]` reports itself when it is not needed"),
        ("#![allow(", "`#![expect(…, reason = \"…\")]` reports itself when it is not needed"),
        ("#[ignore", "a test that does not run tests nothing"),
    ] {
        for (at, _) in bare.match_indices(banned) {
            breaches.push(file.breach(line_of(&bare, at), format!("{banned}: {instead}")));
        }
    }
    breaches
}

/// Words that mean "not finished", put together so that this file does not hold them.
fn unfinished(file: &File) -> Vec<Breach> {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut breaches = Vec::new();
    for word in words {
        for at in places(&file.text, &word) {
            breaches.push(file.breach(line_of(&file.text, at), format!("{word}: an issue, an ADR, or done")));
        }
    }
    breaches
}

/// In the rules and where a dialect words its troubles, a new variant must stop the build.
fn open_matches(file: &File) -> Vec<Breach> {
    let guarded = file.path == "src/domain/mod.rs" || file.path.ends_with("/trouble.rs");
    let named = file.text.contains("clippy::wildcard_enum_match_arm");
    (guarded && !named).then(|| file.breach(1, "without `clippy::wildcard_enum_match_arm`")).into_iter().collect()
}

fn all_of(rule: impl Fn(&File) -> Vec<Breach>) -> Vec<Breach> {
    rust_files().iter().flat_map(rule).collect()
}

#[test]
fn the_rules_and_projections_are_pure() {
    expect_none(&all_of(impurities));
}

#[test]
fn one_room_owns_each_foreign_system() {
    expect_none(&all_of(owners));
}

#[test]
fn vendors_are_named_only_by_their_dialects() {
    expect_none(&all_of(vendors));
}

#[test]
fn every_file_is_short_and_says_what_it_is_for() {
    expect_none(&all_of(looks));
}

#[test]
fn nothing_is_left_unfinished() {
    expect_none(&all_of(unfinished));
    expect_none(&files("scripts", "").iter().flat_map(unfinished).collect::<Vec<_>>());
}

#[test]
fn a_new_variant_stops_the_build() {
    expect_none(&all_of(open_matches));
}

#[test]
fn impure_words_are_found_in_code_only() {
    let bad = "use std::collections::HashMap;\nfn f(x: f64) {}\nlet t = std::time::SystemTime::now();";
    let lines: Vec<usize> = impurities(&snippet("src/domain/pool.rs", bad)).iter().map(|breach| breach.line).collect();
    assert_eq!(lines, vec![1, 2, 3]);
    assert_eq!(impurities(&snippet("src/domain/pool.rs", "// HashMap, f64\nlet s = \"async\";")), vec![]);
    assert_eq!(impurities(&snippet("src/replica/mod.rs", bad)), vec![]);
}

#[test]
fn a_foreign_system_in_the_wrong_room_is_found() {
    for bad in ["use openraft::Raft;", "fn f(r: openraft::RaftTypeConfig) {}", "use openraft as raft;"] {
        assert_eq!(owners(&snippet("src/http/door.rs", bad)).len(), 1, "{bad}");
        assert_eq!(owners(&snippet("src/replica/mod.rs", bad)), vec![]);
    }
    assert_eq!(owners(&snippet("src/metrics.rs", "let labels = [(\"openraft\", openraft)];")), vec![]);
}

#[test]
fn a_vendor_in_the_wrong_room_is_found() {
    for bad in ["enum Kind { SplunkFree }", "let x = \"redis_shards\";", "fn elastic() {}", "const NUIX: u8 = 1;"] {
        assert_eq!(vendors(&snippet("src/domain/pool.rs", bad)).len(), 1, "{bad}");
        assert_eq!(vendors(&snippet("src/dialect/redis/wire.rs", bad)), vec![]);
    }
    for good in ["// Splunk says so", "fn redistribute() {}", "fn elasticity() {}"] {
        assert_eq!(vendors(&snippet("src/domain/pool.rs", good)), vec![], "{good}");
    }
    assert!(is_word(b'_'));
}

#[test]
fn untidy_files_are_found() {
    let long = format!("//! x\n{}", "\n".repeat(LINES));
    assert_eq!(looks(&snippet("src/a.rs", &long)).len(), 1);
    assert_eq!(looks(&snippet("src/a.rs", "fn f() {}")).len(), 1);
    let allow = ["//! x\n#[al", "low(dead_code)]\n#[ig", "nore]\nfn f() {}"].concat();
    assert_eq!(looks(&snippet("src/a.rs", &allow)).len(), 2);
    assert_eq!(unfinished(&snippet("src/a.rs", &["//! TO", "DO later"].concat())).len(), 1);
    assert_eq!(open_matches(&snippet("src/dialect/redis/trouble.rs", "//! x")).len(), 1);
}
