//! Redis Enterprise's license API: `GET` and `PUT` of one signed text block. Wire and deviations: docs/dialects/redis.md.

mod answer;
mod gauges;
mod trouble;

pub use gauges::gauges;

use hyper::Method;

use super::reply::Reply;
use super::request::{Body, Head};
use super::trouble::{Malformed, Trouble};
use super::{Call, Dialect, Needs};
use crate::domain::user::Right;

/// The dialect.
pub struct Redis;

/// Everything that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Which methods the path knows.
    Options,
    /// The license in force.
    Get,
    /// A license in its place.
    Put,
}

/// One row of the table that parsing, metrics and docs/dialects/redis.md read.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// What is asked.
    pub endpoint: Endpoint,
    /// The right that it needs.
    pub right: Right,
    /// The product's name for the permission.
    pub permission: &'static str,
    /// Query parameters that have a meaning here; others are passed over, as the product does.
    pub query: &'static [&'static str],
}

const fn get(path: &'static str) -> Route {
    let (right, permission) = (Right::View, "view_license");
    Route { method: "GET", path, endpoint: Endpoint::Get, right, permission, query: &[] }
}

const fn put(path: &'static str) -> Route {
    let (right, permission) = (Right::InstallLicenses, "install_new_license");
    Route { method: "PUT", path, endpoint: Endpoint::Put, right, permission, query: &["dry_run"] }
}

/// Every route. The documentation's request lines say `/license`, its tables `/v1/license`.
pub static ROUTES: [Route; 4] = [get("/v1/license"), put("/v1/license"), get("/license"), put("/license")];

/// What is asked, and the row that says so; OPTIONS has none.
#[derive(Debug, Clone)]
pub struct Matched {
    /// What is asked.
    pub endpoint: Endpoint,
    /// Its row.
    pub route: Option<&'static Route>,
}

/// The methods that both paths know.
const ALLOW: &str = "GET, HEAD, OPTIONS, PUT";

impl Dialect for Redis {
    const NAME: &'static str = "redis";
    const PREFIXES: &'static [&'static str] = &["v1", "license"];
    type Endpoint = Matched;

    fn parse(head: &Head) -> Result<Matched, Malformed> {
        let fits = |route: &&Route| {
            let wanted = route.path.split('/').filter(|segment| !segment.is_empty());
            wanted.eq(head.path.iter().map(String::as_str))
        };
        let mut found = ROUTES.iter().filter(fits).peekable();
        if found.peek().is_none() {
            return Err(Malformed::UnknownPath);
        }
        let wanted = if head.method == Method::HEAD { "GET" } else { head.method.as_str() };
        match found.find(|route| route.method == wanted) {
            Some(route) => Ok(Matched { endpoint: route.endpoint, route: Some(route) }),
            None if head.method == Method::OPTIONS => Ok(Matched { endpoint: Endpoint::Options, route: None }),
            None => Err(Malformed::WrongMethod { allow: ALLOW.to_owned() }),
        }
    }

    fn route(endpoint: &Matched) -> &'static str {
        endpoint.route.map_or("options", |route| route.path)
    }

    fn needs(endpoint: &Matched) -> Needs {
        endpoint.route.map_or(Needs::Somebody, |route| Needs::Right(route.right))
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
