//! Parts of blobs: `Range` of a download, `Content-Range` of a chunk.
//!
//! In: header values. Out: byte ranges. Sources: RFC 9110 section 14; OCI distribution 1.1, "Pushing a blob in chunks".

use std::ops::Range;

/// What part of a blob is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: no range, several, or one that is not understood, which a server ignores.
    Whole,
    /// These bytes.
    Bytes(Range<u64>),
    /// A range outside the blob, or backwards.
    Unsatisfiable,
}

/// Reads the `Range` header of a download of a blob of `size` bytes.
pub(crate) fn part(value: Option<&str>, size: u64) -> Part {
    let Some((first, last)) = value.and_then(|v| v.trim().strip_prefix("bytes=")).and_then(|v| v.split_once('-'))
    else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    let range = match (first, last) {
        ("", "") => return Part::Whole,
        ("", suffix) => match number(suffix) {
            Some(count) => size.saturating_sub(count)..size,
            None => return Part::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => first..size,
            None => return Part::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
            _ => return Part::Whole,
        },
    };
    if range.start >= range.end { Part::Unsatisfiable } else { Part::Bytes(range) }
}

/// Reads the `Content-Range` header of a chunk: `0-99`; Docker's spelling `bytes 0-99/*` as well. `None`: malformed.
pub(crate) fn chunk(value: &str) -> Option<Range<u64>> {
    let value = value.trim();
    let value = value.strip_prefix("bytes ").unwrap_or(value);
    let value = value.split('/').next().unwrap_or("");
    let (first, last) = value.split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    (first < end).then_some(first..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_download_are_read_as_rfc_9110_says() {
        for (value, want, why) in [
            (None, Part::Whole, "none"),
            (Some("bytes=0-0"), Part::Bytes(0..1), "one byte"),
            (Some("bytes=2-5"), Part::Bytes(2..6), "both ends"),
            (Some("bytes=5-"), Part::Bytes(5..10), "to the end"),
            (Some("bytes=-3"), Part::Bytes(7..10), "the last three"),
            (Some("bytes=-99"), Part::Bytes(0..10), "more than there is, from behind"),
            (Some("bytes=5-99"), Part::Bytes(5..10), "more than there is"),
            (Some("bytes=5-99999999999999999999999"), Part::Bytes(5..10), "more than a number holds"),
            (Some("bytes=10-"), Part::Unsatisfiable, "beyond the end"),
            (Some("bytes=99999999999999999999999-"), Part::Unsatisfiable, "far beyond"),
            (Some("bytes=-0"), Part::Unsatisfiable, "nothing"),
            (Some("bytes=5-2"), Part::Unsatisfiable, "backwards: may be ignored or rejected, and is rejected"),
            (Some("bytes=0-1,3-4"), Part::Whole, "several"),
            (Some("bytes=a-b"), Part::Whole, "no numbers"),
            (Some("bytes=+1-2"), Part::Whole, "a sign"),
            (Some("items=0-1"), Part::Whole, "another unit"),
            (Some("bytes=-"), Part::Whole, "no ends"),
        ] {
            assert_eq!(part(value, 10), want, "{why}");
        }
        assert_eq!(part(Some("bytes=0-"), 0), Part::Unsatisfiable, "of an empty blob");
    }

    #[test]
    fn ranges_of_chunks_are_inclusive() {
        for (value, want, why) in [
            ("0-0", Some(0..1), "one byte"),
            ("5-9", Some(5..10), "five bytes"),
            ("bytes 5-9/*", Some(5..10), "Docker's spelling"),
            ("9-5", None, "backwards"),
            ("5-", None, "open"),
            ("-5", None, "from behind"),
            ("0-18446744073709551615", None, "overflow"),
            ("x", None, "no range"),
        ] {
            assert_eq!(chunk(value), want, "{why}");
        }
    }
}
