use super::*;
use proptest::prelude::*;
use std::io::{Read, Write};

/// What an archive holds: kind, name, link, and the body of a file.
type Rows = Vec<(Kind, Vec<u8>, Vec<u8>, Vec<u8>)>;

fn walk(bytes: &[u8]) -> Result<Rows, Failure> {
    let mut stream = Stream::new(bytes, 1 << 30, 1 << 27)?;
    let mut walk = Walk::new(&mut stream, 1 << 16);
    let mut rows = Rows::new();
    while walk.advance()? {
        let (kind, size) = (walk.member().kind, walk.member().size);
        if size > 1 << 22 {
            return Err(Failure::Unreadable("too large for a test".into()));
        }
        let head = walk.head()?.to_vec();
        let mut body = Vec::new();
        walk.body(&mut |piece| body.extend_from_slice(piece))?;
        assert_eq!(body.len() as u64, size);
        assert!(body.starts_with(&head));
        rows.push((kind, walk.member().name.clone(), walk.member().link.clone(), body));
    }
    Ok(rows)
}

/// A header block with a right checksum.
fn block(name: &[u8], kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn padded(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(512), 0);
    body
}

fn entry(name: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
    [block(name, kind, body.len() as u64), padded(body)].concat()
}

fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..9).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length).unwrap();
    format!("{length} {key}={value}\n")
}

fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let body: String = records.iter().map(|(key, value)| record(key, value)).collect();
    entry(b"PaxHeaders/x", kind, body.as_bytes())
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

fn names(parts: &[Vec<u8>]) -> Result<Vec<String>, String> {
    let rows = walk(&[parts.concat(), end()].concat()).map_err(|failure| failure.to_string())?;
    Ok(rows.into_iter().map(|row| String::from_utf8(row.1).unwrap()).collect())
}

#[test]
fn what_stands_ahead_of_a_file_names_and_sizes_it() {
    let a = || entry(b"a", b'0', b"hello");
    let sized = |size| [block(b"a", b'0', size), padded(b"hello")].concat();
    for (parts, want, why) in [
        (vec![a()], "a", "a plain file"),
        (vec![entry(b"././@LongLink", b'L', b"long\0"), a()], "long", "a GNU long name"),
        (vec![pax(b'x', &[("path", "pax")]), a()], "pax", "a PAX path"),
        (vec![pax(b'x', &[("path", "same")]), entry(b"l", b'L', b"same\0"), a()], "same", "x, then L, then the file"),
        (vec![pax(b'x', &[("path", "")]), a()], "a", "an empty value is as if not there"),
        (vec![pax(b'x', &[("size", "5")]), sized(0)], "a", "a PAX size wins over ustar's"),
        (vec![pax(b'g', &[("comment", "x")]), a()], "a", "a global header that moves nothing"),
        (vec![pax(b'x', &[("SCHILY.xattr.user.x", "1\n2")]), a()], "a", "a key of no concern with a newline in it"),
    ] {
        assert_eq!(names(&parts), Ok(vec![want.to_owned()]), "{why}");
        let rows = walk(&[parts.concat(), end()].concat()).unwrap();
        assert_eq!(rows[0].3, b"hello", "{why}");
    }
}

#[test]
fn what_readers_take_differently_or_nobody_understands_is_refused() {
    let a = || entry(b"a", b'0', b"hello");
    let raw = |body: &[u8]| entry(b"x", b'x', body);
    let bad_sum = || {
        let mut block = a();
        block[0] = b'b';
        block
    };
    let bad_size = |size: &[u8]| {
        let mut block = block(b"a", b'0', 0);
        block[124..124 + size.len()].copy_from_slice(size);
        seal(&mut block);
        block
    };
    for (parts, want) in [
        (vec![pax(b'x', &[("path", "a")]), pax(b'x', &[("size", "1")]), a()], "two PAX headers"),
        (vec![pax(b'x', &[("path", "a"), ("path", "b")]), a()], "twice"),
        (vec![pax(b'g', &[("path", "b")]), a()], "global"),
        (vec![pax(b'g', &[("size", "1")]), a()], "global"),
        (vec![pax(b'x', &[("path", "b")]), entry(b"l", b'L', b"c\0"), a()], "differ"),
        (vec![entry(b"l", b'L', b"b\0"), entry(b"l", b'L', b"c\0"), a()], "two long names"),
        (vec![raw(b"9 path=b"), a()], "malformed"),
        (vec![raw(b"99 path=b\n"), a()], "malformed"),
        (vec![raw(b"+9 path=b\n"), a()], "malformed"),
        (vec![raw(b"0 path=b\n"), a()], "malformed"),
        (vec![raw(b"10 path=b\n\0\0"), a()], "malformed"),
        (vec![raw(b"10 path:bc\n"), a()], "malformed"),
        (vec![pax(b'x', &[("size", "-1")]), a()], "number"),
        (vec![pax(b'x', &[("size", "9223372036854775808")]), a()], "number"),
        (vec![pax(b'x', &[("path", "a\0b")]), a()], "NUL"),
        (vec![pax(b'x', &[("path", "b")])], "without a file"),
        (vec![entry(b"X", b'X', b""), a()], "Solaris"),
        (vec![entry(b"l", b'L', b"b\0c\0"), a()], "NUL"),
        (vec![block(b"l", b'L', 3), padded(b"long name\0"), a()], "behind its end"),
        (vec![bad_sum()], "checksum"),
        (vec![bad_size(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")], "size"),
        (vec![bad_size(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")], "size"),
        (vec![bad_size(b"99999999999\0")], "size"),
        (vec![vec![0; 512], a()], "zeros"),
        (vec![block(b"x", b'x', 1 << 17), a()], "131072 bytes"),
        (vec![b"not a tar at all".repeat(64)], "checksum"),
    ] {
        let text = names(&parts).expect_err(want);
        assert!(text.contains(want), "{text}, wanted {want}");
    }
}

#[test]
fn an_archive_that_stops_in_the_middle_is_truncated_and_one_without_end_marker_is_whole() {
    let whole = entry(b"a", b'0', &[7; 700]);
    for (bytes, want) in [
        (&whole[..300], "layer-truncated"),
        (&whole[..512 + 699], "layer-truncated"),
        (&whole[..512 + 700], "whole"),
        (&whole[..], "whole"),
        (&[], "whole"),
        (&[&whole[..], &[0; 512]].concat(), "whole"),
    ] {
        assert_eq!(walk(bytes).map_or_else(|failure| failure.code(), |_| "whole"), want, "{}", bytes.len());
    }
}

#[test]
fn kinds_without_a_body_have_none_whatever_their_size_says() {
    let rows = walk(&[block(b"d/", b'5', 512), block(b"l", b'2', 9), entry(b"f", b'7', b"x"), end()].concat()).unwrap();
    let kinds: Vec<Kind> = rows.iter().map(|row| row.0).collect();
    assert_eq!(kinds, [Kind::Folder, Kind::Symlink, Kind::File]);
}

#[test]
fn sparse_files_have_zeros_in_their_holes() {
    let mut want = vec![0; 5000];
    want[100..103].copy_from_slice(b"abc");
    want[4990..4992].copy_from_slice(b"de");
    let old = {
        let mut block = block(b"s", b'S', 5);
        block[257..265].copy_from_slice(b"ustar  \0");
        for (i, number) in [100, 3, 4990, 2].into_iter().enumerate() {
            block[386 + i * 12..386 + i * 12 + 11].copy_from_slice(format!("{number:011o}").as_bytes());
        }
        block[483..494].copy_from_slice(format!("{:011o}", 5000).as_bytes());
        seal(&mut block);
        [block, padded(b"abcde")].concat()
    };
    let keys = |version: &[(&'static str, &'static str)]| {
        let mut keys = vec![("GNU.sparse.name", "s"), ("GNU.sparse.realsize", "5000")];
        keys.extend(version);
        pax(b'x', &keys)
    };
    let one = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
    let with_map = [padded(b"2\n100\n3\n4990\n2\n"), b"abcde".to_vec()].concat();
    let new = [keys(&one), entry(b"GNUSparseFile.0/s", b'0', &with_map)].concat();
    let middle = [keys(&[("GNU.sparse.map", "100,3,4990,2")]), entry(b"x", b'0', b"abcde")].concat();
    for archive in [old, new, middle] {
        let rows = walk(&[archive, end()].concat()).unwrap();
        assert_eq!((&*rows[0].1, &rows[0].3), (&b"s"[..], &want));
    }
    for map in ["1\n0\n9\n", "2\n3\n3\n0\n2\n", "1\n4999\n5\n", "9999999\n", "x\n", "1\n0\n99999999999999999999\n"] {
        let body = [padded(map.as_bytes()), b"abcde".to_vec()].concat();
        let archive = [keys(&one), entry(b"x", b'0', &body), end()].concat();
        assert_eq!(walk(&archive).map_err(|failure| failure.code()), Err("layer-unreadable"), "{map:?}");
    }
}

/// The same rows by the `tar` crate; `None` when it refuses the archive. GNU forms it does not unpack are left to GNU tar.
fn by_tar_crate(bytes: &[u8]) -> Option<Rows> {
    let mut rows = Rows::new();
    for entry in tar::Archive::new(bytes).entries().ok()? {
        let mut entry = entry.ok()?;
        let name = entry.path_bytes().into_owned();
        let link = entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default();
        let kind = kind_of(entry.header().as_bytes()[156], &name);
        let mut body = Vec::new();
        if kind == Kind::File {
            entry.read_to_end(&mut body).ok()?;
        }
        rows.push((kind, name, link, body));
    }
    Some(rows)
}

/// Rows for people: the first bytes of names, and the length of bodies.
fn short(rows: &Rows) -> Vec<(Kind, String, usize)> {
    rows.iter()
        .map(|row| (row.0, String::from_utf8_lossy(&row.1[..row.1.len().min(20)]).into_owned(), row.3.len()))
        .collect()
}

/// Names that GNU tar lists; `None` when it refuses the archive, or warns.
fn by_gnu_tar(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut child = std::process::Command::new("tar")
        .args(["--list", "--file=-", "--absolute-names", "--quoting-style=literal", "--show-transformed-names"])
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    let _ = child.stdin.take()?.write_all(bytes);
    let output = child.wait_with_output().ok()?;
    let quiet = output.status.success() && output.stderr.is_empty();
    let mut names: Vec<Vec<u8>> = output.stdout.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    names.pop();
    quiet.then_some(names)
}

/// An archive with every common form of entry, by the `tar` crate.
fn sample() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("{}/file", "long-folder-name/".repeat(12));
    for (name, size) in [("a", 5), ("d/b", 512), (&*long, 1000), ("empty", 0)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &vec![b'x'; size as usize][..]).unwrap();
    }
    let link = |kind, name: &str, target: &str, builder: &mut tar::Builder<Vec<u8>>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    };
    link(tar::EntryType::Symlink, "link", &long, &mut builder);
    link(tar::EntryType::Link, "hard", "a", &mut builder);
    builder.append_pax_extensions([("path", &b"moved"[..]), ("mtime", b"1.5")]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    builder.append_data(&mut header, "before", &b"abc"[..]).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn ordinary_archives_are_read_as_other_readers_read_them() {
    let archive = sample();
    let rows = walk(&archive).unwrap();
    assert_eq!(rows, by_tar_crate(&archive).unwrap());
    let Some(listed) = by_gnu_tar(&archive) else {
        println!("1 check not run: no GNU tar");
        return;
    };
    assert_eq!(rows.into_iter().map(|row| row.1).collect::<Vec<_>>(), listed);
}

/// Changes some bytes of headers, and mends their checksums half of the time, so that deeper rules are reached.
fn mutate(archive: &mut [u8], changes: &[(usize, u8, bool)]) {
    for (at, value, mend) in changes {
        let at = at % archive.len();
        archive[at] = *value;
        let start = at / 512 * 512;
        if *mend && archive[start + 257..start + 262] == *b"ustar" {
            seal(&mut archive[start..start + 512]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_an_archive_or_refused(bytes: Vec<u8>) {
        let _ = walk(&bytes);
    }

    #[test]
    fn a_mutated_archive_is_refused_or_read_as_the_tar_crate_reads_it(
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        let mut archive = sample();
        mutate(&mut archive, &changes);
        let ours = walk(&archive);
        // Both are right by their own rules where a kind without a body has a size, a type is unknown, or data are sparse.
        let special = |kind: Kind| !matches!(kind, Kind::File | Kind::Folder | Kind::Symlink | Kind::Hardlink);
        if let (Ok(ours), Some(theirs)) = (ours, by_tar_crate(&archive))
            && !ours.iter().chain(&theirs).any(|row| special(row.0))
        {
            prop_assert!(ours == theirs, "{:?} against {:?}", short(&ours), short(&theirs));
        }
    }

    #[test]
    fn any_extended_header_is_read_or_refused(body: Vec<u8>) {
        let _ = Pax::parse(&body);
        let _ = walk(&[entry(b"x", b'x', &body), entry(b"a", b'0', b"hello"), end()].concat());
    }
}

#[test]
fn mutated_archives_are_refused_or_read_as_gnu_tar_reads_them() {
    if by_gnu_tar(&sample()).is_none() {
        println!("200 checks not run: no GNU tar");
        return;
    }
    let mut compared = 0;
    for case in 0..200usize {
        let mut archive = sample();
        // Fields of headers only: a body says nothing that the two could take differently.
        let headers: Vec<usize> =
            (0..archive.len() / 512).filter(|i| archive[i * 512 + 257..].starts_with(b"ustar")).collect();
        let at = headers[case % headers.len()] * 512
            + [0, 3, 124, 130, 134, 156, 157, 345, 257, 263][case / headers.len() % 10];
        let value = [b'0', b'7', 0, b'x', b'/', b' ', 0x80, b'L'][case % 8];
        mutate(&mut archive, &[(at, value, true)]);
        let ours = walk(&archive).map(|rows| rows.into_iter().map(|row| row.1).collect::<Vec<_>>());
        if let (Ok(ours), Some(theirs)) = (ours, by_gnu_tar(&archive)) {
            compared += 1;
            let text = |names: &[Vec<u8>]| String::from_utf8_lossy(&names.join(&b'\n')).into_owned();
            assert_eq!(text(&ours), text(&theirs), "byte {at} of the archive set to {value}");
        }
    }
    assert!(compared > 50, "only {compared} archives were read by both");
}
