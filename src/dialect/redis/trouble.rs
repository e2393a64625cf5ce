//! What went wrong, in the product's shape: `{"error_code","description","message"}`. No `_` arm.

#![deny(clippy::wildcard_enum_match_arm)]

use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::access::Denied;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::{shown, wording};
use crate::domain::refusal::Refusal;
use crate::replica::Unavailable;

struct Worded {
    status: StatusCode,
    code: &'static str,
    description: String,
    violation: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The reply to a trouble.
pub(super) fn reply(head: &Head, trouble: &Trouble) -> Reply {
    let Worded { status, code, description, violation, headers } = word(head, trouble);
    let mut body = json!({ "error_code": code, "description": description, "message": description });
    if let Some(violation) = violation {
        body["error_details"] = json!({ "violation": violation });
    }
    let mut reply = Reply::json(status, &body);
    reply.headers.extend(headers);
    wording::told(head, trouble, reply)
}

fn worded(status: StatusCode, code: &'static str, description: impl Into<String>) -> Worded {
    Worded { status, code, description: description.into(), violation: None, headers: Vec::new() }
}

impl Worded {
    fn with(mut self, name: HeaderName, value: &str) -> Worded {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

fn word(head: &Head, trouble: &Trouble) -> Worded {
    match trouble {
        Trouble::Malformed(malformed) => self::malformed(head, malformed),
        Trouble::Denied(denied) => self::denied(*denied),
        Trouble::Refused(refusal) => refused(refusal),
        Trouble::Unavailable(unavailable) => self::unavailable(unavailable),
        Trouble::NotFound { .. } => worded(StatusCode::NOT_FOUND, "no_license", "no license is installed"),
        Trouble::License(problem) => {
            worded(StatusCode::BAD_REQUEST, "invalid_license", format!("{problem}; {}", problem.hint()))
        }
        Trouble::TooLate { write: true } => worded(
            StatusCode::SERVICE_UNAVAILABLE,
            "unknown_outcome",
            "there was no answer in time, and whether the license was installed is not known: read it first",
        ),
        Trouble::TooLate { write: false } => {
            worded(StatusCode::SERVICE_UNAVAILABLE, "too_late", "there was no answer in time; ask another node")
        }
    }
}

fn malformed(head: &Head, malformed: &Malformed) -> Worded {
    let bad = StatusCode::BAD_REQUEST;
    match malformed {
        Malformed::UnknownPath => {
            worded(StatusCode::NOT_FOUND, "unknown_uri", format!("there is nothing at {}", shown(&head.shown_path())))
        }
        Malformed::WrongMethod { allow } => {
            worded(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", format!("this path knows {allow}"))
                .with(ALLOW, allow)
        }
        Malformed::NotUtf8 => worded(bad, "bad_request", "path or query are not UTF-8"),
        Malformed::BadQuery { name, what } => worded(bad, "bad_request", format!("parameter {name}: {}", shown(what))),
        Malformed::BadHeader { name, what } => worded(bad, "bad_request", format!("header {name}: {what}")),
        Malformed::BadBody { what } => worded(bad, "bad_request", what.clone()),
        Malformed::TooDeep { limit } => worded(bad, "bad_request", format!("the body nests deeper than {limit}")),
        Malformed::TooLarge { limit_bytes } => {
            worded(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body is larger than {limit_bytes} bytes"))
                .with(CONNECTION, "close")
        }
        Malformed::TooSlow => {
            worded(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not come in time").with(CONNECTION, "close")
        }
        Malformed::CutOff { what } => {
            worded(bad, "bad_request", format!("the body is not whole: {}", shown(what))).with(CONNECTION, "close")
        }
        Malformed::Compressed => {
            worded(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed", "compressed bodies are not read")
        }
        Malformed::WrongType { wants } => worded(bad, "bad_request", format!("the body is {wants}")),
    }
}

fn denied(denied: Denied) -> Worded {
    let unauthorized = |text: &str| {
        worded(StatusCode::UNAUTHORIZED, "unauthorized", text).with(WWW_AUTHENTICATE, "Basic realm=\"quartermaster\"")
    };
    match denied {
        Denied::Anonymous => unauthorized("this needs a credential: Basic, or a token as Bearer"),
        Denied::Unreadable => unauthorized("the Authorization header is neither Basic nor Bearer"),
        Denied::Wrong => unauthorized("user and password, or the token, are not good"),
        Denied::LockedOut { retry_after_s } => {
            worded(StatusCode::TOO_MANY_REQUESTS, "locked_out", "too many failed logins of this user from this address")
                .with(RETRY_AFTER, &retry_after_s.to_string())
        }
        Denied::Forbidden { needs } => {
            worded(StatusCode::FORBIDDEN, "insufficient_permissions", format!("this needs the right {}", needs.name()))
        }
        Denied::LicenseEnded => worded(
            StatusCode::FORBIDDEN,
            "license_ended",
            "the license for accounts has ended, and people are shut out until another one is installed",
        ),
        Denied::Busy => {
            worded(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many passwords wait to be checked; try again")
                .with(RETRY_AFTER, "1")
        }
    }
}

/// A rule's no: a license that breaks its terms is 406 with what it breaks, one that nobody may believe is 400.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these refusals have a status of the product's own")]
fn refused(refusal: &Refusal) -> Worded {
    let words = wording::refusal(refusal);
    let description = format!("{}; {}", words.message, words.hint);
    let violation = match refusal {
        Refusal::OtherCluster { .. } => "cluster_name_mismatch",
        Refusal::NotYetValid { .. } => "not_yet_active",
        Refusal::LicenseExpired { .. } => "expired",
        Refusal::LimitBelowUse { .. } => "shards_limit",
        Refusal::FeatureInUse { .. } => "features",
        Refusal::LicenseRevoked { .. } => "revoked",
        Refusal::LicenseSuperseded { .. } => "superseded",
        Refusal::NoSuchKey { .. } | Refusal::KeyDistrusted { .. } => {
            return worded(StatusCode::BAD_REQUEST, "invalid_license", description);
        }
        _other => return worded(words.status, words.code, description),
    };
    let answer = worded(StatusCode::NOT_ACCEPTABLE, "license_violation", description);
    Worded { violation: Some(violation), ..answer }
}

fn unavailable(unavailable: &Unavailable) -> Worded {
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    let message = unavailable.to_string();
    match unavailable {
        Unavailable::NoLeader => worded(busy, "no_leader", message).with(RETRY_AFTER, "1"),
        Unavailable::NotServing(_) => worded(busy, "not_serving", message).with(RETRY_AFTER, "1"),
        Unavailable::Busy => worded(busy, "busy", message).with(RETRY_AFTER, "1"),
        Unavailable::Unknown => worded(busy, "unknown_outcome", format!("{message}: read it before you send it again")),
        Unavailable::TooLarge { .. } => worded(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message),
        Unavailable::Membership(_) => worded(StatusCode::CONFLICT, "membership", message),
    }
}
