//! What went wrong, in the service's shape: serverId, userMessage, developerMessage, errorCode, additionalInfo. No `_` arm,
//! but for refusals that every language words alike.

#![deny(clippy::wildcard_enum_match_arm)]

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::SERVER_ID;
use super::wire::{MEDIA, MISSING};
use crate::access::Denied;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::{shown, wording};
use crate::domain::refusal::Refusal;
use crate::replica::Unavailable;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    server_id: &'static str,
    user_message: Option<String>,
    developer_message: String,
    error_code: &'static str,
    additional_info: Value,
}

fn error(status: StatusCode, code: &'static str, message: impl Into<String>) -> Reply {
    with_more(status, code, message, json!({}))
}

fn with_more(status: StatusCode, code: &'static str, message: impl Into<String>, more: Value) -> Reply {
    let message = message.into();
    let user_message = status.is_client_error().then(|| message.clone());
    let body = Body {
        server_id: SERVER_ID,
        user_message,
        developer_message: message,
        error_code: code,
        additional_info: more,
    };
    Reply::json(status, &body)
}

/// The reply to a trouble. A 5xx says in a header, too, whether a write surely did not happen (E2).
pub(super) fn reply(head: &Head, trouble: &Trouble) -> Reply {
    wording::told(head, trouble, word(trouble))
}

fn word(trouble: &Trouble) -> Reply {
    match trouble {
        Trouble::Malformed(malformed) => self::malformed(malformed),
        Trouble::Denied(denied) => self::denied(*denied),
        Trouble::Refused(refusal) => self::refused(refusal),
        Trouble::Unavailable(unavailable) => self::unavailable(unavailable),
        Trouble::NotFound { what, name } => {
            error(StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", format!("no such {what}: {}", shown(name)))
        }
        Trouble::License(problem) => error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", problem.to_string()),
        Trouble::TooLate { .. } => error(
            StatusCode::GATEWAY_TIMEOUT,
            "SERVICE_UNAVAILABLE",
            "there was no answer before the deadline; ask whether it happened before you try again",
        ),
    }
}

fn malformed(malformed: &Malformed) -> Reply {
    let bad = |code, message: String| error(StatusCode::BAD_REQUEST, code, message);
    match malformed {
        Malformed::UnknownPath => error(StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", "there is nothing at this path"),
        Malformed::WrongMethod { allow } => {
            error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", format!("this path knows {allow}"))
                .with("allow", allow)
        }
        Malformed::NotUtf8 => bad("INVALID_REQUEST_FORMAT", "path, query or form are not UTF-8".to_owned()),
        Malformed::BadQuery { name, what } if what == MISSING => {
            bad("REQUIRED_ARGUMENT_MISSING", format!("{name} is required"))
        }
        Malformed::BadQuery { name, what } => bad("INVALID_ARGUMENT", format!("{name}: {}", shown(what))),
        Malformed::BadHeader { name: "Accept", what } => {
            error(StatusCode::NOT_ACCEPTABLE, "MEDIA_TYPE_NOT_ACCEPTABLE", what.clone())
        }
        Malformed::BadHeader { name, what } => bad("INVALID_ARGUMENT", format!("header {name}: {what}")),
        Malformed::BadBody { what } => bad("INVALID_REQUEST_FORMAT", shown(what)),
        Malformed::TooDeep { limit } => bad("INVALID_REQUEST_FORMAT", format!("the body nests deeper than {limit}")),
        Malformed::TooLarge { limit_bytes } => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "FILE_TOO_LARGE",
            format!("the body is larger than {limit_bytes} bytes"),
        )
        .with("connection", "close"),
        Malformed::TooSlow => {
            error(StatusCode::REQUEST_TIMEOUT, "INVALID_REQUEST_FORMAT", "the body did not come in time")
                .with("connection", "close")
        }
        Malformed::CutOff { what } => {
            bad("INVALID_REQUEST_FORMAT", format!("the body is not whole: {}", shown(what))).with("connection", "close")
        }
        Malformed::Compressed => unsupported("compressed bodies are not read"),
        Malformed::WrongType { wants } => unsupported(&format!("the body is read as {wants}")),
    }
}

fn unsupported(message: &str) -> Reply {
    let more = json!({"supportedMediaTypes": MEDIA});
    with_more(StatusCode::UNSUPPORTED_MEDIA_TYPE, "MEDIA_TYPE_NOT_SUPPORTED", message, more)
}

fn unauthorised(message: &str) -> Reply {
    error(StatusCode::UNAUTHORIZED, "UNAUTHORISED", message).with("www-authenticate", "Bearer")
}

fn denied(denied: Denied) -> Reply {
    match denied {
        Denied::Anonymous => unauthorised("an authentication token is required"),
        Denied::Unreadable => unauthorised("the authentication token cannot be read"),
        Denied::Wrong => unauthorised("the user name and password, or the authentication token, are not good"),
        Denied::LockedOut { retry_after_s } => {
            error(StatusCode::UNAUTHORIZED, "USER_ACCOUNT_LOCKED", "too many failed logins from this address")
                .with("retry-after", &retry_after_s.to_string())
        }
        Denied::Forbidden { needs } => error(
            StatusCode::FORBIDDEN,
            "UNAUTHORISED",
            format!("the token is of another user's session, or this needs the right {}", needs.name()),
        ),
        Denied::Busy => {
            error(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "too many passwords wait to be checked")
                .with("retry-after", "1")
        }
        Denied::LicenseEnded => error(
            StatusCode::FORBIDDEN,
            "UNAUTHORISED",
            "the license that this account needs has ended; ask an administrator to install a valid one",
        ),
    }
}

/// What is about seats, workers and types is the product's license exception, whatever status other languages give it.
fn refused(refusal: &Refusal) -> Reply {
    let wording::Worded { status, message, numbers, hint, .. } = wording::refusal(refusal);
    let none = matches!(refusal, Refusal::NoSuchSeatType { product } if product.is_empty());
    let message = if none { "no license is offered here".to_owned() } else { format!("{message}; {hint}") };
    if let Some(mut more) = about_licenses(refusal) {
        more["rootExceptionMessage"] = Value::from(message.as_str());
        return with_more(StatusCode::CONFLICT, "LICENSE_EXCEPTION", message, more);
    }
    let code = match status {
        StatusCode::UNAUTHORIZED => return unauthorised("the authentication token has ended"),
        StatusCode::FORBIDDEN => "UNAUTHORISED",
        StatusCode::NOT_FOUND => "RESOURCE_NOT_FOUND",
        _other => "INVALID_ARGUMENT",
    };
    with_more(status, code, message, numbers)
}

/// What the license exception says besides; `None` for what is none.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "refusals of other things keep the status that all languages give them"
)]
fn about_licenses(refusal: &Refusal) -> Option<Value> {
    match refusal {
        Refusal::NoSuchSeatType { product }
        | Refusal::SeatTypeExpired { product, .. }
        | Refusal::NoSeatLeft { product, .. }
        | Refusal::SeatNotAllowed { product, .. }
        | Refusal::SeatsPerUser { product, .. }
        | Refusal::SeatsPerAddress { product, .. }
        | Refusal::ConcurrentUsers { product, .. }
        | Refusal::LegalHolds { product, .. }
        | Refusal::AuditThreshold { product, .. } => Some(json!({"requestedLicense": shown(product)})),
        Refusal::NoWorkersLeft { product, asked, free, .. } => Some(json!({
            "requestedLicense": shown(product), "requestedWorkers": asked, "availableWorkers": free,
        })),
        _other => None,
    }
}

fn unavailable(unavailable: &Unavailable) -> Reply {
    let busy = |status| error(status, "SERVICE_UNAVAILABLE", unavailable.to_string());
    match unavailable {
        Unavailable::NoLeader | Unavailable::Busy | Unavailable::NotServing(_) => {
            busy(StatusCode::SERVICE_UNAVAILABLE).with("retry-after", "1")
        }
        Unavailable::Unknown => busy(StatusCode::GATEWAY_TIMEOUT),
        Unavailable::TooLarge { .. } => error(StatusCode::PAYLOAD_TOO_LARGE, "FILE_TOO_LARGE", unavailable.to_string()),
        Unavailable::Membership(_) => error(StatusCode::CONFLICT, "INVALID_ARGUMENT", unavailable.to_string()),
    }
}
