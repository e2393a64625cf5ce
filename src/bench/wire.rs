//! HTTP/1.1 on one kept-alive connection: prepared bytes out, status and body in. Just enough for servers that answer
//! with a length or in chunks.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{BenchError, Plan};

/// Longest answer that is taken.
const ANSWER_BYTES: usize = 16 << 20;

/// The header that says how long a body is.
const LENGTH: &[u8] = b"content-length:";

trait Channel: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Channel for T {}

/// One connection.
pub(super) struct Connection {
    channel: Box<dyn Channel>,
    buffer: Vec<u8>,
    body: Vec<u8>,
}

/// Host and port of an `http://` or `https://` address.
pub(super) fn authority(url: &str) -> Result<(bool, &str), BenchError> {
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err(BenchError(format!("{url:?} is no http:// or https:// address"))),
    };
    Ok((tls, rest.trim_end_matches('/')))
}

impl Connection {
    pub(super) async fn open(plan: &Plan) -> Result<Connection, BenchError> {
        let (tls, address) = authority(&plan.url)?;
        let broken = |error: std::io::Error| BenchError::because(address, error);
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let channel: Box<dyn Channel> = if tls {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let name = ServerName::try_from(host.to_owned()).map_err(|error| BenchError::because(host, error))?;
            Box::new(connector(plan)?.connect(name, stream).await.map_err(broken)?)
        } else {
            Box::new(stream)
        };
        Ok(Connection { channel, buffer: Vec::with_capacity(16 << 10), body: Vec::new() })
    }

    /// One request, and the answer to it.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, &[u8])> {
        self.channel.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let (status, length) = head_of(&self.buffer[..head])?;
        self.body.clear();
        match length {
            Some(length) => {
                while self.buffer.len() < head + length {
                    self.more().await?;
                }
                Ok((status, &self.buffer[head..head + length]))
            }
            None => {
                self.chunks(head).await?;
                Ok((status, &self.body))
            }
        }
    }

    async fn more(&mut self) -> std::io::Result<()> {
        if self.buffer.len() > ANSWER_BYTES {
            return Err(std::io::Error::other("the answer is too long"));
        }
        match self.channel.read_buf(&mut self.buffer).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn chunks(&mut self, mut at: usize) -> std::io::Result<()> {
        loop {
            let line = loop {
                if let Some(end) = find(&self.buffer[at..], b"\r\n") {
                    break end;
                }
                self.more().await?;
            };
            let size = std::str::from_utf8(&self.buffer[at..at + line]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| std::io::Error::other("a chunk without a size"))?;
            let begin = at + line + 2;
            while self.buffer.len() < begin + size + 2 {
                self.more().await?;
            }
            self.body.extend_from_slice(&self.buffer[begin..begin + size]);
            at = begin + size + 2;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

/// Where `wanted` begins.
pub(super) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

/// The status, and the body's length; no length means chunks.
fn head_of(head: &[u8]) -> std::io::Result<(u16, Option<usize>)> {
    let bad = || std::io::Error::other("the answer is no HTTP/1.1");
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<usize>().ok();
    let status = head.get(9..12).and_then(number).and_then(|status| u16::try_from(status).ok()).ok_or_else(bad)?;
    let mut length = if status == 204 { Some(0) } else { None };
    for end in memchr::memchr_iter(b'\n', head) {
        if let Some((name, rest)) = head[end + 1..].split_at_checked(LENGTH.len())
            && name.eq_ignore_ascii_case(LENGTH)
        {
            let value = rest.split(|byte| *byte == b'\r').next();
            length = Some(value.and_then(number).ok_or_else(bad)?);
        }
    }
    Ok((status, length))
}

fn connector(plan: &Plan) -> Result<tokio_rustls::TlsConnector, BenchError> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = plan.ca_pem.as_deref().ok_or_else(|| BenchError("an https:// address needs --ca".to_owned()))?;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| BenchError::because("the CA file", error))?;
        roots.add(certificate).map_err(|error| BenchError::because("the CA file", error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BenchError::because("TLS", error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_rustls::TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_status_and_length() {
        let (status, length) = head_of(b"HTTP/1.1 200 OK\r\ncontent-Length: 12\r\n\r\n").expect("a head");
        assert_eq!((status, length), (200, Some(12)));
        let (status, length) = head_of(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n").expect("a head");
        assert_eq!((status, length), (503, None));
        assert!(head_of(b"SSH-2.0-x\r\n\r\n").is_err());
        assert_eq!(authority("https://[::1]:8089/").expect("an address"), (true, "[::1]:8089"));
        assert!(authority("127.0.0.1:8089").is_err());
    }
}
