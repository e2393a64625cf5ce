//! Proofs that a seat is borrowed: signed by the answering node, checked without the cluster (docs/adr/0041).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Context;
use crate::domain::seat::Session;
use crate::domain::state::State;

/// What a proof's format is called.
pub const FORMAT: &str = "quartermaster-borrow-1";

/// The signature over some bytes, or why there is none.
pub type Sign = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync;

/// Signs bytes with this node's own key; the certificate goes with the signature.
pub struct Prover {
    /// Signs.
    pub sign: Box<Sign>,
    /// The certificate that the key belongs to, as PEM.
    pub certificate: String,
}

/// What is proved. Its JSON, in this order, is what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrowed {
    /// The cluster's id.
    pub cluster: String,
    /// The session.
    pub seat: u64,
    /// The seat's type.
    #[serde(rename = "type")]
    pub product: String,
    /// Who borrowed it.
    pub user: String,
    /// What the client called itself.
    pub client: String,
    /// How many workers came with it.
    pub workers: u64,
    /// When the proof was made: milliseconds of cluster time since 1970.
    pub issued_ms: u64,
    /// When it ends: milliseconds of cluster time since 1970. Never later than the type's licenses.
    pub until_ms: u64,
}

/// A proof, ready to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The signed JSON, in base64.
    pub payload: String,
    /// The signature, in base64.
    pub signature: String,
    /// The signer's certificate, as PEM.
    pub certificate: String,
}

/// The proof of a borrowed session; `None` when this node cannot sign.
///
/// # Errors
/// When signing fails.
pub fn of(cx: &Context, state: &State, session: &Session) -> Result<Option<Proof>, String> {
    let Some(prover) = &cx.prover else { return Ok(None) };
    let borrowed = Borrowed {
        cluster: state.cluster_id.to_string(),
        seat: session.id,
        product: session.product.to_string(),
        user: session.user.to_string(),
        client: session.client.to_string(),
        workers: session.workers,
        issued_ms: state.now.0,
        until_ms: session.ends.0,
    };
    let payload = serde_json::to_vec(&borrowed).map_err(|error| error.to_string())?;
    let signature = STANDARD.encode((prover.sign)(&payload)?);
    Ok(Some(Proof { payload: STANDARD.encode(payload), signature, certificate: prover.certificate.clone() }))
}
