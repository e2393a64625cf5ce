//! Endpoints into commands or views, and those into replies: translate, submit, render.

mod account;
mod cluster;
mod history;
mod journal;
mod license;
mod list;
mod pool;
mod seat;
mod session;
pub(super) mod settings;
mod slave;
mod usage;
mod user_group;

use hyper::StatusCode;
use serde::de::DeserializeOwned;

use super::endpoint::{Endpoint, Matched};
use super::wire;
use crate::dialect::reply::Reply;
use crate::dialect::request::check_encoding;
use crate::dialect::trouble::Trouble;
use crate::dialect::{Call, consistency};
use crate::replica::Consistency;

type Asked = Call<Matched>;
type Result<T = Reply> = std::result::Result<T, Trouble>;

/// Answers one call.
#[expect(clippy::too_many_lines, reason = "one line an endpoint, and no `_` arm")]
pub(super) async fn answer(call: &mut Asked) -> Result {
    let endpoint = call.endpoint.endpoint.clone();
    let reply = match endpoint {
        Endpoint::Options(allow) => Ok(Reply::empty(StatusCode::NO_CONTENT).with("allow", &allow)),
        Endpoint::OpenApi => Ok(Reply::ok(&super::openapi::document())),
        Endpoint::Login
        | Endpoint::Logout
        | Endpoint::WhoAmI
        | Endpoint::ListUsers
        | Endpoint::CreateUser
        | Endpoint::GetUser(_)
        | Endpoint::EditUser(_)
        | Endpoint::DeleteUser(_)
        | Endpoint::SetPassword(_)
        | Endpoint::ListRoles
        | Endpoint::GetRole(_)
        | Endpoint::PutRole(_)
        | Endpoint::DeleteRole(_)
        | Endpoint::ListTokens
        | Endpoint::CreateToken
        | Endpoint::DeleteToken(_) => Box::pin(account::answer(call, endpoint)).await,
        Endpoint::ListUserGroups
        | Endpoint::GetUserGroup(_)
        | Endpoint::PutUserGroup(_)
        | Endpoint::EditUserGroup(_)
        | Endpoint::DeleteUserGroup(_)
        | Endpoint::ListRights
        | Endpoint::UserRights(_) => Box::pin(user_group::answer(call, endpoint)).await,
        Endpoint::ListKeys
        | Endpoint::TrustKey
        | Endpoint::GetKey(_)
        | Endpoint::DistrustKey(_)
        | Endpoint::ListLicenses
        | Endpoint::InstallLicense
        | Endpoint::GetLicense(_)
        | Endpoint::RemoveLicense(_)
        | Endpoint::RevokeLicense(_)
        | Endpoint::LicenseText(_)
        | Endpoint::Grant
        | Endpoint::ListGroups
        | Endpoint::GetGroup(_)
        | Endpoint::ActivateGroup(_)
        | Endpoint::ListStacks
        | Endpoint::GetStack(_) => Box::pin(license::answer(call, endpoint)).await,
        Endpoint::ListPools
        | Endpoint::CreatePool
        | Endpoint::GetPool(_)
        | Endpoint::EditPool(_)
        | Endpoint::DeletePool(_) => Box::pin(pool::answer(call, endpoint)).await,
        Endpoint::ListSlaves
        | Endpoint::GetSlave(_)
        | Endpoint::EditSlave(_)
        | Endpoint::ForgetSlave(_)
        | Endpoint::ListMessages
        | Endpoint::GetMessage(_) => Box::pin(slave::answer(call, endpoint)).await,
        Endpoint::ReportUsage => Box::pin(usage::report(call)).await,
        Endpoint::UsageDays => history::days(call),
        Endpoint::Seat(endpoint) => Box::pin(seat::answer(call, endpoint)).await,
        Endpoint::GetSettings | Endpoint::ChangeSettings | Endpoint::SetPolicy(_) => {
            Box::pin(settings::answer(call, endpoint)).await
        }
        Endpoint::GetCluster
        | Endpoint::CreateTicket
        | Endpoint::RevokeTicket(_)
        | Endpoint::Promote(_)
        | Endpoint::RemoveMember(_)
        | Endpoint::TransferLeader => Box::pin(cluster::answer(call, endpoint)).await,
        Endpoint::ListJournal | Endpoint::JournalDigest | Endpoint::GetRecord(_) => {
            Box::pin(journal::answer(call, endpoint)).await
        }
    }?;
    aged(call, reply)
}

/// A stale answer says how old it is.
fn aged(call: &Asked, reply: Reply) -> Result {
    match &call.view {
        Some(view) if consistency(&call.head)? == Consistency::Stale => {
            Ok(reply.with("quartermaster-age-ms", &view.age.as_millis().to_string()))
        }
        Some(_) | None => Ok(reply),
    }
}

impl Asked {
    /// The body as JSON, and the bytes that an idempotency key stands for.
    async fn json<T: DeserializeOwned>(&mut self) -> Result<(T, bytes::Bytes)> {
        let body = self.body.read(&self.head, self.cx.limits.body_bytes).await?;
        Ok((wire::read(&body)?, body))
    }

    /// The body as JSON, if there is one.
    async fn json_or_none<T: DeserializeOwned>(&mut self) -> Result<(Option<T>, bytes::Bytes)> {
        let body = self.body.read(&self.head, self.cx.limits.body_bytes).await?;
        if body.is_empty() { Ok((None, body)) } else { Ok((Some(wire::read(&body)?), body)) }
    }

    /// Refuses a body where none belongs; an empty one, or `{}`, is fine.
    async fn no_body(&mut self) -> Result<()> {
        check_encoding(&self.head)?;
        self.body.read(&self.head, self.cx.limits.login_bytes).await?;
        Ok(())
    }
}

/// Done, and nothing to say.
fn done() -> Reply {
    Reply::empty(StatusCode::NO_CONTENT)
}

fn missing(what: &'static str, name: &str) -> Trouble {
    Trouble::NotFound { what, name: name.to_owned() }
}

fn bad_body(what: impl Into<String>) -> Trouble {
    crate::dialect::trouble::Malformed::BadBody { what: what.into() }.into()
}
