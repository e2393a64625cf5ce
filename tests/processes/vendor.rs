//! Runs a vendor's own client, unchanged, against a cluster: scripts in `tests/clients`, libraries where
//! `scripts/setup` put them.

use std::path::Path;
use std::process::Command;

use super::harness::{ADMIN, Cluster, PASSWORD};

/// Runs `tests/clients/{script}` with the library `package`, such as `splunk-sdk-2.1.1`, against all nodes.
///
/// The script finds `QM_URLS` (comma-separated), `QM_USER`, `QM_PASSWORD`, and checks what it gets by itself.
///
/// # Panics
/// When the script fails; its output is shown.
pub(crate) fn run(package: &str, script: &str, cluster: &Cluster, environment: &[(&str, &str)]) {
    let clients = std::env::var("QUARTERMASTER_CLIENTS").expect(
        "QUARTERMASTER_CLIENTS names the folder of the vendors' clients: run scripts/test or scripts/cargo test",
    );
    let library = Path::new(&clients).join(package);
    assert!(library.is_dir(), "no client at {}: run scripts/test or scripts/cargo test", library.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let urls: Vec<String> = cluster.nodes.iter().map(|node| node.url()).collect();
    let output = Command::new("python3")
        .arg(&script)
        .env("PYTHONPATH", &library)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("QM_URLS", urls.join(","))
        .env("QM_USER", ADMIN)
        .env("QM_PASSWORD", PASSWORD)
        .envs(environment.iter().copied())
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{package} with {}:\n{}\n{}",
        script.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
