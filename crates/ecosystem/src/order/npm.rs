//! Ranges of npm: `^1.2`, `1.x || >=2.5.0 <3`, `1.2 - 2.3`.
//!
//! In: a range and a version. Out: whether node-semver (strict mode) says that the version satisfies the range.

use super::{digits, run, semver};
use std::cmp::Ordering;

/// Returns whether a version satisfies a range; false when either is unreadable.
///
/// Without `include_prerelease` a pre-release only satisfies a set that names a pre-release of the same three numbers.
pub fn satisfies(range: &str, version: &str, include_prerelease: bool) -> bool {
    let Some(version) = Version::of(version) else { return false };
    let (mut satisfied, mut anything) = (false, false);
    for set in range.split("||") {
        let mut test = Test { version, include_prerelease, bounds: 0, inside: true, named: false };
        if test.set(set).is_none() {
            return false;
        }
        satisfied |= test.passed();
        anything |= test.bounds == 0;
    }
    // A set that allows anything replaces its neighbours, and with them the pre-releases that they name.
    if anything { include_prerelease || version.pre.is_empty() } else { satisfied }
}

/// A version with all its parts.
#[derive(Clone, Copy)]
struct Version<'a> {
    numbers: [u64; 3],
    pre: &'a [u8],
}

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let partial = Partial::of(text.trim().as_bytes())?;
        let complete = partial.mark == Mark::Plain;
        Some(Self { numbers: partial.complete().filter(|_| complete)?, pre: partial.pre })
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre, other.pre) {
            ([], []) => Ordering::Equal,
            ([], _) => Ordering::Greater,
            (_, []) => Ordering::Less,
            (a, b) => semver::pre_releases(a, b),
        })
    }
}

/// One set of bounds, all of which must hold.
struct Test<'a> {
    version: Version<'a>,
    include_prerelease: bool,
    /// Bounds that exclude something.
    bounds: u32,
    inside: bool,
    /// Whether a bound names a pre-release of the version's own numbers.
    named: bool,
}

impl Test<'_> {
    fn passed(&self) -> bool {
        self.inside && (self.include_prerelease || self.named || self.version.pre.is_empty())
    }

    /// Reads the bounds of a set; `None` when one is unreadable.
    fn set(&mut self, set: &str) -> Option<()> {
        let mut words = set.split_whitespace();
        if let (Some(from), Some("-"), Some(to), None) = (words.next(), words.next(), words.next(), words.next()) {
            return self.hyphen(&Partial::of(from.as_bytes())?, &Partial::of(to.as_bytes())?);
        }
        let mut rest = set.trim();
        while !rest.is_empty() {
            let (sign, after) = sign(rest);
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            let (word, next) = after.split_at_checked(end)?;
            self.comparator(sign, &Partial::of(word.as_bytes())?)?;
            rest = next.trim_start();
        }
        Some(())
    }

    fn comparator(&mut self, sign: Sign, wanted: &Partial<'_>) -> Option<()> {
        match sign {
            Sign::Tilde | Sign::Caret => self.between(wanted, wanted.above(sign)),
            _ if wanted.misses_inner() => return None,
            Sign::Plain if wanted.complete().is_none() => self.between(wanted, wanted.above(sign)),
            _ => return self.plain(sign, wanted),
        }
        Some(())
    }

    /// At least `from`, below the next minor, major or patch.
    fn between(&mut self, from: &Partial<'_>, above: Option<[u64; 3]>) {
        let Some(above) = above else { return };
        let pre = if from.complete().is_some() { from.pre } else { self.lowest() };
        self.bound(Sign::AtLeast, from.padded(), pre);
        self.bound(Sign::Below, above, b"0");
    }

    fn plain(&mut self, sign: Sign, wanted: &Partial<'_>) -> Option<()> {
        if let Some(numbers) = wanted.complete() {
            (wanted.mark == Mark::Plain).then(|| self.bound(sign, numbers, wanted.pre))?;
            return Some(());
        }
        let Some(above) = wanted.above(Sign::Plain) else {
            if matches!(sign, Sign::Above | Sign::Below) {
                self.bound(Sign::Below, [0; 3], b"0");
            }
            return Some(());
        };
        match sign {
            Sign::Above => self.bound(Sign::AtLeast, above, self.lowest()),
            Sign::AtMost => self.bound(Sign::Below, above, b"0"),
            Sign::Below => self.bound(Sign::Below, wanted.padded(), b"0"),
            _ => self.bound(Sign::AtLeast, wanted.padded(), self.lowest()),
        }
        Some(())
    }

    /// From the one to the other; a side that is taken over as it is written must be a version as it is written.
    fn hyphen(&mut self, from: &Partial<'_>, to: &Partial<'_>) -> Option<()> {
        let to_is_kept = to.complete().is_some() && to.pre.is_empty() && !self.include_prerelease;
        let is_readable = |side: &Partial<'_>, kept: bool| !kept || side.mark == Mark::Plain;
        if !is_readable(from, from.complete().is_some()) || !is_readable(to, to_is_kept) {
            return None;
        }
        if from.numbers[0].is_some() {
            let pre = if from.pre.is_empty() || from.complete().is_none() { self.lowest() } else { from.pre };
            self.bound(Sign::AtLeast, from.padded(), pre);
        }
        match to.complete() {
            Some(numbers) if !to.pre.is_empty() || !self.include_prerelease => {
                self.bound(Sign::AtMost, numbers, to.pre);
            }
            Some([major, minor, patch]) => self.bound(Sign::Below, [major, minor, patch.saturating_add(1)], b"0"),
            None => {
                if let Some(above) = to.above(Sign::Plain) {
                    self.bound(Sign::Below, above, b"0");
                }
            }
        }
        Some(())
    }

    /// The pre-release from which a range that names none begins.
    fn lowest(&self) -> &'static [u8] {
        if self.include_prerelease { b"0" } else { b"" }
    }

    fn bound(&mut self, sign: Sign, numbers: [u64; 3], pre: &[u8]) {
        let from_zero = sign == Sign::AtLeast && numbers == [0; 3] && pre == self.lowest();
        if !from_zero {
            self.bounds = self.bounds.saturating_add(1);
        }
        let order = self.version.compare(&Version { numbers, pre });
        self.inside &= match sign {
            Sign::Above => order.is_gt(),
            Sign::AtLeast => order.is_ge(),
            Sign::Below => order.is_lt(),
            Sign::AtMost => order.is_le(),
            Sign::Plain | Sign::Tilde | Sign::Caret => order.is_eq(),
        };
        self.named |= !pre.is_empty() && numbers == self.version.numbers;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plain,
    Tilde,
    Caret,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// Splits off the sign and the blanks behind it.
fn sign(text: &str) -> (Sign, &str) {
    let signs = [("~>", Sign::Tilde), ("~", Sign::Tilde), ("^", Sign::Caret), (">", Sign::Above), ("<", Sign::Below)];
    let found = signs.into_iter().find_map(|(sign, meaning)| Some((meaning, text.strip_prefix(sign)?.trim_start())));
    match found {
        Some((Sign::Above, rest)) if rest.starts_with('=') => (Sign::AtLeast, after_sign(rest)),
        Some((Sign::Below, rest)) if rest.starts_with('=') => (Sign::AtMost, after_sign(rest)),
        Some(found) => found,
        None => (Sign::Plain, text.strip_prefix('=').map_or(text, str::trim_start)),
    }
}

fn after_sign(text: &str) -> &str {
    text.strip_prefix('=').unwrap_or(text).trim_start()
}

/// What stands before the numbers: nothing or `v`, or more signs that only an incomplete version may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Plain,
    Other,
}

/// A version of which numbers may be missing or `x`.
struct Partial<'a> {
    mark: Mark,
    numbers: [Option<u64>; 3],
    pre: &'a [u8],
}

impl<'a> Partial<'a> {
    /// Reads `1`, `1.x`, `v1.2.3-pre+build`; `None` when npm would refuse it.
    fn of(text: &'a [u8]) -> Option<Self> {
        let (mark, mut rest) = run(text, |byte| matches!(byte, b'v' | b'='));
        let mark = if matches!(mark, b"" | b"v") { Mark::Plain } else { Mark::Other };
        let mut numbers = [None; 3];
        let mut complete = true;
        for (at, slot) in numbers.iter_mut().enumerate() {
            rest = match rest.strip_prefix(b".") {
                Some(after) if at > 0 => after,
                _ if at == 0 => rest,
                _ => {
                    complete = false;
                    break;
                }
            };
            (*slot, rest) = number(rest)?;
        }
        let (before_build, build) = super::cut(rest, b'+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let pre = match before_build {
            [] => before_build,
            [b'-', pre @ ..] if complete && identifiers(pre, true) => pre,
            _ => return None,
        };
        build.is_none_or(|build| identifiers(build, false)).then_some(Self { mark, numbers, pre })
    }

    fn complete(&self) -> Option<[u64; 3]> {
        let [Some(major), Some(minor), Some(patch)] = self.numbers else { return None };
        Some([major, minor, patch])
    }

    /// Numbers up to the first that is missing, 0 from there on.
    fn padded(&self) -> [u64; 3] {
        match self.numbers {
            [Some(major), Some(minor), patch] => [major, minor, patch.unwrap_or(0)],
            [major, _, _] => [major.unwrap_or(0), 0, 0],
        }
    }

    /// Returns whether a number follows a missing one: `x.1`.
    fn misses_inner(&self) -> bool {
        matches!(self.numbers, [None, Some(_), _] | [_, None, Some(_)])
    }

    /// Returns the first version above those that a range allows; `None` when it allows all.
    fn above(&self, sign: Sign) -> Option<[u64; 3]> {
        let next = |number: u64| number.saturating_add(1);
        Some(match (sign, self.numbers) {
            (_, [None, _, _]) => return None,
            (_, [Some(major), None, _]) => [next(major), 0, 0],
            (Sign::Caret, [Some(0), Some(0), Some(patch)]) => [0, 0, next(patch)],
            (Sign::Caret, [Some(major @ 1..), Some(_), _]) => [next(major), 0, 0],
            (_, [Some(major), Some(minor), _]) => [major, next(minor), 0],
        })
    }
}

/// The greatest number that JavaScript counts exactly; npm refuses greater ones.
const GREATEST: u64 = (1 << 53) - 1;

/// Splits off a number without leading zeros, or `x`, `X`, `*`, which give `None`.
fn number(text: &[u8]) -> Option<(Option<u64>, &[u8])> {
    if let [b'x' | b'X' | b'*', rest @ ..] = text {
        return Some((None, rest));
    }
    let (run, rest) = digits(text);
    if run.len() > 1 && run.first() == Some(&b'0') {
        return None;
    }
    let number = std::str::from_utf8(run).ok()?.parse().ok()?;
    (number <= GREATEST).then_some((Some(number), rest))
}

/// Returns whether these are dot-separated identifiers; those of a pre-release have no leading zeros.
fn identifiers(text: &[u8], strict: bool) -> bool {
    text.split(|byte| *byte == b'.').all(|one| {
        let padded = one.len() > 1 && one.first() == Some(&b'0') && one.iter().all(u8::is_ascii_digit);
        !one.is_empty() && one.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') && !(strict && padded)
    })
}
