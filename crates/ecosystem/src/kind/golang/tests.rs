use super::*;
use crate::Content;
use proptest::prelude::*;

fn info(go: &str, modules: &str) -> FileReading {
    modules_of(&binary::BuildInfo { go: go.into(), modules: modules.into() })
}

fn modules_of(info: &binary::BuildInfo) -> FileReading {
    modules(info, "usr/bin/app")
}

fn names(reading: &FileReading) -> Vec<String> {
    reading.packages.iter().map(|found| format!("{} {}", found.name, found.version)).collect()
}

#[test]
fn lines_become_modules() {
    for (go, lines, want, notes) in [
        ("go1.22.1", "path\ta\nmod\ta\t(devel)\t\ndep\tb\tv1.0.0\th1:x=\n", vec!["stdlib 1.22.1", "b v1.0.0"], 0),
        ("go1.21rc2 X:nocoverageredesign", "mod\ta\tv2.1.0\n", vec!["stdlib 1.21rc2", "a v2.1.0"], 0),
        ("go1.24", "mod\ta\tv0.0.0-20240101000000-abcdefabcdef\n", vec!["stdlib 1.24"], 0),
        ("go1.24", "dep\tb\tv1.0.0\n=>\tc\tv1.1.0\th1:x=\n", vec!["stdlib 1.24", "c v1.1.0"], 0),
        ("go1.24", "dep\tb\tv1.0.0\n=>\t./b\t\n", vec!["stdlib 1.24"], 1),
        ("go1.24", "=>\tc\tv1.1.0\n", vec!["stdlib 1.24", "c v1.1.0"], 0),
        ("go1.24", "dep\tb\n", vec!["stdlib 1.24"], 1),
        ("devel go1.22-abc", "dep\tb\tv1\n", vec!["b v1"], 1),
        (
            "go1.24",
            "mod\tm\t(devel)\nbuild\t-ldflags=\"-w -X main.version=v1.0.0\"\n",
            vec!["stdlib 1.24", "m v1.0.0"],
            0,
        ),
        ("go1.24", "mod\tm\t(devel)\nbuild\t-ldflags=-X m/cmd.Version=1.0.0\n", vec!["stdlib 1.24", "m 1.0.0"], 0),
        ("go1.24", "mod\tm\t(devel)\nbuild\t-ldflags=-X other/lib.Version=1.0.0\n", vec!["stdlib 1.24"], 0),
        ("go1.24", "mod\tm\t(devel)\nbuild\t-ldflags=-X main.version=dev\n", vec!["stdlib 1.24"], 0),
    ] {
        let reading = info(go, lines);
        assert_eq!(names(&reading), want, "{go} {lines}");
        assert_eq!(reading.notes.len(), notes, "{go} {lines}");
    }
}

#[test]
fn executables_are_wanted_by_magic_and_size() {
    let mut internal = b"\x7fELF\x02\x01".to_vec();
    internal.resize(40, 0);
    internal.extend(456_u64.to_le_bytes());
    let mut noted = b"\x7fELF\x02\x01".to_vec();
    noted.resize(3996, 0);
    noted.extend(b"\x04\0\0\0\x53\0\0\0\x04\0\0\0Go\0\0");
    let plain = b"\x7fELF\x02\x01 any";
    for (path, size, head, want) in [
        ("usr/bin/app", 2 << 20, &plain[..], Wants::Seekable),
        ("usr/bin/app.exe", 2 << 20, b"MZ\x90\0", Wants::Seekable),
        ("usr/bin/app", 2 << 20, b"\xcf\xfa\xed\xfe", Wants::Seekable),
        ("usr/bin/ls", 100 << 10, plain, Wants::Skip),
        ("usr/lib/libcrypto.so.3", 4 << 20, plain, Wants::Skip),
        ("usr/bin/script", 2 << 20, b"#!/bin/sh", Wants::Skip),
        ("usr/bin/node", 90 << 20, plain, Wants::Skip),
        ("usr/bin/large", 90 << 20, &internal, Wants::Seekable),
        ("usr/bin/large", 90 << 20, &noted, Wants::Seekable),
    ] {
        assert_eq!(Golang.wants(&Entry { path, size, head }), want, "{path} of {size} bytes");
    }
}

/// A 64-bit program with one writable piece, no sections, and build information of the inline kind.
fn program(go: &str, modules: &str) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(32, 0);
    bytes.extend(64_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend([0; 6]);
    for half in [56_u16, 1, 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(6_u32.to_le_bytes());
    for word in [128_u64, 0x40_0000, 0x40_0000, 4096, 4096, 16] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.resize(128 + 64, 0);
    bytes.extend(b"\xff Go buildinf:\x08\x02");
    bytes.extend([0; 16]);
    let framed = format!("0123456789abcdef{modules}0123456789abcdef");
    for text in [go, framed.as_str()] {
        bytes.extend([(text.len() & 0x7f) as u8 | 0x80, (text.len() >> 7) as u8]);
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn read(bytes: &[u8]) -> FileReading {
    let mut seekable = std::io::Cursor::new(bytes);
    let size = bytes.len() as u64;
    let streamed = Golang.read(&mut File { path: "app", size, content: Content::Seekable(&mut seekable) });
    let whole = Golang.read(&mut File { path: "app", size, content: Content::Whole(bytes) });
    assert_eq!(streamed, whole, "both ways of handing over give the same");
    whole
}

#[test]
fn build_information_is_found_and_damage_is_told() {
    let good = program("go1.22.1", "dep\tb\tv1.0.0\n");
    assert_eq!(names(&read(&good)), ["stdlib 1.22.1", "b v1.0.0"]);
    let cut = read(&good[..good.len() - 20]);
    assert_eq!((cut.packages.len(), cut.notes[0].code.as_str()), (0, "file-unreadable"), "the text ends in the middle");
    assert_eq!(read(b"\x7fELF and no more"), FileReading::default(), "no headers, no program");
    assert_eq!(read(&[]), FileReading::default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_a_program_is_read_without_a_panic(changes in prop::collection::vec((0..300_usize, any::<u8>()), 1..12)) {
        let mut bytes = program("go1.22.1", "dep\tb\tv1.0.0\n");
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        read(&bytes);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(magic in 0..4_usize, rest: Vec<u8>) {
        let mut bytes = [&b"\x7fELF\x02\x01"[..], b"MZ", b"\xfe\xed\xfa\xce", b"\xcf\xfa\xed\xfe"][magic].to_vec();
        bytes.extend(rest);
        prop_assert!(read(&bytes).packages.is_empty());
    }
}
