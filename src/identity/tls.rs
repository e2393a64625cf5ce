//! TLS, with one crypto provider named explicitly: peers prove who they are to each other, clients of the API only see
//! the server's certificate.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use super::certificate::first_certificate;
use super::{Certified, IdentityError, NodeIdentity};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// For connections from peers: TLS 1.3, and the peer shows a certificate of the cluster's authority.
///
/// # Errors
/// When the identity's keys or certificates are not usable.
pub fn peer_server(identity: &NodeIdentity) -> Result<Arc<ServerConfig>, IdentityError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&identity.ca)?), provider())
        .build()
        .map_err(|error| IdentityError::unusable("authority", error))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| IdentityError::unusable("TLS", error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(&identity.node)?, key(&identity.node)?)
        .map_err(|error| IdentityError::unusable("node certificate", error))?;
    // Every connection proves who is there: none is resumed from an earlier proof.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// For connections to peers: TLS 1.3, this node shows its certificate, and the peer's must carry the peer's name.
///
/// # Errors
/// When the identity's keys or certificates are not usable.
pub fn peer_client(identity: &NodeIdentity) -> Result<Arc<ClientConfig>, IdentityError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| IdentityError::unusable("TLS", error))?
        .with_root_certificates(roots(&identity.ca)?)
        .with_client_auth_cert(chain(&identity.node)?, key(&identity.node)?)
        .map_err(|error| IdentityError::unusable("node certificate", error))?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// For clients of the API: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, no client certificate.
///
/// # Errors
/// When the key or certificate is not usable.
pub fn api_server(api: &Certified) -> Result<Arc<ServerConfig>, IdentityError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| IdentityError::unusable("TLS", error))?
        .with_no_client_auth()
        .with_single_cert(chain(api)?, key(api)?)
        .map_err(|error| IdentityError::unusable("API certificate", error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(ca: &str) -> Result<RootCertStore, IdentityError> {
    let mut roots = RootCertStore::empty();
    roots.add(first_certificate(ca)?).map_err(|error| IdentityError::unusable("authority", error))?;
    Ok(roots)
}

fn chain(certified: &Certified) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    CertificateDer::pem_slice_iter(certified.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| IdentityError::unusable("certificate", error))
}

fn key(certified: &Certified) -> Result<PrivateKeyDer<'static>, IdentityError> {
    PrivateKeyDer::from_pem_slice(certified.key.reveal().as_bytes())
        .map_err(|error| IdentityError::unusable("private key", error))
}
