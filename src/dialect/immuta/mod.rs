//! Immuta's admin API for licenses, after seed 001 (documentation of 2023.2), and the ways in that its clients use.
//!
//! `docs/dialects/immuta.md` has a row for each route, with its source and how faithful it is; a test keeps it so.

mod answer;
pub mod endpoint;
mod trouble;
mod usage;
mod wire;

use hyper::header::AUTHORIZATION;

use super::reply::Reply;
use super::request::{Body, Head};
use super::trouble::{Malformed, Trouble};
use super::{Call, Dialect, Needs};
use crate::access::{Denied, Presented};
use endpoint::{Endpoint, Matched};

/// The dialect.
pub struct Immuta;

impl Dialect for Immuta {
    const NAME: &'static str = "immuta";
    const PREFIXES: &'static [&'static str] = &["admin", "bim"];
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
        presented(head)
    }

    fn is_long(_endpoint: &Matched) -> bool {
        false
    }

    async fn answer(mut call: Call<Matched>) -> (Result<Reply, Trouble>, Body) {
        let result = Box::pin(answer::answer(&mut call)).await;
        (result, call.body)
    }

    fn trouble(head: &Head, trouble: &Trouble) -> Reply {
        trouble::reply(head, trouble)
    }
}

/// `Bearer TOKEN` in any case, as documented; a token or API key without a scheme, as many scripts send it; Basic.
fn presented(head: &Head) -> Result<Presented, Denied> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    match (values.next().and_then(|value| value.to_str().ok()).map(str::trim), values.next()) {
        (Some(bare), None) if !bare.is_empty() && !bare.contains(' ') => Ok(Presented::Token(bare.to_owned())),
        _other => Presented::of(&head.headers),
    }
}
