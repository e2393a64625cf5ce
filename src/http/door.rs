//! The door: HTTP in, `Request` out; `Reply` in, HTTP out. One door, then an enum (docs/adr/0005): nothing here can
//! reject, so no request is answered in a shape that its dialect does not know.
//!
//! warp's filters take a request apart, but for our own API, where nearly all requests come: that is taken as hyper has
//! it (docs/adr/0063). Both ways end in the same function.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt as _};
use http_body_util::BodyDataStream;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use tokio::time::Instant;
use warp::{Filter as _, Reply as _};

use super::outgoing::Outgoing;
use super::{House, Serves, health, metrics_endpoint};
use crate::dialect::Language;
use crate::dialect::reply::{Content, Reply};
use crate::dialect::request::{Body, Head, Raw, Request};
use crate::dialect::trouble::{Malformed, Trouble};

/// Who is at the other end; put into each request's extensions by the listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Counts a request out when it is answered, or dropped.
struct InFlight<'a>(&'a House);

impl InFlight<'_> {
    fn enter(house: &House) -> InFlight<'_> {
        house.in_flight.increment(1.0);
        InFlight(house)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.decrement(1.0);
    }
}

/// Whether a request is one of our own API's.
pub(super) fn is_ours(path: &str) -> bool {
    path.starts_with("/api/")
}

/// A request of our own API, taken apart as hyper has it. It is small: all that is moved with the future of its answer is moved with
/// every request.
pub(super) struct Ours {
    house: Arc<House>,
    asked: Asked,
    body: Option<BodyDataStream<Incoming>>,
}

impl Ours {
    pub(super) fn of(house: Arc<House>, peer: IpAddr, request: hyper::Request<Incoming>) -> Ours {
        let (head, body) = request.into_parts();
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
        let raw = Raw { method: head.method, path, query, headers: head.headers };
        let body = (!body.is_end_stream()).then(|| BodyDataStream::new(body));
        Ours { asked: Asked::of(raw, peer, &house), house, body }
    }

    pub(super) async fn answer(self, serves: Serves) -> hyper::Response<Outgoing> {
        let _inside = InFlight::enter(&self.house);
        let reply = self.asked.answer(&self.house, serves, self.body).await;
        dressed(hyper::Response::new(Outgoing::from(reply.body)), reply.status, reply.headers)
    }
}

/// What a listener's connections serve besides.
pub(super) fn door(
    house: Arc<House>,
    serves: Serves,
) -> impl warp::Filter<Extract = (warp::reply::Response,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
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
                let _inside = InFlight::enter(&house);
                let raw = Raw { method, path: path.as_str().to_owned(), query, headers };
                let reply = Asked::of(raw, peer.0, &house).answer(&house, serves, Some(body)).await;
                let bare = match reply.body {
                    Content::Whole(bytes) => warp::reply::Response::new(bytes.into()),
                    Content::Pieces(pieces) => warp::reply::stream(pieces).into_response(),
                };
                dressed(bare, reply.status, reply.headers)
            }
        })
}

struct Asked {
    head: Arc<Head>,
    bad: Option<Malformed>,
    at: Instant,
}

impl Asked {
    fn of(raw: Raw, peer: IpAddr, house: &House) -> Asked {
        let at = Instant::now();
        let (head, bad) = Head::of(raw, peer, at + house.limits.request);
        Asked { head: Arc::new(head), bad, at }
    }

    async fn answer<S, B, E>(self, house: &House, serves: Serves, body: Option<S>) -> Reply
    where
        S: Stream<Item = Result<B, E>> + Send + Sync + 'static,
        B: Buf,
        E: ToString,
    {
        let Asked { head, bad, at } = self;
        let language = Language::of_path(&head.path);
        if let Some(malformed) = bad {
            return language.trouble(&head, &Trouble::Malformed(malformed));
        }
        let first = head.path.first().map_or("", String::as_str);
        if let "livez" | "readyz" | "healthz" = first {
            // Boxed, as the metrics below: what few ask for must not make everybody's future larger.
            return Box::pin(health::answer(house, &head)).await;
        }
        let metrics = first == "metrics" && head.path.len() == 1;
        match (serves, metrics) {
            (Serves::Metrics, true) => Box::pin(metrics_endpoint::open(house, &head)).await,
            (Serves::Metrics, false) => language.trouble(&head, &Trouble::Malformed(Malformed::UnknownPath)),
            (Serves::Api, true) => Box::pin(metrics_endpoint::with_right(house, &head)).await,
            (Serves::Api, false) => {
                let pieces = body.map(|body| {
                    body.map(|piece| {
                        let whole = |mut piece: B| -> Bytes { piece.copy_to_bytes(piece.remaining()) };
                        piece.map(whole).map_err(|error| error.to_string())
                    })
                });
                let deadline = at + house.limits.body;
                let body = pieces.map_or_else(Body::empty, |pieces| Body::new(pieces, deadline));
                language.serve(house.context.clone(), Request { head, body }).await
            }
        }
    }
}

/// A response with its status and headers.
fn dressed<B>(
    mut bare: hyper::Response<B>,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> hyper::Response<B> {
    *bare.status_mut() = status;
    bare.headers_mut().reserve(headers.len());
    for (name, value) in headers {
        bare.headers_mut().append(name, value);
    }
    bare
}

/// Keeps the compiler's word that the door cannot fail.
pub(super) type Never = Infallible;
