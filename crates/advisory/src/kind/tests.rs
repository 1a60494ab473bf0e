use super::*;
use crate::{Fact, Read};
use model::advisory::{Advisory, End};
use proptest::prelude::*;
use std::io::Write as _;

/// Returns a path of the test data: `PORTWARDEN_TESTDATA`, else `../shared` beside the repository.
fn testdata(sub: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var_os("PORTWARDEN_TESTDATA")
        .map_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), Into::into);
    let path = root.join(sub);
    if !path.exists() {
        println!("1 checks not run: no test data");
        return None;
    }
    Some(path)
}

fn feed(name: &str) -> &'static dyn Feed {
    ALL.iter().copied().find(|f| f.name() == name).unwrap()
}

/// Reads a feed from texts given in the order of its files.
fn read(name: &str, texts: &[&[u8]]) -> Result<(Vec<Fact>, Read), Error> {
    let files = feed(name).files();
    let given: Vec<FeedFile<'_>> =
        files.iter().zip(texts).map(|(file, bytes)| FeedFile { url: &file.url, bytes }).collect();
    let mut facts = Vec::new();
    let read = feed(name).read(&given, &mut |fact| facts.push(fact))?;
    Ok((facts, read))
}

fn advisories(facts: &[Fact]) -> Vec<&Advisory> {
    facts.iter().filter_map(|f| if let Fact::Advisory(a) = f { Some(a) } else { None }).collect()
}

/// Shows an advisory's rows: `CVE-1 debian:12 foo fixed <1.2 low`.
fn shown(facts: &[Fact]) -> Vec<String> {
    let mut lines = Vec::new();
    for advisory in advisories(facts) {
        for a in &advisory.affected {
            let mut line = format!("{} {} {} {}", advisory.id, a.ecosystem, a.name, a.state.as_str());
            for range in &a.ranges {
                line += &match &range.end {
                    End::Open => format!(" {}..", range.introduced),
                    End::Fixed(v) => format!(" {}..<{v}", range.introduced),
                    End::LastAffected(v) => format!(" {}..={v}", range.introduced),
                    End::Limit(v) => format!(" {}..^{v}", range.introduced),
                };
            }
            if !a.versions.is_empty() {
                line += &format!(" {}", a.versions.join(","));
            }
            if let Some(severity) = a.severity {
                line += &format!(" {}", severity.as_str());
            }
            lines.push(line);
        }
    }
    lines
}

fn skipped(read: &Read, why: &str) -> u64 {
    read.skipped.iter().find(|(w, _)| *w == why).map_or(0, |(_, n)| *n)
}

#[test]
fn every_file_of_this_folder_is_in_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kind");
    let table = include_str!("mod.rs").split("pub static ALL").nth(1).unwrap().split("];").next().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let named = ["mod", "tests"].contains(&module) || table.contains(&format!("&{module}::"));
        assert!(named, "{name} is missing from ALL");
    }
    let mut names: Vec<_> = ALL.iter().map(|f| f.name()).collect();
    names.dedup();
    assert_eq!(names.len(), ALL.len(), "every feed has a name of its own");
    assert!(ALL.iter().flat_map(|f| f.files()).all(|f| f.url.starts_with("https://")));
}

const DSA: &str = "[31 Jul 2025] DSA-9-2 foo - regression update
	{CVE-2020-1}
	[bookworm] - foo 1.2-1+deb12u2
[30 Jul 2025] DSA-9-1 foo - security update
	{CVE-2020-1 CVE-2020-2}
	[buster] - foo 1.0-1+deb10u1
	[bookworm] - foo 1.2-1+deb12u1
[01 Feb 2014] DSA-8-1 bar - security update
	{CVE-2014-1}
	[wheezy] - bar <not-affected> (Vulnerable code not present)
	[squeeze] - bar <end-of-life>
	[jessie] - bar <unfixed>
	[stretch] - bar <ignored>
	[buster] - bar <no-dsa>
	[bullseye] - bar <undetermined> (bug #1)
	[woody] - bar 0.1
	[forky] - bar <strange>
[02 Feb 2013] DSA-7-1 baz - security update
        [jessie] - baz 2:1.0~rc1-1 (medium)
[02 Feb 2013] DSA-6-1 tzdata - new timezone database
	[jessie] - tzdata 2013
[01 Feb 2013] DSA-5-2 baz - regression update
	[jessie] - baz 3
	NOTE: a note
";

const DLA: &str = "[01 Aug 2025] DLA-1-1 foo - security update\n\t{CVE-2020-2}\n\t[stretch] - foo 0.9-1+deb9u1\n";

const TRACKER: &str = r#"{"foo": {
  "CVE-2020-1": {"scope": "remote", "debianbug": 1, "description": "words", "releases": {
    "bookworm": {"status": "resolved", "fixed_version": "1.2-1+deb12u1", "urgency": "high**", "repositories": {}},
    "trixie": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"},
    "bullseye": {"status": "open", "urgency": "not yet assigned"},
    "sid": {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": ""}}},
  "CVE-2020-3": {"releases": {
    "bookworm": {"status": "open", "urgency": "medium*", "nodsa": "x", "nodsa_reason": "ignored"},
    "bullseye": {"status": "open", "urgency": "unimportant", "nodsa": "x", "nodsa_reason": "postponed"},
    "trixie": {"status": "open", "urgency": "end-of-life"},
    "buster": {"status": "undetermined", "urgency": "not yet assigned"},
    "potato": {"status": "open"},
    "sid": {"status": "new word"}}},
  "TEMP-0000000-0CA7E3": {"releases": {"sid": {"status": "resolved", "fixed_version": "2", "urgency": ""}}},
  "CVE-2020-4": {"releases": "none"}}}"#;

#[test]
fn every_state_of_debian_is_read() {
    let (facts, read) = read("debian", &[TRACKER.as_bytes(), DSA.as_bytes(), DLA.as_bytes()]).unwrap();
    let mut lines = shown(&facts);
    lines.sort();
    let want = [
        "CVE-2014-1 debian:10 bar deferred ..",
        "CVE-2014-1 debian:11 bar under-investigation ..",
        "CVE-2014-1 debian:6 bar end-of-life ..",
        "CVE-2014-1 debian:7 bar not-affected",
        "CVE-2014-1 debian:8 bar open ..",
        "CVE-2014-1 debian:9 bar will-not-fix ..",
        // Of the lists alone: the tracker no longer knows the release.
        "CVE-2020-1 debian:10 foo fixed ..<1.0-1+deb10u1",
        "CVE-2020-1 debian:11 foo open ..",
        // The regression's version, which is higher than the tracker's.
        "CVE-2020-1 debian:12 foo fixed ..<1.2-1+deb12u2 high",
        "CVE-2020-1 debian:13 foo not-affected negligible",
        "CVE-2020-1 debian:sid foo deferred .. low",
        "CVE-2020-2 debian:10 foo fixed ..<1.0-1+deb10u1",
        "CVE-2020-2 debian:12 foo fixed ..<1.2-1+deb12u1",
        "CVE-2020-2 debian:9 foo fixed ..<0.9-1+deb9u1",
        "CVE-2020-3 debian:10 foo under-investigation ..",
        "CVE-2020-3 debian:11 foo deferred .. negligible",
        "CVE-2020-3 debian:12 foo will-not-fix .. medium",
        "CVE-2020-3 debian:13 foo end-of-life ..",
        "DSA-7-1 debian:8 baz fixed ..<2:1.0~rc1-1",
        "TEMP-0000000-0CA7E3 debian:sid foo fixed ..<2",
    ];
    assert_eq!(lines, want);
    let all = advisories(&facts);
    let of = |id: &str| all.iter().find(|a| a.id == id).unwrap();
    assert_eq!(of("CVE-2020-1").related, ["DSA-9-1", "DSA-9-2"]);
    assert_eq!(of("CVE-2020-2").related, ["DLA-1-1", "DSA-9-1"]);
    assert_eq!(of("CVE-2020-1").description, "words");
    assert_eq!(of("DSA-7-1").related, Vec::<String>::new());
    for (why, count) in [
        ("unreadable", 1),
        ("unknown state", 1),
        ("release without images", 2),
        ("update without a vulnerability", 2),
        ("line of a list", 1),
    ] {
        assert_eq!(skipped(&read, why), count, "{why}");
    }
    assert_eq!(read.records, 7 + 3);
    assert_eq!(read.date.rfc3339(), "2025-08-01T00:00:00Z");
}

#[test]
fn half_a_feed_never_passes_for_the_whole() {
    let (tracker, dsa, dla) = (TRACKER.as_bytes(), DSA.as_bytes(), DLA.as_bytes());
    let zip = zipped(&[("GHSA-1.json", r#"{"id": "GHSA-1"}"#)]);
    let kev = br#"{"vulnerabilities": [{"cveID": "CVE-1", "dateAdded": "2021-11-03"}]}"#;
    for (name, texts, want) in [
        ("debian", vec![&tracker[..tracker.len() / 2], dsa, dla], "cannot read https://security-tracker.debian.org"),
        ("debian", vec![tracker, dsa], "feed debian lacks https://salsa.debian.org"),
        ("debian", vec![tracker, dsa, b"<html>"], "it lists no advisory"),
        ("debian", vec![b"[]", dsa, dla], "invalid type: sequence"),
        ("alpine", vec![], "feed alpine lacks"),
        ("alpine", vec![br#"{"distroversion": "v3.10", "packages": [{}"#], "EOF while parsing"),
        ("osv-npm", vec![&zip[..zip.len() / 2]], "cannot read https://osv-vulnerabilities"),
        ("kev", vec![&kev[..kev.len() - 9]], "EOF while parsing"),
        ("kev", vec![b"{}"], "missing field"),
        ("epss", vec![b"<html>"], "its first line names no score_date"),
        ("epss", vec![b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b"], "cannot read https://epss"),
    ] {
        let error = read(name, &texts).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

#[test]
fn alpine_says_what_is_fixed_where() {
    let main = br#"{"distroversion": "v3.18", "reponame": "main", "new field": 1, "packages": [
      {"pkg": {"name": "openssl", "secfixes": {"0": ["CVE-2020-1"], "3.1.1-r0": ["CVE-2020-2", "CVE-2020-3 OPENSSL-SA-1"],
        "3.1.2-r0": ["CVE-2020-2"], "3.1.0-r0": ["CVE-2020-1 (regression)"], "3.0.0-r0": ["XSA-1", "CVE_2020-9", "-"]}}},
      {"pkg": {"name": "none", "secfixes": {"1.0-r0": null, "0": ["CVE-2020-5 CVE-2020-6"]}}},
      {"pkg": {"name": "odd", "secfixes": []}}]}"#;
    let edge = br#"{"packages": [{"pkg": {"name": "musl", "secfixes": {"1-r0": ["CVE-2020-7"]}}}]}"#;
    let urls = ["https://secdb.alpinelinux.org/v3.18/main.json", "https://secdb.alpinelinux.org/edge/main.json"];
    let files = [FeedFile { url: urls[0], bytes: main }, FeedFile { url: urls[1], bytes: edge }];
    let mut facts = Vec::new();
    let read = feed("alpine").read(&files, &mut |f| facts.push(f)).unwrap();
    let mut lines = shown(&facts);
    lines.sort();
    let want = [
        "CVE-2020-1 alpine:3.18 openssl fixed ..<3.1.0-r0",
        "CVE-2020-2 alpine:3.18 openssl fixed ..<3.1.2-r0",
        "CVE-2020-3 alpine:3.18 openssl fixed ..<3.1.1-r0",
        "CVE-2020-5 alpine:3.18 none not-affected",
        "CVE-2020-6 alpine:3.18 none not-affected",
        "CVE-2020-7 alpine:edge musl fixed ..<1-r0",
        "CVE-2020-9 alpine:3.18 openssl fixed ..<3.0.0-r0",
        "XSA-1 alpine:3.18 openssl fixed ..<3.0.0-r0",
    ];
    assert_eq!(lines, want);
    assert_eq!(advisories(&facts).iter().find(|a| a.id == "CVE-2020-3").unwrap().aliases, ["OPENSSL-SA-1"]);
    assert_eq!((skipped(&read, "unreadable"), skipped(&read, "no id")), (1, 1));
}

#[test]
fn a_string_with_more_ids_than_alpine_ever_wrote_is_left_out_by_name() {
    let ids: Vec<String> = (0..33).map(|n| format!("CVE-2020-{n}")).collect();
    let secfixes = format!(r#"{{"1-r0": ["{}"], "2-r0": ["{}"]}}"#, ids.join(" "), ids[..32].join(" "));
    let main =
        format!(r#"{{"distroversion": "v3.18", "packages": [{{"pkg": {{"name": "a", "secfixes": {secfixes}}}}}]}}"#);
    let file = FeedFile { url: "https://secdb.alpinelinux.org/v3.18/main.json", bytes: main.as_bytes() };
    let mut facts = Vec::new();
    let read = feed("alpine").read(&[file], &mut |f| facts.push(f)).unwrap();
    assert_eq!((advisories(&facts).len(), skipped(&read, "too many ids")), (32, 1));
}

/// Makes a zip of files.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn osv_records_are_read_and_none_is_lost_to_a_strange_field() {
    let ghsa = r#"{"id": "GHSA-1", "aliases": ["CVE-2020-1"], "upstream": ["DSA-1-1"], "related": ["CVE-2020-2"], "summary": "s",
      "details": "d", "published": "2024-04-01 18:46:17.903226+00:00", "modified": "2024-05-01T00:00:00Z",
      "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}, {"type": "Ubuntu", "score": "low"}],
      "references": [{"type": "WEB", "url": "https://example.org/"}, {"url": "javascript:alert(1)"}, {"url": "https://example.org/"}],
      "database_specific": {"severity": "MODERATE", "cwe_ids": ["CWE-79"], "new": {}},
      "affected": [
        {"package": {"ecosystem": "PyPI", "name": "Foo__Bar.baz"}, "versions": ["1.0", "1.5", "2.0", "2004d"],
         "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]},
                    {"type": "ECOSYSTEM", "events": [{"introduced": "1.10"}, {"fixed": "1.9"}, {"introduced": "0"}]}]},
        {"package": {"ecosystem": "npm", "name": "foo"}, "versions": ["1"]}]}"#;
    let strange = r#"{"id": "PYSEC-1", "aliases": "CVE-2020-9", "details": null, "affected": [
        {"package": {"ecosystem": "PyPI", "name": "ok"}, "versions": ["1"]}, {"package": {"ecosystem": "PyPI", "name": 7}}]}"#;
    let zip = zipped(&[
        ("GHSA-1.json", ghsa),
        ("PYSEC-1.json", strange),
        ("PYSEC-2.json", r#"{"id": "PYSEC-2", "withdrawn": "2021-01-01T00:00:00Z", "affected": []}"#),
        ("PYSEC-3.json", r#"{"id": "PYSEC-3", "affected": [{"package": {"ecosystem": "Hex", "name": "x"}}]}"#),
        (
            "MAL-1.json",
            r#"{"id": "MAL-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "bad"}, "versions": ["7"]}]}"#,
        ),
        ("broken.json", "{"),
        ("README", "not a record"),
    ]);
    let (facts, read) = read("osv-pypi", &[&zip]).unwrap();
    assert_eq!(
        shown(&facts),
        ["GHSA-1 pypi foo-bar-baz fixed ..<1.9 1.10.. 2004d medium", "PYSEC-1 pypi ok open 1", "MAL-1 pypi bad open 7",]
    );
    let all = advisories(&facts);
    let first = all[0];
    assert_eq!(
        (first.aliases.as_slice(), first.related.as_slice()),
        (&["CVE-2020-1".to_owned()][..], &["CVE-2020-2".to_owned(), "DSA-1-1".into()][..])
    );
    assert_eq!((first.references.len(), first.cwe.len(), first.cvss.len()), (1, 1, 1));
    assert_eq!(first.published.rfc3339(), "2024-04-01T18:46:17.903226Z");
    assert_eq!(all[2].affected[0].category.as_str(), "malware");
    assert_eq!(read.records, 5);
    for (why, count) in [("withdrawn", 1), ("other ecosystem", 1), ("unreadable", 1), ("field of another shape", 2)] {
        assert_eq!(skipped(&read, why), count, "{why}");
    }
}

#[test]
fn kev_and_epss_give_their_dates() {
    let kev = br#"{"dateReleased": "2026-08-07T16:45:47.0648Z", "vulnerabilities":
        [{"cveID": "CVE-2020-1", "dateAdded": "2021-11-03", "x": 1}, {"cveID": "CVE-2020-2"}, {"cveID": "CVE-2020-3", "dateAdded": "soon"}]}"#;
    let (facts, read_kev) = read("kev", &[kev]).unwrap();
    assert_eq!(facts, [Fact::Kev { cve: "CVE-2020-1".into(), added: day("2021-11-03").unwrap() }]);
    assert_eq!((read_kev.records, read_kev.date > day("2026-08-07").unwrap()), (1, true));

    let epss = "#model_version:v2025.03.14,score_date:2025-06-13T00:00:00+0000\ncve,epss,percentile\nCVE-2020-1,0.15958,0.95958\nCVE-2020-2,2,1\nx\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(epss.as_bytes()).unwrap();
    for bytes in [epss.as_bytes().to_vec(), packed.finish().unwrap(), zstd::bulk::compress(epss.as_bytes(), 3).unwrap()]
    {
        let (facts, read) = read("epss", &[&bytes]).unwrap();
        let date = day("2025-06-13").unwrap();
        assert_eq!(facts, [Fact::Epss { cve: "CVE-2020-1".into(), probability: 159_580, percentile: 959_580, date }]);
        assert_eq!((read.date, skipped(&read, "unreadable")), (date, 2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_never_make_a_reader_panic(
        blob in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0usize..3_000,
        noise in prop::collection::vec((0usize..3_000, any::<u8>()), 0..20),
        which in 0usize..5,
    ) {
        let alpine = br#"{"distroversion": "v3.18", "packages": [{"pkg": {"name": "a", "secfixes": {"1-r0": ["CVE-1 X-1"]}}}]}"#;
        let record = r#"{"id": "A-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1"], "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1"}]}]}]}"#;
        let seeds: [Vec<u8>; 5] = [TRACKER.into(), DSA.into(), alpine.to_vec(), zipped(&[("a.json", record), ("b.json", record)]),
            zstd::bulk::compress(TRACKER.as_bytes(), 3).unwrap()];
        let mut bytes = seeds[which].clone();
        for (at, byte) in noise {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(cut);
        for bytes in [&bytes, &blob] {
            for feed in ALL {
                let _ = read(feed.name(), &[bytes]);
            }
            let _ = read("debian", &[bytes, DSA.as_bytes(), DLA.as_bytes()]);
            let _ = read("debian", &[TRACKER.as_bytes(), bytes, DLA.as_bytes()]);
        }
    }
}

/// Reads a file out of a `tar.zst` of the test data.
fn slice(archive: &str, name: &str) -> Option<Vec<u8>> {
    let packed = std::fs::read(testdata("feeds/slices")?.join(archive)).unwrap();
    let mut decoder = zstd::Decoder::with_buffer(packed.as_slice()).unwrap();
    decoder.window_log_max(27).unwrap();
    for entry in tar::Archive::new(decoder).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().to_string_lossy().trim_start_matches("./") == name {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            return Some(bytes);
        }
    }
    panic!("{name} is not in {archive}");
}

#[test]
fn real_slices_of_the_tracker_hold_every_state() {
    let Some(tracker) = slice("vunnel-fixtures.tar.zst", "debian/test-fixtures/input/debian.json") else { return };
    let dsa = slice("vunnel-fixtures.tar.zst", "debian/test-fixtures/input/DSA").unwrap();
    let (facts, _) = read("debian", &[&tracker, &dsa, DLA.as_bytes()]).unwrap();
    let lines = shown(&facts);
    for want in [
        "CVE-2008-7220 debian:10 prototypejs fixed ..<1.6.0.2-1 high",
        "CVE-2007-2383 debian:sid prototypejs not-affected negligible",
        "CVE-2013-1444 debian:9 txt2man fixed ..<1.5.5-4.1 low",
        "DSA-4323-1 debian:9 drupal7 fixed ..<7.52-2+deb9u5",
        "CVE-2025-53603 debian:12 sope fixed ..<5.8.0-1+deb12u1",
    ] {
        assert!(lines.iter().any(|l| l == want), "{want}");
    }
    let tracker = slice("vuls-data-update-fixtures.tar.zst", "debian/tracker/api/advisory.json").unwrap();
    let (facts, read) = read("debian", &[&tracker, &dsa, DLA.as_bytes()]).unwrap();
    let lines = shown(&facts);
    for want in [
        "CVE-2016-5416 debian:11 389-ds-base will-not-fix ..",
        "CVE-2016-5416 debian:sid 389-ds-base open ..",
        "TEMP-0000000-0CA7E3 debian:11 wordpress not-affected negligible",
    ] {
        assert!(lines.iter().any(|l| l == want), "{want}");
    }
    assert_eq!(skipped(&read, "unreadable") + skipped(&read, "unknown state"), 0);
}
