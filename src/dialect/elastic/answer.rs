//! Endpoints into commands or views, and those into replies: translate, submit, render.

use ::metrics::counter;
use hyper::StatusCode;

use super::json::{Node, object};
use super::params::{self, Common};
use super::routes::{Endpoint, Matched, allow};
use super::{VERSION, license, media, warnings};
use crate::dialect::Call;
use crate::dialect::reply::Reply;
use crate::dialect::request::check_depth;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::domain::current::{ReplaceLicense, StartGrant, TRIAL_KINDS, mode_of, trial_left};
use crate::domain::intent::Command;
use crate::domain::license::{BuiltinGrant, License};
use crate::domain::name::Name;
use crate::domain::policy::{self, Choice, Policy};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::metrics;
use crate::replica::{Consistency, Unavailable};
use crate::signing::elastic::{self, Envelope};
use crate::signing::{Document, LicenseProblem};

type Asked = Call<Matched>;
type Result<T = Reply> = std::result::Result<T, Trouble>;

/// Largest body where none belongs: what a client sends by mistake is still read, so that it sees the answer.
const STRAY_BYTES: usize = 8 << 10;
/// What a client is told when something ends.
const UPDATE: &str = "This license update requires acknowledgement. To acknowledge the license, please read the following \
                      messages and update the license again, this time with the \"acknowledge=true\" parameter:";
const BASIC: &str = "This license update requires acknowledgement. To acknowledge the license, please read the following \
                     messages and call /start_basic again, this time with the \"acknowledge=true\" parameter:";
const TRIAL: &str = "A trial can be started once in a cluster's life. To start it, please read the following messages and \
                     call /start_trial again, this time with the \"acknowledge=true\" parameter:";
/// What `/_license` says of a basic license that is sent to it, where the policy refuses them.
pub(super) const NO_BASIC: &str = "Installing basic licenses is no longer allowed. Use the POST /_license/start_basic API \
                                   to install a basic license that does not expire.";

/// Answers one call.
pub(super) async fn answer(call: &mut Asked) -> Result {
    let endpoint = call.endpoint.endpoint;
    if endpoint == Endpoint::Options {
        return Ok(Reply::empty(StatusCode::OK).with("allow", &allow(&call.head.path)));
    }
    let known = call.endpoint.route.map_or(&[] as &[&str], |route| route.query);
    let common = params::common(&call.head, known)?;
    for name in params::TIMES {
        params::time(&call.head, name)?;
    }
    if endpoint == Endpoint::PutLicense {
        return Box::pin(put(call, &common)).await;
    }
    check_no_body(call).await?;
    match endpoint {
        Endpoint::Root => Ok(root(call, &common)),
        Endpoint::GetLicense => get(call, &common),
        Endpoint::DeleteLicense => Box::pin(delete(call, &common)).await,
        Endpoint::BasicStatus => {
            let current = license::in_force(&call.view().state);
            let basic = current.is_some_and(|license| mode_of(&license.kind) == mode_of("basic"));
            Ok(written(call, &common, object([("eligible_to_start_basic", (!basic).into())])))
        }
        Endpoint::TrialStatus => {
            let left = trial_left(&call.view().state);
            Ok(written(call, &common, object([("eligible_to_start_trial", left.into())])))
        }
        Endpoint::StartBasic => Box::pin(start_basic(call, &common)).await,
        Endpoint::StartTrial => Box::pin(start_trial(call, &common)).await,
        Endpoint::Xpack => xpack(call, &common),
        Endpoint::Nodes => Ok(nodes(call, &common)),
        Endpoint::PutLicense | Endpoint::Options => Err(Malformed::UnknownPath.into()),
    }
}

/// A reply as the request wants it; compact unless it says otherwise.
fn written(call: &Asked, common: &Common, node: Node) -> Reply {
    reply(call, StatusCode::OK, node.filtered(&common.filter).text(common.pretty.unwrap_or(false)))
}

/// The same for what the product writes over several lines unless it is told not to.
fn written_pretty(call: &Asked, common: &Common, node: Node) -> Reply {
    reply(call, StatusCode::OK, node.filtered(&common.filter).text(common.pretty.unwrap_or(true)))
}

fn reply(call: &Asked, status: StatusCode, text: String) -> Reply {
    let reply = Reply::of(status, media::answer(&call.head).header(), text);
    if status == StatusCode::FORBIDDEN { reply } else { reply.with("x-elastic-product", "Elasticsearch") }
}

async fn check_no_body(call: &mut Asked) -> Result<()> {
    media::check(&call.head, false)?;
    if call.body.read(&call.head, STRAY_BYTES).await?.is_empty() {
        return Ok(());
    }
    let asked = format!("{} {}", call.head.method, call.head.shown_path());
    Err(params::bad("body", format!("request [{asked}] does not support having a body")).into())
}

fn build_hash() -> &'static str {
    option_env!("QUARTERMASTER_REVISION").unwrap_or("unknown")
}

fn root(call: &Asked, common: &Common) -> Reply {
    let state = &call.view().state;
    let status = call.cx.replica.status();
    let me = status.members.iter().find(|member| member.id == status.node);
    let version = object([
        ("number", VERSION.into()),
        ("build_flavor", "default".into()),
        ("build_type", "tar".into()),
        ("build_hash", build_hash().into()),
        ("build_date", "2026-01-01T00:00:00.000000000Z".into()),
        ("build_snapshot", false.into()),
        ("lucene_version", "10.2.2".into()),
        ("minimum_wire_compatibility_version", "8.19.0".into()),
        ("minimum_index_compatibility_version", "8.0.0".into()),
    ]);
    let node = object([
        ("name", me.map(|member| member.member.name.clone()).unwrap_or_default().into()),
        ("cluster_name", state.cluster_name.as_ref().into()),
        ("cluster_uuid", state.cluster_id.as_ref().into()),
        ("version", version),
        ("tagline", "You Know, for Search".into()),
    ]);
    written_pretty(call, common, node)
}

/// `accept_enterprise` is old: `true` changes nothing and is told so, `false` is refused.
fn accept_enterprise(call: &Asked) -> Result<bool> {
    match params::flag(&call.head, "accept_enterprise")? {
        Some(false) => {
            let what = "The [accept_enterprise] parameters may not be false".to_owned();
            Err(params::bad("accept_enterprise", what).into())
        }
        asked => Ok(asked.is_some()),
    }
}

fn warned(reply: Reply, warn: bool) -> Reply {
    let text = format!(
        "299 Elasticsearch-{VERSION}-{} \"Including [accept_enterprise] in get license requests is deprecated. The \
         parameter will be removed in the next major version\"",
        build_hash()
    );
    if warn { reply.with("warning", &text) } else { reply }
}

fn get(call: &Asked, common: &Common) -> Result {
    params::flag(&call.head, "local")?;
    let warn = accept_enterprise(call)?;
    let state = &call.view().state;
    let Some(license) = license::in_force(state) else {
        return Ok(reply(call, StatusCode::NOT_FOUND, "{}".to_owned()));
    };
    let shown = license::shown(license, state, common.human.unwrap_or(false));
    Ok(warned(written_pretty(call, common, object([("license", shown)])), warn))
}

fn xpack(call: &Asked, common: &Common) -> Result {
    let warn = accept_enterprise(call)?;
    let human = common.human.unwrap_or(true);
    let state = &call.view().state;
    let license = license::in_force(state);
    let wanted = call.head.param("categories").map(|names| names.split(',').map(str::trim).collect::<Vec<&str>>());
    let wants = |name: &str| wanted.as_ref().is_none_or(|names| names.contains(&name) || names.contains(&"_all"));
    let mut members = Vec::new();
    if wants("build") {
        let build = object([("hash", build_hash().into()), ("date", "2026-01-01T00:00:00.000Z".into())]);
        members.push(("build".to_owned(), build));
    }
    if wants("license") {
        let shown = license.map_or(Node::Leaf(serde_json::Value::Null), |one| license::summary(one, state, human));
        members.push(("license".to_owned(), shown));
    }
    if wants("features") {
        members.push(("features".to_owned(), license::features(license, state)));
    }
    if human {
        members.push(("tagline".to_owned(), "You know, for X".into()));
    }
    Ok(warned(written(call, common, Node::Object(members)), warn))
}

/// The members, for clients that look for more nodes. Where a node listens is what it was told to say.
fn nodes(call: &Asked, common: &Common) -> Reply {
    let state = &call.view().state;
    let status = call.cx.replica.status();
    let count = status.members.len() as u64;
    let shown = status.members.iter().map(|member| {
        let api = member.member.api.as_str();
        let place = api.split_once("://").map_or(api, |(_, rest)| rest).trim_end_matches('/');
        let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
        let http = object([
            ("bound_address", super::json::list([place])),
            ("publish_address", place.into()),
            ("max_content_length_in_bytes", (call.cx.limits.license_bytes as u64).into()),
        ]);
        let node = object([
            ("name", member.member.name.as_str().into()),
            ("transport_address", place.into()),
            ("host", host.into()),
            ("ip", host.into()),
            ("version", VERSION.into()),
            ("build_flavor", "default".into()),
            ("build_type", "tar".into()),
            ("build_hash", build_hash().into()),
            ("roles", super::json::list(["data", "master"])),
            ("http", http),
        ]);
        (member.id.to_string(), node)
    });
    let total = object([("total", count.into()), ("successful", count.into()), ("failed", 0.into())]);
    let nodes = Node::Object(shown.collect());
    let node = object([("_nodes", total), ("cluster_name", state.cluster_name.as_ref().into()), ("nodes", nodes)]);
    written(call, common, node)
}

/// What became of an upload, in the product's words.
enum Judged {
    Valid,
    Invalid,
    Expired,
    Unacknowledged { from: Name, to: Name, older: bool },
}

async fn put(call: &mut Asked, common: &Common) -> Result {
    let acknowledged = params::flag(&call.head, "acknowledge")?.unwrap_or(false);
    let body = call.body.read(&call.head, call.cx.limits.license_bytes).await?;
    media::check(&call.head, !body.is_empty())?;
    if body.is_empty() {
        return Err(params::bad("body", "The license must be provided in the request body".to_owned()).into());
    }
    let judged = judge(call, &body, acknowledged).await;
    let result = match &judged {
        Ok(Judged::Valid) => "installed",
        Ok(Judged::Invalid) => "bad_signature",
        Err(Trouble::License(_) | Trouble::Malformed(_)) => "malformed",
        Ok(Judged::Expired | Judged::Unacknowledged { .. }) | Err(_) => "refused",
    };
    counter!(metrics::LICENSE_INSTALLS, "dialect" => "elastic", "result" => result).increment(1);
    let (acknowledged, status, ends) = match judged? {
        Judged::Valid => (true, "valid", None),
        Judged::Invalid => (true, "invalid", None),
        Judged::Expired => (true, "expired", None),
        Judged::Unacknowledged { from, to, older } => {
            (false, "valid", Some(warnings::acknowledge(UPDATE, &from, &to, older)))
        }
    };
    let mut members =
        vec![("acknowledged".to_owned(), Node::from(acknowledged)), ("license_status".to_owned(), status.into())];
    members.extend(ends.map(|ends| ("acknowledge".to_owned(), ends)));
    Ok(written(call, common, Node::Object(members)))
}

async fn judge(call: &mut Asked, body: &[u8], acknowledged: bool) -> Result<Judged> {
    let text = std::str::from_utf8(body)
        .map_err(|error| LicenseProblem::Unreadable(format!("a license is UTF-8 text: {error}")))?;
    check_depth(body)?;
    let state = &call.view().state;
    let Some(envelope) = chosen(elastic::all(text)?, state) else {
        return Err(Malformed::BadBody { what: "Validation Failed: 1: license is missing;".to_owned() }.into());
    };
    let basic = mode_of(&envelope.spec.kind) == mode_of("basic");
    if basic && policy::chosen(state, Policy::SignedBasic) == Choice::Refuse {
        return Err(Refusal::SignedBasicRefused.into());
    }
    let Some(license) = verified(call, Document::Elastic(Box::new(envelope))).await? else {
        return Ok(Judged::Invalid);
    };
    let wish = ReplaceLicense { license: Box::new(license), acknowledged, in_use: Vec::new() };
    match call.submit(Command::ReplaceLicense(wish), body).await {
        Ok(_) | Err(Trouble::Refused(Refusal::LicenseExists { .. })) => Ok(Judged::Valid),
        Err(Trouble::Refused(Refusal::LicenseExpired { .. })) => Ok(Judged::Expired),
        Err(Trouble::Refused(Refusal::NeedsAcknowledgement { from, to, older })) => {
            Ok(Judged::Unacknowledged { from, to, older })
        }
        Err(Trouble::Refused(
            Refusal::NotYetValid { .. }
            | Refusal::NoSuchKey { .. }
            | Refusal::KeyDistrusted { .. }
            | Refusal::LicenseRevoked { .. }
            | Refusal::LicenseSuperseded { .. },
        )) => Ok(Judged::Invalid),
        Err(trouble) => Err(trouble),
    }
}

/// Of several licenses the one that was issued last of those that have not ended; if all have, the last one.
fn chosen(mut all: Vec<Envelope>, state: &State) -> Option<Envelope> {
    all.sort_by_key(|envelope| std::cmp::Reverse(envelope.spec.issue_ms));
    let living = all.iter().position(|envelope| envelope.spec.expires() > state.now);
    (!all.is_empty()).then(|| all.swap_remove(living.unwrap_or(0)))
}

/// The license, if a trusted key signed it. A key may have been trusted a moment ago on another node.
async fn verified(call: &Asked, document: Document) -> Result<Option<License>> {
    let read = match document.read(&call.view().state.keys) {
        Err(LicenseProblem::UnknownKey { .. }) => {
            let view = call.cx.replica.view(Consistency::Linearizable, call.head.deadline).await?;
            document.read(&view.state.keys)
        }
        other => other,
    };
    match read {
        Ok(license) => Ok(Some(license)),
        Err(
            LicenseProblem::UnknownKey { .. }
            | LicenseProblem::DistrustedKey { .. }
            | LicenseProblem::BadSignature { .. },
        ) => Ok(None),
        Err(problem) => Err(problem.into()),
    }
}

async fn delete(call: &mut Asked, common: &Common) -> Result {
    match start(call, BuiltinGrant::ElasticBasic, "basic", true).await {
        Ok(()) | Err(Trouble::Refused(Refusal::LicenseExists { .. })) => {
            Ok(written(call, common, object([("acknowledged", true.into())])))
        }
        Err(trouble) => Err(trouble),
    }
}

async fn start(call: &mut Asked, grant: BuiltinGrant, kind: &str, acknowledged: bool) -> Result<()> {
    let wish = StartGrant { grant, kind: kind.into(), acknowledged };
    call.submit(Command::StartGrant(wish), b"").await.map(|_| ())
}

/// An answer to start_basic or start_trial that says why nothing was started.
fn not_started(
    call: &Asked,
    common: &Common,
    status: StatusCode,
    members: [(&str, Node); 3],
    ends: Option<Node>,
) -> Reply {
    let Node::Object(mut all) = object(members) else { return reply(call, status, "{}".to_owned()) };
    all.extend(ends.map(|ends| ("acknowledge".to_owned(), ends)));
    let text = Node::Object(all).filtered(&common.filter).text(common.pretty.unwrap_or(false));
    reply(call, status, text)
}

async fn start_basic(call: &mut Asked, common: &Common) -> Result {
    let acknowledged = params::flag(&call.head, "acknowledge")?.unwrap_or(false);
    let why = |acknowledged: bool, why: &str| {
        [("acknowledged", Node::from(acknowledged)), ("basic_was_started", false.into()), ("error_message", why.into())]
    };
    match start(call, BuiltinGrant::ElasticBasic, "basic", acknowledged).await {
        Ok(()) => {
            Ok(written(call, common, object([("acknowledged", true.into()), ("basic_was_started", true.into())])))
        }
        Err(Trouble::Refused(Refusal::LicenseExists { .. })) => {
            let members = why(true, "Operation failed: Current license is basic.");
            Ok(not_started(call, common, StatusCode::FORBIDDEN, members, None))
        }
        Err(Trouble::Refused(Refusal::NeedsAcknowledgement { from, to, older })) => {
            let ends = warnings::acknowledge(BASIC, &from, &to, older);
            let members = why(false, "Operation failed: Needs acknowledgement.");
            Ok(not_started(call, common, StatusCode::OK, members, Some(ends)))
        }
        Err(trouble) => Err(trouble),
    }
}

async fn start_trial(call: &mut Asked, common: &Common) -> Result {
    let acknowledged = params::flag(&call.head, "acknowledge")?.unwrap_or(false);
    let kind = call.head.param("type").unwrap_or("trial").to_ascii_lowercase();
    if !TRIAL_KINDS.contains(&kind.as_str()) {
        let (kind, kinds) = (crate::dialect::shown(&kind), TRIAL_KINDS.join(","));
        let what = match mode_of(&kind) {
            Some(_) => format!("Cannot start trial of type [{kind}]. Valid trial types are [{kinds}]"),
            None => format!("unrecognised license type [ {kind}], supported license types are [{kinds}]"),
        };
        return Err(params::bad("type", what).into());
    }
    let why = |acknowledged: bool, why: &str| {
        [("acknowledged", Node::from(acknowledged)), ("trial_was_started", false.into()), ("error_message", why.into())]
    };
    match start(call, BuiltinGrant::ElasticTrial, &kind, acknowledged).await {
        Ok(()) => {
            let members =
                [("acknowledged", true.into()), ("trial_was_started", true.into()), ("type", kind.as_str().into())];
            Ok(written(call, common, object(members)))
        }
        Err(Trouble::Refused(Refusal::TrialUsed)) => {
            let members = why(acknowledged, "Operation failed: Trial was already activated.");
            Ok(not_started(call, common, StatusCode::FORBIDDEN, members, None))
        }
        Err(Trouble::Refused(Refusal::NeedsAcknowledgement { .. })) => {
            let Node::Object(mut ends) = object([("message", TRIAL.into())]) else {
                return Err(Unavailable::NotServing("no message".to_owned()).into());
            };
            let text = "The trial has every feature for 30 days; what needs a license ends with it.";
            ends.push(("security".to_owned(), super::json::list([text])));
            let members = why(false, "Operation failed: Needs acknowledgement.");
            Ok(not_started(call, common, StatusCode::OK, members, Some(Node::Object(ends))))
        }
        Err(trouble) => Err(trouble),
    }
}
