//! The service's bodies, field for field, and its media types.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::dialect::request::{Head, check_depth, split_query};
use crate::dialect::trouble::Malformed;

/// What bodies may be sent as.
pub(super) const MEDIA: [&str; 4] = [
    "application/vnd.nuix.v1+json",
    "application/vnd.nuix.v2+json",
    "application/json",
    "application/x-www-form-urlencoded",
];

/// Which of the media types an answer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    V1,
    V2,
}

impl Media {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::V1 => MEDIA[0],
            Media::V2 => MEDIA[1],
        }
    }

    /// The media type that a client takes: the first of its list that there is.
    ///
    /// # Errors
    /// When it takes none that there is.
    pub(super) fn accepted(head: &Head) -> Result<Media, Malformed> {
        let Some(accept) = head.header("accept").filter(|accept| !accept.trim().is_empty()) else {
            return Ok(Media::Json);
        };
        let mut words = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
        let known = |range: &str| match range.to_ascii_lowercase().as_str() {
            "*/*" | "application/*" | "application/json" => Some(Media::Json),
            "application/vnd.nuix.v1+json" => Some(Media::V1),
            "application/vnd.nuix.v2+json" => Some(Media::V2),
            _other => None,
        };
        words.find_map(known).ok_or_else(|| Malformed::BadHeader {
            name: "Accept",
            what: format!("one of {} is answered", MEDIA[..3].join(", ")),
        })
    }
}

/// A license type: 15 members, null where unknown or not shown without a token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LicenseType {
    pub(super) shortname: String,
    pub(super) count: u64,
    pub(super) configured_count: u64,
    pub(super) description: String,
    pub(super) workers: u64,
    pub(super) configured_workers: u64,
    pub(super) audited: bool,
    pub(super) audit_threshold: u64,
    pub(super) source: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<&'static str>,
    pub(super) location: Option<String>,
    pub(super) expiry: Option<u64>,
    pub(super) legal_hold_hold_count_limit: Option<u64>,
    pub(super) concurrent_user_limit: Option<u64>,
    pub(super) can_choose_workers: Option<bool>,
}

/// A session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoggedIn {
    pub(super) username: String,
    pub(super) auth_token: String,
    pub(super) license_short_name: String,
    pub(super) cluster_system_license_short_name: Option<String>,
    pub(super) worker_count: u64,
    pub(super) workers_granted: u64,
}

/// What serves here: the seed's five members.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    pub(super) server: String,
    pub(super) server_id: &'static str,
    pub(super) startup_time: Option<u64>,
    pub(super) nuix_restful_version: Option<&'static str>,
    pub(super) engine_version: Option<&'static str>,
    #[serde(flatten)]
    pub(super) older: Option<OlderAbout>,
}

/// What version 1 says besides; all of it deprecated.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OlderAbout {
    pub(super) licence_source: &'static str,
    pub(super) case_privilege_security_enabled: bool,
    pub(super) item_security_enabled: bool,
    pub(super) specific_license_required_at_login: bool,
    pub(super) user_management_url: &'static str,
    pub(super) text_highlighting_enabled: bool,
    pub(super) phrase_highlighting_enabled: bool,
}

/// How a function stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionStatus {
    pub(super) done: bool,
    pub(super) cancelled: bool,
    pub(super) result: Value,
    pub(super) token: Value,
    pub(super) function_key: String,
    pub(super) progress: u64,
    pub(super) total: u64,
    pub(super) percent_complete: u64,
    pub(super) updated_on: u64,
    pub(super) status: &'static str,
    pub(super) status_id: &'static str,
    pub(super) request_time: u64,
    pub(super) start_time: Option<u64>,
    pub(super) finish_time: Option<u64>,
    pub(super) case_id: Value,
    pub(super) case_name: Value,
    pub(super) has_successfully_completed: bool,
    pub(super) friendly_name: String,
    pub(super) case_location: Value,
    pub(super) requestor: String,
    pub(super) license_short_name: String,
    pub(super) action: &'static str,
    pub(super) options: Value,
    pub(super) participating_in_case_function_queue: bool,
    pub(super) processed_by: Value,
    pub(super) error: Value,
}

/// A function that was started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Started {
    pub(super) function_key: String,
    pub(super) location: String,
}

/// A request's members, from JSON or a form; unknown ones are nobody's.
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is neither, or of a type that is neither.
    pub(super) fn of(head: &Head, body: &[u8]) -> Result<Members, Malformed> {
        let kind = head.header("content-type").unwrap_or(Media::Json.name()).split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        if kind == MEDIA[3] {
            let text = std::str::from_utf8(body).ok().and_then(split_query).ok_or(Malformed::NotUtf8)?;
            return Ok(Members(text.into_iter().map(|(name, value)| (name, Value::String(value))).collect()));
        }
        if !MEDIA.contains(&kind.as_str()) {
            return Err(Malformed::WrongType { wants: "JSON or a form" });
        }
        check_depth(body)?;
        match crate::signing::json::parse(body) {
            Ok(Value::Object(members)) => Ok(Members(members)),
            Ok(_) => Err(Malformed::BadBody { what: "the body is JSON, but no object".to_owned() }),
            Err(error) => Err(Malformed::BadBody { what: error.to_string() }),
        }
    }

    /// A text; null and absent are the same.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Malformed> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Malformed::BadQuery { name, what: "a string is needed".to_owned() }),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn required(&self, name: &'static str) -> Result<String, Malformed> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Malformed::BadQuery { name, what: MISSING.to_owned() })
    }

    /// A whole number, also as text, since a form knows no other; null, absent and empty are the same.
    ///
    /// # Errors
    /// When it is none, or beyond what the product reads.
    pub(super) fn number(&self, name: &'static str, most: u64) -> Result<Option<u64>, Malformed> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64(),
        };
        match number.filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => Err(Malformed::BadQuery { name, what: format!("a whole number from 0 to {most} is needed") }),
        }
    }
}

/// What is wrong with an argument that is not there.
pub(super) const MISSING: &str = "missing";
