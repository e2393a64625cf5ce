//! Where a feed is written to: all at once into memory while it is short, else piece by piece to whoever reads it, who is
//! waited for. Thus a list of any length costs the memory of a few pieces.

use bytes::Bytes;
use tokio::sync::mpsc;

/// How many bytes make a piece.
const PIECE_BYTES: usize = 64 << 10;
/// How many pieces wait for a slow reader.
pub(super) const PIECES_WAITING: usize = 2;

/// The reader went away.
#[derive(Debug)]
pub(super) struct Gone;

/// What takes an answer's text.
#[derive(Debug, Default)]
pub(super) struct Sink {
    /// What was written and not sent yet.
    pub(super) text: String,
    reader: Option<mpsc::Sender<Result<Bytes, String>>>,
}

impl Sink {
    /// Sends pieces to a reader.
    pub(super) fn to(reader: mpsc::Sender<Result<Bytes, String>>) -> Sink {
        Sink { text: String::new(), reader: Some(reader) }
    }

    /// Sends what was written if it is a piece, and waits while the reader is behind.
    pub(super) async fn turn(&mut self) -> Result<(), Gone> {
        if self.text.len() < PIECE_BYTES { Ok(()) } else { self.flush().await }
    }

    /// Sends what was written.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        let Some(reader) = &self.reader else { return Ok(()) };
        let piece = std::mem::take(&mut self.text);
        reader.send(Ok(piece.into())).await.map_err(|_closed| Gone)
    }
}
