//! The cluster's settings, and the policies that were chosen.

use std::collections::BTreeMap;

use super::super::endpoint::Endpoint;
use super::super::wire;
use super::{Asked, Result, bad_body, missing};
use crate::dialect::reply::Reply;
use crate::domain::intent::Command;
use crate::domain::policy::{self, Choice, Policy};
use crate::domain::settings::{ChangeSettings, Settings};
use crate::domain::state::State;

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::GetSettings => Ok(Reply::ok(&all(&call.view().state))),
        Endpoint::SetPolicy(name) => set_policy(call, &name).await,
        _change => change(call).await,
    }
}

async fn set_policy(call: &mut Asked, name: &str) -> Result {
    let (wish, body) = call.json::<wire::NewChoice>().await?;
    let policy = Policy::named(name).ok_or_else(|| missing("policy", name))?;
    let words = || policy.choices().iter().map(|choice| choice.name()).collect::<Vec<_>>().join(" or ");
    let choice = Choice::named(&wish.choice).ok_or_else(|| bad_body(format!("choice is {}", words())))?;
    let answer = call.submit(Command::SetPolicy { policy, choice }, &body).await?;
    Ok(Reply::ok(&all(&answer.view.state)))
}

async fn change(call: &mut Asked) -> Result {
    let (wish, body) = call.json::<wire::SettingsChanges>().await?;
    if let Some(zone) = &wish.zone {
        let known = zone.parse::<chrono_tz::Tz>();
        known.map_err(|_unknown| {
            bad_body(format!("no such zone: {zone:?}; write an IANA zone such as Europe/Berlin"))
        })?;
    }
    let command = Command::ChangeSettings(ChangeSettings {
        zone: wish.zone.map(Into::into),
        retention_days: wish.retention_days,
        retention_bytes: wish.retention_bytes,
        report_interval_ms: wish.report_interval_ms,
        silent_after_ms: wish.silent_after_ms,
        squash_threshold: wish.squash_threshold,
        lockout_failures: wish.lockout_failures,
        lockout_ms: wish.lockout_ms,
        session_ms: wish.session_ms,
    });
    let answer = call.submit(command, &body).await?;
    Ok(Reply::ok(&all(&answer.view.state)))
}

/// All settings, and what holds of each policy.
fn all(state: &State) -> wire::Settings {
    let holds = |policy: Policy| (policy.name(), policy::chosen(state, policy).name());
    wire::Settings { policies: Policy::ALL.into_iter().map(holds).collect(), ..shown(&state.settings) }
}

/// Settings as the API and the journal write them.
pub(in crate::dialect::native) fn shown(settings: &Settings) -> wire::Settings {
    wire::Settings {
        zone: settings.zone.to_string(),
        retention_days: settings.retention_days,
        retention_bytes: settings.retention_bytes,
        report_interval_ms: settings.report_interval_ms,
        silent_after_ms: settings.silent_after_ms,
        squash_threshold: settings.squash_threshold,
        lockout_failures: settings.lockout_failures,
        lockout_ms: settings.lockout_ms,
        session_ms: settings.session_ms,
        policies: BTreeMap::new(),
    }
}
