//! The table of everything that `/api/v1` answers: paths, rights, parameters, bodies. Parsing, the door, metrics and the
//! OpenAPI document all read it, so that none can disagree with another.

use super::endpoint::{Endpoint, SeatEndpoint as Seat};
use super::wire;
use crate::dialect::Needs;
use crate::domain::user::Right;
use utoipa::ToSchema;

/// One row.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path; names stand in braces.
    pub path: &'static str,
    /// Its name in the OpenAPI document.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Who may.
    pub needs: Needs,
    /// What the body is.
    pub takes: Option<Shape>,
    /// What the answer is; `None`: 204 without a body.
    pub gives: Option<Shape>,
    /// Query parameters; `consistency` goes with every GET.
    pub query: &'static [&'static str],
    /// The endpoint, from the names in the path; `None` when one of them cannot be.
    pub make: fn(&[String]) -> Option<Endpoint>,
}

/// What a body or an answer looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// One JSON value with this schema.
    One(Schema),
    /// A page of them.
    Page(Schema),
    /// A license document.
    License,
    /// Text.
    Text,
    /// An OpenAPI document.
    OpenApi,
}

/// A schema: its name, and how to collect it with all that it refers to.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// Collects it.
    pub collect: fn(&mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>),
}

const fn schema<T: ToSchema>(name: &'static str) -> Schema {
    Schema {
        name,
        collect: |all| {
            T::schemas(all);
            all.push((T::name().into_owned(), T::schema()));
        },
    }
}

fn first(names: &[String]) -> Option<String> {
    names.first().cloned()
}

fn number(names: &[String]) -> Option<u64> {
    names.first().and_then(|name| name.parse().ok())
}

const fn one<T: ToSchema>(name: &'static str) -> Shape {
    Shape::One(schema::<T>(name))
}

const fn page<T: ToSchema>(name: &'static str) -> Shape {
    Shape::Page(schema::<T>(name))
}

const NOBODY: Needs = Needs::Nobody;
const SOMEBODY: Needs = Needs::Somebody;

const fn row(method: &'static str, path: &'static str, needs: Needs, make: fn(&[String]) -> Option<Endpoint>) -> Route {
    Route { method, path, id: "", summary: "", needs, takes: None, gives: None, query: &[], make }
}

impl Route {
    const fn says(self, id: &'static str, summary: &'static str) -> Route {
        Route { id, summary, ..self }
    }

    const fn takes(self, takes: Shape) -> Route {
        Route { takes: Some(takes), ..self }
    }

    const fn gives(self, gives: Shape) -> Route {
        Route { gives: Some(gives), ..self }
    }

    const fn query(self, query: &'static [&'static str]) -> Route {
        Route { query, ..self }
    }
}

/// Every route. Where two templates fit a path, the first one wins.
pub const ROUTES: &[Route] = &[
    row("POST", "/api/v1/login", NOBODY, |_| Some(Endpoint::Login))
        .says("login", "A token for a name and a password")
        .takes(one::<wire::LoginRequest>("LoginRequest"))
        .gives(one::<wire::LoginAnswer>("LoginAnswer")),
    row("POST", "/api/v1/logout", SOMEBODY, |_| Some(Endpoint::Logout))
        .says("logout", "End the token that the request came with"),
    row("GET", "/api/v1/whoami", SOMEBODY, |_| Some(Endpoint::WhoAmI))
        .says("whoami", "Who the credential belongs to, and what it may do")
        .gives(one::<wire::Identity>("Identity")),
    row("GET", "/api/v1/users", Needs::Right(Right::ManageUsers), |_| Some(Endpoint::ListUsers))
        .says("listUsers", "List users")
        .gives(page::<wire::User>("User"))
        .query(&["limit", "after", "all"]),
    row("POST", "/api/v1/users", Needs::Right(Right::ManageUsers), |_| Some(Endpoint::CreateUser))
        .says("createUser", "Create a user")
        .takes(one::<wire::NewUser>("NewUser"))
        .gives(one::<wire::User>("User")),
    row("GET", "/api/v1/users/{name}", SOMEBODY, |names| first(names).map(Endpoint::GetUser))
        .says("getUser", "Show a user; anybody may see themselves")
        .gives(one::<wire::User>("User")),
    row("PATCH", "/api/v1/users/{name}", Needs::Right(Right::ManageUsers), |names| {
        first(names).map(Endpoint::EditUser)
    })
    .says("editUser", "Change a user's roles, slave, or whether it is disabled")
    .takes(one::<wire::UserChanges>("UserChanges"))
    .gives(one::<wire::User>("User")),
    row("DELETE", "/api/v1/users/{name}", Needs::Right(Right::ManageUsers), |names| {
        first(names).map(Endpoint::DeleteUser)
    })
    .says("deleteUser", "Delete a user and its tokens"),
    row("PUT", "/api/v1/users/{name}/password", SOMEBODY, |names| first(names).map(Endpoint::SetPassword))
        .says("setPassword", "Set a password: one's own, or anybody's with the right manage_users")
        .takes(one::<wire::NewPassword>("NewPassword")),
    row("GET", "/api/v1/users/{name}/rights", SOMEBODY, |names| first(names).map(Endpoint::UserRights))
        .says("getUserRights", "What a user may do, in our words and in each product's")
        .gives(one::<wire::Rights>("Rights")),
    row("GET", "/api/v1/rights", SOMEBODY, |_| Some(Endpoint::ListRights))
        .says("listRights", "List rights, and what each product calls them")
        .gives(page::<wire::KnownRight>("KnownRight")),
    row("GET", "/api/v1/user-groups", Needs::Right(Right::ManageUsers), |_| Some(Endpoint::ListUserGroups))
        .says("listUserGroups", "List groups of users; without their members")
        .gives(page::<wire::UserGroup>("UserGroup"))
        .query(&["limit", "after", "all"]),
    row("GET", "/api/v1/user-groups/{name}", Needs::Right(Right::ManageUsers), |names| {
        first(names).map(Endpoint::GetUserGroup)
    })
    .says("getUserGroup", "Show a group of users")
    .gives(one::<wire::UserGroup>("UserGroup")),
    row("PUT", "/api/v1/user-groups/{name}", Needs::Right(Right::ManageUsers), |names| {
        first(names).map(Endpoint::PutUserGroup)
    })
    .says("putUserGroup", "Create or replace a group of users")
    .takes(one::<wire::NewUserGroup>("NewUserGroup"))
    .gives(one::<wire::UserGroup>("UserGroup")),
    row("PATCH", "/api/v1/user-groups/{name}", Needs::Right(Right::ManageUsers), |names| {
        first(names).map(Endpoint::EditUserGroup)
    })
    .says("editUserGroup", "Take users into a group and out of it")
    .takes(one::<wire::UserGroupChanges>("UserGroupChanges"))
    .gives(one::<wire::UserGroup>("UserGroup")),
    row("DELETE", "/api/v1/user-groups/{name}", Needs::Right(Right::ManageUsers), |names| {
        first(names).map(Endpoint::DeleteUserGroup)
    })
    .says("deleteUserGroup", "Delete a group of users; its members stay"),
    row("GET", "/api/v1/roles", Needs::Right(Right::View), |_| Some(Endpoint::ListRoles))
        .says("listRoles", "List roles")
        .gives(page::<wire::Role>("Role"))
        .query(&["limit", "after", "all"]),
    row("GET", "/api/v1/roles/{name}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetRole))
        .says("getRole", "Show a role")
        .gives(one::<wire::Role>("Role")),
    row("PUT", "/api/v1/roles/{name}", Needs::Right(Right::ManageUsers), |names| first(names).map(Endpoint::PutRole))
        .says("putRole", "Create or replace a role")
        .takes(one::<wire::RoleRights>("RoleRights"))
        .gives(one::<wire::Role>("Role")),
    row("DELETE", "/api/v1/roles/{name}", Needs::Right(Right::ManageUsers), |names| {
        first(names).map(Endpoint::DeleteRole)
    })
    .says("deleteRole", "Delete a role that nobody has"),
    row("GET", "/api/v1/tokens", SOMEBODY, |_| Some(Endpoint::ListTokens))
        .says("listTokens", "List one's own tokens; with manage_users, everybody's")
        .gives(page::<wire::Token>("Token"))
        .query(&["limit", "after", "all", "user"]),
    row("POST", "/api/v1/tokens", SOMEBODY, |_| Some(Endpoint::CreateToken))
        .says("createToken", "Make an API token; it is shown once")
        .takes(one::<wire::NewToken>("NewToken"))
        .gives(one::<wire::TokenAnswer>("TokenAnswer")),
    row("DELETE", "/api/v1/tokens/{id}", SOMEBODY, |names| number(names).map(Endpoint::DeleteToken))
        .says("deleteToken", "Revoke a token"),
    row("GET", "/api/v1/keys", Needs::Right(Right::View), |_| Some(Endpoint::ListKeys))
        .says("listKeys", "List trusted issuer keys")
        .gives(page::<wire::Key>("Key"))
        .query(&["limit", "after", "all"]),
    row("POST", "/api/v1/keys", Needs::Right(Right::ManageTrust), |_| Some(Endpoint::TrustKey))
        .says("trustKey", "Trust an issuer's public key")
        .takes(one::<wire::NewKey>("NewKey"))
        .gives(one::<wire::Key>("Key")),
    row("GET", "/api/v1/keys/{id}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetKey))
        .says("getKey", "Show an issuer key")
        .gives(one::<wire::Key>("Key")),
    row("DELETE", "/api/v1/keys/{id}", Needs::Right(Right::ManageTrust), |names| {
        first(names).map(Endpoint::DistrustKey)
    })
    .says("distrustKey", "Trust a key no longer; what it signed stops counting"),
    row("GET", "/api/v1/licenses", Needs::Right(Right::View), |_| Some(Endpoint::ListLicenses))
        .says("listLicenses", "List installed licenses")
        .gives(page::<wire::License>("License"))
        .query(&["limit", "after", "all", "stack", "state"]),
    row("POST", "/api/v1/licenses", Needs::Right(Right::InstallLicenses), |_| Some(Endpoint::InstallLicense))
        .says("installLicense", "Install a license; with dry_run=true only check it")
        .takes(Shape::License)
        .gives(one::<wire::License>("License"))
        .query(&["dry_run"]),
    row("GET", "/api/v1/licenses/{id}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetLicense))
        .says("getLicense", "Show a license without its document")
        .gives(one::<wire::License>("License")),
    row("DELETE", "/api/v1/licenses/{id}", Needs::Right(Right::InstallLicenses), |names| {
        first(names).map(Endpoint::RemoveLicense)
    })
    .says("removeLicense", "Remove a license"),
    row("POST", "/api/v1/licenses/{id}/revoke", Needs::Right(Right::InstallLicenses), |names| {
        first(names).map(Endpoint::RevokeLicense)
    })
    .says("revokeLicense", "Revoke a license for ever, installed or not; with series=true every issue of it")
    .query(&["series"]),
    row("GET", "/api/v1/licenses/{id}/text", Needs::Right(Right::ReadLicenseText), |names| {
        first(names).map(Endpoint::LicenseText)
    })
    .says("getLicenseText", "A license's document, byte for byte")
    .gives(Shape::Text),
    row("POST", "/api/v1/grants", Needs::Right(Right::InstallLicenses), |_| Some(Endpoint::Grant))
        .says("grant", "Make a license that needs no issuer")
        .takes(one::<wire::GrantRequest>("GrantRequest"))
        .gives(one::<wire::License>("License")),
    row("GET", "/api/v1/groups", Needs::Right(Right::View), |_| Some(Endpoint::ListGroups))
        .says("listGroups", "List license groups")
        .gives(page::<wire::Group>("Group")),
    row("GET", "/api/v1/groups/{name}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetGroup))
        .says("getGroup", "Show a license group")
        .gives(one::<wire::Group>("Group")),
    row("POST", "/api/v1/groups/{name}/activate", Needs::Right(Right::EditPools), |names| {
        first(names).map(Endpoint::ActivateGroup)
    })
    .says("activateGroup", "Make a group the active one")
    .gives(one::<wire::Group>("Group")),
    row("GET", "/api/v1/stacks", Needs::Right(Right::View), |_| Some(Endpoint::ListStacks))
        .says("listStacks", "List stacks")
        .gives(page::<wire::Stack>("Stack"))
        .query(&["limit", "after", "all"]),
    row("GET", "/api/v1/stacks/{id}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetStack))
        .says("getStack", "Show a stack")
        .gives(one::<wire::Stack>("Stack")),
    row("GET", "/api/v1/pools", Needs::Right(Right::View), |_| Some(Endpoint::ListPools))
        .says("listPools", "List pools")
        .gives(page::<wire::Pool>("Pool"))
        .query(&["limit", "after", "all", "stack"]),
    row("POST", "/api/v1/pools", Needs::Right(Right::EditPools), |_| Some(Endpoint::CreatePool))
        .says("createPool", "Create a pool")
        .takes(one::<wire::NewPool>("NewPool"))
        .gives(one::<wire::Pool>("Pool")),
    row("GET", "/api/v1/pools/{name}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetPool))
        .says("getPool", "Show a pool and what each slave used of it today")
        .gives(one::<wire::Pool>("Pool"))
        .query(&["slaves_after"]),
    row("PATCH", "/api/v1/pools/{name}", Needs::Right(Right::EditPools), |names| first(names).map(Endpoint::EditPool))
        .says("editPool", "Change a pool; absent fields stay")
        .takes(one::<wire::PoolChanges>("PoolChanges"))
        .gives(one::<wire::Pool>("Pool")),
    row("DELETE", "/api/v1/pools/{name}", Needs::Right(Right::EditPools), |names| {
        first(names).map(Endpoint::DeletePool)
    })
    .says("deletePool", "Delete a pool"),
    row("GET", "/api/v1/slaves", Needs::Right(Right::View), |_| Some(Endpoint::ListSlaves))
        .says("listSlaves", "List slaves")
        .gives(page::<wire::Slave>("Slave"))
        .query(&["limit", "after", "all", "pool", "state"]),
    row("GET", "/api/v1/slaves/{guid}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetSlave))
        .says("getSlave", "Show a slave")
        .gives(one::<wire::Slave>("Slave")),
    row("PATCH", "/api/v1/slaves/{guid}", Needs::Right(Right::EditPools), |names| {
        first(names).map(Endpoint::EditSlave)
    })
    .says("editSlave", "Label a slave")
    .takes(one::<wire::SlaveChanges>("SlaveChanges"))
    .gives(one::<wire::Slave>("Slave")),
    row("DELETE", "/api/v1/slaves/{guid}", Needs::Right(Right::EditPools), |names| {
        first(names).map(Endpoint::ForgetSlave)
    })
    .says("forgetSlave", "Forget a slave that will not come back"),
    row("GET", "/api/v1/messages", Needs::Right(Right::View), |_| Some(Endpoint::ListMessages))
        .says("listMessages", "List messages that stand now")
        .gives(page::<wire::Message>("Message"))
        .query(&["limit", "after", "all", "category", "severity"]),
    row("GET", "/api/v1/messages/{id}", Needs::Right(Right::View), |names| first(names).map(Endpoint::GetMessage))
        .says("getMessage", "Show a message")
        .gives(one::<wire::Message>("Message")),
    row("POST", "/api/v1/usage", Needs::Right(Right::ReportUsage), |_| Some(Endpoint::ReportUsage))
        .says("reportUsage", "Report usage: one report, many, or a stream of lines (application/x-ndjson)")
        .takes(one::<wire::UsageRequest>("UsageRequest"))
        .gives(one::<wire::UsageAnswer>("UsageAnswer")),
    row("GET", "/api/v1/usage/days", Needs::Right(Right::View), |_| Some(Endpoint::UsageDays))
        .says("usageDays", "Usage by license day and dimension")
        .gives(one::<wire::UsageHistory>("UsageHistory"))
        .query(&["from", "to", "by", "limit"]),
    row("GET", "/api/v1/seats", SOMEBODY, |_| Some(Endpoint::Seat(Seat::ListTypes)))
        .says("listSeatTypes", "List seat types: what licenses give, what is held, kept, borrowed and waited for")
        .gives(page::<wire::SeatType>("SeatType"))
        .query(&["limit", "after", "all"]),
    row("GET", "/api/v1/seats/{type}", SOMEBODY, |names| first(names).map(Seat::GetType).map(Endpoint::Seat))
        .says("getSeatType", "Show a seat type with its rules and reservations")
        .gives(one::<wire::SeatType>("SeatType")),
    row("PATCH", "/api/v1/seats/{type}", Needs::Right(Right::ManageSeats), |names| {
        first(names).map(Seat::SetRules).map(Endpoint::Seat)
    })
    .says("setSeatRules", "Change who may have how much of a seat type; absent fields stay")
    .takes(one::<wire::SeatRulesChanges>("SeatRulesChanges"))
    .gives(one::<wire::SeatType>("SeatType")),
    row("PUT", "/api/v1/seats/{type}/reservations/{for}", Needs::Right(Right::ManageSeats), |names| {
        let [product, principal] = names else { return None };
        Some(Endpoint::Seat(Seat::Reserve(product.clone(), principal.clone())))
    })
    .says("reserveSeats", "Keep seats for user:NAME or group:NAME; 0 ends it")
    .takes(one::<wire::NewReservation>("NewReservation"))
    .gives(one::<wire::SeatType>("SeatType")),
    row("GET", "/api/v1/seats/{type}/queue", SOMEBODY, |names| first(names).map(Seat::ListLine).map(Endpoint::Seat))
        .says("listSeatLine", "List who waits for a seat type, in order; without the right view, one's own places")
        .gives(page::<wire::Seat>("Seat"))
        .query(&["limit", "after", "all"]),
    row("GET", "/api/v1/seats/{type}/history", SOMEBODY, |names| first(names).map(Seat::Days).map(Endpoint::Seat))
        .says("seatDays", "Use, peaks and denials of a seat type by day")
        .gives(page::<wire::SeatDay>("SeatDay"))
        .query(&["from", "to"]),
    row("GET", "/api/v1/sessions", SOMEBODY, |_| Some(Endpoint::Seat(Seat::ListSessions)))
        .says("listSessions", "List sessions and places in line; without the right view, one's own")
        .gives(page::<wire::Seat>("Seat"))
        .query(&["limit", "after", "all", "type", "user", "address", "state"]),
    row("POST", "/api/v1/sessions", Needs::Right(Right::TakeSeats), |_| Some(Endpoint::Seat(Seat::Checkout)))
        .says("checkout", "Take a seat and workers, or wait in line for them; 202 while waiting")
        .takes(one::<wire::CheckoutRequest>("CheckoutRequest"))
        .gives(one::<wire::SeatAnswer>("SeatAnswer")),
    row("GET", "/api/v1/sessions/{id}", SOMEBODY, |names| number(names).map(Seat::Get).map(Endpoint::Seat))
        .says("getSession", "Show a session or a place in line")
        .gives(one::<wire::Seat>("Seat")),
    row("DELETE", "/api/v1/sessions/{id}", SOMEBODY, |names| number(names).map(Seat::Return).map(Endpoint::Seat))
        .says("returnSession", "Give back one's own seat, or leave the line"),
    row("POST", "/api/v1/sessions/{id}/beat", Needs::Right(Right::TakeSeats), |names| {
        number(names).map(Seat::Beat).map(Endpoint::Seat)
    })
    .says("beatSession", "Keep one's own session, or one's place and wait for its turn")
    .takes(one::<wire::BeatRequest>("BeatRequest"))
    .gives(one::<wire::Seat>("Seat")),
    row("POST", "/api/v1/sessions/{id}/claim", Needs::Right(Right::TakeSeats), |names| {
        number(names).map(Seat::Claim).map(Endpoint::Seat)
    })
    .says("claimSession", "Give one's own session a fresh token, in place of the one it had")
    .gives(one::<wire::SeatAnswer>("SeatAnswer")),
    row("POST", "/api/v1/sessions/{id}/borrow", Needs::Right(Right::TakeSeats), |names| {
        number(names).map(Seat::Borrow).map(Endpoint::Seat)
    })
    .says("borrowSession", "Take one's own seat along for offline use, until an absolute end, with a signed proof")
    .takes(one::<wire::BorrowRequest>("BorrowRequest"))
    .gives(one::<wire::BorrowAnswer>("BorrowAnswer")),
    row("POST", "/api/v1/sessions/{id}/release", Needs::Right(Right::ManageSeats), |names| {
        number(names).map(Seat::Release).map(Endpoint::Seat)
    })
    .says("releaseSession", "Take somebody's seat or place away")
    .takes(one::<wire::ReleaseRequest>("ReleaseRequest")),
    row("GET", "/api/v1/settings", Needs::Right(Right::View), |_| Some(Endpoint::GetSettings))
        .says("getSettings", "Show the cluster's settings")
        .gives(one::<wire::Settings>("Settings")),
    row("PATCH", "/api/v1/settings", Needs::Right(Right::ManageCluster), |_| Some(Endpoint::ChangeSettings))
        .says("changeSettings", "Change the cluster's settings; absent fields stay")
        .takes(one::<wire::SettingsChanges>("SettingsChanges"))
        .gives(one::<wire::Settings>("Settings")),
    row("PUT", "/api/v1/settings/policies/{name}", Needs::Right(Right::ManageCluster), |names| {
        first(names).map(Endpoint::SetPolicy)
    })
    .says("setPolicy", "Choose for one policy, where a product and its documentation differ")
    .takes(one::<wire::NewChoice>("NewChoice"))
    .gives(one::<wire::Settings>("Settings")),
    row("GET", "/api/v1/cluster", Needs::Right(Right::View), |_| Some(Endpoint::GetCluster))
        .says("getCluster", "The cluster, its members, and how far this node is")
        .gives(one::<wire::Cluster>("Cluster")),
    row("POST", "/api/v1/cluster/tickets", Needs::Right(Right::ManageCluster), |_| Some(Endpoint::CreateTicket))
        .says("createTicket", "Make a one-time ticket to join")
        .takes(one::<wire::NewTicket>("NewTicket"))
        .gives(one::<wire::Ticket>("Ticket")),
    row("DELETE", "/api/v1/cluster/tickets/{node}", Needs::Right(Right::ManageCluster), |names| {
        number(names).map(Endpoint::RevokeTicket)
    })
    .says("revokeTicket", "End an unused ticket"),
    row("POST", "/api/v1/cluster/members/{id}/promote", Needs::Right(Right::ManageCluster), |names| {
        number(names).map(Endpoint::Promote)
    })
    .says("promote", "Make a learner that has caught up a voter")
    .gives(one::<wire::Cluster>("Cluster")),
    row("DELETE", "/api/v1/cluster/members/{id}", Needs::Right(Right::ManageCluster), |names| {
        number(names).map(Endpoint::RemoveMember)
    })
    .says("removeMember", "Remove a member for good; its id is never used again"),
    row("POST", "/api/v1/cluster/leader", Needs::Right(Right::ManageCluster), |_| Some(Endpoint::TransferLeader))
        .says("transferLeader", "Hand leadership to a voter")
        .takes(one::<wire::NewLeader>("NewLeader"))
        .gives(one::<wire::Cluster>("Cluster")),
    row("GET", "/api/v1/journal", Needs::Right(Right::ReadJournal), |_| Some(Endpoint::ListJournal))
        .says("listJournal", "Records of the journal in order; with wait_ms, wait for the next one")
        .gives(one::<wire::JournalPage>("JournalPage"))
        .query(&["after", "limit", "kind", "actor", "outcome", "wait_ms"]),
    row("GET", "/api/v1/journal/digest", Needs::Right(Right::View), |_| Some(Endpoint::JournalDigest))
        .says("journalDigest", "The journal's digest at a position")
        .gives(one::<wire::Digest>("Digest"))
        .query(&["seq"]),
    row("GET", "/api/v1/journal/{seq}", Needs::Right(Right::ReadJournal), |names| {
        number(names).map(Endpoint::GetRecord)
    })
    .says("getRecord", "One record of the journal")
    .gives(one::<wire::JournalRecord>("JournalRecord")),
    row("GET", "/api/v1/openapi.json", SOMEBODY, |_| Some(Endpoint::OpenApi))
        .says("openapi", "This document")
        .gives(Shape::OpenApi),
];
