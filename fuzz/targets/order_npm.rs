//! Whether a version is among those that npm's range takes.
#![no_main]

use ecosystem::order::npm;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [range, version] = fuzz::texts::<2>(data);
    let strict = npm::satisfies(&range, &version, false);
    let all = npm::satisfies(&range, &version, true);
    assert!(all || !strict, "{version:?} is in {range:?} only without its pre-releases");
    if npm::satisfies("*", &version, true) {
        assert!(npm::satisfies(&version, &version, false), "{version:?} is itself");
    }
});
