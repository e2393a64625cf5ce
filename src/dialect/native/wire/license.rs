//! Keys, licenses, groups, stacks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks to trust a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The public key: PEM, or base64 of the 32 bytes of an Ed25519 key.
    pub public_key: String,
    /// What the operator calls it.
    #[serde(default)]
    pub label: String,
}

/// An issuer's key.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// `ed25519` or `rsa2048`.
    pub algorithm: &'static str,
    /// What the operator calls it.
    pub label: String,
    /// The public key as PEM.
    pub public_key: String,
    /// Since when it is trusted.
    pub trusted_since: String,
    /// Since when it is trusted no more.
    pub distrusted_since: Option<String>,
}

/// Asks for a license without an issuer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// `splunk_free`, `splunk_forwarder`, `splunk_trial`, `elastic_basic` or `elastic_trial`.
    pub grant: String,
}

/// A license, without its document.
#[derive(Debug, Serialize, ToSchema)]
pub struct License {
    /// SHA-256 of its signed bytes.
    pub id: String,
    /// The document's format.
    pub format: &'static str,
    /// `valid`, `expired`, `not_yet_valid` or `untrusted`.
    pub state: &'static str,
    /// The key that signed it.
    pub key: Option<String>,
    /// What its issuer calls it.
    pub label: String,
    /// Whom it was issued to.
    pub owner: String,
    /// What kind of license it is.
    pub kind: String,
    /// The issuer's own id.
    pub issue: String,
    /// When it was issued.
    pub created: String,
    /// When it begins to count.
    pub starts: String,
    /// When it ends; null for perpetual ones.
    pub expires: Option<String>,
    /// When it was installed; null for a dry run.
    pub installed: Option<String>,
    /// What it entitles to.
    pub terms: Vec<Term>,
}

/// One thing that a license entitles to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Term {
    /// Metered volume a day.
    Volume {
        /// The group.
        group: String,
        /// The stack that it adds to.
        stack: String,
        /// Bytes a day.
        quota_bytes: u64,
        /// How many warnings within the window make a violation.
        max_violations: u32,
        /// The window in days.
        window_days: u32,
        /// Features.
        features: Vec<String>,
        /// Allowed sourcetypes; empty: all.
        sourcetypes: Vec<String>,
    },
    /// Floating seats.
    Seats {
        /// The seat type that it adds to.
        seats: String,
        /// What the type is.
        description: String,
        /// How many seats.
        count: u64,
        /// How many workers they share.
        workers: u64,
        /// Whether a checkout may say how many workers it wants.
        can_choose_workers: bool,
        /// Whether its use is audited.
        audited: bool,
        /// From how many bytes on, if it is.
        audit_threshold_bytes: u64,
    },
    /// People who may have an account.
    Accounts {
        /// How many.
        accounts: u64,
        /// How many more before the limit holds.
        soft_accounts: u64,
        /// Whether people are shut out when the license ends.
        hard_expiration: bool,
        /// Whether it can never be added again once it was removed.
        hard_delete: bool,
        /// What whoever logs in is told.
        notice: String,
        /// What whoever logs in is told when the license has ended.
        notice_on_expire: String,
    },
    /// What is limited of a seat type beside seats and workers.
    Limits {
        /// The seat type.
        limits_of: String,
        /// Most users that hold a seat or wait for one at once.
        users: Option<u64>,
        /// Most legal holds at once.
        legal_holds: Option<u64>,
    },
    /// How much there may be of something that slaves report as a gauge.
    Level {
        /// The gauge.
        level: String,
        /// How much, summed over the slaves that are not silent; null: without a limit.
        limit: Option<u64>,
    },
    /// Features that no stack shares out.
    Features {
        /// Their names.
        features: Vec<String>,
    },
    /// The only cluster that may install it.
    Cluster {
        /// Its name.
        cluster: String,
    },
    /// Its place among the issues of one license.
    Issue {
        /// The license.
        series: String,
        /// A higher one supersedes those below it.
        number: u64,
    },
}

/// A license group.
#[derive(Debug, Serialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whether it is the active one.
    pub active: bool,
    /// Its stacks.
    pub stacks: Vec<String>,
}

/// A stack.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stack {
    /// Its id.
    pub id: String,
    /// Its group.
    pub group: String,
    /// Whether its group is the active one.
    pub active: bool,
    /// The label of its first license.
    pub label: String,
    /// The kind of its licenses.
    pub kind: String,
    /// What its licenses add up to, a day.
    pub quota_bytes: u64,
    /// What was used today.
    pub used_bytes: u64,
    /// How many warnings within the window make a violation.
    pub max_violations: u32,
    /// The window in days.
    pub window_days: u32,
    /// Features.
    pub features: Vec<String>,
    /// Allowed sourcetypes; null: all.
    pub sourcetypes: Option<Vec<String>>,
    /// Its pools.
    pub pools: Vec<String>,
    /// Ids of its licenses that count.
    pub licenses: Vec<String>,
}
