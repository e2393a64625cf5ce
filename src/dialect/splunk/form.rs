//! Forms into commands: `50MB`, `MAX`, `*`, lists of GUIDs end here; what goes into the log knows none of them.

use super::args::{Args, shown, wrong};
use crate::dialect::trouble::Trouble;
use crate::domain::name::SlaveId;
use crate::domain::pool::{CreatePool, EditPool, Members, Quota};
use crate::signing::quantity;

/// What creates a pool (seed 002, POST licenser/pools). Without `slaves` it is a pool for nobody yet.
pub(super) fn new_pool(args: &Args) -> Result<CreatePool, Trouble> {
    let text = |name| args.one(name).map(Option::unwrap_or_default);
    Ok(CreatePool {
        pool: text("name")?.into(),
        stack: text("stack_id")?.to_lowercase().into(),
        quota: quota(text("quota")?)?,
        members: args.either("slaves", "peers")?.map(members).unwrap_or_default(),
        description: text("description")?.into(),
    })
}

/// What changes a pool (seed 002, POST licenser/pools/{name}).
pub(super) fn pool_changes(name: &str, args: &Args) -> Result<EditPool, Trouble> {
    let append = match (args.flag("append_slaves")?, args.flag("append_peers")?) {
        (Some(one), Some(other)) if one != other => {
            return Err(wrong(
                "\"append_slaves\" and \"append_peers\" are two names of one argument: give one of them.",
            ));
        }
        (one, other) => one.or(other).unwrap_or(false),
    };
    Ok(EditPool {
        pool: name.into(),
        quota: args.one("quota")?.map(quota).transpose()?,
        members: args.either("slaves", "peers")?.map(members),
        append,
        description: args.one("description")?.map(Into::into),
    })
}

/// `MAX`, bytes, or bytes with a unit of base 2, all in any case (dialect note, 1.16).
fn quota(text: &str) -> Result<Quota, Trouble> {
    if text.trim().eq_ignore_ascii_case("max") {
        return Ok(Quota::Max);
    }
    quantity::bytes(text).map(Quota::Bytes).map_err(|_why| {
        wrong(format!("quota is MAX or a number of bytes such as 52428800, 50MB or 10GB, not \"{}\".", shown(text)))
    })
}

/// GUIDs between commas; `*` is everybody.
fn members(text: &str) -> Members {
    let words = || text.split(',').map(str::trim).filter(|word| !word.is_empty());
    Members {
        all: words().any(|word| word == "*"),
        named: words().filter(|word| *word != "*").map(SlaveId::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_as_people_write_them() {
        assert_eq!(quota("50MB").ok(), Some(Quota::Bytes(52_428_800)));
        assert_eq!(quota("10mb").ok(), Some(Quota::Bytes(10 << 20)));
        assert_eq!(quota("552428800").ok(), Some(Quota::Bytes(552_428_800)));
        assert_eq!(quota("max").ok(), Some(Quota::Max));
        for text in ["", "50 bananas", "-1", "1.5GB", "99999999999999999999"] {
            assert!(quota(text).is_err(), "{text}");
        }
    }

    #[test]
    fn members_are_everybody_some_or_nobody() {
        assert_eq!(members(""), Members::default());
        assert_eq!(members("*"), Members { all: true, ..Members::default() });
        assert_eq!(members(" a , b,,a").named.iter().map(|id| &**id).collect::<Vec<_>>(), ["a", "b"]);
    }
}
