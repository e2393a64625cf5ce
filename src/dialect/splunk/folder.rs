//! The license folder: `name` of `POST licenser/licenses` is a path on the server (seed 002), which is taken only inside
//! one folder that the operator names, and not at all until they do (T7).
//!
//! Whether a file is missing, is not allowed, or is none that could be read is one answer: nobody learns what else is on
//! the disk.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};

/// What is asked for cannot be had, whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotThere;

/// The text of a file in the folder, of `most` bytes at most.
pub(super) fn read(folder: &Path, name: &str, most: usize) -> Result<String, NotThere> {
    let path = inside(folder, name).ok_or(NotThere)?;
    let open = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let folder = openat(CWD, folder, open | OFlags::DIRECTORY, Mode::empty()).map_err(|_io| NotThere)?;
    // the kernel itself keeps the path below the folder: no link and no `..` leads out of it, now or a moment later
    let below = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&folder, &path, open, Mode::empty(), below).map_err(|_io| NotThere)?;
    let about = fstat(&file).map_err(|_io| NotThere)?;
    let fits = usize::try_from(about.st_size).is_ok_and(|bytes| bytes <= most);
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile || !fits {
        return Err(NotThere);
    }
    let mut text = String::new();
    // the file may have grown since: no more is read than may be there
    let mut bounded = File::from(file).take(most as u64 + 1);
    bounded.read_to_string(&mut text).map_err(|_io| NotThere)?;
    if text.len() > most { Err(NotThere) } else { Ok(text) }
}

/// The path below the folder: of a relative name, or of an absolute one that begins with the folder. Names with `..` and
/// URLs have none.
fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let path = if path.is_absolute() { path.strip_prefix(folder).ok()? } else { path };
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && path.file_name().is_some()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_below_the_folder_are_read() {
        let root = tempfile::tempdir().expect("a directory");
        let folder = root.path().join("drop");
        fs::create_dir_all(folder.join("sub")).expect("made");
        fs::write(folder.join("a.lic"), "text").expect("written");
        fs::write(folder.join("sub/b.lic"), "more").expect("written");
        fs::write(folder.join("huge.lic"), "x".repeat(101)).expect("written");
        fs::write(root.path().join("secret"), "secret").expect("written");
        symlink("../secret", folder.join("link.lic")).expect("linked");
        symlink("..", folder.join("up")).expect("linked");
        rustix::fs::mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RUSR, 0).expect("made");
        let read = |name: &str| read(&folder, name, 100);
        assert_eq!(read("a.lic").as_deref(), Ok("text"));
        assert_eq!(read("sub/b.lic").as_deref(), Ok("more"));
        assert_eq!(read(&folder.join("a.lic").to_string_lossy()).as_deref(), Ok("text"));
        for name in [
            "../secret",
            "sub/../../secret",
            "link.lic",
            "up/secret",
            "pipe",
            "sub",
            "",
            ".",
            "/etc/passwd",
            "nothing",
            "huge.lic",
            "file:///etc/passwd",
            "http://127.0.0.1/a.lic",
            "a.lic\0",
        ] {
            assert_eq!(read(name), Err(NotThere), "{name}");
        }
        let elsewhere = root.path().join("drop2");
        fs::create_dir(&elsewhere).expect("made");
        assert_eq!(super::read(&elsewhere, &folder.join("a.lic").to_string_lossy(), 100), Err(NotThere));
    }
}
