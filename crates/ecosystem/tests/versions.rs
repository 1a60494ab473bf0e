//! Version orders: our own lines (`tests/versions/*.txt`, always), the real tools' answers (where there is test data), and laws.
#![allow(clippy::unwrap_used)]

use ecosystem::order::{apk, dpkg, go, npm, pep440, rpm, semver};
use proptest::prelude::*;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

type Compare = fn(&str, &str) -> Ordering;

/// Scheme, order, file of vectors.
const SCHEMES: [(&str, Compare, &str); 6] = [
    ("dpkg", dpkg::compare, "dpkg.csv"),
    ("rpm", rpm::compare, "rpm.csv"),
    ("apk", apk::compare, "apk.csv"),
    ("pep440", pep440::compare, "pep440.csv"),
    ("semver", semver::compare, "semver.csv"),
    ("go", go::compare, "go-semver.csv"),
];

fn testdata(sub: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PORTWARDEN_TESTDATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(sub);
    path.exists().then_some(path)
}

/// Rows of a file of vectors, without its heading; says so when there is none.
fn vectors(file: &str) -> Vec<Vec<String>> {
    let Some(path) = testdata("vectors").map(|folder| folder.join(file)) else {
        println!("1 checks not run: no test data ({file})");
        return Vec::new();
    };
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<_> = text.lines().skip(1).map(fields).collect();
    println!("{file}: {} rows", rows.len());
    rows
}

/// Splits a CSV line whose quoted fields hold no quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for sign in line.chars() {
        match sign {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(sign),
        }
    }
    fields
}

fn wanted(operator: &str) -> Ordering {
    match operator {
        "<" => Ordering::Less,
        "=" => Ordering::Equal,
        ">" => Ordering::Greater,
        other => panic!("no operator: {other}"),
    }
}

fn assert_order(compare: Compare, a: &str, want: Ordering, b: &str, of: &str) {
    assert_eq!(compare(a, b), want, "{of}: {a} against {b}");
    assert_eq!(compare(b, a), want.reverse(), "{of}: {b} against {a}");
    assert_eq!(compare(a, a), Ordering::Equal, "{of}: {a} against itself");
}

#[test]
fn every_own_line_holds_in_both_directions() {
    for (scheme, compare, _) in SCHEMES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/versions/{scheme}.txt"));
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(lines.len() >= 10, "{scheme} has its lines");
        for line in lines {
            let [a, operator, b] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{scheme}: {line}") };
            assert_order(compare, a, wanted(operator), b, scheme);
        }
    }
}

#[test]
fn every_vector_of_the_real_tools_holds() {
    for (scheme, compare, file) in SCHEMES {
        for row in vectors(file) {
            assert_order(compare, &row[0], wanted(&row[1]), &row[2], scheme);
        }
    }
}

#[test]
fn apk_takes_and_refuses_what_apk_tools_does() {
    for (version, want) in [
        ("1.2.3-r0", true),
        ("1.2b_rc1_p2~0af-r3", true),
        ("0", true),
        ("", false),
        ("v1", false),
        ("1.", false),
        ("1.2b.3", false),
        ("1.0-1", false),
        ("1.0_new", false),
        ("1.0-r1-r2", false),
        ("1.0~xyz", false),
        ("5.7.1p1-r0", false),
    ] {
        assert_eq!(apk::valid(version), want, "{version}");
    }
    for row in vectors("apk-validity.csv") {
        assert_eq!(apk::valid(&row[0]), row[1] == "1", "{}", row[0]);
    }
}

#[test]
fn python_specifiers_contain_what_packaging_says() {
    for (specifiers, version, want) in [
        ("", "1.0", true),
        (">=1.0,<2", "1.9.post1", true),
        (">1.0", "1.0.post1", false),
        (">1.0.post1", "1.0.post2", true),
        ("<1.0.post1", "1.0", true),
        ("<1.0rc1", "1.0b1", true),
        ("<=1.0", "1.0+local", true),
        ("==1.0+local", "1.0", false),
        ("==1!2.*", "1!2.0.5", true),
        ("!=1.2.*", "1.2rc1", false),
        ("~=2.2.post3", "2.3", true),
        ("~=2", "2.1", false),
        ("===Foo", "foo", true),
        (">=1.0", "not a version", false),
        (">=1.0.*", "1.0", false),
        ("=>1.0", "1.0", false),
    ] {
        assert_eq!(pep440::satisfies(specifiers, version), want, "{version} in {specifiers}");
    }
    for row in vectors("pep440-specifier.csv") {
        assert_eq!(pep440::satisfies(&row[0], &row[1]), row[2] == "1", "{} in {}", row[1], row[0]);
    }
}

#[test]
fn npm_ranges_are_satisfied_as_node_semver_says() {
    for (range, version, plain, with_pre) in [
        ("", "1.2.3", true, true),
        ("*", "1.2.3-rc.1", false, true),
        ("^0.0.3", "0.0.4", false, false),
        ("^1.2.3-beta.2", "1.2.3-beta.4", true, true),
        ("^1.2.3-beta.2", "1.2.4-beta.1", false, true),
        ("~1", "1.9.9", true, true),
        ("~> 1.2", "1.2.9", true, true),
        ("1.2 - 2.3", "2.3.9", true, true),
        (">1", "1.9.9", false, false),
        ("<=1.2", "1.2.99", true, true),
        ("> =1.2.3", "1.2.3", true, true),
        ("<*", "0.0.0", false, false),
        ("1.2.3 || latest", "1.2.3", false, false),
        (">=01.2.3", "1.2.3", false, false),
        ("x.1", "1.1.0", false, false),
        ("=1.2.3 - 2", "1.3.0", false, false),
        (">=1.2.3", "v1.2.3", true, true),
        (">=1.2.3", "1.2", false, false),
    ] {
        assert_eq!(npm::satisfies(range, version, false), plain, "{version} in {range}");
        assert_eq!(npm::satisfies(range, version, true), with_pre, "{version} in {range}, pre-releases taken in");
    }
    for row in vectors("npm-range.csv") {
        assert_eq!(npm::satisfies(&row[0], &row[1], false), row[3] == "1", "{} in {}", row[1], row[0]);
        assert_eq!(npm::satisfies(&row[0], &row[1], true), row[4] == "1", "{} in {} with pre-releases", row[1], row[0]);
    }
}

#[test]
fn text_that_is_no_version_is_told_apart() {
    for (version, python, node, golang) in [
        ("1.2.3", true, true, true),
        ("2004d", false, true, true),
        ("1.0-1", true, true, true),
        ("v1.2.3-rc.1+b5", true, true, true),
        ("(devel)", false, false, false),
        ("devel go1.22-abc", false, false, false),
        ("${version}", false, false, false),
        ("latest", false, false, false),
        ("", false, false, false),
    ] {
        assert_eq!(pep440::valid(version), python, "pep440 {version}");
        assert_eq!(semver::valid(version), node, "semver {version}");
        assert_eq!(go::valid(version), golang, "go {version}");
    }
}

/// Texts near to versions, and any text.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,3}([.-][0-9a-z~^+_:!]{0,3}){0,4}",
        "v?[0-2](\\.[0-2]){0,2}(-?(rc|a|beta|dev|post|p)[.]?[01]?)?([+~^_-][a-c0-1]{0,2})?(-r?[01])?",
        "[0-1a-b.~^+_:!-]{0,6}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn orders_are_antisymmetric(a in text(), b in text()) {
        for (scheme, compare, _) in SCHEMES {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse(), "{}", scheme);
            prop_assert_eq!(compare(&a, &a), Ordering::Equal, "{}", scheme);
        }
    }

    #[test]
    fn orders_are_transitive(a in text(), b in text(), c in text()) {
        for (scheme, compare, _) in SCHEMES {
            // Releases count only where both sides have one: rpm itself is transitive only among those.
            let has_release = [&a, &b, &c].into_iter().filter(|text| text.contains('-')).count();
            if scheme == "rpm" && has_release % 3 != 0 {
                continue;
            }
            let mut three = [&a, &b, &c];
            three.sort_by(|a, b| compare(a, b));
            let [a, b, c] = three;
            prop_assert!(compare(a, b).is_le() && compare(b, c).is_le() && compare(a, c).is_le(), "{} {:?}", scheme, three);
            if compare(a, c).is_eq() {
                prop_assert!(compare(a, b).is_eq() && compare(b, c).is_eq(), "{} {:?}", scheme, three);
            }
        }
    }

    #[test]
    fn nothing_panics(a in any::<String>(), b in text(), pre in any::<bool>()) {
        npm::satisfies(&a, &b, pre);
        npm::satisfies(&b, &a, pre);
        pep440::satisfies(&a, &b);
        pep440::satisfies(&b, &a);
        prop_assert!(!a.is_empty() || !(apk::valid(&a) || go::valid(&a) || semver::valid(&a) || pep440::valid(&a)));
    }
}
