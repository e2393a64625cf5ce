//! The door: warp in, `Request` out; `Reply` in, warp out. One door, then an enum (docs/adr/0005): no filter here can
//! reject, so no request is answered in a shape that its dialect does not know.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use ::metrics::gauge;
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;
use warp::Filter as _;
use warp::reply::Response;

use super::{House, Serves, health, metrics_endpoint};
use crate::dialect::Language;
use crate::dialect::reply::{Content, Reply};
use crate::dialect::request::{Body, Head, Raw, Request};
use crate::dialect::trouble::{Malformed, Trouble};
use crate::metrics;

/// Who is at the other end; put into each request's extensions by the listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Counts a request out when it is answered, or dropped.
struct InFlight;

impl InFlight {
    fn enter() -> InFlight {
        gauge!(metrics::HTTP_IN_FLIGHT).increment(1.0);
        InFlight
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(metrics::HTTP_IN_FLIGHT).decrement(1.0);
    }
}

/// What a listener's connections serve.
pub(super) fn door(
    house: Arc<House>,
    serves: Serves,
) -> impl warp::Filter<Extract = (Response,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
    warp::any()
        .and(warp::method())
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::body::stream())
        .then(move |method, path: warp::path::FullPath, query: String, headers, peer: Peer, body| {
            let house = house.clone();
            async move {
                let _inside = InFlight::enter();
                let raw = Raw { method, path: path.as_str().to_owned(), query, headers };
                let asked = Asked { raw, peer: peer.0 };
                response(asked.answer(&house, serves, body).await)
            }
        })
}

struct Asked {
    raw: Raw,
    peer: IpAddr,
}

impl Asked {
    async fn answer<S, B>(self, house: &House, serves: Serves, body: S) -> Reply
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
        B: Buf,
    {
        let now = Instant::now();
        let (head, bad) = Head::of(self.raw, self.peer, now + house.limits.request);
        let language = Language::of_path(&head.path);
        if let Some(malformed) = bad {
            return language.trouble(&head, &Trouble::Malformed(malformed));
        }
        let segments: Vec<&str> = head.path.iter().map(String::as_str).collect();
        if let ["livez" | "readyz" | "healthz", ..] = segments.as_slice() {
            return health::answer(house, &head).await;
        }
        match (serves, segments.as_slice()) {
            (Serves::Metrics, ["metrics"]) => metrics_endpoint::open(house, &head).await,
            (Serves::Metrics, _) => language.trouble(&head, &Trouble::Malformed(Malformed::UnknownPath)),
            (Serves::Api, ["metrics"]) => metrics_endpoint::with_right(house, &head).await,
            (Serves::Api, _) => {
                let pieces = body.map(|piece| {
                    let whole = |mut piece: B| -> Bytes { piece.copy_to_bytes(piece.remaining()) };
                    piece.map(whole).map_err(|error| error.to_string())
                });
                let body = Body::new(pieces, now + house.limits.body);
                language.serve(house.context.clone(), Request { head, body }).await
            }
        }
    }
}

fn response(reply: Reply) -> Response {
    let mut response = match reply.body {
        Content::Whole(bytes) => warp::reply::Response::new(bytes.into()),
        Content::Pieces(pieces) => {
            use warp::Reply as _;
            warp::reply::stream(pieces).into_response()
        }
    };
    *response.status_mut() = reply.status;
    for (name, value) in reply.headers {
        response.headers_mut().append(name, value);
    }
    response
}

/// Keeps the compiler's word that the door cannot fail.
pub(super) type Never = Infallible;
