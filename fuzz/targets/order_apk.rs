//! How Alpine orders versions.
#![no_main]

use ecosystem::order::apk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::total_order(apk::compare, data);
    let _ = apk::valid(&String::from_utf8_lossy(data));
});
