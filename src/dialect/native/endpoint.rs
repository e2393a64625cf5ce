//! Path and method into what is asked. No I/O, and no names of routes: those are in the table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hyper::Method;

use super::routes::{ROUTES, Route};
use crate::dialect::Needs;
use crate::dialect::trouble::Malformed;

/// Everything that can be asked of `/api/v1`; the path is data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Which methods a path knows.
    Options(String),
    /// A name and a password for a token.
    Login,
    /// Ends the token that the request came with.
    Logout,
    /// Who the credential belongs to.
    WhoAmI,
    /// Users.
    ListUsers,
    /// A new user.
    CreateUser,
    /// One user.
    GetUser(String),
    /// Roles, disabled or slave of a user.
    EditUser(String),
    /// Deletes a user.
    DeleteUser(String),
    /// Sets a password.
    SetPassword(String),
    /// What a user's roles allow.
    UserRights(String),
    /// Every right, and what the products call it.
    ListRights,
    /// User groups.
    ListUserGroups,
    /// One user group.
    GetUserGroup(String),
    /// Creates a user group, or makes it this.
    PutUserGroup(String),
    /// Takes users into a group and out of it.
    EditUserGroup(String),
    /// Deletes a user group.
    DeleteUserGroup(String),
    /// Roles.
    ListRoles,
    /// One role.
    GetRole(String),
    /// Creates or replaces a role.
    PutRole(String),
    /// Deletes a role.
    DeleteRole(String),
    /// Tokens: one's own, or all.
    ListTokens,
    /// A new API token.
    CreateToken,
    /// Ends a token.
    DeleteToken(u64),
    /// Trusted issuer keys.
    ListKeys,
    /// Trusts a key.
    TrustKey,
    /// One key.
    GetKey(String),
    /// Trusts a key no longer.
    DistrustKey(String),
    /// Installed licenses.
    ListLicenses,
    /// Installs a license, or only says what would happen.
    InstallLicense,
    /// One license.
    GetLicense(String),
    /// Removes a license.
    RemoveLicense(String),
    /// Revokes a license for ever.
    RevokeLicense(String),
    /// A license's document.
    LicenseText(String),
    /// A license without an issuer.
    Grant,
    /// License groups.
    ListGroups,
    /// One group.
    GetGroup(String),
    /// Makes a group the active one.
    ActivateGroup(String),
    /// Stacks.
    ListStacks,
    /// One stack.
    GetStack(String),
    /// Pools.
    ListPools,
    /// A new pool.
    CreatePool,
    /// One pool.
    GetPool(String),
    /// Changes a pool.
    EditPool(String),
    /// Deletes a pool.
    DeletePool(String),
    /// Slaves.
    ListSlaves,
    /// One slave.
    GetSlave(String),
    /// Labels a slave.
    EditSlave(String),
    /// Forgets a slave.
    ForgetSlave(String),
    /// Messages that stand now.
    ListMessages,
    /// One message.
    GetMessage(String),
    /// Usage reports: one, many, or a stream.
    ReportUsage,
    /// Usage by day and dimension.
    UsageDays,
    /// Seats and sessions.
    Seat(SeatEndpoint),
    /// Cluster settings.
    GetSettings,
    /// Changes cluster settings.
    ChangeSettings,
    /// Chooses for one policy.
    SetPolicy(String),
    /// The cluster and its members.
    GetCluster,
    /// A ticket to join.
    CreateTicket,
    /// Ends a ticket.
    RevokeTicket(u64),
    /// Makes a learner a voter.
    Promote(u64),
    /// Takes a member out for good.
    RemoveMember(u64),
    /// Hands leadership over.
    TransferLeader,
    /// The journal.
    ListJournal,
    /// The journal's digest at a position.
    JournalDigest,
    /// One record.
    GetRecord(u64),
    /// This API's own description.
    OpenApi,
}

/// What can be asked about seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatEndpoint {
    /// Seat types.
    ListTypes,
    /// One seat type, with its rules and reservations.
    GetType(String),
    /// Changes a seat type's rules.
    SetRules(String),
    /// Keeps seats of a type for a user or a group.
    Reserve(String, String),
    /// Who waits for a seat type.
    ListLine(String),
    /// What happened to a seat type, by day.
    Days(String),
    /// Sessions and places in line.
    ListSessions,
    /// Takes a seat.
    Checkout,
    /// One session or place.
    Get(u64),
    /// Keeps a session or place.
    Beat(u64),
    /// Gives a session a token.
    Claim(u64),
    /// Borrows a seat.
    Borrow(u64),
    /// Gives one's own seat back.
    Return(u64),
    /// Takes somebody's seat away.
    Release(u64),
}

/// An endpoint and the row of the table that it came from.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The row.
    pub route: &'static Route,
    /// What is asked.
    pub endpoint: Endpoint,
}

/// What answers an OPTIONS request on any path that has routes.
static OPTIONS: Route = Route {
    method: "OPTIONS",
    path: "options",
    id: "options",
    summary: "Which methods the path knows",
    needs: Needs::Somebody,
    takes: None,
    gives: None,
    query: &[],
    make: |_| None,
};

/// The noun of a path: what stands behind `/api/v1/`. Every route has one without braces.
const NOUN: usize = 2;

/// The routes of each noun, in the table's order: a request is compared with a few, not with all.
static BY_NOUN: LazyLock<BTreeMap<&'static str, Vec<&'static Route>>> = LazyLock::new(|| {
    let mut nouns: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for route in ROUTES {
        let noun = route.path.split('/').filter(|part| !part.is_empty()).nth(NOUN);
        nouns.entry(noun.expect("a route has a noun")).or_default().push(route);
    }
    nouns
});

/// Finds what is asked.
///
/// # Errors
/// When no route has the path, or none of those that have it the method.
pub fn parse(method: &Method, path: &[String]) -> Result<Matched, Malformed> {
    let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut allow: Vec<&'static str> = Vec::new();
    for route in path.get(NOUN).and_then(|noun| BY_NOUN.get(noun.as_str())).into_iter().flatten() {
        let Some(endpoint) = captures(route.path, path).and_then(|names| (route.make)(&names)) else { continue };
        if route.method == wanted {
            return Ok(Matched { route, endpoint });
        }
        allow.push(route.method);
        if route.method == "GET" {
            allow.push("HEAD");
        }
    }
    if allow.is_empty() {
        return Err(Malformed::UnknownPath);
    }
    allow.push("OPTIONS");
    allow.sort_unstable();
    allow.dedup();
    let allow = allow.join(", ");
    if method == Method::OPTIONS {
        return Ok(Matched { route: &OPTIONS, endpoint: Endpoint::Options(allow) });
    }
    Err(Malformed::WrongMethod { allow })
}

/// The names that stand where a template has `{…}`; `None` when the path is another.
fn captures(template: &str, path: &[String]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut segments = path.iter();
    for wanted in template.split('/').filter(|part| !part.is_empty()) {
        let segment = segments.next()?;
        if wanted.starts_with('{') {
            names.push(segment.clone());
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, path: &str) -> Result<Endpoint, Malformed> {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        parse(&method, &path).map(|matched| matched.endpoint)
    }

    #[test]
    fn a_path_and_a_method_are_one_endpoint() {
        assert_eq!(of(Method::GET, "api/v1/pools/a"), Ok(Endpoint::GetPool("a".into())));
        assert_eq!(of(Method::HEAD, "api/v1/pools/a"), Ok(Endpoint::GetPool("a".into())));
        assert_eq!(of(Method::GET, "api/v1/journal/digest"), Ok(Endpoint::JournalDigest));
        assert_eq!(of(Method::GET, "api/v1/journal/12"), Ok(Endpoint::GetRecord(12)));
    }

    #[test]
    fn a_known_path_says_which_methods_it_knows() {
        let allow = "DELETE, GET, HEAD, OPTIONS, PATCH".to_owned();
        assert_eq!(of(Method::POST, "api/v1/pools/a"), Err(Malformed::WrongMethod { allow: allow.clone() }));
        assert_eq!(of(Method::OPTIONS, "api/v1/pools/a"), Ok(Endpoint::Options(allow)));
        assert_eq!(of(Method::OPTIONS, "api/v1/nothing"), Err(Malformed::UnknownPath));
        assert_eq!(of(Method::GET, "api/v1/journal/twelve"), Err(Malformed::UnknownPath));
        assert_eq!(of(Method::GET, "api/v1"), Err(Malformed::UnknownPath));
    }
}
