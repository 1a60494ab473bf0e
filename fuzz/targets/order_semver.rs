//! How semantic versioning orders versions.
#![no_main]

use ecosystem::order::semver;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::total_order(semver::compare, data);
    let _ = semver::valid(&String::from_utf8_lossy(data));
});
