//! Path and method into what is asked. No I/O.

use hyper::Method;

use crate::dialect::Needs;
use crate::dialect::trouble::Malformed;
use crate::domain::user::Right;

/// Everything that can be asked; the path is data. An id is read when it is known who asks: nobody learns more than 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Add a license key.
    AddLicense,
    /// All license keys, without the keys themselves.
    ListLicenses,
    /// Seats, and how many are taken.
    LicenseStatus,
    /// One license key. Reads, whatever the seed's curl line for deleting says.
    GetLicense(String),
    /// Delete a license key.
    DeleteLicense(String),
    /// A token for an API key.
    ByApiKey,
    /// A token for a name and a password; with the name of the identity provider.
    ByPassword(String),
    /// Who asks.
    CurrentUser,
}

/// One row of the table of routes.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path; what is variable stands in braces.
    pub path: &'static str,
    /// Who may.
    pub needs: Needs,
    make: fn(&str) -> Endpoint,
}

/// An endpoint and the row that it came from.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The row.
    pub route: &'static Route,
    /// What is asked.
    pub endpoint: Endpoint,
}

const VIEW: Needs = Needs::Right(Right::View);
const INSTALL: Needs = Needs::Right(Right::InstallLicenses);

const fn row(method: &'static str, path: &'static str, needs: Needs, make: fn(&str) -> Endpoint) -> Route {
    Route { method, path, needs, make }
}

/// Every route. Where two templates fit a path, the first one wins.
pub const ROUTES: &[Route] = &[
    row("POST", "/admin/license", INSTALL, |_| Endpoint::AddLicense),
    row("GET", "/admin/license", VIEW, |_| Endpoint::ListLicenses),
    row("GET", "/admin/license/licenseStatus", VIEW, |_| Endpoint::LicenseStatus),
    row("GET", "/admin/license/{licenseId}", VIEW, |id| Endpoint::GetLicense(id.to_owned())),
    row("DELETE", "/admin/license/{licenseId}", INSTALL, |id| Endpoint::DeleteLicense(id.to_owned())),
    row("POST", "/bim/apikey/authenticate", Needs::Nobody, |_| Endpoint::ByApiKey),
    row("POST", "/bim/iam/{iamid}/user/authenticate", Needs::Nobody, |iam| Endpoint::ByPassword(iam.to_owned())),
    row("GET", "/bim/rpc/user/current", Needs::Somebody, |_| Endpoint::CurrentUser),
];

/// Finds what is asked.
///
/// # Errors
/// When no route has the path, or none of those that have it the method.
pub fn parse(method: &Method, path: &[String]) -> Result<Matched, Malformed> {
    let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
    let fitting: Vec<(&'static Route, &str)> =
        ROUTES.iter().filter_map(|route| Some((route, captured(route.path, path)?))).collect();
    let Some((route, variable)) = fitting.iter().find(|(route, _)| route.method == wanted) else {
        let allow = fitting.iter().map(|(route, _)| route.method).collect::<Vec<_>>().join(", ");
        return Err(if allow.is_empty() { Malformed::UnknownPath } else { Malformed::WrongMethod { allow } });
    };
    Ok(Matched { route, endpoint: (route.make)(variable) })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, path: &str) -> Result<Endpoint, Malformed> {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        parse(&method, &path).map(|matched| matched.endpoint)
    }

    #[test]
    fn reading_is_not_deleting() {
        assert_eq!(of(Method::GET, "admin/license/1"), Ok(Endpoint::GetLicense("1".into())));
        assert_eq!(of(Method::HEAD, "admin/license/1"), Ok(Endpoint::GetLicense("1".into())));
        assert_eq!(of(Method::DELETE, "admin/license/1"), Ok(Endpoint::DeleteLicense("1".into())));
        assert_eq!(of(Method::GET, "admin/license/licenseStatus"), Ok(Endpoint::LicenseStatus));
    }

    #[test]
    fn a_path_has_its_methods() {
        assert_eq!(of(Method::PUT, "admin/license"), Err(Malformed::WrongMethod { allow: "POST, GET".into() }));
        assert_eq!(of(Method::GET, "admin"), Err(Malformed::UnknownPath));
        assert_eq!(of(Method::GET, "bim/authenticate"), Err(Malformed::UnknownPath));
    }
}
