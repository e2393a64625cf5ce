//! Any text as a license document: refused, or one of those that were signed. Nothing that was not signed verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quartermaster::signing::{elastic, inspect, read_license};
use quartermaster_fuzz::{DOCUMENTS, KNOWN, TRUSTED, seed};

fuzz_target!(
    init: seed(DOCUMENTS.iter().map(|text| text.clone().into_bytes())),
    |text: &str| {
        if let Ok(license) = read_license(text, &TRUSTED) {
            assert!(KNOWN.contains(&license.id), "forged: {license:?}");
            let again = read_license(&license.text, &TRUSTED).expect("what is kept is a document");
            assert_eq!(license, again);
        }
        if let Ok(verdict) = inspect(text, &TRUSTED) {
            assert_eq!(verdict.is_valid(), read_license(text, &TRUSTED).is_ok());
        }
        // whatever it says of itself, also unsigned
        if let Ok(all) = elastic::all(text) {
            for envelope in all {
                let _canonical = envelope.spec.canonical();
            }
        }
    }
);
