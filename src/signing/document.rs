//! A license document of whatever format: what it is, who signed it, and what it says. One arm a format; the work is in
//! the format's own file.

use super::compact::Envelope;
use super::keys::PublicKey;
use super::{DOCUMENT_BYTES, LicenseProblem, elastic, immuta, native, nuix, redis, splunk};
use crate::domain::license::{Format, License};
use crate::domain::name::{Map, Name};
use crate::domain::trust::{Algorithm, TrustedKey};

/// A document taken apart, not believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// Our own armored text.
    Native(native::Envelope),
    /// Immuta's license key.
    Immuta(Envelope),
    /// Nuix' license.
    Nuix(Envelope),
    /// Splunk's XML.
    Splunk(Box<splunk::Envelope>),
    /// Elasticsearch's JSON.
    Elastic(Box<elastic::Envelope>),
    /// Redis Enterprise's text block.
    Redis(redis::Envelope),
}

/// Which key a document says it was signed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// The one of this id.
    Named(Name),
    /// It does not say: any trusted key of this kind may be the one.
    Any(Algorithm),
}

impl Signer {
    /// The key's id; a word for its kind when the document does not name it.
    #[must_use]
    pub fn id(&self) -> Name {
        match self {
            Signer::Named(id) => id.clone(),
            Signer::Any(Algorithm::Ed25519) => "ed25519".into(),
            Signer::Any(Algorithm::Rsa2048) => "rsa".into(),
        }
    }
}

impl Document {
    /// Takes a document apart; its first characters say which format it is.
    ///
    /// # Errors
    /// When it is too large, of no known format, or not laid out as its format asks.
    pub fn of(text: &str) -> Result<Document, LicenseProblem> {
        if text.len() > DOCUMENT_BYTES {
            let why = format!("{} bytes, at most {DOCUMENT_BYTES}", text.len());
            return Err(LicenseProblem::Unreadable(why));
        }
        let start = text.trim_start();
        if start.starts_with(native::BEGIN) {
            return native::Envelope::of(text).map(Document::Native);
        }
        if start.starts_with('<') {
            return splunk::Envelope::of(text).map(|envelope| Document::Splunk(Box::new(envelope)));
        }
        if let Some(envelope) = Envelope::of(immuta::NAME, text) {
            return envelope.map(Document::Immuta);
        }
        if let Some(envelope) = Envelope::of(nuix::NAME, text) {
            return envelope.map(Document::Nuix);
        }
        if start.starts_with(redis::BEGIN) {
            return redis::Envelope::of(text).map(Document::Redis);
        }
        if start.starts_with('{') {
            return elastic::one(text).map(|envelope| Document::Elastic(Box::new(envelope)));
        }
        Err(LicenseProblem::Unreadable("it begins like no license format that is known here".to_owned()))
    }

    /// Its format.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self {
            Document::Native(_) => Format::Native,
            Document::Immuta(_) => Format::Immuta,
            Document::Nuix(_) => Format::Nuix,
            Document::Splunk(_) => Format::Splunk,
            Document::Elastic(_) => Format::Elastic,
            Document::Redis(_) => Format::Redis,
        }
    }

    /// Which key it says it was signed by.
    #[must_use]
    pub fn signer(&self) -> Signer {
        match self {
            Document::Native(envelope) => Signer::Named(envelope.key.clone()),
            Document::Immuta(envelope) | Document::Nuix(envelope) => Signer::Named(envelope.key.clone()),
            Document::Splunk(envelope) => envelope.signer(),
            Document::Elastic(envelope) => envelope.signer(),
            Document::Redis(envelope) => envelope.signer(),
        }
    }

    /// Whether the key signed these very bytes.
    ///
    /// # Errors
    /// When it did not, or may not sign this format.
    pub fn verify(&self, key: &PublicKey) -> Result<(), LicenseProblem> {
        match self {
            Document::Native(envelope) => envelope.verify(key),
            Document::Immuta(envelope) | Document::Nuix(envelope) => envelope.verify(key),
            Document::Splunk(envelope) => envelope.verify(key),
            Document::Elastic(envelope) => envelope.verify(key),
            Document::Redis(envelope) => envelope.verify(key),
        }
    }

    /// The license that the signed bytes claim, believable only when `key` was found to have signed them.
    ///
    /// # Errors
    /// When the claims make no license.
    pub fn license(&self, key: &Name) -> Result<License, LicenseProblem> {
        match self {
            Document::Native(envelope) => envelope.license(key),
            Document::Immuta(envelope) => immuta::license(envelope, key),
            Document::Nuix(envelope) => nuix::license(envelope, key),
            Document::Splunk(envelope) => envelope.license(key),
            Document::Elastic(envelope) => envelope.license(key),
            Document::Redis(envelope) => envelope.license(key),
        }
    }

    /// The trusted key that signed it.
    ///
    /// # Errors
    /// When there is none, or it is trusted no more.
    pub fn signer_among<'k>(&self, trusted: &'k Map<Name, TrustedKey>) -> Result<&'k TrustedKey, LicenseProblem> {
        let signer = self.signer();
        let found = match &signer {
            Signer::Named(id) => trusted.get(id),
            Signer::Any(kind) => trusted
                .values()
                .filter(|key| key.algorithm == *kind)
                .find(|key| self.verify(&PublicKey::of(key)).is_ok()),
        };
        let key = found.ok_or_else(|| LicenseProblem::UnknownKey { key: signer.id() })?;
        if key.distrusted.is_some() {
            return Err(LicenseProblem::DistrustedKey { key: key.id.clone() });
        }
        self.verify(&PublicKey::of(key)).map(|()| key)
    }

    /// The license, after its signature was found good under one of the `trusted` keys.
    ///
    /// # Errors
    /// When no trusted key signed it, or its claims make no license.
    pub fn read(&self, trusted: &Map<Name, TrustedKey>) -> Result<License, LicenseProblem> {
        let key = self.signer_among(trusted)?;
        self.license(&key.id)
    }
}
