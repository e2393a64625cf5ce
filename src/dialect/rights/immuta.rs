//! Immuta: permissions. Its documentation asks for `APPLICATION_ADMIN` on every path under `/admin/license`; who may only
//! look at licenses in our other languages may look at them there, too.

use super::{Vocabulary, word};
use crate::domain::user::Right::{InstallLicenses, ManageUsers, ReadJournal};

pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    dialect: "immuta",
    privileges: &[
        word("APPLICATION_ADMIN", &[InstallLicenses]),
        word("USER_ADMIN", &[ManageUsers]),
        word("AUDIT", &[ReadJournal]),
    ],
    roles: &[],
};
