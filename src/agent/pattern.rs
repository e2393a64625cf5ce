//! Patterns that name files: `/var/log/app.log`, a directory, `/home/*/logs/**/*.log`.
//!
//! `*` and `?` stay within one name, `**` stands for any number of directories, and what a whole pattern matches may be
//! a directory: everything below it is meant then.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

/// One name of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Exactly this.
    Name(Vec<u8>),
    /// With `*` or `?`.
    Wild(Vec<u8>),
    /// `**`: any directories, also none.
    Deep,
}

/// A pattern for whole paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) parts: Vec<Part>,
}

impl Pattern {
    /// Reads a pattern; it must begin at the root, so that a source has one name whoever starts the agent.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let path = Path::new(text);
        if !path.is_absolute() {
            return Err(format!("`{text}` does not begin with `/`"));
        }
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => parts.push(part(name.as_bytes())),
                Component::ParentDir | Component::Prefix(_) => return Err(format!("`{text}` goes up with `..`")),
            }
        }
        Ok(Pattern { parts })
    }

    /// Whether it means this file: the path itself, or a directory above it.
    pub(super) fn covers(&self, path: &Path) -> bool {
        let names: Vec<&[u8]> = path
            .components()
            .filter_map(|part| if let Component::Normal(name) = part { Some(name.as_bytes()) } else { None })
            .collect();
        covers(&self.parts, &names)
    }
}

fn part(name: &[u8]) -> Part {
    if name == b"**" {
        Part::Deep
    } else if name.iter().any(|byte| matches!(byte, b'*' | b'?')) {
        Part::Wild(name.to_vec())
    } else {
        Part::Name(name.to_vec())
    }
}

fn covers(parts: &[Part], names: &[&[u8]]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return true };
    match part {
        Part::Deep => (0..=names.len()).any(|skipped| covers(rest, &names[skipped..])),
        Part::Name(_) | Part::Wild(_) => {
            names.split_first().is_some_and(|(name, names)| part.fits(OsStr::from_bytes(name)) && covers(rest, names))
        }
    }
}

impl Part {
    /// Whether one name fits.
    pub(super) fn fits(&self, name: &OsStr) -> bool {
        match self {
            Part::Name(exact) => exact == name.as_bytes(),
            Part::Wild(pattern) => wild(pattern, name.as_bytes()),
            Part::Deep => true,
        }
    }
}

/// Whether `name` fits `pattern`, where `*` stands for any bytes and `?` for one. Takes no more than the product of both
/// lengths, whatever the pattern.
pub(super) fn wild(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stay_within_a_name() {
        for (pattern, name, fits) in [
            ("*.log", "a.log", true),
            ("*.log", ".log", true),
            ("*.log", "a.log.1", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("", "", true),
            ("**", "anything", true),
        ] {
            assert_eq!(wild(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
        let hostile = "*a".repeat(40) + "b";
        assert!(!wild(hostile.as_bytes(), "a".repeat(2_000).as_bytes()));
    }

    #[test]
    fn a_pattern_covers_files_and_what_lies_below_directories() {
        for (pattern, path, covered) in [
            ("/var/log", "/var/log/a/b.log", true),
            ("/var/log", "/var/logs/b.log", false),
            ("/var/log/*.log", "/var/log/b.log", true),
            ("/var/log/*.log", "/var/log/a/b.log", false),
            ("/var/**/*.log", "/var/b.log", true),
            ("/var/**/*.log", "/var/a/b/c.log", true),
            ("/var/**/*.log", "/var/a/b/c.txt", false),
            ("/home/*/logs", "/home/me/logs/x", true),
        ] {
            assert_eq!(Pattern::parse(pattern).map(|found| found.covers(Path::new(path))), Ok(covered), "{pattern}");
        }
        assert!(Pattern::parse("log/*.log").is_err() && Pattern::parse("/a/../b").is_err());
    }
}
