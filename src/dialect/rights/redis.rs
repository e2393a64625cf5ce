//! Redis Enterprise: permissions of seed 003, and the roles that its permissions page gives them to.

use super::{Vocabulary, word};
use crate::domain::user::Right::{InstallLicenses, ManageCluster, ManageUsers, View};

pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    dialect: "redis",
    privileges: &[word("view_license", &[View]), word("install_new_license", &[InstallLicenses])],
    roles: &[
        word("admin", &[View, InstallLicenses, ManageUsers, ManageCluster]),
        word("cluster_member", &[View]),
        word("cluster_viewer", &[View]),
        word("db_member", &[View]),
        word("db_viewer", &[View]),
        word("user_manager", &[View, InstallLicenses, ManageUsers]),
    ],
};
