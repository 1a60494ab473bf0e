//! The list of vulnerabilities known to be exploited.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::feed("kev", data));
