//! Messages: what an operator should know now. Worked out from the state, with ids that are equal on all nodes.

use crate::domain::license::{License, LicenseId};
use crate::domain::name::{Name, hex, sha256};
use crate::domain::pool;
use crate::domain::state::State;
use crate::domain::time::{Day, Moment, NEVER};
use crate::domain::{placement, warning};
use crate::projection::journal::rfc3339;

/// How long a warning stands as a message, in days (dialect note, part 7).
pub const MESSAGE_DAYS: u32 = 14;
/// From how many days on before its end a license is told of: when the first alert comes, too.
pub const EXPIRY_DAYS: u64 = 30;
/// A day in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;

/// What a message is about: the six categories of seed 002, and two of our own for licenses that end, which its text
/// names and its list does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// A warning for a day that was closed.
    LicenseWindow,
    /// A pool is over today.
    PoolOverQuota,
    /// A stack is over today.
    StackOverQuota,
    /// A slave is in no pool.
    OrphanSlave,
    /// A pool has slaves with warnings.
    PoolWarningCount,
    /// A pool has slaves in violation.
    PoolViolatedSlaveCount,
    /// A license ends soon.
    LicenseExpiring,
    /// A license has ended, and is still installed.
    LicenseExpired,
}

impl Category {
    /// Every category there is.
    pub const ALL: [Category; 8] = [
        Category::LicenseWindow,
        Category::PoolOverQuota,
        Category::StackOverQuota,
        Category::OrphanSlave,
        Category::PoolWarningCount,
        Category::PoolViolatedSlaveCount,
        Category::LicenseExpiring,
        Category::LicenseExpired,
    ];

    /// As answers write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Category::LicenseWindow => "license_window",
            Category::PoolOverQuota => "pool_over_quota",
            Category::StackOverQuota => "stack_over_quota",
            Category::OrphanSlave => "orphan_slave",
            Category::PoolWarningCount => "pool_warning_count",
            Category::PoolViolatedSlaveCount => "pool_violated_slave_count",
            Category::LicenseExpiring => "license_expiring",
            Category::LicenseExpired => "license_expired",
        }
    }

    /// How bad it is. What can be put right until midnight is for information.
    #[must_use]
    pub const fn severity(self) -> &'static str {
        match self {
            Category::PoolOverQuota | Category::StackOverQuota => "INFO",
            Category::LicenseWindow
            | Category::OrphanSlave
            | Category::PoolWarningCount
            | Category::LicenseExpiring => "WARN",
            Category::PoolViolatedSlaveCount | Category::LicenseExpired => "ERROR",
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// 32 hexadecimal digits, the same for the same matter on all nodes.
    pub id: String,
    /// What it is about.
    pub category: Category,
    /// Since when.
    pub created: Moment,
    /// What it says.
    pub description: String,
    /// The pool; empty if none.
    pub pool: Name,
    /// The slave; empty if none.
    pub slave: Name,
    /// The stack; empty if none.
    pub stack: Name,
    /// The license.
    pub license: Option<LicenseId>,
}

/// All messages: pools, then stacks, then licenses, then orphans.
pub fn messages(state: &State) -> impl Iterator<Item = MessageView> + '_ {
    closed_days(state).chain(open_day(state)).chain(ending(state)).chain(orphans(state))
}

/// One message.
#[must_use]
pub fn message(state: &State, id: &str) -> Option<MessageView> {
    messages(state).find(|message| message.id.eq_ignore_ascii_case(id))
}

struct About<'a> {
    category: Category,
    pool: &'a str,
    slave: &'a str,
    stack: &'a str,
    day: Day,
}

fn view(about: &About<'_>, created: Moment, description: String) -> MessageView {
    let day = about.day.0.to_be_bytes();
    let parts = [about.category.name(), about.pool, about.slave, about.stack];
    let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
    let mut hashed: Vec<&[u8]> = vec![&day];
    hashed.extend(lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part.as_bytes()]));
    MessageView {
        id: hex(&sha256(&hashed)[..16]),
        category: about.category,
        created,
        description,
        pool: about.pool.into(),
        slave: about.slave.into(),
        stack: about.stack.into(),
        license: None,
    }
}

/// When a closed day ended: known for the last days, reckoned by whole days before.
fn end_of(state: &State, day: Day) -> Moment {
    let calendar = &state.calendar;
    let back = calendar.today.0.saturating_sub(day.0).saturating_sub(1);
    let known = usize::try_from(back).ok().and_then(|back| calendar.starts.get(back));
    known.copied().unwrap_or_else(|| calendar.starts[0].minus_ms(u64::from(back) * DAY_MS))
}

/// Warnings that were written when days were closed.
fn closed_days(state: &State) -> impl Iterator<Item = MessageView> + '_ {
    let since = state.calendar.today.back(MESSAGE_DAYS);
    state.pool_pasts.iter().flat_map(move |(uid, past)| {
        let days = warning::pool_days(state, *uid).into_iter().filter(move |day| *day >= since);
        days.map(move |day| {
            let about =
                About { category: Category::LicenseWindow, pool: &past.name, slave: "", stack: &past.stack, day };
            let text = format!("pool {} was over its quota on {day}: its slaves have a warning", past.name);
            view(&about, end_of(state, day), text)
        })
    })
}

/// What is wrong today.
fn open_day(state: &State) -> impl Iterator<Item = MessageView> + '_ {
    let today = state.calendar.today;
    let start = state.calendar.starts[0];
    let sized = pool::sized_sums(state);
    let pools = state.pools.values().flat_map(move |pool| {
        let about = |category| About { category, pool: &pool.name, slave: "", stack: &pool.stack, day: today };
        let quota = pool::effective_quota(state, pool, &sized);
        let warnings = warning::of_pool(state, pool);
        let over = (pool.used.on(today) > quota).then(|| {
            let text = format!("This pool has exceeded its configured poolsize={quota} bytes");
            view(&about(Category::PoolOverQuota), start, text)
        });
        let warned = (warnings.most > 0).then(|| {
            let text = format!("This pool contains slave(s) with {} warnings", warnings.most);
            view(&about(Category::PoolWarningCount), start, text)
        });
        let violated = (warnings.violating > 0).then(|| {
            let text = format!("This pool contains {} slave(s) in violation", warnings.violating);
            view(&about(Category::PoolViolatedSlaveCount), start, text)
        });
        [over, warned, violated].into_iter().flatten()
    });
    let over = state.stacks.values().filter(move |stack| stack.used.on(today) > stack.quota_bytes);
    let stacks = over.map(move |stack| {
        let about = About { category: Category::StackOverQuota, pool: "", slave: "", stack: &stack.id, day: today };
        view(&about, start, format!("This stack has exceeded its quota of {} bytes", stack.quota_bytes))
    });
    pools.chain(stacks)
}

/// Licenses that have ended or are about to, whatever product they are for.
fn ending(state: &State) -> impl Iterator<Item = MessageView> + '_ {
    let now = state.now;
    let mortal = state.licenses.values().filter(|license| license.expires != NEVER);
    mortal.filter_map(move |license| {
        let soon = license.expires.minus_ms(EXPIRY_DAYS * DAY_MS);
        let named = format!("license {} ({})", license.label, &hex(&license.id)[..8]);
        let at = rfc3339(license.expires);
        if license.expires <= now {
            let text = format!("{named} ended at {at}: what it gave counts no more");
            Some(of_license(license, Category::LicenseExpired, license.expires, text))
        } else if soon <= now {
            let text = format!("{named} ends at {at}: install a renewal before then");
            Some(of_license(license, Category::LicenseExpiring, soon.max(license.installed), text))
        } else {
            None
        }
    })
}

/// A message about a license; its id is made of the license's, since nothing else about one must be its own.
fn of_license(license: &License, category: Category, since: Moment, text: String) -> MessageView {
    let id = sha256(&[category.name().as_bytes(), &license.id]);
    let stack = license.meters().next().map(|meter| meter.stack.clone()).unwrap_or_default();
    MessageView {
        id: hex(&id[..16]),
        category,
        created: since,
        description: text,
        pool: Name::default(),
        slave: Name::default(),
        stack,
        license: Some(license.id),
    }
}

/// Slaves that are in no pool, by their last report and still.
fn orphans(state: &State) -> impl Iterator<Item = MessageView> + '_ {
    let active = placement::active_stacks(state);
    let known = state.orphans.iter().filter_map(|id| state.slaves.get(id));
    known.filter(move |slave| placement::pool_of(state, &active, &slave.id, &slave.wish).is_none()).map(|slave| {
        let about = About { category: Category::OrphanSlave, pool: "", slave: &slave.id, stack: "", day: Day(0) };
        view(&about, slave.first_report, format!("slave {} is in no pool of the active group", slave.label))
    })
}
