//! What every format promises, format by format: one document, one license; not a byte of it may change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::keys::SigningKey;
use super::*;
use crate::domain::license::Term;
use crate::domain::time::NEVER;
use crate::domain::trust::Algorithm;

const NOW: Moment = Moment(1_790_000_000_000);

const ELASTIC: &str = r#"{"uid":"u-1","type":"platinum","issue_date_in_millis":1767225600000,
    "expiry_date":"2027-12-31","max_nodes":50,"issued_to":"Härbour <\"x\">","issuer":"operator"}"#;
const REDIS: &str = r#"{"id":"r-1","owner":"Corp","cluster_name":"c","shards_limit":64,"ram_shards_limit":48,
    "flash_shards_limit":16,"features":["bigstore"],"activation_date":"2026-02-01T00:00:00Z",
    "expiration_date":"2027-02-01T00:00:00Z","issued":"2026-02-01T00:00:00Z"}"#;

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).expect("randomness")
}

fn trusted(keys: &[&SigningKey]) -> Map<Name, TrustedKey> {
    let entry = |key: &&SigningKey| key.public().expect("its public half").trusted("issuer".into());
    keys.iter().map(entry).map(|key| (key.id.clone(), key)).collect()
}

fn signed(format: Format, key: &SigningKey, claims: &str) -> Result<String, SignProblem> {
    sign(format, key, ClaimsFile::parse(claims)?, NOW)
}

/// Claims of version 2 to 5.
fn version(version: u32) -> String {
    ELASTIC.replacen('{', &format!("{{\"version\":{version},"), 1)
}

/// Flips every bit of every byte; what is still read must be the very license.
fn mutate(text: &str, keys: &Map<Name, TrustedKey>) -> usize {
    let original = read_license(text, keys).expect("a license");
    let mut same = 0;
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let Ok(mutated) = String::from_utf8(bytes) else { continue };
            if let Ok(license) = read_license(&mutated, keys) {
                assert_eq!(License { text: original.text.clone(), ..license }, original, "byte {at}, bit {bit}");
                same += 1;
            }
        }
    }
    same
}

#[test]
fn a_signed_elastic_license_says_what_its_claims_do() {
    let key = key(Algorithm::Rsa2048);
    for number in 2..=5 {
        let text = signed(Format::Elastic, &key, &version(number)).expect("good claims");
        let license = read_license(&text, &trusted(&[&key])).expect("a trusted signature");
        assert_eq!(
            (license.kind.as_ref(), license.issue.as_ref(), license.format),
            ("platinum", "u-1", Format::Elastic)
        );
        assert_eq!(license.owner.as_ref(), "Härbour <\"x\">");
        assert_eq!((license.created, license.expires), (Moment(1_767_225_600_000), Moment(1_830_297_599_999)));
        let levels: Vec<_> = license.levels().map(|level| (level.level.to_string(), level.limit)).collect();
        assert_eq!(levels, [("nodes".to_owned(), Some(50))]);
        // what is kept is a document, too
        let again = read_license(&license.text, &trusted(&[&key])).expect("the kept text");
        assert_eq!(again, license);
    }
}

#[test]
fn the_signed_text_is_the_products_own() {
    let cases = [
        (
            r#"{"uid":"u-1","type":"gold","issue_date_in_millis":1767225600000,"expiry_date_in_millis":1830297599999,"max_nodes":5,"issued_to":"Harbour","issuer":"operator","version":4}"#,
            r#"{"uid":"u-1","type":"gold","issue_date_in_millis":1767225600000,"expiry_date_in_millis":1830297599999,"max_nodes":5,"issued_to":"Harbour","issuer":"operator","start_date_in_millis":-1}"#,
        ),
        (
            r#"{"uid":"u-2","type":"enterprise","issue_date":"2026-01-01","expiry_date":"2027-12-31","max_resource_units":"64","issued_to":"Harbour","issuer":"operator","start_date":"2026-01-01T00:00:00Z"}"#,
            r#"{"uid":"u-2","type":"enterprise","issue_date_in_millis":1767225600000,"expiry_date_in_millis":1830297599999,"max_nodes":null,"max_resource_units":64,"issued_to":"Harbour","issuer":"operator","start_date_in_millis":1767225600000}"#,
        ),
        (
            r#"{"uid":"a/\"\u0001\n","type":"basic","issue_date_in_millis":1,"max_nodes":1,"issued_to":"<&é>","issuer":"i","version":2}"#,
            "{\"uid\":\"a/\\\"\\u0001\\n\",\"type\":\"basic\",\"issue_date_in_millis\":1,\"max_nodes\":1,\"issued_to\":\"<&é>\",\"issuer\":\"i\"}",
        ),
    ];
    let key = key(Algorithm::Rsa2048);
    for (claims, wanted) in cases {
        let text = signed(Format::Elastic, &key, claims).expect("good claims");
        assert_eq!(elastic::one(&text).expect("a document").spec.canonical(), wanted);
    }
}

#[test]
fn every_flipped_bit_of_an_elastic_license_is_refused_or_changes_nothing() {
    let key = key(Algorithm::Rsa2048);
    for number in 2..=5 {
        let text = signed(Format::Elastic, &key, &version(number)).expect("good claims");
        let same = mutate(&text, &trusted(&[&key]));
        // 13 bytes of magic, the final line end, and names of members that say what is so anyway; before version 4 the
        // fingerprint and the start
        assert!((1..=if number < 4 { 3_400 } else { 700 }).contains(&same), "version {number}: {same}");
    }
}

#[test]
fn every_flipped_bit_of_a_redis_license_is_refused_or_changes_nothing() {
    let key = key(Algorithm::Ed25519);
    let text = signed(Format::Redis, &key, REDIS).expect("good claims");
    let same = mutate(&text, &trusted(&[&key]));
    // white space for white space alone
    assert!(same <= 4 * text.lines().count(), "{same}");
}

#[test]
fn a_redis_license_survives_mail_and_shells() {
    let key = key(Algorithm::Ed25519);
    let keys = trusted(&[&key]);
    let text = signed(Format::Redis, &key, REDIS).expect("good claims");
    assert!(text.starts_with("----- LICENSE START -----\n") && text.ends_with("\n----- LICENSE END -----\n"));
    assert!(text.lines().skip(1).all(|line| line.len() <= 60));
    let original = read_license(&text, &keys).expect("a license");
    assert_eq!(original.text.as_ref(), text);
    for changed in [
        text.replace('\n', "\r\n"),
        text.replace('\n', "\\n"),
        text.replace('\n', "\\r\\n"),
        text.replace('\n', " "),
        text.trim_end().to_owned(),
        format!("\n\n  {}  \n", text.replace('\n', "\n    ")),
    ] {
        assert_eq!(read_license(&changed, &keys).as_ref(), Ok(&original));
    }
    assert_eq!(original.expires, Moment(1_801_440_000_000));
    let names: Vec<_> = original.levels().map(|level| (level.level.as_ref(), level.limit)).collect();
    assert_eq!(names, [("shards", Some(64)), ("ram_shards", Some(48)), ("flash_shards", Some(16))]);
    assert!(original.terms.contains(&Term::Cluster("c".into())));
}

#[test]
fn each_format_takes_its_own_kind_of_key() {
    let (rsa, ed25519) = (key(Algorithm::Rsa2048), key(Algorithm::Ed25519));
    for (format, claims, wrong) in [(Format::Elastic, ELASTIC, &ed25519), (Format::Redis, REDIS, &rsa)] {
        assert!(matches!(signed(format, wrong, claims), Err(SignProblem::WrongKey { .. })));
    }
}

#[test]
fn keys_rotate() {
    let (old, new, stranger) = (key(Algorithm::Rsa2048), key(Algorithm::Rsa2048), key(Algorithm::Rsa2048));
    let mut keys = trusted(&[&old, &new]);
    for number in 2..=5 {
        for issuer in [&old, &new] {
            let text = signed(Format::Elastic, issuer, &version(number)).expect("good claims");
            let license = read_license(&text, &keys).expect("a trusted key");
            assert_eq!(license.key, Some(issuer.public().expect("a key").id()));
        }
        let text = signed(Format::Elastic, &stranger, &version(number)).expect("good claims");
        assert!(matches!(read_license(&text, &keys), Err(LicenseProblem::UnknownKey { .. })));
        let verdict = inspect(&text, &keys).expect("a document");
        let expected = if number < 4 { Signature::Invalid } else { Signature::NotChecked };
        assert_eq!(verdict.signature, expected, "version {number}");
        assert_eq!(inspect(&text, &Map::new()).expect("a document").signature, Signature::NotChecked);
    }
    let id = old.public().expect("a key").id();
    keys.get_mut(&id).expect("it is there").distrusted = Some(Moment(1));
    for number in 2..=5 {
        let text = signed(Format::Elastic, &old, &version(number)).expect("good claims");
        assert_eq!(read_license(&text, &keys), Err(LicenseProblem::DistrustedKey { key: id.clone() }));
    }
}

#[test]
fn claims_of_elastic_are_refused_in_the_products_words() {
    let key = key(Algorithm::Rsa2048);
    let with = |from: &str, to: &str| ELASTIC.replacen(from, to, 1);
    for (claims, field, word) in [
        (with("platinum", "diamond"), "type", "unknown license type [diamond]"),
        (with("\"max_nodes\":50,", ""), "max_nodes", "maxNodes has to be set"),
        (
            with("\"max_nodes\":50", "\"max_nodes\":50,\"max_resource_units\":1"),
            "max_resource_units",
            "may only be set",
        ),
        (with("platinum", "enterprise"), "max_resource_units", "must be set for enterprise"),
        (with("\"issuer\":\"operator\"", "\"issuer\":\"\""), "issuer", "issuer can not be null"),
        (with("2027-12-31", "31.12.2027"), "expiry_date", "invalid expiration date format"),
        (with("\"expiry_date\":\"2027-12-31\",", ""), "expiry_date_in_millis", "only basic licenses"),
        (with("{", "{\"feature\":\"x\","), "feature", "not known"),
        (with("{", "{\"version\":1,"), "version", "2 to 5"),
        (with("{", "{\"version\":2,\"start_date\":\"2026-01-01\","), "start_date_in_millis", "does not sign it"),
    ] {
        match signed(Format::Elastic, &key, &claims) {
            Err(SignProblem::Claims(LicenseProblem::BadClaims { field: found, why })) => {
                assert!(found == field && why.contains(word), "{claims}: {found}: {why}");
            }
            other => panic!("{claims}: {other:?}"),
        }
    }
}

#[test]
fn crafted_elastic_signatures_are_refused_in_time() {
    let key = key(Algorithm::Rsa2048);
    let keys = trusted(&[&key]);
    let blob = |parts: &[&[u8]]| STANDARD.encode(parts.concat());
    let document = |signature: &str| {
        format!(
            r#"{{"license":{{"uid":"u","type":"gold","issue_date_in_millis":1,"expiry_date_in_millis":2,"max_nodes":1,"issued_to":"a","issuer":"b","signature":"{signature}"}}}}"#
        )
    };
    for signature in [
        String::new(),
        "xx".to_owned(),
        blob(&[&[0, 0, 0]]),
        blob(&[&0_i32.to_be_bytes()]),
        blob(&[&6_i32.to_be_bytes()]),
        blob(&[&i32::MIN.to_be_bytes()]),
        blob(&[&5_i32.to_be_bytes()]),
        blob(&[&5_i32.to_be_bytes(), &i32::MAX.to_be_bytes(), b"short"]),
        blob(&[&5_i32.to_be_bytes(), &(-1_i32).to_be_bytes()]),
        blob(&[&5_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes(), b"more"]),
    ] {
        assert!(
            matches!(read_license(&document(&signature), &keys), Err(LicenseProblem::Unreadable(_))),
            "{signature}"
        );
    }
    // self-signed by the product, version 1, and an empty signature: laid out well, believed never
    for signature in [
        blob(&[&(-3_i32).to_be_bytes(), b"whatever"]),
        blob(&[&1_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes()]),
        blob(&[&3_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes()]),
        blob(&[&5_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes(), &0_i32.to_be_bytes()]),
    ] {
        assert!(
            matches!(read_license(&document(&signature), &keys), Err(LicenseProblem::UnknownKey { .. })),
            "{signature}"
        );
    }
}

#[test]
fn documents_that_are_no_license_say_so() {
    for text in [
        "",
        "{",
        "{}",
        "[]",
        "\"{}\"",
        r#"{"license":[]}"#,
        r#"{"licenses":{}}"#,
        r#"{"licenses":[]}"#,
        r#"{"foo":1}"#,
        r#"{"license":{},"licenses":[]}"#,
        r#"{"license":{"uid":"a","uid":"b"}}"#,
        "----- LICENSE START -----",
        "----- LICENSE START ----- ----- LICENSE END -----",
        "----- LICENSE START -----\n!!!!\n----- LICENSE END -----",
        "----- LICENSE START -----\nAgAAAA==\n----- LICENSE END -----",
    ] {
        assert!(read_license(text, &Map::new()).is_err(), "{text}");
    }
    let deep = format!(r#"{{"license":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(read_license(&deep, &Map::new()).is_err());
    let many = format!(r#"{{"licenses":[{}]}}"#, vec!["{}"; 200].join(","));
    assert!(elastic::all(&many).is_err());
}

#[test]
fn an_elastic_license_without_an_end_is_basic() {
    let key = key(Algorithm::Rsa2048);
    let claims = r#"{"type":"basic","max_nodes":1,"issued_to":"a","issuer":"b"}"#;
    let text = signed(Format::Elastic, &key, claims).expect("good claims");
    let license = read_license(&text, &trusted(&[&key])).expect("a license");
    assert_eq!((license.expires, license.created), (NEVER, Moment(1_789_999_980_000)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_whatever_makes_a_parser_panic_or_a_license(text in ".{0,400}", format in 0_u8..4) {
        let text = match format {
            0 => format!("----- LICENSE START -----{text}----- LICENSE END -----"),
            1 => format!("{{\"license\":{{\"uid\":\"u\",\"signature\":\"{text}\"}}}}"),
            2 => format!("-----BEGIN QUARTERMASTER LICENSE-----\n{text}"),
            _ => text,
        };
        prop_assert!(read_license(&text, &Map::new()).is_err());
    }

    #[test]
    fn no_bytes_whatever_in_a_signature_make_a_panic_or_a_license(bytes in proptest::collection::vec(any::<u8>(), 0..600), version in -6_i32..7) {
        let blob = STANDARD.encode([&version.to_be_bytes()[..], &bytes].concat());
        let text = format!(
            r#"{{"license":{{"uid":"u","type":"gold","issue_date_in_millis":1,"expiry_date_in_millis":2,"max_nodes":1,"issued_to":"a","issuer":"b","signature":"{blob}"}}}}"#
        );
        prop_assert!(read_license(&text, &Map::new()).is_err());
        let block = format!("----- LICENSE START -----\n{}\n----- LICENSE END -----", STANDARD.encode([&[1][..], &bytes].concat()));
        prop_assert!(read_license(&block, &Map::new()).is_err());
    }

    #[test]
    fn whatever_json_stands_in_a_field_is_read_or_refused(field in 0_usize..12, value in prop_oneof![
        Just("null".to_owned()), Just("true".to_owned()), Just("[]".to_owned()), Just("{}".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()), any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(|number| number.to_string()),
        "[0-9:TZ+-]{0,30}".prop_map(|text| format!("\"{text}\"")),
    ]) {
        let names = ["uid", "type", "issue_date", "issue_date_in_millis", "expiry_date", "expiry_date_in_millis",
            "start_date", "start_date_in_millis", "max_nodes", "max_resource_units", "issued_to", "issuer"];
        let text = format!("{{\"{}\":{value},\"other\":1}}", names[field]);
        let claims = ClaimsFile::parse(&text);
        if let Ok(claims) = claims {
            prop_assert!(elastic_spec::Spec::claimed(claims, NOW).is_err());
        }
    }
}
