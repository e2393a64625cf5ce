//! A reply's body on its way out; while it is not all with hyper, its request runs.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};

use super::connection::Running;
use crate::dialect::reply::{Content, Pieces};

/// Why a body ends before its end.
pub(super) type Broken = Box<dyn Error + Send + Sync>;

/// A body.
pub(super) struct Outgoing {
    kind: Kind,
    /// Lets go of the request when hyper lets go of the body.
    running: Option<Running>,
}

enum Kind {
    /// All of it, until it is taken.
    Whole(Option<Bytes>),
    /// Piece by piece.
    Pieces(Pieces),
    /// As a filter made it.
    Filtered(UnsyncBoxBody<Bytes, Broken>),
}

impl From<Content> for Outgoing {
    fn from(content: Content) -> Outgoing {
        let kind = match content {
            Content::Whole(bytes) => Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())),
            Content::Pieces(pieces) => Kind::Pieces(pieces),
        };
        Outgoing { kind, running: None }
    }
}

impl Outgoing {
    /// What a filter answered.
    pub(super) fn filtered(body: UnsyncBoxBody<Bytes, Broken>) -> Outgoing {
        Outgoing { kind: Kind::Filtered(body), running: None }
    }

    /// The same; the request runs until all of it is on its way.
    pub(super) fn of(self, running: Running) -> Outgoing {
        Outgoing { running: Some(running), ..self }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let next = match &mut this.kind {
            Kind::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Kind::Pieces(pieces) => {
                ready!(pieces.as_mut().poll_next(cx)).map(|piece| piece.map(Frame::data).map_err(Broken::from))
            }
            Kind::Filtered(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        if next.is_none() || this.is_end_stream() {
            this.running = None;
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Pieces(_) => false,
            Kind::Filtered(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Pieces(_) => SizeHint::default(),
            Kind::Filtered(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::stream;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::connection::Idle;

    fn running(content: Content) -> (Outgoing, Arc<Idle>) {
        let idle = Arc::new(Idle::new());
        let body = Outgoing::from(content).of(idle.begin(Duration::from_secs(1)));
        (body, idle)
    }

    #[tokio::test]
    async fn a_request_runs_until_its_whole_body_is_taken() {
        let (mut body, idle) = running(Content::Whole(Bytes::from_static(b"pool")));
        assert_eq!((body.size_hint().exact(), idle.running()), (Some(4), 1));
        let frame = body.frame().await.expect("there is one").expect("that is whole");
        assert_eq!(frame.into_data().ok(), Some(Bytes::from_static(b"pool")));
        assert!(body.is_end_stream());
        assert_eq!(idle.running(), 0);
    }

    #[tokio::test]
    async fn a_streamed_body_runs_until_its_last_piece_and_may_break() {
        let pieces = stream::iter([Ok(Bytes::from_static(b"a")), Err("cut".to_owned())]);
        let (mut body, idle) = running(Content::Pieces(Box::pin(pieces)));
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
        assert_eq!(idle.running(), 1);
        assert!(body.frame().await.is_none());
        assert_eq!(idle.running(), 0);
    }

    #[test]
    fn an_empty_body_ends_before_it_begins() {
        let body = Outgoing::from(Content::Whole(Bytes::new()));
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}
