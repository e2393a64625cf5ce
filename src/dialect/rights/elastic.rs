//! Elasticsearch: cluster privileges, as the actions under `_license` ask for them, and built-in roles.

use super::{Vocabulary, word};
use crate::domain::user::Right::{InstallLicenses, ManageCluster, ManageUsers, ReadMetrics, View};

pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    dialect: "elastic",
    privileges: &[
        word("monitor", &[View]),
        word("manage", &[View, InstallLicenses]),
        word("manage_security", &[ManageUsers]),
        word("all", &[View, InstallLicenses, ManageUsers, ManageCluster]),
    ],
    roles: &[
        word("superuser", &[View, InstallLicenses, ManageUsers, ManageCluster]),
        word("monitoring_user", &[View]),
        word("remote_monitoring_collector", &[View, ReadMetrics]),
    ],
};
