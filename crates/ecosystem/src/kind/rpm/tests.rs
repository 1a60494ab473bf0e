use super::*;
use proptest::prelude::*;
use std::io::Cursor;

fn testdata(sub: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var_os("PORTWARDEN_TESTDATA")
        .map(Into::into)
        .unwrap_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let path = root.join(sub);
    path.exists().then_some(path)
}

fn read(bytes: &[u8]) -> FileReading {
    let mut content = Cursor::new(bytes);
    let path = "var/lib/rpm/rpmdb.sqlite";
    Rpm.read(&mut File { path, size: bytes.len() as u64, content: Content::Seekable(&mut content) })
}

/// A row of the list that rpm itself printed, as the reader should have it.
fn expected(line: &str) -> (String, String, String, String, String) {
    let fields: Vec<&str> = line.split(',').collect();
    let detail = |key: &str| fields[6].split(' ').find_map(|part| part.strip_prefix(key)).unwrap_or("").to_owned();
    (fields[2].to_owned(), fields[3].to_owned(), detail("arch="), detail("source="), stream_of(&detail("module=")))
}

#[test]
fn real_databases_give_what_rpm_itself_lists() {
    let Some(list) = testdata("fixtures/expected.csv") else {
        println!("2 checks not run: no test data");
        return;
    };
    let list = std::fs::read_to_string(list).unwrap();
    for (file, count) in [("rpm/cbl-mariner-2.0/var/lib/rpm/rpmdb.sqlite", 129), ("rpm/made/sqlite/rpmdb.sqlite", 121)]
    {
        let mut want: Vec<_> =
            list.lines().filter(|line| line.starts_with(&format!("{file},"))).map(expected).collect();
        let reading = read(&std::fs::read(testdata("fixtures").unwrap().join(file)).unwrap());
        let source = |p: &Found| match &*p.source {
            "" => String::new(),
            name => format!("{name}-{}.src.rpm", p.source_version),
        };
        let module = |p: &Found| p.module.clone();
        let row = |p: &Found| (p.name.clone(), p.version.clone(), p.arch.clone(), source(p), module(p));
        let mut got: Vec<_> = reading.packages.iter().map(row).collect();
        want.sort();
        got.sort();
        assert_eq!(got, want, "{file}");
        assert_eq!((got.len(), reading.notes), (count, vec![]), "{file}");
        assert!(reading.packages.iter().all(|p| !p.name.starts_with("gpg-pubkey")));
    }
}

#[test]
fn a_real_database_says_what_its_packages_own() {
    let Some(file) = testdata("fixtures/rpm/cbl-mariner-2.0/var/lib/rpm/rpmdb.sqlite") else {
        println!("1 check not run: no test data");
        return;
    };
    let reading = read(&std::fs::read(file).unwrap());
    let owner = |path: &str| {
        let owned = |owned: &&Owned| owned.paths.contains(owned_hash(path));
        reading.owned.iter().find(owned).map(|owned| owned.owner.clone())
    };
    assert_eq!(owner("usr/bin/wget").as_deref(), Some("wget"));
    assert_eq!(owner("usr/bin/no-such-program"), None);
}

#[test]
fn names_of_sources_and_streams_are_taken_apart() {
    for (file, name, version) in [
        ("bash-5.1.8-4.el9.src.rpm", "bash", "5.1.8-4.el9"),
        ("java-11-openjdk-11.0.1-2.nosrc.rpm", "java-11-openjdk", "11.0.1-2"),
        ("(none)", "", ""),
        ("x.src.rpm", "", ""),
        ("", "", ""),
    ] {
        assert_eq!(source_of(file), (name, version), "{file}");
    }
    assert_eq!(stream_of("nodejs:18:8070020:abc"), "nodejs:18");
    assert_eq!(origin_of("Red Hat, Inc."), "");
    assert_eq!(origin_of("NodeSource"), "third-party:nodesource");
}

#[test]
fn other_forms_of_the_database_are_noted_as_a_gap() {
    for (path, size, want) in [
        ("var/lib/rpm/Packages", 4096, Wants::Whole),
        ("usr/lib/sysimage/rpm/Packages.db", 4096, Wants::Whole),
        ("var/lib/rpm/Packages", 0, Wants::Skip),
        ("var/lib/rpm/rpmdb.sqlite-wal", 4128, Wants::Whole),
        ("var/lib/rpm/rpmdb.sqlite-wal", 32, Wants::Skip),
        ("opt/Packages", 4096, Wants::Skip),
    ] {
        assert_eq!(Rpm.wants(&Entry { path, size, head: b"" }), want, "{path} {size}");
        let reading = Rpm.read(&mut File { path, size, content: Content::Whole(b"x") });
        assert!(reading.notes[0].gap && reading.notes[0].code == "package-database");
    }
}

#[test]
fn a_damaged_database_gives_what_is_whole_and_a_note() {
    let Some(file) = testdata("fixtures/rpm/made/sqlite/rpmdb.sqlite") else {
        println!("3 checks not run: no test data");
        return;
    };
    let whole = std::fs::read(file).unwrap();
    let half = read(&whole[..whole.len() / 2]);
    assert!(half.notes[0].text.starts_with("the database is damaged"), "{:?}", half.notes);
    assert!(read(b"SQLite format 3").notes[0].gap);
    // Every fourth page is overwritten by another: cycles and strange pages, never a hang.
    let mut mixed = whole.clone();
    for page in (4..whole.len() / 4096).step_by(4) {
        let (from, to) = ((page * 7) % (whole.len() / 4096) * 4096, page * 4096);
        mixed[to..to + 4096].copy_from_slice(&whole[from..from + 4096]);
    }
    assert!(!read(&mixed).notes.is_empty());
}

/// A file of one page of schema and one of rows.
fn two_pages(rows: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 1024];
    file[..16].copy_from_slice(sqlite::MAGIC);
    file[16..18].copy_from_slice(&512u16.to_be_bytes());
    let schema = [&[6, 23, 0, 29, 1, 13][..], b"table", b"Packages", &[2]].concat();
    let schema = [&[schema.len() as u8, 1][..], &schema].concat();
    let at = 512 - schema.len();
    file[at..512].copy_from_slice(&schema);
    file[100..110].copy_from_slice(&[13, 0, 0, 0, 1, 0, 0, 0, (at >> 8) as u8, at as u8]);
    file[512..512 + rows.len()].copy_from_slice(rows);
    file
}

proptest! {
    #[test]
    fn any_header_gives_a_package_or_damage(blob: Vec<u8>) {
        let _ = package(&blob, &mut FileReading::default());
    }

    #[test]
    fn any_page_gives_rows_or_damage(kind in prop::sample::select(vec![13u8, 5, 0]), rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let page = [vec![kind], rest].concat();
        let reading = read(&two_pages(&page));
        prop_assert!(reading.packages.is_empty());
    }
}

#[test]
fn a_tree_that_leads_back_to_itself_ends() {
    let cycle = [&[5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 20][..], &[0; 6], &[0, 0, 0, 2, 1]].concat();
    let reading = read(&two_pages(&cycle));
    assert!(reading.notes[0].text.contains("used twice"), "{:?}", reading.notes);
}

#[test]
fn a_row_that_a_page_names_often_is_damage() {
    let row = [&[20, 1, 3, 0, 44][..], b"sixteen bytes...."].concat();
    let pointers = [300_u16.to_be_bytes(); 100].concat();
    let mut page = [&[13, 0, 0, 0, 100, 0, 0, 0][..], &pointers].concat();
    page.resize(300, 0);
    page.extend_from_slice(&row);
    let reading = read(&two_pages(&page));
    assert!(reading.notes.iter().any(|n| n.text.contains("over one another")), "{:?}", reading.notes);
}

#[test]
fn one_long_folder_under_many_names_is_no_hours_of_work() {
    let folder = vec![b'a'; 1 << 20];
    let names = b"b\0".repeat(20_000);
    let mut index = Vec::new();
    for (tag, kind, offset, count) in [
        (header::DIR_NAMES, 8, 0, 1),
        (header::BASE_NAMES, 8, folder.len() + 1, 20_000),
        (header::DIR_INDEXES, 4, folder.len() + 1 + names.len(), 20_000),
    ] {
        for number in [tag, kind, offset as u32, count] {
            index.extend(number.to_be_bytes());
        }
    }
    let data = [&folder[..], &[0], &names, &[0; 80_000]].concat();
    let blob = [&3_u32.to_be_bytes()[..], &(data.len() as u32).to_be_bytes(), &index, &data].concat();
    let begun = std::time::Instant::now();
    assert!(owned(&Header::parse(&blob).unwrap()).is_empty());
    assert!(begun.elapsed().as_secs() < 5, "the folder was copied for every name");
}

#[test]
fn a_header_without_a_name_is_damage() {
    let data = b"\0" as &[u8];
    let index: Vec<u8> = [header::NAME, header::VERSION, header::RELEASE]
        .iter()
        .flat_map(|tag| [*tag, 6, 0, 1].into_iter().flat_map(u32::to_be_bytes))
        .collect();
    let blob = [&3_u32.to_be_bytes()[..], &1_u32.to_be_bytes(), &index, data].concat();
    assert_eq!(package(&blob, &mut FileReading::default()), None);
}
