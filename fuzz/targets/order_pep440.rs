//! How Python orders versions, and whether one is among those that a list of conditions takes.
#![no_main]

use ecosystem::order::pep440;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::total_order(pep440::compare, data);
    let [conditions, version] = fuzz::texts::<2>(data);
    let _ = pep440::satisfies(&conditions, &version);
    if pep440::valid(&version) {
        assert!(pep440::satisfies(&format!("=={version}"), &version), "{version:?} is itself");
        assert!(!pep440::satisfies(&format!("!={version}"), &version), "{version:?} is not another");
    }
});
