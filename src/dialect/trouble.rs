//! Everything that may keep a request from its answer: the only error type that a dialect sees, worded by each in its
//! own shape.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::access::Denied;
use crate::domain::refusal::Refusal;
use crate::replica::Unavailable;
use crate::signing::LicenseProblem;

/// A request that cannot be understood. Never reaches the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// No route has this path.
    UnknownPath,
    /// The path is known, the method is not.
    WrongMethod {
        /// The methods that the path knows, as `Allow` writes them.
        allow: String,
    },
    /// Path or query are not UTF-8.
    NotUtf8,
    /// A query parameter is not what it should be.
    BadQuery {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A header is not what it should be.
    BadHeader {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        what: String,
    },
    /// The body is not what it should be.
    BadBody {
        /// What is wrong, and where.
        what: String,
    },
    /// The body nests too deep.
    TooDeep {
        /// How deep it may.
        limit: usize,
    },
    /// The body is too large.
    TooLarge {
        /// How large it may be.
        limit_bytes: usize,
    },
    /// The body did not come in time.
    TooSlow,
    /// The sender gave up in the middle of the body.
    CutOff {
        /// What the connection said.
        what: String,
    },
    /// The body is compressed.
    Compressed,
    /// The content type is one that this route cannot read.
    WrongType {
        /// What it reads.
        wants: &'static str,
    },
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be understood.
    Malformed(Malformed),
    /// Who asks may not.
    Denied(Denied),
    /// A rule said no.
    Refused(Refusal),
    /// This node's no.
    Unavailable(Unavailable),
    /// What is asked for is not there.
    NotFound {
        /// What: `pool`, `slave`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A license document that is not taken.
    License(LicenseProblem),
    /// The answer did not come in time; for a write it is unknown whether it happened.
    TooLate {
        /// Whether the request might have changed something.
        write: bool,
    },
}

impl From<Malformed> for Trouble {
    fn from(malformed: Malformed) -> Trouble {
        Trouble::Malformed(malformed)
    }
}

impl From<Denied> for Trouble {
    fn from(denied: Denied) -> Trouble {
        Trouble::Denied(denied)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::Refused(refusal)
    }
}

impl From<LicenseProblem> for Trouble {
    fn from(problem: LicenseProblem) -> Trouble {
        Trouble::License(problem)
    }
}

impl From<Unavailable> for Trouble {
    fn from(unavailable: Unavailable) -> Trouble {
        Trouble::Unavailable(unavailable)
    }
}
