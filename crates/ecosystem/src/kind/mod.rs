//! The table of ecosystems: one file (or folder) and one line each.

use crate::Ecosystem;
use model::inventory::Note;

mod apk;
mod dpkg;
mod golang;
mod npm;
mod os_release;
mod pypi;
mod rpm;

/// Every ecosystem, in the order in which a file is offered to them: the first that wants it reads it.
pub static ALL: &[&dyn Ecosystem] =
    &[&dpkg::Dpkg, &apk::Apk, &rpm::Rpm, &os_release::OsReleaseFile, &pypi::Pypi, &npm::Npm, &golang::Golang];

/// Returns the ecosystem of a purl type.
pub fn by_purl_type(purl_type: &str) -> Option<&'static dyn Ecosystem> {
    ALL.iter().copied().find(|kind| kind.purl_type() == purl_type)
}

/// Makes a note on the file that is being read; the walker fills in its path.
pub(crate) fn note(code: &str, text: impl Into<String>, gap: bool) -> Note {
    Note { code: code.to_owned(), path: String::new(), text: text.into(), gap }
}

/// No ecosystem has longer names or versions: npm allows 214, module paths of Go seldom pass 100.
const WORD_BYTES: usize = 512;

/// A longer path cannot exist on Linux. Readers put none together: one long folder before many names would be hours of work.
const PATH_BYTES: usize = 4096;

/// Returns a name or a version without the blanks around it; `None` when it is empty, too long, not text, or has blanks inside.
fn word(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let plain =
        !text.is_empty() && text.len() <= WORD_BYTES && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_this_folder_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kind");
        let table = include_str!("mod.rs").split("pub static ALL").nth(1).unwrap().split("];").next().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let module = name.trim_end_matches(".rs");
            if module != "mod" {
                seen.insert(module.to_owned());
                assert!(table.contains(&format!("&{module}::")), "{name} is missing from ALL");
            }
        }
        assert_eq!(seen.len(), ALL.len(), "one line a file");
    }

    #[test]
    fn purl_types_are_there_once() {
        for kind in ALL {
            assert_eq!(ALL.iter().filter(|k| k.purl_type() == kind.purl_type()).count(), 1, "{}", kind.purl_type());
        }
    }
}
