//! Alpine's packages, and those of its descendants.
//!
//! In: `lib/apk/db/installed` or `usr/lib/apk/db/installed`, records split by blank lines, one `X:value` a line.
//! Out: one package a record, and the paths it owns; a record without `P:` or `V:` becomes a note.

use crate::kind::note;
use crate::{Ecosystem, Entry, File, Wants, order};
use model::inventory::{FileReading, Found, Owned, PathSet, owned_hash, worth_owning};
use std::cmp::Ordering;

/// Alpine packages.
pub struct Apk;

impl Ecosystem for Apk {
    fn purl_type(&self) -> &'static str {
        "apk"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Wants {
        let named = matches!(entry.path, "lib/apk/db/installed" | "usr/lib/apk/db/installed");
        // A database behind a link stands elsewhere: told by its first line. The overlay drops what no link leads to.
        let behind_link = entry.path.ends_with("/installed") && entry.head.starts_with(b"C:Q");
        if named || behind_link { Wants::Whole } else { Wants::Skip }
    }

    fn read(&self, file: &mut File<'_>) -> FileReading {
        let text = String::from_utf8_lossy(file.whole());
        let mut reading = FileReading::default();
        let (mut record, mut incomplete) = (Record::default(), 0u32);
        for line in text.lines().chain([""]) {
            if line.is_empty() {
                incomplete = incomplete.saturating_add(std::mem::take(&mut record).finish(&mut reading));
            } else {
                record.take(line);
            }
        }
        if incomplete > 0 {
            reading.notes.push(note(
                "package-database",
                format!("{incomplete} entries have no name or no version"),
                true,
            ));
        }
        reading
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        order::apk::compare(a, b)
    }

    fn valid(&self, version: &str) -> bool {
        order::apk::valid(version)
    }
}

#[derive(Default)]
struct Record<'t> {
    found: Found,
    folder: &'t str,
    owned: Vec<u64>,
    any: bool,
}

impl<'t> Record<'t> {
    fn take(&mut self, line: &'t str) {
        self.any = true;
        let Some((field, value)) = line.split_once(':') else { return };
        match field {
            "P" => self.found.name = value.to_owned(),
            "V" => self.found.version = value.to_owned(),
            "A" => self.found.arch = value.to_owned(),
            "o" => self.found.source = value.to_owned(),
            "F" => self.folder = value,
            "R" if self.folder.len().saturating_add(value.len()) < super::PATH_BYTES => {
                let path = if self.folder.is_empty() { value.to_owned() } else { format!("{}/{value}", self.folder) };
                if worth_owning(&path) {
                    self.owned.push(owned_hash(&path));
                }
            }
            _ => {}
        }
    }

    /// Adds the record to the reading. Returns how many entries were incomplete: none or this one.
    fn finish(mut self, reading: &mut FileReading) -> u32 {
        if !self.any {
            return 0;
        }
        if self.found.name.is_empty() || self.found.version.is_empty() {
            return 1;
        }
        if !self.owned.is_empty() {
            reading.owned.push(Owned { owner: self.found.name.clone(), paths: PathSet::new(self.owned) });
        }
        self.found.purl_type = "apk".to_owned();
        reading.packages.push(self.found);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    fn read(text: &[u8]) -> FileReading {
        let path = "lib/apk/db/installed";
        Apk.read(&mut File { path, size: text.len() as u64, content: Content::Whole(text) })
    }

    #[test]
    fn a_record_gives_a_package_with_its_origin_and_what_it_owns() {
        let text = b"C:Q1x=\nP:libssl3\nV:3.1.4-r5\nA:x86_64\no:openssl\nF:usr\nF:usr/lib\nR:libssl.so.3\nF:bin\nR:c_rehash\n\nP:musl\nV:1.2.4-r2\nA:x86_64\n\n";
        let reading = read(text);
        let rows: Vec<_> = reading.packages.iter().map(|p| (&*p.name, &*p.version, &*p.source, &*p.arch)).collect();
        assert_eq!(rows, [("libssl3", "3.1.4-r5", "openssl", "x86_64"), ("musl", "1.2.4-r2", "", "x86_64")]);
        assert_eq!(reading.owned.len(), 1);
        assert!(reading.owned[0].paths.contains(owned_hash("usr/bin/c_rehash")), "a merged /usr is the same file");
        assert!(reading.notes.is_empty());
    }

    #[test]
    fn an_incomplete_record_is_noted_and_the_others_are_read() {
        let reading = read(b"P:nameless\n\nV:1\n\nP:a\nV:1-r0\n\xff:\n\n\n");
        assert_eq!(reading.packages.len(), 1);
        assert_eq!(reading.notes.len(), 1);
        assert!(reading.notes[0].text.starts_with("2 entries") && reading.notes[0].gap);
    }

    #[test]
    fn the_database_is_known_by_its_place_or_by_its_first_line() {
        for (path, head, want) in [
            ("lib/apk/db/installed", &b""[..], Wants::Whole),
            ("usr/lib/apk/db/installed", b"P:x", Wants::Whole),
            ("opt/state/installed", b"C:Q1abc=", Wants::Whole),
            ("opt/state/installed", b"yes", Wants::Skip),
            ("lib/apk/db/scripts.tar", b"", Wants::Skip),
        ] {
            assert_eq!(Apk.wants(&Entry { path, size: 9, head }), want, "{path}");
        }
    }

    #[test]
    fn one_long_folder_before_many_names_is_no_hours_of_work() {
        let text = format!("P:a\nV:1-r0\nF:{}\n{}", "a".repeat(1 << 20), "R:b\n".repeat(20_000));
        let begun = std::time::Instant::now();
        let reading = read(text.as_bytes());
        assert_eq!((reading.packages.len(), reading.owned.len()), (1, 0));
        assert!(begun.elapsed().as_secs() < 5, "the folder was copied for every name");
    }
}
