//! Our own accept loop: places, TLS, deadlines, a graceful end. `warp::serve` has none of them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{counter, gauge};
use futures_util::future::Either;
use http_body_util::BodyExt as _;
use hyper::Version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower_service::Service as _;

use super::connection::{Idle, Watched};
use super::door::{Never, Ours, Peer, door, is_ours};
use super::limits::{Guests, Limits};
use super::outgoing::{Broken, Outgoing};
use super::tls::Tls;
use super::{House, Serves};
use crate::metrics;

/// How long the accept loop waits when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Streams that one HTTP/2 connection may have open.
const STREAMS: u32 = 100;
/// How many times a head's time an HTTP/2 connection may idle between requests; on HTTP/1 hyper counts the wait for the
/// next head into that head's time.
const IDLE_FACTOR: u32 = 12;

/// A listener that runs.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Listener {
    /// Binds, and serves until told to stop: connections live on `runtime`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(
        house: Arc<House>,
        serves: Serves,
        address: SocketAddr,
        tls: Option<Tls>,
        runtime: &Handle,
    ) -> io::Result<Listener> {
        let listener = runtime.spawn(TcpListener::bind(address)).await.map_err(io::Error::other)??;
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let task = runtime.spawn(accept(Accepting { house, serves, tls, stopping }, listener));
        Ok(Listener { address, task, stop })
    }

    /// Takes no more connections, lets running requests end within [`Limits::drain`], then closes what is left.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, address = %self.address, "a listener failed");
        }
    }
}

#[derive(Clone)]
struct Accepting {
    house: Arc<House>,
    serves: Serves,
    tls: Option<Tls>,
    stopping: watch::Receiver<bool>,
}

async fn accept(accepting: Accepting, listener: TcpListener) {
    let mut stopping = accepting.stopping.clone();
    let guests = Guests::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = told(&mut stopping) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => take(&accepting, &guests, &mut connections, stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(accepting.house.limits.drain, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// Waits until the listener is told to stop, or nobody is left to tell it.
async fn told(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("a listener was forgotten");
    }
}

/// Gives a connection its place, or closes it at once.
fn take(accepting: &Accepting, guests: &Guests, tasks: &mut JoinSet<()>, stream: TcpStream, peer: IpAddr) {
    let place = match guests.enter(peer, &accepting.house.limits) {
        Ok(place) => place,
        Err(full) => {
            counter!(metrics::HTTP_REFUSED_CONNECTIONS, "limit" => full.name()).increment(1);
            return;
        }
    };
    let accepting = accepting.clone();
    tasks.spawn(async move {
        let _place = place;
        gauge!(metrics::HTTP_CONNECTIONS).increment(1.0);
        let _open = Open;
        connect(accepting, stream, peer).await;
    });
}

/// Counts a connection out.
struct Open;

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(metrics::HTTP_CONNECTIONS).decrement(1.0);
    }
}

async fn connect(accepting: Accepting, stream: TcpStream, peer: IpAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection went away");
        return;
    }
    let limits = accepting.house.limits.clone();
    match accepting.tls.clone() {
        None => serve(accepting, stream, peer, &limits).await,
        Some(tls) => match timeout(limits.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve(accepting, stream, peer, &limits).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
            Err(_elapsed) => tracing::debug!(%peer, "the TLS handshake took too long"),
        },
    }
}

fn protocol(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The connection's idle watch is that timer: see [`Idle`].
        .header_read_timeout(None)
        // Most headers (L4) are hyper's own 100: being told a number, it would make room for it anew in each request.
        .max_buf_size(limits.head_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head);
    builder
}

async fn serve<T>(accepting: Accepting, stream: T, peer: IpAddr, limits: &Limits)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Accepting { house, serves, mut stopping, .. } = accepting;
    let idle = Arc::new(Idle::new());
    let (filters, requests) = (warp::service(door(Arc::clone(&house), serves)), Arc::clone(&idle));
    let head = limits.head;
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        // On HTTP/1 the wait for a head counts into that head's time; streams of HTTP/2 come and go.
        let patience = if request.version() == Version::HTTP_2 { head * IDLE_FACTOR } else { head };
        let running = requests.begin(patience);
        let way = if is_ours(request.uri().path()) {
            Either::Left(Ours::of(Arc::clone(&house), peer, request))
        } else {
            request.extensions_mut().insert(Peer(peer));
            let mut filters = filters.clone();
            // Boxed: the rare way must not make the future of the usual one larger.
            Either::Right(Box::pin(async move { filters.call(request).await }))
        };
        async move {
            let response = match way {
                Either::Left(ours) => ours.answer(serves).await,
                Either::Right(filtered) => {
                    filtered.await?.map(|body| Outgoing::filtered(body.map_err(Broken::from).boxed_unsync()))
                }
            };
            Ok::<_, Never>(response.map(|body| body.of(running)))
        }
    });
    let protocol = protocol(limits);
    let connection = protocol.serve_connection(TokioIo::new(Watched::new(stream, limits.stall)), service);
    tokio::pin!(connection);
    let old = sleep_until(Instant::now() + limits.age);
    tokio::pin!(old);
    let unused = idle.too_long(limits.head);
    tokio::pin!(unused);
    let told = told(&mut stopping);
    tokio::pin!(told);
    let mut asked_to_end = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended");
                }
                return;
            }
            () = &mut old, if !asked_to_end => asked_to_end = true,
            () = &mut told, if !asked_to_end => asked_to_end = true,
            () = &mut unused => return,
        }
        if asked_to_end {
            connection.as_mut().graceful_shutdown();
        }
    }
}
