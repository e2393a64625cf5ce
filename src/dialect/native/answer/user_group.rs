//! Groups of users, and what people may do.

use std::collections::BTreeMap;

use hyper::StatusCode;

use super::super::endpoint::Endpoint;
use super::super::event::words;
use super::super::wire;
use super::account::{groups_of, list_after, must_be_or, names};
use super::list::{self, Rows};
use super::{Asked, Result, bad_body, done, missing};
use crate::access::rights_of;
use crate::dialect::reply::Reply;
use crate::dialect::rights::{VOCABULARIES, held};
use crate::domain::intent::Command;
use crate::domain::state::State;
use crate::domain::user::{Right, UserCommand};
use crate::domain::user_group::UserGroup;

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::ListUserGroups => {
            list::reply(call, Some(call.view().state.user_groups.len()), |view, after, limit| {
                let groups = view.state.user_groups.range::<_, str>(list_after(after));
                Rows::of(groups.map(|(name, group)| (name, Some(self::group(name, group, false)))), limit)
            })
        }
        Endpoint::GetUserGroup(name) => one_group(&call.view().state, &name, StatusCode::OK),
        Endpoint::PutUserGroup(name) => put(call, name).await,
        Endpoint::EditUserGroup(name) => edit(call, name).await,
        Endpoint::DeleteUserGroup(name) => {
            call.no_body().await?;
            let command = UserCommand::DeleteUserGroup { name: name.into() };
            call.submit(Command::User(command), b"").await.map(|_| done())
        }
        Endpoint::ListRights => {
            let items: Vec<wire::KnownRight> = Right::ALL.into_iter().map(known_right).collect();
            let total = items.len();
            Ok(Reply::ok(&serde_json::json!({"items": items, "next": null, "total": total})))
        }
        Endpoint::UserRights(name) => user_rights(call, name),
        other => Err(missing("endpoint", &format!("{other:?}"))),
    }
}

fn group(name: &str, group: &UserGroup, whole: bool) -> wire::UserGroup {
    wire::UserGroup {
        name: name.to_owned(),
        roles: words(&group.roles),
        member_count: group.members.len(),
        members: whole.then(|| words(&group.members)),
    }
}

fn one_group(state: &State, name: &str, status: StatusCode) -> Result {
    let group = state.user_groups.get(name).ok_or_else(|| missing("user group", name))?;
    Ok(Reply::json(status, &self::group(name, group, true)))
}

async fn put(call: &mut Asked, name: String) -> Result {
    let (wish, body) = call.json::<wire::NewUserGroup>().await?;
    let (roles, members) = (names(wish.roles), names(wish.members));
    let command = UserCommand::PutUserGroup { name: name.as_str().into(), roles, members };
    let answer = call.submit(Command::User(command), &body).await?;
    one_group(&answer.view.state, &name, StatusCode::OK)
}

async fn edit(call: &mut Asked, name: String) -> Result {
    let (wish, body) = call.json::<wire::UserGroupChanges>().await?;
    if let Some(both) = wish.add.iter().find(|user| wish.remove.contains(user)) {
        return Err(bad_body(format!("{} stands under add and under remove", crate::dialect::shown(both))));
    }
    let (add, remove) = (names(wish.add), names(wish.remove));
    let command = UserCommand::EditUserGroup { name: name.as_str().into(), add, remove };
    let answer = call.submit(Command::User(command), &body).await?;
    one_group(&answer.view.state, &name, StatusCode::OK)
}

fn known_right(right: Right) -> wire::KnownRight {
    let of = |words: &[crate::dialect::rights::Word]| -> Vec<&'static str> {
        words.iter().filter(|word| word.needs.contains(&right)).map(|word| word.name).collect()
    };
    let dialects = VOCABULARIES.iter().map(|words| (words.dialect, of(words.privileges)));
    wire::KnownRight { name: right.name(), dialects: dialects.filter(|(_, names)| !names.is_empty()).collect() }
}

fn user_rights(call: &Asked, name: String) -> Result {
    must_be_or(call, &name, Right::ManageUsers)?;
    let state = &call.view().state;
    let user = state.users.get(name.as_str()).ok_or_else(|| missing("user", &name))?;
    let rights = rights_of(state, &name);
    let dialects: BTreeMap<_, _> = VOCABULARIES
        .iter()
        .map(|words| {
            let privileges = held(words.privileges, &rights);
            (words.dialect, wire::ProductRights { privileges, roles: held(words.roles, &rights) })
        })
        .collect();
    Ok(Reply::ok(&wire::Rights {
        roles: words(&user.roles),
        groups: groups_of(state, &name),
        rights: rights.iter().map(|right| right.name()).collect(),
        dialects,
        name,
    }))
}
