//! Semantic versions as npm orders them.
//!
//! In: `1.2.3-pre+build`; also what OSV has of npm and what packages call themselves: `v1.2.3`, `1.2`, `1.2.3.4`, `1.2.3beta`.
//! Out: precedence; build metadata does not count, missing numbers are 0.

use super::{cut, digits, numbers, run};
use std::cmp::Ordering;

/// Orders two versions by precedence as node-semver does.
pub fn compare(a: &str, b: &str) -> Ordering {
    Version::of(a).compare(&Version::of(b))
}

/// Returns whether the text begins with a number and holds only signs that versions are made of.
pub fn valid(version: &str) -> bool {
    Version::of(version).is_valid()
}

/// A version cut in parts.
pub(super) struct Version<'a> {
    numbers: &'a [u8],
    pre: Option<Identifiers<'a>>,
    build: Option<&'a [u8]>,
}

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim_matches(|sign: char| sign.is_whitespace()).as_bytes();
        let (_, text) = run(text, |byte| matches!(byte, b'v' | b'V' | b'=' | b' '));
        Self::parse(text, false)
    }

    /// Parses what follows the mark; `release_word` reads `21rc2` as `21-rc.2`.
    pub(super) fn parse(text: &'a [u8], release_word: bool) -> Self {
        let (text, build) = match cut(text, b'+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        let (numbers, rest) = dotted(text);
        let pre = match rest {
            [] => None,
            [b'-', rest @ ..] => Some(Identifiers { rest: Some(rest), release_word: false }),
            _ => Some(Identifiers { rest: Some(rest), release_word }),
        };
        Self { numbers, pre, build }
    }

    pub(super) fn is_valid(&self) -> bool {
        let clean = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+".contains(byte));
        !self.numbers.is_empty()
            && self.pre.as_ref().and_then(|pre| pre.rest).is_none_or(|rest| !rest.is_empty() && clean(rest))
            && self.build.is_none_or(clean)
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (self.numbers, other.numbers);
        while !a.is_empty() || !b.is_empty() {
            let ((a_number, a_rest), (b_number, b_rest)) = (digits(a), digits(b));
            match numbers(a_number, b_number) {
                Ordering::Equal => {}
                order => return order,
            }
            a = a_rest.split_first().map_or(&[], |(_, rest)| rest);
            b = b_rest.split_first().map_or(&[], |(_, rest)| rest);
        }
        match (self.pre, other.pre) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => identifiers(a, b),
        }
    }
}

/// Splits off `1.2.3`: digits with single dots between.
fn dotted(text: &[u8]) -> (&[u8], &[u8]) {
    let mut after_digit = false;
    let mut end = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => (after_digit, end) = (true, at.saturating_add(1)),
            b'.' if after_digit => after_digit = false,
            _ => break,
        }
    }
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Orders two pre-releases of one version: `alpha.1` before `alpha.beta`, the shorter first.
pub(super) fn pre_releases(a: &[u8], b: &[u8]) -> Ordering {
    let of = |text| Identifiers { rest: Some(text), release_word: false };
    identifiers(of(a), of(b))
}

fn identifiers(mut a: Identifiers<'_>, mut b: Identifiers<'_>) -> Ordering {
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => identifier(a, b),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn identifier(a: &[u8], b: &[u8]) -> Ordering {
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    match (is_number(a), is_number(b)) {
        (true, true) => numbers(a, b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

/// The dot-separated identifiers of a pre-release.
#[derive(Clone, Copy)]
struct Identifiers<'a> {
    rest: Option<&'a [u8]>,
    release_word: bool,
}

impl<'a> Iterator for Identifiers<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        if std::mem::take(&mut self.release_word) {
            let (word, number) = run(rest, u8::is_ascii_alphabetic);
            if !word.is_empty() && !number.is_empty() {
                self.rest = Some(number);
                return Some(word);
            }
        }
        match cut(rest, b'.') {
            Some((identifier, rest)) => {
                self.rest = Some(rest);
                Some(identifier)
            }
            None => self.rest.take(),
        }
    }
}
