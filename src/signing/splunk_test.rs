//! Splunk's license file: signed and read back, changed byte by byte, and everything that hostile XML tries.

use super::super::{read_license, sign};
use super::*;
use crate::domain::name::Map as Keys;
use crate::domain::trust::TrustedKey;

const NOW: Moment = Moment(1_795_341_600_000);

fn key() -> SigningKey {
    SigningKey::from_pem(include_str!("../../tests/dialects/issuer.pem")).expect("is a key")
}

fn trusted() -> Keys<Name, TrustedKey> {
    let key = key().public().expect("has a public half").trusted("issuer".into());
    Keys::unit(key.id.clone(), key)
}

fn signed(claims: &str) -> String {
    let claims = ClaimsFile::parse(claims).expect("are claims");
    sign(Format::Splunk, &key(), claims, NOW).expect("can be signed")
}

const CLAIMS: &str = r#"
type = "enterprise"
group_id = "Enterprise"
quota = "10GB"
label = "Example <Corp> & Söhne"
max_violations = 3
window_period = 60
creation_time = 1790000000
expiration_time = "2030-01-01T00:00:00Z"
features = ["Auth", "LocalSearch"]
sourcetypes = ["syslog", "access_combined"]
guid = "7B1F0E1C-9E0A-4C39-8F11-1D2E3F405162"
"#;

#[test]
fn what_is_signed_is_read_back() {
    let text = signed(CLAIMS);
    let license = read_license(&text, &trusted()).expect("is a license");
    assert_eq!((license.format, &*license.kind, &*license.text), (Format::Splunk, "enterprise", text.as_str()));
    assert_eq!((&*license.label, &*license.issue), ("Example <Corp> & Söhne", "7B1F0E1C-9E0A-4C39-8F11-1D2E3F405162"));
    assert_eq!((license.created.seconds(), license.expires.seconds()), (1_790_000_000, 1_893_456_000));
    let meter = license.meters().next().expect("has a volume");
    assert_eq!((&*meter.group, &*meter.stack, meter.quota_bytes), ("Enterprise", "enterprise", 10 << 30));
    assert_eq!((meter.max_violations, meter.window_days), (3, 60));
    assert_eq!((meter.features.len(), meter.sourcetypes.len()), (2, 2));
}

#[test]
fn what_claims_leave_out_is_filled_in() {
    let license = read_license(&signed("quota = 1"), &trusted()).expect("is a license");
    assert_eq!((license.created, license.expires, license.issue.len()), (NOW, NEVER, 36));
    let meter = license.meters().next().expect("has a volume");
    assert_eq!(
        (&*meter.stack, meter.max_violations, meter.window_days, meter.features.len()),
        ("enterprise", 5, 30, 15)
    );
    for (claims, group, stack) in [
        ("type = \"lite\"\nquota = 1", "Lite", "lite"),
        ("type = \"download-trial\"\nquota = 1", "Trial", "download-trial"),
        ("type = \"enterprise\"\nstack_id = \"Mine\"\nquota = 1", "Enterprise", "mine"),
    ] {
        let license = read_license(&signed(claims), &trusted()).expect("is a license");
        let meter = license.meters().next().expect("has a volume");
        assert_eq!((&*meter.group, &*meter.stack), (group, stack), "{claims}");
    }
    let fixed = "type = \"fixed-sourcetype\"\nquota = 1\nsourcetypes = [\"a\", \"b\"]";
    let license = read_license(&signed(fixed), &trusted()).expect("is a license");
    let stack = &license.meters().next().expect("has a volume").stack;
    assert!(stack.starts_with("fixed-sourcetype_") && stack.len() == 17 + 64, "{stack}");
}

#[test]
fn every_changed_byte_is_refused_or_changes_nothing() {
    let text = signed(CLAIMS);
    let wanted = read_license(&text, &trusted()).expect("is a license");
    let mut kept = 0;
    for at in 0..text.len() {
        for flip in [1_u8, 4, 32] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= flip;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            if let Ok(license) = read_license(&changed, &trusted()) {
                assert_eq!(
                    license,
                    wanted,
                    "byte {at}: {}",
                    &changed[at.saturating_sub(20)..(at + 20).min(text.len())]
                );
                kept += 1;
            }
        }
    }
    // white space around the signed element, and the declaration, may change: they say nothing
    assert!(kept < 60, "{kept} changes were taken");
    for changed in [
        text.replace('\n', "\r\n"),
        format!("{text}\0\0\n"),
        format!("  {}", &text["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".len()..]),
    ] {
        assert_eq!(read_license(&changed, &trusted()), Ok(wanted.clone()), "{changed:?}");
    }
}

#[test]
fn hostile_xml_is_refused_in_bounded_time() {
    let good = signed(CLAIMS);
    let laughs =
        "<!DOCTYPE license [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    let external = "<!DOCTYPE license SYSTEM \"file:///etc/passwd\">";
    let deep = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    let wide = format!("<license>{}</license>", "<a/>".repeat(20_000));
    let long = format!("<license><signature key=\"{}\">AA==</signature><payload/></license>", "k".repeat(1_000));
    let attributes: String = (0..2_000).map(|at| format!(" a{at}=\"1\"")).collect();
    let many = format!("<license{attributes}/>");
    // each child would copy the namespaces of the root, and look for each of them in its own
    let namespaces: String = (0..8_000).map(|at| format!(" xmlns:a{at}='b'")).collect();
    let spaced = format!("<license{namespaces}>{}</license>", "<a xmlns:c='d'/>".repeat(4_000));
    let bodied = |head: &str| good.replace("<license>", &format!("{head}<license>"));
    let bad = [
        bodied(laughs),
        bodied(external),
        bodied("<!DOCTYPE license>"),
        bodied("<!-- x -->"),
        good.replace("<payload>", "<payload><?php x ?>"),
        good.replace("<type>enterprise</type>", "<type><![CDATA[enterprise]]></type>"),
        good.replace("<type>", "<type>&xxe;"),
        good.replace("</payload>", "</payload><payload/>"),
        good.replace("<payload>", "<payload a=\"1\">"),
        good.replace("<license>", "<license>text"),
        good.replace("<license>", "<x:license xmlns:x=\"y\">").replace("</license>", "</x:license>"),
        deep,
        wide,
        long,
        many,
        spaced,
        "<".to_owned(),
        "<license/>".to_owned(),
        "<license><signature>AA==</signature><payload/></license>".to_owned(),
        format!("<license>{}</license>", " ".repeat(300 << 10)),
    ];
    for text in &bad {
        assert!(read_license(text, &trusted()).is_err(), "{:.200}", text);
    }
}

#[test]
fn however_many_quotation_marks_claims_have_their_license_is_read() {
    let features: Vec<String> = (0..400).map(|at| format!(r#""it's \"{at}\"""#)).collect();
    let claims = format!("quota = 1\nfeatures = [{}]", features.join(", "));
    let license = read_license(&signed(&claims), &trusted()).expect("is a license");
    assert_eq!(license.meters().next().map(|meter| meter.features.len()), Some(400));
}

#[test]
fn claims_that_make_no_license_are_not_signed() {
    for claims in [
        "",
        "quota = -1",
        "quota = \"lots\"",
        "quota = 1\ncolour = \"red\"",
        "quota = 1\ngroup_id = \"Nothing\"",
        "quota = 1\nexpiration_time = 1",
        "quota = 1\nwindow_period = 400",
        "quota = 1\nmax_violations = 1001",
        "quota = 1\nfeatures = [\"a\", \"a\"]",
        "quota = 1\nlabel = \"\\uFFFF\"",
    ] {
        let file = ClaimsFile::parse(claims).expect("are claims");
        assert!(sign(Format::Splunk, &key(), file, NOW).is_err(), "{claims}");
    }
}
