//! Proofs of borrowed seats: kept in a file, checked without the cluster.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use super::SESSION;
use crate::cli::print::{Field, Kind};
use crate::cli::{Context, Failure, files, print};
use crate::domain::time::Moment;
use crate::identity;

/// The one format there is.
const FORMAT: &str = "quartermaster-borrow-1";
/// Largest proof that is read, in bytes: a certificate and a few names.
const PROOF_BYTES: usize = 64 << 10;

#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// The proof; --ca names the cluster's CA certificate
    file: PathBuf,
}

const FIELDS: [Field; 9] = [
    ("Verdict", "/verdict", Kind::Plain),
    ("Seat", "/seat", Kind::Plain),
    ("Type", "/type", Kind::Plain),
    ("User", "/user", Kind::Plain),
    ("Workers", "/workers", Kind::Plain),
    ("Cluster", "/cluster", Kind::Plain),
    ("Signed by node", "/node", Kind::Plain),
    ("Issued", "/issued", Kind::Plain),
    ("Until", "/until", Kind::Plain),
];

impl Verify {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let authority = context.client.authority()?;
        let text = files::read_text(&self.file, PROOF_BYTES)?;
        let seen = verdict(&authority, &text, crate::cli::now()).map_err(Failure::refused)?;
        context.out.one(&seen, &FIELDS)
    }
}

/// What a proof says, when it is good now.
fn verdict(authority: &str, text: &str, now: Moment) -> Result<Value, String> {
    let bad = |why: String| format!("the proof is not good: {why}");
    let document: Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    if document["format"] != FORMAT {
        return Err(bad(format!("its format is not {FORMAT}")));
    }
    let bytes = |field: &str| {
        let text = document[field].as_str().ok_or_else(|| bad(format!("it has no {field}")))?;
        STANDARD.decode(text).map_err(|error| bad(format!("{field}: {error}")))
    };
    let (payload, signature) = (bytes("payload")?, bytes("signature")?);
    let certificate = document["certificate"].as_str().ok_or_else(|| bad("it has no certificate".to_owned()))?;
    let borrowed: Value = serde_json::from_slice(&payload).map_err(|error| bad(error.to_string()))?;
    let moment = |field: &str| borrowed[field].as_u64().map(Moment).ok_or_else(|| bad(format!("it has no {field}")));
    let (issued, until) = (moment("issued_ms")?, moment("until_ms")?);
    let node = identity::check(authority, certificate, &payload, &signature, issued.seconds())
        .map_err(|error| bad(error.to_string()))?;
    if borrowed["cluster"] != *node.cluster {
        return Err(bad("it names another cluster than its certificate".to_owned()));
    }
    if until <= now {
        return Err(bad(format!("it ended at {}", print::moment(until))));
    }
    Ok(json!({
        "verdict": format!("good, ends in {}", print::distance(now, until)), "seat": borrowed["seat"],
        "type": borrowed["type"], "user": borrowed["user"], "workers": borrowed["workers"], "cluster": node.cluster,
        "node": node.node, "issued": print::moment(issued), "until": print::moment(until),
    }))
}

/// Writes the proof into its file and shows the rest.
pub(super) fn keep(context: &Context, mut answer: Value, file: Option<&Path>) -> Result<(), Failure> {
    let proof = answer.get("proof").cloned().unwrap_or_default();
    if let Some(file) = file {
        if proof.is_null() {
            return Err(Failure::failed("the seat is borrowed, but the node that answered signs no proofs"));
        }
        files::write(file, format!("{proof:#}\n").as_bytes())?;
        if let Some(members) = answer.as_object_mut() {
            members.remove("proof");
        }
    }
    context.out.one(&answer, &SESSION)
}
