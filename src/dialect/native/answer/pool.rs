//! Pools.

use std::collections::BTreeMap;

use hyper::StatusCode;

use super::super::endpoint::Endpoint;
use super::super::event::members;
use super::super::wire::{self, QuotaWord, stamp};
use super::list::{self, Rows};
use super::{Asked, Result, bad_body, done, missing};
use crate::dialect::reply::Reply;
use crate::domain::intent::Command;
use crate::domain::name::SlaveId;
use crate::domain::pool::{CreatePool, EditPool, Members, Pool, Quota};
use crate::domain::state::State;
use crate::projection::pools::{self, PoolView};
use crate::signing::quantity;

/// Most slaves in one answer's `slaves_used_bytes`.
const SLAVES: usize = 10_000;

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::ListPools => {
            let stack = call.head.param("stack").map(str::to_lowercase);
            let total = stack.is_none().then(|| call.view().state.pools.len());
            list::reply(call, total, move |view, after, limit| {
                let later = |view: &PoolView<'_>| after.is_none_or(|after| *view.pool.name > *after);
                let fits = |view: &PoolView<'_>| stack.as_deref().is_none_or(|stack| *view.pool.stack == *stack);
                let pools = pools::pools(&view.state).filter(later);
                Rows::of(pools.map(|view| (view.pool.name.clone(), fits(&view).then(|| shown(&view)))), limit)
            })
        }
        Endpoint::CreatePool => create(call).await,
        Endpoint::GetPool(name) => {
            let after = call.head.param("slaves_after").map(SlaveId::from);
            one(&call.view().state, &name, after.as_deref(), StatusCode::OK)
        }
        Endpoint::EditPool(name) => edit(call, name).await,
        Endpoint::DeletePool(name) => {
            call.no_body().await?;
            call.submit(Command::DeletePool { pool: name.into() }, b"").await.map(|_| done())
        }
        other => Err(missing("endpoint", &format!("{other:?}"))),
    }
}

fn quota(word: &QuotaWord) -> Result<Quota> {
    match word {
        QuotaWord::Bytes(bytes) => Ok(Quota::Bytes(*bytes)),
        QuotaWord::Text(text) if text.trim().eq_ignore_ascii_case("max") => Ok(Quota::Max),
        QuotaWord::Text(text) => {
            quantity::bytes(text).map(Quota::Bytes).map_err(|error| bad_body(format!("quota: {error}")))
        }
    }
}

/// `*` is everybody; GUIDs are kept as they are written.
fn slaves(words: &[String]) -> Members {
    let named = words.iter().filter(|word| *word != "*").map(|word| SlaveId::from(word.trim()));
    Members { all: words.iter().any(|word| word == "*"), named: named.collect() }
}

async fn create(call: &mut Asked) -> Result {
    let (wish, body) = call.json::<wire::NewPool>().await?;
    let command = CreatePool {
        pool: wish.name.as_str().into(),
        stack: wish.stack.to_lowercase().into(),
        quota: quota(&wish.quota)?,
        members: slaves(&wish.slaves),
        description: wish.description.into(),
    };
    let answer = call.submit(Command::CreatePool(command), &body).await?;
    one(&answer.view.state, &wish.name, None, StatusCode::CREATED)
}

async fn edit(call: &mut Asked, name: String) -> Result {
    let (wish, body) = call.json::<wire::PoolChanges>().await?;
    let command = EditPool {
        pool: name.as_str().into(),
        quota: wish.quota.as_ref().map(quota).transpose()?,
        members: wish.slaves.as_deref().map(slaves),
        append: wish.append_slaves,
        description: wish.description.map(Into::into),
    };
    let answer = call.submit(Command::EditPool(command), &body).await?;
    one(&answer.view.state, &name, None, StatusCode::OK)
}

fn one(state: &State, name: &str, after: Option<&str>, status: StatusCode) -> Result {
    let view = pools::pool(state, name).ok_or_else(|| missing("pool", name))?;
    let mut answer = shown(&view);
    let (used, next) = slaves_used(state, view.pool, after);
    answer.slaves_used_bytes = Some(used);
    answer.slaves_next = Some(next);
    Ok(Reply::json(status, &answer))
}

/// One page of what each slave used of a pool today.
fn slaves_used(state: &State, pool: &Pool, after: Option<&str>) -> (BTreeMap<String, u64>, Option<String>) {
    let mut used = BTreeMap::new();
    let mut last = None;
    for (slave, bytes) in pools::slaves_used(state, pool, after).filter(|(_, bytes)| *bytes > 0) {
        if used.len() == SLAVES {
            return (used, last);
        }
        used.insert(slave.to_string(), bytes);
        last = Some(slave.to_string());
    }
    (used, None)
}

fn shown(view: &PoolView<'_>) -> wire::Pool {
    let pool = view.pool;
    wire::Pool {
        name: pool.name.to_string(),
        stack: pool.stack.to_string(),
        active: view.is_active,
        quota_bytes: view.quota_bytes,
        effective_quota_bytes: view.effective_quota_bytes,
        used_bytes: view.used_bytes,
        slaves: members(&pool.members),
        slaves_used_bytes: None,
        slaves_next: None,
        description: pool.description.to_string(),
        fixed: pool.fixed,
        warning_count: view.over.len() as u64,
        warning_days: view.over.iter().map(ToString::to_string).collect(),
        in_violation: view.in_violation,
        slave_count: view.warnings.slaves,
        violating_slaves: view.warnings.violating,
        created: stamp(pool.created),
    }
}
