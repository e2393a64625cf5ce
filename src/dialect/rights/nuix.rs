//! Nuix: no public list of permissions, so that the operations of its service stand for them.

use super::{Vocabulary, word};
use crate::domain::user::Right::{ManageSeats, TakeSeats};

pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    dialect: "nuix",
    privileges: &[word("authenticatedUsers/login", &[TakeSeats]), word("release of others' sessions", &[ManageSeats])],
    roles: &[],
};
