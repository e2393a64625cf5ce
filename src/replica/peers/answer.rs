//! What is done on connections that stand: append streams, answered in order, and calls, answered as they are done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use openraft::base::BoxStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::append::WINDOW;
use super::frame::{Link, LinkError, Writer};
use super::server::Served;
use super::wire::{
    Append, AppendRequest, AppendResult, Appended, Ask, PeerCall, PeerReply, Purpose, Question, Tell, Told, Turned,
    WIRE_FORMAT,
};
use super::{Inbound, Stopped};

/// A connection on which nothing comes for so long is closed; the other side makes a new one when it needs it.
const IDLE: Duration = Duration::from_secs(600);
/// So many calls of one peer are worked on; more are told that this node is busy.
const CALLS: usize = 1_024;
/// No call is worked on longer, whatever the caller's patience.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// What is told to requests that followed one that failed.
const DROPPED: &str = "an earlier request of the stream failed";

/// The append stream into the node, while it runs.
struct Running {
    requests: mpsc::Sender<AppendRequest>,
    answers: BoxStream<'static, Result<AppendResult, Stopped>>,
}

/// One append connection.
struct Appends<'a, I> {
    served: &'a Served<I>,
    from: u64,
    running: Option<Running>,
    /// Sessions of the requests that the running stream has not answered.
    waiting: VecDeque<u64>,
    /// The session whose stream failed: what still comes of it is dropped.
    failed: Option<u64>,
}

/// Answers an append connection until it ends.
pub(super) async fn answer_appends<I: Inbound>(
    served: &Served<I>,
    link: &mut Link,
    from: u64,
) -> Result<(), LinkError> {
    let mut appends = Appends { served, from, running: None, waiting: VecDeque::new(), failed: None };
    let Link { reader, writer } = link;
    loop {
        let room = appends.waiting.len() < WINDOW;
        tokio::select! {
            append = timeout(IDLE, reader.read::<Append>(WIRE_FORMAT)), if room => {
                match append.unwrap_or(Err(LinkError::Slow("the next request")))? {
                    Some(append) => appends.take(append, writer).await?,
                    None => return Ok(()),
                }
            }
            answer = next_answer(&mut appends.running) => appends.tell(answer, writer).await?,
        }
        // What is ready by now goes out together.
        while let Some(answer) = next_answer(&mut appends.running).now_or_never() {
            appends.tell(answer, writer).await?;
        }
        writer.flush().await?;
    }
}

async fn next_answer(running: &mut Option<Running>) -> Option<Result<AppendResult, Stopped>> {
    match running {
        Some(running) => running.answers.next().await,
        None => std::future::pending().await,
    }
}

impl<I: Inbound> Appends<'_, I> {
    /// Hands a request to the node, in the stream that runs or a new one.
    async fn take(&mut self, Append { session, request }: Append, writer: &mut Writer) -> Result<(), LinkError> {
        if !self.served.may(self.from, Purpose::Append) {
            return Err(LinkError::Turned(Turned::NoMember));
        }
        if self.failed == Some(session) {
            let result = Err(DROPPED.to_owned());
            return writer.feed(WIRE_FORMAT, &Appended { session, result }).await;
        }
        let running = self.running.get_or_insert_with(|| {
            let (requests, mut incoming) = mpsc::channel(WINDOW);
            let incoming = futures_util::stream::poll_fn(move |context| incoming.poll_recv(context));
            Running { requests, answers: self.served.inbound.append(self.from, Box::pin(incoming)) }
        });
        self.waiting.push_back(session);
        // There is room: no more requests wait than the channel holds. A stream that has ended says so by itself.
        drop(running.requests.try_send(request));
        Ok(())
    }

    /// Tells the peer an answer. After a failure the stream is over, and so are the requests that it still had.
    async fn tell(
        &mut self,
        answer: Option<Result<AppendResult, Stopped>>,
        writer: &mut Writer,
    ) -> Result<(), LinkError> {
        let Some(session) = self.waiting.pop_front() else {
            // Nothing was asked: the stream ended on its own.
            self.running = None;
            return Ok(());
        };
        let (result, stopped) = match answer {
            Some(Ok(result)) => (Ok(result), None),
            Some(Err(stopped)) => (Err(stopped.to_string()), Some(stopped)),
            None => (Err("the stream ended".to_owned()), None),
        };
        let goes_on = matches!(result, Ok(Ok(_)));
        writer.feed(WIRE_FORMAT, &Appended { session, result }).await?;
        if goes_on {
            return Ok(());
        }
        self.running = None;
        self.failed = Some(session);
        for session in std::mem::take(&mut self.waiting) {
            let result = Err(DROPPED.to_owned());
            writer.feed(WIRE_FORMAT, &Appended { session, result }).await?;
        }
        match stopped {
            Some(stopped) => {
                writer.flush().await?;
                Err(stopped.into())
            }
            None => Ok(()),
        }
    }
}

/// Answers a call connection until it ends. On one that is for joining, joining is all that is answered.
pub(super) async fn answer_calls<I: Inbound>(
    served: &Arc<Served<I>>,
    link: &mut Link,
    from: u64,
    purpose: Purpose,
) -> Result<(), LinkError> {
    let Link { reader, writer } = link;
    let (told, mut tell) = mpsc::channel::<Told>(CALLS);
    let permits = Arc::new(Semaphore::new(CALLS));
    // Dropping the set ends what nobody waits for any more.
    let mut working = JoinSet::new();
    let hear = async {
        loop {
            let question = timeout(IDLE, reader.read::<Question>(WIRE_FORMAT)).await;
            let Some(question) = question.unwrap_or(Err(LinkError::Slow("the next call")))? else {
                return Ok::<(), LinkError>(());
            };
            while working.try_join_next().is_some() {}
            if !served.may(from, purpose) {
                return Err(LinkError::Turned(Turned::NoMember));
            }
            let (served, told, id) = (Arc::clone(served), told.clone(), question.id);
            if matches!(question.ask, Ask::Ping) {
                told.send(Told { id, tell: Tell::Pong }).await.map_err(|_gone| LinkError::Closed)?;
                continue;
            }
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                let tell = Tell::Reply(PeerReply::Busy);
                told.send(Told { id, tell }).await.map_err(|_gone| LinkError::Closed)?;
                continue;
            };
            working.spawn(async move {
                let patience = Duration::from_millis(question.within_ms.into()).min(LONGEST_CALL);
                let answered = timeout(patience, answer(&served, from, purpose, question.ask)).await;
                // Whoever asked has given up by then.
                if let Ok(tell) = answered {
                    drop(told.send(Told { id, tell }).await);
                }
                drop(permit);
            });
        }
    };
    let answer = async {
        while let Some(first) = tell.recv().await {
            writer.feed(WIRE_FORMAT, &first).await?;
            while let Ok(more) = tell.try_recv() {
                writer.feed(WIRE_FORMAT, &more).await?;
            }
            writer.flush().await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = hear => ended,
        ended = answer => ended,
    }
}

async fn answer<I: Inbound>(served: &Served<I>, from: u64, purpose: Purpose, ask: Ask) -> Tell {
    let inbound = &served.inbound;
    let told = match ask {
        Ask::Call(call) if purpose == Purpose::Join => match &call {
            PeerCall::Join { node, .. } if *node == from => Ok(Tell::Reply(inbound.call(from, call).await)),
            _ => Ok(Tell::Failed("only a node's own join belongs on this connection".to_owned())),
        },
        _ if purpose == Purpose::Join => Ok(Tell::Failed("only a join belongs on this connection".to_owned())),
        Ask::Ping => Ok(Tell::Pong),
        Ask::Vote(request) => inbound.vote(request).await.map(Tell::Vote),
        Ask::PreVote(request) => inbound.pre_vote(request).await.map(Tell::Vote),
        Ask::Transfer(request) => inbound.transfer_leader(request).await.map(Tell::Transfer),
        Ask::Call(call) => Ok(Tell::Reply(inbound.call(from, call).await)),
    };
    told.unwrap_or_else(|Stopped(reason)| Tell::Failed(reason))
}
