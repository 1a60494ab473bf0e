//! The reader of Python's package metadata, eggs included.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::read(
        "pypi",
        &["usr/lib/python3/dist-packages/a-1.0.dist-info/METADATA", "srv/a-1.0-py3.11.egg", "srv/a.egg-info/PKG-INFO"],
        data,
    );
});
