//! Work that may take long, done aside: a node on few cores serves connections on the replica's own thread
//! (docs/adr/0065), which may stand still for no list and no certificate.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::reply::{Content, Pieces, Reply};

/// Pieces of a streamed body that are made ahead of the connection: one is sent while the next is made.
const PIECES_AHEAD: usize = 1;

/// Where such work is done.
#[derive(Debug, Clone)]
pub struct Aside(Handle);

impl Aside {
    /// On that runtime.
    #[must_use]
    pub const fn new(runtime: Handle) -> Aside {
        Aside(runtime)
    }

    /// Does it there, from now on; it ends with this future. A panic there is one here.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let working = AbortOnDropHandle::new(self.0.spawn(work));
        async move {
            working.await.unwrap_or_else(|error: JoinError| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(ended) => panic!("work was ended from outside: {ended}"),
            })
        }
    }

    /// The same reply; the pieces of its body are made there.
    #[must_use]
    pub fn makes(&self, reply: Reply) -> Reply {
        match reply.body {
            Content::Whole(_) => reply,
            Content::Pieces(pieces) => Reply { body: Content::Pieces(self.pieces(pieces)), ..reply },
        }
    }

    fn pieces(&self, mut pieces: Pieces) -> Pieces {
        let (made, taken) = mpsc::channel::<Result<Bytes, String>>(PIECES_AHEAD);
        let making = AbortOnDropHandle::new(self.0.spawn(async move {
            while let Some(piece) = pieces.next().await
                && made.send(piece).await.is_ok()
            {}
        }));
        Box::pin(stream::unfold((taken, making), |(mut taken, making)| async move {
            let piece = taken.recv().await?;
            Some((piece, (taken, making)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use hyper::StatusCode;
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).thread_name("aside").build().expect("a runtime")
    }

    fn here() -> Option<String> {
        thread::current().name().map(str::to_owned)
    }

    fn alone<T>(work: impl Future<Output = T>) -> T {
        Builder::new_current_thread().build().expect("a runtime").block_on(work)
    }

    #[test]
    fn work_and_pieces_are_made_aside() {
        let runtime = runtime();
        let aside = Aside::new(runtime.handle().clone());
        assert_eq!(alone(aside.run(async { here() })).as_deref(), Some("aside"));
        let named = stream::iter(0..3).map(|at| Ok(Bytes::from(format!("{at} {}", here().unwrap_or_default()))));
        let reply = aside.makes(Reply::pieces("text/plain", Box::pin(named)));
        assert_eq!(reply.status, StatusCode::OK);
        let Content::Pieces(pieces) = reply.body else { panic!("it stays in pieces") };
        let all: Vec<_> = alone(pieces.collect());
        assert_eq!(all, ["0 aside", "1 aside", "2 aside"].map(|piece| Ok(Bytes::from(piece))));
    }

    #[test]
    fn work_ends_with_whoever_waits_for_it() {
        let runtime = runtime();
        let aside = Aside::new(runtime.handle().clone());
        let (held, gone) = tokio::sync::oneshot::channel::<()>();
        alone(async {
            drop(aside.run(async move {
                let _held = held;
                std::future::pending::<()>().await;
            }));
            assert!(gone.await.is_err(), "the work was let go of");
        });
    }

    #[test]
    #[should_panic(expected = "a rule of thumb")]
    fn a_panic_comes_back() {
        let runtime = runtime();
        alone(Aside::new(runtime.handle().clone()).run(async { panic!("a rule of thumb") }));
    }
}
