//! Every route against every kind of caller: nobody, and each built-in role.

use hyper::HeaderMap;
use quartermaster::dialect::Needs;
use quartermaster::dialect::native::routes::{ROUTES, Route};
use quartermaster::domain::cluster::builtin_roles;

use super::fixture::{Cluster, PASSWORD};

/// A path of the route with something in its braces.
fn path(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| if part.starts_with('{') { "7" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_anything_but_the_login_and_health() {
    let cluster = Cluster::new();
    for route in ROUTES {
        let (reply, text) = cluster.ask(route.method, &path(route), HeaderMap::new(), "{}").await;
        if route.needs == Needs::Nobody {
            assert_eq!((route.path, reply.status.as_u16()), ("/api/v1/login", 400), "{text}");
            continue;
        }
        assert_eq!(reply.status.as_u16(), 401, "{} {}: {text}", route.method, route.path);
        assert!(reply.headers.iter().any(|(name, _)| name == "www-authenticate"), "{}", route.path);
        assert!(text.starts_with("{\"error\":{\"code\":\"unauthenticated\""), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_gets_what_its_rights_say_and_nothing_else() {
    let cluster = Cluster::new();
    for (role, rights) in builtin_roles() {
        let body = format!("{{\"name\": \"u-{role}\", \"password\": \"{PASSWORD}\", \"roles\": [\"{role}\"]}}");
        let (status, text) = cluster.ask_as("admin", "POST", "/api/v1/users", &body).await;
        assert_eq!(status, 201, "{text}");
        for route in ROUTES {
            let Needs::Right(right) = route.needs else { continue };
            let (status, text) = cluster.ask_as(&format!("u-{role}"), route.method, &path(route), "not json").await;
            let forbidden = status == 403 && text.contains("not_allowed");
            assert_eq!(forbidden, !rights.contains(&right), "{role}: {} {}: {status} {text}", route.method, route.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_whatever_ends_in_a_5xx() {
    let cluster = Cluster::new();
    for route in ROUTES {
        for body in ["", "{", "[]", "null", "{}", "\u{0}", "{\"a\":1}", "{\"name\":7}", "\"text\"", "1e999"] {
            let (status, text) = cluster.ask_as("admin", route.method, &path(route), body).await;
            let fine = status < 500 || (status == 503 && text.contains("not_serving"));
            assert!(fine, "{} {} {body:?}: {status} {text}", route.method, route.path);
        }
        for query in [
            "?limit=-1",
            "?limit=99999999999999999999",
            "?after=%00",
            "?consistency=x",
            "?seq=1.5",
            "?from=x",
            "?all=maybe",
        ] {
            let (status, text) = cluster.ask_as("admin", route.method, &format!("{}{query}", path(route)), "").await;
            assert!(status < 500, "{} {}{query}: {status} {text}", route.method, route.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_wrong_passwords_lock_a_user_out_from_that_address() {
    let cluster = Cluster::new();
    let body = "{\"username\": \"admin\", \"password\": \"not this one\"}";
    for _ in 0..5 {
        let (reply, _) = cluster.ask("POST", "/api/v1/login", HeaderMap::new(), body).await;
        assert_eq!(reply.status.as_u16(), 401);
    }
    let (reply, text) = cluster.ask("POST", "/api/v1/login", HeaderMap::new(), body).await;
    assert_eq!(reply.status.as_u16(), 429, "{text}");
    assert!(reply.headers.iter().any(|(name, value)| name == "retry-after" && value == "900"), "{:?}", reply.headers);
    let (status, text) = cluster.ask_as("admin", "GET", "/api/v1/pools", "").await;
    assert_eq!(status, 429, "the right password does not help either: {text}");
    assert_eq!(cluster.solo.view().state.locks.len(), 1, "the lock-out is replicated, the failures are not");
}
