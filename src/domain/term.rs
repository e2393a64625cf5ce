//! What the terms of licenses may say.

use serde::{Deserialize, Serialize};

use super::account_license;
use super::license::{License, Meter, Term, WINDOW_DAYS, WORDS};
use super::name::{NAME_CHARS, Name, check_name, check_range, check_text};
use super::refusal::Refusal;
use super::seat;
use super::stack::{self, POOLABLE_GROUP};
use super::state::State;
use super::work;

/// How much there may be of a gauge, summed over the slaves that are not silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelLimit {
    /// The gauge's name, such as `ram_shards` or `nodes`.
    pub level: Name,
    /// How much; `None`: without a limit.
    pub limit: Option<u64>,
}

/// Issues of one license: a higher one supersedes those below it, and none of these comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueOrder {
    /// The issuer's name for the license, the same in all its issues.
    pub series: Name,
    /// Counts up.
    pub number: u64,
}

/// Checks a term of a license, and writes it as it is kept.
pub(super) fn check(state: &State, license: &License, term: &mut Term) -> Result<(), Refusal> {
    match term {
        Term::Meter(meter) => check_meter(state, meter),
        Term::Seats(grant) => seat::types::check(state, grant),
        Term::Accounts(grant) => account_license::check(state, license, grant),
        Term::SeatLimits(limits) => work::limits::check_term(limits),
        Term::Level(level) => check_name("level", &level.level),
        Term::Features(features) => {
            check_range("features", features.len() as u64, 0, WORDS as u64)?;
            features.iter().try_for_each(|word| check_text("feature", word, 2 * NAME_CHARS))
        }
        Term::Cluster(cluster) if *cluster == state.cluster_name => Ok(()),
        Term::Cluster(cluster) => {
            check_text("cluster", cluster, 2 * NAME_CHARS)?;
            Err(Refusal::OtherCluster { license: cluster.clone(), cluster: state.cluster_name.clone() })
        }
        Term::Issue(issue) => check_text("series", &issue.series, 2 * NAME_CHARS),
    }
}

/// Checks a metered volume, and writes its group and stack as they are kept.
fn check_meter(state: &State, meter: &mut Meter) -> Result<(), Refusal> {
    check_name("stack", &meter.stack)?;
    let bad = Refusal::BadStack { stack: meter.stack.clone(), group: meter.group.clone() };
    meter.stack = meter.stack.to_ascii_lowercase().into();
    let home = stack::home_of(&meter.stack).unwrap_or(POOLABLE_GROUP);
    let installed = state.stacks.get(&meter.stack).is_none_or(|stack| *stack.group == *home);
    match stack::group_named(&meter.group) {
        Some(group) if group == home && installed => meter.group = group.into(),
        Some(_) | None => return Err(bad),
    }
    check_range("window_days", u64::from(meter.window_days), 1, u64::from(WINDOW_DAYS))?;
    check_range("features", meter.features.len() as u64, 0, WORDS as u64)?;
    check_range("sourcetypes", meter.sourcetypes.len() as u64, 0, WORDS as u64)?;
    for word in meter.features.iter().chain(&meter.sourcetypes) {
        check_text("feature or sourcetype", word, 2 * NAME_CHARS)?;
    }
    let others = state.licenses.values().flat_map(|license| license.meters());
    let sum = others
        .filter(|other| other.stack == meter.stack)
        .fold(0_u64, |sum, other| sum.saturating_add(other.quota_bytes));
    check_range("quota_bytes", meter.quota_bytes, 0, u64::MAX - sum)
}
