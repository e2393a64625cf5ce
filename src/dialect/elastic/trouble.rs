//! What went wrong, in the product's shape: `{"error":{"root_cause":[…],"type","reason"},"status"}`. No `_` arm.

#![deny(clippy::wildcard_enum_match_arm)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};

use super::answer::NO_BASIC;
use super::json::{Node, list, object};
use super::{media, routes};
use crate::access::Denied;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::{shown, wording};
use crate::domain::refusal::Refusal;
use crate::replica::Unavailable;
use crate::signing::LicenseProblem;

const ILLEGAL: &str = "illegal_argument_exception";
const PARSE: &str = "parse_exception";
const SECURITY: &str = "security_exception";
const NO_MASTER: &str = "master_not_discovered_exception";

/// How a client may show who it is.
const CHALLENGES: [&str; 3] = ["Basic realm=\"security\", charset=\"UTF-8\"", "Bearer realm=\"security\"", "ApiKey"];

struct Worded {
    status: StatusCode,
    body: Node,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The reply to a trouble. Like the product, it does not say what it is to those who may not know.
pub(super) fn reply(head: &Head, trouble: &Trouble) -> Reply {
    let Worded { status, body, headers } = word(head, trouble);
    let pretty = matches!(head.param("pretty"), Some("" | "true"));
    let mut reply = Reply::of(status, media::answer(head).header(), body.text(pretty));
    reply.headers.extend(headers);
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        reply = reply.with("x-elastic-product", "Elasticsearch");
    }
    wording::told(head, trouble, reply)
}

/// An error of the usual shape.
fn error(status: StatusCode, kind: &str, reason: impl Into<String>) -> Worded {
    causes(status, kind, reason, None)
}

fn causes(status: StatusCode, kind: &str, reason: impl Into<String>, cause: Option<(&str, String)>) -> Worded {
    let reason = reason.into();
    let both = || vec![("type".to_owned(), Node::from(kind)), ("reason".to_owned(), reason.as_str().into())];
    let mut error = vec![("root_cause".to_owned(), Node::List(vec![Node::Object(both())]))];
    error.extend(both());
    if let Some((kind, reason)) = cause {
        error.push(("caused_by".to_owned(), object([("type", kind.into()), ("reason", reason.into())])));
    }
    let body = object([("error", Node::Object(error)), ("status", status.as_u16().into())]);
    Worded { status, body, headers: Vec::new() }
}

/// An error whose `error` is a sentence, as the product's routing writes it.
fn sentence(status: StatusCode, sentence: String, with_status: bool) -> Worded {
    let mut members = vec![("error".to_owned(), sentence.into())];
    if with_status {
        members.push(("status".to_owned(), status.as_u16().into()));
    }
    Worded { status, body: Node::Object(members), headers: Vec::new() }
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
        Trouble::Denied(denied) => self::denied(head, *denied),
        Trouble::Refused(refusal) => refused(head, refusal),
        Trouble::Unavailable(unavailable) => self::unavailable(unavailable),
        Trouble::NotFound { what, name } => {
            error(StatusCode::NOT_FOUND, "resource_not_found_exception", format!("no such {what}: {}", shown(name)))
        }
        Trouble::License(problem) => license(problem),
        Trouble::TooLate { write: true } => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "process_cluster_event_timeout_exception",
            "there was no answer in time, and whether the change was made is not known: read before you send it again",
        ),
        Trouble::TooLate { write: false } => {
            error(StatusCode::SERVICE_UNAVAILABLE, NO_MASTER, "there was no answer in time; ask another node")
        }
    }
}

fn malformed(head: &Head, malformed: &Malformed) -> Worded {
    let bad = StatusCode::BAD_REQUEST;
    let unsupported = || {
        let said = head.header(CONTENT_TYPE).map(shown);
        let text = said.map_or_else(
            || "Content-Type header is missing".to_owned(),
            |said| format!("Content-Type header [{said}] is not supported"),
        );
        sentence(StatusCode::NOT_ACCEPTABLE, text, true)
    };
    match malformed {
        Malformed::UnknownPath => {
            let text = format!("no handler found for uri [{}] and method [{}]", uri(head), head.method);
            sentence(bad, text, false)
        }
        Malformed::WrongMethod { allow } => {
            let text = format!(
                "Incorrect HTTP method for uri [{}] and method [{}], allowed: [{}]",
                uri(head),
                head.method,
                allow.replace(',', ", ")
            );
            sentence(StatusCode::METHOD_NOT_ALLOWED, text, true).with(ALLOW, allow)
        }
        Malformed::NotUtf8 => error(bad, ILLEGAL, "path or query are not UTF-8; percent-encode UTF-8"),
        Malformed::BadQuery { what, .. } => error(bad, ILLEGAL, what.clone()),
        Malformed::BadHeader { name, what } if name.contains("Accept") || name.contains("Content-Type") => causes(
            bad,
            "media_type_header_exception",
            format!("Invalid media-type value on headers [{name}]"),
            Some(("status_exception", what.clone())),
        ),
        Malformed::BadHeader { name, what } => error(bad, ILLEGAL, format!("header [{name}]: {what}")),
        Malformed::BadBody { what } => error(bad, "action_request_validation_exception", what.clone()),
        Malformed::TooDeep { limit } => {
            error(bad, "x_content_parse_exception", format!("the body nests deeper than {limit}"))
        }
        Malformed::TooLarge { limit_bytes } => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "content_too_long_exception",
            format!("the body is larger than {limit_bytes} bytes"),
        )
        .with(CONNECTION, "close"),
        Malformed::TooSlow => error(StatusCode::REQUEST_TIMEOUT, "timeout_exception", "the body did not come in time")
            .with(CONNECTION, "close"),
        Malformed::CutOff { what } => {
            error(bad, "i_o_exception", format!("the body is not whole: {}", shown(what))).with(CONNECTION, "close")
        }
        Malformed::Compressed => {
            error(StatusCode::UNSUPPORTED_MEDIA_TYPE, ILLEGAL, "compressed bodies are not read; send the body as it is")
        }
        Malformed::WrongType { .. } => unsupported(),
    }
}

/// The path and query as the product repeats them.
fn uri(head: &Head) -> String {
    let pair =
        |(name, value): &(String, String)| if value.is_empty() { name.clone() } else { format!("{name}={value}") };
    let query: Vec<String> = head.query.iter().map(pair).collect();
    let path = shown(&head.shown_path());
    if query.is_empty() { path } else { format!("{path}?{}", shown(&query.join("&"))) }
}

/// Whom a request names, for those who may read their own name.
fn user(head: &Head) -> Option<String> {
    let value = head.header(AUTHORIZATION)?;
    let (scheme, rest) = value.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, _) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| shown(name))
}

fn unauthenticated(reason: String) -> Worded {
    let challenges = || object([("WWW-Authenticate", list(CHALLENGES))]);
    let both = || {
        vec![
            ("type".to_owned(), Node::from(SECURITY)),
            ("reason".to_owned(), reason.as_str().into()),
            ("header".to_owned(), challenges()),
        ]
    };
    let mut members = vec![("root_cause".to_owned(), Node::List(vec![Node::Object(both())]))];
    members.extend(both());
    let body = object([("error", Node::Object(members)), ("status", 401.into())]);
    let worded = Worded { status: StatusCode::UNAUTHORIZED, body, headers: Vec::new() };
    CHALLENGES.into_iter().fold(worded, |worded, challenge| worded.with(WWW_AUTHENTICATE, challenge))
}

fn denied(head: &Head, denied: Denied) -> Worded {
    let uri = uri(head);
    match denied {
        Denied::Anonymous => unauthenticated(format!("missing authentication credentials for REST request [{uri}]")),
        Denied::Unreadable => unauthenticated(format!(
            "unable to authenticate with provided credentials for REST request [{uri}]: neither Basic, Bearer nor ApiKey"
        )),
        Denied::Wrong => unauthenticated(match user(head) {
            Some(user) => format!("unable to authenticate user [{user}] for REST request [{uri}]"),
            None => format!("unable to authenticate with provided credentials for REST request [{uri}]"),
        }),
        Denied::LockedOut { retry_after_s } => error(
            StatusCode::TOO_MANY_REQUESTS,
            SECURITY,
            format!(
                "too many failed logins of this user from this address; wait {retry_after_s} seconds or use a token"
            ),
        )
        .with(RETRY_AFTER, &retry_after_s.to_string()),
        Denied::Forbidden { needs } => forbidden(head, needs.name()),
        Denied::LicenseEnded => error(
            StatusCode::FORBIDDEN,
            SECURITY,
            "the license for accounts has ended, and people are shut out until another one is installed",
        ),
        Denied::Busy => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "es_rejected_execution_exception",
            "too many passwords wait to be checked; try again in a moment, a token costs nothing to check",
        )
        .with(RETRY_AFTER, "1"),
    }
}

fn forbidden(head: &Head, right: &str) -> Worded {
    let route = routes::routes_of(&head.path).find(|route| route.method == head.method.as_str());
    let action = route.map_or("cluster:unknown", |route| route.action);
    let privileges = if action.starts_with("cluster:monitor") { "monitor,manage,all" } else { "manage,all" };
    let who = user(head).map_or_else(|| "API key".to_owned(), |user| format!("user [{user}]"));
    let reason = format!(
        "action [{action}] is unauthorized for {who}, this action is granted by the cluster privileges [{privileges}] \
         (the right {right})"
    );
    error(StatusCode::FORBIDDEN, SECURITY, reason)
}

fn refused(head: &Head, refusal: &Refusal) -> Worded {
    let worded = wording::refusal(refusal);
    let reason = format!("{}; {}", worded.message, worded.hint);
    if *refusal == Refusal::SignedBasicRefused {
        return error(StatusCode::BAD_REQUEST, ILLEGAL, NO_BASIC);
    }
    match worded.status {
        StatusCode::UNAUTHORIZED => unauthenticated(reason),
        StatusCode::FORBIDDEN => forbidden(head, worded.code),
        StatusCode::NOT_FOUND => error(worded.status, "resource_not_found_exception", reason),
        StatusCode::CONFLICT => error(worded.status, "illegal_state_exception", reason),
        status => error(status, ILLEGAL, reason),
    }
}

fn license(problem: &LicenseProblem) -> Worded {
    let bad = StatusCode::BAD_REQUEST;
    match problem {
        LicenseProblem::Unreadable(why) => error(bad, PARSE, why.clone()),
        LicenseProblem::BadClaims { field, why } => {
            let kind = match field.as_str() {
                "type" => ILLEGAL,
                "issue_date" | "expiry_date" | "start_date" | "signature" => PARSE,
                _limit => "illegal_state_exception",
            };
            error(bad, kind, why.clone())
        }
        LicenseProblem::UnknownKey { .. }
        | LicenseProblem::DistrustedKey { .. }
        | LicenseProblem::BadSignature { .. } => error(bad, PARSE, format!("{problem}; {}", problem.hint())),
    }
}

fn unavailable(unavailable: &Unavailable) -> Worded {
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    let message = unavailable.to_string();
    match unavailable {
        Unavailable::NoLeader => error(busy, NO_MASTER, message).with(RETRY_AFTER, "1"),
        Unavailable::NotServing(_) => error(busy, "cluster_block_exception", message).with(RETRY_AFTER, "1"),
        Unavailable::Busy => error(busy, "es_rejected_execution_exception", message).with(RETRY_AFTER, "1"),
        Unavailable::Unknown => {
            error(busy, "process_cluster_event_timeout_exception", format!("{message}: read before you send it again"))
        }
        Unavailable::TooLarge { .. } => error(StatusCode::PAYLOAD_TOO_LARGE, "content_too_long_exception", message),
        Unavailable::Membership(_) => error(StatusCode::CONFLICT, "illegal_state_exception", message),
    }
}
