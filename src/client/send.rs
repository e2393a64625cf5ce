//! Sending: which node is asked, when the next one, and when to give up.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};

use super::error::cause;
use super::{ApiError, Attempt, Client, ClientError, Credential, Reply, Request, shown};

/// Largest answer that is read, in bytes: a list of everything with a million entries fits.
pub const ANSWER_BYTES: usize = 512 << 20;
/// First pause after every node was asked in vain; it doubles up to [`PAUSE_MOST`].
const PAUSE_FIRST: Duration = Duration::from_millis(25);
/// Longest pause: an election takes less.
const PAUSE_MOST: Duration = Duration::from_millis(800);

/// What came of asking one node.
enum Asked {
    /// An answer that settles it.
    Settled(Result<Reply, ClientError>),
    /// No connection came about: nothing was sent.
    NotConnected(String),
    /// It was sent, and no answer came.
    Lost(String),
    /// The node cannot serve now; `unknown`: it may have been done.
    Unserved { why: String, unknown: bool, retry_after: Option<Duration> },
}

/// What is known after some tries.
struct Tries {
    last: Vec<Attempt>,
    connected: bool,
    maybe_done: bool,
    /// The shortest wait that a node of this round asked for.
    retry_after: Option<Duration>,
}

impl Client {
    /// Asks the nodes, one after the other and again, until one answers or the time is over.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send(&self, mut request: Request) -> Result<Reply, ClientError> {
        if !request.reads() && request.key.is_none() {
            request.key = Some(uuid::Uuid::new_v4().to_string());
        }
        let begin = Instant::now();
        let deadline = begin + self.inner.timeout + request.waits;
        let mut tries = Tries { last: Vec::new(), connected: false, maybe_done: false, retry_after: None };
        let mut pause = PAUSE_FIRST;
        loop {
            tries.retry_after = None;
            for node in self.order() {
                let asked = self.ask(node, &request, deadline).await;
                if let Asked::Settled(answer) = asked {
                    self.prefer(node);
                    return answer;
                }
                tries.note(shown(&self.inner.nodes[node]), asked, &request);
                if Instant::now() >= deadline {
                    return Err(tries.give_up(&request));
                }
            }
            if !tries.connected && begin.elapsed() >= self.inner.unreachable_patience {
                return Err(tries.give_up(&request));
            }
            let wait = jittered(pause).max(tries.retry_after.unwrap_or_default());
            if Instant::now() + wait >= deadline {
                return Err(tries.give_up(&request));
            }
            sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    async fn ask(&self, node: usize, request: &Request, deadline: Instant) -> Asked {
        let url = match request.on(&self.inner.nodes[node]) {
            Ok(url) => url,
            Err(error) => return Asked::Settled(Err(error)),
        };
        let mut http = self.inner.http.request(request.method.clone(), url).headers(self.headers(request));
        if let Some((_, body)) = &request.body {
            http = http.body(body.clone());
        }
        let attempt = deadline.min(Instant::now() + self.inner.attempt_timeout + request.waits);
        let response = match timeout_at(attempt, http.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => return Asked::NotConnected(cause(&error)),
            Ok(Err(error)) if error.is_builder() => {
                return Asked::Settled(Err(ClientError::Config(format!(
                    "the request cannot be sent: {}",
                    cause(&error)
                ))));
            }
            Ok(Err(error)) => return Asked::Lost(cause(&error)),
            Err(_) => return Asked::Lost("no answer in time".to_owned()),
        };
        let name = shown(&self.inner.nodes[node]);
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let unsure = response.headers().get("quartermaster-write").is_some_and(|write| write == "unknown");
        let body = match timeout_at(attempt, collect(response)).await {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None)) => {
                let why = format!("more than {ANSWER_BYTES} bytes");
                return Asked::Settled(Err(ClientError::Strange { node: name, why }));
            }
            Ok(Err(error)) => return Asked::Lost(cause(&error)),
            Err(_) => return Asked::Lost("no whole answer in time".to_owned()),
        };
        settle(name, status, retry_after, unsure, body)
    }

    fn headers(&self, request: &Request) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let credential = match &self.inner.credential {
            Credential::None => None,
            Credential::Basic { user, password } => {
                use base64::Engine as _;
                let pair = format!("{user}:{}", password.expose());
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
            }
            Credential::Bearer(token) => Some(format!("Bearer {}", token.expose())),
        };
        if let Some(mut value) = credential.and_then(|text| HeaderValue::try_from(text).ok()) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(value) = request.key.as_deref().and_then(|key| HeaderValue::from_str(key).ok()) {
            headers.insert("idempotency-key", value);
        }
        if let Some((content_type, _)) = request.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(ACCEPT, HeaderValue::from_static(request.accept.unwrap_or("application/json")));
        headers
    }
}

impl Tries {
    fn note(&mut self, node: String, asked: Asked, request: &Request) {
        let why = match asked {
            Asked::Settled(_) => return,
            Asked::NotConnected(why) => why,
            Asked::Lost(why) => {
                self.connected = true;
                self.maybe_done |= !request.reads();
                why
            }
            Asked::Unserved { why, unknown, retry_after } => {
                self.connected = true;
                self.maybe_done |= unknown && !request.reads();
                self.retry_after = match (self.retry_after, retry_after) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
                why
            }
        };
        self.last.retain(|attempt| attempt.node != node);
        self.last.push(Attempt { node, why });
    }

    fn give_up(self, request: &Request) -> ClientError {
        let Tries { last: tried, connected, maybe_done, retry_after } = self;
        if maybe_done {
            ClientError::Unknown { tried, key: request.key.clone().unwrap_or_default() }
        } else if connected {
            ClientError::NotServed { tried, retry_after }
        } else {
            ClientError::NoNode { tried }
        }
    }
}

/// What a whole answer means.
fn settle(node: String, status: u16, retry_after: Option<Duration>, unsure: bool, body: Bytes) -> Asked {
    #[derive(Deserialize)]
    struct Shape {
        error: ApiError,
    }
    if (200..300).contains(&status) {
        return Asked::Settled(Ok(Reply { node, status, body }));
    }
    let error = serde_json::from_slice::<Shape>(&body).map(|shape| shape.error).unwrap_or_default();
    if matches!(status, 502..=504) {
        let why = if error.message.is_empty() { format!("HTTP status {status}") } else { error.message };
        return Asked::Unserved { why, unknown: unsure || status == 504, retry_after };
    }
    Asked::Settled(Err(ClientError::Refused { node, status, error: Box::new(error), retry_after }))
}

/// The whole body; `None` when it is too long.
async fn collect(mut response: reqwest::Response) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// The header in seconds; its form as a date is not used by our nodes.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Between half of `pause` and all of it, so that clients of a failed node do not come back in step.
pub(super) fn jittered(pause: Duration) -> Duration {
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    pause / 2 + pause * random / 512
}
