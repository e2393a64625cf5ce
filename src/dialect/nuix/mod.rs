//! The Nuix RESTful Service as far as licenses go, after seed 000: types, login as checkout, logout as return, and the
//! functions that keep a session from ending.
//!
//! `docs/dialects/nuix.md` has a row for each route, with its source and how faithful it is; a test keeps it so.

mod answer;
pub mod endpoint;
mod function;
mod session;
mod trouble;
mod wire;

use super::reply::Reply;
use super::request::{Body, Head};
use super::trouble::{Malformed, Trouble};
use super::{Call, Dialect, Needs};
use crate::access::{Denied, Presented};
use endpoint::{Endpoint, Matched};

/// The header that a session's token comes in; newer services also take Bearer.
const TOKEN_HEADER: &str = "nuix-auth-token";

/// The dialect.
pub struct Nuix;

impl Dialect for Nuix {
    const NAME: &'static str = "nuix";
    const PREFIXES: &'static [&'static str] = &["svc", "nuix-restful-service"];
    type Endpoint = Matched;

    fn parse(head: &Head) -> Result<Matched, Malformed> {
        endpoint::parse(&head.method, &head.path)
    }

    fn route(endpoint: &Matched) -> &'static str {
        endpoint.route.path
    }

    fn needs(endpoint: &Matched) -> Needs {
        endpoint.route.needs
    }

    fn presented(head: &Head) -> Result<Presented, Denied> {
        let mut tokens = head.headers.get_all(TOKEN_HEADER).iter();
        match (tokens.next(), tokens.next()) {
            (None, _) => Presented::of(&head.headers),
            (Some(token), None) => match token.to_str().map(str::trim) {
                Ok(token) if !token.is_empty() => Ok(Presented::Token(token.to_owned())),
                Ok(_) | Err(_) => Err(Denied::Unreadable),
            },
            (Some(_), Some(_)) => Err(Denied::Unreadable),
        }
    }

    /// A forced logout waits for the session's work.
    fn is_long(endpoint: &Matched) -> bool {
        matches!(endpoint.endpoint, Endpoint::Logout(_))
    }

    async fn answer(mut call: Call<Matched>) -> (Result<Reply, Trouble>, Body) {
        let result = Box::pin(answer::answer(&mut call)).await;
        (result, call.body)
    }

    fn trouble(head: &Head, trouble: &Trouble) -> Reply {
        trouble::reply(head, trouble)
    }
}
