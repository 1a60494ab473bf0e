//! How each ecosystem orders versions.
//!
//! In: two version texts as package databases and advisories have them.
//! Out: their order. Every `compare` is a total order over any text, never panics and never allocates; a run of digits is
//! compared as text, so a number may be of any length. `valid` says whether the ecosystem's own tool would take the text.

pub mod apk;
pub mod dpkg;
pub mod go;
pub mod npm;
pub mod pep440;
pub mod rpm;
pub mod semver;

use std::cmp::Ordering;

/// Orders two runs of decimal digits as numbers of any length; an empty run is 0.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_zeros(a), without_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn without_zeros(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

/// Splits off the longest run of bytes that `keep` accepts.
fn run(text: &[u8], keep: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !keep(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Splits off the leading digits.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    run(text, u8::is_ascii_digit)
}

/// Splits at the first `mark`, which goes to neither side.
fn cut(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == mark)?;
    Some((text.get(..at)?, text.get(at..)?.split_first()?.1))
}

/// Splits at the last `mark`, which goes to neither side.
fn cut_last(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|byte| *byte == mark)?;
    Some((text.get(..at)?, text.get(at..)?.split_first()?.1))
}

/// Splits off the epoch, leading digits before `mark`; none is 0.
fn epoch(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    match digits(text) {
        (number, [next, rest @ ..]) if *next == mark => (number, rest),
        _ => (&[], text),
    }
}
