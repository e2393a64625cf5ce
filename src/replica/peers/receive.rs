//! Snapshots, the receiving side: into a fresh directory, checked and synced before anybody uses it, removed when it
//! is not whole.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{interval, timeout};

use super::frame::{Link, LinkError, Reader};
use super::ship::{CHUNK_BYTES, SNAPSHOT_FILES};
use super::wire::{FileHead, SnapshotAnswer, SnapshotMeta, SnapshotPart, Vote, WIRE_FORMAT};
use super::{Inbound, Stopped};
use crate::replica::types::SnapshotFiles;

/// What directories of snapshots that are being received begin with.
const INCOMING: &str = "incoming-";
/// How often the sender hears that installing goes on.
const WORKING_EVERY: Duration = Duration::from_secs(1);
/// Longest file name.
const NAME_BYTES: usize = 255;

/// Why a snapshot was not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Said(String),
    #[error("cannot write it: {0}")]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Link(#[from] LinkError),
}

fn said(what: impl Into<String>) -> Refusal {
    Refusal::Said(what.into())
}

/// Removes what an earlier life of this node did not finish receiving.
pub(super) async fn clear(snapshots: &Path) {
    let Ok(mut entries) = fs::read_dir(snapshots).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name().to_string_lossy().starts_with(INCOMING) {
            drop(Unfinished(Some(entry.path())));
        }
    }
}

/// Where a snapshot goes, and how long its next piece is waited for.
pub(super) struct Intake<'a> {
    /// The directory for the directories of snapshots.
    pub snapshots: &'a Path,
    /// A snapshot of which nothing more comes for so long has failed.
    pub patience: Duration,
}

impl Intake<'_> {
    /// Receives one snapshot over `link` and has it installed.
    pub(super) async fn receive<I: Inbound>(&self, link: &mut Link, inbound: &I, from: u64) -> Result<(), LinkError> {
        let dir = self.snapshots.join(format!("{INCOMING}{}", uuid::Uuid::now_v7()));
        let guard = Unfinished(Some(dir.clone()));
        let answer = match self.take(&mut link.reader, &dir).await {
            Ok((vote, meta)) => {
                tracing::info!(from, %meta, "received a snapshot");
                guard.finished();
                install(link, inbound, vote, meta, dir).await?
            }
            Err(refusal) => {
                tracing::warn!(from, %refusal, "a snapshot did not arrive whole");
                drop(guard);
                SnapshotAnswer::Refused(refusal.to_string())
            }
        };
        link.writer.send(WIRE_FORMAT, &answer).await
    }

    async fn next(&self, reader: &mut Reader) -> Result<SnapshotPart, Refusal> {
        let part = timeout(self.patience, reader.expect()).await;
        Ok(part.unwrap_or(Err(LinkError::Slow("receiving a snapshot")))?)
    }

    async fn take(&self, reader: &mut Reader, dir: &Path) -> Result<(Vote, SnapshotMeta), Refusal> {
        let SnapshotPart::Begin { vote, meta, files } = self.next(reader).await? else {
            return Err(said("it does not begin at the beginning"));
        };
        check_names(&files)?;
        fs::create_dir_all(self.snapshots).await?;
        fs::create_dir(dir).await?;
        for file in &files {
            self.take_file(reader, &dir.join(&file.name), file).await?;
        }
        File::open(dir).await?.sync_all().await?;
        File::open(self.snapshots).await?.sync_all().await?;
        Ok((vote, meta))
    }

    async fn take_file(&self, reader: &mut Reader, path: &Path, head: &FileHead) -> Result<(), Refusal> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).await?;
        let mut digest = Sha256::new();
        let mut left = head.length;
        let name = &head.name;
        loop {
            match self.next(reader).await? {
                SnapshotPart::Chunk(bytes) if bytes.len() > CHUNK_BYTES => return Err(said("a piece is too large")),
                SnapshotPart::Chunk(bytes) => {
                    left = left
                        .checked_sub(bytes.len() as u64)
                        .ok_or_else(|| said(format!("{name} is longer than was said")))?;
                    digest.update(&bytes);
                    file.write_all(&bytes).await?;
                }
                SnapshotPart::End { digest: expected } => {
                    if left != 0 || expected != <[u8; 32]>::from(digest.finalize()) {
                        return Err(said(format!("{name} did not arrive as it was sent")));
                    }
                    file.flush().await?;
                    return Ok(file.sync_all().await?);
                }
                SnapshotPart::Begin { .. } => return Err(said("it begins twice")),
            }
        }
    }
}

/// Removes its directory, unless the snapshot in it is whole; also when the connection's task is ended in between.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn finished(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(dir) = &self.0 else { return };
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(dir = %dir.display(), %error, "cannot remove a snapshot that did not arrive whole");
            }
            _ => {}
        }
    }
}

/// Has it installed, and tells the sender meanwhile that it is being worked on.
async fn install<I: Inbound>(
    link: &mut Link,
    inbound: &I,
    vote: Vote,
    meta: SnapshotMeta,
    dir: PathBuf,
) -> Result<SnapshotAnswer, LinkError> {
    let mut installing = std::pin::pin!(inbound.install_snapshot(vote, meta, SnapshotFiles { dir }));
    let mut working = interval(WORKING_EVERY);
    let mut heard = Ok(());
    loop {
        tokio::select! {
            installed = &mut installing => {
                // A sender that has gone must not stop an install halfway: it is told only now.
                heard?;
                return Ok(match installed {
                    Ok(response) => SnapshotAnswer::Installed(response),
                    Err(Stopped(reason)) => SnapshotAnswer::Refused(reason),
                });
            }
            _ = working.tick(), if heard.is_ok() => heard = link.writer.send(WIRE_FORMAT, &SnapshotAnswer::Working).await,
        }
    }
}

/// Names of files in one directory, nothing else, and each only once.
fn check_names(files: &[FileHead]) -> Result<(), Refusal> {
    if files.len() > SNAPSHOT_FILES {
        return Err(said("it has too many files"));
    }
    let mut seen = BTreeSet::new();
    for FileHead { name, .. } in files {
        let plain = !name.is_empty() && name.len() <= NAME_BYTES && name != "." && name != "..";
        if !plain || name.contains(['/', '\\', '\0']) {
            return Err(said("a file name is none"));
        }
        if !seen.insert(name) {
            return Err(said("a file comes twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &str) -> FileHead {
        FileHead { name: name.to_owned(), length: 1 }
    }

    #[test]
    fn a_file_name_that_leads_elsewhere_is_refused() {
        assert!(check_names(&[head("000012.sst"), head("CURRENT"), head("..data")]).is_ok());
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\0b", &"x".repeat(256)] {
            assert!(check_names(&[head(name)]).is_err(), "{name:?}");
        }
        assert!(check_names(&[head("a"), head("a")]).is_err());
    }
}
