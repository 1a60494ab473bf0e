//! Digests: what is read is written as it was.
#![no_main]

use model::Digest;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(digest) = Digest::parse(text) else { return };
    assert_eq!(digest.as_str(), text);
    assert!(text.ends_with(digest.hex()) && digest.hex().starts_with(digest.short()));
    let _ = (digest.algorithm(), digest.of_same_kind(text.as_bytes()));
});
