//! The reader of Debian's package lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::read(
        "deb",
        &[
            "var/lib/dpkg/status",
            "var/lib/dpkg/status.d/base",
            "var/lib/dpkg/info/tzdata.list",
            "var/lib/dpkg/info/a.md5sums",
        ],
        data,
    );
});
