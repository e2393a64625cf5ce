//! Splunk: the capabilities that its licenser endpoints and account pages ask for.

use super::{Vocabulary, word};
use crate::domain::user::Right::{EditPools, InstallLicenses, ManageCluster, ManageUsers, ReadJournal, View};

pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    dialect: "splunk",
    privileges: &[
        word("license_read", &[View]),
        word("license_view_warnings", &[View]),
        word("license_edit", &[EditPools, InstallLicenses]),
        word("list_settings", &[View]),
        word("edit_user", &[ManageUsers]),
        word("edit_roles", &[ManageUsers]),
        word("edit_tokens_all", &[ManageUsers]),
        word("edit_server", &[ManageCluster]),
    ],
    roles: &[
        word("admin", &[View, EditPools, InstallLicenses, ManageUsers, ManageCluster, ReadJournal]),
        word("power", &[View]),
        word("user", &[View]),
    ],
};
