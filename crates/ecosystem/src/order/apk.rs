//! Alpine's order: apk-tools 3.
//!
//! In: `digits(.digits)*[a-z]?(_suffix[n])*(~hash)?(-rN)?`. Out: order, and whether apk takes the text.

use super::{digits, numbers, run};
use std::cmp::Ordering;

/// Orders two versions as apk does. What apk refuses sorts by the part that it would take, then by its bytes.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Tokens::of(a), Tokens::of(b));
    loop {
        let ((a_kind, a_text), (b_kind, b_text)) = (a.next(), b.next());
        let order = a_kind.cmp(&b_kind).then_with(|| a_kind.order(a_text, b_text));
        if order.is_ne() || matches!(a_kind, Kind::End | Kind::Invalid) {
            return order;
        }
    }
}

/// Returns whether apk takes the text as a version.
pub fn valid(version: &str) -> bool {
    let mut tokens = Tokens::of(version);
    loop {
        match tokens.next().0 {
            Kind::Invalid => return false,
            Kind::End => return true,
            _ => {}
        }
    }
}

/// A token; the order of variants is the order of kinds at one place: a pre-release suffix is less than the end.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Kind {
    Before(u8),
    Invalid,
    End,
    Revision,
    Hash,
    SuffixNumber,
    After(u8),
    Letter,
    Digits,
    First,
}

impl Kind {
    fn order(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Digits if a.first() == Some(&b'0') || b.first() == Some(&b'0') => a.cmp(b),
            Self::First | Self::Digits | Self::SuffixNumber | Self::Revision => numbers(a, b),
            Self::Letter | Self::Hash | Self::Invalid => a.cmp(b),
            Self::Before(_) | Self::After(_) | Self::End => Ordering::Equal,
        }
    }
}

struct Tokens<'a> {
    last: Option<Kind>,
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn of(version: &'a str) -> Self {
        Self { last: None, rest: version.as_bytes() }
    }

    fn next(&mut self) -> (Kind, &'a [u8]) {
        let (kind, text, rest) = self.token().unwrap_or((Kind::Invalid, self.rest, &[]));
        (self.last, self.rest) = (Some(kind), rest);
        (kind, text)
    }

    /// Reads the next token; `None` when apk would take none here.
    fn token(&self) -> Option<(Kind, &'a [u8], &'a [u8])> {
        let Some(last) = self.last else {
            return some_of(Kind::First, digits(self.rest));
        };
        match self.rest {
            [] => Some((Kind::End, self.rest, self.rest)),
            [b'a'..=b'z', rest @ ..] if last >= Kind::Digits => Some((Kind::Letter, self.rest.get(..1)?, rest)),
            [b'.', rest @ ..] if last >= Kind::Digits => some_of(Kind::Digits, digits(rest)),
            [b'0'..=b'9', ..] if matches!(last, Kind::Before(_) | Kind::After(_)) => {
                some_of(Kind::SuffixNumber, digits(self.rest))
            }
            [b'_', rest @ ..] if !matches!(last, Kind::Hash | Kind::Revision) => suffix(rest),
            [b'~', rest @ ..] if !matches!(last, Kind::Hash | Kind::Revision) => {
                some_of(Kind::Hash, run(rest, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
            }
            [b'-', b'r', rest @ ..] if last != Kind::Revision => some_of(Kind::Revision, digits(rest)),
            _ => None,
        }
    }
}

fn some_of<'a>(kind: Kind, (text, rest): (&'a [u8], &'a [u8])) -> Option<(Kind, &'a [u8], &'a [u8])> {
    (!text.is_empty()).then_some((kind, text, rest))
}

fn suffix(text: &[u8]) -> Option<(Kind, &[u8], &[u8])> {
    let (word, rest) = run(text, u8::is_ascii_lowercase);
    let kind = match word {
        b"alpha" => Kind::Before(0),
        b"beta" => Kind::Before(1),
        b"pre" => Kind::Before(2),
        b"rc" => Kind::Before(3),
        b"cvs" => Kind::After(0),
        b"svn" => Kind::After(1),
        b"git" => Kind::After(2),
        b"hg" => Kind::After(3),
        b"p" => Kind::After(4),
        _ => return None,
    };
    Some((kind, word, rest))
}
