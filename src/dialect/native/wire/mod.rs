//! Bodies of `/api/v1`, field for field; serde only. Integers stay integers, moments are RFC 3339, unknown fields are
//! refused.

mod account;
mod cluster;
mod license;
mod pool;
mod seat;
mod usage;

pub use account::*;
pub use cluster::*;
pub use license::*;
pub use pool::*;
pub use seat::*;
pub use usage::*;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;

use crate::codec;
use crate::dialect::trouble::Malformed;
use crate::domain::name::Name;
use crate::domain::time::{Moment, NEVER};

/// A body as JSON.
///
/// # Errors
/// When it is no JSON, nests too deep, or is not what the route takes.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    crate::dialect::request::check_depth(body)?;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii_start().starts_with(b"[") {
        // serde would take a list of values for an object whose fields may all be absent
        return Err(Malformed::BadBody { what: "a JSON object is required, not an array".to_owned() });
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Eof if body.is_empty() => "a JSON body is required".to_owned(),
            _ => error.to_string(),
        };
        Malformed::BadBody { what }
    })
}

/// A moment as RFC 3339 with milliseconds; `None` for never.
#[must_use]
pub fn time(moment: Moment) -> Option<String> {
    if moment == NEVER {
        return None;
    }
    let ms = i64::try_from(moment.0).ok()?;
    DateTime::<Utc>::from_timestamp_millis(ms).map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// A moment that must be there: never reads as the end of all days.
#[must_use]
pub fn stamp(moment: Moment) -> String {
    time(moment).unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

/// RFC 3339 with any offset into a moment. What lies before 1970 is 1970.
///
/// # Errors
/// When it is no RFC 3339.
pub fn moment(text: &str) -> Result<Moment, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|error| format!("{error}: {text:?} is no RFC 3339 time"))?;
    Ok(Moment(u64::try_from(time.timestamp_millis()).unwrap_or(0)))
}

/// Text that goes straight into a shared name: mostly one that an earlier request brought along.
#[derive(Debug, Clone, Default)]
pub struct Word(pub Name);

impl<'de> serde::Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Word;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(codec::shared::shared(text)))
            }
        }
        from.deserialize_str(Text)
    }
}

/// An absent field stays, `null` clears.
///
/// # Errors
/// When the value itself is wrong.
pub fn clearable<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    serde::Deserialize::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_any_offset_and_comes_back_in_utc() {
        assert_eq!(moment("2026-11-22T06:00:00+01:00").map(stamp), Ok("2026-11-22T05:00:00.000Z".into()));
        assert_eq!(moment("1969-01-01T00:00:00Z"), Ok(Moment(0)));
        assert!(moment("yesterday").is_err());
        assert_eq!(time(NEVER), None);
    }
}
