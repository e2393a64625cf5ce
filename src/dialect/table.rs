//! A table of routes with at most one variable in each path: what the small dialects need. No I/O.

use hyper::Method;

use super::Needs;
use super::trouble::Malformed;

/// One row.
#[derive(Debug)]
pub struct Route<E> {
    /// The method.
    pub method: &'static str,
    /// The path; what is variable stands in braces.
    pub path: &'static str,
    /// Who may.
    pub needs: Needs,
    /// What is asked, from what stands where the path is variable.
    make: fn(&str) -> E,
}

pub(super) const fn row<E>(method: &'static str, path: &'static str, needs: Needs, make: fn(&str) -> E) -> Route<E> {
    Route { method, path, needs, make }
}

/// Finds what is asked, and its row; `base` is what every row's path begins with and `path` does not have. Where two rows fit a
/// path, the first one wins.
///
/// # Errors
/// When no row has the path, or none of those that have it the method.
pub(super) fn find<E>(
    routes: &'static [Route<E>],
    base: &str,
    method: &Method,
    path: &[String],
) -> Result<(&'static Route<E>, E), Malformed> {
    let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
    let fitting: Vec<(&'static Route<E>, &str)> =
        routes.iter().filter_map(|route| Some((route, captured(route.path.strip_prefix(base)?, path)?))).collect();
    match fitting.iter().find(|(route, _)| route.method == wanted) {
        Some((route, variable)) => Ok((route, (route.make)(variable))),
        None if fitting.is_empty() => Err(Malformed::UnknownPath),
        None => {
            let allow = fitting.iter().map(|(route, _)| route.method).collect::<Vec<_>>().join(", ");
            Err(Malformed::WrongMethod { allow })
        }
    }
}

/// What stands where the template has its braces, empty without any; `None` when the path is another.
fn captured<'a>(template: &str, path: &'a [String]) -> Option<&'a str> {
    let mut captured = "";
    let mut segments = path.iter();
    for wanted in template.split('/').filter(|part| !part.is_empty()) {
        let segment = segments.next()?;
        if wanted.starts_with('{') {
            captured = segment;
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(captured)
}
