//! Issuer keys, licenses, groups, stacks.

use hyper::StatusCode;

use super::super::endpoint::Endpoint;
use super::super::event::{algorithm, words};
use super::super::wire::{self, stamp, time};
use super::account::list_after;
use super::list::{self, Rows};
use super::{Asked, Result, bad_body, done, missing};
use crate::dialect::reply::Reply;
use crate::domain::intent::Command;
use crate::domain::license::{BuiltinGrant, License, LicenseId, Standing, Term};
use crate::domain::name::hex;
use crate::domain::stack::{GROUPS, Stack};
use crate::domain::state::State;
use crate::domain::trust::TrustedKey;
use crate::replica::Answer;
use crate::signing::format_name;
use crate::signing::keys::PublicKey;

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::ListKeys => list::reply(call, Some(call.view().state.keys.len()), |view, after, limit| {
            let keys = view.state.keys.range::<_, str>(list_after(after));
            Rows::of(keys.map(|(id, key)| (id, Some(self::key(key)))), limit)
        }),
        Endpoint::TrustKey => trust(call).await,
        Endpoint::GetKey(id) => one_key(&call.view().state, &id, StatusCode::OK),
        Endpoint::DistrustKey(id) => {
            call.no_body().await?;
            call.submit(Command::DistrustKey { key: id.into() }, b"").await.map(|_| done())
        }
        Endpoint::ListLicenses => list_licenses(call),
        Endpoint::InstallLicense => install(call).await,
        Endpoint::GetLicense(id) => {
            let state = &call.view().state;
            Ok(Reply::ok(&license(find(state, &id)?, state, true)))
        }
        Endpoint::RemoveLicense(id) => {
            call.no_body().await?;
            let license = parse_id(&id).ok_or_else(|| missing("license", &id))?;
            call.submit(Command::RemoveLicense { license }, b"").await.map(|_| done())
        }
        Endpoint::RevokeLicense(id) => revoke(call, &id).await,
        Endpoint::LicenseText(id) => {
            let text = find(&call.view().state, &id)?.text.to_string();
            Ok(Reply::of(StatusCode::OK, "text/plain; charset=utf-8", text).with("cache-control", "no-store"))
        }
        Endpoint::Grant => grant(call).await,
        Endpoint::ListGroups => {
            let items: Vec<wire::Group> = GROUPS.iter().map(|name| group(name, &call.view().state)).collect();
            let total = items.len();
            Ok(Reply::ok(&serde_json::json!({"items": items, "next": null, "total": total})))
        }
        Endpoint::GetGroup(name) => one_group(&call.view().state, &name),
        Endpoint::ActivateGroup(name) => {
            call.no_body().await?;
            let answer = call.submit(Command::ActivateGroup { group: name.as_str().into() }, b"").await?;
            one_group(&answer.view.state, &name)
        }
        Endpoint::ListStacks => list::reply(call, Some(call.view().state.stacks.len()), |view, after, limit| {
            let stacks = view.state.stacks.range::<_, str>(list_after(after));
            Rows::of(stacks.map(|(id, stack)| (id, Some(self::stack(stack, &view.state)))), limit)
        }),
        Endpoint::GetStack(id) => {
            let state = &call.view().state;
            let found = state.stacks.get(id.to_lowercase().as_str()).ok_or_else(|| missing("stack", &id))?;
            Ok(Reply::ok(&stack(found, state)))
        }
        other => Err(missing("endpoint", &format!("{other:?}"))),
    }
}

fn key(key: &TrustedKey) -> wire::Key {
    wire::Key {
        id: key.id.to_string(),
        algorithm: algorithm(key.algorithm),
        label: key.label.to_string(),
        public_key: PublicKey::of(key).to_pem(),
        trusted_since: stamp(key.since),
        distrusted_since: key.distrusted.and_then(time),
    }
}

fn one_key(state: &State, id: &str, status: StatusCode) -> Result {
    let key = state.keys.get(id).ok_or_else(|| missing("key", id))?;
    Ok(Reply::json(status, &self::key(key)))
}

async fn trust(call: &mut Asked) -> Result {
    let (wish, body) = call.json::<wire::NewKey>().await?;
    let public = PublicKey::parse(&wish.public_key).map_err(|error| bad_body(format!("public_key: {error}")))?;
    let id = public.id();
    let answer = call.submit(Command::TrustKey(public.trusted(wish.label.into())), &body).await?;
    one_key(&answer.view.state, &id, StatusCode::CREATED)
}

/// A license's id, of 64 hex digits in any case.
fn parse_id(id: &str) -> Option<LicenseId> {
    if id.len() != 64 || !id.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(id.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a License> {
    let found = parse_id(id).and_then(|id| state.licenses.get(&id));
    found.map(AsRef::as_ref).ok_or_else(|| missing("license", id))
}

/// A standing's name.
pub(in crate::dialect::native) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Valid => "valid",
        Standing::Expired => "expired",
        Standing::NotYetValid => "not_yet_valid",
        Standing::Untrusted => "untrusted",
    }
}

fn license(license: &License, state: &State, installed: bool) -> wire::License {
    wire::License {
        id: hex(&license.id),
        format: format_name(license.format),
        state: standing(license.standing(state, state.now)),
        key: license.key.as_ref().map(ToString::to_string),
        label: license.label.to_string(),
        owner: license.owner.to_string(),
        kind: license.kind.to_string(),
        issue: license.issue.to_string(),
        created: stamp(license.created),
        starts: stamp(license.starts),
        expires: time(license.expires),
        installed: installed.then(|| stamp(license.installed)),
        terms: license.terms.iter().map(term).collect(),
    }
}

fn term(term: &Term) -> wire::Term {
    match term {
        Term::Meter(meter) => wire::Term::Volume {
            group: meter.group.to_string(),
            stack: meter.stack.to_string(),
            quota_bytes: meter.quota_bytes,
            max_violations: meter.max_violations,
            window_days: meter.window_days,
            features: words(&meter.features),
            sourcetypes: words(&meter.sourcetypes),
        },
        Term::Accounts(grant) => wire::Term::Accounts {
            accounts: grant.seats,
            soft_accounts: grant.soft_seats,
            hard_expiration: grant.hard_expiration,
            hard_delete: grant.hard_delete,
            notice: grant.notice.to_string(),
            notice_on_expire: grant.notice_on_expire.to_string(),
        },
        Term::SeatLimits(limits) => {
            wire::Term::Limits { limits_of: limits.product.to_string(), users: limits.users, legal_holds: limits.holds }
        }
        Term::Seats(grant) => wire::Term::Seats {
            seats: grant.product.to_string(),
            description: grant.description.to_string(),
            count: grant.count,
            workers: grant.workers,
            can_choose_workers: grant.can_choose_workers,
            audited: grant.audited,
            audit_threshold_bytes: grant.audit_threshold_bytes,
        },
        Term::Level(level) => wire::Term::Level { level: level.level.to_string(), limit: level.limit },
        Term::Features(features) => wire::Term::Features { features: words(features) },
        Term::Cluster(cluster) => wire::Term::Cluster { cluster: cluster.to_string() },
        Term::Issue(issue) => wire::Term::Issue { series: issue.series.to_string(), number: issue.number },
    }
}

fn list_licenses(call: &Asked) -> Result {
    let stack = call.head.param("stack").map(str::to_lowercase);
    let wanted = call.head.param("state").map(str::to_owned);
    let all = stack.is_none() && wanted.is_none();
    let total = all.then(|| call.view().state.licenses.len());
    list::reply(call, total, move |view, after, limit| {
        let after = after.and_then(parse_id);
        let begin = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let walk = view.state.licenses.range((begin, std::ops::Bound::Unbounded)).map(|(id, found)| {
            let shown = license(found, &view.state, true);
            let in_stack = stack.as_deref().is_none_or(|stack| found.meters().any(|meter| *meter.stack == *stack));
            let fits = in_stack && wanted.as_deref().is_none_or(|state| state == shown.state);
            (hex(id), fits.then_some(shown))
        });
        Rows::of(walk, limit)
    })
}

/// Installs a license, or with `?dry_run=true` only says whether it is one.
async fn install(call: &mut Asked) -> Result {
    let dry_run = call.head.flag("dry_run")?;
    let body = call.body.read(&call.head, call.cx.limits.license_bytes).await?;
    let text = std::str::from_utf8(&body).map_err(|error| bad_body(format!("a license is UTF-8 text: {error}")))?;
    if dry_run {
        let found = call.read_license(text).await?;
        return Ok(Reply::ok(&license(&found, &call.view().state, false)));
    }
    let (answer, id) = call.install_license("native", text, &body).await?;
    installed(&answer, &id)
}

fn installed(answer: &Answer, id: &LicenseId) -> Result {
    let state = &answer.view.state;
    let found = state.licenses.get(id).ok_or_else(|| missing("license", &hex(id)))?;
    Ok(Reply::json(StatusCode::CREATED, &license(found, state, true)))
}

/// Revokes a license, installed or not; with `?series=true` every issue of an installed one.
async fn revoke(call: &mut Asked, id: &str) -> Result {
    let series = call.head.flag("series")?;
    call.no_body().await?;
    let license = parse_id(id).ok_or_else(|| missing("license", id))?;
    call.submit(Command::RevokeLicense { license, series }, b"").await.map(|_| done())
}

async fn grant(call: &mut Asked) -> Result {
    let (wish, body) = call.json::<wire::GrantRequest>().await?;
    let known = BuiltinGrant::ALL.into_iter().find(|grant| grant.name() == wish.grant);
    let names = || BuiltinGrant::ALL.map(BuiltinGrant::name).join(", ");
    let grant = known.ok_or_else(|| bad_body(format!("grant is one of {}", names())))?;
    let answer = call.submit(Command::GrantBuiltin { grant }, &body).await?;
    installed(&answer, &grant.id())
}

fn group(name: &str, state: &State) -> wire::Group {
    let stacks = state.stacks.values().filter(|stack| &*stack.group == name).map(|stack| stack.id.to_string());
    wire::Group { name: name.to_owned(), active: &*state.active_group == name, stacks: stacks.collect() }
}

fn one_group(state: &State, name: &str) -> Result {
    let known = GROUPS.iter().find(|group| group.eq_ignore_ascii_case(name));
    Ok(Reply::ok(&group(known.ok_or_else(|| missing("group", name))?, state)))
}

fn stack(stack: &Stack, state: &State) -> wire::Stack {
    let counts = |license: &License| {
        license.standing(state, state.now) == Standing::Valid && license.meters().any(|meter| meter.stack == stack.id)
    };
    wire::Stack {
        id: stack.id.to_string(),
        group: stack.group.to_string(),
        active: stack.group == state.active_group,
        label: stack.label.to_string(),
        kind: stack.kind.to_string(),
        quota_bytes: stack.quota_bytes,
        used_bytes: stack.used.on(state.calendar.today),
        max_violations: stack.max_violations,
        window_days: stack.window_days,
        features: words(&stack.features),
        sourcetypes: stack.sourcetypes.as_ref().map(words),
        pools: state.pools.values().filter(|pool| pool.stack == stack.id).map(|pool| pool.name.to_string()).collect(),
        licenses: state.licenses.iter().filter(|(_, license)| counts(license)).map(|(id, _)| hex(id)).collect(),
    }
}
