//! The identity room's tests: what is issued is what was asked for, and secrets stay out of sight.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn ca() -> ClusterCa {
    ClusterCa::create("0198-cluster").expect("an authority")
}

fn identity(ca: &ClusterCa, node: u64) -> NodeIdentity {
    NodeIdentity {
        ca: ca.certificate().to_owned(),
        node: ca.issue_node(node).expect("a node's certificate"),
        api: ca.issue_api(node, &["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("an API certificate"),
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("the file").permissions().mode() & 0o777
}

#[test]
fn a_node_s_certificate_names_its_cluster_and_its_id() {
    let identity = identity(&ca(), 7);
    assert_eq!(identity.name().expect("a name"), PeerName { cluster: "0198-cluster".to_owned(), node: 7 });
    let left = expires(&identity.node.certificate).expect("an end") - chrono::Utc::now().timestamp();
    assert!((800 * 86_400..900 * 86_400).contains(&left), "{left}");
}

#[test]
fn an_api_certificate_is_no_peer_s_and_cannot_be_made_one() {
    let ca = ca();
    let api = identity(&ca, 7).api;
    let der = certificate::first_certificate(&api.certificate).expect("a certificate");
    assert!(peer_of(&der).is_err());
    for host in ["node-1.0198-cluster.quartermaster", "Node-1.0198-cluster.QUARTERMASTER.", "quartermaster", ""] {
        assert!(matches!(ca.issue_api(7, &[host.to_owned()]), Err(IdentityError::Host(_))), "{host}");
    }
    assert!(ca.issue_api(7, &[]).is_err());
}

#[test]
fn the_authority_comes_back_from_the_operator_s_directory_and_is_never_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let operator = dir.path().join("operator");
    let first = ca();
    first.write(&operator).expect("written");
    assert_eq!(mode(&operator.join("ca-key.pem")), 0o600);
    assert!(matches!(ca().write(&operator), Err(IdentityError::File { .. })));

    let again = ClusterCa::load(&operator).expect("loaded");
    assert_eq!(again.cluster(), "0198-cluster");
    assert_eq!(again.certificate(), first.certificate());
    let mixed = NodeIdentity { ca: first.certificate().to_owned(), ..identity(&again, 2) };
    peer_server(&mixed).expect("what the loaded authority issues is usable");
    peer_client(&mixed).expect("what the loaded authority issues is usable");
}

#[test]
fn an_identity_comes_back_from_its_directory_and_its_files_are_private() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = dir.path().join("identity");
    let identity = identity(&ca(), 3);
    identity.write(&home).expect("written");
    identity.write(&home).expect("replaced");
    assert_eq!(NodeIdentity::load(&home).expect("loaded"), identity);
    for file in ["node-key.pem", "api-key.pem"] {
        assert_eq!(mode(&home.join(file)), 0o600, "{file}");
    }
    api_server(&identity.api).expect("a usable API certificate");
}

#[test]
fn a_ticket_comes_back_and_shows_no_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ticket.toml");
    let member = TicketMember {
        id: 1,
        name: "n1".to_owned(),
        peer: "127.0.0.1:8090".to_owned(),
        api: "https://127.0.0.1:8089".to_owned(),
    };
    let ticket = Ticket {
        cluster: "0198-cluster".to_owned(),
        node: 4,
        secret: Secret::new("very secret".to_owned()),
        members: vec![member],
        identity: identity(&ca(), 4),
    };
    ticket.write(&path).expect("written");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(Ticket::read(&path).expect("read"), ticket);
    let shown = format!("{ticket:?}");
    assert!(!shown.contains("very secret") && !shown.contains("PRIVATE KEY"), "{shown}");
}

#[test]
fn a_ticket_that_does_not_fit_is_refused_without_quoting_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ticket.toml");
    let ca = ca();
    let ticket = Ticket {
        cluster: "0198-cluster".to_owned(),
        node: 5,
        secret: Secret::new("very secret".to_owned()),
        members: Vec::new(),
        identity: identity(&ca, 4),
    };
    ticket.write(&path).expect("written");
    assert!(matches!(Ticket::read(&path), Err(IdentityError::Ticket(_))), "a certificate of another node");
    std::fs::write(&path, "secret = very secret\n").expect("written");
    let error = Ticket::read(&path).expect_err("no ticket").to_string();
    assert!(!error.contains("very secret"), "{error}");
}
