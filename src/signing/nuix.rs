//! Nuix' licenses: seats of one type with their workers, and what limits their use. Claims in the product's own words;
//! `expiry` is milliseconds since 1970, as the product answers it, or RFC 3339.

use serde_json::{Map, Value, json};

use super::claims::{ClaimsFile, Fields, bad, missing};
use super::compact::{self, Envelope};
use super::keys::SigningKey;
use super::native::rfc3339;
use super::{LicenseProblem, SignProblem};
use crate::domain::license::{Format, License, SeatGrant, Term};
use crate::domain::name::Name;
use crate::domain::seat::SEATS_PER_TERM;
use crate::domain::time::{Moment, NEVER};
use crate::domain::work::limits::SeatLimits;

/// The format's name, which every license begins with.
pub(super) const NAME: &str = "nuix";
/// Longest description, in characters.
const DESCRIPTION_CHARS: usize = 200;

/// The license that the signed bytes claim.
pub(super) fn license(envelope: &Envelope, key: &Name) -> Result<License, LicenseProblem> {
    let claims = Claims::of(envelope.claims()?)?;
    let product = claims.grant.product.clone();
    let mut terms = vec![Term::Seats(claims.grant.clone())];
    if claims.users.is_some() || claims.holds.is_some() {
        terms.push(Term::SeatLimits(SeatLimits { product: product.clone(), users: claims.users, holds: claims.holds }));
    }
    Ok(License {
        id: envelope.id(),
        format: Format::Nuix,
        key: Some(key.clone()),
        text: envelope.text.clone(),
        label: claims.grant.description.chars().take(DESCRIPTION_CHARS).collect::<String>().into(),
        owner: Name::default(),
        kind: product,
        issue: claims.id,
        created: claims.issued,
        starts: claims.issued,
        expires: claims.expiry,
        terms,
        installed: Moment(0),
        expired: false,
    })
}

/// Signs claims; those that say when and which are filled in when they are absent.
pub(super) fn sign(key: &SigningKey, file: ClaimsFile, now: Moment) -> Result<String, SignProblem> {
    let ClaimsFile(mut map) = file;
    map.entry("id").or_insert_with(|| Value::String(uuid::Uuid::new_v4().to_string()));
    map.entry("issued").or_insert_with(|| Value::String(rfc3339(now)));
    compact::sign(NAME, key, &Claims::of(map)?.payload())
}

/// The claims of this format, every one present.
struct Claims {
    id: Name,
    issued: Moment,
    expiry: Moment,
    grant: SeatGrant,
    users: Option<u64>,
    holds: Option<u64>,
}

impl Claims {
    fn of(map: Map<String, Value>) -> Result<Claims, LicenseProblem> {
        let expiry = map.get("expiry").and_then(Value::as_u64).map(Moment);
        let mut map = map;
        if expiry.is_some() {
            map.remove("expiry");
        }
        let mut fields = Fields::new(map);
        let id = fields.text("id")?.ok_or_else(|| missing("id"))?;
        let id = match uuid::Uuid::try_parse(&id) {
            Ok(uuid) => uuid.to_string().into(),
            Err(_) => return Err(bad("id", format!("`{}` is no UUID", id.escape_debug()))),
        };
        let product = fields.name("shortname")?.ok_or_else(|| missing("shortname"))?;
        let description = fields.text("description")?.unwrap_or_default();
        if description.chars().count() > DESCRIPTION_CHARS || description.chars().any(char::is_control) {
            return Err(bad("description", format!("at most {DESCRIPTION_CHARS} characters, none of them a control")));
        }
        let grant = SeatGrant {
            product,
            description: description.into(),
            count: fields.whole("count", SEATS_PER_TERM)?.ok_or_else(|| missing("count"))?,
            workers: fields.whole("workers", SEATS_PER_TERM)?.unwrap_or(0),
            can_choose_workers: fields.flag("canChooseWorkers")?.unwrap_or(true),
            audited: fields.flag("audited")?.unwrap_or(false),
            audit_threshold_bytes: fields.whole("auditThreshold", u64::MAX / 2)?.unwrap_or(0),
        };
        let claims = Claims {
            id,
            issued: fields.moment("issued")?.unwrap_or_default(),
            expiry: expiry.or(fields.moment("expiry")?).unwrap_or(NEVER),
            grant,
            users: fields.whole("concurrentUserLimit", SEATS_PER_TERM)?,
            holds: fields.whole("legalHoldHoldCountLimit", SEATS_PER_TERM)?,
        };
        fields.finish()?;
        if claims.expiry <= claims.issued {
            let (expiry, issued) = (rfc3339(claims.expiry), rfc3339(claims.issued));
            return Err(bad("expiry", format!("{expiry} is not after issued, {issued}")));
        }
        if claims.grant.count == 0 || claims.users == Some(0) {
            return Err(bad("count", "at least one seat, and one user, is needed"));
        }
        Ok(claims)
    }

    /// The bytes that are signed.
    fn payload(&self) -> String {
        let grant = &self.grant;
        let mut payload = json!({
            "id": self.id.as_ref(),
            "issued": rfc3339(self.issued),
            "shortname": grant.product.as_ref(),
            "description": grant.description.as_ref(),
            "count": grant.count,
            "workers": grant.workers,
            "canChooseWorkers": grant.can_choose_workers,
            "audited": grant.audited,
            "auditThreshold": grant.audit_threshold_bytes,
        });
        if self.expiry != NEVER {
            payload["expiry"] = Value::from(rfc3339(self.expiry));
        }
        for (name, limit) in [("concurrentUserLimit", self.users), ("legalHoldHoldCountLimit", self.holds)] {
            if let Some(limit) = limit {
                payload[name] = Value::from(limit);
            }
        }
        payload.to_string()
    }
}
