//! RPM's order: `rpmvercmp` on epoch, version, release.
//!
//! In: `[epoch:]version[-release]`. Out: their order. When one side has no release, releases do not count, as `rpm` itself
//! does; so `1-1` and `1-2` both equal `1`, and only versions that all have a release (or all have none) can be sorted.

use super::{cut_last, digits, epoch, numbers, run};
use std::cmp::Ordering;

/// Orders two versions as rpm does. A missing epoch is 0.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a) = epoch(a.as_bytes(), b':');
    let (b_epoch, b) = epoch(b.as_bytes(), b':');
    numbers(a_epoch, b_epoch).then_with(|| match (cut_last(a, b'-'), cut_last(b, b'-')) {
        (Some((a, a_release)), Some((b, b_release))) => parts(a, b).then_with(|| parts(a_release, b_release)),
        (a_cut, b_cut) => parts(a_cut.map_or(a, |cut| cut.0), b_cut.map_or(b, |cut| cut.0)),
    })
}

/// A segment; the order of variants is the order of kinds.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Kind {
    Tilde,
    End,
    Caret,
    Letters,
    Digits,
}

/// Orders segment by segment; every other sign only separates.
fn parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let ((a_kind, a_text), (b_kind, b_text)) = (segment(&mut a), segment(&mut b));
        let order = a_kind.cmp(&b_kind).then_with(|| match a_kind {
            Kind::Digits => numbers(a_text, b_text),
            _ => a_text.cmp(b_text),
        });
        if order.is_ne() || a_kind == Kind::End {
            return order;
        }
    }
}

fn segment<'a>(text: &mut &'a [u8]) -> (Kind, &'a [u8]) {
    let (_, start) = run(text, |byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'~' | b'^'));
    let (kind, (taken, rest)) = match start {
        [] => (Kind::End, (start, start)),
        [b'~', rest @ ..] => (Kind::Tilde, (&[][..], rest)),
        [b'^', rest @ ..] => (Kind::Caret, (&[][..], rest)),
        [b'0'..=b'9', ..] => (Kind::Digits, digits(start)),
        _ => (Kind::Letters, run(start, u8::is_ascii_alphabetic)),
    };
    *text = rest;
    (kind, taken)
}
