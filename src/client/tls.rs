//! The connection pool under the client, and whose certificates it believes.

use std::sync::Arc;

use super::{CONNECT_TIMEOUT, ClientError};

/// A connection pool that believes the system's certificates, or only those in `ca_pem`.
pub(super) fn http_client(ca_pem: Option<&[u8]>) -> Result<reqwest::Client, ClientError> {
    // one provider for the whole process (decision 5); a second call finds it installed, and that is fine
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .user_agent(concat!("quartermaster/", env!("CARGO_PKG_VERSION")));
    if let Some(pem) = ca_pem {
        builder = builder.tls_backend_preconfigured(only_from(pem)?);
    }
    builder.build().map_err(|error| ClientError::Config(format!("no TLS client: {error}")))
}

/// A TLS configuration that believes the certificates of `pem` and no others.
fn only_from(pem: &[u8]) -> Result<rustls::ClientConfig, ClientError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let bad = |why: String| ClientError::Config(format!("the CA file is not usable: {why}"));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("it holds no certificate in PEM".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
