//! The files of an identity. What is secret is readable by its owner only, from the first byte on.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::certificate::{PeerName, first_certificate, peer_of};
use super::{Certified, IdentityError, Secret};

/// The cluster's authority, without its key.
const CA_FILE: &str = "ca.pem";
const NODE_FILE: &str = "node.pem";
const NODE_KEY_FILE: &str = "node-key.pem";
const API_FILE: &str = "api.pem";
const API_KEY_FILE: &str = "api-key.pem";

/// Only the owner reads or writes.
const PRIVATE: u32 = 0o600;
/// Only the owner enters.
const PRIVATE_DIR: u32 = 0o700;

/// Who a node is: what lies in `identity/` of its data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The authority's certificate, as PEM.
    pub ca: String,
    /// What the node shows to its peers.
    pub node: Certified,
    /// What the node's API shows to clients.
    pub api: Certified,
}

impl NodeIdentity {
    /// Writes the files into `dir`, which is made if it is missing; each replaces an older one at once or not at all.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), IdentityError> {
        make_private_dir(dir)?;
        for (file, text) in [
            (NODE_KEY_FILE, self.node.key.reveal()),
            (NODE_FILE, &self.node.certificate),
            (API_KEY_FILE, self.api.key.reveal()),
            (API_FILE, &self.api.certificate),
            (CA_FILE, &self.ca),
        ] {
            replace(&dir.join(file), text)?;
        }
        sync_dir(dir)
    }

    /// What lies in `dir`.
    ///
    /// # Errors
    /// When a file is missing.
    pub fn load(dir: &Path) -> Result<Self, IdentityError> {
        let pair = |certificate: &str, key: &str| {
            let certificate = read(&dir.join(certificate))?;
            Ok::<_, IdentityError>(Certified { certificate, key: Secret::new(read(&dir.join(key))?) })
        };
        Ok(Self {
            ca: read(&dir.join(CA_FILE))?,
            node: pair(NODE_FILE, NODE_KEY_FILE)?,
            api: pair(API_FILE, API_KEY_FILE)?,
        })
    }

    /// The cluster and the id that the node's certificate names.
    ///
    /// # Errors
    /// When it names none.
    pub fn name(&self) -> Result<PeerName, IdentityError> {
        peer_of(&first_certificate(&self.node.certificate)?)
    }
}

fn file_error(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::File { verb, path, source }
}

pub(super) fn make_private_dir(dir: &Path) -> Result<(), IdentityError> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(dir).map_err(file_error("make", dir))
}

pub(super) fn read(path: &Path) -> Result<String, IdentityError> {
    fs::read_to_string(path).map_err(file_error("read", path))
}

/// Writes a private file that must not exist yet.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), IdentityError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path);
    file.and_then(|file| fill(file, text)).map_err(file_error("write", path))
}

fn fill(mut file: File, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Writes a private file beside `path`, then puts it in its place.
fn replace(path: &Path, text: &str) -> Result<(), IdentityError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file_error("remove", &beside)(error)),
        _ => {}
    }
    write_new(&beside, text)?;
    fs::rename(&beside, path).map_err(file_error("write", path))
}

fn sync_dir(dir: &Path) -> Result<(), IdentityError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(file_error("sync", dir))
}
