//! The HTTP client of our own API: a list of nodes, failover, and retries that never do a thing twice. The command line
//! stands on it, and whatever reports usage or automates a cluster can.
//!
//! ```no_run
//! # async fn example() -> Result<(), quartermaster::client::ClientError> {
//! use quartermaster::client::{Client, ClientConfig, Request};
//!
//! let client = Client::new(ClientConfig::new(["http://127.0.0.1:8089", "http://127.0.0.1:8189"]))?;
//! let pools = client.send(Request::get(["pools"])).await?.json()?;
//! println!("{} pools", pools["total"]);
//! # Ok(()) }
//! ```
//!
//! What a caller may rely on:
//!
//! * A request goes to the node that answered last; when that node cannot be reached, answers 503 or 504, or is silent
//!   for `ClientConfig::attempt_timeout`, it goes to the next one, until `ClientConfig::timeout` is over.
//! * Every write carries an `Idempotency-Key`, the same on each try, so that a write whose answer was lost is done once.
//! * An answer that names a time to come back (`Retry-After`) is not asked again before.
//! * `ClientError::may_have_been_done` tells "surely not done" from "unknown".
//!
//! A slave reports like this. The sequence makes each report count once, so after any error, and after a crash, the same
//! report goes again under the same sequence; a slave that forgot its sequences begins a new epoch.
//!
//! ```no_run
//! # async fn example() -> Result<(), quartermaster::client::ClientError> {
//! use quartermaster::client::{Client, ClientConfig, Credential, Pace, Report, Row, Secret};
//!
//! let mut config = ClientConfig::new(["https://n1:8089", "https://n2:8089", "https://n3:8089"]);
//! config.credential = Credential::Bearer(Secret::new("a token, read from a file"));
//! let client = Client::new(config)?.begin_anywhere();
//! let mut pace = Pace::default();
//! for sequence in 1.. {
//!     let report = Report {
//!         slave: "6A4D2A0C-…".to_owned(),
//!         epoch: Some("drawn when the sequences began".to_owned()),
//!         sequence: Some(sequence),
//!         rows: vec![Row { bytes: 1_234, sourcetype: Some("syslog".to_owned()), ..Row::default() }],
//!         ..Report::default()
//!     };
//!     loop {
//!         let answer = client.report(std::slice::from_ref(&report)).await;
//!         tokio::time::sleep(pace.after(&answer)).await;
//!         if answer.is_ok_and(|answer| answer.results[0].is_counted()) {
//!             break;
//!         }
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! `quartermaster agent` is this loop with a spool behind it.

mod error;
mod journal;
mod pace;
mod request;
mod send;
mod tls;
mod usage;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Url;

pub use error::{ApiError, Attempt, ClientError};
pub use journal::Journal;
pub use pace::Pace;
pub use request::{Reply, Request};
pub use send::ANSWER_BYTES;
pub use usage::{Acknowledged, Report, ReportResult, Row};

/// How long a whole request may take by default, all tries together: an election and a slow disk fit in.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// How long one node may stay silent by default before the next one is asked.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it is tried by default while not one node can even be connected to: a wrong address is told soon.
pub const UNREACHABLE_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Most nodes in a list: more are a mistake, and each costs a try.
pub const NODES: usize = 32;

/// A text that is never printed: not by `Debug`, not in errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret, without the line end that files and prompts leave behind.
    #[must_use]
    pub fn new(text: &str) -> Secret {
        Secret(text.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The secret itself: for a header, a hash, nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// By what a request proves who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credential {
    /// By nothing: health and login only.
    #[default]
    None,
    /// User and password, with every request.
    Basic {
        /// The user's name.
        user: String,
        /// Its password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
}

/// What a client needs to know.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// The nodes' URLs; any of them answers. Without a scheme, `https` is meant.
    pub nodes: Vec<String>,
    /// Certificates in PEM that the nodes' certificates must come from; absent: the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Who asks.
    pub credential: Credential,
    /// How long a whole request may take; absent: [`TIMEOUT`].
    pub timeout: Option<Duration>,
    /// How long one node may stay silent; absent: [`ATTEMPT_TIMEOUT`].
    pub attempt_timeout: Option<Duration>,
    /// How long to go on while no node can be connected to; absent: [`UNREACHABLE_PATIENCE`].
    pub unreachable_patience: Option<Duration>,
}

impl ClientConfig {
    /// Knows the nodes and nothing else.
    pub fn new<N: Into<String>>(nodes: impl IntoIterator<Item = N>) -> ClientConfig {
        ClientConfig { nodes: nodes.into_iter().map(Into::into).collect(), ..ClientConfig::default() }
    }
}

/// A client of one cluster. Cheap to clone; clones share connections and the knowledge of which node answers.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    nodes: Vec<Url>,
    /// Index of the node that answered last.
    preferred: AtomicUsize,
    credential: Credential,
    timeout: Duration,
    attempt_timeout: Duration,
    unreachable_patience: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("nodes", &self.nodes()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the nodes of `config`. Connects to nothing yet.
    ///
    /// # Errors
    /// When there is no node, an address or the CA file is none, or a password would go over plain HTTP to another
    /// machine.
    pub fn new(config: ClientConfig) -> Result<Client, ClientError> {
        let nodes = config.nodes.iter().map(|node| address(node)).collect::<Result<Vec<Url>, ClientError>>()?;
        if !(1..=NODES).contains(&nodes.len()) {
            return Err(ClientError::Config(format!("{} nodes are named; 1 to {NODES} are needed", nodes.len())));
        }
        if config.credential != Credential::None
            && let Some(open) = nodes.iter().find(|node| node.scheme() == "http" && !is_loopback(node))
        {
            return Err(ClientError::Config(format!(
                "credentials never go over plain HTTP to another machine: {open}"
            )));
        }
        let inner = Inner {
            http: tls::http_client(config.ca_pem.as_deref())?,
            nodes,
            preferred: AtomicUsize::new(0),
            credential: config.credential,
            timeout: config.timeout.unwrap_or(TIMEOUT),
            attempt_timeout: config.attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT),
            unreachable_patience: config.unreachable_patience.unwrap_or(UNREACHABLE_PATIENCE),
        };
        Ok(Client { inner: Arc::new(inner) })
    }

    /// The nodes' addresses, in the order in which they were given.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.inner.nodes.iter().map(shown).collect()
    }

    /// The same client, which begins with a node drawn by lot: many clients with one list do not crowd its first node.
    #[must_use]
    pub fn begin_anywhere(self) -> Client {
        let drawn = usize::from(uuid::Uuid::new_v4().as_bytes()[0]);
        self.prefer(drawn % self.inner.nodes.len());
        self
    }

    /// The same client that asks only one of its nodes.
    ///
    /// # Errors
    /// When `node` is no address.
    pub fn only(&self, node: &str) -> Result<Client, ClientError> {
        let inner = Inner {
            http: self.inner.http.clone(),
            nodes: vec![address(node)?],
            preferred: AtomicUsize::new(0),
            credential: self.inner.credential.clone(),
            ..*self.inner
        };
        Ok(Client { inner: Arc::new(inner) })
    }

    /// Indexes of the nodes, the preferred one first.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.inner.preferred.load(Ordering::Relaxed), self.inner.nodes.len());
        (0..count).map(move |step| (first + step) % count)
    }

    fn prefer(&self, node: usize) {
        self.inner.preferred.store(node, Ordering::Relaxed);
    }
}

/// A node's address as people wrote it.
fn address(node: &str) -> Result<Url, ClientError> {
    let text = node.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let bad = |why: &str| ClientError::Config(format!("`{text}` is no node's address: {why}; write https://HOST:PORT"));
    let url = Url::parse(&full).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("neither http nor https"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ClientError::Config("credentials never stand in a node's address; use a file".to_owned()));
    }
    Ok(url)
}

/// The host in a node's address, without brackets.
///
/// # Errors
/// When `node` is no address.
pub fn host_of(node: &str) -> Result<String, ClientError> {
    Ok(address(node)?.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned())
}

fn is_loopback(node: &Url) -> bool {
    match node.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// A node's address as errors show it.
fn shown(node: &Url) -> String {
    node.as_str().trim_end_matches('/').to_owned()
}
