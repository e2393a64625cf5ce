//! What went wrong, in the dialect's two shapes: `<response><messages><msg>` or `{"messages":[…]}`. No `_` arm.
//!
//! Texts are the vendor's own where they are known (dialect note, 5): clients look for them.

#![deny(clippy::wildcard_enum_match_arm)]

use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};

use super::args::{Mode, shown};
use super::{endpoint, json, refusal, render, session, xml};
use crate::access::Denied;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::domain::user::Right;
use crate::replica::Unavailable;

/// A message and what goes with it.
pub(super) struct Worded {
    pub(super) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    text: String,
    headers: Vec<(HeaderName, String)>,
    /// Whether a write surely did not happen.
    not_done: bool,
}

/// An error of this status.
pub(super) fn error(status: StatusCode, text: impl Into<String>) -> Worded {
    Worded { status, kind: "ERROR", code: None, text: text.into(), headers: Vec::new(), not_done: true }
}

fn warning(status: StatusCode, text: &str) -> Worded {
    Worded { kind: "WARN", ..error(status, text) }
}

impl Worded {
    fn with(mut self, name: HeaderName, value: impl Into<String>) -> Worded {
        self.headers.push((name, value.into()));
        self
    }
}

/// The reply to a trouble. A 503 or 504 says in a header, too, whether a write surely did not happen (E2).
pub(super) fn reply(head: &Head, mode: Mode, trouble: &Trouble) -> Reply {
    let worded = word(head, trouble);
    let status = worded.status;
    if status.is_server_error() {
        tracing::error!(request = %head.id, path = %head.shown_path(), message = worded.text, "a request could not be answered");
    }
    let mut reply = rendered(mode, &worded);
    for (name, value) in worded.headers {
        if let Ok(value) = value.parse() {
            reply.headers.push((name, value));
        }
    }
    if status.is_server_error() {
        reply = reply.with("quartermaster-write", if worded.not_done { "not-done" } else { "unknown" });
    }
    reply
}

fn rendered(mode: Mode, worded: &Worded) -> Reply {
    let text = match mode {
        Mode::Xml => xml::message(worded.kind, worded.code, &worded.text),
        Mode::Json => json::message(worded.kind, worded.code, &worded.text),
    };
    render::whole(mode, worded.status, text)
}

/// A login without a good name and password.
pub(super) fn login_failed(mode: Mode, status: StatusCode) -> Reply {
    rendered(mode, &failed_login(status))
}

fn failed_login(status: StatusCode) -> Worded {
    let code = (status == StatusCode::UNAUTHORIZED).then_some("incorrect_username_or_password");
    Worded { code, ..warning(status, "Login failed") }
}

/// What a method says that needs a name in the path (dialect note, 1.15).
pub(super) fn no_target(head: &Head) -> String {
    format!("Cannot perform action \"{}\" without a target name to act on.", shown(head.method.as_str()))
}

/// What is said of a file that is not taken, whatever the reason (T7).
pub(super) fn no_license_file(name: &str) -> String {
    format!(
        "{}: failed to add because: it cannot be read. Give the license as payload, or the name of a file in this node's \
         license folder.",
        shown(name)
    )
}

fn word(head: &Head, trouble: &Trouble) -> Worded {
    match trouble {
        Trouble::Malformed(malformed) => self::malformed(head, malformed),
        Trouble::Denied(denied) => self::denied(head, *denied),
        Trouble::Refused(refusal) => {
            let worded = refusal::word(refusal);
            if worded.status == StatusCode::UNAUTHORIZED { self::denied(head, Denied::Wrong) } else { worded }
        }
        Trouble::Unavailable(unavailable) => self::unavailable(unavailable),
        Trouble::NotFound { what: _, name } => missing(name),
        Trouble::License(problem) => {
            error(StatusCode::BAD_REQUEST, format!("failed to add because: {problem}; {}", problem.hint()))
        }
        Trouble::TooLate { write } => Worded {
            not_done: !write,
            ..error(StatusCode::GATEWAY_TIMEOUT, "There was no answer in time. Read before you send it again.")
        },
    }
}

/// What is said to those who lack a right.
pub(super) fn forbidden(needs: Right) -> Worded {
    let text = format!("You do not have permission to perform this operation (requires capability: {}).", needs.name());
    error(StatusCode::FORBIDDEN, text)
}

/// What is said of an entry that is not there.
pub(super) fn missing(name: &str) -> Worded {
    error(StatusCode::NOT_FOUND, format!("Could not find object id={}", shown(name)))
}

fn malformed(head: &Head, malformed: &Malformed) -> Worded {
    let bad = StatusCode::BAD_REQUEST;
    match malformed {
        Malformed::UnknownPath => error(StatusCode::NOT_FOUND, "Not Found"),
        Malformed::WrongMethod { allow: _ } if endpoint::is_collection(head) => error(bad, no_target(head)),
        Malformed::WrongMethod { allow } => {
            error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").with(ALLOW, allow.as_str())
        }
        Malformed::NotUtf8 => error(bad, "Path or query are not UTF-8."),
        Malformed::BadQuery { name, what } => error(bad, format!("Argument \"{name}\": {}.", shown(what))),
        Malformed::BadHeader { name, what } => error(bad, format!("Header {name}: {}.", shown(what))),
        Malformed::BadBody { what } => error(bad, what.as_str()),
        Malformed::TooDeep { limit } => error(bad, format!("The body nests deeper than {limit}.")),
        Malformed::TooLarge { limit_bytes } => {
            error(StatusCode::PAYLOAD_TOO_LARGE, format!("The request is larger than {limit_bytes} bytes."))
                .with(CONNECTION, "close")
        }
        Malformed::TooSlow => {
            error(StatusCode::REQUEST_TIMEOUT, "The body did not come in time.").with(CONNECTION, "close")
        }
        Malformed::CutOff { what } => {
            error(bad, format!("The body is not whole: {}.", shown(what))).with(CONNECTION, "close")
        }
        Malformed::Compressed => error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Compressed bodies are not read."),
        Malformed::WrongType { wants } => {
            error(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("This endpoint reads {wants}."))
        }
    }
}

/// Two kinds of 401: a missing or wrong password is challenged, an unknown session key is not (dialect note, 1.13).
fn denied(head: &Head, denied: Denied) -> Worded {
    let unauthorized = StatusCode::UNAUTHORIZED;
    match denied {
        Denied::Wrong if endpoint::is_login(head) => failed_login(unauthorized),
        Denied::Wrong if session::is_token(&head.headers) => warning(unauthorized, "call not properly authenticated"),
        Denied::Anonymous | Denied::Unreadable | Denied::Wrong => {
            error(unauthorized, "Unauthorized").with(WWW_AUTHENTICATE, "Basic realm=\"/splunk\"")
        }
        Denied::LockedOut { retry_after_s } => error(
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many failed logins of this user from this address. Try again in {retry_after_s} seconds."),
        )
        .with(RETRY_AFTER, retry_after_s.to_string()),
        Denied::Forbidden { needs } => forbidden(needs),
        Denied::LicenseEnded => error(StatusCode::FORBIDDEN, "The license that logins need has ended."),
        Denied::Busy => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many passwords wait to be checked. A session key costs nothing.",
        )
        .with(RETRY_AFTER, "1"),
    }
}

fn unavailable(unavailable: &Unavailable) -> Worded {
    let message = unavailable.to_string();
    let busy = |message: String| error(StatusCode::SERVICE_UNAVAILABLE, message).with(RETRY_AFTER, "1");
    match unavailable {
        Unavailable::NoLeader | Unavailable::Busy | Unavailable::NotServing(_) => busy(message),
        Unavailable::Unknown => Worded { not_done: false, ..error(StatusCode::GATEWAY_TIMEOUT, message) },
        Unavailable::TooLarge { bytes: _, most: _ } => error(StatusCode::PAYLOAD_TOO_LARGE, message),
        Unavailable::Membership(_) => error(StatusCode::CONFLICT, message),
    }
}
