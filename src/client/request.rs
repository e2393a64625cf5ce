//! One request and its reply, before and after the network.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ClientError;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    /// Path segments, not yet encoded.
    path: Vec<String>,
    query: Vec<(String, String)>,
    pub(super) body: Option<(&'static str, Bytes)>,
    pub(super) key: Option<String>,
    pub(super) accept: Option<&'static str>,
    pub(super) waits: Duration,
}

impl Request {
    fn new<S: Into<String>>(method: Method, prefix: &[&str], path: impl IntoIterator<Item = S>) -> Request {
        let prefix = prefix.iter().map(|segment| (*segment).to_owned());
        let path = prefix.chain(path.into_iter().map(Into::into)).collect();
        Request { method, path, query: Vec::new(), body: None, key: None, accept: None, waits: Duration::ZERO }
    }

    /// Reads something under `/api/v1`. Segments are names as they are; they are encoded here.
    pub fn get<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Request {
        Request::new(Method::GET, &["api", "v1"], path)
    }

    /// Creates or does something.
    pub fn post<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Request {
        Request::new(Method::POST, &["api", "v1"], path)
    }

    /// Changes something.
    pub fn patch<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Request {
        Request::new(Method::PATCH, &["api", "v1"], path)
    }

    /// Puts something in a known place.
    pub fn put<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Request {
        Request::new(Method::PUT, &["api", "v1"], path)
    }

    /// Removes something.
    pub fn delete<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Request {
        Request::new(Method::DELETE, &["api", "v1"], path)
    }

    /// Reads something that stands beside the API, such as `/readyz`.
    pub fn root<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Request {
        Request::new(Method::GET, &[], path)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl ToString) -> Request {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a query parameter when there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl ToString>) -> Request {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Sends a JSON body.
    ///
    /// # Panics
    /// Never for plain data: maps with keys that are no strings do not occur here.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Request {
        let bytes = serde_json::to_vec(body).expect("plain data always makes JSON");
        self.body = Some(("application/json", bytes.into()));
        self
    }

    /// Sends a body as it is.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Request {
        self.body = Some((content_type, body.into()));
        self
    }

    /// Sets the `Idempotency-Key` of a write, for a caller that remembers it over its own restarts. Without it the
    /// client draws one.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Request {
        self.key = Some(key.into());
        self
    }

    /// Says that the node may wait so long before it answers (a long poll).
    #[must_use]
    pub fn waiting(mut self, time: Duration) -> Request {
        self.waits = time;
        self
    }

    /// Asks for a media type.
    #[must_use]
    pub fn accept(mut self, media: &'static str) -> Request {
        self.accept = Some(media);
        self
    }

    /// Whether it only reads.
    pub(super) fn reads(&self) -> bool {
        self.method == Method::GET
    }

    /// The full address on one node.
    pub(super) fn on(&self, node: &Url) -> Result<Url, ClientError> {
        let mut url = node.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(&self.path)),
            Err(()) => return Err(ClientError::Config(format!("{node} cannot carry a path"))),
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// What a node answered: always a success.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The node's address.
    pub node: String,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; an empty one is `null`.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn json(&self) -> Result<Value, ClientError> {
        if self.body.is_empty() { Ok(Value::Null) } else { self.read() }
    }

    /// The body as a value of the caller's.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ClientError::Strange { node: self.node.clone(), why: error.to_string() })
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
