//! Endpoints into commands or views, and those into replies.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::endpoint::{Endpoint, Matched};
use super::wire::{About, LicenseType, Media, OlderAbout};
use super::{Nuix, function, session};
use crate::access::Caller;
use crate::dialect::reply::Reply;
use crate::dialect::trouble::Trouble;
use crate::dialect::{Call, Dialect as _, consistency};
use crate::domain::state::State;
use crate::domain::time::NEVER;
use crate::projection::seats::{self, TypeView};
use crate::replica::View;

pub(super) type Asked = Call<Matched>;
pub(super) type Result<T = Reply> = std::result::Result<T, Trouble>;

/// What this service calls itself; the same on every node.
pub(super) const SERVER_ID: &str = "quartermaster";
/// The version of the product's API that is spoken here: the seed's.
const API_VERSION: &str = "8.8.0";

pub(super) async fn answer(call: &mut Asked) -> Result {
    let media = Media::accepted(&call.head)?;
    let reply = match call.endpoint.endpoint.clone() {
        Endpoint::Licenses => licenses(call, media).await,
        Endpoint::About => about(call, media).await,
        Endpoint::Health => Ok(rendered(StatusCode::OK, media, &json!({"success": true}))),
        Endpoint::Login => session::login(call, media).await,
        Endpoint::Logout(username) => session::logout(call, media, &username).await,
        Endpoint::StartFunction
        | Endpoint::Functions
        | Endpoint::Function(_)
        | Endpoint::StopFunction(_)
        | Endpoint::SetStatus(_)
        | Endpoint::Queue => function::answer(call, media).await,
    }?;
    if call.caller.is_some() {
        session::beat(call).await;
    }
    Ok(reply)
}

/// A body in the media type that was asked for.
pub(super) fn rendered(status: StatusCode, media: Media, value: &impl Serialize) -> Reply {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    body.push(b'\n');
    Reply::of(status, media.name(), body)
}

/// Who asks on a route that needs nobody: a token that is not good is as good as none there.
async fn somebody(call: &Asked) -> Result<(View, Option<Caller>)> {
    let view = call.cx.replica.view(consistency(&call.head)?, call.head.deadline).await?;
    let caller = match Nuix::presented(&call.head) {
        Ok(presented) => call.cx.access.authenticate(&presented, &view.state, call.head.peer).await.ok(),
        Err(_) => None,
    };
    Ok((view, caller.filter(|caller| !caller.closing)))
}

async fn licenses(call: &Asked, media: Media) -> Result {
    let (view, caller) = somebody(call).await?;
    let state = &view.state;
    let types: Vec<LicenseType> = seats::types(state)
        .filter(|view| view.kind.licensed)
        .map(|view| license_type(state, &view, caller.is_some()))
        .collect();
    Ok(rendered(StatusCode::OK, media, &types))
}

fn license_type(state: &State, view: &TypeView<'_>, known: bool) -> LicenseType {
    let kind = view.kind;
    let limits = state.works.limits.get(&kind.name).filter(|_| known);
    LicenseType {
        shortname: kind.name.to_string(),
        count: view.free,
        configured_count: kind.count,
        description: kind.description.to_string(),
        workers: view.free_workers,
        configured_workers: kind.workers,
        audited: kind.audited,
        audit_threshold: kind.audit_threshold_bytes,
        source: known.then(|| format!("server {}", state.cluster_name)),
        kind: known.then_some("server"),
        location: known.then(|| state.cluster_name.to_string()),
        expiry: (known && kind.expires != NEVER).then_some(kind.expires.0),
        legal_hold_hold_count_limit: limits.and_then(|limits| limits.holds),
        concurrent_user_limit: limits.and_then(|limits| limits.users),
        can_choose_workers: known.then_some(kind.can_choose_workers),
    }
}

async fn about(call: &Asked, media: Media) -> Result {
    let (view, caller) = somebody(call).await?;
    let first = call.endpoint.version == Some(1) || media == Media::V1;
    let known = caller.is_some();
    let started = view.state.nodes.values().map(|node| node.joined.0).min();
    let older = first.then(|| OlderAbout { licence_source: "server", ..OlderAbout::default() });
    Ok(rendered(
        StatusCode::OK,
        media,
        &About {
            server: call.head.header("host").unwrap_or_default().to_owned(),
            server_id: SERVER_ID,
            startup_time: started.filter(|_| known),
            nuix_restful_version: (known || first).then_some(API_VERSION),
            engine_version: known.then_some(env!("CARGO_PKG_VERSION")),
            older,
        },
    ))
}
