//! The one call connection to a peer: many questions at once, answers in any order, made when it is first needed and
//! again after it broke. Pings show a dead peer, and measure the way there and back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use super::client::{CallFailed, Local, Peer, Peers, lock};
use super::dial::dial;
use super::frame::{Link, LinkError, Reader, Writer};
use super::wire::{Ask, PeerCall, PeerReply, Purpose, Question, Tell, Told, WIRE_FORMAT};

/// So many questions wait for one connection; more are refused, their callers hold them.
const WAITING_CALLS: usize = 1_024;
/// How often a connection is asked whether anybody is there.
const PING_EVERY: Duration = Duration::from_secs(1);
/// A connection on which nothing came for so long, several pings, is dead.
const SILENCE: Duration = Duration::from_secs(4);

/// A question on its way.
pub(super) struct Job {
    ask: Ask,
    deadline: Instant,
    reply: oneshot::Sender<Result<Tell, Broken>>,
}

/// Why a question got no answer.
enum Broken {
    /// It never left.
    NotSent(LinkError),
    /// It may have arrived.
    Lost(LinkError),
}

/// Questions that left, by their ids.
#[derive(Default)]
struct Pending {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Tell, Broken>>>,
    pings: HashMap<u64, Instant>,
}

impl Peers {
    /// Asks over the peer's call connection.
    pub(in crate::replica) async fn ask(
        &self,
        peer: &Arc<Peer>,
        ask: Ask,
        deadline: Instant,
    ) -> Result<Tell, CallFailed> {
        let node = peer.node;
        let (reply, answer) = oneshot::channel();
        self.hand_over(peer, Job { ask, deadline, reply })
            .map_err(|reason| CallFailed::Unreachable { node, reason: reason.to_string() })?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(Ok(Tell::Failed(reason)))) => Err(CallFailed::Lost { node, reason }),
            Ok(Ok(Ok(tell))) => Ok(tell),
            Ok(Ok(Err(Broken::NotSent(error)))) => Err(CallFailed::Unreachable { node, reason: error.to_string() }),
            Ok(Ok(Err(Broken::Lost(error)))) => Err(CallFailed::Lost { node, reason: error.to_string() }),
            Ok(Err(_)) => Err(CallFailed::Lost { node, reason: LinkError::Closed.to_string() }),
            Err(_) => Err(CallFailed::Deadline { node }),
        }
    }

    /// Gives the job to the connection that there is, or to a new one.
    fn hand_over(&self, peer: &Arc<Peer>, job: Job) -> Result<(), LinkError> {
        if lock(&peer.guard).reverted() {
            return Err(LinkError::Reverted);
        }
        let mut calls = lock(&peer.calls);
        let open = match calls.take().filter(|open| !open.is_closed()) {
            Some(open) => open,
            None => self.open_calls(peer)?,
        };
        let given = open.try_send(job);
        *calls = Some(open);
        given.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LinkError::Slow("handing over a call"),
            mpsc::error::TrySendError::Closed(_) => LinkError::Closed,
        })
    }

    fn open_calls(&self, peer: &Arc<Peer>) -> Result<mpsc::Sender<Job>, LinkError> {
        peer.check_pause()?;
        let (open, jobs) = mpsc::channel(WAITING_CALLS);
        tokio::spawn(run(self.local().clone(), Arc::clone(peer), jobs));
        Ok(open)
    }

    /// Asks the node `node` at `address` to take this one in; for a node that is no member yet.
    ///
    /// # Errors
    /// When it does not answer before `deadline`.
    pub async fn join(
        &self,
        node: u64,
        address: &str,
        call: PeerCall,
        deadline: Instant,
    ) -> Result<PeerReply, CallFailed> {
        let local = self.local().clone();
        let asked = async {
            let mut link = dial(local, node, address.to_owned(), Purpose::Join, Arc::default())
                .await
                .map_err(|error| CallFailed::Unreachable { node, reason: error.to_string() })?;
            let question = Question { id: 1, within_ms: left_ms(deadline), ask: Ask::Call(call) };
            let answered = async {
                link.writer.send(WIRE_FORMAT, &question).await?;
                link.reader.expect::<Told>().await
            };
            answered.await.map_err(|error| CallFailed::Lost { node, reason: error.to_string() })
        };
        let told = timeout_at(deadline, asked).await.unwrap_or(Err(CallFailed::Deadline { node }))?;
        as_reply(node, told.tell)
    }
}

/// The reply to a call.
pub(super) fn as_reply(node: u64, tell: Tell) -> Result<PeerReply, CallFailed> {
    match tell {
        Tell::Reply(reply) => Ok(reply),
        Tell::Failed(reason) => Err(CallFailed::Lost { node, reason }),
        Tell::Pong | Tell::Vote(_) | Tell::Transfer(_) => {
            Err(CallFailed::Lost { node, reason: LinkError::OutOfTurn.to_string() })
        }
    }
}

fn left_ms(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    u32::try_from(left).unwrap_or(u32::MAX).max(1)
}

/// One connection's life. Ends when it breaks, or when nobody holds the sending side of `jobs` any more.
async fn run(local: Local, peer: Arc<Peer>, mut jobs: mpsc::Receiver<Job>) {
    let pending = Mutex::new(Pending::default());
    let error = match peer.connect(local, Purpose::Calls).await {
        Ok(Link { reader, writer }) => {
            let error = tokio::select! {
                error = ask_all(&pending, &mut jobs, writer) => error,
                error = hear_all(&peer, &pending, reader) => error,
            };
            if error != LinkError::Closed {
                tracing::info!(node = peer.node, %error, "the call connection broke");
            }
            peer.failed();
            error
        }
        Err(error) => error,
    };
    for reply in std::mem::take(&mut lock(&pending).waiting).into_values() {
        // Whoever does not wait any longer does not mind.
        drop(reply.send(Err(Broken::Lost(error.clone()))));
    }
    jobs.close();
    while let Some(job) = jobs.recv().await {
        drop(job.reply.send(Err(Broken::NotSent(error.clone()))));
    }
}

/// Sends what is asked, and pings.
async fn ask_all(pending: &Mutex<Pending>, jobs: &mut mpsc::Receiver<Job>, mut writer: Writer) -> LinkError {
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let question = tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => lock(pending).enter(job),
                None => return LinkError::Closed,
            },
            _ = ping.tick() => Some(lock(pending).ping()),
        };
        let Some(question) = question else { continue };
        if let Err(error) = send(pending, jobs, &mut writer, question).await {
            return error;
        }
    }
}

/// Sends `question`, and with it what else waits.
async fn send(
    pending: &Mutex<Pending>,
    jobs: &mut mpsc::Receiver<Job>,
    writer: &mut Writer,
    question: Question,
) -> Result<(), LinkError> {
    let mut next = Some(question);
    while let Some(question) = next {
        match writer.feed(WIRE_FORMAT, &question).await {
            Err(error @ LinkError::TooLong(_)) => lock(pending).refuse(question.id, error),
            other => other?,
        }
        next = std::iter::from_fn(|| jobs.try_recv().ok()).find_map(|job| lock(pending).enter(job));
    }
    timeout(SILENCE, writer.flush()).await.unwrap_or(Err(LinkError::Slow("sending")))
}

/// Hands every answer to whoever waits for it.
async fn hear_all(peer: &Peer, pending: &Mutex<Pending>, mut reader: Reader) -> LinkError {
    loop {
        let told: Told = match timeout(SILENCE, reader.expect()).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => return error,
            Err(_) => return LinkError::Slow("any sign of life"),
        };
        match (told.tell, &mut *lock(pending)) {
            (Tell::Pong, pending) => {
                if let Some(asked) = pending.pings.remove(&told.id) {
                    peer.round_trip(asked.elapsed());
                }
            }
            (tell, pending) => {
                if let Some(reply) = pending.waiting.remove(&told.id) {
                    drop(reply.send(Ok(tell)));
                }
            }
        }
    }
}

impl Pending {
    /// The job's question; nothing when nobody waits for the answer any more.
    fn enter(&mut self, job: Job) -> Option<Question> {
        if job.reply.is_closed() {
            return None;
        }
        self.last += 1;
        self.waiting.insert(self.last, job.reply);
        Some(Question { id: self.last, within_ms: left_ms(job.deadline), ask: job.ask })
    }

    /// A ping; the moment to forget those who do not wait any longer, too.
    fn ping(&mut self) -> Question {
        self.waiting.retain(|_, reply| !reply.is_closed());
        self.last += 1;
        self.pings.insert(self.last, Instant::now());
        Question { id: self.last, within_ms: 0, ask: Ask::Ping }
    }

    fn refuse(&mut self, id: u64, error: LinkError) {
        if let Some(reply) = self.waiting.remove(&id) {
            drop(reply.send(Err(Broken::NotSent(error))));
        }
    }
}
