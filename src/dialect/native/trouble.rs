//! What went wrong, in our one JSON shape: `{"error":{"code","message","numbers","hint","done"}}`. No `_` arm.

#![deny(clippy::wildcard_enum_match_arm)]

use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::Denied;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::shown;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::wording;
use crate::replica::Unavailable;

/// The body of every error.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    error: Error,
}

#[derive(Debug, Serialize)]
struct Error {
    code: &'static str,
    message: String,
    numbers: Value,
    hint: String,
    done: &'static str,
}

struct Worded {
    status: StatusCode,
    code: &'static str,
    message: String,
    numbers: Value,
    hint: String,
    done: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn worded(status: StatusCode, code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Worded {
    Worded {
        status,
        code,
        message: message.into(),
        numbers: json!({}),
        hint: hint.into(),
        done: "no",
        headers: Vec::new(),
    }
}

impl Worded {
    fn with(mut self, name: HeaderName, value: &str) -> Worded {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    fn numbers(self, numbers: Value) -> Worded {
        Worded { numbers, ..self }
    }
}

/// The reply to a trouble. A 503 or 504 says in a header, too, whether a write surely did not happen (E2).
pub(super) fn reply(head: &Head, trouble: &Trouble) -> Reply {
    let Worded { status, code, message, numbers, hint, done, headers } = word(head, trouble);
    let mut reply = Reply::json(status, &Body { error: Error { code, message, numbers, hint, done } });
    reply.headers.extend(headers);
    wording::told(head, trouble, reply)
}

fn word(head: &Head, trouble: &Trouble) -> Worded {
    match trouble {
        Trouble::Malformed(malformed) => self::malformed(head, malformed),
        Trouble::Denied(denied) => self::denied(*denied),
        Trouble::Refused(refusal) => {
            let wording::Worded { status, code, message, numbers, hint } = wording::refusal(refusal);
            let worded = worded(status, code, message, hint).numbers(numbers);
            if status == StatusCode::UNAUTHORIZED { challenge(worded) } else { worded }
        }
        Trouble::Unavailable(unavailable) => self::unavailable(unavailable),
        Trouble::NotFound { what, name } => worded(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("no such {what}: {}", shown(name)),
            "see the list of them",
        )
        .numbers(json!({"what": what, "name": shown(name)})),
        Trouble::License(problem) => {
            worded(StatusCode::BAD_REQUEST, problem.code(), problem.to_string(), problem.hint())
        }
        Trouble::TooLate { write } => {
            let hint = if *write { "read before you send it again, or use an idempotency key" } else { "try again" };
            let worded =
                worded(StatusCode::GATEWAY_TIMEOUT, "too_late", "there was no answer before the deadline", hint);
            Worded { done: if *write { "unknown" } else { "no" }, ..worded }
        }
    }
}

fn malformed(head: &Head, malformed: &Malformed) -> Worded {
    let bad = StatusCode::BAD_REQUEST;
    match malformed {
        Malformed::UnknownPath => worded(
            StatusCode::NOT_FOUND,
            "unknown_path",
            format!("there is nothing at {}", shown(&head.shown_path())),
            "GET /api/v1/openapi.json lists every path",
        ),
        Malformed::WrongMethod { allow } => worded(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong_method",
            format!("this path knows {allow}"),
            "use one of these methods",
        )
        .with(ALLOW, allow),
        Malformed::NotUtf8 => worded(bad, "not_utf8", "path or query are not UTF-8", "percent-encode UTF-8"),
        Malformed::BadQuery { name, what } => worded(
            bad,
            "bad_query",
            format!("query parameter {name}: {}", shown(what)),
            "correct or leave out the parameter",
        )
        .numbers(json!({"parameter": name})),
        Malformed::BadHeader { name, what } => {
            worded(bad, "bad_header", format!("header {name}: {what}"), "correct or leave out the header")
                .numbers(json!({"header": name}))
        }
        Malformed::BadBody { what } => worded(bad, "bad_body", what.clone(), "see the schema in /api/v1/openapi.json"),
        Malformed::TooDeep { limit } => {
            worded(bad, "too_deep", format!("the body nests deeper than {limit}"), "flatten it")
                .numbers(json!({"limit": limit}))
        }
        Malformed::TooLarge { limit_bytes } => worded(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {limit_bytes} bytes"),
            "send less at once; usage can be streamed as application/x-ndjson",
        )
        .numbers(json!({"limit_bytes": limit_bytes}))
        .with(CONNECTION, "close"),
        Malformed::TooSlow => {
            worded(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not come in time", "send it faster, or less")
                .with(CONNECTION, "close")
        }
        Malformed::CutOff { what } => {
            worded(bad, "cut_off", format!("the body is not whole: {}", shown(what)), "send it again")
                .with(CONNECTION, "close")
        }
        Malformed::Compressed => worded(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed",
            "compressed bodies are not read",
            "send the body as it is",
        ),
        Malformed::WrongType { wants } => worded(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_type",
            format!("this route reads {wants}"),
            "set Content-Type accordingly",
        ),
    }
}

fn challenge(worded: Worded) -> Worded {
    worded
        .with(WWW_AUTHENTICATE, "Bearer realm=\"quartermaster\"")
        .with(WWW_AUTHENTICATE, "Basic realm=\"quartermaster\", charset=\"UTF-8\"")
}

fn denied(denied: Denied) -> Worded {
    let unauthorized = StatusCode::UNAUTHORIZED;
    match denied {
        Denied::Anonymous => challenge(worded(
            unauthorized,
            "unauthenticated",
            "this needs a credential",
            "send Authorization: Bearer TOKEN (POST /api/v1/login gives one) or Basic",
        )),
        Denied::Unreadable => challenge(worded(
            unauthorized,
            "unauthenticated",
            "the Authorization header is neither Bearer nor Basic",
            "send Authorization: Bearer TOKEN or Basic",
        )),
        Denied::Wrong => challenge(worded(
            unauthorized,
            "wrong_credentials",
            "user and password, or the token, are not good",
            "log in again",
        )),
        Denied::LockedOut { retry_after_s } => worded(
            StatusCode::TOO_MANY_REQUESTS,
            "locked_out",
            "too many failed logins of this user from this address",
            "wait, or use a token",
        )
        .numbers(json!({"retry_after_s": retry_after_s}))
        .with(RETRY_AFTER, &retry_after_s.to_string()),
        Denied::Forbidden { needs } => worded(
            StatusCode::FORBIDDEN,
            "not_allowed",
            format!("this needs the right {}", needs.name()),
            "ask an administrator for a role that has it",
        )
        .numbers(json!({"needs": needs.name()})),
        Denied::Busy => worded(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many passwords wait to be checked",
            "try again in a moment; a token costs nothing to check",
        )
        .with(RETRY_AFTER, "1"),
        Denied::LicenseEnded => worded(
            StatusCode::FORBIDDEN,
            "license_ended",
            "the license that this account needs has ended",
            "ask an administrator to install a license that is valid",
        ),
    }
}

fn unavailable(unavailable: &Unavailable) -> Worded {
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    let message = unavailable.to_string();
    let retry = |worded: Worded| worded.with(RETRY_AFTER, "1");
    match unavailable {
        Unavailable::NoLeader => retry(worded(busy, "no_leader", message, "try again, here or at another node")),
        Unavailable::Unknown => {
            let hint = "read before you send it again, or send it again with the same idempotency key";
            Worded { done: "unknown", ..worded(StatusCode::GATEWAY_TIMEOUT, "unknown", message, hint) }
        }
        Unavailable::Busy => retry(worded(busy, "busy", message, "try again in a moment")),
        Unavailable::TooLarge { bytes, most } => {
            worded(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, "send less at once")
                .numbers(json!({"bytes": bytes, "limit_bytes": most}))
        }
        Unavailable::NotServing(_) => retry(worded(busy, "not_serving", message, "ask another node")),
        Unavailable::Membership(_) => worded(
            StatusCode::CONFLICT,
            "membership",
            message,
            "see GET /api/v1/cluster for the members and their roles",
        ),
    }
}
