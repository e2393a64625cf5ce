//! One connection: bytes in time, or it ends.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream whose reader may not stop reading for longer than `stall`: a reply that nobody takes costs memory.
///
/// It takes one piece at a time, not several at once: hyper puts a small answer together then, and one `send` costs the kernel a
/// microsecond less than one `writev`.
pub(super) struct Watched<T> {
    inner: T,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> Watched<T> {
    pub(super) fn new(inner: T, stall: Duration) -> Watched<T> {
        Watched { inner, stall, stalled: None }
    }

    /// Lets time run while a write waits.
    fn watch<R>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let stall = self.stall;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads no more"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.watch(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, poll)
    }
}

/// When a connection was last of use: it is ended when no request comes for too long, also before the first one, where
/// hyper itself still waits to learn which HTTP it is. One timer a connection that looks now and then: hyper's own for
/// each head would be set and taken away with every request.
pub(super) struct Idle {
    use_: Mutex<Use>,
}

struct Use {
    running: usize,
    /// How long may pass without a request from here on; before the first one, what the caller says.
    patience: Option<Duration>,
    since: Instant,
}

/// A request that runs; tells the connection's idle watch when it ends, also when it is dropped.
pub(super) struct Running(Arc<Idle>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut now = self.0.lock();
        now.running -= 1;
        now.since = Instant::now();
    }
}

impl Idle {
    pub(super) fn new() -> Idle {
        Idle { use_: Mutex::new(Use { running: 0, patience: None, since: Instant::now() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Use> {
        self.use_.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins; after it, the next one's head must be there within `patience`.
    pub(super) fn begin(self: &Arc<Self>, patience: Duration) -> Running {
        let mut now = self.lock();
        now.running += 1;
        now.patience = Some(patience);
        Running(Arc::clone(self))
    }

    /// How many requests run.
    #[cfg(test)]
    pub(super) fn running(&self) -> usize {
        self.lock().running
    }

    /// Waits until no request came for `first`, or, after the first one, for as long as that allowed.
    pub(super) async fn too_long(&self, first: Duration) {
        loop {
            let end = {
                let now = self.lock();
                let most = now.patience.unwrap_or(first);
                if now.running > 0 { Instant::now() + most } else { now.since + most }
            };
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_connection_ends_when_nothing_was_asked_for_too_long() {
        let (idle, hour) = (Arc::new(Idle::new()), Duration::from_secs(3_600));
        assert!(idle.too_long(hour).now_or_never().is_none(), "the first request may still come");
        assert!(idle.too_long(Duration::ZERO).now_or_never().is_some());
        let (first, second) = (idle.begin(hour), idle.begin(hour));
        drop(first);
        assert!(idle.too_long(Duration::ZERO).now_or_never().is_none(), "a request runs");
        drop(second);
        assert!(idle.too_long(Duration::ZERO).now_or_never().is_none(), "the next one may still come");
        drop(idle.begin(Duration::ZERO));
        assert!(idle.too_long(hour).now_or_never().is_some());
    }
}
