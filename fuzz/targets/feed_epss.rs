//! The scores of how likely a vulnerability is to be exploited.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::feed("epss", data));
