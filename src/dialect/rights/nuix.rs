//! Nuix: no public list of permissions, so its operations stand for them.

use super::{Vocabulary, word};
use crate::domain::user::Right::View;

pub(super) const VOCABULARY: Vocabulary =
    Vocabulary { dialect: "nuix", privileges: &[word("licenses", &[View])], roles: &[] };
