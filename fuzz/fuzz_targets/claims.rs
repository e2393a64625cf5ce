//! Any text as a claims file, for each format: refused, or signed into a document that reads as a license.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quartermaster::signing::claims::ClaimsFile;
use quartermaster::signing::{FORMATS, inspect, read_license, sign};
use quartermaster_fuzz::{CLAIMS, NOW, TRUSTED, issuer, seed};

/// A digit for the format, then the claims.
fn seeds() -> Vec<Vec<u8>> {
    let place = |wanted| FORMATS.iter().position(|(_, format)| *format == wanted).unwrap_or(0);
    CLAIMS.iter().map(|(format, claims)| format!("{}{claims}", place(*format)).into_bytes()).collect()
}

fuzz_target!(init: seed(seeds()), |text: &str| {
    let mut letters = text.chars();
    let Some(digit) = letters.next().and_then(|letter| letter.to_digit(10)) else { return };
    let Some((_, format)) = FORMATS.get(digit as usize) else { return };
    let Ok(claims) = ClaimsFile::parse(letters.as_str()) else { return };
    let Ok(document) = sign(*format, issuer(*format), claims, NOW) else { return };
    let license = read_license(&document, &TRUSTED);
    assert!(license.is_ok(), "signed, and not read: {license:?}: {document}");
    assert!(inspect(&document, &TRUSTED).is_ok_and(|verdict| verdict.is_valid()), "{document}");
});
