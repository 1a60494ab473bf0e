//! Debian's order: `dpkg --compare-versions`.
//!
//! In: `[epoch:]upstream[-revision]`. Out: order by epoch, upstream, revision; a missing epoch or revision is 0.

use super::{cut_last, digits, epoch, numbers};
use std::cmp::Ordering;

/// Orders two versions as dpkg does. Text that dpkg refuses is split by the same rules.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a) = epoch(a.trim().as_bytes(), b':');
    let (b_epoch, b) = epoch(b.trim().as_bytes(), b':');
    numbers(a_epoch, b_epoch).then_with(|| {
        let (a, a_revision) = cut_last(a, b'-').unwrap_or((a, &[]));
        let (b, b_revision) = cut_last(b, b'-').unwrap_or((b, &[]));
        parts(a, b).then_with(|| parts(a_revision, b_revision))
    })
}

/// Orders by turns of other signs and digits.
fn parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        match signs(&mut a, &mut b) {
            Ordering::Equal => {}
            order => return order,
        }
        let ((a_number, a_rest), (b_number, b_rest)) = (digits(a), digits(b));
        match numbers(a_number, b_number) {
            Ordering::Equal => (a, b) = (a_rest, b_rest),
            order => return order,
        }
    }
    Ordering::Equal
}

/// Orders and takes off the leading signs that are no digits.
fn signs(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    loop {
        let (x, y) = (weight(a.first()), weight(b.first()));
        if x != y {
            return x.cmp(&y);
        }
        if x == 0 {
            return Ordering::Equal;
        }
        *a = a.split_first().map_or(&[], |(_, rest)| rest);
        *b = b.split_first().map_or(&[], |(_, rest)| rest);
    }
}

/// `~` before the end, the end (or a digit) before letters, letters before all other signs.
fn weight(byte: Option<&u8>) -> i16 {
    match byte {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i16::from(*letter),
        Some(other) => i16::from(*other).saturating_add(256),
    }
}
