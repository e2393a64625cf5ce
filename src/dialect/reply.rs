//! What goes back to a client.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;

/// A reply: status, headers, body.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers, in order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Content,
}

/// A reply's body.
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece; an error ends the connection, so that the reader knows that something is missing.
    Pieces(Pieces),
}

/// The pieces of a streamed body.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send + Sync>>;

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Content::Pieces(_) => f.write_str("Pieces"),
        }
    }
}

impl Reply {
    /// A reply without a body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Reply {
        Reply { status, headers: Vec::new(), body: Content::Whole(Bytes::new()) }
    }

    /// A reply with a body of that type.
    #[must_use]
    pub fn of(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(kind))];
        Reply { status, headers, body: Content::Whole(body.into()) }
    }

    /// `value` as JSON.
    ///
    /// # Panics
    /// Never: what dialects answer are plain values with text as keys.
    #[must_use]
    pub fn json(status: StatusCode, value: &impl Serialize) -> Reply {
        let mut body = serde_json::to_vec(value).expect("plain values are always JSON");
        body.push(b'\n');
        Reply::of(status, "application/json", body)
    }

    /// `value` as JSON, 200.
    #[must_use]
    pub fn ok(value: &impl Serialize) -> Reply {
        Reply::json(StatusCode::OK, value)
    }

    /// A body that comes piece by piece.
    #[must_use]
    pub fn pieces(kind: &'static str, pieces: Pieces) -> Reply {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(kind))];
        Reply { status: StatusCode::OK, headers, body: Content::Pieces(pieces) }
    }

    /// The same with one more header. A value that no header may have is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Reply {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }
}
