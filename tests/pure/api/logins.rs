//! Many logins at once (decision 16): none of the good ones is turned away or locked out, whoever else guesses.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hyper::HeaderMap;
use quartermaster::domain::account::TOKENS_PER_USER;
use quartermaster::domain::intent::Command;
use quartermaster::domain::name::{Name, Set};
use quartermaster::domain::user::{Actor, Credential, UserCommand};

use super::fixture::{Cluster, HASH, PASSWORD, basic};

const LOGINS: usize = 10_000;
/// So many accounts that their first logins, all at once, fit into the line for argon2.
const ACCOUNTS: usize = 32;

fn admin() -> Actor {
    Actor { user: "admin".into(), credential: Credential::Password { version: 1 } }
}

fn account(number: usize) -> String {
    format!("user-{}", number % ACCOUNTS)
}

/// Has everybody's logins asked for at the same time; the statuses that came.
async fn statuses(cluster: &Arc<Cluster>, peer: IpAddr, bodies: impl Iterator<Item = String>) -> Vec<u16> {
    let asked: Vec<_> = bodies
        .map(|body| {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                let (reply, _) = cluster.ask_from(peer, "POST", "/api/v1/login", (HeaderMap::new(), &body)).await;
                reply.status.as_u16()
            })
        })
        .collect();
    let mut found = Vec::with_capacity(asked.len());
    for one in asked {
        found.push(one.await.expect("no answer panics"));
    }
    found
}

fn body(user: &str, password: &str) -> String {
    format!("{{\"username\": \"{user}\", \"password\": \"{password}\"}}")
}

fn here() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_logins_of_one_account_are_let_in_and_leave_no_more_than_a_thousand_tokens() {
    let cluster = Arc::new(Cluster::new());
    let found = statuses(&cluster, here(), (0..LOGINS).map(|_| body("admin", PASSWORD))).await;
    assert!(found.iter().all(|status| *status == 200), "{found:?}");
    let state = cluster.solo.view().state.clone();
    assert_eq!((state.tokens.len(), state.locks.len()), (TOKENS_PER_USER, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_logins_of_many_accounts_are_let_in() {
    let cluster = Arc::new(Cluster::new());
    for number in 0..ACCOUNTS {
        let (name, password) = (Name::from(account(number)), Name::from(HASH));
        let command = UserCommand::CreateUser { name, password, roles: Set::new(), slave: None };
        cluster.solo.submit(admin(), None, Command::User(command));
    }
    let found = statuses(&cluster, here(), (0..LOGINS).map(|number| body(&account(number), PASSWORD))).await;
    assert!(found.iter().all(|status| *status == 200), "{found:?}");
    let state = cluster.solo.view().state.clone();
    assert_eq!((state.tokens.len(), state.locks.len()), (LOGINS, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_elsewhere_locks_out_nobody_here() {
    let cluster = Arc::new(Cluster::new());
    assert_eq!(statuses(&cluster, here(), std::iter::once(body("admin", PASSWORD))).await, [200]);
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let guesses = (0..500).map(|number| body("admin", &format!("guess number {number}")));
    let (guessed, good) = tokio::join!(
        statuses(&cluster, elsewhere, guesses),
        statuses(&cluster, here(), (0..500).map(|_| body("admin", PASSWORD))),
    );
    assert!(guessed.iter().all(|status| matches!(status, 401 | 429 | 503)), "{guessed:?}");
    assert!(guessed.contains(&429), "they are locked out in the end: {guessed:?}");
    assert!(good.iter().all(|status| *status == 200), "{good:?}");
    assert_eq!(cluster.solo.view().state.locks.len(), 1, "one lock-out, of that address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_was_made_again_does_not_bring_its_old_password_back() {
    let cluster = Cluster::new();
    let create =
        |password: &str| format!("{{\"name\": \"ann\", \"password\": \"{password}\", \"roles\": [\"viewer\"]}}");
    let login = |password: &'static str| {
        let cluster = &cluster;
        async move {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", basic("ann", password).parse().expect("is a header"));
            cluster.ask("GET", "/api/v1/pools", headers, "").await.0.status.as_u16()
        }
    };
    assert_eq!(cluster.ask_as("admin", "POST", "/api/v1/users", &create("the first one")).await.0, 201);
    assert_eq!(login("the first one").await, 200);
    assert_eq!(cluster.ask_as("admin", "DELETE", "/api/v1/users/ann", "").await.0, 204);
    assert_eq!(cluster.ask_as("admin", "POST", "/api/v1/users", &create("the second one")).await.0, 201);
    assert_eq!(login("the first one").await, 401);
    assert_eq!(login("the second one").await, 200);
}
