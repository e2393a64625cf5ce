//! The gauges that the product's dashboards read, under the names of both of its exporters.

use super::answer::InUse;
use crate::domain::current;
use crate::domain::license::Format;
use crate::domain::state::State;
use crate::metrics::{self, Exposition, value};

/// A day in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;

/// Limits, use and days left of the license in force; none of them without one.
pub fn gauges(text: &mut Exposition, state: &State) {
    let cluster = &*state.cluster_name;
    let license = current::in_force(state, Format::Redis);
    let limits = || {
        let kinds = [("ram", "ram_shards"), ("flash", "flash_shards")];
        kinds.into_iter().filter_map(move |(kind, name)| {
            let limit = license?.levels().find(|level| *level.level == *name)?.limit?;
            Some((vec![cluster, kind], value(limit)))
        })
    };
    text.gauge(metrics::CLUSTER_SHARDS_LIMIT, limits());
    text.gauge(metrics::LICENSE_SHARDS_LIMIT, limits());
    let in_use = license.map(|_| InUse::of(state));
    let used = in_use.into_iter().flat_map(|in_use| [("ram", in_use.ram), ("flash", in_use.flash)]);
    text.gauge(metrics::BDB_SHARDS_USED, used.map(|(kind, used)| (vec!["all", cluster, kind], value(used))));
    let days = license.map(|license| {
        let days = |from: u64, to: u64| value(to.saturating_sub(from) / DAY_MS);
        let left = if license.expires >= state.now {
            days(state.now.0, license.expires.0)
        } else {
            -1.0 - days(license.expires.0, state.now.0)
        };
        (vec![cluster], left)
    });
    text.gauge(metrics::LICENSE_EXPIRATION_DAYS, days);
}
