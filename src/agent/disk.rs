//! The few things that the agent does to a disk. Between any two of them it may end, and the tests make it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The agent's directory.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    dir: PathBuf,
    #[cfg(test)]
    pub(super) fuse: Fuse,
}

impl Disk {
    pub(super) fn new(dir: &Path) -> Disk {
        Disk {
            dir: dir.to_owned(),
            #[cfg(test)]
            fuse: Fuse::default(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The file's bytes; `None` when there is none.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file to write to, made if it is not there; for its owner alone.
    pub(super) fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(self.path(name))
    }

    /// Writes `bytes` at `at`, and nothing is behind them.
    pub(super) fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if file.metadata()?.len() > at {
            file.set_len(at)?;
        }
        #[cfg(test)]
        if self.fuse.burns() {
            file.write_all_at(&bytes[..bytes.len() / 2], at)?;
            return Err(Fuse::blown());
        }
        file.write_all_at(bytes, at)
    }

    /// What is written is on the disk when it comes back.
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.fuse.step()?;
        file.sync_data()
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        #[cfg(test)]
        self.fuse.step()?;
        fs::rename(self.path(from), self.path(to))
    }

    /// The directory's names are on the disk when it comes back.
    pub(super) fn sync_dir(&self) -> io::Result<()> {
        #[cfg(test)]
        self.fuse.step()?;
        File::open(&self.dir)?.sync_all()
    }

    /// Puts a whole file in place of an older one: either is there, never a part.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        let fresh = format!("{name}.new");
        let file = self.open(&fresh)?;
        self.write_at(&file, bytes, 0)?;
        self.sync(&file)?;
        self.rename(&fresh, name)?;
        self.sync_dir()?;
        Ok(file)
    }
}

/// Ends the agent, for a test, after some persistent steps.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(super) struct Fuse(std::sync::Arc<std::sync::atomic::AtomicI64>);

#[cfg(test)]
impl Fuse {
    /// Blows at the `steps`-th step from now; 0: never.
    pub(super) fn set(&self, steps: i64) {
        self.0.store(steps, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether the agent was ended.
    pub(super) fn is_blown(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed) < 0
    }

    fn burns(&self) -> bool {
        let left = self.0.load(std::sync::atomic::Ordering::Relaxed);
        if left > 1 {
            self.set(left - 1);
        } else if left == 1 {
            // blown: no step is done any more
            self.set(-1);
        }
        left == 1 || left < 0
    }

    fn step(&self) -> io::Result<()> {
        if self.burns() { Err(Fuse::blown()) } else { Ok(()) }
    }

    fn blown() -> io::Error {
        io::Error::other("the test ends the agent here")
    }
}
