//! The reader of programs written in Go.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::read("golang", &["usr/bin/app"], data);
});
