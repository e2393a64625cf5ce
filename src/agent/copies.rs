//! Copies that rotation makes: `app.log` is copied to `app.log.1` and then cut off. The copy is no new bytes, but what
//! was appended after the last look at the original is only there.
//!
//! A copy lies beside its original, is named after it, and begins with the same bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::book::{Book, Tracked};
use super::draft::Draft;
use super::file::{self, FileId};
use super::held::Held;
use super::walk::Found;

/// Shorter than this, in bytes, a file says too little to tell its copy from a coincidence.
const LEAST_HEAD: u64 = 32;

/// Known files by their directory.
pub(super) type Originals = BTreeMap<PathBuf, Vec<FileId>>;

/// What a new file is to a known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// It repeats the beginning of one that is still there.
    CopyOf(FileId),
    /// It took the place of one that is gone, and holds what is counted up to this offset.
    Continues(u64),
    /// The known one was cut off or moved since it was looked at: the next round can tell.
    Unclear,
}

/// The files of the book by directory; none when nobody asks.
pub(super) fn by_directory(book: &Book, nobody_asks: bool) -> Originals {
    let mut originals = Originals::new();
    if !nobody_asks {
        book.files.iter().for_each(|(id, tracked)| add(&mut originals, *id, tracked));
    }
    originals
}

/// A file that others may be copies of.
pub(super) fn add(originals: &mut Originals, id: FileId, tracked: &Tracked) {
    if let Some(directory) = tracked.origin().parent() {
        originals.entry(directory.to_owned()).or_default().push(id);
    }
}

/// Whether `name` is made from `original`: `app.log` gives `app.log.1`, `app.log-2026`, `app-2026.log`.
fn is_named_after(name: &OsStr, original: &OsStr) -> bool {
    let (name, original) = (name.as_bytes(), original.as_bytes());
    let stem = match original.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 => &original[..dot],
        _ => original,
    };
    name != original && name.starts_with(stem)
}

fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Copies of a file that has just been cut off: those that nobody has counted, the longest first.
pub(super) fn of(draft: &Draft<'_>, id: FileId, before: &Tracked) -> io::Result<Vec<(FileId, PathBuf, File)>> {
    let mut copies = Vec::new();
    let Some(directory) = before.origin().parent().filter(|_| before.mark.head.length >= LEAST_HEAD) else {
        return Ok(Vec::new());
    };
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(about) = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file) else { continue };
        let copy = FileId::of(&about);
        if copy == id || !is_named_after(name(&path), name(before.origin())) {
            continue;
        }
        let Ok(file) = file::open(&path) else { continue };
        let size = file.metadata()?.len();
        // what was compared with the original while that was there need not be compared again; what is followed as a file
        // of its own is counted, unless its place was given to another file; an empty one had nothing to tell what it is
        let (compared, counted) = match draft.known(copy) {
            Some(tracked) if tracked.mark.offset > 0 && tracked.mark.is_of(&file)? => {
                (tracked.copy_of == Some(id), tracked.copy_of != Some(id))
            }
            Some(_) | None => (false, false),
        };
        if counted {
            continue;
        }
        let repeats = if size >= before.mark.offset {
            before.mark.is_in(&file, size)?
        } else {
            compared || before.mark.begins_with(&file, size)?
        };
        if repeats {
            copies.push((size, (copy, path, file)));
        }
    }
    copies.sort_by_key(|(size, _)| Reverse(*size));
    Ok(copies.into_iter().map(|(_, copy)| copy).collect())
}

/// Whether a new file, which had `size` bytes when it was looked at, is a copy of a known one, or continues it.
pub(super) fn kin(
    draft: &Draft<'_>,
    held: &Held,
    found: &Found,
    file: &File,
    size: u64,
    originals: &Originals,
) -> io::Result<Option<Kin>> {
    let beside = found.path.parent().and_then(|directory| originals.get(directory)).map_or(&[][..], Vec::as_slice);
    let mut continues = None;
    // what repeats a copy repeats its original, and stays a copy when the first one is deleted
    let tells = |known: &&Tracked| known.copy_of.is_none() && known.mark.head.length >= LEAST_HEAD;
    let is_after = |original: &Tracked| is_named_after(name(&found.path), name(original.origin()));
    for id in beside.iter().copied() {
        if let Some(original) = draft.gone(id).filter(tells)
            && (is_after(original) || name(&found.path) == name(original.origin()))
        {
            // one that is there says more: what is gone may have been an earlier copy of it
            let counted = original.mark.offset.min(size);
            if continues < Some(counted) && original.mark.repeats(file, size)? {
                continues = Some(counted);
            }
        }
        let there = draft.known(id).filter(|_| draft.present.contains(&id));
        let Some(original) = there.filter(tells).filter(|original| is_after(original)) else { continue };
        let live = held.reader(id, original.path())?;
        if let Some(live) = &live
            && file::is_prefix(file, live)?
        {
            return Ok(Some(Kin::CopyOf(id)));
        }
        if original.mark.begins_with(file, file.metadata()?.len())? {
            let unchanged = live.map_or(Ok(false), |live| original.mark.is_of(&live))?;
            if !unchanged {
                return Ok(Some(Kin::Unclear));
            }
        }
    }
    Ok(continues.map(Kin::Continues))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::agent::file::{Seen, Stamp, look};

    /// What a new file is, when the known one beside it changes after the round looked at it.
    fn kin_after(change: impl Fn(&Path)) -> Option<Kin> {
        let folder = tempfile::tempdir().expect("a directory");
        let (live, copy) = (folder.path().join("app.log"), folder.path().join("app.log.1"));
        fs::write(&live, "a line of a log\n".repeat(200)).expect("written");
        let file = file::open(&live).expect("readable");
        let Seen::Grown(mark) = look(&file, None).expect("read") else { panic!("it does not change") };
        let id = FileId::of(&file.metadata().expect("is there"));
        let mut book = Book::new("slave".into(), "epoch".into(), false);
        book.files.insert(id, Tracked::new(&live, mark));
        fs::copy(&live, &copy).expect("copied");
        change(&live);
        let file = file::open(&copy).expect("readable");
        let about = file.metadata().expect("is there");
        let found = Found { id: FileId::of(&about), path: copy, stamp: Stamp::of(&about), watch: 0 };
        let draft = Draft::new(&book, 0, u64::MAX, BTreeSet::from([id, found.id]));
        kin(&draft, &Held::default(), &found, &file, mark.offset, &by_directory(&book, false)).expect("compared")
    }

    #[test]
    fn a_copy_whose_original_is_cut_off_meanwhile_waits_for_the_next_round() {
        let copy_of = |kin| matches!(kin, Some(Kin::CopyOf(_)));
        assert!(copy_of(kin_after(|_| {})));
        let append = |live: &Path| {
            let log = fs::read_to_string(live).expect("read");
            fs::write(live, log + "one more").expect("written");
        };
        assert!(copy_of(kin_after(append)));
        assert_eq!(kin_after(|live| fs::write(live, "").expect("cut")), Some(Kin::Unclear));
        assert_eq!(kin_after(|live| fs::write(live, "anew\n".repeat(2_000)).expect("written")), Some(Kin::Unclear));
        assert_eq!(kin_after(|live| fs::remove_file(live).expect("moved away")), Some(Kin::Unclear));
    }

    #[test]
    fn a_copy_is_named_after_its_original() {
        for (name, original, after) in [
            ("app.log.1", "app.log", true),
            ("app.log-20261125", "app.log", true),
            ("app-20261125.log", "app.log", true),
            ("app.log", "app.log", false),
            ("app.log", "app.log.1", true),
            ("other.log", "app.log", false),
            (".bashrc.old", ".bashrc", true),
            ("b", ".bashrc", false),
        ] {
            assert_eq!(is_named_after(OsStr::new(name), OsStr::new(original)), after, "{name} {original}");
        }
    }
}
