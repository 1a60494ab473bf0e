//! The reader of Alpine's package list.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::read("apk", &["lib/apk/db/installed"], data);
});
