//! How Debian orders versions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::total_order(ecosystem::order::dpkg::compare, data));
