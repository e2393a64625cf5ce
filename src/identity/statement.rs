//! Statements that a node signs with its own key: whoever has the authority's certificate can check them, without the
//! cluster. There is no other key in a cluster: issuers' keys stay with their issuers.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};

use super::certificate::{PeerName, first_certificate, peer_of, public_key};
use super::{IdentityError, NodeIdentity};

/// A node's key, for signing only.
pub struct Signer {
    key: EcdsaKeyPair,
    certificate: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// The signer of a node: by the key that its peers know it by.
    ///
    /// # Errors
    /// When the key is not the ECDSA P-256 key that identities are made with.
    pub fn of(identity: &NodeIdentity) -> Result<Signer, IdentityError> {
        let unusable = |error: &dyn std::fmt::Display| IdentityError::unusable("node's key", error);
        let key = PrivateKeyDer::from_pem_slice(identity.node.key.reveal().as_bytes()).map_err(|e| unusable(&e))?;
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_der());
        Ok(Signer { key: key.map_err(|e| unusable(&e))?, certificate: identity.node.certificate.clone() })
    }

    /// Signs these bytes.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn sign(&self, statement: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let signature = self.key.sign(&SystemRandom::new(), statement);
        Ok(signature.map_err(|error| IdentityError::unusable("node's key", error))?.as_ref().to_vec())
    }

    /// The certificate that goes with its signatures, as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

/// Checks that a node of the authority's cluster signed these bytes, with a certificate that was good at that moment
/// (seconds since 1970): which node it was.
///
/// # Errors
/// When the certificate is none of the authority's, was not good then, or did not sign these bytes.
pub fn check(
    authority: &str,
    certificate: &str,
    statement: &[u8],
    signature: &[u8],
    at: u64,
) -> Result<PeerName, IdentityError> {
    let unusable = |error: &dyn std::fmt::Display| IdentityError::unusable("certificate", error);
    let node = first_certificate(certificate)?;
    let name = peer_of(&node)?;
    let mut roots = RootCertStore::empty();
    roots.add(first_certificate(authority)?).map_err(|error| IdentityError::unusable("authority", error))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider::default_provider()))
        .build()
        .map_err(|error| IdentityError::unusable("authority", error))?;
    let dns = ServerName::try_from(name.dns()).map_err(|error| unusable(&error))?;
    let then = UnixTime::since_unix_epoch(Duration::from_secs(at));
    verifier.verify_server_cert(&node, &[], &dns, &[], then).map_err(|error| unusable(&error))?;
    let key = public_key(&node)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(statement, signature)
        .map_err(|_unspecified| IdentityError::unusable("signature", "the node did not sign these bytes"))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::super::{ClusterCa, NodeIdentity};
    use super::*;

    fn node(ca: &ClusterCa) -> NodeIdentity {
        NodeIdentity {
            ca: ca.certificate().to_owned(),
            node: ca.issue_node(3).expect("a node's certificate"),
            api: ca.issue_api(3, &["localhost".to_owned()]).expect("an API certificate"),
        }
    }

    #[test]
    fn a_statement_is_checked_with_the_authority_s_certificate_alone() {
        let ca = ClusterCa::create("c-1").expect("an authority");
        let signer = Signer::of(&node(&ca)).expect("a signer");
        let now = u64::try_from(chrono::Utc::now().timestamp()).expect("after 1970");
        let signature = signer.sign(b"seat 7 until noon").expect("a signature");
        let check = |authority: &str, statement: &[u8], signature: &[u8], at| {
            check(authority, signer.certificate(), statement, signature, at)
        };
        let name = check(ca.certificate(), b"seat 7 until noon", &signature, now).expect("a good statement");
        assert_eq!((name.cluster.as_str(), name.node), ("c-1", 3));
        assert!(check(ca.certificate(), b"seat 7 until midnight", &signature, now).is_err());
        assert!(check(ca.certificate(), b"seat 7 until noon", &signature[1..], now).is_err());
        assert!(check(ca.certificate(), b"seat 7 until noon", &signature, 0).is_err(), "not good in 1970");
        let other = ClusterCa::create("c-1").expect("another authority of the same name");
        assert!(check(other.certificate(), b"seat 7 until noon", &signature, now).is_err());
    }

    #[test]
    fn an_api_certificate_signs_no_statements() {
        let ca = ClusterCa::create("c-1").expect("an authority");
        let mut mixed = node(&ca);
        mixed.node = mixed.api.clone();
        let signer = Signer::of(&mixed).expect("a signer");
        let signature = signer.sign(b"seat").expect("a signature");
        let now = u64::try_from(chrono::Utc::now().timestamp()).expect("after 1970");
        assert!(check(ca.certificate(), signer.certificate(), b"seat", &signature, now).is_err());
    }
}
