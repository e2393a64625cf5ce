//! Media types: the product's own, with the version that a client speaks, beside plain JSON. This is a server of version
//! 9, which speaks 9 and 8.

use hyper::header::{ACCEPT, CONTENT_TYPE};

use crate::dialect::request::Head;
use crate::dialect::trouble::Malformed;

/// What answers are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`
    Plain,
    /// The product's own, for clients of this version.
    Versioned(u8),
}

impl Media {
    /// As a header.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Media::Versioned(8) => "application/vnd.elasticsearch+json;compatible-with=8",
            Media::Versioned(_) => "application/vnd.elasticsearch+json;compatible-with=9",
            Media::Plain => "application/json",
        }
    }
}

/// One header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Nothing,
    Plain,
    Versioned(String),
    Other,
}

fn said(value: Option<&str>) -> Said {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { return Said::Nothing };
    let mut best = Said::Other;
    for one in value.split(',') {
        let mut parts = one.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        match kind.as_str() {
            "application/vnd.elasticsearch+json" => {
                let version = parts.find_map(|part| {
                    part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("compatible-with"))
                });
                return Said::Versioned(version.map_or("", |(_, version)| version.trim()).to_owned());
            }
            "application/json" | "*/*" | "application/*" => best = Said::Plain,
            _other => {}
        }
    }
    best
}

/// What the answer is written as, as far as it can be told; also for errors.
pub(super) fn answer(head: &Head) -> Media {
    let of = |said: Said| match said {
        Said::Versioned(version) => match version.as_str() {
            "8" => Some(Media::Versioned(8)),
            _other => Some(Media::Versioned(9)),
        },
        Said::Plain => Some(Media::Plain),
        Said::Nothing | Said::Other => None,
    };
    let accept = of(said(head.header(ACCEPT)));
    accept.or_else(|| of(said(head.header(CONTENT_TYPE)))).unwrap_or(Media::Plain)
}

/// Checks both headers; the content's type counts only when there is content.
pub(super) fn check(head: &Head, has_body: bool) -> Result<(), Malformed> {
    let (accept, content) = (said(head.header(ACCEPT)), said(head.header(CONTENT_TYPE)));
    known("Accept", &accept, head)?;
    if !has_body {
        return Ok(());
    }
    known("Content-Type", &content, head)?;
    if matches!(content, Said::Nothing | Said::Other) {
        return Err(Malformed::WrongType { wants: "application/json" });
    }
    match (&accept, &content) {
        (Said::Versioned(one), Said::Versioned(other)) if one == other => Ok(()),
        (Said::Versioned(_), _) | (_, Said::Versioned(_)) => {
            let what = format!(
                "A compatible version is required on both Content-Type and Accept headers if either one has requested a \
                 compatible version and the compatible versions must match. {}",
                both(head)
            );
            Err(Malformed::BadHeader { name: "Content-Type, Accept", what })
        }
        (Said::Nothing | Said::Plain | Said::Other, _) => Ok(()),
    }
}

fn known(name: &'static str, said: &Said, head: &Head) -> Result<(), Malformed> {
    let Said::Versioned(version) = said else { return Ok(()) };
    if matches!(version.as_str(), "8" | "9" | "") {
        return Ok(());
    }
    let version: String = version.chars().take(20).collect();
    let what = format!("{name} version must be either version 9 or 8, but found {version}. {}", both(head));
    Err(Malformed::BadHeader { name, what })
}

fn both(head: &Head) -> String {
    let shown = |value: Option<&str>| crate::dialect::shown(value.unwrap_or("null"));
    format!("Accept={}, Content-Type={}", shown(head.header(ACCEPT)), shown(head.header(CONTENT_TYPE)))
}
