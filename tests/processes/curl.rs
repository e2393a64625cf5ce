//! The curl lines of the seeds, as they stand there, with a host and a credential filled in: each on another node.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::harness::{Cluster, offline};

/// Seed 001, "Add an Immuta license key". The backslash after the authorization line is missing there, so that a shell
/// takes it for two commands; it is put in here.
const ADD: &str = r#"curl \
    --request POST \
    --header "Content-Type: application/json" \
    --header "Authorization: Bearer dea464c07bd07300095caa8" \
    --data @example-payload.json \
    https://demo.immuta.com/admin/license"#;
/// Seed 001, "Get a list of license keys".
const LIST: &str = r#"curl \
    --request GET \
    --header "Content-Type: application/json" \
    --header "Authorization: Bearer dea464c07bd07300095caa8" \
    https://demo.immuta.com/admin/license"#;
/// Seed 001, "Get the status of a license".
const STATUS: &str = r#"curl \
    --request GET \
    --header "Content-Type: application/json" \
    --header "Authorization: Bearer dea464c07bd07300095caa8" \
    https://demo.immuta.com/admin/license/licenseStatus"#;
/// Seed 001, "Delete a license key": its line reads.
const DELETE: &str = r#"curl \
    --request GET \
    --header "Content-Type: application/json" \
    --header "Authorization: Bearer dea464c07bd07300095caa8" \
    https://demo.immuta.com/admin/license/1"#;

/// Seed 000, whose hosts were lost: `HOST` stands for them.
const LICENSES: &str =
    r#"curl -X GET "HOST/nuix-restful-service/svc/licenses" -H "accept: application/vnd.nuix.v1+json""#;
const LOGIN: &str = r#"curl -L -X PUT 'HOST/nuix-restful-service/svc/authenticatedUsers/login' \
-H 'Content-Type: application/json' \
--data-raw '{
    "username": "user1",
    "password": "password",
    "licenseShortName": "enterprise-workstation",
    "workers": 2
}'"#;
const ABOUT: &str = r#"curl -L -X GET 'HOST/nuix-restful-service/svc/about' \
-H 'nuix-auth-token: 49e225d7-b88d-4d1b-9cbc-296e83706a60'"#;
const LOGOUT: &str = r#"curl -L -X DELETE 'HOST/nuix-restful-service/svc/authenticatedUsers/user1' \
-H 'nuix-auth-token: 49e225d7-b88d-4d1b-9cbc-296e83706a60'"#;

/// Runs a line in a shell, in a folder; the status and the JSON that came.
fn run(folder: &Path, line: &str, host: &str, token: &str) -> (u16, Value) {
    let line = line
        .replace("https://demo.immuta.com", host)
        .replace("HOST", host)
        .replace("dea464c07bd07300095caa8", token)
        .replace("49e225d7-b88d-4d1b-9cbc-296e83706a60", token)
        .replacen("curl", "curl --silent --show-error --max-time 60 --write-out '\\n%{http_code}'", 1);
    let output = Command::new("sh").arg("-c").arg(&line).current_dir(folder).output().expect("a shell runs");
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the answer is text");
    let (body, status) = text.trim_end().rsplit_once('\n').expect("the status comes last");
    let json = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    (status.parse().expect("a status"), json)
}

/// A license of the format, signed by an issuer that the cluster trusts.
fn signed(cluster: &Cluster, format: &str, claims: &Value) -> String {
    drop(cluster.signed_license("1GB"));
    let (claims_file, out) = (cluster.path("claims.json"), cluster.path("curl.license"));
    fs::write(&claims_file, claims.to_string()).expect("a claims file");
    let [key, claims_file, out] =
        [cluster.path("issuer.pem"), claims_file, out].map(|path| path.to_string_lossy().into_owned());
    let sign = ["license", "sign", "--format", format, "--key", &key, "--claims", &claims_file, "--out", &out];
    let output = offline(&sign);
    assert!(output.status.success(), "{output:?}");
    fs::read_to_string(&out).expect("a signed license").trim().to_owned()
}

#[test]
fn seed_001_s_lines_give_what_it_documents_on_any_node() {
    let cluster = Cluster::start(3);
    let claims = json!({
        "uuid": "4ceaf808-5d3c-4a51-8f0e-1d4a753fc5a0", "seats": 20, "softSeats": 0, "expires": "2199-09-09T00:00:00Z",
        "createdAt": "2021-09-09T13:47:02.473Z", "features": ["FPE", "nativeSqlTeradata"],
    });
    let key = signed(&cluster, "immuta", &claims);
    fs::write(cluster.path("example-payload.json"), json!({"licensekey": key}).to_string()).expect("a payload");
    let (folder, token) = (cluster.path(""), cluster.token.clone());
    let at = |index: usize, line: &str| run(&folder, line, &cluster.nodes[index].url(), &token);

    for node in 0..3 {
        let (status, added) = at(node, ADD);
        assert_eq!((status, &added["id"], &added["licenseKey"]), (200, &json!(1), &json!(key)), "{added}");
        assert_eq!(added.as_object().map(serde_json::Map::len), Some(19), "{added}");
        assert_eq!(added["features"], json!({"FPE": {"enabled": true}, "nativeSqlTeradata": {"enabled": true}}));
        assert_eq!(
            (&added["expires"], &added["createdAt"]),
            (&json!("2199-09-09T00:00:00.000Z"), &json!("2021-09-09T13:47:02.473Z"))
        );
        for index in 0..3 {
            assert_eq!(at(index, ADD), (200, added.clone()), "a key that is there stays as it is");
            let (status, list) = at(index, LIST);
            assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(1)), "{list}");
            assert_eq!(list[0].as_object().map(serde_json::Map::len), Some(9), "never the key: {list}");
            let wanted = json!({"activeUserCount": 0, "licenseSeats": 20, "canAddUser": true, "hardSeats": 20});
            assert_eq!(at(index, STATUS), (200, wanted));
            assert_eq!(at(index, DELETE), (200, added.clone()), "its line for deleting reads");
        }
        let (status, deleted) = at(node, &DELETE.replace("--request GET", "--request DELETE"));
        let told = (status, &deleted["deleted"], &deleted["hardDelete"]);
        assert_eq!(told, (200, &json!(true), &json!(false)), "{deleted}");
        assert_eq!(deleted.as_object().map(serde_json::Map::len), Some(17), "{deleted}");
        for index in 0..3 {
            assert_eq!(at(index, LIST), (200, json!([])));
        }
    }
}

#[test]
fn seed_000_s_lines_give_what_it_documents_on_any_node() {
    let cluster = Cluster::start(3);
    let claims = json!({
        "shortname": "enterprise-workstation", "description": "Nuix eDiscovery Workstation", "count": 10, "workers": 1,
    });
    cluster.install(signed(&cluster, "nuix", &claims).as_bytes());
    let user = json!({"name": "user1", "password": "password", "roles": ["seat_holder"]});
    cluster.write("POST", "/api/v1/users", &user);
    let folder = cluster.path("");
    let at = |index: usize, line: &str, token: &str| run(&folder, line, &cluster.nodes[index].url(), token);

    for node in 0..3 {
        let (status, licenses) = at(node, LICENSES, "");
        let kind = &licenses[0];
        assert_eq!((status, kind.as_object().map(serde_json::Map::len)), (200, Some(15)), "{licenses}");
        assert_eq!(
            (&kind["shortname"], &kind["count"], &kind["workers"]),
            (&json!("enterprise-workstation"), &json!(10), &json!(1))
        );
        assert_eq!((&kind["source"], &kind["canChooseWorkers"]), (&Value::Null, &Value::Null), "{kind}");

        let (status, session) = at(node, LOGIN, "");
        assert_eq!(
            (status, &session["username"], &session["workersGranted"]),
            (201, &json!("user1"), &json!(1)),
            "{session}"
        );
        assert_eq!(session["licenseShortName"], "enterprise-workstation");
        let token = session["authToken"].as_str().expect("a token").to_owned();
        for index in 0..3 {
            let (status, about) = at(index, ABOUT, &token);
            assert_eq!(status, 200);
            for member in ["server", "serverId", "startupTime", "nuixRestfulVersion", "engineVersion"] {
                assert!(!about[member].is_null(), "{member} is known with a token: {about}");
            }
            let (_, about) = at(index, ABOUT, "none");
            assert_eq!((&about["startupTime"], &about["engineVersion"]), (&Value::Null, &Value::Null), "{about}");
            assert_eq!(at(index, LICENSES, "").1[0]["count"], 9);
        }
        assert_eq!(at(node, LOGOUT, &token), (200, json!({"success": true})));
        for index in 0..3 {
            assert_eq!(at(index, LOGOUT, &token).0, 401, "the token is good on no node any more");
            assert_eq!(at(index, LICENSES, "").1[0]["count"], 10);
        }
    }
}
