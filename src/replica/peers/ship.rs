//! Snapshots, the sending side: the files of a directory, in pieces, over a connection of their own. How long it may
//! take in all is not bounded; how long nothing moves is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::client::{Peer, Peers, lock};
use super::frame::{Link, LinkError, Reader, Writer};
use super::wire::{FileHead, Purpose, SnapshotAnswer, SnapshotMeta, SnapshotPart, SnapshotResponse, Vote, WIRE_FORMAT};

/// Largest piece of a file in one frame.
pub(super) const CHUNK_BYTES: usize = 512 << 10;
/// Most files in one snapshot: a database of the largest supported size has a tenth of it.
pub(super) const SNAPSHOT_FILES: usize = 10_000;
/// A transfer in which nothing moves for so long has failed.
pub(super) const SNAPSHOT_STALL: Duration = Duration::from_secs(30);

/// Why a snapshot did not get there.
#[derive(Debug, thiserror::Error)]
pub(in crate::replica) enum ShipError {
    /// This node cannot read its own files.
    #[error("cannot read the snapshot: {0}")]
    Files(std::io::Error),
    /// The connection, or the peer behind it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The peer did not take it.
    #[error("the peer refuses the snapshot: {0}")]
    Refused(String),
}

impl Peers {
    /// Sends the files in `dir` to the peer, and waits until it has installed them.
    pub(in crate::replica) async fn ship(
        &self,
        peer: &Arc<Peer>,
        vote: Vote,
        meta: SnapshotMeta,
        dir: &Path,
    ) -> Result<SnapshotResponse, ShipError> {
        let files = list(dir).await.map_err(ShipError::Files)?;
        let Link { mut reader, mut writer } = peer.connect(self.local().clone(), Purpose::Snapshot).await?;
        let last = meta.last_log_id;
        let begin = SnapshotPart::Begin { vote, meta, files: files.clone() };
        // The peer may refuse at any time: then nothing more needs to be sent.
        let response = tokio::select! {
            answer = hear(&mut reader, false) => answer?,
            sent = send_all(&mut writer, &begin, dir, &files) => {
                sent?;
                hear(&mut reader, true).await?
            }
        };
        if let Some(last) = last.filter(|_| response.vote.leader_id <= vote.leader_id) {
            lock(&peer.guard).stored(&vote, last);
        }
        Ok(response)
    }
}

async fn list(dir: &Path) -> std::io::Result<Vec<FileHead>> {
    let mut files = Vec::new();
    let mut entries = tokio::fs::read_dir(dir).await?;
    while let Some(entry) = entries.next_entry().await? {
        let metadata = entry.metadata().await?;
        let name =
            entry.file_name().into_string().map_err(|_name| std::io::Error::other("a file name is not UTF-8"))?;
        if !metadata.is_file() {
            return Err(std::io::Error::other(format!("{name} is no plain file")));
        }
        files.push(FileHead { name, length: metadata.len() });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Waits for the end. Once everything was sent, the peer shows signs of work, and each begins the patience anew.
async fn hear(reader: &mut Reader, sent: bool) -> Result<SnapshotResponse, ShipError> {
    loop {
        let answer = if sent {
            let answer = timeout(SNAPSHOT_STALL, reader.expect()).await;
            answer.unwrap_or(Err(LinkError::Slow("installing a snapshot")))?
        } else {
            reader.expect().await?
        };
        match answer {
            SnapshotAnswer::Working => {}
            SnapshotAnswer::Installed(response) => return Ok(response),
            SnapshotAnswer::Refused(reason) => return Err(ShipError::Refused(reason)),
        }
    }
}

async fn send_all(writer: &mut Writer, begin: &SnapshotPart, dir: &Path, files: &[FileHead]) -> Result<(), ShipError> {
    writer.feed(WIRE_FORMAT, begin).await?;
    for file in files {
        send_file(writer, &dir.join(&file.name), file.length).await?;
    }
    Ok(writer.flush().await?)
}

async fn send_file(writer: &mut Writer, path: &Path, length: u64) -> Result<(), ShipError> {
    let mut file = File::open(path).await.map_err(ShipError::Files)?.take(length);
    let mut digest = Sha256::new();
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let full = CHUNK_BYTES as u64;
        let read = (&mut file).take(full).read_to_end(&mut chunk).await.map_err(ShipError::Files)?;
        if read == 0 {
            break;
        }
        digest.update(&chunk);
        writer.feed(WIRE_FORMAT, &SnapshotPart::Chunk(Bytes::from(chunk))).await?;
    }
    if file.limit() != 0 {
        return Err(ShipError::Files(std::io::Error::other("a file became shorter while it was sent")));
    }
    Ok(writer.feed(WIRE_FORMAT, &SnapshotPart::End { digest: digest.finalize().into() }).await?)
}
