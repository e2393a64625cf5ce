//! Elasticsearch's license API, as a server of version 9 speaks it: one signed license in force, a basic one that never
//! ends, and one trial. Wire and deviations: docs/dialects/elastic.md.

mod answer;
mod json;
mod license;
mod media;
mod params;
pub mod routes;
mod trouble;
mod warnings;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;

use super::reply::Reply;
use super::request::{Body, Head};
use super::trouble::{Malformed, Trouble};
use super::{Call, Dialect, Needs};
use crate::access::{Denied, Presented, token};
pub use params::COMMON;
use routes::Matched;

/// The version that this server says it is: clients of 8 and of 9 both speak with one of 9.
pub(super) const VERSION: &str = "9.1.0";

/// The dialect.
pub struct Elastic;

impl Dialect for Elastic {
    const NAME: &'static str = "elastic";
    const PREFIXES: &'static [&'static str] = &["_license", "_xpack", "_nodes"];
    type Endpoint = Matched;

    fn parse(head: &Head) -> Result<Matched, Malformed> {
        routes::parse(&head.method, &head.path)
    }

    fn route(endpoint: &Matched) -> &'static str {
        endpoint.route.map_or("options", |route| route.path)
    }

    fn needs(endpoint: &Matched) -> Needs {
        endpoint.needs()
    }

    fn presented(head: &Head) -> Result<Presented, Denied> {
        api_key(head).map_or_else(|| Presented::of(&head.headers), Ok)
    }

    fn hurry(head: &mut Head) {
        for name in params::TIMES {
            // as long as it takes, or what is no time: the deadline that every request has
            if let Ok(Some(most)) = params::time(head, name) {
                head.within(most);
            }
        }
    }

    fn is_long(_endpoint: &Matched) -> bool {
        false
    }

    async fn answer(mut call: Call<Matched>) -> (Result<Reply, Trouble>, Body) {
        let result = answer::answer(&mut call).await;
        (result, call.body)
    }

    fn trouble(head: &Head, trouble: &Trouble) -> Reply {
        trouble::reply(head, trouble)
    }
}

/// A token of ours in the clothes of an API key: `ApiKey` and base64 of `id:token`, where the id may be anything, or the
/// token itself, with or without a scheme.
fn api_key(head: &Head) -> Option<Presented> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?.trim();
    if values.next().is_some() {
        return None;
    }
    if value.starts_with(token::PREFIX) {
        return Some(Presented::Token(value.to_owned()));
    }
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("apikey") {
        return None;
    }
    let rest = rest.trim();
    if rest.starts_with(token::PREFIX) {
        return Some(Presented::Token(rest.to_owned()));
    }
    let pair = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    let (_id, key) = pair.split_once(':')?;
    Some(Presented::Token(key.to_owned()))
}
