//! Logins, users, roles, tokens.

use hyper::StatusCode;

use super::super::endpoint::Endpoint;
use super::super::event::{token_kind, words};
use super::super::wire::{self, stamp, time};
use super::list::{self, Rows};
use super::{Asked, Result, bad_body, done, missing};
use crate::access::password;
use crate::dialect::login::{self, TokenWish};
use crate::dialect::reply::Reply;
use crate::domain::account_license;
use crate::domain::intent::Command;
use crate::domain::name::{Name, Set};
use crate::domain::state::State;
use crate::domain::user::{Credential, Right, Role, Token, TokenKind, User, UserCommand};
use crate::replica::Consistency;

/// How long an API token is good when nobody says: a year.
const TOKEN_TTL_MS: u64 = 365 * 24 * 3_600_000;

pub(super) async fn answer(call: &mut Asked, endpoint: Endpoint) -> Result {
    match endpoint {
        Endpoint::Login => login(call).await,
        Endpoint::Logout => logout(call).await,
        Endpoint::WhoAmI => who_am_i(call),
        Endpoint::ListUsers => list::reply(call, Some(call.view().state.users.len()), |view, after, limit| {
            let users = view.state.users.range::<_, str>(list_after(after));
            Rows::of(users.map(|(name, user)| (name, Some(self::user(&view.state, name, user)))), limit)
        }),
        Endpoint::CreateUser => create_user(call).await,
        Endpoint::GetUser(name) => {
            must_be_or(call, &name, Right::ManageUsers)?;
            one_user(&call.view().state, &name, StatusCode::OK)
        }
        Endpoint::EditUser(name) => edit_user(call, name).await,
        Endpoint::DeleteUser(name) => {
            call.no_body().await?;
            let command = UserCommand::DeleteUser { name: name.into() };
            call.submit(Command::User(command), b"").await.map(|_| done())
        }
        Endpoint::SetPassword(name) => set_password(call, name).await,
        Endpoint::ListRoles => list::reply(call, Some(call.view().state.roles.len()), |view, after, limit| {
            let roles = view.state.roles.range::<_, str>(list_after(after));
            Rows::of(roles.map(|(name, role)| (name, Some(self::role(name, role)))), limit)
        }),
        Endpoint::GetRole(name) => one_role(&call.view().state, &name),
        Endpoint::PutRole(name) => put_role(call, name).await,
        Endpoint::DeleteRole(name) => {
            call.no_body().await?;
            let command = UserCommand::DeleteRole { name: name.into() };
            call.submit(Command::User(command), b"").await.map(|_| done())
        }
        Endpoint::ListTokens => list_tokens(call),
        Endpoint::CreateToken => create_token(call).await,
        Endpoint::DeleteToken(id) => {
            call.no_body().await?;
            call.submit(Command::User(UserCommand::RevokeToken { id }), b"").await.map(|_| done())
        }
        other => Err(missing("endpoint", &format!("{other:?}"))),
    }
}

/// The walk that begins after a cursor.
pub(super) fn list_after(after: Option<&str>) -> (std::ops::Bound<&str>, std::ops::Bound<&str>) {
    let begin = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    (begin, std::ops::Bound::Unbounded)
}

pub(super) fn must_be_or(call: &Asked, name: &str, right: Right) -> Result<()> {
    if &*call.caller().actor.user == name { Ok(()) } else { call.caller().must(right).map_err(Into::into) }
}

async fn login(call: &mut Asked) -> Result {
    let body = call.body.read(&call.head, call.cx.limits.login_bytes).await?;
    let wish: wire::LoginRequest = wire::read(&body)?;
    let (caller, most) = login::verified(&call.cx, &call.head, wish.username, wish.password.0).await?;
    let wanted = TokenWish {
        user: caller.actor.user.clone(),
        kind: TokenKind::Session,
        label: wish.label.into(),
        ttl_ms: wish.ttl_ms.map_or(most, |ttl_ms| ttl_ms.min(most)),
    };
    let (token, made) = login::make_token(&call.cx, &call.head, caller.actor, &wanted).await?;
    let expires = time(made.expires);
    let here = call.cx.replica.view(Consistency::Stale, call.head.deadline).await?;
    let notices = told(&here.state);
    let answer = wire::LoginAnswer { token, token_id: made.id, username: made.user.to_string(), expires, notices };
    Ok(Reply::ok(&answer).with("cache-control", "no-store"))
}

/// What licenses say to whoever logs in.
fn told(state: &State) -> Vec<String> {
    account_license::notices(state).iter().map(ToString::to_string).collect()
}

async fn logout(call: &mut Asked) -> Result {
    call.no_body().await?;
    let Credential::Token { id, .. } = call.caller().actor.credential else {
        return Err(bad_body("only a token can be logged out; this request came with a password"));
    };
    call.submit(Command::User(UserCommand::RevokeToken { id }), b"").await.map(|_| done())
}

fn who_am_i(call: &Asked) -> Result {
    let caller = call.caller();
    let (credential, token_id) = match caller.actor.credential {
        Credential::System => ("system", None),
        Credential::Password { .. } => ("password", None),
        Credential::Token { id, .. } => ("token", Some(id)),
    };
    let roles = call.view().state.users.get(&caller.actor.user).map(|user| words(&user.roles)).unwrap_or_default();
    Ok(Reply::ok(&wire::Identity {
        username: caller.actor.user.to_string(),
        credential,
        token_id,
        roles,
        groups: groups_of(&call.view().state, &caller.actor.user),
        rights: caller.rights.iter().map(|right| right.name()).collect(),
        slave: caller.slave.as_ref().map(ToString::to_string),
        notices: told(&call.view().state),
    }))
}

fn user(state: &State, name: &str, user: &User) -> wire::User {
    wire::User {
        name: name.to_owned(),
        roles: words(&user.roles),
        groups: groups_of(state, name),
        disabled: user.disabled,
        slave: user.slave.as_ref().map(ToString::to_string),
        created: stamp(user.created),
    }
}

/// The groups that a user is in.
pub(super) fn groups_of(state: &State, name: &str) -> Vec<String> {
    state.groups_of.get(name).map(words).unwrap_or_default()
}

fn one_user(state: &State, name: &str, status: StatusCode) -> Result {
    let user = state.users.get(name).ok_or_else(|| missing("user", name))?;
    Ok(Reply::json(status, &self::user(state, name, user)))
}

pub(super) fn names(words: Vec<String>) -> Set<Name> {
    words.into_iter().map(Name::from).collect()
}

fn checked(password: &str) -> Result<()> {
    password::check(password).map_err(bad_body)
}

async fn create_user(call: &mut Asked) -> Result {
    let (wish, _) = call.json::<wire::NewUser>().await?;
    checked(&wish.password.0)?;
    let scope = format!("user {} {:?} {:?}", wish.name, wish.roles, wish.slave);
    let password = call.cx.access.hash(wish.password.0).await?;
    let name = wish.name.clone();
    let command = UserCommand::CreateUser {
        name: wish.name.into(),
        password,
        roles: names(wish.roles),
        slave: wish.slave.map(|slave| slave.into()),
    };
    let answer = call.submit(Command::User(command), scope.as_bytes()).await?;
    one_user(&answer.view.state, &name, StatusCode::CREATED)
}

async fn edit_user(call: &mut Asked, name: String) -> Result {
    let (wish, body) = call.json::<wire::UserChanges>().await?;
    let command = UserCommand::EditUser {
        name: name.as_str().into(),
        roles: wish.roles.map(names),
        disabled: wish.disabled,
        slave: wish.slave.map(|slave| slave.map(|slave| slave.into())),
    };
    let answer = call.submit(Command::User(command), &body).await?;
    one_user(&answer.view.state, &name, StatusCode::OK)
}

async fn set_password(call: &mut Asked, name: String) -> Result {
    must_be_or(call, &name, Right::ManageUsers)?;
    let (wish, _) = call.json::<wire::NewPassword>().await?;
    checked(&wish.password.0)?;
    let password = call.cx.access.hash(wish.password.0).await?;
    let command = UserCommand::ChangePassword { name: name.into(), password };
    call.submit(Command::User(command), b"password").await.map(|_| done())
}

fn role(name: &str, role: &Role) -> wire::Role {
    wire::Role {
        name: name.to_owned(),
        rights: role.rights.iter().map(|right| right.name()).collect(),
        builtin: role.builtin,
    }
}

fn one_role(state: &State, name: &str) -> Result {
    let role = state.roles.get(name).ok_or_else(|| missing("role", name))?;
    Ok(Reply::ok(&self::role(name, role)))
}

async fn put_role(call: &mut Asked, name: String) -> Result {
    let (wish, body) = call.json::<wire::RoleRights>().await?;
    let rights = wish.rights.iter().map(|word| {
        let right = Right::ALL.into_iter().find(|right| right.name() == word);
        right.ok_or_else(|| bad_body(format!("no such right: {}", crate::dialect::shown(word))))
    });
    let command = UserCommand::PutRole { name: name.as_str().into(), rights: rights.collect::<Result<_>>()? };
    let answer = call.submit(Command::User(command), &body).await?;
    one_role(&answer.view.state, &name)
}

fn token(token: &Token) -> wire::Token {
    wire::Token {
        id: token.id,
        user: token.user.to_string(),
        kind: token_kind(token.kind),
        label: token.label.to_string(),
        created: stamp(token.created),
        expires: time(token.expires),
    }
}

fn list_tokens(call: &Asked) -> Result {
    let all = call.caller().may(Right::ManageUsers);
    let whose = match call.head.param("user") {
        Some(user) => {
            must_be_or(call, user, Right::ManageUsers)?;
            Some(Name::from(user))
        }
        None => (!all).then(|| call.caller().actor.user.clone()),
    };
    let total = whose.is_none().then(|| call.view().state.tokens.len());
    list::reply(call, total, move |view, after, limit| {
        let after = after.and_then(|after| after.parse().ok()).map_or(0, |after: u64| after.saturating_add(1));
        let tokens = view.state.tokens.range(after..);
        let shown = |shown: &Token| whose.as_ref().is_none_or(|user| *user == shown.user).then(|| token(shown));
        Rows::of(tokens.map(|(id, token)| (*id, shown(token))), limit)
    })
}

async fn create_token(call: &mut Asked) -> Result {
    let (wish, _) = call.json::<wire::NewToken>().await?;
    let actor = call.caller().actor.clone();
    let user = wish.user.map_or_else(|| actor.user.clone(), Name::from);
    must_be_or(call, &user, Right::ManageUsers)?;
    let label = wish.label.into();
    let wanted = TokenWish { user, kind: TokenKind::Api, label, ttl_ms: wish.ttl_ms.unwrap_or(TOKEN_TTL_MS) };
    let (token, made) = login::make_token(&call.cx, &call.head, actor, &wanted).await?;
    let answer = wire::TokenAnswer { token, facts: self::token(&made) };
    Ok(Reply::json(StatusCode::CREATED, &answer).with("cache-control", "no-store"))
}
