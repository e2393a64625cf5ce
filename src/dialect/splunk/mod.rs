//! Splunk's licenser API (seed 002 and its dialect note): Atom and JSON under `/services` and `/servicesNS`.
//!
//! What the vendor's documents and real clients say is in docs/dialects/splunk.md, endpoint by endpoint, with every
//! deviation.

mod answer;
mod args;
mod content;
pub mod endpoint;
mod folder;
mod form;
mod json;
mod list;
mod order;
mod refusal;
mod render;
pub mod routes;
mod rows;
mod search;
mod session;
mod sink;
mod trouble;
mod value;
mod wanted;
mod xml;

use super::reply::Reply;
use super::request::{Body, Head};
use super::trouble::{Malformed, Trouble};
use super::{Call, Dialect, Needs};
use crate::access::{Denied, Presented};
use endpoint::Endpoint;
use routes::{Action, Kind};

/// The version of the API that is spoken, as clients parse it: dotted whole numbers (seed 002).
pub(super) const VERSION: &str = "6.2.0";
/// The build that goes with it.
pub(super) const BUILD: &str = "1";

/// The dialect.
pub struct Splunk;

impl Dialect for Splunk {
    const NAME: &'static str = "splunk";
    const PREFIXES: &'static [&'static str] = &["services", "servicesNS"];
    type Endpoint = Endpoint;

    fn parse(head: &Head) -> Result<Endpoint, Malformed> {
        endpoint::parse(head)
    }

    fn route(endpoint: &Endpoint) -> &'static str {
        &endpoint.route.path
    }

    fn needs(endpoint: &Endpoint) -> Needs {
        endpoint.route.needs
    }

    fn presented(head: &Head) -> Result<Presented, Denied> {
        session::presented(&head.headers)
    }

    fn is_long(endpoint: &Endpoint) -> bool {
        let lists = endpoint.route.action == Action::List;
        lists && endpoint.route.collection.is_some_and(|all| matches!(all.kind, Kind::Slaves | Kind::Pools))
    }

    async fn answer(mut call: Call<Endpoint>) -> (Result<Reply, Trouble>, Body) {
        let result = answer::answer(&mut call).await;
        (result, call.body)
    }

    fn trouble(head: &Head, trouble: &Trouble) -> Reply {
        trouble::reply(head, args::Mode::of(head), trouble)
    }
}
