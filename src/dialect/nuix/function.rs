//! Functions: the work that keeps a session from ending. The product's own ones work on cases; ours take their time.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{Asked, Result, rendered};
use super::endpoint::Endpoint;
use super::session::own;
use super::wire::{FunctionStatus, Media, Members, Started};
use crate::dialect::reply::Reply;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::domain::intent::Command;
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::domain::work::{Ask, Kind, RUN_MS, Stage, Work, WorkCommand, session_of};

/// What a function may do, by the names that requests give it.
const ACTIONS: [(&str, Kind); 2] = [("processing", Kind::Processing), ("legalHold", Kind::LegalHold)];

pub(super) async fn answer(call: &mut Asked, media: Media) -> Result {
    match call.endpoint.endpoint.clone() {
        Endpoint::StartFunction => start(call, media).await,
        Endpoint::Functions => {
            let state = &call.view().state;
            let session = session_of(state, call.caller().actor.credential);
            let works = session.into_iter().flat_map(|session| state.works.of_session(session));
            let param = |name| call.head.param(name).filter(|word| !word.is_empty());
            let (case, label) = (param("caseId"), param("friendlyName"));
            // nothing here has a case, so nothing is of the one that is asked for
            let works = works.filter(|work| case.is_none() && label.is_none_or(|label| *work.label == *label));
            Ok(rendered(StatusCode::OK, media, &works.map(|work| status(work, state)).collect::<Vec<_>>()))
        }
        Endpoint::Function(key) => {
            let state = &call.view().state;
            Ok(rendered(StatusCode::OK, media, &status(find(call, &key)?, state)))
        }
        Endpoint::StopFunction(key) => stop(call, media, &key).await,
        Endpoint::SetStatus(key) => set_status(call, media, &key).await,
        _queue => Ok(queue(call, media)),
    }
}

/// A function of the caller's own; anybody else's is not there.
fn find<'a>(call: &'a Asked, key: &str) -> Result<&'a Work> {
    let work = call.view().state.works.by_key(key).filter(|work| work.user == call.caller().actor.user);
    work.ok_or_else(|| missing(key))
}

fn missing(key: &str) -> Trouble {
    Trouble::NotFound { what: "function", name: key.to_owned() }
}

async fn start(call: &mut Asked, media: Media) -> Result {
    let limit = call.cx.limits.login_bytes;
    let body = call.body.read(&call.head, limit).await?;
    let members = Members::of(&call.head, &body)?;
    let action = members.text("action")?.unwrap_or_else(|| ACTIONS[0].0.to_owned());
    let kind = ACTIONS.iter().find(|(name, _)| *name == action).map(|(_, kind)| *kind);
    let kind = kind.ok_or_else(|| Malformed::BadQuery {
        name: "action",
        what: format!("{} are known", ACTIONS.map(|(name, _)| name).join(" and ")),
    })?;
    let run_ms = members.number("runMs", RUN_MS)?;
    let run_ms = run_ms.ok_or_else(|| Malformed::BadQuery { name: "runMs", what: super::wire::MISSING.to_owned() })?;
    let ask = Ask {
        session: own(call)?,
        key: uuid::Uuid::new_v4().to_string().into(),
        kind,
        label: members.text("friendlyName")?.unwrap_or_default().into(),
        bytes: members.number("bytes", u64::MAX / 2)?.unwrap_or(0),
        run_ms,
    };
    let key = ask.key.to_string();
    call.submit(Command::Work(WorkCommand::Ask(Box::new(ask))), &body).await?;
    let location = format!("/svc/v1/asyncFunctions/{key}");
    Ok(rendered(StatusCode::CREATED, media, &Started { function_key: key, location }))
}

async fn stop(call: &mut Asked, media: Media, key: &str) -> Result {
    let limit = call.cx.limits.login_bytes;
    call.body.read(&call.head, limit).await?;
    cancel(call, key).await?;
    Ok(rendered(StatusCode::OK, media, &json!({"success": true})))
}

async fn cancel(call: &mut Asked, key: &str) -> Result<()> {
    let refused = |refusal: &Refusal| matches!(refusal, Refusal::NoSuchWork { .. } | Refusal::NotYourSeat { .. });
    match call.submit(Command::Work(WorkCommand::Cancel { key: key.into() }), b"").await {
        Ok(_) => Ok(()),
        Err(Trouble::Refused(refusal)) if refused(&refusal) => Err(missing(key)),
        Err(trouble) => Err(trouble),
    }
}

async fn set_status(call: &mut Asked, media: Media, key: &str) -> Result {
    let limit = call.cx.limits.login_bytes;
    let body = call.body.read(&call.head, limit).await?;
    let wanted = Members::of(&call.head, &body)?.required("status")?;
    if !matches!(wanted.as_str(), "CANCELLED" | "STOPPED") {
        let what = "CANCELLED or STOPPED; a function here is neither paused nor begun by hand".to_owned();
        return Err(Malformed::BadQuery { name: "status", what }.into());
    }
    cancel(call, key).await?;
    Ok(rendered(StatusCode::OK, media, &json!({"success": true})))
}

fn queue(call: &Asked, media: Media) -> Reply {
    let state = &call.view().state;
    let session = session_of(state, call.caller().actor.credential);
    let running = session.map_or(0, |session| state.works.running(session));
    let waiting: Vec<&str> = session
        .into_iter()
        .flat_map(|session| state.works.open_of(session))
        .filter(|work| work.stage == Stage::Queued)
        .map(|work| &*work.key)
        .collect();
    let queue = json!({
        "executeImmediate": waiting.is_empty(),
        "singleItemQueue": waiting,
        "paused": false,
        "pausedBy": null,
        "pausedUntil": null,
        "caseQueues": [],
        "totalRunningFunctions": running,
    });
    rendered(StatusCode::OK, media, &queue)
}

fn status(work: &Work, state: &State) -> FunctionStatus {
    let (status, ran_ms) = match work.stage {
        Stage::Queued => ("QUEUED", 0),
        Stage::Running => {
            let ran_ms = work.begun.map_or(0, |begun| state.now.0.saturating_sub(begun.0));
            ("IN_PROGRESS", ran_ms.min(work.run_ms))
        }
        Stage::Done => ("FINISHED", work.run_ms),
        Stage::Cancelled => ("CANCELLED", 0),
    };
    let ended = work.ends.filter(|_| !work.is_open());
    FunctionStatus {
        done: !work.is_open(),
        cancelled: work.stage == Stage::Cancelled,
        result: Value::Null,
        token: Value::Null,
        function_key: work.key.to_string(),
        progress: ran_ms,
        total: work.run_ms,
        percent_complete: ran_ms * 100 / work.run_ms.max(1),
        updated_on: state.now.0,
        status,
        status_id: status,
        request_time: work.asked.0,
        start_time: work.begun.map(|begun| begun.0),
        finish_time: ended.map(|ended| ended.0),
        case_id: Value::Null,
        case_name: Value::Null,
        has_successfully_completed: work.stage == Stage::Done,
        friendly_name: work.label.to_string(),
        case_location: Value::Null,
        requestor: work.user.to_string(),
        license_short_name: work.product.to_string(),
        action: ACTIONS.iter().find(|(_, kind)| *kind == work.kind).map_or("", |(name, _)| name),
        options: json!({}),
        participating_in_case_function_queue: false,
        processed_by: Value::Null,
        error: Value::Null,
    }
}
