//! Names of a tar, made into paths.
//!
//! In: a name as written, any bytes. Out: a path from the root without a leading slash, as an extractor in a chroot would make it:
//! `.` and empty parts are dropped, `..` goes up and stops at the root. Bytes that are not UTF-8 and control characters become `\xNN`.

use std::fmt::Write;

/// Whiteouts begin with this.
const WHITEOUT: &str = ".wh.";

/// Writes the path of a name to `out`.
pub fn normalise(name: &[u8], out: &mut String) {
    out.clear();
    if let Some(plain) = plain(name) {
        out.push_str(plain);
        return;
    }
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => out.truncate(out.rfind('/').unwrap_or(0)),
            _ => {
                if !out.is_empty() {
                    out.push('/');
                }
                escape(part, out);
            }
        }
    }
}

/// Writes where a symbolic link at `path` leads.
pub fn follow(path: &str, target: &[u8], out: &mut String) {
    let parent = if target.first() == Some(&b'/') { "" } else { parent(path) };
    normalise(&[parent.as_bytes(), b"/", target].concat(), out);
}

/// Returns the folder of a path; empty for one in the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What a name says about the layers below.
#[derive(Debug, PartialEq, Eq)]
pub enum Whiteout {
    /// Nothing: an ordinary name.
    No,
    /// This path is gone.
    Path(String),
    /// All that is under this folder is gone.
    Under(String),
    /// A whiteout's name that removes nothing: AUFS's own files, or one without a name.
    Nothing,
}

/// Tells whiteouts from ordinary paths.
pub fn whiteout(path: &str) -> Whiteout {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some(hidden) = name.strip_prefix(WHITEOUT) else { return Whiteout::No };
    match hidden {
        ".wh..opq" => Whiteout::Under(folder.to_owned()),
        "" | "." | ".." => Whiteout::Nothing,
        _ if hidden.starts_with(WHITEOUT) => Whiteout::Nothing,
        _ if folder.is_empty() => Whiteout::Path(hidden.to_owned()),
        _ => Whiteout::Path(format!("{folder}/{hidden}")),
    }
}

/// Hashes a path and its folders in one go, as `model::inventory::path_hash` does each.
pub fn hashes(path: &str, folders: &mut Vec<u64>) -> u64 {
    folders.clear();
    let mut hash = model::inventory::path_hash("");
    for byte in path.bytes() {
        if byte == b'/' {
            folders.push(hash);
        }
        hash = model::inventory::path_hash_step(hash, byte);
    }
    hash
}

/// Makes a text safe to show on one line; borrowed when it is already.
pub fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return text.into();
    }
    let mut out = String::new();
    escape(text.as_bytes(), &mut out);
    out.into()
}

/// Most names need no work but for a leading `./` and a trailing slash.
fn plain(name: &[u8]) -> Option<&str> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let name = name.strip_suffix(b"/").unwrap_or(name);
    // A part that is empty or begins with a dot may be one that goes up; leave those to the slow way.
    let mut before = b'/';
    for byte in name {
        if !(0x20..0x7f).contains(byte) || (before == b'/' && matches!(byte, b'/' | b'.')) {
            return None;
        }
        before = *byte;
    }
    if before == b'/' { None } else { std::str::from_utf8(name).ok() }
}

fn escape(part: &[u8], out: &mut String) {
    let mut utf8 = [0; 4];
    for chunk in part.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c.is_control() {
                true => escape_bytes(c.encode_utf8(&mut utf8).as_bytes(), out),
                false => out.push(c),
            }
        }
        escape_bytes(chunk.invalid(), out);
    }
}

fn escape_bytes(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_the_path_that_an_extractor_in_a_chroot_would_use() {
        let mut out = String::from("old");
        for (name, want) in [
            (&b"./var/lib/dpkg/status"[..], "var/lib/dpkg/status"),
            (b"/etc/os-release", "etc/os-release"),
            (b"usr/share/", "usr/share"),
            (b"./", ""),
            (b"/", ""),
            (b"", ""),
            (b"a//b/./c", "a/b/c"),
            (b"../../etc/passwd", "etc/passwd"),
            (b"a/../../b", "b"),
            (b"a/.hidden/..x/...", "a/.hidden/..x/..."),
            (b"a\nb/\x1b[31m", "a\\x0ab/\\x1b[31m"),
            (b"a/\xff\xfe", "a/\\xff\\xfe"),
            ("straße/\u{9b}".as_bytes(), "straße/\\xc2\\x9b"),
        ] {
            normalise(name, &mut out);
            assert_eq!(out, want, "{name:?}");
        }
    }

    #[test]
    fn whiteouts_are_told_from_ordinary_names() {
        for (path, want) in [
            ("a/.wh.b", Whiteout::Path("a/b".into())),
            (".wh.b", Whiteout::Path("b".into())),
            ("a/.wh..wh..opq", Whiteout::Under("a".into())),
            (".wh..wh..opq", Whiteout::Under(String::new())),
            ("a/.wh..wh.plnk", Whiteout::Nothing),
            ("a/.wh..", Whiteout::Nothing),
            ("a/.wh.", Whiteout::Nothing),
            ("a/.wh...", Whiteout::Nothing),
            ("a/.whb", Whiteout::No),
            (".wh.x/b", Whiteout::No),
        ] {
            assert_eq!(whiteout(path), want, "{path}");
        }
    }

    #[test]
    fn links_lead_from_their_folder_or_from_the_root() {
        let mut out = String::new();
        for (path, target, want) in
            [("var/lib/rpm", "../../usr/lib/rpm", "usr/lib/rpm"), ("etc/x", "/y", "y"), ("a", "b", "b")]
        {
            follow(path, target.as_bytes(), &mut out);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn folders_are_hashed_on_the_way() {
        let mut folders = Vec::new();
        let hash = hashes("usr/lib/x", &mut folders);
        assert_eq!(hash, model::inventory::path_hash("usr/lib/x"));
        assert_eq!(folders, ["usr", "usr/lib"].map(model::inventory::path_hash));
    }
}
