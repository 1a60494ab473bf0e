//! What the targets share: how bytes become inputs, and what must hold whatever the bytes are.
//!
//! In: bytes that libFuzzer made up. Out: nothing, or a panic, which is a defect.

use advisory::{Fact, FeedFile};
use ecosystem::layer::Limits;
use ecosystem::{Content, Ecosystem, Entry, File};
use model::PackageKey;
use model::inventory::FileReading;
use std::cmp::Ordering;
use std::io::Cursor;

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// Limits small enough that they are met.
pub fn small_limits() -> Limits {
    Limits {
        entries: 2_000,
        unpacked_bytes: 4 << 20,
        packages: 2_000,
        whole_bytes: 256 << 10,
        seekable_bytes: 256 << 10,
        pax_bytes: 16 << 10,
        path_bytes: 512,
        zstd_window: 1 << 20,
        output_bytes: 1 << 20,
    }
}

/// Hands bytes to a reader as the file at one of these paths (the first byte says which), and checks what it gives.
pub fn read(purl_type: &str, paths: &[&str], data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let kind = ecosystem::by_purl_type(purl_type).expect("an ecosystem of this name");
    let path = paths[usize::from(first) % paths.len()];
    let size = data.len() as u64;
    let head = &data[..data.len().min(4096)];
    for size in [size, 1 << 20, u64::MAX] {
        let _ = kind.wants(&Entry { path, size, head });
    }
    let whole = kind.read(&mut File { path, size, content: Content::Whole(data) });
    check(kind, &whole, data.len());
    let mut seekable = Cursor::new(data);
    let streamed = kind.read(&mut File { path, size, content: Content::Seekable(&mut seekable) });
    check(kind, &streamed, data.len());
}

/// Checks what holds for every reading: packages have names and versions that survive everything behind the reader.
fn check(kind: &dyn Ecosystem, reading: &FileReading, bytes: usize) {
    assert!(reading.packages.len() <= bytes, "more packages than bytes");
    for found in &reading.packages {
        assert!(!found.name.is_empty() && !found.version.is_empty(), "a package without name or version: {found:?}");
        assert_eq!(kind.compare(&found.version, &found.version), Ordering::Equal, "{:?}", found.version);
        purl(&PackageKey {
            ecosystem: model::overlay::ecosystem(&found.purl_type, None),
            name: found.name.clone(),
            version: found.version.clone(),
            arch: found.arch.clone(),
            ..PackageKey::default()
        });
    }
}

/// Writes a package URL and checks that it has one line of the letters that a package URL has.
pub fn purl(key: &PackageKey) {
    let purl = key.purl();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"%-._~:/@?&=+".contains(&b);
    assert!(purl.starts_with("pkg:") && purl.bytes().all(plain), "{purl}");
    assert_eq!(purl.matches('@').count(), 1, "{purl}");
    assert!(purl.matches('?').count() <= 1, "{purl}");
}

/// Splits bytes at line ends into texts; invalid UTF-8 is replaced.
pub fn texts<const N: usize>(data: &[u8]) -> [String; N] {
    let mut lines = data.splitn(N, |b| *b == b'\n');
    std::array::from_fn(|_| String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned())
}

/// Checks that a comparison is a total order on three texts: the same both ways, and without a circle.
pub fn total_order(compare: fn(&str, &str) -> Ordering, data: &[u8]) {
    let [a, b, c] = &texts::<3>(data);
    for x in [a, b, c] {
        assert_eq!(compare(x, x), Ordering::Equal, "{x:?} against itself");
        for y in [a, b, c] {
            assert_eq!(compare(x, y), compare(y, x).reverse(), "{x:?} against {y:?}");
        }
    }
    for [x, y, z] in [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
        let (first, second) = (compare(x, y), compare(y, z));
        if first.is_le() && second.is_le() {
            assert_eq!(compare(x, z), first.min(second), "{x:?}, {y:?}, {z:?} go round in a circle");
        }
    }
}

/// Hands bytes to a feed as its first file; a feed of several files gets the parts between zero bytes, the last for the rest.
pub fn feed(name: &str, data: &[u8]) {
    let feed = advisory::ALL.iter().find(|feed| feed.name() == name).expect("a feed of this name");
    let sources = feed.files();
    let mut parts = data.splitn(sources.len(), |b| *b == 0);
    let files: Vec<FeedFile<'_>> =
        sources.iter().map(|s| FeedFile { url: &s.url, bytes: parts.next().unwrap_or_default() }).collect();
    let mut builder = advisory::Builder::new();
    let mut facts = 0;
    let read = feed.read(&files, &mut |fact: Fact| {
        facts += 1;
        builder.take(fact);
    });
    if read.is_err() || facts == 0 {
        return;
    }
    let file = builder.finish(1, model::Micros(0), Vec::new());
    let database = advisory::Database::open(Box::new(file)).expect("what was built opens");
    database.verify().expect("what was built is whole");
    walk(&database);
}

/// Looks at everything that a database says.
pub fn walk(database: &advisory::Database) {
    for name in database.names().take(200) {
        for row in database.look_up(name.ecosystem, name.name).take(200) {
            let _ = (row.ranges.count(), row.versions.count(), row.arch.count(), row.vulnerability);
        }
    }
    for number in 0..database.vulnerabilities().min(200) {
        if let Some(vulnerability) = database.vulnerability(number) {
            let _ = database.find(&vulnerability.heading);
        }
    }
    let _ = (database.covers("debian:12"), database.find("CVE-2023-45853"), database.starter_only());
}

/// Writes a valid checksum into every block that looks like a tar header, so that changed headers are read at all.
pub fn mended_tar(data: &[u8]) -> Vec<u8> {
    let mut tar = data.to_vec();
    for block in tar.chunks_exact_mut(BLOCK) {
        if &block[257..262] != b"ustar" {
            continue;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar
}
