//! Endpoints into commands or views, and those into replies: translate, submit, render.

use hyper::{Method, StatusCode};

use super::args::{Args, Mode, wrong};
use super::endpoint::Endpoint;
use super::list::{self, feed};
use super::routes::{Action, Arg, Collection};
use super::rows::Desk;
use super::value::{Entry, Value};
use super::wanted::Wanted;
use super::{content, folder, form, render, session, trouble};
use crate::dialect::reply::Reply;
use crate::dialect::trouble::{Malformed, Trouble};
use crate::dialect::{Call, Context, count_trouble};
use crate::domain::intent::Command;
use crate::domain::license::LicenseId;
use crate::domain::state::State;
use crate::domain::user::Right;
use crate::replica::{Answer, View};

type Asked = Call<Endpoint>;
type Result<T = Reply> = std::result::Result<T, Trouble>;

/// What percent-encoding may make of a byte: a form with a license is that much longer than the license.
const ENCODED_BYTES: usize = 3;

/// Answers one call. What goes wrong after the form was read is worded in the shape that the form asks for.
pub(super) async fn answer(call: &mut Asked) -> Result {
    let action = call.endpoint.route.action;
    let writes = call.head.method == Method::POST || call.head.method == Method::DELETE;
    if !writes {
        return read(call).await;
    }
    let limit = match action {
        Action::Login => call.cx.limits.login_bytes,
        Action::AddLicense => call.cx.limits.license_bytes * ENCODED_BYTES,
        _ => call.cx.limits.body_bytes,
    };
    let args = Args::of(call, limit).await?;
    let mode = args.mode()?;
    match Box::pin(write(call, &args, mode)).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => {
            count_trouble("splunk", &trouble);
            Ok(trouble::reply(&call.head, mode, &trouble))
        }
    }
}

/// The URL in front of every path: this node's own, as its cluster knows it. Not from `Host`: some clients send it without
/// the port (dialect note, 1.18).
pub(super) fn base(cx: &Context) -> String {
    let status = cx.replica.status();
    let own = status.members.iter().find(|member| member.id == status.node);
    own.map(|own| own.member.api.trim_end_matches('/').to_owned()).unwrap_or_default()
}

fn collection(call: &Asked) -> Result<&'static Collection> {
    call.endpoint.route.collection.ok_or(Trouble::Malformed(Malformed::UnknownPath))
}

fn missing(name: &str) -> Trouble {
    Trouble::NotFound { what: "object", name: name.to_owned() }
}

async fn read(call: &Asked) -> Result {
    let args = Args::of_query(&call.head);
    let mode = args.mode()?;
    let collection = collection(call)?;
    let wanted = Wanted::of(&args)?;
    if call.endpoint.route.action == Action::List {
        let (view, caller) = (call.view().clone(), call.caller().clone());
        let asked = list::Asked { view, collection, caller, wanted, base: base(&call.cx), mode };
        return Ok(list::reply(asked).await);
    }
    let state = &call.view().state;
    let desk = Desk::new(state, collection, call.caller());
    let name = &call.endpoint.name;
    let found = || desk.find(name).ok_or_else(|| missing(name));
    let mut entry = match call.endpoint.route.action {
        Action::New => Some(desk.blank()),
        Action::Reload => None,
        Action::ReloadOne => found().map(|_| None)?,
        Action::Acl => Some(Entry { content: super::value::Content::new(), ..desk.single(&found()?) }),
        _show => Some(desk.single(&found()?)),
    };
    if let Some(entry) = &mut entry {
        wanted.keep_fields(&mut entry.content);
    }
    let feed = feed(&desk, base(&call.cx), usize::from(entry.is_some()));
    Ok(render::whole(mode, StatusCode::OK, render::single(mode, &feed, entry.as_ref(), state).await))
}

async fn write(call: &mut Asked, args: &Args, mode: Mode) -> Result {
    let name = &*call.endpoint.name.clone();
    let check = |takes: &[Arg]| args.check(takes);
    let takes = call.endpoint.route.takes;
    match call.endpoint.route.action {
        Action::Activate => {
            check(takes)?;
            if args.flag("is_active")? == Some(false) {
                return Err(wrong(
                    "A group ceases to be active when another one is activated: POST is_active=1 there.",
                ));
            }
            let answer = call.submit(Command::ActivateGroup { group: name.into() }, b"is_active").await?;
            shown(call, &answer.view, mode, Shown::Nothing).await
        }
        Action::AddLicense => add_license(call, args, mode).await,
        Action::RemoveLicense => {
            let license = content::license_id(name).ok_or_else(|| missing(name))?;
            let answer = call.submit(Command::RemoveLicense { license }, b"").await?;
            shown(call, &answer.view, mode, Shown::Nothing).await
        }
        Action::CreatePool => {
            if args.one("name")?.is_none_or(str::is_empty) {
                return Err(wrong(trouble::no_target(&call.head)));
            }
            check(takes)?;
            let command = form::new_pool(args)?;
            let pool = command.pool.clone();
            let body = format!("{command:?}");
            let answer = call.submit(Command::CreatePool(command), body.as_bytes()).await?;
            shown(call, &answer.view, mode, Shown::Created(&pool)).await
        }
        Action::EditPool => {
            check(takes)?;
            let command = form::pool_changes(name, args)?;
            let body = format!("{command:?}");
            let answer = call.submit(Command::EditPool(command), body.as_bytes()).await?;
            shown(call, &answer.view, mode, Shown::Changed(name)).await
        }
        Action::DeletePool => {
            let answer = call.submit(Command::DeletePool { pool: name.into() }, b"").await?;
            shown(call, &answer.view, mode, Shown::Nothing).await
        }
        Action::EditLocal => {
            check(takes)?;
            if args.either("master_uri", "manager_uri")?.is_some_and(|uri| !uri.eq_ignore_ascii_case("self")) {
                return Err(wrong("This instance is a license master: its master_uri is self and cannot be changed."));
            }
            if !matches!(name, "" | "license") {
                return Err(missing(name));
            }
            shown(call, call.view(), mode, Shown::Changed("license")).await
        }
        Action::Login => session::login(call, args, mode).await,
        Action::List | Action::Show | Action::New | Action::Acl => read(call).await,
        Action::Reload => shown(call, call.view(), mode, Shown::Nothing).await,
        Action::ReloadOne => {
            Desk::new(&call.view().state, collection(call)?, call.caller()).find(name).ok_or_else(|| missing(name))?;
            shown(call, call.view(), mode, Shown::Nothing).await
        }
    }
}

/// What the answer to a write shows.
enum Shown<'a> {
    /// An empty feed.
    Nothing,
    /// An entry that is there now.
    Created(&'a str),
    /// An entry that is otherwise now.
    Changed(&'a str),
}

/// The answer to a write, from the state that has it.
async fn shown(call: &Asked, view: &View, mode: Mode, what: Shown<'_>) -> Result {
    let state = &view.state;
    let desk = Desk::new(state, collection(call)?, call.caller());
    let (status, entry) = match what {
        Shown::Nothing => (StatusCode::OK, None),
        Shown::Created(name) => (StatusCode::CREATED, Some(single(&desk, name)?)),
        Shown::Changed(name) => (StatusCode::OK, Some(single(&desk, name)?)),
    };
    whole(call, &desk, mode, (status, entry)).await
}

fn single(desk: &Desk<'_>, name: &str) -> Result<Entry> {
    desk.find(name).map(|row| desk.single(&row)).ok_or_else(|| missing(name))
}

async fn whole(call: &Asked, desk: &Desk<'_>, mode: Mode, (status, entry): (StatusCode, Option<Entry>)) -> Result {
    let feed = feed(desk, base(&call.cx), usize::from(entry.is_some()));
    Ok(render::whole(mode, status, render::single(mode, &feed, entry.as_ref(), desk.state).await))
}

/// Installs a license that the form holds, or that lies in the license folder.
async fn add_license(call: &mut Asked, args: &Args, mode: Mode) -> Result {
    let payload = args.one("payload")?.filter(|payload| !payload.is_empty());
    let text = match payload {
        Some(payload) => payload.to_owned(),
        None => {
            if args.one("name")?.is_none_or(str::is_empty) {
                return Err(wrong(trouble::no_target(&call.head)));
            }
            args.check(call.endpoint.route.takes)?;
            from_folder(call, args.one("name")?.unwrap_or_default()).await?
        }
    };
    let limit = call.cx.limits.license_bytes;
    if text.len() > limit {
        return Err(Malformed::TooLarge { limit_bytes: limit }.into());
    }
    let text = text.trim_end_matches(['\0', '\n', '\r', ' ']);
    let (answer, id) = call.install_license("splunk", text, text.as_bytes()).await?;
    installed(call, &answer, &id, mode).await
}

/// The answer shows the document only to those who may read it (decision 6).
async fn installed(call: &Asked, answer: &Answer, id: &LicenseId, mode: Mode) -> Result {
    let state: &State = &answer.view.state;
    let license = state.licenses.get(id).ok_or_else(|| missing("license"))?;
    let desk = Desk::new(state, collection(call)?, call.caller());
    let name = content::license_name(license);
    let mut entry = single(&desk, &name)?;
    if call.caller().may(Right::ReadLicenseText) {
        entry.content.insert("payload", Value::Text(license.text.clone()));
    }
    whole(call, &desk, mode, (StatusCode::CREATED, Some(entry))).await
}

async fn from_folder(call: &Asked, name: &str) -> Result<String> {
    let refused = || wrong(trouble::no_license_file(name));
    let folder = call.cx.license_folder.clone().ok_or_else(refused)?;
    let (name, most) = (name.to_owned(), call.cx.limits.license_bytes);
    let read = tokio::task::spawn_blocking(move || folder::read(&folder, &name, most)).await;
    read.ok().and_then(std::result::Result::ok).ok_or_else(refused)
}
