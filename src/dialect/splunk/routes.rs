//! Every endpoint in one table: from parsing over rights, arguments and `eai:attributes` to docs/dialects/splunk.md, which
//! a test compares with it. Source: seed 002 where it has the endpoint, else the dialect note, part 3.

use std::sync::LazyLock;

use crate::dialect::Needs;
use crate::domain::user::Right;

/// What a collection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Which stacks work together.
    Groups,
    /// Installed licenses of all groups.
    Licenses,
    /// This license master as a slave of its own.
    LocalSlave,
    /// What an operator should know.
    Messages,
    /// Shares of a stack.
    Pools,
    /// Who reported.
    Slaves,
    /// What licenses add up to.
    Stacks,
    /// Today's total.
    Usage,
    /// The server itself.
    ServerInfo,
}

/// A collection under the name that a client uses for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Collection {
    /// What it holds.
    pub kind: Kind,
    /// Its path behind `/services/`.
    pub path: &'static str,
    /// The feed's title.
    pub title: &'static str,
    /// Whether its entries' links have the namespace `nobody/system`.
    pub namespaced: bool,
    /// Relations of its entries beyond `alternate`.
    pub links: &'static [&'static str],
}

const LICENSER: [Collection; 10] = [
    Collection {
        kind: Kind::Groups,
        path: "licenser/groups",
        title: "groups",
        namespaced: false,
        links: &["list", "edit"],
    },
    Collection {
        kind: Kind::Licenses,
        path: "licenser/licenses",
        title: "licenses",
        namespaced: false,
        links: &["list", "remove"],
    },
    Collection {
        kind: Kind::LocalSlave,
        path: "licenser/localslave",
        title: "localslave",
        namespaced: false,
        links: &["list", "edit"],
    },
    Collection {
        kind: Kind::LocalSlave,
        path: "licenser/localpeer",
        title: "localpeer",
        namespaced: false,
        links: &["list", "edit"],
    },
    Collection {
        kind: Kind::Messages,
        path: "licenser/messages",
        title: "licensermessages",
        namespaced: false,
        links: &["list"],
    },
    Collection {
        kind: Kind::Pools,
        path: "licenser/pools",
        title: "pools",
        namespaced: true,
        links: &["list", "_reload", "edit", "remove"],
    },
    Collection { kind: Kind::Slaves, path: "licenser/slaves", title: "slaves", namespaced: true, links: &["list"] },
    Collection { kind: Kind::Slaves, path: "licenser/peers", title: "peers", namespaced: true, links: &["list"] },
    Collection { kind: Kind::Stacks, path: "licenser/stacks", title: "stacks", namespaced: false, links: &["list"] },
    Collection { kind: Kind::Usage, path: "licenser/usage", title: "usage", namespaced: false, links: &["list"] },
];

/// The server itself, which has no `licenser` in its path.
static SERVER: Collection = Collection {
    kind: Kind::ServerInfo,
    path: "server/info",
    title: "server-info",
    namespaced: false,
    links: &["list"],
};

/// All collections.
static COLLECTIONS: [Collection; 10] = LICENSER;

/// An argument of an endpoint, beside those that every endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Whether the request is refused without it.
    pub required: bool,
}

const fn must(name: &'static str) -> Arg {
    Arg { name, required: true }
}

const fn may(name: &'static str) -> Arg {
    Arg { name, required: false }
}

/// Arguments of `POST licenser/groups/{name}` (seed 002).
pub const GROUP_ARGS: &[Arg] = &[must("is_active")];
/// Arguments of `POST licenser/licenses` (seed 002); `name` is required where there is no `payload`.
pub const LICENSE_ARGS: &[Arg] = &[must("name"), may("payload")];
/// Arguments of `POST licenser/pools` (seed 002; `peers` since version 9).
pub const NEW_POOL_ARGS: &[Arg] =
    &[must("name"), must("quota"), must("stack_id"), may("description"), may("peers"), may("slaves")];
/// Arguments of `POST licenser/pools/{name}` (seed 002; `peers` since version 9).
pub const POOL_ARGS: &[Arg] =
    &[may("append_peers"), may("append_slaves"), may("description"), may("peers"), may("quota"), may("slaves")];
/// Arguments of `POST licenser/localslave` (dialect note, 3; `manager_uri` since version 9).
pub const LOCAL_ARGS: &[Arg] = &[may("manager_uri"), may("master_uri")];
/// Arguments of a login (dialect note, 2).
pub const LOGIN_ARGS: &[Arg] = &[may("cookie"), may("password"), may("username")];
/// Arguments that `licenser/slaves/{name}` has and nobody should use (dialect note, 3).
pub const SLAVE_ARGS: &[Arg] = &[may("poolid"), may("stackid")];

/// What every list takes (seed 002, "pagination and filtering parameters").
pub const LIST_ARGS: [&str; 8] = ["count", "f", "offset", "search", "sort_dir", "sort_key", "sort_mode", "summarize"];
/// What every endpoint takes.
pub const COMMON_ARGS: [&str; 2] = ["consistency", "output_mode"];

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A name and a password for a session key.
    Login,
    /// Some entries.
    List,
    /// One entry.
    Show,
    /// What a new entry would have to say.
    New,
    /// Nothing: what clients see is never behind.
    Reload,
    /// The same for one entry.
    ReloadOne,
    /// Who may do what with an entry.
    Acl,
    /// Makes a group the active one.
    Activate,
    /// Installs a license.
    AddLicense,
    /// Removes a license.
    RemoveLicense,
    /// Creates a pool.
    CreatePool,
    /// Changes a pool.
    EditPool,
    /// Deletes a pool.
    DeletePool,
    /// Tells a license master which master it has: itself.
    EditLocal,
}

/// Which paths of a collection an endpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The collection itself.
    Collection,
    /// `_new` under it.
    New,
    /// `_reload` under it.
    Reload,
    /// An entry.
    Entry,
    /// `_reload` under an entry.
    EntryReload,
    /// `acl` under an entry.
    Acl,
}

/// One endpoint.
#[derive(Debug)]
pub struct Route {
    /// Method and path behind `/services`, as docs and metrics write them.
    pub path: String,
    /// The method.
    pub method: &'static str,
    /// The collection; `None` for the login.
    pub collection: Option<&'static Collection>,
    /// Which of its paths.
    pub shape: Shape,
    /// What it does.
    pub action: Action,
    /// Who may call it.
    pub needs: Needs,
    /// Its own arguments.
    pub takes: &'static [Arg],
}

/// Every endpoint there is.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(all);

impl Collection {
    /// The right that changing its entries needs; `None` where nothing can be changed.
    #[must_use]
    pub fn write_right(&self) -> Option<Right> {
        match self.kind {
            Kind::Groups | Kind::Pools => Some(Right::EditPools),
            Kind::Licenses => Some(Right::InstallLicenses),
            Kind::LocalSlave => Some(Right::ManageCluster),
            Kind::Messages | Kind::Slaves | Kind::Stacks | Kind::Usage | Kind::ServerInfo => None,
        }
    }

    /// Relations of the feed: what clients may do with the collection.
    #[must_use]
    pub fn feed_links(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Licenses => &["create"],
            Kind::Pools => &["create", "_reload"],
            Kind::Groups
            | Kind::LocalSlave
            | Kind::Messages
            | Kind::Slaves
            | Kind::Stacks
            | Kind::Usage
            | Kind::ServerInfo => &[],
        }
    }

    /// What creating an entry takes.
    #[must_use]
    pub fn new_args(&self) -> &'static [Arg] {
        match self.kind {
            Kind::Licenses => LICENSE_ARGS,
            Kind::Pools => NEW_POOL_ARGS,
            Kind::Groups
            | Kind::LocalSlave
            | Kind::Messages
            | Kind::Slaves
            | Kind::Stacks
            | Kind::Usage
            | Kind::ServerInfo => &[],
        }
    }

    /// What changing an entry takes.
    #[must_use]
    pub fn edit_args(&self) -> &'static [Arg] {
        match self.kind {
            Kind::Groups => GROUP_ARGS,
            Kind::LocalSlave => LOCAL_ARGS,
            Kind::Pools => POOL_ARGS,
            Kind::Licenses | Kind::Messages | Kind::Slaves | Kind::Stacks | Kind::Usage | Kind::ServerInfo => &[],
        }
    }
}

fn all() -> Vec<Route> {
    let mut routes = vec![Route {
        path: "/services/auth/login".to_owned(),
        method: "POST",
        collection: None,
        shape: Shape::Collection,
        action: Action::Login,
        needs: Needs::Nobody,
        takes: LOGIN_ARGS,
    }];
    for collection in COLLECTIONS.iter().chain([&SERVER]) {
        reads(&mut routes, collection);
        writes(&mut routes, collection);
    }
    routes
}

fn reads(routes: &mut Vec<Route>, collection: &'static Collection) {
    let slaves: &'static [Arg] = if collection.kind == Kind::Slaves { SLAVE_ARGS } else { &[] };
    let mut add = |method, shape, action, takes| routes.push(route(collection, method, shape, action, takes));
    add("GET", Shape::Collection, Action::List, slaves);
    add("GET", Shape::Entry, Action::Show, slaves);
    if collection.kind == Kind::ServerInfo {
        return;
    }
    add("GET", Shape::New, Action::New, &[]);
    for method in ["GET", "POST"] {
        add(method, Shape::Reload, Action::Reload, &[]);
        add(method, Shape::EntryReload, Action::ReloadOne, &[]);
    }
    add("GET", Shape::Acl, Action::Acl, &[]);
}

fn writes(routes: &mut Vec<Route>, collection: &'static Collection) {
    let (new, edit) = (collection.new_args(), collection.edit_args());
    let mut add = |method, shape, action, takes| routes.push(route(collection, method, shape, action, takes));
    match collection.kind {
        Kind::Groups => add("POST", Shape::Entry, Action::Activate, edit),
        Kind::Licenses => {
            add("POST", Shape::Collection, Action::AddLicense, new);
            add("DELETE", Shape::Entry, Action::RemoveLicense, &[]);
        }
        Kind::Pools => {
            add("POST", Shape::Collection, Action::CreatePool, new);
            add("POST", Shape::Entry, Action::EditPool, edit);
            add("DELETE", Shape::Entry, Action::DeletePool, &[]);
        }
        Kind::LocalSlave => {
            add("POST", Shape::Collection, Action::EditLocal, edit);
            add("POST", Shape::Entry, Action::EditLocal, edit);
        }
        Kind::Messages | Kind::Slaves | Kind::Stacks | Kind::Usage | Kind::ServerInfo => {}
    }
}

fn route(
    collection: &'static Collection,
    method: &'static str,
    shape: Shape,
    action: Action,
    takes: &'static [Arg],
) -> Route {
    let tail = match shape {
        Shape::Collection => "",
        Shape::New => "/_new",
        Shape::Reload => "/_reload",
        Shape::Entry => "/{name}",
        Shape::EntryReload => "/{name}/_reload",
        Shape::Acl => "/{name}/acl",
    };
    let changes = !matches!(
        action,
        Action::List | Action::Show | Action::New | Action::Reload | Action::ReloadOne | Action::Acl | Action::Login
    );
    let right = if changes { collection.write_right() } else { None };
    Route {
        path: format!("/services/{}{tail}", collection.path),
        method,
        collection: Some(collection),
        shape,
        action,
        needs: Needs::Right(right.unwrap_or(Right::View)),
        takes,
    }
}
