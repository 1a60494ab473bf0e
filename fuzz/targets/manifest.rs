//! Manifests and indexes.
#![no_main]

use model::manifest::{self, Manifest};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [declared] = fuzz::texts::<1>(data.split(|b| *b == b'\n').next().unwrap_or_default());
    let declared = (!declared.is_empty()).then_some(declared.as_str());
    for declared in [None, declared] {
        let Ok(manifest) = Manifest::parse(data, declared) else { continue };
        let _ = (manifest.claimed_bytes(), manifest.kind(), manifest.referrer_type(), manifest.children().len());
        for blob in manifest.blobs() {
            let _ = (blob.is_foreign(), blob.is_encrypted());
            assert_eq!(model::Digest::parse(blob.digest.as_str()), Ok(blob.digest.clone()));
        }
    }
    let text = String::from_utf8_lossy(data);
    let _ = (manifest::essence(&text), manifest::tag_subject(&text));
});
