//! Files that commands read and write: bounded, and private where they hold a secret.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::Failure;

/// Largest file that a command reads whole, in bytes, unless it says less.
pub(super) const FILE_BYTES: usize = 64 << 20;

/// The bytes of a file, `-` for standard input.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    let mut bytes = Vec::new();
    let limit = most as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| failed(error.to_string()))?;
    if bytes.len() > most { Err(failed(format!("larger than {most} bytes"))) } else { Ok(bytes) }
}

/// The text of a file, `-` for standard input.
pub(super) fn read_text(path: &Path, most: usize) -> Result<String, Failure> {
    String::from_utf8(read(path, most)?)
        .map_err(|_unspecified| Failure::usage(format!("{}: no UTF-8 text", path.display())))
}

/// Writes a file that must not exist yet; `private`: only its owner may read it, from the first byte on.
pub(super) fn write_new(path: &Path, bytes: &[u8], private: bool) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(if private { 0o600 } else { 0o644 }).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
}

/// Writes a file, in place of an older one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
}

/// Makes a directory for its owner alone; one that is there must be empty.
pub(super) fn make_empty_dir(path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("cannot make {}: {error}", path.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    match fs::read_dir(path).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("{} is not empty", path.display())).hint("name a new directory")),
    }
}

/// Makes the entries of a directory durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), Failure> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Failure::failed(format!("cannot sync {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_private_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        write_new(&path, b"one", true).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(write_new(&path, b"two", true).is_err());
        assert_eq!(read_text(&path, 3).expect("read"), "one");
        assert!(read(&path, 2).is_err());
        assert!(make_empty_dir(dir.path()).is_err());
        assert!(make_empty_dir(&dir.path().join("a/b")).is_ok());
    }
}
