//! The cluster's settings.

use super::super::endpoint::Endpoint;
use super::super::wire;
use super::{Asked, Result, bad_body};
use crate::dialect::reply::Reply;
use crate::domain::intent::Command;
use crate::domain::settings::{ChangeSettings, Settings};

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    if endpoint == Endpoint::GetSettings {
        return Ok(Reply::ok(&shown(&call.view().state.settings)));
    }
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
    Ok(Reply::ok(&shown(&answer.view.state.settings)))
}

/// Settings as the API writes them.
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
    }
}
