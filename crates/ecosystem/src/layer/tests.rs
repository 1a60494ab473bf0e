use super::*;
use crate::kind::ALL;
use model::inventory::{PathSet, Removed, path_hash};
use proptest::prelude::*;
use std::io::Write;

const STATUS: &[u8] = b"Package: a\nStatus: install ok installed\nVersion: 1\n\n";
const MANY: &[u8] = b"Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n\n";

/// An entry of a test's archive: name, type letter, body or target of a link.
type Row<'r> = (&'r str, u8, &'r [u8]);

fn archive(rows: &[Row<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, body) in rows {
        let mut header = tar::Header::new_gnu();
        let is_link = matches!(kind, b'1' | b'2');
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_size(if is_link { 0 } else { body.len() as u64 });
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        if is_link {
            header.as_mut_bytes()[157..157 + body.len()].copy_from_slice(body);
        }
        header.set_cksum();
        builder.append(&header, if is_link { &[] } else { *body }).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read_with(bytes: &[u8], limits: &Limits) -> Result<LayerInventory, Failure> {
    read(bytes, limits, &mut SpillToMemory::default())
}

fn layer(rows: &[Row<'_>]) -> LayerInventory {
    read_with(&archive(rows), &Limits::default()).unwrap()
}

fn paths(inventory: &LayerInventory) -> Vec<&str> {
    inventory.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn a_layer_is_the_same_whatever_its_compression() {
    let tar = archive(&[("var/lib/dpkg/status", b'0', STATUS), ("usr/bin/x", b'0', b"\x7fELF")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let plain = read_with(&tar, &Limits::default()).unwrap();
    assert_eq!(plain.diff_id, model::Digest::sha256(&tar).as_str());
    assert_eq!((plain.entries, plain.unpacked_bytes, plain.bytes), (2, tar.len() as u64, tar.len() as u64));
    assert_eq!(paths(&plain), ["var/lib/dpkg/status"]);
    for packed in [gzip.finish().unwrap(), zstd::encode_all(&tar[..], 1).unwrap()] {
        let bytes = packed.len() as u64;
        let inventory = read_with(&packed, &Limits::default()).unwrap();
        assert_eq!(inventory, LayerInventory { bytes, ..plain.clone() });
    }
}

#[test]
fn the_last_entry_of_a_path_wins() {
    let db = "var/lib/dpkg/status";
    for (rows, want, why) in [
        (vec![(db, b'0', STATUS), (db, b'0', MANY)], 2, "a second file"),
        (vec![(db, b'0', MANY), (db, b'0', STATUS)], 1, "a second file with less in it"),
        (vec![(db, b'0', STATUS), (db, b'0', b"")], 0, "a second file that tells nothing"),
        (vec![(db, b'0', STATUS), (db, b'2', b"x")], 0, "a link instead"),
        (vec![(db, b'0', STATUS), (db, b'5', b"")], 0, "a folder instead"),
        (vec![(db, b'0', STATUS), ("var/lib", b'2', b"x")], 0, "a folder above becomes a link"),
        (vec![(db, b'0', STATUS), ("var/lib", b'5', b"")], 1, "a folder above comes again"),
        (vec![(db, b'0', STATUS), ("var/li", b'0', b"")], 1, "a file beside it"),
        (vec![("./var/../var//lib/dpkg/status", b'0', STATUS)], 1, "the same path in another way"),
        (vec![("../../var/lib/dpkg/status", b'0', STATUS)], 1, "a path that would leave the root stays in it"),
    ] {
        let count: usize = layer(&rows).files.iter().map(|file| file.packages.len()).sum();
        assert_eq!(count, want, "{why}");
    }
}

#[test]
fn whiteouts_are_facts_about_the_layers_below() {
    let rows: Vec<Row<'_>> = vec![
        ("a/.wh.b", b'0', b""),
        ("c/.wh..wh..opq", b'0', b""),
        (".wh..wh.plnk", b'0', b""),
        ("var/lib/dpkg/.wh.status", b'0', b""),
        ("var/lib/dpkg/status", b'0', STATUS),
    ];
    let inventory = layer(&rows);
    let path = |path: &str| Removed::Path(path.to_owned());
    assert_eq!(inventory.removed, [path("a/b"), path("var/lib/dpkg/status"), Removed::Under("c".into())]);
    assert_eq!(paths(&inventory), ["var/lib/dpkg/status"], "a whiteout takes nothing from its own layer");
    assert_eq!(inventory.others, PathSet::default(), "a whiteout is no file");
}

#[test]
fn what_could_hide_something_below_is_kept() {
    let inventory = layer(&[
        ("app/node_modules/qs", b'0', b"x"),
        ("app/node_modules/bignumber.js", b'0', b"x"),
        ("usr/share/doc/x/notes.txt", b'0', b"x"),
        ("bin/tool", b'0', b"x"),
        ("a/b/c", b'2', b"d"),
        ("dev/null", b'3', b""),
    ]);
    for (path, kept) in [
        ("app/node_modules/qs", true),
        ("app/node_modules/bignumber.js", true),
        ("usr/share/doc/x/notes.txt", false),
        ("bin/tool", true),
        ("a/b/c", true),
        ("dev/null", true),
    ] {
        assert_eq!(inventory.others.contains(path_hash(path)), kept, "{path}");
    }
    for folder in ["app", "app/node_modules", "usr/share/doc/x", "a", "a/b", "dev"] {
        assert!(inventory.folders.contains(path_hash(folder)), "{folder} has no entry of its own");
    }
}

#[test]
fn links_to_files_that_were_read_count_and_others_are_facts_or_notes() {
    let info = "var/lib/dpkg/info/x.list";
    let list: &[u8] = b"/usr/bin/x\n";
    let twice = layer(&[(info, b'0', list), ("var/lib/dpkg/info/y.list", b'1', info.as_bytes())]);
    assert_eq!(paths(&twice), [info, "var/lib/dpkg/info/y.list"]);
    let elsewhere = layer(&[(info, b'0', list), ("backup/y.txt", b'1', info.as_bytes())]);
    assert_eq!(paths(&elsewhere), [info], "a name that nobody would read");
    let from_store = layer(&[("store/12ab", b'0', STATUS), ("var/lib/dpkg/status", b'1', b"store/12ab")]);
    assert!(from_store.notes[0].gap && from_store.notes[0].path == "var/lib/dpkg/status", "{:?}", from_store.notes);
    let below = layer(&[("b", b'1', b"/a")]);
    assert_eq!(below.links, [Link { path: "b".into(), target: "a".into(), hard: true }]);
    let symbolic = layer(&[("var/lib/dpkg", b'2', b"../../opt/x"), ("usr/bin/x", b'2', b"y")]);
    assert_eq!(symbolic.links, [Link { path: "var/lib/dpkg".into(), target: "opt/x".into(), hard: false }]);
    assert_eq!(layer(&[("x", b'1', b"x"), ("y", b'2', b"y")]).files, [], "links to themselves");
}

#[test]
fn limits_hold_at_their_edge() {
    let rows: Vec<Row<'_>> = vec![("var/lib/dpkg/status", b'0', MANY), ("x", b'0', b"")];
    let tar = archive(&rows);
    let defaults = Limits::default;
    let (size, length) = (MANY.len() as u64, tar.len() as u64);
    for (limits, want) in [
        // Two files in three folders.
        (Limits { entries: 3, ..defaults() }, ""),
        (Limits { entries: 2, ..defaults() }, "limit-entries"),
        (Limits { entries: 1, ..defaults() }, "limit-entries"),
        (Limits { unpacked_bytes: length, ..defaults() }, ""),
        (Limits { unpacked_bytes: length - 1, ..defaults() }, "limit-bytes"),
        (Limits { packages: 2, ..defaults() }, ""),
        (Limits { packages: 1, ..defaults() }, "limit-packages"),
        (Limits { output_bytes: 100, ..defaults() }, "limit-output"),
        (Limits { whole_bytes: size, ..defaults() }, ""),
        (Limits { whole_bytes: size - 1, ..defaults() }, "file-too-large"),
        (Limits { path_bytes: 3, ..defaults() }, "file-unreadable"),
    ] {
        let result = read_with(&tar, &limits);
        let note = |inventory: &LayerInventory| {
            let inner = inventory.files.iter().flat_map(|file| &file.notes);
            inventory.notes.iter().chain(inner).map(|note| note.code.clone()).next().unwrap_or_default()
        };
        assert_eq!(result.map_or_else(|failure| failure.code().to_owned(), |inventory| note(&inventory)), want);
    }
}

#[test]
fn a_package_with_an_absurd_text_is_left_out_with_a_note() {
    let text = format!("Package: a\nVersion: {}\n\nPackage: b\nVersion: 1\u{1b}[31m\n", "9".repeat(2000));
    let inventory = layer(&[("var/lib/dpkg/status", b'0', text.as_bytes())]);
    let file = &inventory.files[0];
    assert_eq!(file.packages.iter().map(|p| &*p.version).collect::<Vec<_>>(), ["1\\x1b[31m"]);
    assert!(file.notes[0].gap && file.notes[0].path == "var/lib/dpkg/status");
}

#[test]
fn data_behind_the_end_and_a_missing_end_are_noted() {
    let whole = archive(&[("x", b'0', b"")]);
    let behind = read_with(&[&whole[..], &[0; 512], b"hidden"].concat(), &Limits::default()).unwrap();
    assert!(behind.notes[0].text.starts_with("518 bytes") && !behind.notes[0].gap, "{:?}", behind.notes);
    assert!(layer(&[("x", b'0', b"")]).notes.is_empty());
    let open = read_with(&whole[..512], &Limits::default()).unwrap();
    assert!(open.notes[0].text.contains("no end marker"));
}

#[test]
fn every_failure_has_a_reason_that_is_in_the_table() {
    for failure in [
        Failure::Truncated(String::new()),
        Failure::Unreadable(String::new()),
        Failure::Compression(String::new()),
        Failure::LimitEntries(1),
        Failure::LimitBytes(1),
        Failure::LimitPackages(1),
        Failure::LimitOutput(1),
        Failure::Input(io::ErrorKind::BrokenPipe.into()),
    ] {
        assert!(model::verdict::reason(failure.code()).is_some(), "{failure}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_layer_or_a_failure(bytes: Vec<u8>) {
        let _ = read_with(&bytes, &Limits::default());
    }

    #[test]
    fn any_file_in_any_place_is_read(at in 0..9usize, body: Vec<u8>) {
        let path = ["var/lib/dpkg/status", "var/lib/dpkg/status.d/x", "var/lib/dpkg/info/x.list", "lib/apk/db/installed",
            "etc/os-release", "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "a/package.json", "x-1.dist-info/METADATA"][at];
        let _ = layer(&[(path, b'0', &body)]);
    }

    #[test]
    fn every_reader_takes_any_bytes(body: Vec<u8>, path in "[a-z./]{0,20}") {
        for kind in ALL {
            let _ = kind.wants(&Entry { path: &path, size: body.len() as u64, head: &body });
            let size = body.len() as u64;
            let _ = kind.read(&mut File { path: &path, size, content: Content::Whole(&body) });
            let _ = kind.read(&mut File { path: &path, size, content: Content::Seekable(&mut io::Cursor::new(&body)) });
        }
    }
}
