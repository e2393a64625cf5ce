//! Path and method into what is asked. `/services/…` and `/servicesNS/{user}/{app}/…` name the same things: the namespace
//! changes nothing but the URL (dialect note, 2).

use hyper::Method;

use super::routes::{ROUTES, Route, Shape};
use crate::dialect::request::Head;
use crate::dialect::trouble::Malformed;

/// An endpoint, and the name in its path.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its row in the table.
    pub route: &'static Route,
    /// The entry's name; empty where there is none.
    pub name: String,
}

/// A path behind `/services`, taken apart.
struct Place {
    path: String,
    shape: Shape,
    name: String,
}

fn place(segments: &[String]) -> Option<Place> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let rest = match segments.as_slice() {
        ["services", rest @ ..] | ["servicesNS", _, _, rest @ ..] => rest,
        _ => return None,
    };
    let [first, second, rest @ ..] = rest else { return None };
    let (shape, name) = match rest {
        [] => (Shape::Collection, ""),
        ["_new"] => (Shape::New, ""),
        ["_reload"] => (Shape::Reload, ""),
        [name] => (Shape::Entry, *name),
        [name, "_reload"] => (Shape::EntryReload, *name),
        [name, "acl"] => (Shape::Acl, *name),
        _ => return None,
    };
    Some(Place { path: format!("{first}/{second}"), shape, name: name.to_owned() })
}

/// Finds what is asked. A `+` in a path is a blank: clients quote names so (dialect note, 1.5).
///
/// # Errors
/// When no endpoint has the path, or none of those that have it the method.
pub(super) fn parse(head: &Head) -> Result<Endpoint, Malformed> {
    let segments = head.path_with_blanks().ok_or(Malformed::NotUtf8)?;
    let place = place(&segments).ok_or(Malformed::UnknownPath)?;
    let wanted = if head.method == Method::HEAD { "GET" } else { head.method.as_str() };
    let here = |route: &&'static Route| {
        let path = route.collection.map_or("auth/login", |collection| collection.path);
        path == place.path && route.shape == place.shape
    };
    let mut allow: Vec<&'static str> = ROUTES.iter().filter(here).map(|route| route.method).collect();
    if allow.is_empty() {
        return Err(Malformed::UnknownPath);
    }
    match ROUTES.iter().filter(here).find(|route| route.method == wanted) {
        Some(route) => Ok(Endpoint { route, name: place.name }),
        None => {
            allow.sort_unstable();
            Err(Malformed::WrongMethod { allow: allow.join(", ") })
        }
    }
}

/// Whether a path is that of a collection: a method that it does not take is answered there otherwise than elsewhere.
pub(super) fn is_collection(head: &Head) -> bool {
    let segments = head.path_with_blanks().unwrap_or_default();
    place(&segments).is_some_and(|place| place.shape == Shape::Collection)
}

/// Whether a request is a login.
pub(super) fn is_login(head: &Head) -> bool {
    parse(head).is_ok_and(|endpoint| endpoint.route.collection.is_none())
}
