//! Logins, for every language that has one: a password is checked, a token is made.

use super::request::Head;
use super::trouble::Trouble;
use super::{Context, idempotency_key, submit};
use crate::access::{Caller, Denied, Presented, token};
use crate::domain::event::Event;
use crate::domain::intent::Command;
use crate::domain::name::Name;
use crate::domain::record::Outcome;
use crate::domain::state::State;
use crate::domain::user::{Actor, Token, TokenKind, UserCommand};
use crate::replica::{Answer, Consistency, Unavailable};

/// What token is wanted.
pub struct TokenWish {
    /// For whom.
    pub user: Name,
    /// A login's, or one that a program keeps.
    pub kind: TokenKind,
    /// What its owner calls it.
    pub label: Name,
    /// How long it is good, in milliseconds.
    pub ttl_ms: u64,
}

/// Checks a password by what this node has, and, if that says no, by what the cluster has. Gives who it is, and how long
/// a login's token is good, in milliseconds.
///
/// # Errors
/// When the password is not good, or this node cannot say.
pub async fn verified(cx: &Context, head: &Head, user: String, password: String) -> Result<(Caller, u64), Trouble> {
    let here = cx.replica.view(Consistency::Stale, head.deadline).await?;
    let version = |state: &State| state.users.get(user.as_str()).map(|user| user.password_version);
    let known = version(&here.state);
    let presented = Presented::Password { user: user.clone(), password };
    let caller = match cx.access.authenticate(&presented, &here.state, head.peer).await {
        Err(Denied::Wrong) => {
            let fresh = cx.replica.view(Consistency::Linearizable, head.deadline).await?;
            if version(&fresh.state) == known {
                return Err(Denied::Wrong.into());
            }
            cx.access.authenticate(&presented, &fresh.state, head.peer).await?
        }
        other => other?,
    };
    Ok((caller, here.state.settings.session_ms))
}

/// Makes a token. A repeated request cannot get the token of the first one again, since only its hash exists: `decide`
/// rotates it, so that the new one is the one that counts (decision 14).
///
/// # Errors
/// A rule's no, or this node's.
pub async fn make_token(cx: &Context, head: &Head, actor: Actor, wish: &TokenWish) -> Result<(String, Token), Trouble> {
    let (token, hash) = token::fresh().map_err(Unavailable::NotServing)?;
    let scope = format!("token {} {:?} {} {}", wish.user, wish.kind, wish.label, wish.ttl_ms);
    let key = idempotency_key(head, scope.as_bytes())?;
    let command = |hash| {
        let (user, label) = (wish.user.clone(), wish.label.clone());
        Command::User(UserCommand::CreateToken { user, hash, kind: wish.kind, label, ttl_ms: wish.ttl_ms })
    };
    let answer = submit(cx, &actor, key.as_ref(), &command(hash), head.deadline).await?;
    let made = made_token(&answer).filter(|made| made.hash == hash);
    let made = made.ok_or_else(|| Unavailable::NotServing("the repeated token could not be rotated".to_owned()))?;
    Ok((token, made))
}

fn made_token(answer: &Answer) -> Option<Token> {
    let Outcome::Done(events) = &answer.outcome else { return None };
    events.iter().find_map(|event| if let Event::TokenPut { token } = event { Some(token.clone()) } else { None })
}
