//! The cluster's own certificate authority. Its key is the operator's: it is written to the operator's directory only.

use std::path::Path;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::certificate::{PeerName, SUFFIX, common_name};
use super::files::{make_private_dir, read, write_new};
use super::{IdentityError, Secret};

/// How long the authority is good: a cluster outlives people's memory of how it was made.
const AUTHORITY_DAYS: i64 = 20 * 365;
/// How long a certificate is good: the longest that every common client accepts for a server's.
const CERTIFICATE_DAYS: i64 = 825;
/// Certificates are good from a little before they are made, for clocks that are behind.
const BACKDATED_DAYS: i64 = 1;
/// What the authority's common name begins with; the cluster's id follows.
const AUTHORITY_NAME: &str = "Quartermaster cluster ";

/// The authority's certificate in the operator's directory.
const CA_FILE: &str = "ca.pem";
/// The authority's key in the operator's directory.
const CA_KEY_FILE: &str = "ca-key.pem";

/// A certificate and its private key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: Secret,
}

/// The authority, with its key.
pub struct ClusterCa {
    cluster: String,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl ClusterCa {
    /// A new authority for the cluster `cluster`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn create(cluster: &str) -> Result<Self, IdentityError> {
        let key = new_key()?;
        let mut params = params(format!("{AUTHORITY_NAME}{cluster}"), AUTHORITY_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(|error| IdentityError::unusable("authority", error))?.pem();
        Ok(Self { cluster: cluster.to_owned(), certificate, issuer: Issuer::new(params, key) })
    }

    /// Writes the authority into the operator's directory, which is made if it is missing.
    ///
    /// # Errors
    /// When there is one already, or the files cannot be written.
    pub fn write(&self, operator_dir: &Path) -> Result<(), IdentityError> {
        make_private_dir(operator_dir)?;
        write_new(&operator_dir.join(CA_KEY_FILE), &self.issuer.key().serialize_pem())?;
        write_new(&operator_dir.join(CA_FILE), &self.certificate)
    }

    /// The authority that lies in the operator's directory.
    ///
    /// # Errors
    /// When the files cannot be read or are not what they should be.
    pub fn load(operator_dir: &Path) -> Result<Self, IdentityError> {
        let certificate = read(&operator_dir.join(CA_FILE))?;
        let key = KeyPair::from_pem(&read(&operator_dir.join(CA_KEY_FILE))?)
            .map_err(|error| IdentityError::unusable("authority's key", error))?;
        let name = common_name(&certificate)?;
        let cluster = name
            .strip_prefix(AUTHORITY_NAME)
            .ok_or_else(|| IdentityError::unusable("authority", "its certificate names no cluster"))?
            .to_owned();
        let issuer =
            Issuer::from_ca_cert_pem(&certificate, key).map_err(|error| IdentityError::unusable("authority", error))?;
        Ok(Self { cluster, certificate, issuer })
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The authority's certificate, as PEM: what clients and nodes trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate with which `node` speaks to its peers, as server and as client. It is good for nothing else.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn issue_node(&self, node: u64) -> Result<Certified, IdentityError> {
        let name = PeerName { cluster: self.cluster.clone(), node }.dns();
        self.issue(
            &name,
            vec![name.clone()],
            &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        )
    }

    /// A certificate for `node`'s API, which clients reach under `hosts` (DNS names or IP addresses). It does not pass
    /// for a peer's.
    ///
    /// # Errors
    /// When `hosts` is empty, or one is no host or looks like a node's name.
    pub fn issue_api(&self, node: u64, hosts: &[String]) -> Result<Certified, IdentityError> {
        if hosts.is_empty() {
            return Err(IdentityError::unusable("API certificate", "it needs at least one host"));
        }
        if let Some(host) = hosts.iter().find(|host| is_reserved(host)) {
            return Err(IdentityError::Host(host.clone()));
        }
        let name = format!("Quartermaster API of node {node}");
        self.issue(&name, hosts.to_vec(), &[ExtendedKeyUsagePurpose::ServerAuth])
    }

    fn issue(
        &self,
        name: &str,
        hosts: Vec<String>,
        uses: &[ExtendedKeyUsagePurpose],
    ) -> Result<Certified, IdentityError> {
        let key = new_key()?;
        let mut params = params(name.to_owned(), CERTIFICATE_DAYS);
        params.subject_alt_names = CertificateParams::new(hosts.clone())
            .map_err(|_no_host| IdentityError::Host(hosts.join(", ")))?
            .subject_alt_names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = uses.to_vec();
        let certificate =
            params.signed_by(&key, &self.issuer).map_err(|error| IdentityError::unusable("certificate", error))?.pem();
        Ok(Certified { certificate, key: Secret::new(key.serialize_pem()) })
    }
}

fn is_reserved(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.is_empty() || host == SUFFIX || host.ends_with(&format!(".{SUFFIX}"))
}

/// ECDSA on P-256: what every client of the API knows.
fn new_key() -> Result<KeyPair, IdentityError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| IdentityError::unusable("key", error))
}

fn params(name: String, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    let today = Utc::now();
    let (year, month, day) = date(today - TimeDelta::days(BACKDATED_DAYS));
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = date(today + TimeDelta::days(days));
    params.not_after = date_time_ymd(year, month, day);
    params
}

fn date(day: DateTime<Utc>) -> (i32, u8, u8) {
    let month = u8::try_from(day.month()).expect("months end at 12");
    let date = u8::try_from(day.day()).expect("days of a month end at 31");
    (day.year(), month, date)
}
