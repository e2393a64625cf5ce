//! What a certificate says: the peer that it names, and when it ends.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::IdentityError;

/// The last label of every node's name. It is no public domain; names under it are only given to nodes.
pub(super) const SUFFIX: &str = "quartermaster";

/// A node, as its certificate names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName {
    /// The cluster's id.
    pub cluster: String,
    /// The node's id.
    pub node: u64,
}

impl PeerName {
    /// The DNS name that stands for the node: `node-7.<cluster id>.quartermaster`.
    #[must_use]
    pub fn dns(&self) -> String {
        format!("node-{}.{}.{SUFFIX}", self.node, self.cluster)
    }

    fn parse(dns: &str) -> Option<Self> {
        let (node, rest) = dns.strip_prefix("node-")?.split_once('.')?;
        let cluster = rest.strip_suffix(SUFFIX)?.strip_suffix('.')?;
        let name = Self { cluster: cluster.to_owned(), node: node.parse().ok()? };
        // The one way of writing it: no leading zeros, no sign.
        (name.dns() == dns && !cluster.is_empty()).then_some(name)
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| IdentityError::unusable("certificate", error))?;
    Ok(certificate)
}

/// The node that a certificate (DER) names. That it is signed by the cluster's authority is for TLS to check.
///
/// # Errors
/// When it is no certificate, or does not name exactly one node.
pub fn peer_of(der: &[u8]) -> Result<PeerName, IdentityError> {
    let certificate = parse(der)?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| IdentityError::unusable("certificate", error))?
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let mut peers = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(dns) => PeerName::parse(dns),
        _ => None,
    });
    match (peers.next(), peers.next()) {
        (Some(peer), None) => Ok(peer),
        (None, _) => Err(IdentityError::unusable("certificate", "it names no node")),
        (Some(_), Some(_)) => Err(IdentityError::unusable("certificate", "it names several nodes")),
    }
}

/// The public key of a certificate (DER): for ECDSA an uncompressed point.
pub(super) fn public_key(der: &[u8]) -> Result<Vec<u8>, IdentityError> {
    Ok(parse(der)?.public_key().subject_public_key.data.to_vec())
}

/// When the first certificate in `pem` ends, in seconds since 1970.
///
/// # Errors
/// When there is none.
pub fn expires(pem: &str) -> Result<i64, IdentityError> {
    let der = first_certificate(pem)?;
    Ok(parse(&der)?.validity().not_after.timestamp())
}

/// The first certificate in `pem`.
pub(super) fn first_certificate(pem: &str) -> Result<CertificateDer<'static>, IdentityError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| IdentityError::unusable("certificate", error))
}

/// The common name of the subject of the first certificate in `pem`.
pub(super) fn common_name(pem: &str) -> Result<String, IdentityError> {
    let der = first_certificate(pem)?;
    let certificate = parse(&der)?;
    let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    name.map(str::to_owned).ok_or_else(|| IdentityError::unusable("certificate", "it has no common name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_way_of_writing_a_node_s_name_is_read() {
        let name = PeerName { cluster: "c-1".to_owned(), node: 7 };
        assert_eq!(PeerName::parse(&name.dns()), Some(name));
        for other in [
            "node-07.c-1.quartermaster",
            "node-+7.c-1.quartermaster",
            "node-7.quartermaster",
            "node-7..quartermaster",
            "node-7.c-1.quartermaster.",
            "node-7.c-1.example",
            "node-.c-1.quartermaster",
            "other.c-1.quartermaster",
        ] {
            assert_eq!(PeerName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        assert!(peer_of(&[]).is_err());
        assert!(peer_of(&[0x30, 0x82, 0xff, 0xff, 1, 2, 3]).is_err());
        assert!(expires("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    }
}
