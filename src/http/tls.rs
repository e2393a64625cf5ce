//! TLS for clients: one certificate, exchangeable while the node runs.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use ::metrics::gauge;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::metrics;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    /// A file cannot be read as PEM.
    #[error("{file}: {what}")]
    File {
        /// Which.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// Certificate and key do not make a server.
    #[error("certificate and key: {0}")]
    Pair(#[from] rustls::Error),
}

/// What clients are greeted with.
#[derive(Clone)]
pub struct Tls {
    config: Arc<RwLock<Arc<rustls::ServerConfig>>>,
}

impl Tls {
    /// Reads a certificate chain and its key.
    ///
    /// # Errors
    /// When a file is missing or not what it should be.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsProblem> {
        Ok(Tls { config: Arc::new(RwLock::new(config(certificate, key)?)) })
    }

    /// Reads the files again; connections that come from now on meet the new certificate.
    ///
    /// # Errors
    /// When a file is missing or not what it should be; the old certificate stays.
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), TlsProblem> {
        let fresh = config(certificate, key)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner).clone();
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, TlsProblem> {
    let problem = |path: &Path, what: String| TlsProblem::File { file: path.display().to_string(), what };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| problem(certificate, error.to_string()))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| problem(key, error.to_string()))?;
    if let Some(expires) = chain.first().and_then(expiry) {
        gauge!(metrics::TLS_EXPIRY, "use" => "server").set(metrics::value(expires));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}
