//! Our own API, `/api/v1`: JSON over HTTP, written as a dialect so that it obeys the same trait, errors, metrics and
//! tests as the products' own.

mod answer;
pub mod endpoint;
mod event;
pub mod openapi;
pub mod routes;
mod seat;
mod trouble;
pub mod wire;
mod work;

use super::reply::Reply;
use super::request::{Body, Head};
use super::trouble::{Malformed, Trouble};
use super::{Call, Dialect, Needs};
use endpoint::{Endpoint, Matched, SeatEndpoint};

/// The dialect.
pub struct Native;

impl Dialect for Native {
    const NAME: &'static str = "native";
    const PREFIXES: &'static [&'static str] = &["api"];
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

    fn is_long(endpoint: &Matched) -> bool {
        matches!(
            endpoint.endpoint,
            Endpoint::ReportUsage
                | Endpoint::ListJournal
                | Endpoint::Seat(SeatEndpoint::Checkout | SeatEndpoint::Beat(_))
        )
    }

    fn is_quick(endpoint: &Matched) -> bool {
        matches!(
            endpoint.endpoint,
            Endpoint::ReportUsage
                | Endpoint::GetSlave(_)
                | Endpoint::GetPool(_)
                | Endpoint::EditPool(_)
                | Endpoint::Seat(
                    SeatEndpoint::Checkout
                        | SeatEndpoint::Get(_)
                        | SeatEndpoint::Beat(_)
                        | SeatEndpoint::Claim(_)
                        | SeatEndpoint::Return(_)
                )
        )
    }

    async fn answer(mut call: Call<Matched>) -> (Result<Reply, Trouble>, Body) {
        let result = answer::answer(&mut call).await;
        (result, call.body)
    }

    fn trouble(head: &Head, trouble: &Trouble) -> Reply {
        trouble::reply(head, trouble)
    }
}
