//! The reader of npm's packages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::read("npm", &["srv/node_modules/a/package.json", "srv/node_modules/@a/b/package.json"], data);
});
