//! The reader of the distribution's release.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::read("os-release", &["etc/os-release", "usr/lib/os-release"], data);
});
