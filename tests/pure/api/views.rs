//! A request that waits holds no view: what somebody holds is copied wherever it changes (docs/adr/0071).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use quartermaster::access::Presented;
use quartermaster::dialect::Call;
use quartermaster::dialect::request::{Body, Head, Raw};
use quartermaster::domain::intent::Command;
use quartermaster::domain::license::BuiltinGrant;
use quartermaster::replica::Consistency;
use tokio::time::Instant;

use super::fixture::{Cluster, PASSWORD};

#[tokio::test]
async fn a_write_lets_go_of_the_view_that_let_it_in() {
    let cluster = Cluster::new();
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let raw = Raw { method: Method::POST, path: "/".to_owned(), query: String::new(), headers: HeaderMap::new() };
    let (head, malformed) = Head::of(raw, peer, Instant::now());
    assert!(malformed.is_none());
    let cx = Arc::clone(&cluster.context);
    let view = cx.replica.view(Consistency::Stale, head.deadline).await.expect("a view");
    let presented = Presented::Password { user: "admin".to_owned(), password: PASSWORD.to_owned() };
    let caller = cx.access.authenticate(&presented, &view.state, peer).await.expect("the administrator");
    let mut call = Call {
        cx,
        head: Arc::new(head),
        endpoint: (),
        body: Body::from(Bytes::new()),
        caller: Some(caller),
        presented: None,
        view: Some(view),
    };
    call.submit(Command::GrantBuiltin { grant: BuiltinGrant::ALL[0] }, b"").await.expect("an answer");
    assert!(call.view.is_none());
}
