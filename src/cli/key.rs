//! `key`: issuer keys that the cluster trusts.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::print::{Field, Kind};
use super::{Context, Failure, ask, files};
use crate::client::Request;
use crate::domain::name::Name;
use crate::domain::trust::TrustedKey;
use crate::signing::keys::{KEY_BYTES, PublicKey};

const EXAMPLES: &str = "\
Examples:
  quartermaster key trust issuer.pem.pub --label 'our issuer'
  quartermaster key list
  quartermaster key distrust ed25519:0123456789abcdef --yes";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum KeyCommand {
    /// List issuer keys
    List,
    /// Show an issuer key
    Show {
        /// Its id
        id: String,
    },
    /// Trust an issuer's public key: licenses that it signed may be installed
    Trust {
        /// The public key in PEM, - for standard input
        file: PathBuf,
        /// What to call it [default: the file's name]
        #[arg(long)]
        label: Option<String>,
    },
    /// Trust a key no longer: licenses that it signed stop counting
    Distrust {
        /// Its id
        id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

const COLUMNS: [Field; 5] = [
    ("ID", "/id", Kind::Plain),
    ("ALGORITHM", "/algorithm", Kind::Plain),
    ("LABEL", "/label", Kind::Plain),
    ("TRUSTED SINCE", "/trusted_since", Kind::Plain),
    ("DISTRUSTED SINCE", "/distrusted_since", Kind::Plain),
];

const FIELDS: [Field; 6] = [
    ("Id", "/id", Kind::Plain),
    ("Algorithm", "/algorithm", Kind::Plain),
    ("Label", "/label", Kind::Plain),
    ("Trusted since", "/trusted_since", Kind::Plain),
    ("Distrusted since", "/distrusted_since", Kind::Plain),
    ("Public key", "/public_key", Kind::Plain),
];

impl KeyCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            KeyCommand::List => {
                let reply = context.client.connect()?.send(Request::get(["keys"]).query("all", true)).await?;
                context.out.list(&reply.json()?, &COLUMNS)
            }
            KeyCommand::Show { id } => {
                let reply = context.client.connect()?.send(Request::get(["keys".to_owned(), id])).await?;
                context.out.one(&reply.json()?, &FIELDS)
            }
            KeyCommand::Trust { file, label } => {
                let key = read_public(&file, label)?;
                let public = PublicKey::of(&key).to_pem();
                let body = json!({ "public_key": public, "label": key.label.as_ref() });
                let reply = context.client.connect()?.send(Request::post(["keys"]).json(&body)).await?;
                context.out.one(&reply.json()?, &FIELDS)
            }
            KeyCommand::Distrust { id, yes } => {
                ask::sure(&format!("distrust {id}, so that every license it signed stops counting?"), yes)?;
                context.client.connect()?.send(Request::delete(["keys".to_owned(), id.clone()])).await?;
                context.out.say(&format!("{id} is trusted no more"));
                Ok(())
            }
        }
    }
}

/// The public key in a file, under `label` or the file's name.
pub(super) fn read_public(file: &Path, label: Option<String>) -> Result<TrustedKey, Failure> {
    let key = PublicKey::parse(&files::read_text(file, KEY_BYTES)?)
        .map_err(|problem| Failure::usage(format!("{}: {problem}", file.display())))?;
    let label = label.unwrap_or_else(|| {
        file.file_stem().map(|stem| stem.to_string_lossy().trim_end_matches(".pem").to_owned()).unwrap_or_default()
    });
    Ok(key.trusted(Name::from(label)))
}
