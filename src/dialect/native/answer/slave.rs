//! Slaves and messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::endpoint::Endpoint;
use super::super::wire::{self, stamp};
use super::list::{self, Rows};
use super::{Asked, Result, done, missing};
use crate::dialect::reply::Reply;
use crate::domain::intent::Command;
use crate::domain::name::{Name, hex};
use crate::domain::slave::EditSlave;
use crate::domain::state::State;
use crate::domain::warning::FeatureStatus;
use crate::projection::messages::{self, MessageView};
use crate::projection::slaves::{self, SlaveStatus, SlaveView};

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::ListSlaves => list_slaves(call),
        Endpoint::GetSlave(id) => one(&call.view().state, &id),
        Endpoint::EditSlave(id) => {
            let (wish, body) = call.json::<wire::SlaveChanges>().await?;
            let command = EditSlave { slave: id.as_str().into(), label: wish.label.map(Into::into) };
            let answer = call.submit(Command::EditSlave(command), &body).await?;
            one(&answer.view.state, &id)
        }
        Endpoint::ForgetSlave(id) => {
            call.no_body().await?;
            call.submit(Command::ForgetSlave { slave: id.as_str().into() }, b"").await.map(|_| done())
        }
        Endpoint::ListMessages => list_messages(call),
        Endpoint::GetMessage(id) => {
            let found = messages::message(&call.view().state, &id).ok_or_else(|| missing("message", &id))?;
            Ok(Reply::ok(&message(&found)))
        }
        other => Err(missing("endpoint", &format!("{other:?}"))),
    }
}

fn one(state: &State, id: &str) -> Result {
    let slave = slaves::slave(state, id).ok_or_else(|| missing("slave", id))?;
    Ok(Reply::ok(&shown(slave)))
}

fn list_slaves(call: &Asked) -> Result {
    let pool = call.head.param("pool").map(str::to_owned);
    let wanted = call.head.param("state").map(str::to_owned);
    let all = pool.is_none() && wanted.is_none();
    let total = all.then(|| call.view().state.slaves.len());
    list::reply(call, total, move |view, after, limit| {
        let walk = slaves::slaves(&view.state, after).map(|slave| {
            let in_pool = pool.as_deref().is_none_or(|pool| slave.pools.iter().any(|name| **name == *pool));
            let in_state = wanted.as_deref().is_none_or(|wanted| slave.status.name() == wanted);
            (Arc::clone(&slave.slave.id), (in_pool && in_state).then(|| shown(slave)))
        });
        Rows::of(walk, limit)
    })
}

/// Features as the API writes them: on or off.
fn features(features: Vec<(Name, FeatureStatus)>) -> BTreeMap<Name, bool> {
    features.into_iter().map(|(name, status)| (name, status == FeatureStatus::Enabled)).collect()
}

fn shown(view: SlaveView<'_>) -> wire::Slave {
    let slave = view.slave;
    wire::Slave {
        slave: Arc::clone(&slave.id),
        label: Arc::clone(&slave.label),
        state: view.status.name(),
        used_bytes: view.used_bytes,
        warning_count: view.warnings.len() as u64,
        warning_days: view.warnings.iter().map(|(day, _)| day.to_string()).collect(),
        in_violation: view.in_violation,
        pools: view.pools,
        pool: view.active_pool,
        used_bytes_by_pool: view.used_by_pool.into_iter().collect(),
        disallowed_bytes: view.disallowed_bytes,
        features: features(view.features),
        first_report: stamp(slave.first_report),
        last_report: stamp(slave.last_report),
        silent: view.status == SlaveStatus::Silent,
        levels: slave.levels.iter().map(|level| (Arc::clone(&level.name), level.value)).collect(),
    }
}

fn list_messages(call: &Asked) -> Result {
    let word = |name| call.head.param(name).map(str::to_owned);
    let (category, severity) = (word("category"), word("severity"));
    list::reply(call, None, move |view, after, limit| {
        // Messages have no order of their own to seek in: what was on earlier pages is walked over.
        let mut past = after.is_none();
        let walk = messages::messages(&view.state).filter_map(move |message| {
            let before = !past;
            past = past || after == Some(message.id.as_str());
            (!before).then_some(message)
        });
        let fits = |message: &MessageView| {
            category.as_deref().is_none_or(|wanted| wanted == message.category.name())
                && severity.as_deref().is_none_or(|wanted| wanted == message.category.severity())
        };
        Rows::of(walk.map(|message| (message.id.clone(), fits(&message).then(|| self::message(&message)))), limit)
    })
}

fn message(view: &MessageView) -> wire::Message {
    let named = |name: &Name| (!name.is_empty()).then(|| name.to_string());
    wire::Message {
        id: view.id.clone(),
        category: view.category.name(),
        severity: view.category.severity(),
        text: view.description.clone(),
        created: stamp(view.created),
        pool: named(&view.pool),
        slave: named(&view.slave),
        stack: named(&view.stack),
        license: view.license.as_ref().map(|id| hex(id)),
    }
}
