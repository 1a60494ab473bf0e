//! What a single value of a criterion may be.
//!
//! In: one text. Out: whether it is understood, and if not what would be.

use crate::digest::Digest;

/// Most `*` of a pattern: each may try every position of a text.
const STARS_LIMIT: usize = 8;

/// Reads a CVSS score as tenths, exactly.
pub(super) fn tenths(text: &str) -> Result<u32, &'static str> {
    const WANT: &str = "want a number above 0, up to 10, with at most one digit after the point";
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(tenth) {
        return Err(WANT);
    }
    let tenth = tenth.trim_end_matches('0');
    if tenth.len() > 1 {
        return Err("CVSS has one digit after the point");
    }
    let whole: u32 = whole.parse().map_err(|_| WANT)?;
    let tenths = whole.saturating_mul(10).saturating_add(tenth.parse().unwrap_or(0));
    match tenths {
        0 => Err("no score is below 0"),
        1..=100 => Ok(tenths),
        _ => Err("CVSS ends at 10"),
    }
}

/// Any text with some `*`.
pub(super) fn starred(text: &str) -> Result<(), &'static str> {
    if text.chars().all(|c| c == '*') {
        return Err("it would match everything: leave the field out");
    }
    if text.matches('*').count() > STARS_LIMIT {
        return Err("more than 8 times *");
    }
    Ok(())
}

/// A pattern of a name: names have no blanks.
pub(super) fn pattern(text: &str) -> Result<(), &'static str> {
    if text.contains(char::is_whitespace) {
        return Err("a name has no blanks; give several values one by one");
    }
    starred(text)
}

/// An id of a vulnerability.
pub(super) fn finding_id(text: &str) -> Result<(), &'static str> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.:/*".contains(c);
    if text.chars().all(known) { starred(text) } else { Err("want an id such as CVE-2024-0727 or GHSA-*") }
}

/// A word for what is found, or for where packages come from.
pub(super) fn category(text: &str) -> Result<(), &'static str> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:+".contains(c);
    if text.chars().all(known) { Ok(()) } else { Err("want a word such as vulnerability, debian or npm") }
}

/// A digest in full.
pub(super) fn digest(text: &str) -> Result<(), &'static str> {
    Digest::parse(text).map(|_| ()).map_err(|_| "want the whole digest, sha256:… with 64 hex digits")
}
