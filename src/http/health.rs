//! Health without a credential: `/livez` (the process answers and its replica has not failed), `/readyz` (it can do its
//! work), `/healthz` (the same), each with `?verbose`, `?exclude=`, and one check alone as `/readyz/<check>`.

use std::time::Duration;

use hyper::header::ACCEPT;
use hyper::{Method, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::House;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::replica::{Consistency, Replica};

/// How long a check may wait for the replica's own knowledge, which is at hand unless something is stuck.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether the process should go on.
    Live,
    /// Whether it should get requests.
    Ready,
}

impl Question {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Question::Live => "livez",
            Question::Ready => "readyz",
        }
    }
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether it passes.
    pub ok: bool,
    /// Why not, or how it stands.
    pub detail: String,
}

/// A node's health.
pub struct Health {
    replica: Replica,
}

impl Health {
    /// The health of a node with this replica.
    #[must_use]
    pub fn new(replica: Replica) -> Health {
        Health { replica }
    }

    /// All checks of a question. `local` leaves out what depends on other nodes.
    pub async fn checks(&self, question: Question, local: bool, leaving: bool) -> Vec<Check> {
        let status = self.replica.status();
        let failed = status.trouble.clone();
        let mut checks = vec![Check {
            name: "replica",
            ok: failed.is_none(),
            detail: failed.unwrap_or_else(|| format!("applied {}", status.applied_seq)),
        }];
        if question == Question::Live {
            return checks;
        }
        checks.push(Check {
            name: "not_stopping",
            ok: !leaving,
            detail: if leaving { "this node stops" } else { "serving" }.to_owned(),
        });
        if !local {
            checks.push(Check {
                name: "raft_leader",
                ok: status.leader.is_some(),
                detail: status
                    .leader
                    .map_or_else(|| "no leader is known".to_owned(), |leader| format!("node {leader}")),
            });
        }
        let view = self.replica.view(Consistency::Stale, Instant::now() + PATIENCE).await;
        let (ok, detail) = match &view {
            Ok(view) => (!view.state.cluster_id.is_empty(), format!("license day {}", view.state.calendar.today)),
            Err(error) => (false, error.to_string()),
        };
        checks.push(Check { name: "state", ok, detail });
        checks
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    status: &'static str,
    checks: &'a [Check],
}

/// Answers any health path.
pub(super) async fn answer(house: &House, head: &Head) -> Reply {
    if head.method != Method::GET && head.method != Method::HEAD {
        return Reply::of(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "only GET\n")
            .with("allow", "GET, HEAD");
    }
    let segments: Vec<&str> = head.path.iter().map(String::as_str).collect();
    let (question, one) = match segments.as_slice() {
        ["livez"] => (Question::Live, None),
        ["livez", name] => (Question::Live, Some(*name)),
        ["readyz" | "healthz"] => (Question::Ready, None),
        ["readyz" | "healthz", name] => (Question::Ready, Some(*name)),
        _ => return Reply::of(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "no such check\n"),
    };
    let local = head.param("local").is_some_and(|value| matches!(value, "" | "true" | "1"));
    let excluded: Vec<&str> =
        head.query.iter().filter(|(name, _)| name == "exclude").map(|(_, value)| value.as_str()).collect();
    let mut checks = house.health.checks(question, local, house.is_leaving()).await;
    checks.retain(|check| one.is_none_or(|name| name == check.name) && !excluded.contains(&check.name));
    if one.is_some() && checks.is_empty() {
        return Reply::of(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "no such check\n");
    }
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reply = if head.header(ACCEPT).is_some_and(|accept| accept.contains("application/json")) {
        Reply::json(status, &Answer { status: if ok { "ok" } else { "fail" }, checks: &checks })
    } else {
        let verbose = head.param("verbose").is_some() || !ok;
        let text = if verbose { lines(&checks, question, ok) } else { "ok\n".to_owned() };
        Reply::of(status, "text/plain; charset=utf-8", text)
    };
    reply.with("cache-control", "no-store")
}

fn lines(checks: &[Check], question: Question, ok: bool) -> String {
    let mut text: String = checks
        .iter()
        .map(|check| {
            let (mark, word) = if check.ok { ('+', "ok") } else { ('-', "failed") };
            format!("[{mark}]{} {word}: {}\n", check.name, check.detail)
        })
        .collect();
    text.push_str(&format!("{} check {}\n", question.name(), if ok { "passed" } else { "failed" }));
    text
}
