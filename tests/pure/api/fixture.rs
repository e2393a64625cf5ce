//! A cluster of one in memory, at a fixed moment, with an administrator.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::{HeaderMap, Method};
use quartermaster::dialect::reply::{Content, Reply};
use quartermaster::dialect::request::{Body, Head, Raw, Request};
use quartermaster::dialect::{Context, Language, Limits};
use quartermaster::domain::cluster::InitCluster;
use quartermaster::domain::intent::Command;
use quartermaster::domain::node::NodeAddress;
use quartermaster::domain::time::{Calendar, Day, Moment, Stamp};
use quartermaster::domain::user::{Actor, Credential};
use quartermaster::replica::Replica;
use quartermaster::replica::solo::Solo;
use tokio::time::Instant;

/// The administrator's password.
pub(super) const PASSWORD: &str = "correct horse battery staple";
/// 2026-11-22T10:00:00Z.
pub(super) const BEGIN: u64 = 1_795_341_600_000;
const DAY_MS: u64 = 86_400_000;
/// How long an answer may take on a busy machine; nobody waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(300);

/// That password's hash, with a salt that stays the same, so that the journal's digests do.
pub(super) const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cXVhcnRlcm1hc3RlcnNhbHQ$aVKEqOgac8jtrtwv3EPl5S4kjRcKGLAEPPA8Mkggvjs";

/// A moment and the UTC days around it.
pub(super) fn stamp(at: u64) -> Stamp {
    let day = at / DAY_MS;
    let starts = [0, 1, 2, 3].map(|back| Moment((day - back) * DAY_MS));
    let today = Day(u32::try_from(day).expect("is a day"));
    Stamp { at: Moment(at), calendar: Calendar { today, starts, ends: Moment((day + 1) * DAY_MS) } }
}

/// A cluster of one.
pub(super) struct Cluster {
    pub(super) solo: Arc<Solo>,
    pub(super) context: Arc<Context>,
}

impl Cluster {
    pub(super) fn new() -> Cluster {
        let solo = Arc::new(Solo::new(stamp(BEGIN)));
        let init = InitCluster {
            cluster_id: "0b7c9a54-3f0e-4b6e-9a51-5a1f6f3c2d10".into(),
            name: "test".into(),
            zone: "UTC".into(),
            node: NodeAddress { name: "n1".into(), peer: "127.0.0.1:8090".into(), api: "http://127.0.0.1:8089".into() },
            admin: "admin".into(),
            password: HASH.into(),
        };
        let actor = Actor { user: "system".into(), credential: Credential::System };
        solo.submit(actor, None, Command::InitCluster(init));
        let context = Arc::new(Context::new(Replica::Solo(solo.clone()), Limits::default()));
        Cluster { solo, context }
    }

    /// One whose node has a license folder.
    pub(super) fn with_license_folder(folder: PathBuf) -> Cluster {
        let Cluster { solo, .. } = Cluster::new();
        let context = Context::new(Replica::Solo(solo.clone()), Limits::default()).with_license_folder(Some(folder));
        Cluster { solo, context: Arc::new(context) }
    }

    /// Grants what a new cluster grants itself.
    pub(super) fn begin(&self) {
        for command in quartermaster::domain::cluster::beginning() {
            let actor = Actor { user: "system".into(), credential: Credential::System };
            self.solo.submit(actor, None, command);
        }
    }

    /// Answers a request and reads the whole reply.
    pub(super) async fn ask(&self, method: &str, target: &str, headers: HeaderMap, body: &str) -> (Reply, String) {
        self.ask_from(IpAddr::V4(Ipv4Addr::LOCALHOST), method, target, (headers, body)).await
    }

    /// The same from another address.
    pub(super) async fn ask_from(
        &self,
        peer: IpAddr,
        method: &str,
        target: &str,
        (headers, body): (HeaderMap, &str),
    ) -> (Reply, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = Method::from_bytes(method.as_bytes()).expect("is a method");
        let deadline = Instant::now() + PATIENCE;
        let raw = Raw { method, path: path.to_owned(), query: query.to_owned(), headers };
        let mut reply = match Head::of(raw, peer, deadline) {
            (head, None) => {
                let request = Request { head: Arc::new(head), body: Body::from(Bytes::from(body.to_owned())) };
                let language = Language::of_path(&request.head.path);
                language.serve(self.context.clone(), request).await
            }
            (head, Some(malformed)) => Language::of_path(&head.path).trouble(&head, &malformed.into()),
        };
        let content = std::mem::replace(&mut reply.body, Content::Whole(Bytes::new()));
        let bytes = match content {
            Content::Whole(bytes) => bytes.to_vec(),
            Content::Pieces(pieces) => {
                pieces.map(|piece| piece.expect("comes whole")).collect::<Vec<_>>().await.concat()
            }
        };
        (reply, String::from_utf8(bytes).expect("is text"))
    }

    /// Asks as somebody.
    pub(super) async fn ask_as(&self, user: &str, method: &str, target: &str, body: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", basic(user, PASSWORD).parse().expect("is a header"));
        let (reply, text) = self.ask(method, target, headers, body).await;
        (reply.status.as_u16(), text)
    }
}

/// A Basic credential.
pub(super) fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}
