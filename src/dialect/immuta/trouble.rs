//! What went wrong, in the shape of the hapi server's Boom: `{"statusCode", "error", "message"}`. No `_` arm.

#![deny(clippy::wildcard_enum_match_arm)]

use hyper::StatusCode;
use serde::Serialize;

use crate::access::Denied;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::shown;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::wording;
use crate::domain::refusal::Refusal;
use crate::replica::Unavailable;
use crate::signing::LicenseProblem;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Boom {
    status_code: u16,
    error: &'static str,
    message: String,
}

fn boom(status: StatusCode, message: impl Into<String>) -> Reply {
    // Boom's own word for this status, where hyper's differs
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        StatusCode::REQUEST_TIMEOUT => "Request Time-out",
        StatusCode::GATEWAY_TIMEOUT => "Gateway Time-out",
        other => other.canonical_reason().unwrap_or("Unknown"),
    };
    Reply::json(status, &Boom { status_code: status.as_u16(), error, message: message.into() })
}

/// The reply to a trouble. A 5xx says in a header, too, whether a write surely did not happen (E2).
pub(super) fn reply(head: &Head, trouble: &Trouble) -> Reply {
    let reply = word(trouble);
    wording::told(head, trouble, reply)
}

fn word(trouble: &Trouble) -> Reply {
    match trouble {
        Trouble::Malformed(malformed) => self::malformed(malformed),
        Trouble::Denied(denied) => self::denied(*denied),
        Trouble::Refused(refusal) => self::refused(refusal),
        Trouble::Unavailable(unavailable) => self::unavailable(unavailable),
        Trouble::NotFound { what, name } => {
            boom(StatusCode::NOT_FOUND, format!("No {what} found with ID {}.", shown(name)))
        }
        Trouble::License(problem) => license(problem),
        Trouble::TooLate { .. } => boom(StatusCode::GATEWAY_TIMEOUT, "there was no answer before the deadline"),
    }
}

/// A key that cannot count is a key that does not validate; else the status is what every language gives.
fn refused(refusal: &Refusal) -> Reply {
    let worded = wording::refusal(refusal);
    let invalid =
        matches!(refusal, Refusal::LicenseExpired { .. } | Refusal::KeyDistrusted { .. } | Refusal::NoSuchKey { .. });
    let status = if invalid { StatusCode::UNPROCESSABLE_ENTITY } else { worded.status };
    boom(status, format!("{}; {}", worded.message, worded.hint))
}

fn malformed(malformed: &Malformed) -> Reply {
    let bad = StatusCode::BAD_REQUEST;
    match malformed {
        Malformed::UnknownPath => boom(StatusCode::NOT_FOUND, "Not Found"),
        // hapi answers so when a path has no route for a method
        Malformed::WrongMethod { allow } => boom(StatusCode::NOT_FOUND, "Not Found").with("allow", allow),
        Malformed::NotUtf8 => boom(bad, "path, query or form are not UTF-8"),
        Malformed::BadQuery { what, .. } => boom(bad, format!("Invalid request params input: {}", shown(what))),
        Malformed::BadHeader { name, what } => boom(bad, format!("Invalid request headers input: {name}: {what}")),
        Malformed::BadBody { what } => boom(bad, shown(what)),
        Malformed::TooDeep { limit } => boom(bad, format!("Invalid request payload input: deeper than {limit}")),
        Malformed::TooLarge { limit_bytes } => boom(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("Payload content length greater than maximum allowed: {limit_bytes}"),
        )
        .with("connection", "close"),
        Malformed::TooSlow => {
            boom(StatusCode::REQUEST_TIMEOUT, "the payload did not come in time").with("connection", "close")
        }
        Malformed::CutOff { what } => {
            boom(bad, format!("the payload is not whole: {}", shown(what))).with("connection", "close")
        }
        Malformed::Compressed => boom(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed payloads are not read"),
        Malformed::WrongType { wants } => {
            boom(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("Unsupported Media Type; send {wants}"))
        }
    }
}

fn challenged(message: &str) -> Reply {
    boom(StatusCode::UNAUTHORIZED, message).with("www-authenticate", "Bearer")
}

fn denied(denied: Denied) -> Reply {
    match denied {
        Denied::Anonymous => challenged("Missing authentication"),
        Denied::Unreadable => challenged("Bad HTTP authentication header format"),
        Denied::Wrong => challenged("Invalid token, API key, or user name and password"),
        Denied::LockedOut { retry_after_s } => {
            boom(StatusCode::TOO_MANY_REQUESTS, "too many failed logins of this user from this address")
                .with("retry-after", &retry_after_s.to_string())
        }
        Denied::Forbidden { needs } => {
            boom(StatusCode::FORBIDDEN, format!("Insufficient permission: this needs the right {}", needs.name()))
        }
        Denied::Busy => {
            boom(StatusCode::SERVICE_UNAVAILABLE, "too many passwords wait to be checked").with("retry-after", "1")
        }
        Denied::LicenseEnded => boom(
            StatusCode::FORBIDDEN,
            "the license has expired and access is blocked; ask an administrator to add a valid one",
        ),
    }
}

fn license(problem: &LicenseProblem) -> Reply {
    boom(StatusCode::UNPROCESSABLE_ENTITY, format!("Invalid license key: {problem}; {}", problem.hint()))
}

fn unavailable(unavailable: &Unavailable) -> Reply {
    let busy = || boom(StatusCode::SERVICE_UNAVAILABLE, unavailable.to_string()).with("retry-after", "1");
    match unavailable {
        Unavailable::NoLeader | Unavailable::Busy | Unavailable::NotServing(_) => busy(),
        Unavailable::Unknown => boom(StatusCode::GATEWAY_TIMEOUT, unavailable.to_string()),
        Unavailable::TooLarge { most, .. } => {
            boom(StatusCode::PAYLOAD_TOO_LARGE, format!("Payload content length greater than maximum allowed: {most}"))
        }
        Unavailable::Membership(_) => boom(StatusCode::CONFLICT, unavailable.to_string()),
    }
}
