//! Any bytes as a signature, in the clothes of each format: never good, never a panic.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use quartermaster::signing::{inspect, read_license};
use quartermaster_fuzz::{ISSUERS, TRUSTED, seed};

/// The bytes that make a signature's layout of each kind, without a good signature.
fn seeds() -> Vec<Vec<u8>> {
    let elastic = |version: i32, fingerprint: &[u8]| {
        let parts = [&[7; 13][..], fingerprint, &[9; 256]];
        let parts = parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat());
        [vec![0], version.to_be_bytes().to_vec(), parts.collect()].concat()
    };
    let id = ISSUERS[0].public().expect("has a public half").id();
    let digits = id.split(':').next_back().unwrap_or_default().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let hash: Vec<u8> = digits.chunks(2).filter_map(byte).collect();
    vec![
        elastic(5, &[1; 32]),
        elastic(4, &[1; 32]),
        elastic(3, b"MIIB"),
        elastic(2, b"MIIB"),
        elastic(-3, b""),
        [&[1, 1][..], &hash, &[5; 64], b"{\"id\":\"x\"}"].concat(),
        [&[2][..], &[5; 64]].concat(),
        [&[3][..], &[5; 64]].concat(),
        [&[4][..], &[5; 64]].concat(),
    ]
}

fuzz_target!(init: seed(seeds()), |bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let id = ISSUERS[0].public().expect("has a public half").id();
    let text = match kind % 5 {
        0 => format!(
            r#"{{"license":{{"uid":"u","type":"gold","issue_date_in_millis":1,"expiry_date_in_millis":2,"max_nodes":1,"issued_to":"a","issuer":"b","signature":"{}"}}}}"#,
            STANDARD.encode(bytes)
        ),
        1 => format!("----- LICENSE START -----\n{}\n----- LICENSE END -----\n", STANDARD.encode(bytes)),
        2 => format!(
            "-----BEGIN QUARTERMASTER LICENSE-----\nKey: {id}\nSignature: {}\n\ne30=\n-----END QUARTERMASTER LICENSE-----\n",
            STANDARD.encode(bytes)
        ),
        3 => format!("nuix.{id}.e30.{}", URL_SAFE_NO_PAD.encode(bytes)),
        _ => format!(
            "<license><signature key=\"{id}\">{}</signature><payload><quota>1</quota></payload></license>",
            STANDARD.encode(bytes)
        ),
    };
    assert!(read_license(&text, &TRUSTED).is_err(), "forged: {text}");
    if let Ok(verdict) = inspect(&text, &TRUSTED) {
        assert!(!verdict.is_valid(), "forged: {text}");
    }
});
