//! The table of what this dialect answers: parsing, rights, metrics, and the page `docs/dialects/elastic.md` read it.

use hyper::Method;

use crate::dialect::Needs;
use crate::dialect::trouble::Malformed;
use crate::domain::user::Right;

/// Everything that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Which methods a path knows.
    Options,
    /// What this is.
    Root,
    /// The license in force.
    GetLicense,
    /// A license in its place.
    PutLicense,
    /// Back to what is free.
    DeleteLicense,
    /// Whether a basic license can be started.
    BasicStatus,
    /// Whether the trial is left.
    TrialStatus,
    /// Starts a basic license.
    StartBasic,
    /// Starts the trial.
    StartTrial,
    /// The license and the features, for consoles.
    Xpack,
    /// The members, for clients that look for nodes.
    Nodes,
}

/// One row.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// What is asked.
    pub endpoint: Endpoint,
    /// The product's name for it, in what a 403 says.
    pub action: &'static str,
    /// The right that it needs.
    pub right: Right,
    /// Parameters beside the common ones.
    pub query: &'static [&'static str],
}

const READ: Right = Right::View;
const WRITE: Right = Right::InstallLicenses;
const PUT: &[&str] = &["acknowledge", "master_timeout", "timeout"];
const TIMES: &[&str] = &["master_timeout", "timeout"];
const TRIAL: &[&str] = &["acknowledge", "master_timeout", "timeout", "type"];

const fn row(
    method: &'static str,
    path: &'static str,
    (endpoint, action): (Endpoint, &'static str),
    right: Right,
    query: &'static [&'static str],
) -> Route {
    Route { method, path, endpoint, action, right, query }
}

/// Every route.
pub static ROUTES: [Route; 13] = [
    row("GET", "/", (Endpoint::Root, "cluster:monitor/main"), READ, &[]),
    row("HEAD", "/", (Endpoint::Root, "cluster:monitor/main"), READ, &[]),
    row(
        "GET",
        "/_license",
        (Endpoint::GetLicense, "cluster:monitor/xpack/license/get"),
        READ,
        &["accept_enterprise", "local", "master_timeout"],
    ),
    row("PUT", "/_license", (Endpoint::PutLicense, "cluster:admin/xpack/license/put"), WRITE, PUT),
    row("POST", "/_license", (Endpoint::PutLicense, "cluster:admin/xpack/license/put"), WRITE, PUT),
    row("DELETE", "/_license", (Endpoint::DeleteLicense, "cluster:admin/xpack/license/delete"), WRITE, TIMES),
    row(
        "GET",
        "/_license/basic_status",
        (Endpoint::BasicStatus, "cluster:admin/xpack/license/basic_status"),
        WRITE,
        &[],
    ),
    row(
        "GET",
        "/_license/trial_status",
        (Endpoint::TrialStatus, "cluster:admin/xpack/license/trial_status"),
        WRITE,
        &[],
    ),
    row("POST", "/_license/start_basic", (Endpoint::StartBasic, "cluster:admin/xpack/license/start_basic"), WRITE, PUT),
    row(
        "POST",
        "/_license/start_trial",
        (Endpoint::StartTrial, "cluster:admin/xpack/license/start_trial"),
        WRITE,
        TRIAL,
    ),
    row(
        "GET",
        "/_xpack",
        (Endpoint::Xpack, "cluster:monitor/xpack/info"),
        READ,
        &["accept_enterprise", "categories", "master_timeout"],
    ),
    row(
        "GET",
        "/_nodes/_all/http",
        (Endpoint::Nodes, "cluster:monitor/nodes/info"),
        READ,
        &["flat_settings", "timeout"],
    ),
    row("GET", "/_nodes/http", (Endpoint::Nodes, "cluster:monitor/nodes/info"), READ, &["flat_settings", "timeout"]),
];

/// What is asked, and the row that says so; OPTIONS has none.
#[derive(Debug, Clone)]
pub struct Matched {
    /// What is asked.
    pub endpoint: Endpoint,
    /// Its row.
    pub route: Option<&'static Route>,
}

impl Matched {
    /// Who may.
    pub(super) fn needs(&self) -> Needs {
        self.route.map_or(Needs::Somebody, |route| Needs::Right(route.right))
    }
}

/// Finds what is asked.
///
/// # Errors
/// When no route has the path, or none of those that have it the method.
pub fn parse(method: &Method, path: &[String]) -> Result<Matched, Malformed> {
    if let Some(route) = routes_of(path).find(|route| route.method == method.as_str()) {
        return Ok(Matched { endpoint: route.endpoint, route: Some(route) });
    }
    let allow = allow(path);
    if allow.is_empty() {
        return Err(Malformed::UnknownPath);
    }
    if method == Method::OPTIONS {
        return Ok(Matched { endpoint: Endpoint::Options, route: None });
    }
    Err(Malformed::WrongMethod { allow })
}

/// The methods that a path knows, as `Allow` writes them; empty for a path that nobody knows.
pub(super) fn allow(path: &[String]) -> String {
    let mut methods: Vec<&str> = routes_of(path).map(|route| route.method).collect();
    methods.sort_unstable();
    methods.join(",")
}

/// The rows of a path.
pub(super) fn routes_of(path: &[String]) -> impl Iterator<Item = &'static Route> + '_ {
    ROUTES.iter().filter(move |route| {
        let wanted = route.path.split('/').filter(|segment| !segment.is_empty());
        wanted.eq(path.iter().map(String::as_str))
    })
}
