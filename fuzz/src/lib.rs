//! What the targets share: issuers that the tests have too, documents that they signed, and first inputs from both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use quartermaster::domain::license::{Format, LicenseId};
use quartermaster::domain::name::{Map, Name, hex, sha256};
use quartermaster::domain::time::Moment;
use quartermaster::domain::trust::TrustedKey;
use quartermaster::signing::claims::ClaimsFile;
use quartermaster::signing::keys::SigningKey;
use quartermaster::signing::{read_license, sign};

/// When everything is signed: 2026-11-22T10:00:00Z.
pub const NOW: Moment = Moment(1_795_341_600_000);

/// Claims of each format, in its own words.
pub const CLAIMS: [(Format, &str); 10] = [
    (Format::Native, "id = \"5f0c2f3e-8d0e-4a55-9d70-0d8b3c1f6a01\"\nstack = \"enterprise\"\nquota = \"1GB\"\nlabel = \"a\"\n"),
    (
        Format::Native,
        "id = \"5f0c2f3e-8d0e-4a55-9d70-0d8b3c1f6a02\"\nlabel = \"b\"\n[[seats]]\ntype = \"review\"\ndescription = \"Review\"\n\
         count = 3\nworkers = 9\n",
    ),
    (
        Format::Splunk,
        "type = \"enterprise\"\nquota = \"10GB\"\nguid = \"7B1F0E1C-9E0A-4C39-8F11-1D2E3F405162\"\nlabel = \"Ex <&> 'Corp'\"\n\
         features = [\"Auth\", \"ResetWarnings\"]\nsourcetypes = [\"syslog\"]\nexpiration_time = 1900000000\n",
    ),
    (Format::Splunk, "type = \"lite\"\nquota = 1\nguid = \"7B1F0E1C-9E0A-4C39-8F11-1D2E3F405163\"\n"),
    (
        Format::Elastic,
        r#"{"uid":"u-1","type":"platinum","issue_date_in_millis":1767225600000,"expiry_date":"2027-12-31","max_nodes":50,"issued_to":"Härbour <\"x\">","issuer":"o"}"#,
    ),
    (
        Format::Elastic,
        r#"{"uid":"u-2","type":"enterprise","issue_date":"2026-01-01","expiry_date":"2027-12-31","max_resource_units":"64","issued_to":"H","issuer":"o","start_date":"2026-01-01T00:00:00Z"}"#,
    ),
    (
        Format::Elastic,
        r#"{"uid":"u-3","type":"gold","issue_date_in_millis":1,"expiry_date_in_millis":1900000000000,"max_nodes":5,"issued_to":"H","issuer":"o","version":2}"#,
    ),
    (
        Format::Redis,
        r#"{"id":"r-1","owner":"Corp","cluster_name":"c","shards_limit":64,"ram_shards_limit":48,"flash_shards_limit":16,"features":["bigstore"],"activation_date":"2026-02-01T00:00:00Z","expiration_date":"2027-02-01T00:00:00Z","issued":"2026-02-01T00:00:00Z","issue":7}"#,
    ),
    (
        Format::Immuta,
        "uuid = \"5f0c2f3e-8d0e-4a55-9d70-0d8b3c1f6a03\"\nseats = 5\nsoftSeats = 2\nexpires = \"2027-02-01T00:00:00Z\"\n\
         features = [\"a\"]\nhandlers = [\"b\"]\nnotice = \"n\"\n",
    ),
    (
        Format::Nuix,
        "id = \"5f0c2f3e-8d0e-4a55-9d70-0d8b3c1f6a04\"\nshortname = \"enterprise-reviewer\"\ndescription = \"Review\"\n\
         count = 3\nworkers = 12\naudited = true\nauditThreshold = 1000\nexpiry = 1900000000000\n",
    ),
];

/// The issuers of the tests.
pub static ISSUERS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    [include_str!("../../tests/dialects/issuer.pem"), include_str!("../../tests/dialects/issuer-rsa.pem")]
        .map(|pem| SigningKey::from_pem(pem).expect("is a key"))
});

/// Both of them, trusted.
pub static TRUSTED: LazyLock<Map<Name, TrustedKey>> = LazyLock::new(|| {
    let keys = ISSUERS.iter().map(|key| key.public().expect("has a public half").trusted("test".into()));
    keys.map(|key| (key.id.clone(), key)).collect()
});

/// The issuer that signs a format.
#[must_use]
pub fn issuer(format: Format) -> &'static SigningKey {
    &ISSUERS[usize::from(format == Format::Elastic)]
}

/// Everything that was ever signed.
pub static DOCUMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let signed = CLAIMS.iter().map(|(format, claims)| {
        let claims = ClaimsFile::parse(claims).expect("are claims");
        sign(*format, issuer(*format), claims, NOW).expect("can be signed")
    });
    signed.collect()
});

/// The licenses in it. Whatever else verifies was forged.
pub static KNOWN: LazyLock<BTreeSet<LicenseId>> = LazyLock::new(|| {
    DOCUMENTS.iter().map(|text| read_license(text, &TRUSTED).expect("a license").id).collect()
});

/// Writes first inputs into the folder that `QM_CORPUS` names, each under its own hash. The fuzzer reads them afterwards.
pub fn seed(inputs: impl IntoIterator<Item = Vec<u8>>) {
    let Some(folder) = std::env::var_os("QM_CORPUS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).expect("a folder for inputs");
    for input in inputs {
        let name = hex(&sha256(&[&input])[..16]);
        std::fs::write(folder.join(name), input).expect("an input is written");
    }
}

/// The requests of every transcript of the tests, each as it stands there: method and target, headers, an empty line, the
/// body.
#[must_use]
pub fn requests() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/dialects");
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    let files = inside(&folder).into_iter().flat_map(|dialect| inside(&dialect));
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    let blocks = texts.flat_map(|text| text.split("===\n").map(str::to_owned).collect::<Vec<_>>());
    let requests = blocks.filter_map(|block| block.split_once("---\n").map(|(request, _)| told(request)));
    requests.map(String::into_bytes).collect()
}

/// A block's request without comments and times.
fn told(request: &str) -> String {
    let lines = request.lines().skip_while(|line| line.is_empty() || line.starts_with(['#', '@']));
    lines.collect::<Vec<_>>().join("\n")
}
