use super::*;
use crate::{Builder, diff};
use model::advisory::{Advisory, Affected, Category, End, Names, Range, Source, VendorState};
use proptest::prelude::*;

fn advisory(id: &str, aliases: &[&str], affected: Vec<Affected>) -> Advisory {
    Advisory {
        id: id.into(),
        source: Source::OsvPypi,
        aliases: aliases.iter().map(|a| a.to_string()).collect(),
        title: format!("{id} title"),
        description: format!("{id} description"),
        references: vec![format!("https://example.org/{id}")],
        published: Micros(1_000),
        affected,
        ..Advisory::default()
    }
}

fn affects(name: &str, fixed: &str) -> Affected {
    Affected {
        ecosystem: "pypi".into(),
        name: name.into(),
        names: Names::Language,
        ranges: vec![Range { introduced: String::new(), end: End::Fixed(fixed.into()) }],
        ..Affected::default()
    }
}

fn built(advisories: &[Advisory]) -> Vec<u8> {
    let mut builder = Builder::new();
    advisories.iter().for_each(|a| builder.add(a));
    builder.finish(7, Micros(9), vec![FeedState { name: "osv-pypi".into(), records: 2, ..FeedState::default() }])
}

fn opened(advisories: &[Advisory]) -> Database {
    Database::open(Box::new(built(advisories))).unwrap()
}

#[test]
fn everything_that_was_added_comes_back() {
    let mut row = affects("django", "2.2");
    row.arch = vec!["amd64".into(), "arm64".into()];
    row.module = "perl:5.30".into();
    row.versions = vec!["1.0".into(), "1.1".into()];
    row.state = VendorState::WillNotFix;
    row.category = Category::Malware;
    row.severity = Some(Severity::Low);
    row.ranges.push(Range { introduced: "3.0".into(), end: End::LastAffected("3.1".into()) });
    row.ranges.push(Range { introduced: "4.0".into(), end: End::Limit("5".into()) });
    row.ranges.push(Range { introduced: "6.0".into(), end: End::Open });
    let mut first = advisory("PYSEC-1", &["CVE-2020-1", "GHSA-1"], vec![row]);
    first.related = vec!["DSA-1-1".into()];
    first.cwe = vec!["CWE-79".into()];
    let mut builder = Builder::new();
    builder.add(&first);
    builder.kev("CVE-2020-1", Micros(5));
    builder.epss("CVE-2020-1", 420_000, 990_000, Micros(6));
    builder.epss("CVE-1999-1", 1, 1, Micros(6));
    let db = Database::open(Box::new(builder.finish(7, Micros(9), Vec::new()))).unwrap();
    db.verify().unwrap();
    assert_eq!((db.generation(), db.built(), db.starter_only(), db.vulnerabilities()), (7, Micros(9), false, 1));
    assert!(db.covers("pypi") && !db.covers("npm"));

    let rows: Vec<_> = db.look_up("pypi", "django").collect();
    assert_eq!(rows.len(), 1);
    let row = rows[0];
    assert_eq!(
        (row.advisory, row.source, row.vulnerability, row.names),
        ("PYSEC-1", Source::OsvPypi, 0, Names::Language)
    );
    assert_eq!((row.state, row.category, row.module), (VendorState::WillNotFix, Category::Malware, "perl:5.30"));
    assert_eq!(row.severity, Some(Severity::Low));
    assert_eq!(row.arch.collect::<Vec<_>>(), ["amd64", "arm64"]);
    assert_eq!(row.versions.collect::<Vec<_>>(), ["1.0", "1.1"]);
    let ranges: Vec<_> = row.ranges.collect();
    let want =
        [("", End::Fixed("2.2")), ("3.0", End::LastAffected("3.1")), ("4.0", End::Limit("5")), ("6.0", End::Open)];
    assert_eq!(ranges, want);
    assert_eq!(db.look_up("pypi", "Django").count() + db.look_up("npm", "django").count(), 0);

    for id in ["PYSEC-1", "CVE-2020-1", "GHSA-1"] {
        assert_eq!(db.find(id), Some(0), "{id}");
    }
    assert_eq!((db.find("DSA-1-1"), db.find("CVE-1999-1"), db.find("")), (None, None, None));
    let v = db.vulnerability(0).unwrap();
    assert_eq!(
        (v.heading.as_str(), v.title.as_str(), v.description.as_str()),
        ("CVE-2020-1", "PYSEC-1 title", "PYSEC-1 description")
    );
    assert_eq!(
        (v.aliases, v.related, v.cwe),
        (vec!["GHSA-1".to_owned(), "PYSEC-1".into()], vec!["DSA-1-1".to_owned()], vec!["CWE-79".to_owned()])
    );
    assert_eq!((v.kev, v.epss, v.epss_percentile, v.epss_date), (Micros(5), Some(420_000), Some(990_000), Micros(6)));
    assert_eq!((v.published, v.references.len()), (Micros(1_000), 1));
    assert_eq!(db.vulnerability(1), None);
}

#[test]
fn the_content_hash_depends_on_the_facts_alone() {
    let one = advisory("PYSEC-1", &["CVE-2020-1"], vec![affects("django", "2.2"), affects("flask", "1")]);
    let two = advisory("PYSEC-2", &[], vec![affects("django", "2.3")]);
    assert_eq!(built(&[one.clone(), two.clone()]), built(&[one.clone(), two.clone()]), "same facts, same bytes");
    let a = opened(&[one.clone(), two.clone()]);
    let b = opened(&[two.clone(), one.clone(), two.clone()]);
    assert_eq!(a.content_hash(), b.content_hash(), "order and repetition say nothing");
    assert_eq!(diff(&a, &b), crate::Delta::default());
    let c = opened(&[one]);
    assert_ne!(a.content_hash(), c.content_hash());
}

#[test]
fn the_difference_names_what_must_be_matched_again() {
    let base = || {
        vec![
            advisory("PYSEC-1", &["CVE-2020-1"], vec![affects("django", "2.2")]),
            advisory("PYSEC-2", &["CVE-2020-2"], vec![affects("flask", "1.0")]),
        ]
    };
    let name = |n: &str| ("pypi".to_owned(), n.to_owned());
    type Change<'a> = &'a dyn Fn(&mut Vec<Advisory>);
    let changes: [(&str, Change<'_>, _, &[&str]); 6] = [
        ("nothing", &|_| {}, vec![], &[]),
        ("a fixed version", &|all| all[0].affected = vec![affects("django", "2.3")], vec![name("django")], &[]),
        ("a text", &|all| all[1].title = "better".into(), vec![], &["CVE-2020-2"]),
        ("a withdrawn record", &|all| drop(all.pop()), vec![name("flask")], &["CVE-2020-2"]),
        (
            "a new advisory",
            &|all| all.push(advisory("PYSEC-3", &[], vec![affects("flask", "2"), affects("jinja2", "3")])),
            vec![name("flask"), name("jinja2")],
            &["PYSEC-3"],
        ),
        (
            "an id that heads it now",
            &|all| all[0].aliases = vec!["CVE-2019-9".into()],
            vec![name("django")],
            &["CVE-2019-9", "CVE-2020-1"],
        ),
    ];
    for (what, change, names, vulnerabilities) in changes {
        let mut after = base();
        change(&mut after);
        let delta = diff(&opened(&base()), &opened(&after));
        assert_eq!(delta.names, names, "{what}");
        assert_eq!(delta.vulnerabilities, vulnerabilities, "{what}");
    }
}

#[test]
fn a_file_that_is_not_ours_is_refused_with_a_reason() {
    let good = built(&[advisory("PYSEC-1", &[], vec![affects("django", "2.2")])]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= byte;
        bytes
    };
    for (bytes, want) in [
        (Vec::new(), "not an advisory database: shorter than its header"),
        (vec![0; 4096], "not an advisory database: other first bytes"),
        (with(8, 2), "advisory database has format 3, this program reads 1"),
        (with(80, 1), "advisory database is damaged: its header fails its checksum"),
        (
            good[..good.len() - 1].to_vec(),
            "advisory database is damaged: its length is not the one it was written with",
        ),
    ] {
        assert_eq!(Database::open(Box::new(bytes)).unwrap_err().to_string(), want);
    }
    let last = Database::open(Box::new(with(good.len() - 200, 1))).unwrap();
    assert_eq!(last.verify().unwrap_err().to_string(), "advisory database is damaged: its bytes fail their checksum");
}

/// Asks everything that can be asked.
fn ask_everything(db: &Database) -> usize {
    let mut answers = db.names().count() + db.ecosystems().count();
    for n in 0..db.vulnerabilities().min(50) + 2 {
        answers += usize::from(db.vulnerability(n).is_some());
    }
    for name in ["a", "b", "django", "", "zz"] {
        for row in db.look_up("pypi", name).take(1_000) {
            answers += row.ranges.take(1_000).count() + row.versions.take(1_000).count() + row.arch.take(9).count();
            answers += row.advisory.len();
        }
        answers += usize::from(db.find(name).is_some());
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_look_up_finds_exactly_what_was_added(
        facts in prop::collection::vec(("[a-e]{1,2}", 0u32..40, "[0-9]{1,2}", prop::option::of(0u32..40)), 0..60)
    ) {
        let all: Vec<Advisory> = facts.iter().map(|(name, id, fixed, alias)| {
            let alias = alias.map(|a| format!("CVE-2020-{a}"));
            advisory(&format!("PYSEC-{id}"), &alias.iter().map(String::as_str).collect::<Vec<_>>(), vec![affects(name, fixed)])
        }).collect();
        let db = opened(&all);
        db.verify().unwrap();
        for (name, ..) in &facts {
            let mut want: Vec<(String, String)> = facts.iter().filter(|f| f.0 == *name)
                .map(|(_, id, fixed, _)| (format!("PYSEC-{id}"), fixed.clone())).collect();
            want.sort();
            want.dedup();
            let mut found: Vec<(String, String)> = db.look_up("pypi", name).map(|row| {
                let Some((_, End::Fixed(fixed))) = { row.ranges }.next() else { panic!("one range") };
                (row.advisory.to_owned(), fixed.to_owned())
            }).collect();
            found.sort();
            found.dedup(); // a record that names two CVEs has a row for each
            prop_assert_eq!(found, want);
        }
        for (_, id, _, alias) in &facts {
            let found = db.find(&format!("PYSEC-{id}"));
            prop_assert!(found.is_some());
            if let Some(alias) = alias {
                let number = db.find(&format!("CVE-2020-{alias}")).unwrap();
                let want = format!("CVE-2020-{alias}");
                prop_assert_eq!(db.facts(number).unwrap().heading, want);
            }
        }
        prop_assert_eq!(db.look_up("pypi", "f").count(), 0);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        noise in prop::collection::vec((0usize..100_000, any::<u8>()), 0..40),
        blob in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        if let Ok(db) = Database::open(Box::new(blob)) {
            ask_everything(&db);
        }
        let all: Vec<Advisory> = ["a", "b", "django"].iter().map(|n| {
            advisory(&format!("PYSEC-{n}"), &["CVE-2020-1"], vec![affects(n, "1"), affects(n, "2")])
        }).collect();
        let mut bytes = built(&all);
        let length = bytes.len();
        for (at, byte) in noise {
            bytes[at % length] = byte;
        }
        // As a hostile author would: with a header that is in order.
        let sum = xxh3_64(&bytes[..HEADER - 8]).to_le_bytes();
        bytes[HEADER - 8..HEADER].copy_from_slice(&sum);
        if let Ok(db) = Database::open(Box::new(bytes)) {
            ask_everything(&db);
        }
    }
}
