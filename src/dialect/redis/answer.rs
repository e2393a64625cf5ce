//! Endpoints into commands or views, and those into replies.

use ::metrics::counter;
use chrono::{DateTime, SecondsFormat};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::{ALLOW, Endpoint, Matched};
use crate::dialect::Call;
use crate::dialect::reply::Reply;
use crate::dialect::request::check_depth;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::domain::current::{self, ReplaceLicense};
use crate::domain::intent::Command;
use crate::domain::license::{Format, License, Standing, Term};
use crate::domain::refusal::Refusal;
use crate::domain::slave::Level;
use crate::domain::state::State;
use crate::domain::time::Moment;
use crate::domain::user::Right;
use crate::metrics;
use crate::projection::usage;
use crate::replica::{Unavailable, View};
use crate::signing::{LicenseProblem, json};

type Asked = Call<Matched>;
type Result<T = Reply> = std::result::Result<T, Trouble>;

/// The largest number that clients read.
const MOST: u64 = u32::MAX as u64;
/// Largest body where none belongs.
const STRAY_BYTES: usize = 8 << 10;

/// Answers one call.
pub(super) async fn answer(call: &mut Asked) -> Result {
    match call.endpoint.endpoint {
        Endpoint::Options => Ok(Reply::empty(StatusCode::NO_CONTENT).with("allow", ALLOW)),
        Endpoint::Get => get(call).await,
        Endpoint::Put => {
            let result = put(call).await;
            let outcome = match &result {
                Ok(_) => "installed",
                Err(Trouble::License(LicenseProblem::BadSignature { .. })) => "bad_signature",
                Err(Trouble::License(_) | Trouble::Malformed(_)) => "malformed",
                Err(_) => "refused",
            };
            counter!(metrics::LICENSE_INSTALLS, "dialect" => "redis", "result" => outcome).increment(1);
            result
        }
    }
}

/// Shards and features in use, as the slaves report them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct InUse {
    pub(super) all: u64,
    pub(super) ram: u64,
    pub(super) flash: u64,
    features: Vec<Level>,
}

impl InUse {
    /// Adds up what slaves that are not silent reported. Where nobody reports `shards`, they are those of both kinds.
    pub(super) fn of(state: &State) -> InUse {
        let levels = usage::levels(state);
        let used = levels.iter().filter(|(name, value)| *value > 0 && current::feature_of(name).is_some());
        let features = used.map(|(name, value)| Level { name: name.clone(), value: *value }).collect();
        let level = |name: &str| levels.iter().find(|(level, _)| **level == *name).map(|(_, value)| *value);
        let (ram, flash) = (level("ram_shards").unwrap_or(0), level("flash_shards").unwrap_or(0));
        InUse { all: level("shards").unwrap_or(ram.saturating_add(flash)), ram, flash, features }
    }

    /// What the rules look at before a license is taken: the shards, and of the features the first that it lacks. One is
    /// enough for a no, and an entry of the log must not grow with what slaves report.
    fn levels(&self, license: &License) -> Vec<Level> {
        let level = |name: &str, value| Level { name: name.into(), value };
        let has = |level: &&Level| license.features().any(|has| current::feature_of(&level.name) == Some(&**has));
        let lacks = self.features.iter().find(|level| !has(level)).cloned();
        let shards = [level("shards", self.all), level("ram_shards", self.ram), level("flash_shards", self.flash)];
        shards.into_iter().chain(lacks).collect()
    }
}

/// The same, apart from other requests: many slaves may report.
async fn in_use(view: &View) -> Result<InUse> {
    let state = view.state.clone();
    let walked = tokio::task::spawn_blocking(move || InUse::of(&state)).await;
    walked.map_err(|error| Unavailable::NotServing(format!("shards could not be added up: {error}")).into())
}

async fn get(call: &mut Asked) -> Result {
    call.body.read(&call.head, STRAY_BYTES).await?;
    let state = &call.view().state;
    let license = current::in_force(state, Format::Redis);
    let license = license.ok_or(Trouble::NotFound { what: "license", name: String::new() })?;
    let in_use = in_use(call.view()).await?;
    let text = call.caller().may(Right::ReadLicenseText);
    Ok(Reply::ok(&shown(license, state, &in_use, text)).with("cache-control", "no-store"))
}

/// The 13 members, in the order of their names. The text is for those who may read it; others see that it is empty.
fn shown(license: &License, state: &State, in_use: &InUse, text: bool) -> Value {
    let limit = |name: &str| {
        let limit = license.levels().find(|level| *level.level == *name).and_then(|level| level.limit);
        limit.map(|limit| limit.min(MOST))
    };
    let cluster = license.terms.iter().find_map(|term| if let Term::Cluster(name) = term { Some(name) } else { None });
    let text = if text { &*license.text } else { "" };
    let counts = license.standing(state, state.now);
    json!({
        "activation_date": date(license.starts),
        "cluster_name": cluster.map_or(&*state.cluster_name, |name| &**name),
        "expiration_date": date(license.expires),
        "expired": matches!(counts, Standing::Expired | Standing::Untrusted),
        "features": license.features().map(AsRef::as_ref).collect::<Vec<&str>>(),
        "flash_shards_in_use": in_use.flash.min(MOST),
        "flash_shards_limit": limit("flash_shards"),
        "key": text,
        "license": text,
        "owner": (!license.owner.is_empty()).then_some(&*license.owner),
        "ram_shards_in_use": in_use.ram.min(MOST),
        "ram_shards_limit": limit("ram_shards"),
        "shards_limit": limit("shards"),
    })
}

/// A date without fraction or offset: clients read no other.
fn date(moment: Moment) -> Option<String> {
    let time = i64::try_from(moment.0).ok().and_then(DateTime::from_timestamp_millis)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

async fn put(call: &mut Asked) -> Result {
    let dry_run = call.head.flag("dry_run")?;
    let kind = call.head.header(CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("application/json")) {
        return Err(Malformed::WrongType { wants: "application/json" }.into());
    }
    let body = call.body.read(&call.head, call.cx.limits.license_bytes).await?;
    let license = call.read_license(&text(&body)?).await?;
    if license.format != Format::Redis {
        return Err(LicenseProblem::Unreadable("it is a license of another product".to_owned()).into());
    }
    let in_use = in_use(call.view()).await?.levels(&license);
    let wish = ReplaceLicense { license: Box::new(license), acknowledged: true, in_use };
    let judged = if dry_run {
        current::would_replace(&call.view().state, &wish).map_err(Trouble::Refused)
    } else {
        call.submit(Command::ReplaceLicense(wish), &body).await.map(|_| ())
    };
    match judged {
        // the same license again is no change
        Ok(()) | Err(Trouble::Refused(Refusal::LicenseExists { .. })) => Ok(Reply::empty(StatusCode::OK)),
        Err(trouble) => Err(trouble),
    }
}

/// The license in a body: an object with the one member `license`.
fn text(body: &[u8]) -> Result<String> {
    check_depth(body)?;
    let wrong = |what: String| Trouble::from(Malformed::BadBody { what });
    match json::parse(body) {
        Ok(Value::Object(mut members)) => match (members.remove("license"), members.keys().next()) {
            (Some(Value::String(text)), None) => Ok(text),
            (Some(_), None) => Err(wrong("license is a string".to_owned())),
            (_, Some(other)) => Err(wrong(format!("the object has the single key license, not {other:?}"))),
            (None, None) => Err(wrong("the object has the single key license, and it is missing".to_owned())),
        },
        Ok(_) => Err(wrong("the body is JSON, but no object".to_owned())),
        Err(error) => Err(wrong(format!("the body is not JSON: {error}"))),
    }
}
