//! How Go orders versions.
#![no_main]

use ecosystem::order::go;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::total_order(go::compare, data);
    let _ = go::valid(&String::from_utf8_lossy(data));
});
