//! Every route of a product's dialect against every kind of caller (T13): nobody, and each built-in role.

use hyper::HeaderMap;
use quartermaster::dialect::{Needs, immuta, nuix};
use quartermaster::domain::cluster::builtin_roles;

use super::fixture::{Cluster, PASSWORD};

/// Method, path and needs of every route of the dialects here, with something in place of each variable.
fn routes() -> Vec<(&'static str, String, Needs)> {
    let filled = |path: &str| {
        path.split('/').map(|part| if part.starts_with('{') { "7" } else { part }).collect::<Vec<_>>().join("/")
    };
    let immuta = immuta::endpoint::ROUTES.iter().map(|route| (route.method, route.path, route.needs));
    let nuix = nuix::endpoint::ROUTES.iter().map(|route| (route.method, route.path, route.needs));
    immuta.chain(nuix).map(|(method, path, needs)| (method, filled(path), needs)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_anything_but_the_ways_in() {
    let cluster = Cluster::new();
    for (method, path, needs) in routes() {
        let mut answers = Vec::new();
        for credential in [None, Some("Bearer nonsense"), Some("nonsense"), Some("Negotiate a b")] {
            let mut headers = HeaderMap::new();
            if let Some(credential) = credential {
                headers.insert("authorization", credential.parse().expect("is a header"));
            }
            let (reply, text) = cluster.ask(method, &path, headers, "").await;
            answers.push((reply.status.as_u16(), text));
        }
        if needs == Needs::Nobody {
            assert!(answers.iter().all(|(status, _)| (200..500).contains(status)), "{method} {path}: {answers:?}");
        } else {
            assert!(answers.iter().all(|(status, _)| *status == 401), "{method} {path}: {answers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_gets_in_every_language_what_its_rights_say() {
    let cluster = Cluster::new();
    for (role, rights) in builtin_roles() {
        let body = format!("{{\"name\": \"u-{role}\", \"password\": \"{PASSWORD}\", \"roles\": [\"{role}\"]}}");
        let (status, text) = cluster.ask_as("admin", "POST", "/api/v1/users", &body).await;
        assert_eq!(status, 201, "{text}");
        for (method, path, needs) in routes() {
            let Needs::Right(right) = needs else { continue };
            let (status, text) = cluster.ask_as(&format!("u-{role}"), method, &path, "not json").await;
            assert_eq!(status == 403, !rights.contains(&right), "{role}: {method} {path}: {status} {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_whatever_ends_in_a_5xx() {
    let cluster = Cluster::new();
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    let bodies = ["", "{", "[]", "null", "{}", "\u{0}", "7", "\"text\"", "1e999", "{\"a\":1,\"a\":2}", &deep];
    for (method, path, _) in routes() {
        for body in bodies {
            for kind in ["application/json", "application/x-www-form-urlencoded", "text/plain", "nonsense", ""] {
                let mut headers = HeaderMap::new();
                headers.insert("authorization", super::fixture::basic("admin", PASSWORD).parse().expect("is a header"));
                headers.insert("content-type", kind.parse().expect("is a header"));
                let (reply, text) = cluster.ask(method, &path, headers, body).await;
                assert!(reply.status.as_u16() < 500, "{method} {path} {kind} {body:.40}: {} {text}", reply.status);
            }
        }
    }
}
