//! What the first bytes of a blob say it is, whatever its media type says.
//!
//! In: the first `HEAD_BYTES` of a blob, or all of a shorter one. Out: whether a container engine would unpack it as a layer.

/// As much of a blob as tells what it is: one header of a tar.
pub const HEAD_BYTES: usize = 512;

/// Where a tar header has its checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Returns whether a container engine would unpack what begins so: engines go by the bytes, not by the media type.
pub fn unpacks(head: &[u8]) -> bool {
    is_compressed(head) || is_tar(head)
}

/// Returns whether bytes begin as gzip, zstd (or its skippable frame), bzip2 or xz do.
pub fn is_compressed(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", b"\xfd7zXZ\0"];
    let skippable = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    skippable || MAGICS.iter().any(|magic| head.starts_with(magic))
}

/// Returns whether bytes begin as a tar does: by the magic, or by the checksum, as the oldest form has no magic.
fn is_tar(head: &[u8]) -> bool {
    if head.get(257..262) == Some(b"ustar") {
        return true;
    }
    let (Some(header), Some(field)) = (head.get(..HEAD_BYTES), head.get(CHECKSUM)) else { return false };
    let blank = |c: &u8| matches!(c, b' ' | 0);
    let Some(start) = field.iter().position(|c| !blank(c)) else { return false };
    let digits = field.get(start..).unwrap_or_default();
    let digits = digits.split(blank).next().unwrap_or_default();
    let text = std::str::from_utf8(digits).unwrap_or_default();
    let Ok(want) = i64::from_str_radix(text, 8) else { return false };
    // Both ways of summing that were ever in use; the field itself counts as blanks.
    let bytes = || header.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte });
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    want == unsigned || want == signed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header without magic, as tar wrote it before there was one.
    fn oldest() -> Vec<u8> {
        let mut header = vec![0; HEAD_BYTES];
        header[..3].copy_from_slice(b"a/b");
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(b"00000000000\0");
        header[CHECKSUM].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }

    #[test]
    fn what_an_engine_would_unpack_is_told_by_its_bytes() {
        let mut posix = vec![0; HEAD_BYTES];
        posix[257..262].copy_from_slice(b"ustar");
        let mut wrong = oldest();
        wrong[0] = b'b';
        let statement = format!("{{\"_type\":\"https://in-toto.io/Statement/v1\",\"x\":\"{}\"}}", "0".repeat(900));
        for (head, want, why) in [
            (&[0x1f, 0x8b, 8][..], true, "gzip"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0], true, "zstd"),
            (&[0x5a, 0x2a, 0x4d, 0x18, 0], true, "a skippable frame of zstd"),
            (b"BZh91AY", true, "bzip2"),
            (b"\xfd7zXZ\0\0", true, "xz"),
            (&posix, true, "tar"),
            (&posix[..261], false, "cut before the end of the magic"),
            (&oldest(), true, "tar without a magic"),
            (&oldest()[..511], false, "no whole header"),
            (&wrong, false, "a checksum of other bytes"),
            (&[0; HEAD_BYTES], false, "the end of a tar"),
            (statement.as_bytes(), false, "a statement"),
            (b"{\"architecture\":\"amd64\"}", false, "a configuration"),
            (b"", false, "nothing"),
        ] {
            assert_eq!(unpacks(head), want, "{why}");
        }
    }
}
