//! Usage history: by license day, and by pool, stack, sourcetype, host, source or index.

use super::super::event::pool_name;
use super::super::wire;
use super::{Asked, Result};
use crate::dialect::reply::Reply;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::domain::event::{DayTotals, DayUse};
use crate::domain::state::State;
use crate::domain::time::Day;
use crate::projection::usage::{Dimension, totals_on};
use crate::replica::View;

/// Most days in one answer.
const DAYS: u32 = 400;
/// How many days are shown when nobody says.
const WEEK: u32 = 6;
/// Most names a day.
const NAMES: u64 = 10_000;

/// By what usage is told apart.
#[derive(Clone, Copy)]
enum By {
    Pool,
    Stack,
    Dimension(Dimension),
}

impl By {
    fn of(word: &str) -> Option<By> {
        match word {
            "pool" => Some(By::Pool),
            "stack" => Some(By::Stack),
            word => Dimension::ALL.into_iter().find(|dimension| dimension.name() == word).map(By::Dimension),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            By::Pool => "pool",
            By::Stack => "stack",
            By::Dimension(dimension) => dimension.name(),
        }
    }
}

/// Usage by day.
pub(super) fn days(call: &Asked) -> Result {
    let view = call.view();
    let today = view.state.calendar.today;
    let to = day(call, "to")?.unwrap_or(today).min(today);
    let from = day(call, "from")?.unwrap_or(to.back(WEEK));
    let by = By::of(call.head.param("by").unwrap_or("pool"))
        .ok_or_else(|| bad("by", "pool, stack, sourcetype, host, source or index"))?;
    if from > to || to.0 - from.0 >= DAYS {
        return Err(bad("from", "the first day is not after the last, and at most 400 days before it"));
    }
    let limit = call.head.number("limit")?.filter(|limit| *limit > 0).unwrap_or(NAMES).min(NAMES);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let days = (from.0..=to.0).map(Day).filter_map(|day| one(view, day, by, limit)).collect();
    Ok(Reply::ok(&wire::UsageHistory { from: from.to_string(), to: to.to_string(), by: by.name(), days }))
}

fn bad(name: &'static str, what: &str) -> Trouble {
    Malformed::BadQuery { name, what: what.to_owned() }.into()
}

/// A calendar date such as `2026-11-22`.
fn day(call: &Asked, name: &'static str) -> Result<Option<Day>> {
    let Some(text) = call.head.param(name) else { return Ok(None) };
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d");
    let date = date.map_err(|error| bad(name, &format!("{error}: a day is written as 2026-11-22")))?;
    let days = date.signed_duration_since(chrono::NaiveDate::default()).num_days();
    Ok(Some(Day(u32::try_from(days).unwrap_or(0))))
}

fn one(view: &View, day: Day, by: By, limit: usize) -> Option<wire::UsageDay> {
    let totals = totals_on(&view.state, day)?;
    let mut rows = match by {
        By::Pool => pools(&view.state, &totals),
        By::Stack => totals.stacks.iter().map(|(name, used)| measured(name.to_string(), *used)).collect(),
        By::Dimension(dimension) => {
            let row = |name: &str, used_bytes| wire::UsageRow {
                name: name.to_owned(),
                used_bytes,
                quota_bytes: None,
                over: None,
            };
            view.usage.on(day, dimension).iter().map(|(name, bytes)| row(name, *bytes)).collect()
        }
    };
    rows.sort_by(|one, two| two.used_bytes.cmp(&one.used_bytes).then_with(|| one.name.cmp(&two.name)));
    rows.truncate(limit);
    Some(wire::UsageDay {
        day: day.to_string(),
        closed: day < view.state.calendar.today,
        bytes: totals.bytes,
        unpooled_bytes: totals.unpooled_bytes,
        reports: totals.reports,
        rows,
    })
}

fn pools(state: &State, totals: &DayTotals) -> Vec<wire::UsageRow> {
    let name = |uid: &u32| pool_name(state, *uid).map_or_else(|| format!("#{uid}"), |name| name.to_string());
    totals.pools.iter().map(|(uid, used)| measured(name(uid), *used)).collect()
}

fn measured(name: String, used: DayUse) -> wire::UsageRow {
    let (quota_bytes, over) = (Some(used.quota_bytes), Some(used.is_over()));
    wire::UsageRow { name, used_bytes: used.used_bytes, quota_bytes, over }
}
