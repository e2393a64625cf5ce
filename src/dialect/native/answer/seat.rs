//! Seat types: what there is, who may have it, who waits, what happened.

use std::collections::BTreeMap;

use hyper::StatusCode;

use super::super::endpoint::SeatEndpoint;
use super::super::seat::{names, priorities};
use super::super::wire::{self, time};
use super::account::list_after;
use super::list::{self, Rows};
use super::{Asked, Result, bad_body, missing, session};
use crate::access::Denied;
use crate::dialect::reply::Reply;
use crate::dialect::shown;
use crate::dialect::trouble::Malformed;
use crate::domain::intent::Command;
use crate::domain::name::{Map, Name, Set};
use crate::domain::seat::SeatCommand;
use crate::domain::seat::history::{self, SeatDay};
use crate::domain::seat::rules::{ChangeSeatRules, Principal, SeatRules};
use crate::domain::state::State;
use crate::domain::time::Day;
use crate::domain::user::Right;
use crate::projection::seats::{self, TypeView};

/// How many days of history are shown when nobody says: a month.
const DAYS: u32 = 31;

pub(super) async fn answer(call: &mut Asked, endpoint: SeatEndpoint) -> Result {
    match endpoint {
        SeatEndpoint::ListTypes => {
            may_see(call)?;
            list::reply(call, Some(call.view().state.seats.types.len()), |view, after, limit| {
                let names = view.state.seats.types.range::<_, str>(list_after(after)).map(|(name, _)| name);
                let types = names.map(|name| (name.clone(), seats::of_type(&view.state, name).as_ref().map(kind)));
                Rows::of(types, limit)
            })
        }
        SeatEndpoint::GetType(name) => {
            may_see(call)?;
            one(&call.view().state, &name)
        }
        SeatEndpoint::SetRules(name) => set_rules(call, name).await,
        SeatEndpoint::Reserve(name, principal) => reserve(call, &name, &principal).await,
        SeatEndpoint::ListLine(name) => line(call, &name),
        SeatEndpoint::Days(name) => days(call, &name),
        other => session::answer(call, other).await,
    }
}

/// Whoever may see the cluster, or take seats, sees the types.
pub(super) fn may_see(call: &Asked) -> Result<()> {
    let caller = call.caller();
    if caller.may(Right::View) || caller.may(Right::TakeSeats) {
        return Ok(());
    }
    Err(Denied::Forbidden { needs: Right::TakeSeats }.into())
}

fn kind(view: &TypeView<'_>) -> wire::SeatType {
    let (kind, tally) = (view.kind, view.tally);
    wire::SeatType {
        product: kind.name.to_string(),
        description: kind.description.to_string(),
        count: kind.count,
        used: tally.held,
        free: view.free,
        kept: tally.held_back,
        borrowed: tally.borrowed,
        waiting: tally.waiting,
        estimate_ms: view.estimate_ms,
        workers: kind.workers,
        used_workers: tally.workers,
        free_workers: view.free_workers,
        can_choose_workers: kind.can_choose_workers,
        fixed_workers: (!kind.can_choose_workers).then(|| kind.fixed_workers()),
        audited: kind.audited,
        audit_threshold_bytes: kind.audit_threshold_bytes,
        expires: time(kind.expires),
        rules: None,
        reservations: None,
    }
}

fn known<'a>(state: &'a State, name: &str) -> Result<TypeView<'a>> {
    seats::of_type(state, name).ok_or_else(|| missing("seat type", name))
}

fn one(state: &State, name: &str) -> Result {
    let view = known(state, name)?;
    let mut answer = kind(&view);
    answer.rules = Some(rules(&state.seats.rules_of(name)));
    let reservations = seats::reservations(state, &view.kind.name).map(|(principal, kept)| wire::SeatReservation {
        principal: principal.to_string(),
        seats: kept.seats,
        used: kept.used,
    });
    answer.reservations = Some(reservations.collect());
    Ok(Reply::ok(&answer))
}

fn rules(rules: &SeatRules) -> wire::SeatRules {
    wire::SeatRules {
        allow: rules.allow.as_ref().map(names),
        deny: names(&rules.deny),
        per_user: rules.per_user,
        per_address: rules.per_address,
        priorities: priorities(&rules.priorities),
        lease_ms: rules.lease_ms,
        place_ms: rules.place_ms,
        borrow_seats: rules.borrow_seats,
        borrow_ms: rules.borrow_ms,
    }
}

fn principal(text: &str) -> Result<Principal> {
    Principal::parse(text).ok_or_else(|| bad_body(format!("{:?} is neither user:NAME nor group:NAME", shown(text))))
}

fn principals(words: &[String]) -> Result<Set<Principal>> {
    words.iter().map(|word| principal(word)).collect()
}

async fn set_rules(call: &mut Asked, name: String) -> Result {
    let (wish, body) = call.json::<wire::SeatRulesChanges>().await?;
    let priority = |(who, priority): (&String, &u8)| Ok((principal(who)?, *priority));
    let allow = match &wish.allow {
        None => None,
        Some(None) => Some(None),
        Some(Some(words)) => Some(Some(principals(words)?)),
    };
    let changes = ChangeSeatRules {
        allow,
        deny: wish.deny.as_deref().map(principals).transpose()?,
        per_user: wish.per_user,
        per_address: wish.per_address,
        priorities: wish
            .priorities
            .as_ref()
            .map(|all| all.iter().map(priority).collect::<Result<Map<_, _>>>())
            .transpose()?,
        lease_ms: wish.lease_ms,
        place_ms: wish.place_ms,
        borrow_seats: wish.borrow_seats,
        borrow_ms: wish.borrow_ms,
    };
    let command = SeatCommand::SetRules { product: name.as_str().into(), changes: Box::new(changes) };
    let answer = call.submit(Command::Seat(command), &body).await?;
    one(&answer.view.state, &name)
}

async fn reserve(call: &mut Asked, name: &str, who: &str) -> Result {
    let (wish, body) = call.json::<wire::NewReservation>().await?;
    let command = SeatCommand::Reserve { product: name.into(), principal: principal(who)?, seats: wish.seats };
    let answer = call.submit(Command::Seat(command), &body).await?;
    one(&answer.view.state, name)
}

/// A type's line in order; the cursor is the last position seen.
fn line(call: &Asked, name: &str) -> Result {
    may_see(call)?;
    let product = known(&call.view().state, name)?.kind.name.clone();
    let all = call.caller().may(Right::View);
    let me = call.caller().actor.user.clone();
    let total = call.view().state.seats.tally(name).waiting;
    list::reply(call, usize::try_from(total).ok(), move |view, after, limit| {
        let after: u64 = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        let later = (1..).zip(seats::line(&view.state, &product)).filter(|(position, _)| *position > after);
        let rows = later.map(|(position, found)| {
            let seat = session::seat(&view.state, &found);
            (position, (all || *seat.user == *me).then_some(seat))
        });
        Rows::of(rows, limit)
    })
}

/// A date as a day.
fn date(call: &Asked, name: &'static str) -> Result<Option<Day>> {
    let Some(text) = call.head.param(name) else { return Ok(None) };
    let bad = || Malformed::BadQuery { name, what: format!("{:?} is no date such as 2026-11-22", shown(text)) };
    let date = text.parse::<chrono::NaiveDate>().map_err(|_no_date| bad())?;
    let days = date.signed_duration_since(chrono::NaiveDate::default()).num_days();
    Ok(Some(Day(u32::try_from(days).map_err(|_before_1970| bad())?)))
}

fn days(call: &Asked, name: &str) -> Result {
    may_see(call)?;
    let state = &call.view().state;
    let today = state.calendar.today;
    let to = date(call, "to")?.unwrap_or(today);
    let from = date(call, "from")?.unwrap_or_else(|| to.back(DAYS - 1)).max(today.back(history::DAYS));
    let items: Vec<wire::SeatDay> =
        seats::days(state, &name.into(), from, to).map(|(day, of)| shown_day(day, of)).collect();
    if items.is_empty() {
        known(state, name)?;
    }
    Ok(Reply::json(StatusCode::OK, &serde_json::json!({"items": items, "next": null, "total": items.len()})))
}

fn shown_day(day: Day, of: &SeatDay) -> wire::SeatDay {
    wire::SeatDay {
        day: day.to_string(),
        count: of.count,
        peak_used: of.peak_held,
        peak_workers: of.peak_workers,
        peak_waiting: of.peak_waiting,
        granted: of.granted,
        queued: of.queued,
        served: of.served,
        unserved: of.unserved,
        denied: BTreeMap::from([
            ("no_seats", of.no_seats),
            ("no_workers", of.no_workers),
            ("expired", of.expired),
            ("by_rule", of.by_rule),
        ]),
        true_denials: of.no_seats + of.no_workers + of.expired + of.unserved,
        ended: BTreeMap::from([
            ("returned", of.returned),
            ("lease_ended", of.lease_ended),
            ("taken_away", of.taken_away),
        ]),
        borrowed: of.borrowed,
        held_ms: of.held_ms,
        waited_ms: of.waited_ms,
    }
}

/// A name that a request gave for a type.
pub(super) fn wished(name: Option<String>) -> Option<Name> {
    name.filter(|name| !name.is_empty()).map(Name::from)
}
