//! Path and method into what is asked. No I/O.

use hyper::Method;

use crate::dialect::Needs;
use crate::dialect::table::{self, Route, row};
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
    /// Who has an account.
    Usage,
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

/// An endpoint and the row that it came from.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The row.
    pub route: &'static Route<Endpoint>,
    /// What is asked.
    pub endpoint: Endpoint,
}

const VIEW: Needs = Needs::Right(Right::View);
const INSTALL: Needs = Needs::Right(Right::InstallLicenses);

/// Every route. Where two templates fit a path, the first one wins.
pub const ROUTES: &[Route<Endpoint>] = &[
    row("POST", "/admin/license", INSTALL, |_| Endpoint::AddLicense),
    row("GET", "/admin/license", VIEW, |_| Endpoint::ListLicenses),
    row("GET", "/admin/license/licenseStatus", VIEW, |_| Endpoint::LicenseStatus),
    row("GET", "/admin/license/usage", INSTALL, |_| Endpoint::Usage),
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
    table::find(ROUTES, "", method, path).map(|(route, endpoint)| Matched { route, endpoint })
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
