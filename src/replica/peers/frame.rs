//! Frames: a length, then one value behind its format number. A length or a value that is too large, or malformed, ends
//! the connection and nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::wire::{Turned, WIRE_FORMAT};
use crate::codec::{self, Malformed};

/// Largest frame after the greeting: an append as large as the log reader ever makes it fits several times over, and it
/// stays below what the codec decodes at all.
pub(super) const FRAME_BYTES: usize = 128 << 20;
/// Largest frame before the other side is known, and on a connection that only joins.
pub(super) const GREETING_BYTES: usize = 16 << 10;
/// So many bytes wait to be written before whoever writes waits, too.
const WRITE_AHEAD_BYTES: usize = 256 << 10;
/// Whoever takes nothing for so long is not there any more.
const SENDING: Duration = Duration::from_secs(30);
/// A frame's length field.
const LENGTH_BYTES: usize = 4;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::replica) enum LinkError {
    /// The other side is gone.
    #[error("the connection was closed")]
    Closed,
    /// The system or TLS says so.
    #[error("{0}")]
    Io(String),
    /// What came is not of this protocol.
    #[error("the peer sent what cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// What should go does not fit into a frame.
    #[error("a message of {0} bytes is larger than a frame may be")]
    TooLong(usize),
    /// Nothing happened for too long.
    #[error("{0} took too long")]
    Slow(&'static str),
    /// The peer does not want this connection.
    #[error("the peer refuses: {0}")]
    Turned(#[from] Turned),
    /// A failure a moment ago; the next try waits.
    #[error("it failed a moment ago, the next try waits")]
    Paused,
    /// The peer's log went back.
    #[error("its log went back behind what it had acknowledged; remove it, and let it join anew under a fresh id")]
    Reverted,
    /// The peer has newer connections of this kind.
    #[error("the peer has newer connections of this kind")]
    Replaced,
    /// Without TLS only loopback is allowed.
    #[error("{0} is no loopback address, and this cluster runs without TLS")]
    NotLoopback(String),
    /// The peer said something that does not belong there.
    #[error("the peer said something that does not belong there")]
    OutOfTurn,
}

impl From<std::io::Error> for LinkError {
    fn from(error: std::io::Error) -> Self {
        LinkError::Io(error.to_string())
    }
}

/// A connection, plain or TLS.
pub(super) trait Channel: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Channel for T {}

/// Bytes that went over connections.
#[derive(Debug, Default)]
pub(super) struct Bytecount {
    /// Sent.
    pub sent: AtomicU64,
    /// Received.
    pub received: AtomicU64,
}

/// Both halves of a connection.
pub(super) struct Link {
    /// What comes in.
    pub reader: Reader,
    /// What goes out.
    pub writer: Writer,
}

/// What comes in.
pub(super) struct Reader {
    frames: FramedRead<ReadHalf<Box<dyn Channel>>, LengthDelimitedCodec>,
    count: Arc<Bytecount>,
}

/// What goes out.
pub(super) struct Writer {
    frames: FramedWrite<WriteHalf<Box<dyn Channel>>, LengthDelimitedCodec>,
    count: Arc<Bytecount>,
}

impl Link {
    /// Frames over `channel`; only small ones come in until [`Link::trust`].
    #[must_use]
    pub(super) fn new(channel: Box<dyn Channel>) -> Self {
        let (read, write) = tokio::io::split(channel);
        let codec = |most| LengthDelimitedCodec::builder().max_frame_length(most).new_codec();
        let mut writer = FramedWrite::new(write, codec(FRAME_BYTES));
        writer.set_backpressure_boundary(WRITE_AHEAD_BYTES);
        let count = Arc::new(Bytecount::default());
        Self {
            reader: Reader { frames: FramedRead::new(read, codec(GREETING_BYTES)), count: Arc::clone(&count) },
            writer: Writer { frames: writer, count },
        }
    }

    /// The other side is known: large frames may come, and its bytes are counted.
    pub(super) fn trust(&mut self, count: &Arc<Bytecount>) {
        self.reader.frames.decoder_mut().set_max_frame_length(FRAME_BYTES);
        self.reader.count = Arc::clone(count);
        self.writer.count = Arc::clone(count);
    }
}

impl Reader {
    /// The next value; `None` when the other side has ended the connection. Nothing is lost when the future is dropped.
    pub(super) async fn read<T: DeserializeOwned>(&mut self, format: u8) -> Result<Option<T>, LinkError> {
        std::future::poll_fn(|context| self.poll_read(format, context)).await
    }

    /// The next value of the wire format; the end of the connection is an error.
    pub(super) async fn expect<T: DeserializeOwned>(&mut self) -> Result<T, LinkError> {
        self.read(WIRE_FORMAT).await?.ok_or(LinkError::Closed)
    }

    /// As [`Reader::read`], polled.
    pub(super) fn poll_read<T: DeserializeOwned>(
        &mut self,
        format: u8,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<T>, LinkError>> {
        let Some(frame) = ready!(Pin::new(&mut self.frames).poll_next(context)).transpose()? else {
            return Poll::Ready(Ok(None));
        };
        self.count.received.fetch_add((frame.len() + LENGTH_BYTES) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(Some(codec::decode(format, &frame)?)))
    }
}

impl Writer {
    /// Waits for room, then takes the value; it goes out with the next [`Writer::flush`], or earlier.
    pub(super) async fn feed<T: Serialize>(&mut self, format: u8, value: &T) -> Result<(), LinkError> {
        let room = std::future::poll_fn(|context| self.poll_room(context));
        timeout(SENDING, room).await.unwrap_or(Err(LinkError::Slow("sending")))?;
        self.put(format, value)
    }

    /// Sends everything that was taken.
    pub(super) async fn flush(&mut self) -> Result<(), LinkError> {
        let flushed = std::future::poll_fn(|context| self.poll_flush(context));
        timeout(SENDING, flushed).await.unwrap_or(Err(LinkError::Slow("sending")))
    }

    /// Takes the value and sends it.
    pub(super) async fn send<T: Serialize>(&mut self, format: u8, value: &T) -> Result<(), LinkError> {
        self.feed(format, value).await?;
        self.flush().await
    }

    /// Says goodbye, so that the other side sees an end and no break.
    pub(super) async fn close(&mut self) -> Result<(), LinkError> {
        Ok(SinkExt::<Bytes>::close(&mut self.frames).await?)
    }

    /// Whether there is room for another value.
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        Sink::<Bytes>::poll_ready(Pin::new(&mut self.frames), context).map_err(LinkError::from)
    }

    /// Takes the value.
    pub(super) fn put<T: Serialize>(&mut self, format: u8, value: &T) -> Result<(), LinkError> {
        let frame = codec::encode(format, value);
        if frame.len() > FRAME_BYTES {
            return Err(LinkError::TooLong(frame.len()));
        }
        self.count.sent.fetch_add((frame.len() + LENGTH_BYTES) as u64, Ordering::Relaxed);
        Ok(Pin::new(&mut self.frames).start_send(Bytes::from(frame))?)
    }

    /// Sends everything that was taken, polled.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        Sink::<Bytes>::poll_flush(Pin::new(&mut self.frames), context).map_err(LinkError::from)
    }
}
