//! Any text as a key's file: refused, or written again as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quartermaster::signing::keys::{PublicKey, SigningKey};
use quartermaster_fuzz::{ISSUERS, seed};

fn seeds() -> Vec<Vec<u8>> {
    let public = ISSUERS.iter().map(|key| key.public().expect("has a public half").to_pem());
    let private = ISSUERS.iter().map(|key| key.to_pem().expect("can be written"));
    public.chain(private).map(String::into_bytes).collect()
}

fuzz_target!(init: seed(seeds()), |text: &str| {
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(PublicKey::parse(&key.to_pem()).as_ref(), Ok(&key));
        let _no = key.verifies(b"message", b"signature");
    }
    if let Ok(key) = SigningKey::from_pem(text) {
        let public = key.public().expect("a key that signs has a public half");
        let signature = key.sign(b"message").expect("a key that was read signs");
        assert!(public.verifies(b"message", &signature));
    }
});
