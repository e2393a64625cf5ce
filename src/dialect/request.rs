//! What a client asked, before any dialect has looked at it.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use hyper::header::{AsHeaderName, CONTENT_ENCODING, CONTENT_LENGTH};
use hyper::{HeaderMap, Method};
use memchr::memchr2;
use tokio::time::{Instant, timeout_at};

use super::trouble::Malformed;

/// Most that is read and thrown away of a body that nobody wants any more, so that its sender gets to read the reply.
const DRAIN_BYTES: usize = 4 << 20;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// Longest request id that is taken from a client; a longer one is replaced by ours.
const REQUEST_ID_CHARS: usize = 100;

/// All of a request but its body.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The path, split on `/` first and then percent-decoded: a name may hold `%2F`.
    pub path: Vec<String>,
    /// The path as it came, still encoded.
    pub encoded_path: String,
    /// The query's pairs, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// Who is at the other end of the connection.
    pub peer: IpAddr,
    /// Names this request in logs and replies.
    pub id: String,
    /// Until when it must be answered.
    pub deadline: Instant,
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// All but the body; by reference, because a request is handed on several times.
    pub head: Arc<Head>,
    /// The body, not read yet.
    pub body: Body,
}

/// A head as it came over the wire.
#[derive(Debug)]
pub struct Raw {
    /// The method.
    pub method: Method,
    /// The path, still encoded.
    pub path: String,
    /// The query, still encoded, without its `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
}

/// A name that no other request has: a number that this process drew, and one that counts.
fn fresh_id() -> String {
    static RUN: LazyLock<u64> = LazyLock::new(|| uuid::Uuid::new_v4().as_u64_pair().0);
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:016x}-{:x}", *RUN, NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Head {
    /// Makes a head of what came over the wire, and says so when path or query are not UTF-8 once decoded. Such a path
    /// keeps its first segment, so that the language that it is in can say so; such a query is empty.
    #[must_use]
    pub fn of(raw: Raw, peer: IpAddr, deadline: Instant) -> (Head, Option<Malformed>) {
        let Raw { method, path, query, headers } = raw;
        let id = headers
            .get("x-request-id")
            .or_else(|| headers.get("quartermaster-request-id"))
            .and_then(|value| value.to_str().ok())
            .filter(|id| {
                !id.is_empty() && id.len() <= REQUEST_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_graphic())
            })
            .map_or_else(fresh_id, str::to_owned);
        let (segments, pairs) = (split_path(&path, false), split_query(&query));
        let malformed = (segments.is_none() || pairs.is_none()).then_some(Malformed::NotUtf8);
        let first = || path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        let head = Head {
            method,
            path: segments.unwrap_or_else(|| vec![first()]),
            encoded_path: path,
            query: pairs.unwrap_or_default(),
            headers,
            peer,
            id,
            deadline,
        };
        (head, malformed)
    }

    /// The path's segments where `+` stands for a blank, as some clients write it; a plus itself comes as `%2B`.
    #[must_use]
    pub fn path_with_blanks(&self) -> Option<Vec<String>> {
        split_path(&self.encoded_path, true)
    }

    /// Brings the deadline forward to `most` from now; one that is further off stays.
    pub fn within(&mut self, most: Duration) {
        self.deadline = self.deadline.min(Instant::now() + most);
    }

    /// The first value of a query parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter as a number.
    ///
    /// # Errors
    /// When it is there and no number.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, Malformed> {
        self.param(name)
            .map(|value| {
                value.parse().map_err(|error| Malformed::BadQuery { name, what: format!("{error}: {value:?}") })
            })
            .transpose()
    }

    /// A query parameter that is a yes or a no; named without a value means yes.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&self, name: &'static str) -> Result<bool, Malformed> {
        match self.param(name) {
            None | Some("false" | "0" | "no") => Ok(false),
            Some("" | "true" | "1" | "yes") => Ok(true),
            Some(other) => Err(Malformed::BadQuery { name, what: format!("neither true nor false: {other:?}") }),
        }
    }

    /// A header's first value, if it is text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The path as it is shown to people: without the query, which might hold what nobody should see.
    #[must_use]
    pub fn shown_path(&self) -> String {
        format!("/{}", self.path.join("/"))
    }
}

/// Splits on `/`, then decodes each segment. A trailing `/` is dropped.
fn split_path(path: &str, plus_is_blank: bool) -> Option<Vec<String>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        Some(Vec::new())
    } else {
        path.split('/').map(|segment| decoded(segment, plus_is_blank)).collect()
    }
}

/// The pairs of a query or a form body; `None` when they are not UTF-8.
#[must_use]
pub fn split_query(query: &str) -> Option<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(key, true)?, decoded(value, true)?))
        })
        .collect()
}

/// Undoes percent-encoding. A `%` that is followed by anything but two hex digits stands for itself.
fn decoded(text: &str, plus_is_blank: bool) -> Option<String> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if plus_is_blank && bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// A body as it comes in.
pub struct Body {
    pieces: Option<Pieces>,
    deadline: Instant,
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send + Sync>>;

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        let deadline = Instant::now() + Duration::from_secs(60);
        Body::new(futures_util::stream::once(async move { Ok(bytes) }), deadline)
    }
}

impl Body {
    /// A body whose pieces must all be there by `deadline`.
    pub fn new(pieces: impl Stream<Item = Result<Bytes, String>> + Send + Sync + 'static, deadline: Instant) -> Body {
        Body { pieces: Some(Box::pin(pieces)), deadline }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Body {
        Body { pieces: None, deadline: Instant::now() }
    }

    /// This body, to be read elsewhere; what stays is empty.
    #[must_use]
    pub fn take(&mut self) -> Body {
        Body { pieces: self.pieces.take(), deadline: self.deadline }
    }

    /// Whether it says beforehand that it is no longer than that.
    #[must_use]
    pub fn is_short(&self, head: &Head, most: u64) -> bool {
        let said = || head.header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        self.pieces.is_none() || said().is_some_and(|length| length <= most)
    }

    /// Gives a body that is read piece by piece another deadline: each piece sets its own.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// The next piece.
    ///
    /// # Errors
    /// When it does not come in time, or the sender gave up.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some(pieces) = self.pieces.as_mut() else { return Ok(None) };
        match timeout_at(self.deadline, pieces.next()).await {
            Err(_elapsed) => {
                self.pieces = None;
                Err(Malformed::TooSlow)
            }
            Ok(Some(Err(what))) => {
                self.pieces = None;
                Err(Malformed::CutOff { what })
            }
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(None) => {
                self.pieces = None;
                Ok(None)
            }
        }
    }

    /// All of it, if it is no longer than `limit`: counted while it is read, whatever its length header says.
    ///
    /// # Errors
    /// When it is longer, does not come in time, is cut off, or is compressed.
    pub async fn read(&mut self, head: &Head, limit: usize) -> Result<Bytes, Malformed> {
        check_encoding(head)?;
        let fits = |bytes: usize| if bytes > limit { Err(Malformed::TooLarge { limit_bytes: limit }) } else { Ok(()) };
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        fits(first.len())?;
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(piece) = next {
            fits(whole.len() + piece.len())?;
            whole.extend_from_slice(&piece);
            next = self.next().await?;
        }
        Ok(whole.freeze())
    }

    /// Reads on and throws away, within bounds, so that a sender that is still writing gets to see the reply instead of
    /// a reset connection.
    pub async fn drain(&mut self) {
        self.deadline = Instant::now() + DRAIN_TIME;
        let mut drained = 0;
        while let Ok(Some(piece)) = self.next().await {
            drained += piece.len();
            if drained > DRAIN_BYTES {
                return;
            }
        }
    }
}

/// One coding only: what is sent is what is counted (L2).
///
/// # Errors
/// When the body is compressed.
pub fn check_encoding(head: &Head) -> Result<(), Malformed> {
    match head.header(CONTENT_ENCODING) {
        None | Some("identity" | "") => Ok(()),
        Some(_) => Err(Malformed::Compressed),
    }
}

/// How deep a body may nest (L3).
pub const DEPTH: usize = 64;

/// Refuses what nests too deep, before a recursive parser sees it.
///
/// # Errors
/// When it does.
pub fn check_depth(body: &[u8]) -> Result<(), Malformed> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = body.get(at) {
        at += 1;
        match byte {
            b'"' => at = behind_text(body, at),
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH {
                    return Err(Malformed::TooDeep { limit: DEPTH });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Where a quoted text ends whose first byte is at `from`; most of a body is in them.
fn behind_text(body: &[u8], mut from: usize) -> usize {
    while let Some(next) = body.get(from..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        if body[from + next] == b'"' {
            return from + next + 1;
        }
        from += next + 2;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_text_do_not_nest() {
        assert!(check_depth(format!("{{\"a\": \"{}\\\"[\"}}", "[".repeat(100)).as_bytes()).is_ok());
        assert!(check_depth("[".repeat(64).as_bytes()).is_ok());
        let deep = "[".repeat(65);
        for before in ["", "\"\"", "\"a\\\\\"", "{\"\\\"\": 1}", "\"\u{e9}]\","] {
            assert_eq!(check_depth(format!("{before}{deep}").as_bytes()), Err(Malformed::TooDeep { limit: 64 }));
        }
        for open in ["\"", "\"\\", "\"a\\\""] {
            assert!(
                check_depth(format!("{open}{deep}").as_bytes()).is_ok(),
                "a text that never ends holds no brackets"
            );
        }
    }

    #[test]
    fn a_segment_is_decoded_after_the_path_was_split() {
        let path = split_path("/api/v1/users/a%2Fb/", false).expect("is UTF-8");
        assert_eq!(path, ["api", "v1", "users", "a/b"]);
        assert_eq!(split_path("/a/%ff", false), None);
        assert_eq!(split_path("/", false), Some(vec![]));
        assert_eq!(split_path("/100%", false), Some(vec!["100%".into()]));
        assert_eq!(split_path("/a+b/c%2Bd", true), Some(vec!["a b".into(), "c+d".into()]));
    }

    #[test]
    fn a_query_is_split_before_it_is_decoded() {
        let query = split_query("a=1%262&b&c=x+y").expect("is UTF-8");
        assert_eq!(query, [("a".into(), "1&2".into()), ("b".into(), String::new()), ("c".into(), "x y".into())]);
        assert_eq!(split_query("a=%80"), None);
    }
}
