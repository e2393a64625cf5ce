//! The command line as a whole: what it takes, what it refuses, how it ends.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser as _;

use super::*;
use crate::client::{ApiError, Attempt, ClientError};

fn run(args: &[&str]) -> Result<(), Failure> {
    let args = std::iter::once("quartermaster").chain(args.iter().copied()).map(OsString::from);
    Cli::try_parse_from(args).expect("good arguments").run()
}

fn exit_of(result: Result<(), Failure>) -> u8 {
    result.map_or_else(|failure| failure.exit as u8, |()| 0)
}

#[test]
fn the_tree_of_commands_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_a_line_of_help_and_takes_the_client_options() {
    fn walk(command: &clap::Command, path: &str) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            assert!(sub.get_about().is_some(), "{path} has no help");
            for argument in sub.get_arguments() {
                assert!(argument.get_help().is_some() || argument.get_id() == "help", "{path} {}", argument.get_id());
            }
            walk(sub, &path);
        }
    }
    walk(&Cli::command(), "quartermaster");
}

#[test]
fn the_contract_s_commands_are_taken() {
    for line in [
        "license sign --format native --key k --claims c --out o",
        "license add FILE --addr http://127.0.0.1:1,http://127.0.0.1:2 --ca ca --user u --password-file p",
        "license add FILE --addr http://127.0.0.1:1 --token-file t",
        "license keygen --algorithm rsa --out k",
        "license inspect f",
        "license list -o json",
        "license remove abc",
        "--addr http://127.0.0.1:1 pool list",
        "pool create a --quota 50MB --slave *",
        "slave list",
        "usage report --slave g --sequence 1 --bytes 5",
        "usage history --by sourcetype",
        "user create u --role admin --new-password-file f",
        "token create --label x --ttl 90d",
        "journal tail --follow",
        "journal show 5",
        "journal verify",
        "journal verify --data-dir d",
        "cluster status",
        "cluster members",
        "cluster promote 2",
        "cluster remove 2 --yes",
        "cluster transfer 2",
        "cluster cert --operator-dir o --data-dir d",
        "cluster ticket --operator-dir o --out t --host h",
        "cluster join --ticket t --data-dir d --node-name n --peer h:1 --api https://h:2",
        "serve --data-dir d --listen 127.0.0.1:1 --peer-listen 127.0.0.1:2 --metrics-listen 127.0.0.1:3 --plain-http",
        "agent --config agent.toml",
        "agent --state-dir d --watch /var/log --sourcetype log --once --addr http://127.0.0.1:1 --token-file t",
        "agent status --state-dir d",
        "health readyz",
        "key trust f --label l",
        "group activate Free",
        "settings set --zone UTC",
        "completion bash",
        "version",
    ] {
        let args = std::iter::once("quartermaster").chain(line.split(' '));
        assert!(Cli::try_parse_from(args).is_ok(), "{line}");
    }
}

#[test]
fn wrong_usage_is_refused_by_the_parser() {
    for line in [
        "",
        "nonsense",
        "license sign --format gold --key k --claims c",
        "license add",
        "pool create a",
        "pool create a --quota 1.5TB",
        "usage report --slave g --bytes 5",
        "usage report --slave g --sequence 1",
        "role put r --right everything",
        "pool list --timeout never",
        "serve",
        "serve --data-dir d --listen nowhere",
        "user create u --password secret",
    ] {
        let args = std::iter::once("quartermaster").chain(line.split(' ').filter(|word| !word.is_empty()));
        let error = Cli::try_parse_from(args).map(|_| ()).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn help_shows_every_exit_code_and_there_are_no_others() {
    let help = Cli::command().render_help().to_string();
    let shown: Vec<u8> = help
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .map_while(|line| line.split_whitespace().next().and_then(|word| word.parse().ok()))
        .collect();
    assert_eq!(shown, Exit::ALL.map(|exit| exit as u8));
}

#[test]
fn an_error_of_the_cluster_has_its_exit_code() {
    let tried = vec![Attempt { node: "http://n1".to_owned(), why: "connection refused".to_owned() }];
    let refused = |status| ClientError::Refused {
        node: "http://n1".to_owned(),
        status,
        error: Box::new(ApiError { message: "no".to_owned(), ..ApiError::default() }),
        retry_after: None,
    };
    for (error, exit) in [
        (ClientError::Config("bad".to_owned()), Exit::Usage),
        (ClientError::NoNode { tried: tried.clone() }, Exit::NoNode),
        (ClientError::NotServed { tried: tried.clone(), retry_after: None }, Exit::Unhealthy),
        (ClientError::Unknown { tried, key: "k".to_owned() }, Exit::Unhealthy),
        (refused(400), Exit::Refused),
        (refused(401), Exit::NotAllowed),
        (refused(403), Exit::NotAllowed),
        (refused(404), Exit::NotFound),
        (refused(409), Exit::Refused),
        (refused(422), Exit::Refused),
        (refused(429), Exit::NotAllowed),
        (refused(500), Exit::Failed),
    ] {
        assert_eq!(Failure::from(error.clone()).exit, exit, "{error:?}");
    }
}

#[test]
fn a_failure_says_what_was_tried_and_what_helps() {
    let tried = vec![Attempt { node: "http://10.0.0.99:8089".to_owned(), why: "connection refused".to_owned() }];
    let text = Failure::from(ClientError::NoNode { tried }).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "error: no node answered");
    assert_eq!(lines[1], "  tried http://10.0.0.99:8089: connection refused");
    assert!(lines[2].starts_with("  hint: set --addr or QUARTERMASTER_ADDR"));
}

#[test]
fn nobody_there_ends_with_3_and_a_missing_password_with_2() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    assert_eq!(exit_of(run(&["pool", "list", "--addr", &addr])), 3);
    assert_eq!(exit_of(run(&["pool", "list", "--addr", &addr, "--user", "u", "--password-file", "/nonexistent"])), 2);
    assert_eq!(exit_of(run(&["pool", "list", "--addr", "ftp://a"])), 2);
}

#[test]
fn the_issuer_works_offline_from_key_to_verdict() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let write = |name: &str, text: &str| std::fs::write(Path::new(&file(name)), text).expect("written");
    assert_eq!(exit_of(run(&["license", "keygen", "--out", &file("k")])), 0);
    assert_eq!(exit_of(run(&["license", "keygen", "--out", &file("k")])), 2, "a key is never overwritten");
    assert_eq!(exit_of(run(&["license", "keygen", "--algorithm", "rsa", "--out", &file("r")])), 0);
    write("claims", "label = 'Acme'\nquota = '10TB'\n");
    let sign = |format: &str, key: &str| {
        exit_of(run(&[
            "license",
            "sign",
            "--format",
            format,
            "--key",
            &file(key),
            "--claims",
            &file("claims"),
            "--out",
            &file("l"),
        ]))
    };
    assert_eq!(sign("native", "k"), 0);
    assert_eq!(sign("native", "r"), 2, "RSA does not sign the native format");
    assert_eq!(sign("elastic", "r"), 2, "not built yet");
    assert_eq!(exit_of(run(&["license", "inspect", &file("l"), "--key", &file("k.pub")])), 0);
    let text = std::fs::read_to_string(file("l")).expect("the license");
    let changed: String = text.replacen("Signature: ", "Signature: AAAA", 1);
    write(
        "bad",
        &changed.replace("Signature: AAAA", "Signature: ").replacen("eyJ", "eyK", 1).replacen("ewog", "ewoh", 1),
    );
    assert_eq!(exit_of(run(&["license", "inspect", &file("bad"), "--key", &file("k.pub")])), 6);
    write("misspelled", "qouta = 5\nquota = 1\n");
    assert_eq!(exit_of(run(&["license", "sign", "--key", &file("k"), "--claims", &file("misspelled")])), 2);
}

#[test]
fn a_cluster_is_founded_in_two_directories() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("password"), "correct horse\n").expect("written");
    let (data, operator, password) = (path("n1"), path("operator"), path("password"));
    let init = ["cluster", "init", "--data-dir", &data, "--operator-dir", &operator, "--name", "eu-1", "--zone"];
    let rest = ["--admin-password-file", &password];
    assert_eq!(exit_of(run(&[&init[..], &["Mars/Base"], &rest[..]].concat())), 2);
    assert_eq!(exit_of(run(&[&init[..], &["Europe/Berlin"], &rest[..]].concat())), 0);
    assert_eq!(exit_of(run(&[&init[..], &["Europe/Berlin"], &rest[..]].concat())), 2, "never twice");

    let file = crate::config::NodeFile::read(Path::new(&data)).expect("a data directory");
    assert_eq!((file.node, file.name.as_str()), (1, "n1"));
    let first = std::fs::read(Path::new(&data).join("init.bin")).expect("the first command");
    let init: crate::domain::cluster::InitCluster = crate::codec::decode(1, &first).expect("a command");
    assert_eq!((init.cluster_id.as_ref(), init.zone.as_ref()), (file.cluster.as_str(), "Europe/Berlin"));
    assert!(init.password.starts_with("$argon2id$") && !String::from_utf8_lossy(&first).contains("horse"));
    assert!(!Path::new(&data).join("identity/ca-key.pem").exists() && Path::new(&operator).join("ca-key.pem").exists());
    assert_eq!(exit_of(run(&["cluster", "cert", "--operator-dir", &operator, "--data-dir", &data])), 0);
    assert_eq!(exit_of(run(&["journal", "verify", "--data-dir", &data])), 0);
    assert_eq!(exit_of(run(&["serve", "--data-dir", &operator])), 2, "serve makes no data directory");
}
