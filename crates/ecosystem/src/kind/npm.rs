//! Node's packages.
//!
//! In: `node_modules/NAME/package.json` and `node_modules/@SCOPE/NAME/package.json`, however deep; pnpm's, Bun's and Yarn's stores too.
//! Out: the package that the file names, if it names itself and its version. Other `package.json` are not installed packages: the
//! application's own, marks inside a package (`lib/package.json`), and what lies under a package's tests.

use crate::order::semver;
use crate::{Ecosystem, Entry, File, Wants};
use model::inventory::{FileReading, Found, Note};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::cmp::Ordering;

/// Node packages.
pub struct Npm;

impl Ecosystem for Npm {
    fn purl_type(&self) -> &'static str {
        "npm"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Wants {
        if is_package(entry.path) { Wants::Whole } else { Wants::Skip }
    }

    fn read(&self, file: &mut File<'_>) -> FileReading {
        let text = String::from_utf8_lossy(file.whole());
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        match identity(text) {
            Ok((Some(name), Some(version))) => FileReading {
                packages: vec![Found { purl_type: "npm".into(), name, version, ..Found::default() }],
                ..FileReading::default()
            },
            Ok(_) => FileReading::default(),
            Err(error) => {
                let text = format!("the Node package {} is not valid JSON: {error}", file.path);
                let note = Note { code: "file-unreadable".into(), path: String::new(), text, gap: true };
                FileReading { notes: vec![note], ..FileReading::default() }
            }
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        semver::compare(a, b)
    }

    fn valid(&self, version: &str) -> bool {
        semver::valid(version)
    }
}

/// Folders of a package whose `node_modules` only serve its own tests.
const TESTS: [&str; 8] = ["test", "tests", "__tests__", "spec", "fixture", "fixtures", "__fixtures__", "testdata"];

fn is_package(path: &str) -> bool {
    let Some(folder) = path.strip_suffix("/package.json") else { return false };
    let mut folders = folder.rsplit('/');
    let (Some(name), Some(parent)) = (folders.next(), folders.next()) else { return false };
    let is_root = match parent {
        "node_modules" => true,
        scope if scope.starts_with('@') => folders.next() == Some("node_modules"),
        // Yarn: node_modules/.store/NAME-npm-VERSION-HASH/package
        _ => name == "package" && folders.next() == Some(".store") && folders.next() == Some("node_modules"),
    };
    is_root && !name.starts_with(['.', '@']) && !is_under_tests(folder)
}

/// Returns whether the path leads through the tests of a package.
fn is_under_tests(folder: &str) -> bool {
    let mut inside = false;
    let mut before = "";
    for name in folder.split('/') {
        // `node_modules/test` is a package of that name.
        if inside && TESTS.contains(&name) && before != "node_modules" && !before.starts_with('@') {
            return true;
        }
        inside |= name == "node_modules";
        before = name;
    }
    false
}

/// Name and version of a `package.json`; of a key that is there twice the last counts, as for Node.
fn identity(text: &str) -> serde_json::Result<(Option<String>, Option<String>)> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let identity = reader.deserialize_map(Keys)?;
    reader.end()?;
    Ok(identity)
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = (Option<String>, Option<String>);

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut name, mut version) = (None, None);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value = map.next_value::<&RawValue>()?;
            match key.as_ref() {
                "name" => name = text(value),
                "version" => version = text(value),
                _ => {}
            }
        }
        Ok((name, version))
    }
}

fn text(value: &RawValue) -> Option<String> {
    let text = serde_json::from_str::<String>(value.get()).ok()?;
    super::word(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    #[test]
    fn roots_of_installed_packages_are_wanted() {
        for (path, want) in [
            ("app/node_modules/JSONStream/package.json", true),
            ("app/node_modules/@babel/core/package.json", true),
            ("usr/lib/node_modules/npm/node_modules/tar/package.json", true),
            ("app/node_modules/.pnpm/ms@2.1.2/node_modules/ms/package.json", true),
            ("app/node_modules/.store/ms-npm-2.1.2-ec0c/package/package.json", true),
            ("app/node_modules/test/package.json", true),
            ("app/node_modules/@x/test/node_modules/ms/package.json", true),
            ("test/node_modules/ms/package.json", true),
            ("app/package.json", false),
            ("package.json", false),
            ("app/node_modules/x/lib/package.json", false),
            ("app/node_modules/@babel/package.json", false),
            ("app/node_modules/.cache/package.json", false),
            ("app/node_modules/resolve/test/resolver/node_modules/foo/package.json", false),
            ("app/node_modules/ms/package-lock.json", false),
        ] {
            let wants = Npm.wants(&Entry { path, size: 10, head: b"{" });
            assert_eq!(wants == Wants::Whole, want, "{path}");
        }
    }

    #[test]
    fn the_file_names_itself() {
        for (text, want, notes) in [
            (r#"{"name":"JSONStream","version":"1.3.5"}"#, Some(("JSONStream", "1.3.5")), 0),
            ("\u{feff}{\"version\":\"1.0\",\"name\":\"@a/b\",\"x\":[{}]}", Some(("@a/b", "1.0")), 0),
            (r#"{"name":"a","name":"b","version":"1"}"#, Some(("b", "1")), 0),
            (r#"{"name":"a"}"#, None, 0),
            (r#"{"type":"module"}"#, None, 0),
            (r#"{"name":{"a":1},"version":"1"}"#, None, 0),
            (r#"{"name":"a","version":"1""#, None, 1),
            (r#"{"name":"a","version":"1"} and more"#, None, 1),
            ("[]", None, 1),
            ("", None, 1),
        ] {
            let content = Content::Whole(text.as_bytes());
            let reading = Npm.read(&mut File { path: "node_modules/a/package.json", size: 1, content });
            let got = reading.packages.first().map(|found| (found.name.as_str(), found.version.as_str()));
            assert_eq!(got, want, "{text}");
            assert_eq!(reading.notes.len(), notes, "{text}");
        }
    }
}
