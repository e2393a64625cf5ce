//! Immuta's bodies, field for field as seed 001 prints them. Times are JavaScript's `toISOString`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::dialect::request::{Head, check_depth, split_query};
use crate::dialect::trouble::Malformed;
use crate::domain::account_license::{AccountGrant, Remembered};
use crate::domain::license::{License, Standing};
use crate::domain::name::{Map, Name};
use crate::domain::state::State;
use crate::domain::time::{Moment, NEVER};
use crate::projection::journal::rfc3339;

/// `{"enabled": true}`
#[derive(Debug, Serialize)]
pub(super) struct Switch {
    enabled: bool,
}

type Switches = BTreeMap<String, Switch>;

/// A license as adding and reading one answers it: 19 members, in the seed's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole {
    id: u64,
    license_key: Option<String>,
    seats: u64,
    soft_seats: u64,
    expires: Option<String>,
    uuid: String,
    deleted: bool,
    invalidated: bool,
    features: Switches,
    handlers: Switches,
    hard_expiration: bool,
    renewal_token: Value,
    notice: Option<String>,
    notice_on_expire: Option<String>,
    classify_username: Value,
    classify_token: Value,
    created_at: Option<String>,
    updated_at: Option<String>,
    expired: bool,
}

/// A license in the list: 9 members, and never the key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    id: u64,
    uuid: String,
    features: Switches,
    handlers: Switches,
    expires: Option<String>,
    seats: u64,
    created_at: Option<String>,
    notice: Option<String>,
    notice_on_expire: Option<String>,
}

/// A license that was deleted: 17 members.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deleted {
    id: u64,
    license_key: Option<String>,
    seats: u64,
    soft_seats: u64,
    expires: Option<String>,
    uuid: String,
    deleted: bool,
    invalidated: bool,
    features: Switches,
    handlers: Switches,
    hard_expiration: bool,
    notice: Option<String>,
    notice_on_expire: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    hard_delete: bool,
    expired: bool,
}

/// Seats, and how many are taken.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) active_user_count: u64,
    pub(super) license_seats: u64,
    pub(super) can_add_user: bool,
    pub(super) hard_seats: u64,
}

/// A token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authenticated {
    pub(super) authenticated: bool,
    pub(super) token: String,
    pub(super) token_expiration: Option<String>,
    /// Ours: what the login page would show.
    pub(super) notices: Vec<String>,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub(super) struct Current {
    pub(super) name: String,
    pub(super) iamid: &'static str,
    pub(super) userid: String,
    pub(super) permissions: Vec<&'static str>,
}

/// A license of accounts, with what is remembered of it.
pub(super) struct Row<'a> {
    pub(super) license: &'a License,
    pub(super) grant: &'a AccountGrant,
    pub(super) remembered: Remembered,
    /// Whether the reader may see the key.
    pub(super) shows_key: bool,
}

impl Row<'_> {
    fn key(&self) -> Option<String> {
        self.shows_key.then(|| self.license.text.to_string())
    }

    fn is(&self, state: &State, standing: Standing) -> bool {
        self.license.standing(state, state.now) == standing
    }

    pub(super) fn whole(&self, state: &State) -> Whole {
        let (license, grant) = (self.license, self.grant);
        Whole {
            id: self.remembered.number,
            license_key: self.key(),
            seats: grant.seats,
            soft_seats: grant.soft_seats,
            expires: time(license.expires),
            uuid: license.issue.to_string(),
            deleted: false,
            invalidated: self.is(state, Standing::Untrusted),
            features: switches(&grant.features),
            handlers: switches(&grant.handlers),
            hard_expiration: grant.hard_expiration,
            renewal_token: Value::Null,
            notice: text(&grant.notice),
            notice_on_expire: text(&grant.notice_on_expire),
            classify_username: Value::Null,
            classify_token: Value::Null,
            created_at: time(license.created),
            updated_at: time(self.remembered.updated),
            expired: self.is(state, Standing::Expired),
        }
    }

    pub(super) fn listed(&self) -> Listed {
        let (license, grant) = (self.license, self.grant);
        Listed {
            id: self.remembered.number,
            uuid: license.issue.to_string(),
            features: switches(&grant.features),
            handlers: switches(&grant.handlers),
            expires: time(license.expires),
            seats: grant.seats,
            created_at: time(license.created),
            notice: text(&grant.notice),
            notice_on_expire: text(&grant.notice_on_expire),
        }
    }

    /// As it was in `state`, deleted at `updated`.
    pub(super) fn deleted(&self, state: &State, updated: Moment) -> Deleted {
        let (license, grant) = (self.license, self.grant);
        Deleted {
            id: self.remembered.number,
            license_key: self.key(),
            seats: grant.seats,
            soft_seats: grant.soft_seats,
            expires: time(license.expires),
            uuid: license.issue.to_string(),
            deleted: true,
            invalidated: self.is(state, Standing::Untrusted),
            features: switches(&grant.features),
            handlers: switches(&grant.handlers),
            hard_expiration: grant.hard_expiration,
            notice: text(&grant.notice),
            notice_on_expire: text(&grant.notice_on_expire),
            created_at: time(license.created),
            updated_at: time(updated),
            hard_delete: grant.hard_delete,
            expired: self.is(state, Standing::Expired),
        }
    }
}

/// A moment; null for never.
pub(super) fn time(moment: Moment) -> Option<String> {
    (moment != NEVER).then(|| rfc3339(moment))
}

fn text(text: &Name) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

fn switches(switches: &Map<Name, bool>) -> Switches {
    switches.iter().map(|(name, on)| (name.to_string(), Switch { enabled: *on })).collect()
}

/// The members of a body: a JSON object's that are texts, or a form's.
///
/// # Errors
/// When it is neither, or of a type that is neither.
pub(super) fn members(head: &Head, body: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let kind = head.header("content-type").unwrap_or("application/json").split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let text = std::str::from_utf8(body).ok().and_then(split_query);
        return text.ok_or(Malformed::NotUtf8);
    }
    if !(kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")) {
        return Err(Malformed::WrongType { wants: "application/json or application/x-www-form-urlencoded" });
    }
    json_members(body)
}

fn json_members(body: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    check_depth(body)?;
    let bad = |what: &str| Malformed::BadBody { what: what.to_owned() };
    let value = crate::signing::json::parse(body).map_err(|_broken| bad("Invalid request payload JSON format"))?;
    let Value::Object(members) = value else { return Err(bad("Invalid request payload input")) };
    members
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _other if ["licensekey", "licenseKey", "apikey", "username", "password"].contains(&name.as_str()) => {
                Err(Malformed::BadBody { what: format!("\"{name}\" must be a string") })
            }
            _other => Ok((name, String::new())),
        })
        .collect()
}
