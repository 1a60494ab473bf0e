//! The release of the distribution.
//!
//! In: `etc/os-release` or `usr/lib/os-release`, shell assignments, one a line (os-release(5)).
//! Out: a fact about the image.

use crate::kind::note;
use crate::{Ecosystem, Entry, File, Wants};
use model::inventory::{Fact, FileReading, OsRelease};
use std::cmp::Ordering;

/// The `os-release` file: gives the release that packages are judged by, no packages of its own.
pub struct OsReleaseFile;

/// A real file has some hundred bytes.
const LIMIT_BYTES: usize = 64 << 10;
/// Characters of one value.
const VALUE_CHARS: usize = 256;

impl Ecosystem for OsReleaseFile {
    fn purl_type(&self) -> &'static str {
        "os-release"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Wants {
        // Some distributions keep several beside one another and link to one.
        let name = entry.path.rsplit('/').next().unwrap_or("");
        if name.starts_with("os-release") { Wants::Whole } else { Wants::Skip }
    }

    fn read(&self, file: &mut File<'_>) -> FileReading {
        let bytes = file.whole();
        if bytes.len() > LIMIT_BYTES {
            let text = format!("it has {} bytes; a file that names a release has less than {LIMIT_BYTES}", bytes.len());
            return FileReading { notes: vec![note("file-too-large", text, true)], ..FileReading::default() };
        }
        let mut release = OsRelease::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            let Some((key, value)) = line.trim().split_once('=') else { continue };
            match key {
                "ID" => release.id = unquoted(value).to_lowercase(),
                "VERSION_ID" => release.version_id = unquoted(value),
                "VERSION_CODENAME" => release.codename = unquoted(value),
                "PRETTY_NAME" => release.pretty_name = unquoted(value),
                "ID_LIKE" => release.id_like = unquoted(value).to_lowercase(),
                _ => {}
            }
        }
        if release == OsRelease::default() {
            return FileReading::default();
        }
        FileReading { facts: vec![Fact::OsRelease(release)], ..FileReading::default() }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        a.cmp(b)
    }
}

/// Takes off the quotes of a shell word, and what would break a line on a screen.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.and_then(|quote| value.strip_prefix(quote).map(|rest| rest.strip_suffix(quote).unwrap_or(rest)));
    let mut out = String::new();
    let mut chars = inner.unwrap_or(value).chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' && quote != Some('\'') { chars.next().unwrap_or('\\') } else { c };
        if !c.is_control() {
            out.push(c);
        }
    }
    out.chars().take(VALUE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    fn read(text: &[u8]) -> FileReading {
        OsReleaseFile.read(&mut File { path: "etc/os-release", size: text.len() as u64, content: Content::Whole(text) })
    }

    #[test]
    fn values_are_read_as_a_shell_reads_them() {
        for (text, want) in [
            ("ID=debian\n", "debian"),
            ("ID=\"Alpine\"\n", "alpine"),
            ("ID='rhel'", "rhel"),
            ("# ID=x\nID=ubuntu\r\n", "ubuntu"),
            ("ID=a\nID=b\n", "b"),
            ("ID=\"a\\\"b\"", "a\"b"),
            ("ID=\"open", "open"),
            ("VERSION_ID=12", ""),
        ] {
            let reading = read(text.as_bytes());
            assert!(
                matches!(&reading.facts[..], [Fact::OsRelease(os)] if os.id == want),
                "{text:?} {:?}",
                reading.facts
            );
        }
    }

    #[test]
    fn a_forged_file_gives_a_note_or_nothing() {
        assert_eq!(read(&vec![b'x'; LIMIT_BYTES + 1]).notes[0].code, "file-too-large");
        assert_eq!(read(b"\xff\xfe=\n====\n"), FileReading::default());
        let long = format!("ID={}\x1b", "a".repeat(LIMIT_BYTES - 10));
        assert!(matches!(&read(long.as_bytes()).facts[..], [Fact::OsRelease(os)] if os.id == "a".repeat(VALUE_CHARS)));
    }
}
