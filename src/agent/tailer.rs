//! One round of looking: which files grew, which began anew, which are new, moved or gone, and what all that comes to in
//! bytes. Changes nothing but its own memory of what it saw; the book moves when the round is on disk.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::book::{Book, Label, Step, Tracked};
use super::config::{Existing, Watch};
use super::copies::{self, Kin};
use super::draft::Draft;
use super::file::{FileId, Seen, Stamp, is_prefix, look};
use super::held::Held;
use super::walk::{Found, Walk, walk};

/// How long a file that is nowhere to be found is remembered, in milliseconds: a disk that was unmounted for a day comes
/// back with files that are counted already.
const GONE_KEPT_MS: u64 = 24 * 3_600_000;
/// How many such files are remembered: whoever makes and deletes files all day is not followed for ever.
const GONE_KEPT: usize = 100_000;
/// After how many quiet rounds a deleted file, which a program may still write to, is let go.
const QUIET_ROUNDS: u64 = 60;

/// What was seen of a file; it is read again only when that changed. Twice, because a time stamp may be too coarse to
/// tell a change right after the first look.
#[derive(Debug, Clone, Copy)]
struct Glance {
    stamp: Stamp,
    settled: bool,
}

/// What a file turned out to be that was known by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Followed {
    SameFile,
    AnotherFile,
    /// It is the same, and was empty until now.
    FirstBytes,
    /// It is the same, a copy of a file that is gone.
    Orphan,
}

/// What a round found.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) steps: Vec<Step>,
    pub(super) rows: BTreeMap<Label, u64>,
    /// Whether there was no room for all.
    pub(super) more: bool,
}

/// Looks at files, round after round.
#[derive(Debug)]
pub(super) struct Tailer {
    watches: Vec<Watch>,
    glances: BTreeMap<FileId, Glance>,
    held: Held,
    round: u64,
    problems: BTreeMap<PathBuf, String>,
}

impl Tailer {
    pub(super) fn new(watches: Vec<Watch>) -> Tailer {
        Tailer { watches, glances: BTreeMap::new(), held: Held::default(), round: 0, problems: BTreeMap::new() }
    }

    /// Forgets what was seen, because it did not get to the disk.
    pub(super) fn look_again(&mut self) {
        self.glances.clear();
    }

    /// Looks at everything once; takes at most about `budget` bytes of rows.
    pub(super) fn round(&mut self, book: &Book, now_ms: u64, budget: u64) -> Round {
        self.round += 1;
        let Walk { files, ids, mut problems, .. } = walk(&self.watches);
        let mut draft = Draft::new(book, now_ms, budget, ids);
        let (mut fresh, mut copies) = (Vec::new(), Vec::new());
        let mut say = |path: &Path, done: io::Result<()>| {
            if let Err(error) = done {
                problems.insert(path.to_owned(), error.to_string());
            }
        };
        for found in files {
            match draft.known(found.id) {
                None => fresh.push(found),
                Some(tracked) if tracked.copy_of.is_some() => copies.push(found),
                Some(_) if draft.is_full() => break,
                Some(_) => match self.follow(&mut draft, &found) {
                    Ok(Followed::SameFile) => {}
                    Ok(Followed::AnotherFile | Followed::FirstBytes | Followed::Orphan) => fresh.push(found),
                    Err(error) => say(&found.path, Err(error)),
                },
            }
        }
        let mut listings = Listings::default();
        for id in book.files.keys().filter(|id| !draft.present.contains(id)).copied().collect::<Vec<_>>() {
            if draft.is_full() || draft.known(id).is_none() {
                continue;
            }
            let path = draft.known(id).map(|tracked| tracked.path().to_owned()).unwrap_or_default();
            say(&path, self.seek(&mut draft, id, &mut listings));
        }
        let mut originals = copies::by_directory(book, fresh.is_empty() && copies.is_empty());
        for found in copies {
            if draft.is_full() {
                break;
            }
            match self.review(&mut draft, &found) {
                Ok(Followed::SameFile) => {}
                Ok(Followed::AnotherFile | Followed::FirstBytes | Followed::Orphan) => fresh.push(found),
                Err(error) => say(&found.path, Err(error)),
            }
        }
        // a copy has a longer name than its original, which so comes first; of several copies the longest
        fresh.sort_by_key(|found| (found.path.as_os_str().len(), Reverse(found.stamp.size)));
        for found in &fresh {
            if draft.is_full() {
                break;
            }
            say(&found.path, self.meet(&mut draft, found, &mut originals));
        }
        self.tell(problems);
        self.end(draft)
    }

    fn end(&mut self, mut draft: Draft<'_>) -> Round {
        let more = draft.is_full();
        forget_the_oldest(&mut draft);
        let fresh = |watch: &&Watch| !draft.book.begun.contains(&watch.name);
        let begun: Vec<Step> = self.watches.iter().filter(fresh).map(|watch| Step::Begun(watch.name.clone())).collect();
        let (mut steps, rows) = draft.steps();
        if !more {
            steps.extend(begun);
        }
        for step in &steps {
            if let Step::Forgotten(id) = step {
                self.glances.remove(id);
            }
        }
        Round { steps, rows, more }
    }

    /// A file that is known and there.
    fn follow(&mut self, draft: &mut Draft<'_>, found: &Found) -> io::Result<Followed> {
        let Some(before) = draft.known(found.id) else { return Ok(Followed::AnotherFile) };
        let quiet = self.is_quiet(found.id, found.stamp);
        // nearly every file in nearly every round
        if quiet && before.gone_ms.is_none() && before.path() == found.path {
            return Ok(Followed::SameFile);
        }
        let before = before.clone();
        let mut tracked = before.clone();
        tracked.seen_at(&found.path);
        if quiet {
            draft.put(found.id, tracked);
            return Ok(Followed::SameFile);
        }
        let Some(file) = self.held.reader(found.id, &found.path)? else { return Ok(Followed::SameFile) };
        match self.look(found.id, file, Some(&before))? {
            // what it is shows only now: it may be a copy in the making
            Seen::Grown(mark) if before.mark.offset == 0 && mark.offset > 0 => {
                self.glances.remove(&found.id);
                draft.put(found.id, tracked);
                return Ok(Followed::FirstBytes);
            }
            Seen::Grown(mark) => {
                draft.count(self.label(before.origin()), mark.offset - before.mark.offset);
                tracked.mark = mark;
                draft.put(found.id, tracked);
            }
            // the known one was deleted, and the file system gave its place away
            Seen::Anew(mark) if !mark.is_same_file(&before.mark).unwrap_or(before.path() == found.path) => {
                draft.forget(found.id);
                return Ok(Followed::AnotherFile);
            }
            Seen::Anew(mark) => {
                draft.count(self.label(&found.path), mark.offset);
                draft.put(found.id, Tracked::new(&found.path, mark));
                self.recover(draft, found.id, &before)?;
            }
            Seen::Unsteady => {}
        }
        Ok(Followed::SameFile)
    }

    /// What was appended to a file between the last look and its being cut off lies in the copy that was made of it.
    fn recover(&mut self, draft: &mut Draft<'_>, id: FileId, before: &Tracked) -> io::Result<()> {
        let mut longer: Vec<File> = Vec::new();
        for (copy, path, file) in copies::of(draft, id, before)? {
            let Seen::Grown(mark) = look(&file, None)? else { continue };
            draft.put(copy, Tracked::new(&path, mark));
            let mut repeats = false;
            for one in &longer {
                repeats |= is_prefix(&file, one)?;
            }
            if !repeats {
                draft.count(self.label(before.origin()), mark.offset.saturating_sub(before.mark.offset));
                longer.push(file);
            }
        }
        Ok(())
    }

    /// A file that no watch finds any more: moved, deleted, or on a disk that is away.
    fn seek(&mut self, draft: &mut Draft<'_>, id: FileId, listings: &mut Listings) -> io::Result<()> {
        let Some(before) = draft.known(id).cloned() else { return Ok(()) };
        let watched = self.watches.iter().any(|watch| watch.covers(before.origin()));
        if let Some(path) = listings.find(before.path(), id).filter(|_| watched) {
            draft.present.insert(id);
            if let Some(watch) = self.watches.iter().position(|watch| watch.covers(&path)) {
                // renamed while the walk read its directory, which showed neither name
                let stamp = Stamp::of(&fs::symlink_metadata(&path)?);
                return self.follow(draft, &Found { id, path, stamp, watch }).map(drop);
            }
            return self.follow_moved(draft, id, &before, &path);
        }
        let Some(file) = self.held.get(id).filter(|_| watched) else {
            gone(draft, id, before);
            return Ok(());
        };
        let (file, about) = (file.try_clone()?, file.metadata()?);
        if about.nlink() > 0 {
            draft.present.insert(id);
        }
        if !self.is_quiet(id, Stamp::of(&about)) {
            return self.follow_open(draft, id, &before, file);
        }
        let quiet = self.held.grew(id).is_some_and(|grew| self.round - grew > QUIET_ROUNDS);
        if about.nlink() == 0 && quiet {
            self.held.let_go(id);
            draft.forget(id);
        }
        Ok(())
    }

    fn follow_moved(&mut self, draft: &mut Draft<'_>, id: FileId, before: &Tracked, path: &Path) -> io::Result<()> {
        let Some(file) = self.held.reader(id, path)? else { return Ok(()) };
        let mut moved = before.clone();
        moved.seen_at(path);
        draft.put(id, moved.clone());
        if self.is_quiet(id, Stamp::of(&file.metadata()?)) {
            return Ok(());
        }
        self.follow_open(draft, id, &moved, file)
    }

    /// What no watch finds may only grow; if it begins anew, it is another file in the same place, which nobody watches.
    fn follow_open(&mut self, draft: &mut Draft<'_>, id: FileId, before: &Tracked, file: File) -> io::Result<()> {
        match self.look(id, file, Some(before))? {
            Seen::Grown(mark) => {
                draft.count(self.label(before.origin()), mark.offset - before.mark.offset);
                let mut tracked = before.clone();
                tracked.mark = mark;
                draft.put(id, tracked);
            }
            Seen::Anew(_) => {
                self.held.let_go(id);
                draft.forget(id);
            }
            Seen::Unsteady => {}
        }
        Ok(())
    }

    /// A file that repeats the beginning of another one.
    fn review(&mut self, draft: &mut Draft<'_>, found: &Found) -> io::Result<Followed> {
        let same = Ok(Followed::SameFile);
        let Some(before) = draft.known(found.id).cloned() else { return same };
        let Some(of) = before.copy_of else { return same };
        let Some(file) = self.held.reader(found.id, &found.path)? else { return same };
        let Seen::Grown(mark) = look(&file, None)? else { return same };
        // the copy was deleted, and the file system gave its place away
        if mark.is_same_file(&before.mark) == Some(false) {
            draft.forget(found.id);
            return Ok(Followed::AnotherFile);
        }
        let Some(original) = draft.still(of).filter(|_| draft.gone(of).is_none()) else {
            // it may be a copy of what took the original's place
            return Ok(Followed::Orphan);
        };
        let Some(live) = self.held.reader(of, original.path())? else { return same };
        if is_prefix(&file, &live)? {
            let mut tracked = before;
            tracked.mark = mark;
            tracked.seen_at(&found.path);
            draft.put(found.id, tracked);
        } else if original.mark.is_of(&live)? {
            // it only began like the other one
            draft.forget(found.id);
            return Ok(Followed::AnotherFile);
        }
        // else cut off since it was looked at: the next round takes what is only in the copy
        same
    }

    /// A file that is new here.
    fn meet(&mut self, draft: &mut Draft<'_>, found: &Found, originals: &mut copies::Originals) -> io::Result<()> {
        let before = match draft.known(found.id) {
            // it was recovered as a copy in this round
            Some(tracked) if tracked.mark.offset > 0 && tracked.copy_of.is_none() => return Ok(()),
            known @ (Some(_) | None) => known.cloned(),
        };
        let Some(file) = self.held.reader(found.id, &found.path)? else { return Ok(()) };
        let watch = &self.watches[found.watch];
        let begins = !draft.book.begun.contains(&watch.name);
        let skipped = begins && before.is_none() && (draft.book.after_loss || watch.existing == Existing::Skip);
        let Seen::Grown(mark) = self.look(found.id, file.try_clone()?, None)? else { return Ok(()) };
        // what was there before the agent is no copy that it could have missed, and an empty file repeats nothing yet
        let kin = if begins || mark.offset == 0 {
            None
        } else {
            copies::kin(draft, &self.held, found, &file, mark.offset, originals)?
        };
        if kin == Some(Kin::Unclear) {
            self.glances.remove(&found.id);
            return Ok(());
        }
        // what it held when it was last compared is counted as its original's
        let compared = match &before {
            Some(before) if before.mark.is_in(&file, mark.offset)? => before.mark.offset,
            Some(_) | None => 0,
        };
        let mut tracked =
            before.filter(|before| before.copy_of.is_none()).unwrap_or_else(|| Tracked::new(&found.path, mark));
        tracked.mark = mark;
        let counted = match kin {
            _ if skipped => mark.offset,
            Some(Kin::CopyOf(original)) => {
                tracked.copy_of = Some(original);
                mark.offset
            }
            Some(Kin::Continues(offset)) => offset.max(compared),
            Some(Kin::Unclear) | None => compared,
        };
        copies::add(originals, found.id, &tracked);
        draft.count(self.label(tracked.origin()), mark.offset.saturating_sub(counted));
        draft.put(found.id, tracked);
        Ok(())
    }

    fn is_quiet(&self, id: FileId, stamp: Stamp) -> bool {
        self.glances.get(&id).is_some_and(|glance| glance.settled && glance.stamp == stamp)
    }

    /// Looks at an open file, and keeps it open when it grew.
    fn look(&mut self, id: FileId, file: File, before: Option<&Tracked>) -> io::Result<Seen> {
        let stamp = Stamp::of(&file.metadata()?);
        let seen = look(&file, before.map(|before| &before.mark))?;
        let settled = self.glances.get(&id).is_some_and(|glance| glance.stamp == stamp) && seen != Seen::Unsteady;
        self.glances.insert(id, Glance { stamp, settled });
        let grew = match (&seen, before) {
            (Seen::Grown(mark), Some(before)) => *mark != before.mark,
            (Seen::Unsteady, _) => false,
            (Seen::Grown(_) | Seen::Anew(_), _) => true,
        };
        if grew {
            self.held.keep(id, file, self.round);
        }
        Ok(seen)
    }

    fn label(&self, path: &Path) -> Label {
        let watch = self.watches.iter().find(|watch| watch.covers(path));
        watch.map_or_else(
            || Label { source: path.to_string_lossy().into_owned(), ..Label::default() },
            |watch| watch.label(path),
        )
    }

    /// Says once what cannot be looked at, and once that it can again.
    fn tell(&mut self, problems: BTreeMap<PathBuf, String>) {
        for (path, why) in problems.iter().filter(|(path, why)| self.problems.get(*path) != Some(why)) {
            tracing::warn!(path = %path.display(), why, "not measured");
        }
        for path in self.problems.keys().filter(|path| !problems.contains_key(*path)) {
            tracing::info!(path = %path.display(), "measured again, or gone");
        }
        self.problems = problems;
    }
}

/// Remembers since when a file is nowhere to be found, and forgets it in the end.
fn gone(draft: &mut Draft<'_>, id: FileId, mut tracked: Tracked) {
    let since = *tracked.gone_ms.get_or_insert(draft.now_ms);
    if draft.now_ms.saturating_sub(since) > GONE_KEPT_MS { draft.forget(id) } else { draft.put(id, tracked) }
}

fn forget_the_oldest(draft: &mut Draft<'_>) {
    let gone = draft.book.files.iter().filter(|(_, tracked)| tracked.gone_ms.is_some());
    let mut gone: Vec<(u64, FileId)> = gone.filter_map(|(id, _)| Some((draft.known(*id)?.gone_ms?, *id))).collect();
    if gone.len() > GONE_KEPT {
        gone.sort_unstable();
        gone.truncate(gone.len() - GONE_KEPT);
        gone.into_iter().for_each(|(_, id)| draft.forget(id));
    }
}

/// Directories that were read in this round, by inode.
#[derive(Default)]
struct Listings(BTreeMap<PathBuf, BTreeMap<u64, OsString>>);

impl Listings {
    /// Where in the directory of `path` the file is now.
    fn find(&mut self, path: &Path, id: FileId) -> Option<PathBuf> {
        let directory = path.parent()?;
        let names = self.0.entry(directory.to_owned()).or_insert_with(|| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(|entry| (entry.ino(), entry.file_name())).collect()
        });
        let path = directory.join(names.get(&id.inode())?);
        let about = fs::symlink_metadata(&path).ok()?;
        (about.is_file() && FileId::of(&about) == id).then_some(path)
    }
}
