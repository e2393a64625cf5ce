//! Users, roles, tokens.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A password in clear: it shows in no log.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Asks for a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The user.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// How long the token is to be good; at most the cluster's session length, which is the default.
    pub ttl_ms: Option<u64>,
    /// What its owner calls it.
    #[serde(default)]
    pub label: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct LoginAnswer {
    /// The token: send it as `Authorization: Bearer TOKEN`. It is not shown again.
    pub token: String,
    /// Its id, for listing and revoking.
    pub token_id: u64,
    /// Whose it is.
    pub username: String,
    /// When it ends.
    pub expires: Option<String>,
    /// What licenses say to whoever logs in: notices of those that count, and of those that have ended.
    pub notices: Vec<String>,
}

/// Who a credential belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Identity {
    /// The user.
    pub username: String,
    /// `password` or `token`.
    pub credential: &'static str,
    /// The token's id.
    pub token_id: Option<u64>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Groups that it is in; their roles are its own, too.
    pub groups: Vec<String>,
    /// What all of these allow together.
    pub rights: Vec<&'static str>,
    /// The one slave that it may report for.
    pub slave: Option<String>,
    /// What licenses say to whoever logs in.
    pub notices: Vec<String>,
}

/// Asks for a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its password, 8 to 1024 bytes.
    pub password: Secret,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The one slave that it may report for.
    pub slave: Option<String>,
}

/// Changes to a user; absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChanges {
    /// Its roles from now on.
    pub roles: Option<Vec<String>>,
    /// Whether it is refused.
    pub disabled: Option<bool>,
    /// The one slave that it may report for; null lifts the limit.
    #[serde(default, deserialize_with = "super::clearable")]
    #[schema(value_type = Option<String>)]
    pub slave: Option<Option<String>>,
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// 8 to 1024 bytes.
    pub password: Secret,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Groups that it is in; their roles are its own, too.
    pub groups: Vec<String>,
    /// Whether it is refused.
    pub disabled: bool,
    /// The one slave that it may report for.
    pub slave: Option<String>,
    /// When it was created.
    pub created: String,
}

/// What a user may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rights {
    /// The user.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Groups that it is in.
    pub groups: Vec<String>,
    /// What all of these allow together.
    pub rights: Vec<&'static str>,
    /// The same in each product's words.
    pub dialects: BTreeMap<&'static str, ProductRights>,
}

/// What a user may do, as one product calls it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductRights {
    /// Its privileges, permissions or capabilities.
    pub privileges: Vec<&'static str>,
    /// Its roles that the user's rights amount to.
    pub roles: Vec<&'static str>,
}

/// A right, and what the products call it.
#[derive(Debug, Serialize, ToSchema)]
pub struct KnownRight {
    /// Its name.
    pub name: &'static str,
    /// By product: the privileges that need it.
    pub dialects: BTreeMap<&'static str, Vec<&'static str>>,
}

/// A group of users.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserGroup {
    /// Its name.
    pub name: String,
    /// Roles that its members have besides their own.
    pub roles: Vec<String>,
    /// How many users are in it.
    pub member_count: usize,
    /// Who is in it; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
}

/// What a group of users is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUserGroup {
    /// Roles that its members have besides their own.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<String>,
}

/// Changes to a group of users.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserGroupChanges {
    /// Who joins.
    #[serde(default)]
    pub add: Vec<String>,
    /// Who leaves.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A role's rights.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRights {
    /// What it allows.
    pub rights: Vec<String>,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub rights: Vec<&'static str>,
    /// Whether it came with the cluster and cannot be changed.
    pub builtin: bool,
}

/// Asks for an API token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Whose; another user's needs `manage_users`.
    pub user: Option<String>,
    /// What its owner calls it.
    #[serde(default)]
    pub label: String,
    /// How long it is good; default one year.
    pub ttl_ms: Option<u64>,
}

/// A token, once.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    /// The token. It is not shown again.
    pub token: String,
    /// The token's other facts.
    #[serde(flatten)]
    pub facts: Token,
}

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// Its id.
    pub id: u64,
    /// Whose it is.
    pub user: String,
    /// `session` or `api`.
    pub kind: &'static str,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: Option<String>,
}
