//! Debian's tracker and lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::feed("debian", data));
