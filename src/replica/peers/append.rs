//! Append streams, the sending side: requests are written as they come, answers come back in order, and the connection
//! outlives the sessions. Heartbeats and read barriers are sessions of one request each, so a session costs nothing.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{FutureExt as _, Stream};
use openraft::raft::StreamAppendError;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::client::{Peer, Peers, lock};
use super::frame::{Link, LinkError};
use super::wire::{Append, AppendRequest, AppendResult, Appended, LogId, Purpose, Vote, WIRE_FORMAT};

/// So many requests are on their way at most, on one connection. The receiver holds as many.
pub(super) const WINDOW: usize = 64;
/// A connection on which requests wait and nothing was answered for so long is dropped: longer than a slow disk takes to
/// sync, shorter than people's patience.
pub(in crate::replica) const STALLED: Duration = Duration::from_secs(5);
/// A connection that was not used for so long is not used again: the receiver closes it soon.
const IDLE: Duration = Duration::from_secs(120);

/// A request that was sent.
struct Sent {
    session: u64,
    vote: Vote,
    previous: Option<LogId>,
    /// What the peer was known to have when the request left.
    known: Option<LogId>,
    /// When it left, if it carried no entries: then its answer measures the way there and back.
    heartbeat: Option<Instant>,
}

struct OpenLink {
    link: Link,
    unanswered: VecDeque<Sent>,
    /// When the peer last answered, or had nothing to answer.
    heard: Instant,
}

/// The sender's end of one append connection: made when it is needed, kept as long as it works.
pub(in crate::replica) struct Appender {
    peers: Peers,
    peer: Arc<Peer>,
    open: Option<OpenLink>,
    dialing: Option<JoinHandle<Result<Link, LinkError>>>,
    session: u64,
}

impl Drop for Appender {
    fn drop(&mut self) {
        if let Some(dialing) = &self.dialing {
            dialing.abort();
        }
    }
}

impl Appender {
    pub(in crate::replica) fn new(peers: Peers, peer: Arc<Peer>) -> Self {
        Self { peers, peer, open: None, dialing: None, session: 0 }
    }

    /// Begins a session: the answers to `requests`, in order. Ends with the requests, after the first conflict or higher
    /// vote, or with an error.
    pub(in crate::replica) async fn session<S>(&mut self, requests: S) -> Result<Session<'_, S>, LinkError>
    where
        S: Stream<Item = AppendRequest> + Send + Unpin + 'static,
    {
        self.connect().await?;
        self.session += 1;
        Ok(Session { appender: self, requests: Some(requests), own: 0, ended: false, stalled: None })
    }

    /// Makes sure that there is a connection. When the future is dropped, connecting goes on, and the next call finds
    /// it done: a heartbeat's patience is shorter than a handshake may take.
    async fn connect(&mut self) -> Result<(), LinkError> {
        if lock(&self.peer.guard).reverted() {
            self.open = None;
            return Err(LinkError::Reverted);
        }
        if self.open.as_mut().is_some_and(|open| open.catch_up(&self.peer).is_ok()) {
            return Ok(());
        }
        self.open = None;
        if self.dialing.is_none() {
            self.peer.check_pause()?;
            let (peer, local) = (Arc::clone(&self.peer), self.peers.local().clone());
            self.dialing = Some(tokio::spawn(async move { peer.connect(local, Purpose::Append).await }));
        }
        let Some(dialing) = &mut self.dialing else { return Err(LinkError::Closed) };
        let dialed = dialing.await.map_err(|error| LinkError::Io(error.to_string()));
        self.dialing = None;
        self.open = Some(OpenLink { link: dialed??, unanswered: VecDeque::new(), heard: Instant::now() });
        Ok(())
    }

    fn break_off(&mut self) {
        if self.open.take().is_some() {
            self.peer.failed();
        }
    }
}

impl OpenLink {
    /// Reads the answers that came after their session had ended; an error when the connection is of no more use.
    fn catch_up(&mut self, peer: &Peer) -> Result<(), LinkError> {
        while let Some(appended) = self.link.reader.expect::<Appended>().now_or_never() {
            if let (_, Err(LinkError::Reverted)) = self.answered(peer, appended?)? {
                return Err(LinkError::Reverted);
            }
        }
        let patience = if self.unanswered.is_empty() { IDLE } else { STALLED };
        if self.heard.elapsed() > patience || self.unanswered.len() >= WINDOW {
            return Err(LinkError::Slow("an answer"));
        }
        Ok(())
    }

    fn send(&mut self, peer: &Peer, session: u64, request: AppendRequest) -> Result<(), LinkError> {
        if self.unanswered.is_empty() {
            self.heard = Instant::now();
        }
        let sent = Sent {
            session,
            vote: request.vote,
            previous: request.prev_log_id,
            known: lock(&peer.guard).known(&request.vote),
            heartbeat: request.entries.is_empty().then(Instant::now),
        };
        self.link.writer.put(WIRE_FORMAT, &Append { session, request })?;
        self.unanswered.push_back(sent);
        Ok(())
    }

    /// Finds the request that is answered, and learns from the answer, also when its session is over: the request's
    /// session, and what to tell openraft.
    fn answered(
        &mut self,
        peer: &Peer,
        appended: Appended,
    ) -> Result<(u64, Result<AppendResult, LinkError>), LinkError> {
        let sent = self.unanswered.pop_front().ok_or(LinkError::OutOfTurn)?;
        if sent.session != appended.session {
            return Err(LinkError::OutOfTurn);
        }
        self.heard = Instant::now();
        if let Some(left) = sent.heartbeat {
            peer.round_trip(left.elapsed());
        }
        let answer = match appended.result {
            Ok(result) if sent.goes_back(peer, &result) => Err(LinkError::Reverted),
            Ok(result) => Ok(result),
            Err(reason) => Err(LinkError::Io(reason)),
        };
        Ok((sent.session, answer))
    }
}

impl Sent {
    /// Remembers what the peer acknowledges; true when it has less than it once acknowledged.
    fn goes_back(&self, peer: &Peer, result: &AppendResult) -> bool {
        let mut guard = lock(&peer.guard);
        let missing = match result {
            Ok(stored) if *stored < self.previous => self.previous,
            Ok(stored) => {
                if let Some(stored) = stored {
                    guard.stored(&self.vote, *stored);
                }
                None
            }
            Err(StreamAppendError::Conflict(missing)) => Some(*missing),
            Err(StreamAppendError::HigherVote(_)) => None,
        };
        let Some(missing) = missing else { return guard.reverted() };
        if guard.lacks(self.known, missing) {
            tracing::error!(
                node = peer.node,
                %missing,
                "the peer has lost log entries that it had acknowledged: its disk was wiped or put back to an older \
                 copy. It is not spoken to any more; remove it from the cluster, and let it join anew under a fresh id"
            );
        }
        guard.reverted()
    }
}

/// One session of an [`Appender`].
pub(in crate::replica) struct Session<'a, S> {
    appender: &'a mut Appender,
    /// `None` when it has ended.
    requests: Option<S>,
    /// Unanswered requests of this session.
    own: usize,
    ended: bool,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Stream for Session<'_, S>
where
    S: Stream<Item = AppendRequest> + Send + Unpin + 'static,
{
    type Item = Result<AppendResult, LinkError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let item = ready!(this.poll(context));
        match &item {
            Some(Ok(Ok(_))) => {}
            Some(Err(_)) => {
                this.ended = true;
                this.appender.break_off();
            }
            Some(Ok(Err(_))) | None => this.ended = true,
        }
        Poll::Ready(item)
    }
}

impl<S> Session<'_, S>
where
    S: Stream<Item = AppendRequest> + Send + Unpin + 'static,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AppendResult, LinkError>>> {
        if let Err(error) = self.poll_send(context) {
            return Poll::Ready(Some(Err(error)));
        }
        match self.poll_answer(context) {
            Poll::Pending => {}
            ready => return ready.map(Some),
        }
        if self.own == 0 {
            self.stalled = None;
            return if self.requests.is_none() { Poll::Ready(None) } else { Poll::Pending };
        }
        self.poll_stalled(context).map(|()| Some(Err(LinkError::Slow("an answer"))))
    }

    /// Sends what there is to send and room for.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Result<(), LinkError> {
        let Appender { peer, open, session, .. } = &mut *self.appender;
        let open = open.as_mut().ok_or(LinkError::Closed)?;
        while let Some(requests) = &mut self.requests {
            if open.unanswered.len() >= WINDOW {
                break;
            }
            match open.link.writer.poll_room(context) {
                Poll::Ready(room) => room?,
                Poll::Pending => break,
            }
            match Pin::new(requests).poll_next(context) {
                Poll::Ready(Some(request)) => {
                    open.send(peer, *session, request)?;
                    self.own += 1;
                }
                Poll::Ready(None) => self.requests = None,
                Poll::Pending => break,
            }
        }
        match open.link.writer.poll_flush(context) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// The next answer to a request of this session.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<AppendResult, LinkError>> {
        let Appender { peer, open, session, .. } = &mut *self.appender;
        let Some(open) = open.as_mut() else { return Poll::Ready(Err(LinkError::Closed)) };
        loop {
            let appended = match ready!(open.link.reader.poll_read::<Appended>(WIRE_FORMAT, context)) {
                Ok(Some(appended)) => appended,
                Ok(None) => return Poll::Ready(Err(LinkError::Closed)),
                Err(error) => return Poll::Ready(Err(error)),
            };
            match open.answered(peer, appended) {
                Ok((of, answer)) if of == *session => {
                    self.own = self.own.saturating_sub(1);
                    return Poll::Ready(answer);
                }
                Ok((_, Err(LinkError::Reverted))) => return Poll::Ready(Err(LinkError::Reverted)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Ready when requests wait and nothing was answered for too long.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let heard = self.appender.open.as_ref().map_or_else(Instant::now, |open| open.heard);
        let end = heard + STALLED;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if sleep.deadline() != end {
            sleep.as_mut().reset(end);
        }
        sleep.as_mut().poll(context)
    }
}
