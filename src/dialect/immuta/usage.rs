//! Who has an account, as the product's summary of license use tells it: page by page, with the sums of all.

use serde::Serialize;
use serde_json::Value;

use super::answer::{Asked, BUILT_IN, Result};
use crate::dialect::reply::Reply;
use crate::domain::account::USERS;
use crate::domain::account_license::is_licensed;

/// How many users a page has when nobody says: the documentation's own number.
const PAGE: u64 = 10;

#[derive(Debug, Serialize)]
struct Usage {
    users: Vec<Account>,
    summary: Summary,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    user_type: &'static str,
    name: String,
    /// Nobody's is known here.
    email: Value,
    iamid: &'static str,
    userid: String,
    active: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    data_consumers: Counts,
    policy_owners: Counts,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    total_count: u64,
    active_count: u64,
}

/// A policy owner is whoever never takes a seat, a data consumer whoever does while enabled: the active ones of these
/// are what `licenseStatus` counts.
pub(super) fn usage(call: &Asked) -> Result {
    let state = &call.view().state;
    let offset = call.head.number("offset")?.unwrap_or(0);
    let size = call.head.number("size")?.unwrap_or(PAGE).min(USERS as u64);
    let page = offset..offset.saturating_add(size);
    let mut answer = Usage { users: Vec::new(), summary: Summary::default() };
    let people = state.users.iter().filter(|(_, user)| user.slave.is_none());
    for ((name, user), place) in people.zip(0..) {
        let Summary { data_consumers, policy_owners } = &mut answer.summary;
        let (user_type, counts) = match is_licensed(state, name, user) {
            true => ("dataConsumer", data_consumers),
            false => ("policyOwner", policy_owners),
        };
        counts.total_count += 1;
        counts.active_count += u64::from(!user.disabled);
        if page.contains(&place) {
            let (name, userid) = (name.to_string(), name.to_string());
            let active = !user.disabled;
            answer.users.push(Account { user_type, name, email: Value::Null, iamid: BUILT_IN, userid, active });
        }
    }
    Ok(Reply::ok(&answer))
}
