//! Go's modules, as the linker writes them into every executable.
//!
//! In: executables (ELF, PE, Mach-O) with Go build information: inline (since Go 1.18) or behind pointers (Go 1.13 to 1.17).
//! Out: one package a module, replaced modules as what replaces them; Go itself as `stdlib`. A main module without a version of its own
//! (`(devel)`, `v0.0.0-…`) is the user's program and no package; `-ldflags "-X main.version=v1.2.3"` gives it one.

mod binary;
mod headers;

use crate::order::go;
use crate::{Ecosystem, Entry, File, Wants};
use model::inventory::{FileReading, Found, Note};
use std::cmp::Ordering;

/// Go modules in executables.
pub struct Golang;

/// The smallest program that Go links is over 1 MB; half of that, so that a stripped one is in.
const SMALLEST_BYTES: u64 = 512 << 10;

/// Up to this size any executable may be Go's; a larger one must show it in its first page (build id, or section table of Go's linker),
/// so that browsers and interpreters are not copied. A larger program linked by C's linker with its build id removed is missed.
const ANY_BYTES: u64 = 32 << 20;

impl Ecosystem for Golang {
    fn purl_type(&self) -> &'static str {
        "golang"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Wants {
        let is_executable = headers::is_executable(entry.head);
        if !is_executable || entry.size < SMALLEST_BYTES || is_library(entry.path) {
            return Wants::Skip;
        }
        if entry.size > ANY_BYTES && !headers::shows_go(entry.head) { Wants::Skip } else { Wants::Seekable }
    }

    fn read(&self, file: &mut File<'_>) -> FileReading {
        match binary::build_info(file) {
            Ok(None) => FileReading::default(),
            Ok(Some(info)) => modules(&info, file.path),
            Err(binary::Damaged) => {
                let text = format!("the Go build information of {} is damaged", file.path);
                FileReading { notes: vec![note("file-unreadable", text, true)], ..FileReading::default() }
            }
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        go::compare(a, b)
    }

    fn valid(&self, version: &str) -> bool {
        go::valid(version)
    }
}

fn is_library(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.ends_with(".so") || file.contains(".so.") || file.ends_with(".dll") || file.ends_with(".dylib")
}

fn note(code: &str, text: String, gap: bool) -> Note {
    Note { code: code.into(), path: String::new(), text, gap }
}

fn found(name: &str, version: &str) -> Option<Found> {
    let (name, version) = (super::word(name.as_bytes())?, super::word(version.as_bytes())?);
    Some(Found { purl_type: "golang".into(), name, version, ..Found::default() })
}

/// Reads the lines of the build information.
fn modules(info: &binary::BuildInfo, path: &str) -> FileReading {
    let mut reading = FileReading::default();
    let release = info.go.strip_prefix("go").and_then(|release| release.split([' ', '\t']).next());
    match release.and_then(|release| found("stdlib", release)) {
        Some(go) => reading.packages.push(go),
        None => {
            let text = format!("{path} was built by a Go without a release: {}", shown(&info.go));
            reading.notes.push(note("version-unreadable", text, true));
        }
    }
    let mut main = None;
    let mut version_set = None;
    for line in info.modules.lines() {
        let mut fields = line.split('\t');
        match (fields.next(), fields.next(), fields.next()) {
            (Some("mod"), Some(name), version) => main = Some((name, version.unwrap_or(""))),
            (Some("dep"), Some(name), version) => dependency(&mut reading, path, name, version.unwrap_or("")),
            (Some("=>"), Some(name), version) => replacement(&mut reading, path, name, version.unwrap_or("")),
            (Some("build"), Some(setting), _) => {
                let name = main.map_or("", |(name, _)| name);
                version_set =
                    version_set.or(setting.strip_prefix("-ldflags=").and_then(|flags| set_version(flags, name)));
            }
            _ => {}
        }
    }
    if let Some((name, version)) = main {
        let own = !version.is_empty() && version != "(devel)" && !version.starts_with("v0.0.0-");
        let version = if own { Some(version) } else { version_set };
        reading.packages.extend(version.and_then(|version| found(name, version)));
    }
    reading
}

fn dependency(reading: &mut FileReading, path: &str, name: &str, version: &str) {
    match found(name, version) {
        Some(module) => reading.packages.push(module),
        None => {
            let text =
                format!("a module of {path} has no readable name or version: {} {}", shown(name), shown(version));
            reading.notes.push(note("version-unreadable", text, true));
        }
    }
}

/// `=>` follows the module that it replaces; a local folder has no version and takes the module's place.
fn replacement(reading: &mut FileReading, path: &str, name: &str, version: &str) {
    let replaced = reading.packages.pop_if(|module| module.name != "stdlib");
    if version.is_empty() {
        let replaced = replaced.map(|module| module.name).unwrap_or_default();
        let text =
            format!("module {replaced} of {path} is replaced by the folder {}, which has no version", shown(name));
        reading.notes.push(note("version-unreadable", text, false));
    } else {
        dependency(reading, path, name, version);
    }
}

/// The start of a foreign text, for a note.
fn shown(text: &str) -> String {
    text.chars().filter(|sign| !sign.is_control()).take(100).collect()
}

/// Returns the version that `-X main.version=v1.2.3` (or a package of the main module) sets, if it has an order.
fn set_version<'a>(flags: &'a str, module: &str) -> Option<&'a str> {
    let quotes = ['"', '\'', ' '];
    flags.split(quotes).filter(|one| !one.is_empty()).find_map(|one| {
        let (key, value) = one.strip_prefix("-X=").unwrap_or(one).split_once('=')?;
        let (package, variable) = key.rsplit_once('.')?;
        let ours = package == "main" || package.strip_prefix(module).is_some_and(|rest| rest.starts_with('/'));
        let complete = value.split('.').count() >= 3 && go::valid(value);
        (ours && variable.eq_ignore_ascii_case("version") && complete).then_some(value)
    })
}

#[cfg(test)]
mod tests;
