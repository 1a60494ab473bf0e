//! CVSS vectors.
#![no_main]

use model::cvss;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let score = cvss::score_tenths(text);
    assert!(score.is_none_or(|tenths| tenths <= 100), "{text:?} scores {score:?}");
    assert_eq!(score.is_some(), cvss::severity(text).is_some(), "a score has a severity: {text:?}");
    let _ = (cvss::version(text), cvss::words(text));
});
