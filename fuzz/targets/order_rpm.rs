//! How RPM orders versions. Only versions that all have a release are in one order; others are compared two at a time.
#![no_main]

use ecosystem::order::rpm;
use std::cmp::Ordering;

fn with_release(a: &str, b: &str) -> Ordering {
    rpm::compare(&format!("{a}-1"), &format!("{b}-1"))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::total_order(with_release, data);
    let [a, b] = &fuzz::texts::<2>(data);
    assert_eq!(rpm::compare(a, b), rpm::compare(b, a).reverse(), "{a:?} against {b:?}");
});
