//! etcd's own protocol, as far as the comparison needs it: gRPC calls over HTTP/2, one connection each. It shows that
//! etcd's JSON gateway is not what holds it back.

use super::message::{guid, report};
use super::{BenchError, Plan, Work};

/// One connection.
pub(super) struct Caller {
    client: reqwest::Client,
    url: String,
}

impl Caller {
    pub(super) fn new(plan: &Plan) -> Result<Caller, BenchError> {
        // one provider for the whole process (decision 5); a second call finds it installed, and that is fine
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().tcp_nodelay(true).build();
        let client = client.map_err(|error| BenchError::because("no HTTP/2 client", error))?;
        Ok(Caller { client, url: format!("{}{}", plan.url.trim_end_matches('/'), plan.work.target().1) })
    }

    /// One call: 200 when a message came back, else what gRPC said.
    pub(super) async fn call(&self, message: Vec<u8>) -> Result<(u16, Vec<u8>), BenchError> {
        let failed = |error: reqwest::Error| BenchError::because("gRPC", error);
        let request = self.client.post(&self.url).header("content-type", "application/grpc").header("te", "trailers");
        let answer = request.body(message).send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let said = answer.headers().get("grpc-message").map(|said| said.as_bytes().to_vec());
        let body = answer.bytes().await.map_err(failed)?;
        if body.is_empty() { Ok((500, said.unwrap_or_default())) } else { Ok((status, body.to_vec())) }
    }
}

/// A request message behind gRPC's five bytes.
pub(super) fn message(work: Work, run: u32, slave: u64, sequence: u64) -> Vec<u8> {
    let mut message = Vec::new();
    field(&mut message, 1, guid(run, slave).as_bytes());
    if work == Work::NativePut {
        let mut value = String::new();
        report(&mut value, run, slave, sequence);
        field(&mut message, 2, value.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

/// A field of bytes as protocol buffers write it.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap_or_default());
    message.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_framed_and_a_long_field_has_a_long_length() {
        let range = message(Work::NativeRange, 1, 2, 3);
        assert_eq!(range[..7], [0, 0, 0, 0, 38, 0x0a, 36]);
        let mut long = Vec::new();
        field(&mut long, 2, &[7; 300]);
        assert_eq!(long[..3], [0x12, 0xac, 0x02]);
    }
}
