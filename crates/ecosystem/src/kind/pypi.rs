//! Python's packages.
//!
//! In: `*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `*.egg-info` (a single file), `*.egg/EGG-INFO/PKG-INFO`, `*.egg` (a zip with the same
//! inside), in any folder but `_vendor`: what a package carries there is part of it and not installed. Header lines `Name:` and `Version:`.
//! Out: one package a file, its name as PEP 503 normalises it. `requirements.txt` says what somebody wants, not what is there: not read.

use crate::order::pep440;
use crate::{Ecosystem, Entry, File, Wants};
use model::inventory::{FileReading, Found, Note};
use std::cmp::Ordering;
use std::io::Read;

/// Python packages.
pub struct Pypi;

impl Ecosystem for Pypi {
    fn purl_type(&self) -> &'static str {
        "pypi"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Wants {
        match shape(entry.path) {
            Some(Shape::Zip) if entry.head.starts_with(b"PK\x03\x04") => Wants::Whole,
            Some(Shape::Text) if entry.size > 0 => Wants::Whole,
            _ => Wants::Skip,
        }
    }

    fn read(&self, file: &mut File<'_>) -> FileReading {
        let unzipped;
        let text = match shape(file.path) {
            Some(Shape::Zip) => match unzip(file.whole()) {
                Ok(text) => {
                    unzipped = text;
                    &unzipped[..]
                }
                Err(why) => return unreadable(file.path, why),
            },
            _ => file.whole(),
        };
        match (header(text, "name"), header(text, "version")) {
            (Some(name), Some(version)) => FileReading {
                packages: vec![Found {
                    purl_type: "pypi".into(),
                    name: self.normalise(&name),
                    version,
                    ..Found::default()
                }],
                ..FileReading::default()
            },
            _ => unreadable(file.path, "has no name or no version"),
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        pep440::compare(a, b)
    }

    fn valid(&self, version: &str) -> bool {
        pep440::valid(version)
    }

    /// PEP 503: lower case, runs of `-`, `_`, `.` become one `-`.
    fn normalise(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len());
        for sign in name.chars() {
            match sign {
                '-' | '_' | '.' if out.ends_with('-') => {}
                '-' | '_' | '.' => out.push('-'),
                other => out.push(other.to_ascii_lowercase()),
            }
        }
        out
    }
}

/// What a path of interest holds.
enum Shape {
    Text,
    Zip,
}

fn shape(path: &str) -> Option<Shape> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let last = folder.rsplit('/').next().unwrap_or("");
    let shape = match file {
        "METADATA" if last.ends_with(".dist-info") => Shape::Text,
        "PKG-INFO" if last.ends_with(".egg-info") || (last == "EGG-INFO" && folder.ends_with(".egg/EGG-INFO")) => {
            Shape::Text
        }
        _ if file.ends_with(".egg-info") => Shape::Text,
        _ if file.ends_with(".egg") => Shape::Zip,
        _ => return None,
    };
    (!folder.split('/').any(|name| name == "_vendor")).then_some(shape)
}

/// Metadata of an egg is a few kilobytes; a description may be long.
const METADATA_BYTES: u64 = 1 << 20;

fn unzip(egg: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(egg)).map_err(|_| "is not a zip archive")?;
    let entry = archive.by_name("EGG-INFO/PKG-INFO").map_err(|_| "has no EGG-INFO/PKG-INFO")?;
    let mut text = Vec::new();
    entry.take(METADATA_BYTES).read_to_end(&mut text).map_err(|_| "has a damaged EGG-INFO/PKG-INFO")?;
    Ok(text)
}

/// Returns a header's value: lines up to the first blank one, any case, the first counts.
fn header(text: &[u8], name: &str) -> Option<String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return None;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (key, value) = line.split_at_checked(colon)?;
        if key.eq_ignore_ascii_case(name.as_bytes()) {
            return super::word(value.get(1..)?);
        }
    }
    None
}

fn unreadable(path: &str, why: &str) -> FileReading {
    let text = format!("the Python package {path} {why}");
    let note = Note { code: "file-unreadable".into(), path: String::new(), text, gap: true };
    FileReading { notes: vec![note], ..FileReading::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    fn read(path: &str, text: &[u8]) -> FileReading {
        Pypi.read(&mut File { path, size: text.len() as u64, content: Content::Whole(text) })
    }

    #[test]
    fn metadata_is_wanted_where_python_installs_it() {
        let entry = |path, head| Pypi.wants(&Entry { path, size: 10, head });
        for (path, want) in [
            ("usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA", Wants::Whole),
            ("opt/venv/lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA", Wants::Whole),
            ("six-1.16.0.egg-info/PKG-INFO", Wants::Whole),
            ("usr/lib/python3/dist-packages/distlib-0.3.1.egg-info", Wants::Whole),
            ("srv/a.egg/EGG-INFO/PKG-INFO", Wants::Whole),
            ("usr/lib/python3/site-packages/setuptools/_vendor/wheel-0.43.0.dist-info/METADATA", Wants::Skip),
            ("app/requirements.txt", Wants::Skip),
            ("app/PKG-INFO", Wants::Skip),
            ("six-1.16.0.dist-info/RECORD", Wants::Skip),
            ("a.egg", Wants::Skip),
        ] {
            assert_eq!(entry(path, b"Metadata"), want, "{path}");
        }
        assert_eq!(entry("a.egg", b"PK\x03\x04"), Wants::Whole);
        let empty = Entry { path: "a.egg-info", size: 0, head: b"" };
        assert_eq!(Pypi.wants(&empty), Wants::Skip, "a mark without content");
    }

    #[test]
    fn the_headers_name_the_package() {
        let path = "x.dist-info/METADATA";
        for (text, want) in [
            ("Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 5.0\n", Some(("zope-interface", "5.0"))),
            ("\u{feff}name: a__b-.c\r\nVERSION:  1!2.0+x \r\n\r\nVersion: 9\r\n", Some(("a-b-c", "1!2.0+x"))),
            ("Name: a\nName: b\nVersion: 1\n", Some(("a", "1"))),
            ("Name: a\n\nVersion: 1\n", None),
            ("Name:\nVersion: 1\n", None),
            ("Name: a b\nVersion: 1\n", None),
            ("", None),
        ] {
            let reading = read(path, text.as_bytes());
            let got = reading.packages.first().map(|found| (found.name.as_str(), found.version.as_str()));
            assert_eq!(got, want, "{text:?}");
            assert_eq!(reading.notes.len(), usize::from(want.is_none()), "what is not read is noted: {text:?}");
        }
        assert_eq!(
            read("a.egg", b"PK\x03\x04 and no more").notes[0].text,
            "the Python package a.egg is not a zip archive"
        );
    }
}
