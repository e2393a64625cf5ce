//! Path and method into what is asked. No I/O.

use hyper::Method;

use crate::dialect::Needs;
use crate::dialect::table::{self, Route, row};
use crate::dialect::trouble::Malformed;

/// Everything that can be asked; the path is data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// License types and how many of each are free.
    Licenses,
    /// Takes a seat.
    Login,
    /// Gives a session's seat back.
    Logout(String),
    /// What serves here.
    About,
    /// A heartbeat.
    Health,
    /// Starts a function. Ours: the product's own functions work on cases, which a license master has not.
    StartFunction,
    /// Functions of the session.
    Functions,
    /// One function.
    Function(String),
    /// Stops a function.
    StopFunction(String),
    /// Changes how a function stands.
    SetStatus(String),
    /// What waits.
    Queue,
}

/// An endpoint, the row that it came from, and the version that the path names.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The row.
    pub route: &'static Route<Endpoint>,
    /// What is asked.
    pub endpoint: Endpoint,
    /// 1 or 2 when the path says so.
    pub version: Option<u8>,
}

/// Every route, under each of [`BASES`].
pub const ROUTES: &[Route<Endpoint>] = &[
    row("GET", "/svc/licenses", Needs::Nobody, |_| Endpoint::Licenses),
    row("PUT", "/svc/authenticatedUsers/login", Needs::Nobody, |_| Endpoint::Login),
    row("DELETE", "/svc/authenticatedUsers/{username}", Needs::Somebody, |name| Endpoint::Logout(name.to_owned())),
    row("GET", "/svc/about", Needs::Nobody, |_| Endpoint::About),
    row("GET", "/svc/system/health", Needs::Nobody, |_| Endpoint::Health),
    row("POST", "/svc/functions", Needs::Somebody, |_| Endpoint::StartFunction),
    row("GET", "/svc/asyncFunctions", Needs::Work, |_| Endpoint::Functions),
    row("GET", "/svc/asyncFunctions/{key}", Needs::Work, |key| Endpoint::Function(key.to_owned())),
    row("DELETE", "/svc/asyncFunctions/{key}", Needs::Somebody, |key| Endpoint::StopFunction(key.to_owned())),
    row("PUT", "/svc/asyncFunctions/{key}/status", Needs::Somebody, |key| Endpoint::SetStatus(key.to_owned())),
    row("GET", "/svc/asyncFunctionsQueue", Needs::Work, |_| Endpoint::Queue),
];

/// What may stand before a route's path in place of `/svc`: the product's own base, the embedded one, each with a version.
pub const BASES: [&str; 4] = ["/svc", "/svc/v1", "/nuix-restful-service/svc", "/nuix-restful-service/svc/v1"];

/// Finds what is asked.
///
/// # Errors
/// When no route has the path, or none of those that have it the method.
pub fn parse(method: &Method, path: &[String]) -> Result<Matched, Malformed> {
    let (version, rest) = based(path).ok_or(Malformed::UnknownPath)?;
    let (route, endpoint) = table::find(ROUTES, "/svc", method, rest)?;
    Ok(Matched { route, endpoint, version })
}

/// The version that a path names, and what comes after its base.
fn based(path: &[String]) -> Option<(Option<u8>, &[String])> {
    let path = if path.first().is_some_and(|first| first == "nuix-restful-service") { &path[1..] } else { path };
    let (svc, rest) = path.split_first()?;
    if svc != "svc" {
        return None;
    }
    match rest.first().map(String::as_str) {
        Some("v1") => Some((Some(1), &rest[1..])),
        Some("v2") => Some((Some(2), &rest[1..])),
        Some(_) | None => Some((None, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, path: &str) -> Result<(Endpoint, Option<u8>), Malformed> {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        parse(&method, &path).map(|matched| (matched.endpoint, matched.version))
    }

    #[test]
    fn every_base_leads_to_the_same() {
        for base in BASES {
            let version = base.ends_with("v1").then_some(1);
            let path = format!("{}/authenticatedUsers/login", &base[1..]);
            assert_eq!(of(Method::PUT, &path), Ok((Endpoint::Login, version)), "{base}");
            let path = format!("{}/authenticatedUsers/corp\\ann@x y", &base[1..]);
            assert_eq!(of(Method::DELETE, &path), Ok((Endpoint::Logout("corp\\ann@x y".into()), version)));
        }
        assert_eq!(of(Method::GET, "svc/v2/about"), Ok((Endpoint::About, Some(2))));
    }

    #[test]
    fn other_paths_and_methods_are_told_apart() {
        assert_eq!(of(Method::GET, "svc"), Err(Malformed::UnknownPath));
        assert_eq!(of(Method::GET, "nuix-restful-service/licenses"), Err(Malformed::UnknownPath));
        assert_eq!(of(Method::POST, "svc/licenses"), Err(Malformed::WrongMethod { allow: "GET".into() }));
        let allow = "GET, DELETE".to_owned();
        assert_eq!(of(Method::PUT, "svc/asyncFunctions/k"), Err(Malformed::WrongMethod { allow }));
    }
}
