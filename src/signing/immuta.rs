//! Immuta's license keys: seats for people, features, notices. Claims in the product's own words.

use serde_json::{Map, Value, json};

use super::claims::{ClaimsFile, Fields, bad, missing};
use super::compact::{self, Envelope};
use super::keys::SigningKey;
use super::native::rfc3339;
use super::{LicenseProblem, SignProblem};
use crate::domain::account_license::{AccountGrant, SEATS};
use crate::domain::license::{Format, License, Term};
use crate::domain::name::{self, Name};
use crate::domain::time::{Moment, NEVER};

/// The format's name, which every key begins with.
pub(super) const NAME: &str = "immuta";

/// The license that the signed bytes claim.
pub(super) fn license(envelope: &Envelope, key: &Name) -> Result<License, LicenseProblem> {
    let claims = Claims::of(envelope.claims()?)?;
    Ok(License {
        id: envelope.id(),
        format: Format::Immuta,
        key: Some(key.clone()),
        text: envelope.text.clone(),
        label: format!("{} seats", claims.grant.seats).into(),
        owner: Name::default(),
        kind: "accounts".into(),
        issue: claims.uuid,
        created: claims.created,
        starts: claims.created,
        expires: claims.expires,
        terms: vec![Term::Accounts(claims.grant)],
        installed: Moment(0),
        expired: false,
    })
}

/// Signs claims; those that say when and which are filled in when they are absent.
pub(super) fn sign(key: &SigningKey, file: ClaimsFile, now: Moment) -> Result<String, SignProblem> {
    let ClaimsFile(mut map) = file;
    map.entry("uuid").or_insert_with(|| Value::String(uuid::Uuid::new_v4().to_string()));
    map.entry("createdAt").or_insert_with(|| Value::String(rfc3339(now)));
    compact::sign(NAME, key, &Claims::of(map)?.payload())
}

/// The claims of this format, every one present.
struct Claims {
    uuid: Name,
    created: Moment,
    expires: Moment,
    grant: AccountGrant,
}

impl Claims {
    fn of(map: Map<String, Value>) -> Result<Claims, LicenseProblem> {
        let mut fields = Fields::new(map);
        let uuid = fields.text("uuid")?.ok_or_else(|| missing("uuid"))?;
        let uuid = match uuid::Uuid::try_parse(&uuid) {
            Ok(uuid) => uuid.to_string().into(),
            Err(_) => return Err(bad("uuid", format!("`{}` is no UUID", uuid.escape_debug()))),
        };
        let created = fields.moment("createdAt")?.unwrap_or_default();
        let expires = fields.moment("expires")?.unwrap_or(NEVER);
        let grant = AccountGrant {
            seats: fields.whole("seats", SEATS)?.ok_or_else(|| missing("seats"))?,
            soft_seats: fields.whole("softSeats", SEATS)?.unwrap_or(0),
            features: fields.switches("features")?,
            handlers: fields.switches("handlers")?,
            hard_expiration: fields.flag("hardExpiration")?.unwrap_or(false),
            hard_delete: fields.flag("hardDelete")?.unwrap_or(false),
            notice: fields.text("notice")?.unwrap_or_default().into(),
            notice_on_expire: fields.text("noticeOnExpire")?.unwrap_or_default().into(),
        };
        fields.finish()?;
        if expires <= created {
            return Err(bad("expires", format!("{} is not after createdAt, {}", rfc3339(expires), rfc3339(created))));
        }
        Ok(Claims { uuid, created, expires, grant })
    }

    /// The bytes that are signed.
    fn payload(&self) -> String {
        let grant = &self.grant;
        let mut payload = json!({
            "uuid": self.uuid.as_ref(),
            "createdAt": rfc3339(self.created),
            "seats": grant.seats,
            "softSeats": grant.soft_seats,
            "features": switches(&grant.features),
            "handlers": switches(&grant.handlers),
            "hardExpiration": grant.hard_expiration,
            "hardDelete": grant.hard_delete,
        });
        if self.expires != NEVER {
            payload["expires"] = Value::from(rfc3339(self.expires));
        }
        for (name, notice) in [("notice", &grant.notice), ("noticeOnExpire", &grant.notice_on_expire)] {
            if !notice.is_empty() {
                payload[name] = Value::from(notice.as_ref());
            }
        }
        payload.to_string()
    }
}

fn switches(map: &name::Map<Name, bool>) -> Map<String, Value> {
    map.iter().map(|(name, on)| (name.to_string(), json!({"enabled": on}))).collect()
}
