//! What the room promises as a whole: one document, one license, or none.

use super::keys::{PublicKey, SigningKey};
use super::*;
use crate::domain::license::Term;
use crate::domain::time::NEVER;
use crate::domain::trust::Algorithm;

const CLAIMS: &str = r#"
id = "7b1f0e1c-9e0a-4c39-8f11-1d2e3f405162"
label = "Example Corp production"
owner = "Example Corp"
type = "enterprise"
starts = 2026-01-01T00:00:00Z
expires = "2027-12-31T23:59:59Z"
quota = "10TB"
sourcetypes = ["syslog", "access_combined"]
"#;

const NOW: Moment = Moment(1_790_000_000_000);

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).expect("randomness")
}

fn trusted(key: &SigningKey) -> Map<Name, TrustedKey> {
    let key = key.public().expect("its public half").trusted("issuer".into());
    Map::unit(key.id.clone(), key)
}

fn signed(key: &SigningKey, claims: &str) -> Result<String, SignProblem> {
    sign(Format::Native, key, ClaimsFile::parse(claims)?, NOW)
}

fn meter(license: &License) -> &crate::domain::license::Meter {
    let [Term::Meter(meter)] = license.terms.as_slice() else { panic!("no single meter: {license:?}") };
    meter
}

#[test]
fn a_signed_document_becomes_the_license_that_its_claims_describe() {
    let key = key();
    let text = signed(&key, CLAIMS).expect("good claims");
    let license = read_license(&text, &trusted(&key)).expect("a trusted signature");
    assert_eq!(license.text.as_ref(), text);
    assert_eq!(license.key, Some(key.public().expect("a key").id()));
    assert_eq!(license.label.as_ref(), "Example Corp production");
    assert_eq!(license.issue.as_ref(), "7b1f0e1c-9e0a-4c39-8f11-1d2e3f405162");
    assert_eq!(license.created, NOW);
    assert_eq!(license.starts, Moment(1_767_225_600_000));
    assert_eq!(license.expires, Moment(1_830_297_599_000));
    let meter = meter(&license);
    assert_eq!((meter.group.as_ref(), meter.stack.as_ref(), meter.quota_bytes), ("Enterprise", "enterprise", 10 << 40));
    assert_eq!((meter.max_violations, meter.window_days), (5, 30));
    assert!(meter.features.contains("DistSearch") && !meter.features.contains("ResetWarnings"));
    assert_eq!(meter.sourcetypes.len(), 2);
}

#[test]
fn a_license_of_seats_needs_no_volume_and_one_of_both_has_both() {
    let key = key();
    let seats = "[[seats]]\ntype = \"review\"\ncount = 10\nworkers = 6\naudited = true\naudit_threshold = \"1GB\"\n";
    let of = |claims: &str| {
        let text = signed(&key, claims).expect("good claims");
        read_license(&text, &trusted(&key)).expect("a trusted signature").terms
    };
    let terms = of(seats);
    let [Term::Seats(grant)] = terms.as_slice() else { panic!("seats only: {terms:?}") };
    assert_eq!((grant.product.as_ref(), grant.description.as_ref()), ("review", "review"));
    assert_eq!((grant.count, grant.workers, grant.can_choose_workers), (10, 6, true));
    assert_eq!((grant.audited, grant.audit_threshold_bytes), (true, 1 << 30));
    let both = of(&format!("quota = \"1GB\"\n{seats}[[seats]]\ntype = \"studio\"\ncount = 1\n"));
    assert!(matches!(both.as_slice(), [Term::Meter(_), Term::Seats(_), Term::Seats(_)]), "{both:?}");
    for bad in [
        "",
        "seats = 7",
        "seats = [7]",
        "[[seats]]\ntype = \"review\"\n",
        "[[seats]]\ntype = \"a/b\"\ncount = 1\n",
        "[[seats]]\ntype = \"review\"\ncount = 0\n",
        "[[seats]]\ntype = \"review\"\ncount = 1\nworkers = -1\n",
        "[[seats]]\ntype = \"review\"\ncount = 1\nseat = 2\n",
        "[[seats]]\ntype = \"r\"\ncount = 1\naudited = \"yes\"\n",
    ] {
        assert!(signed(&key, bad).is_err(), "{bad}");
    }
}

#[test]
fn claims_in_json_and_toml_make_the_same_license() {
    let key = key();
    let json = r#"{"id":"7b1f0e1c-9e0a-4c39-8f11-1d2e3f405162","quota":1048576,"group":"free","stack":"FREE"}"#;
    let toml = "id = '7b1f0e1c-9e0a-4c39-8f11-1d2e3f405162'\nquota = '1MB'\ngroup = 'Free'\nstack = 'free'\n";
    let (json, toml) = (signed(&key, json).expect("json"), signed(&key, toml).expect("toml"));
    assert_eq!(json, toml);
    let license = read_license(&json, &trusted(&key)).expect("a license");
    assert_eq!(license.expires, NEVER);
    assert_eq!(license.starts, NOW);
    assert_eq!(meter(&license).group.as_ref(), "Free");
}

#[test]
fn every_flipped_bit_is_refused_or_changes_nothing() {
    let key = key();
    let trusted = trusted(&key);
    let text = signed(&key, CLAIMS).expect("good claims");
    let original = read_license(&text, &trusted).expect("a license");
    let mut changed_nothing = 0;
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(mutated) = String::from_utf8(bytes) else { continue };
            if let Ok(license) = read_license(&mutated, &trusted) {
                assert_eq!(License { text: original.text.clone(), ..license }, original, "byte {at}, bit {bit}");
                changed_nothing += 1;
            }
        }
    }
    assert!(changed_nothing <= 1, "only the final line feed is outside the signature, not {changed_nothing} bits");
}

#[test]
fn a_document_without_its_whole_self_is_refused() {
    let key = key();
    let trusted = trusted(&key);
    let text = signed(&key, CLAIMS).expect("good claims");
    for end in (0..text.len() - 1).step_by(7) {
        assert!(read_license(&text[..end], &trusted).is_err());
    }
    assert!(read_license(&format!("{text}{text}"), &trusted).is_err());
    assert!(read_license(&format!(" {text}"), &trusted).is_err());
    assert!(read_license(&text.replace('\n', "\r\n"), &trusted).is_ok());
    let huge = format!("{text}{}", " ".repeat(DOCUMENT_BYTES));
    assert!(matches!(read_license(&huge, &trusted), Err(LicenseProblem::Unreadable(_))));
    let lines: Vec<&str> = text.lines().collect();
    let stripped = text.replace(lines[2], "Signature: ");
    assert!(matches!(read_license(&stripped, &trusted), Err(LicenseProblem::BadSignature { .. })));
}

#[test]
fn only_a_key_that_is_trusted_now_counts() {
    let (ours, theirs) = (key(), key());
    let text = signed(&theirs, CLAIMS).expect("good claims");
    assert!(matches!(read_license(&text, &trusted(&ours)), Err(LicenseProblem::UnknownKey { .. })));

    let ours_id = ours.public().expect("a key").id();
    let theirs_id = theirs.public().expect("a key").id();
    let renamed = text.replace(theirs_id.as_ref(), &ours_id);
    assert!(matches!(read_license(&renamed, &trusted(&ours)), Err(LicenseProblem::BadSignature { .. })));

    let mut keys = trusted(&theirs);
    keys.get_mut(&theirs_id).expect("it is there").distrusted = Some(Moment(5));
    assert!(matches!(read_license(&text, &keys), Err(LicenseProblem::DistrustedKey { .. })));
}

#[test]
fn the_algorithm_comes_from_the_trusted_key() {
    let rsa = SigningKey::generate(Algorithm::Rsa2048).expect("randomness");
    assert!(matches!(signed(&rsa, CLAIMS), Err(SignProblem::WrongKey { .. })));
    let ours = key();
    let text = signed(&ours, CLAIMS).expect("good claims");
    let renamed = text.replace(ours.public().expect("a key").id().as_ref(), &rsa.public().expect("a key").id());
    assert!(matches!(read_license(&renamed, &trusted(&rsa)), Err(LicenseProblem::Unreadable(_))));
}

#[test]
fn claims_that_make_no_license_are_named() {
    let key = key();
    for (claims, field) in [
        ("", "quota"),
        ("quota = 'many'", "quota"),
        ("quota = -1", "quota"),
        ("quota = '2000000TB'", "quota"),
        ("quota = 1\nqouta = 2", "qouta"),
        ("quota = 1\nid = 'seven'", "id"),
        ("quota = 1\nlabel = ''", "label"),
        ("quota = 1\nkind = 'a'\ntype = 'b'", "type"),
        ("quota = 1\nexpires = '2027-12-31'", "expires"),
        ("quota = 1\nstarts = 2027-01-01T00:00:00Z\nexpires = 2026-01-01T00:00:00Z", "expires"),
        ("quota = 1\ngroup = 'Gold'", "group"),
        ("quota = 1\nmax_violations = 1001", "max_violations"),
        ("quota = 1\nwindow_period = 1.5", "window_period"),
        ("quota = 1\nfeatures = 'Auth'", "features"),
        ("quota = 1\nfeatures = ['Auth', 'Auth']", "features"),
    ] {
        match signed(&key, claims) {
            Err(SignProblem::Claims(LicenseProblem::BadClaims { field: found, .. })) => {
                assert_eq!(found, field, "{claims}")
            }
            other => panic!("{claims}: {other:?}"),
        }
    }
    assert!(matches!(
        signed(&key, r#"{"quota":1,"quota":2}"#),
        Err(SignProblem::Claims(LicenseProblem::Unreadable(_)))
    ));
}

#[test]
fn a_format_that_is_not_built_says_so() {
    let problem = sign(Format::Builtin, &key(), ClaimsFile::default(), NOW).expect_err("not built");
    assert_eq!(problem.to_string(), "format builtin cannot be signed by this release");
}

#[test]
fn an_inspection_tells_what_can_be_believed() {
    let key = key();
    let text = signed(&key, CLAIMS).expect("good claims");
    let verdict = inspect(&text, &trusted(&key)).expect("a document");
    assert_eq!(verdict.signature, Signature::Valid { label: "issuer".into() });
    assert!(verdict.is_valid());
    let unchecked = inspect(&text, &Map::new()).expect("a document");
    assert_eq!(unchecked.signature, Signature::NotChecked);
    assert!(!unchecked.is_valid());
    assert!(inspect("hello", &Map::new()).is_err());
    assert!(PublicKey::parse("hello").is_err());
}
