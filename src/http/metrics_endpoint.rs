//! `/metrics`: open on the metrics listener, with the right `read_metrics` on the API's.

use std::collections::BTreeMap;

use ::metrics::counter;
use hyper::{Method, StatusCode};

use super::House;
use super::health::Question;
use crate::access::Presented;
use crate::dialect::Language;
use crate::dialect::reply::Reply;
use crate::dialect::request::Head;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::domain::license::{Standing, Term};
use crate::domain::name::hex;
use crate::domain::state::State;
use crate::domain::time::NEVER;
use crate::domain::user::Right;
use crate::metrics::{self, Exposition, value};
use crate::projection::messages::{self, Category};
use crate::projection::pools::{self, PoolView};
use crate::projection::seats::{self, TypeView};
use crate::replica::{Consistency, Status, Unavailable};
use crate::signing::format_name;

/// The text format that Prometheus reads.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Most pools, and most stacks, that have series of their own; the rest is left out (T18).
const SERIES: usize = 1_000;

/// Most messages that a scrape counts.
const MESSAGES: usize = 10_000;

/// Anybody may read it here.
pub(super) async fn open(house: &House, head: &Head) -> Reply {
    if head.method != Method::GET && head.method != Method::HEAD {
        let wrong = Malformed::WrongMethod { allow: "GET, HEAD".to_owned() };
        return Language::Native.trouble(head, &Trouble::Malformed(wrong));
    }
    match render(house, head).await {
        Ok(text) => Reply::of(StatusCode::OK, TEXT, text),
        Err(trouble) => Language::Native.trouble(head, &trouble),
    }
}

/// Only those with the right may read it here.
pub(super) async fn with_right(house: &House, head: &Head) -> Reply {
    match check(house, head).await {
        Ok(()) => open(house, head).await,
        Err(trouble) => Language::Native.trouble(head, &trouble),
    }
}

async fn check(house: &House, head: &Head) -> Result<(), Trouble> {
    let presented = Presented::of(&head.headers)?;
    let view = house.context.replica.view(Consistency::Stale, head.deadline).await?;
    let caller = house.context.access.authenticate(&presented, &view.state, head.peer).await?;
    Ok(caller.must(Right::ReadMetrics)?)
}

async fn render(house: &House, head: &Head) -> Result<String, Trouble> {
    let view = house.context.replica.view(Consistency::Stale, head.deadline).await;
    let status = house.context.replica.status();
    let mut text = Exposition::default();
    about(&mut text, &status, view.as_ref().map(|view| &*view.state.cluster_id).unwrap_or_default());
    raft(&mut text, &status);
    health(house, &mut text).await;
    if let Ok(view) = &view {
        let state = std::sync::Arc::clone(&view.state);
        let walked = tokio::task::spawn_blocking(move || {
            licenses(&mut text, &state);
            volumes(&mut text, &state);
            crate::dialect::gauges(&mut text, &state);
            slaves(&mut text, &state);
            seats(&mut text, &state);
            self::messages(&mut text, &state);
            text
        });
        text = walked.await.map_err(|error| Unavailable::NotServing(format!("the scrape failed: {error}")))?;
    }
    let recorded = house.recorder.as_ref().map(metrics::Recorder::render).unwrap_or_default();
    Ok(text.text() + &recorded)
}

fn about(text: &mut Exposition, status: &Status, cluster_id: &str) {
    let build = [
        env!("CARGO_PKG_VERSION"),
        option_env!("QUARTERMASTER_REVISION").unwrap_or("unknown"),
        option_env!("QUARTERMASTER_RUSTC").unwrap_or("unknown"),
        "0.10.0-alpha.37",
        "0.25.0",
    ];
    text.gauge(metrics::BUILD_INFO, [(build.to_vec(), 1.0)]);
    let me = status.members.iter().find(|member| member.id == status.node);
    let name = me.map(|member| member.member.name.clone()).unwrap_or_default();
    text.gauge(metrics::NODE_INFO, [(vec![status.node.to_string(), name, cluster_id.to_owned()], 1.0)]);
}

fn yes(yes: bool) -> f64 {
    value(u64::from(yes))
}

fn raft(text: &mut Exposition, status: &Status) {
    let role = status.members.iter().find(|member| member.id == status.node).map_or("", |member| member.role);
    text.one(metrics::RAFT_HAS_LEADER, yes(status.leader.is_some()));
    text.one(metrics::RAFT_IS_LEADER, yes(status.leader == Some(status.node)));
    let states = ["leader", "follower", "learner", "candidate", "shutdown"];
    text.gauge(metrics::RAFT_STATE, states.map(|state| (vec![state], yes(state == role))));
    text.one(metrics::RAFT_TERM, value(status.term));
    let learners = status.members.iter().filter(|member| member.role == "learner").count() as u64;
    text.one(metrics::RAFT_VOTERS, value(status.members.len() as u64 - learners));
    text.one(metrics::RAFT_LEARNERS, value(learners));
    text.one(metrics::JOURNAL_SEQ, value(status.applied_seq));
}

async fn health(house: &House, text: &mut Exposition) {
    let mut series = Vec::new();
    for question in [Question::Live, Question::Ready] {
        let checks = house.health.checks(question, false, house.is_leaving()).await;
        series.extend(checks.into_iter().map(|check| (vec![question.name(), check.name], yes(check.ok))));
    }
    text.gauge(metrics::HEALTHCHECK, series);
}

fn licenses(text: &mut Exposition, state: &State) {
    let (mut info, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let mut counts: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
    for word in ["valid", "expired", "not_yet_valid", "untrusted"] {
        counts.insert(("native", word), 0);
    }
    for (id, license) in state.licenses.iter() {
        let (id, dialect) = (hex(&id[..6]), format_name(license.format));
        let word = match license.standing(state, state.now) {
            Standing::Valid => "valid",
            Standing::Expired => "expired",
            Standing::NotYetValid => "not_yet_valid",
            Standing::Untrusted => "untrusted",
        };
        *counts.entry((dialect, word)).or_default() += 1;
        let stack = match license.terms.first() {
            Some(Term::Meter(meter)) => meter.stack.to_string(),
            Some(Term::Seats(grant)) => grant.product.to_string(),
            Some(Term::SeatLimits(limits)) => limits.product.to_string(),
            Some(Term::Accounts(_)) => license.kind.to_string(),
            Some(Term::Level(_) | Term::Features(_) | Term::Cluster(_) | Term::Issue(_)) | None => String::new(),
        };
        let (kind, owner) = (license.kind.to_string(), license.owner.to_string());
        info.push((vec![id.clone(), dialect.to_owned(), stack.clone(), kind, owner], 1.0));
        starts.push((vec![id.clone(), stack.clone()], value(license.starts.seconds())));
        if license.expires != NEVER {
            ends.push((vec![id, stack], value(license.expires.seconds())));
        }
    }
    text.gauge(metrics::LICENSE_INFO, info);
    text.gauge(metrics::LICENSE_START, starts);
    text.gauge(metrics::LICENSE_EXPIRY, ends);
    text.gauge(
        metrics::LICENSES,
        counts.into_iter().map(|((dialect, word), count)| (vec![dialect, word], value(count))),
    );
}

fn volumes(text: &mut Exposition, state: &State) {
    let today = state.calendar.today;
    let stacks = || state.stacks.values().take(SERIES);
    text.gauge(metrics::STACK_QUOTA, stacks().map(|stack| (vec![&stack.id], value(stack.quota_bytes))));
    text.gauge(metrics::STACK_USED, stacks().map(|stack| (vec![&stack.id], value(stack.used.on(today)))));
    let views: Vec<PoolView<'_>> = pools::pools(state).take(SERIES).collect();
    let mut each = |name: &str, number: &dyn Fn(&PoolView<'_>) -> u64| {
        text.gauge(name, views.iter().map(|view| (vec![&view.pool.stack, &view.pool.name], value(number(view)))));
    };
    let limit =
        |view: &PoolView<'_>| state.stacks.get(&view.pool.stack).map_or(0, |stack| u64::from(stack.max_violations));
    each(metrics::POOL_USED, &|view| view.used_bytes);
    each(metrics::POOL_QUOTA, &|view| view.effective_quota_bytes);
    each(metrics::POOL_WARNINGS, &|view| view.over.len() as u64);
    each(metrics::POOL_WARNINGS_LIMIT, &limit);
    each(metrics::POOL_VIOLATION, &|view| u64::from(view.in_violation));
    text.one(metrics::DAY_ROLLOVER, value(state.calendar.starts[0].seconds()));
}

/// Slaves are walked for who is silent: a million take a tenth of a second, so this runs apart from requests.
fn slaves(text: &mut Exposition, state: &State) {
    let (known, orphans) = (state.slaves.len() as u64, state.orphans.len() as u64);
    let violating = pools::pools(state).map(|view| view.warnings.violating).sum::<u64>();
    let heard = state.now.minus_ms(state.settings.silent_after_ms);
    let silent = state.slaves.values().filter(|slave| slave.last_report < heard).count() as u64;
    let series = [("active", known - silent), ("silent", silent), ("orphan", orphans), ("violating", violating)];
    text.gauge(metrics::SLAVES, series.map(|(state, count)| (vec![state], value(count))));
}

/// What becomes of checkouts: each has a series for each type before it happens, or an alert would miss the first.
const CHECKOUTS: [(&str, &str); 6] = [
    ("granted", "ok"),
    ("denied", "no_seats"),
    ("denied", "no_workers"),
    ("denied", "expired"),
    ("denied", "rules"),
    ("error", "no_quorum"),
];

fn seats(text: &mut Exposition, state: &State) {
    let views: Vec<TypeView<'_>> = seats::types(state).take(SERIES).collect();
    let mut each = |name: &str, number: &dyn Fn(&TypeView<'_>) -> u64| {
        text.gauge(name, views.iter().map(|view| (vec![&view.kind.name], value(number(view)))));
    };
    each(metrics::SEATS_LIMIT, &|view| view.kind.count);
    each(metrics::SEATS_IN_USE, &|view| view.tally.held);
    each(metrics::SEATS_KEPT, &|view| view.tally.held_back);
    each(metrics::SEATS_BORROWED, &|view| view.tally.borrowed);
    each(metrics::SEATS_WAITING, &|view| view.tally.waiting);
    each(metrics::WORKERS_LIMIT, &|view| view.kind.workers);
    each(metrics::WORKERS_IN_USE, &|view| view.tally.workers);
    for (view, (result, reason)) in views.iter().flat_map(|view| CHECKOUTS.map(|of| (view, of))) {
        let product = view.kind.name.to_string();
        counter!(metrics::SEAT_CHECKOUTS, "product" => product, "result" => result, "reason" => reason).increment(0);
    }
    let mut ended: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for ((_, product), day) in &state.seats.days {
        let causes = [("returned", day.returned), ("lease_ended", day.lease_ended), ("taken_away", day.taken_away)];
        for (cause, count) in causes {
            *ended.entry((product, cause)).or_default() += count;
        }
    }
    let known = |product: &str| state.seats.types.contains_key(product);
    let series = ended.into_iter().filter(|((product, _), _)| known(product)).take(3 * SERIES);
    text.gauge(metrics::SEAT_RELEASES, series.map(|((product, cause), count)| (vec![product, cause], value(count))));
}

fn messages(text: &mut Exposition, state: &State) {
    let mut counts: BTreeMap<Category, u64> = Category::ALL.into_iter().map(|category| (category, 0)).collect();
    for message in messages::messages(state).take(MESSAGES) {
        *counts.entry(message.category).or_default() += 1;
    }
    let series = counts.into_iter().map(|(category, count)| (vec![category.name(), category.severity()], value(count)));
    text.gauge(metrics::MESSAGES, series);
}
