//! Endpoints into commands or views, and those into replies.

use super::endpoint::Matched;
use super::wire::{self, Authenticated, Current, Row, Status};
use super::{Endpoint, Immuta, presented, usage};
use crate::access::{Denied, Presented};
use crate::dialect::login::{self, TokenWish};
use crate::dialect::reply::Reply;
use crate::dialect::rights::{VOCABULARIES, held};
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::{Call, Dialect as _};
use crate::domain::account_license::{installed, notices, seats};
use crate::domain::intent::Command;
use crate::domain::license::{Format, LicenseId};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::domain::user::{Actor, Right, TokenKind};
use crate::replica::Consistency;
use crate::signing::LicenseProblem;

pub(super) type Asked = Call<Matched>;
pub(super) type Result<T = Reply> = std::result::Result<T, Trouble>;

/// The identity provider of built-in accounts: the only one there is.
pub(super) const BUILT_IN: &str = "bim";

pub(super) async fn answer(call: &mut Asked) -> Result {
    match call.endpoint.endpoint.clone() {
        Endpoint::AddLicense => add(call).await,
        Endpoint::ListLicenses => {
            let state = &call.view().state;
            let rows = installed(state)
                .map(|(remembered, license, grant)| Row { license, grant, remembered, shows_key: false }.listed());
            Ok(Reply::ok(&rows.collect::<Vec<_>>()))
        }
        Endpoint::LicenseStatus => Ok(Reply::ok(&status(&call.view().state))),
        Endpoint::Usage => usage::usage(call),
        Endpoint::GetLicense(id) => {
            let state = &call.view().state;
            Ok(Reply::ok(&row(state, number(&id)?, call.caller().may(Right::ReadLicenseText))?.whole(state)))
        }
        Endpoint::DeleteLicense(id) => delete(call, &id).await,
        Endpoint::ByApiKey => by_api_key(call).await,
        Endpoint::ByPassword(iam) => by_password(call, &iam).await,
        Endpoint::CurrentUser => Ok(Reply::ok(&current(call))),
    }
}

/// A license's number in a path.
fn number(id: &str) -> Result<u64> {
    let what = || format!("\"licenseId\" must be a number: {id}");
    Ok(id.parse().map_err(|_not_one| Malformed::BadQuery { name: "licenseId", what: what() })?)
}

fn missing(id: u64) -> Trouble {
    Trouble::NotFound { what: "license", name: id.to_string() }
}

fn row(state: &State, number: u64, shows_key: bool) -> Result<Row<'_>> {
    let found = installed(state).find(|(remembered, ..)| remembered.number == number);
    let (remembered, license, grant) = found.ok_or_else(|| missing(number))?;
    Ok(Row { license, grant, remembered, shows_key })
}

fn status(state: &State) -> Status {
    let taken = state.account_seats_taken;
    let seats = seats(state);
    Status {
        active_user_count: taken,
        license_seats: seats.map_or(0, |seats| seats.total),
        can_add_user: seats.is_none_or(|seats| taken < seats.total),
        hard_seats: seats.map_or(0, |seats| seats.hard),
    }
}

async fn body(call: &mut Asked, limit: usize) -> Result<(Vec<(String, String)>, bytes::Bytes)> {
    let body = call.body.read(&call.head, limit).await?;
    Ok((wire::members(&call.head, &body)?, body))
}

fn bad(what: &str) -> Trouble {
    Malformed::BadBody { what: what.to_owned() }.into()
}

/// The key under either of its two spellings.
fn key_of(members: &[(String, String)]) -> Result<String> {
    let mut keys = members.iter().filter(|(name, _)| matches!(name.as_str(), "licensekey" | "licenseKey"));
    let key = keys.next().map(|(_, key)| key.trim()).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| bad("\"licenseKey\" is required"))?;
    if keys.any(|(_, other)| other.trim() != key) {
        return Err(bad("\"licenseKey\" and \"licensekey\" differ"));
    }
    Ok(key.to_owned())
}

/// Adding a key that is there already answers it as it is: never a second row.
async fn add(call: &mut Asked) -> Result {
    let limit = call.cx.limits.body_bytes;
    let (members, body) = body(call, limit).await?;
    let text = key_of(&members)?;
    if crate::signing::Document::of(&text)?.format() != Format::Immuta {
        return Err(LicenseProblem::Unreadable("it is no license key of this product".to_owned()).into());
    }
    let (answered, id) = match call.install_license(Immuta::NAME, &text, &body).await {
        Ok((answer, id)) => (answer.view, id),
        Err(Trouble::Refused(Refusal::LicenseExists { license })) => {
            (call.cx.replica.view(Consistency::Linearizable, call.head.deadline).await?, license)
        }
        Err(trouble) => return Err(trouble),
    };
    let state = &answered.state;
    let number = number_of(state, &id).ok_or_else(|| missing(0))?;
    Ok(Reply::ok(&row(state, number, true)?.whole(state)).with("cache-control", "no-store"))
}

fn number_of(state: &State, id: &LicenseId) -> Option<u64> {
    state.account_licenses.get(id).map(|remembered| remembered.number)
}

/// The record as it was, deleted. The number is looked up where the license surely is: on a state that is up to date.
async fn delete(call: &mut Asked, id: &str) -> Result {
    let number = number(id)?;
    let limit = call.cx.limits.login_bytes;
    call.body.read(&call.head, limit).await?;
    let before = call.cx.replica.view(Consistency::Linearizable, call.head.deadline).await?;
    let state = &before.state;
    let row = row(state, number, call.caller().may(Right::ReadLicenseText))?;
    let license = row.license.id;
    let answer = match call.submit(Command::RemoveLicense { license }, b"").await {
        Err(Trouble::Refused(Refusal::NoSuchLicense { .. })) => return Err(missing(number)),
        other => other?,
    };
    let updated = answer.view.state.account_licenses.get(&license).map_or(answer.view.state.now, |now| now.updated);
    Ok(Reply::ok(&row.deleted(state, updated)).with("cache-control", "no-store"))
}

/// Our API tokens are the API keys. The key stands in the body, or in the header as the newest documentation has it.
async fn by_api_key(call: &mut Asked) -> Result {
    let limit = call.cx.limits.login_bytes;
    let body = call.body.read(&call.head, limit).await?;
    let members = if body.is_empty() { Vec::new() } else { wire::members(&call.head, &body)? };
    let key = members.into_iter().find(|(name, _)| name == "apikey").map(|(_, key)| key.trim().to_owned());
    let presented = match key {
        Some(key) => Presented::Token(key),
        None => match presented(&call.head) {
            Ok(presented) => presented,
            Err(Denied::Anonymous) => return Err(bad("\"apikey\" is required")),
            Err(denied) => return Err(denied.into()),
        },
    };
    let view = call.cx.replica.view(Consistency::Linearizable, call.head.deadline).await?;
    let caller = call.cx.access.authenticate(&presented, &view.state, call.head.peer).await?;
    let ttl_ms = view.state.settings.session_ms;
    authenticated(call, caller.actor, ttl_ms).await
}

async fn by_password(call: &mut Asked, iam: &str) -> Result {
    let limit = call.cx.limits.login_bytes;
    let (members, _) = body(call, limit).await?;
    if iam != BUILT_IN {
        return Err(Trouble::NotFound { what: "identity provider", name: iam.to_owned() });
    }
    let member = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let username = member("username").ok_or_else(|| bad("\"username\" is required"))?;
    let password = member("password").ok_or_else(|| bad("\"password\" is required"))?;
    let (caller, ttl_ms) = login::verified(&call.cx, &call.head, username, password).await?;
    authenticated(call, caller.actor, ttl_ms).await
}

async fn authenticated(call: &Asked, actor: Actor, ttl_ms: u64) -> Result {
    let wish = TokenWish { user: actor.user.clone(), kind: TokenKind::Session, label: Immuta::NAME.into(), ttl_ms };
    let (token, made) = login::make_token(&call.cx, &call.head, actor, &wish).await?;
    let view = call.cx.replica.view(Consistency::Stale, call.head.deadline).await?;
    let told = notices(&view.state).iter().map(ToString::to_string).collect();
    let token_expiration = wire::time(made.expires);
    Ok(Reply::ok(&Authenticated { authenticated: true, token, token_expiration, notices: told })
        .with("cache-control", "no-store"))
}

fn current(call: &Asked) -> Current {
    let caller = call.caller();
    let words = VOCABULARIES.into_iter().find(|words| words.dialect == Immuta::NAME);
    Current {
        name: caller.actor.user.to_string(),
        iamid: BUILT_IN,
        userid: caller.actor.user.to_string(),
        permissions: words.map(|words| held(words.privileges, &caller.rights)).unwrap_or_default(),
    }
}
