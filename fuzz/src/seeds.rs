//! Writes the seeds that are no text: archives, databases, programs.
//!
//! In: a folder. Out: `<folder>/<target>/<name>`. Seeds that are text are in `seeds/`.

use libfuzzer_sys as _; // the runtime that coverage reports to
use model::advisory::{Advisory, Affected};
use std::io::{Cursor, Write};
use std::path::Path;

const APK: &str = "C:Q1aaaaaaaaaaaaaaaaaaaaaaaaaaa=\nP:zlib\nV:1.2.13-r1\nA:x86_64\no:zlib\nF:usr/lib\nR:libz.so.1\n\n";
const DPKG: &str = "Package: tzdata\nStatus: install ok installed\nArchitecture: all\nVersion: 2024a-0+deb12u1\n\n";
const RELEASE: &str = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
const METADATA: &str = "Metadata-Version: 2.1\nName: Django\nVersion: 4.2.1\n\n";

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("give a folder"))?;
    let archive = archive()?;
    for (target, name, choice, bytes) in [
        ("tar_walk", "archive", 0b101_0101, &archive),
        ("tar_walk", "sparse", 0, &sparse()),
        ("layer", "plain", 1, &archive),
        ("layer", "gzip", 2, &archive),
        ("layer", "zstd", 3, &archive),
        ("layer", "gzip-of-another", 0, &gzip(&archive)?),
        ("layer", "zstd-of-another", 0, &zstd::encode_all(archive.as_slice(), 1)?),
        ("read_rpm", "database", 0, &rpm_database()),
        ("read_golang", "program", 0, &go_program()),
        ("read_pypi", "egg", 1, &zipped("EGG-INFO/PKG-INFO", METADATA)?),
        (
            "feed_osv",
            "packed",
            0x80,
            &zipped("A.json", include_str!("../seeds/feed_osv/record").get(1..).unwrap_or(""))?,
        ),
        ("database", "small", 1, &database()),
        ("inflate", "members", 0, &[gzip(&archive()?)?, gzip(b"")?].concat()),
        ("inflate", "stream", 1, gzip(&archive()?)?.get(10..).unwrap_or(&[])),
    ] {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), [&[choice], bytes.as_slice()].concat())?;
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes)?;
    gzip.finish()
}

fn zipped(name: &str, text: &str) -> std::io::Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default())?;
    zip.write_all(text.as_bytes())?;
    Ok(zip.finish()?.into_inner())
}

/// An archive with a file of each reader, a long name, links and a whiteout.
fn archive() -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let long = format!("srv/{}/node_modules/a/package.json", "long/".repeat(30));
    for (path, text) in [
        ("etc/os-release", RELEASE),
        ("var/lib/dpkg/status", DPKG),
        ("lib/apk/db/installed", APK),
        ("srv/a-1.0.dist-info/METADATA", METADATA),
        (&long, r#"{"name": "a", "version": "1.2.3"}"#),
        ("etc/.wh.motd", ""),
        ("srv/.wh..wh..opq", ""),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes())?;
    }
    tar.append_pax_extensions([("path", b"usr/lib/os-release".as_slice()), ("mtime", b"1.5")])?;
    for (path, link, kind) in
        [("a", "etc/os-release", tar::EntryType::Link), ("lib", "usr/lib", tar::EntryType::Symlink)]
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_entry_type(kind);
        tar.append_link(&mut header, path, link)?;
    }
    tar.into_inner()
}

/// An archive with a sparse file of the newest form: a map in front of the bytes.
fn sparse() -> Vec<u8> {
    let block = |name: &str, kind: u8, size: usize| {
        let mut header = tar::Header::new_ustar();
        let _ = header.set_path(name);
        header.set_size(size as u64);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let pax =
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n26 GNU.sparse.name=a/file\n31 GNU.sparse.realsize=1000000\n";
    let mut tar = block("pax", b'x', pax.len());
    tar.extend_from_slice(pax.as_bytes());
    tar.resize(1024, 0);
    tar.extend(block("GNUSparseFile.0/file", b'0', 512 + 5));
    tar.extend_from_slice(b"2\n4096\n5\n1000000\n0\n");
    tar.resize(2048, 0);
    tar.extend_from_slice(b"bytes");
    tar.resize(2560 + 1024, 0);
    tar
}

/// An SQLite file of one page of schema and one page with one package.
fn rpm_database() -> Vec<u8> {
    const PAGE: usize = 1024;
    let mut file = vec![0; 2 * PAGE];
    file[..16].copy_from_slice(b"SQLite format 3\0");
    file[16..18].copy_from_slice(&[4, 0]);
    let schema = [&[6, 23, 0, 29, 1, 13][..], b"table", b"Packages", &[2]].concat();
    let blob = rpm_header();
    let kind = blob.len() * 2 + 12;
    let row = [&[4, 0, (kind >> 7) as u8 | 0x80, (kind & 0x7f) as u8][..], &blob].concat();
    for (page, head, payload) in [(0, 100, schema), (PAGE, PAGE, row)] {
        let length = payload.len();
        let cell = [&[(length >> 7) as u8 | 0x80, (length & 0x7f) as u8, 1][..], &payload].concat();
        let at = PAGE - cell.len();
        file[page + at..page + PAGE].copy_from_slice(&cell);
        file[head..head + 10].copy_from_slice(&[13, 0, 0, 0, 1, 0, 0, 0, (at >> 8) as u8, at as u8]);
    }
    file
}

fn rpm_header() -> Vec<u8> {
    let texts =
        [(1000_u32, "bash"), (1001, "5.1.8"), (1002, "9.el9"), (1022, "x86_64"), (1044, "bash-5.1.8-9.el9.src.rpm")];
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in texts {
        for number in [tag, 6, data.len() as u32, 1] {
            index.extend(number.to_be_bytes());
        }
        data.extend_from_slice(text.as_bytes());
        data.push(0);
    }
    [&(texts.len() as u32).to_be_bytes()[..], &(data.len() as u32).to_be_bytes(), &index, &data].concat()
}

/// A 64-bit program with one writable piece and build information of the inline kind.
fn go_program() -> Vec<u8> {
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
    let modules = "path\tb\nmod\tb\t(devel)\ndep\tgolang.org/x/net\tv0.1.0\th1:a=\n=>\tc\tv1.0.0\n";
    let framed = format!("0123456789abcdef{modules}0123456789abcdef");
    for text in ["go1.22.1", &framed] {
        bytes.extend([(text.len() & 0x7f) as u8 | 0x80, (text.len() >> 7) as u8]);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A file of two advisories.
fn database() -> Vec<u8> {
    let mut builder = advisory::Builder::new();
    for (id, name, ecosystem) in [("CVE-2023-45853", "zlib", "debian:12"), ("GHSA-aaaa-bbbb-cccc", "django", "pypi")] {
        let affected = Affected { ecosystem: ecosystem.into(), name: name.into(), ..Affected::default() };
        let (title, references) = ("A title".into(), vec!["https://example.org/".into()]);
        builder.add(&Advisory { id: id.into(), title, references, affected: vec![affected], ..Advisory::default() });
    }
    builder.finish(1, model::Micros(1), Vec::new())
}
