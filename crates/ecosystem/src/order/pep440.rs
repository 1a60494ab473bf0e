//! Python's order: PEP 440 as the `packaging` library has it.
//!
//! In: `[epoch!]release[pre][post][dev][+local]` in any spelling that PEP 440 accepts, and specifiers (`>=1.0,<2`).
//! Out: order, whether the text is a version, whether a specifier set contains a version (pre-releases taken in).

use super::{cut, digits, numbers};
use std::cmp::Ordering;

/// Orders two versions as `packaging` does. What PEP 440 refuses sorts first, by its bytes.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (Version::of(a), Version::of(b)) {
        (Some(a), Some(b)) => a.compare(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

/// Returns whether PEP 440 takes the text as a version.
pub fn valid(version: &str) -> bool {
    Version::of(version).is_some()
}

/// Returns whether a specifier set contains a version, as `SpecifierSet.contains(version, prereleases=True)`.
///
/// An unreadable specifier contains nothing; an unreadable version only meets `===`.
pub fn satisfies(specifiers: &str, version: &str) -> bool {
    let parsed = Version::of(version);
    let mut specifiers = specifiers.split(',').map(str::trim).filter(|one| !one.is_empty());
    specifiers.all(|one| match one.strip_prefix("===") {
        Some(text) => text.trim().eq_ignore_ascii_case(version),
        None => parsed.as_ref().is_some_and(|version| contains(one, version).unwrap_or(false)),
    })
}

/// Decides one specifier; `None` when it is unreadable.
fn contains(specifier: &str, version: &Version<'_>) -> Option<bool> {
    let operator = ["==", "!=", "~=", ">=", "<=", ">", "<"].into_iter().find(|sign| specifier.starts_with(sign))?;
    let text = specifier.strip_prefix(operator)?.trim();
    let wanted = Version::of(text.strip_suffix(".*").unwrap_or(text))?;
    if text.ends_with(".*") {
        let bare = wanted.pre.is_none() && wanted.post.is_none() && wanted.dev.is_none() && wanted.local.is_empty();
        let inside = bare.then(|| version.has_prefix(&wanted, usize::MAX))?;
        return match operator {
            "==" => Some(inside),
            "!=" => Some(!inside),
            _ => None,
        };
    }
    if !wanted.local.is_empty() && !matches!(operator, "==" | "!=") {
        return None;
    }
    let order = version.compare(&wanted);
    let same = if wanted.local.is_empty() { version.public() == wanted } else { order.is_eq() };
    match operator {
        "==" => Some(same),
        "!=" => Some(!same),
        ">=" => Some(order.is_ge()),
        "<=" => Some(order.is_le() || same),
        ">" => Some(order.is_gt() && !same && !version.is_post_of(&wanted)),
        "<" => Some(version.compare(&wanted.first_of_its_kind()).is_lt()),
        _ => {
            let kept = wanted.release.iter().filter(|byte| **byte == b'.').count();
            (kept > 0).then(|| order.is_ge() && version.has_prefix(&wanted, kept))
        }
    }
}

/// A version cut in parts; numbers are runs of digits.
#[derive(Clone, Copy)]
struct Version<'a> {
    epoch: &'a [u8],
    /// `1.2.3`, not empty.
    release: &'a [u8],
    pre: Option<(Stage, &'a [u8])>,
    post: Option<&'a [u8]>,
    dev: Option<&'a [u8]>,
    local: &'a [u8],
}

/// The stage of a pre-release, in order.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Stage {
    Alpha,
    Beta,
    Candidate,
}

const PRE: &[(&[u8], Stage)] = &[
    (b"alpha", Stage::Alpha),
    (b"a", Stage::Alpha),
    (b"beta", Stage::Beta),
    (b"b", Stage::Beta),
    (b"preview", Stage::Candidate),
    (b"pre", Stage::Candidate),
    (b"c", Stage::Candidate),
    (b"rc", Stage::Candidate),
];
const POST: &[(&[u8], ())] = &[(b"post", ()), (b"rev", ()), (b"r", ())];
const DEV: &[(&[u8], ())] = &[(b"dev", ())];

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.trim().as_bytes();
        let text = text.strip_prefix(b"v").or_else(|| text.strip_prefix(b"V")).unwrap_or(text);
        let (epoch, text) = match cut(text, b'!') {
            Some(([], _)) => return None,
            Some(parts) => parts,
            None => (&[][..], text),
        };
        let (release, rest) = release(text)?;
        let (pre, rest) = word(rest, PRE);
        let (post, rest) = match rest {
            [b'-', after @ ..] if after.first().is_some_and(u8::is_ascii_digit) => {
                let (number, rest) = digits(after);
                (Some(number), rest)
            }
            _ => {
                let (post, rest) = word(rest, POST);
                (post.map(|(_, number)| number), rest)
            }
        };
        let (dev, rest) = word(rest, DEV);
        let local = match rest {
            [b'+', local @ ..] => local,
            [] => &[],
            _ => return None,
        };
        let clean = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric);
        let locals_clean = rest.is_empty() || segments(local).all(clean);
        let dev = dev.map(|(_, number)| number);
        let version = Self { epoch, release, pre, post, dev, local };
        (epoch.iter().all(u8::is_ascii_digit) && locals_clean).then_some(version)
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.compare_public(other).then_with(|| locals(self.local, other.local))
    }

    fn compare_public(&self, other: &Self) -> Ordering {
        numbers(self.epoch, other.epoch)
            .then_with(|| releases(self.release, other.release))
            .then_with(|| self.compare_pre(other))
            .then_with(|| optional(self.post, other.post, Ordering::Less))
            .then_with(|| optional(self.dev, other.dev, Ordering::Greater))
    }

    fn compare_pre(&self, other: &Self) -> Ordering {
        // A development release of a final version comes before every pre-release of it.
        let rank = |version: &Self| match version.pre {
            Some((stage, _)) => (1, Some(stage)),
            None if version.dev.is_some() && version.post.is_none() => (0, None),
            None => (2, None),
        };
        let number = |version: &Self| version.pre.map_or(&[][..], |(_, number)| number);
        rank(self).cmp(&rank(other)).then_with(|| numbers(number(self), number(other)))
    }

    fn public(&self) -> Self {
        Self { local: &[], ..*self }
    }

    /// Returns whether `self`, greater than `wanted`, is only a post-release of it; a post or dev release has none.
    fn is_post_of(&self, wanted: &Self) -> bool {
        let stem = |version: &Self| Self { post: None, dev: None, local: &[], ..*version };
        wanted.post.is_none() && wanted.dev.is_none() && stem(self) == stem(wanted)
    }

    /// The least version that counts as this one: `1.0.dev0` for `1.0`, itself for a pre-release.
    fn first_of_its_kind(&self) -> Self {
        if self.pre.is_some() || self.dev.is_some() { *self } else { Self { dev: Some(&[]), ..*self } }
    }

    /// Returns whether the first `count` numbers of the release are those of `wanted`.
    fn has_prefix(&self, wanted: &Self, count: usize) -> bool {
        let mut mine = self.release.split(|byte| *byte == b'.');
        let mut theirs = wanted.release.split(|byte| *byte == b'.').take(count);
        numbers(self.epoch, wanted.epoch).is_eq()
            && theirs.all(|number| numbers(mine.next().unwrap_or(&[]), number).is_eq())
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

/// Splits off `1.2.3`.
fn release(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, mut rest) = digits(text);
    if first.is_empty() {
        return None;
    }
    while let [b'.', after @ ..] = rest {
        let (number, next) = digits(after);
        if number.is_empty() {
            break;
        }
        rest = next;
    }
    text.split_at_checked(text.len().saturating_sub(rest.len()))
}

/// A word of a table with the number behind it.
type Word<'a, T> = Option<(T, &'a [u8])>;

/// Splits off `[._-]word[._-]number`, any case.
fn word<'a, T: Copy>(text: &'a [u8], words: &[(&[u8], T)]) -> (Word<'a, T>, &'a [u8]) {
    let start = without_separator(text);
    for (word, meaning) in words {
        if let Some((head, rest)) = start.split_at_checked(word.len())
            && head.eq_ignore_ascii_case(word)
        {
            let (number, rest) = digits(without_separator(rest));
            return (Some((*meaning, number)), rest);
        }
    }
    (None, text)
}

fn without_separator(text: &[u8]) -> &[u8] {
    match text {
        [b'.' | b'_' | b'-', rest @ ..] => rest,
        _ => text,
    }
}

/// Orders releases number by number; missing numbers are 0.
fn releases(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let ((a_number, a_rest), (b_number, b_rest)) = (digits(a), digits(b));
        match numbers(a_number, b_number) {
            Ordering::Equal => {}
            order => return order,
        }
        a = a_rest.split_first().map_or(&[], |(_, rest)| rest);
        b = b_rest.split_first().map_or(&[], |(_, rest)| rest);
    }
    Ordering::Equal
}

/// Orders numbers that may be missing; `missing` is how a missing one compares to any.
fn optional(a: Option<&[u8]>, b: Option<&[u8]>, missing: Ordering) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => missing,
        (Some(_), None) => missing.reverse(),
        (Some(a), Some(b)) => numbers(a, b),
    }
}

fn segments(local: &[u8]) -> impl Iterator<Item = &[u8]> {
    local.split(|byte| matches!(byte, b'.' | b'_' | b'-'))
}

/// Orders local versions: none first, words before numbers, the shorter first.
fn locals(a: &[u8], b: &[u8]) -> Ordering {
    if a.is_empty() || b.is_empty() {
        return a.len().cmp(&b.len());
    }
    let (mut a, mut b) = (segments(a), segments(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => segment(a, b),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn segment(a: &[u8], b: &[u8]) -> Ordering {
    let is_number = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    match (is_number(a), is_number(b)) {
        (true, true) => numbers(a, b),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase)),
    }
}
