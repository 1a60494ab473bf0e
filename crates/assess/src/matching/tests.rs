use super::*;
use advisory::Builder;
use model::advisory::{Advisory, Affected, CvssVector, Range, Source};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;

struct Bytes(Vec<u8>);
impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn database(advisories: Vec<Advisory>) -> Database {
    let mut builder = Builder::new();
    advisories.into_iter().for_each(|advisory| builder.add(&advisory));
    Database::open(Box::new(Bytes(builder.finish(1, Micros(1), Vec::new())))).unwrap()
}

fn advisory(id: &str, source: Source, affected: Vec<Affected>) -> Advisory {
    Advisory { id: id.into(), source, affected, ..Default::default() }
}

fn range(introduced: &str, end: End) -> Range {
    Range { introduced: introduced.into(), end }
}

fn fixed(version: &str) -> Vec<Range> {
    vec![range("", End::Fixed(version.into()))]
}

fn open() -> Vec<Range> {
    vec![range("", End::Open)]
}

fn affected(ecosystem: &str, name: &str, names: Names, ranges: Vec<Range>, state: VendorState) -> Affected {
    Affected { ecosystem: ecosystem.into(), name: name.into(), names, ranges, state, ..Default::default() }
}

/// A Debian row: source openssl of bookworm.
fn debian(ranges: Vec<Range>, state: VendorState) -> Affected {
    affected("debian:12", "openssl", Names::Source, ranges, state)
}

fn pypi(ranges: Vec<Range>) -> Affected {
    affected("pypi", "django", Names::Language, ranges, VendorState::Fixed)
}

fn libssl(version: &str, source_version: &str) -> PackageKey {
    PackageKey {
        ecosystem: "debian:12".into(),
        name: "libssl3".into(),
        version: version.into(),
        source: "openssl".into(),
        source_version: source_version.into(),
        arch: "amd64".into(),
        ..Default::default()
    }
}

fn django(version: &str) -> PackageKey {
    PackageKey { ecosystem: "pypi".into(), name: "django".into(), version: version.into(), ..Default::default() }
}

/// Judges by one vulnerability: `None` = no match, else the state and the fixed version.
fn judged(package: &PackageKey, rows: Vec<Affected>) -> Option<(VendorState, String)> {
    let judged = matches(package, &database(vec![advisory("CVE-2024-1", Source::Debian, rows)]));
    assert!(judged.matches.len() < 2, "one match a vulnerability: {:?}", judged.matches);
    judged.matches.into_iter().next().map(|found| (found.state, found.fixed_version))
}

#[test]
fn the_source_version_is_compared_and_the_vendor_state_decides() {
    use VendorState as V;
    let installed = libssl("3.0.11-1+b1", "3.0.11-1");
    for (rows, want, reason) in [
        (vec![debian(fixed("3.0.13-1"), V::Fixed)], Some((V::Fixed, "3.0.13-1")), "below the fix"),
        (
            vec![debian(fixed("3.0.11-1"), V::Fixed)],
            None,
            "the source is the fixed one, whatever the rebuilt binary says",
        ),
        (vec![debian(fixed("3.0.9-1"), V::Fixed)], None, "above the fix"),
        (vec![debian(open(), V::Open)], Some((V::Open, "")), "no fix yet"),
        (vec![debian(open(), V::WillNotFix)], Some((V::WillNotFix, "")), "ignored"),
        (vec![debian(open(), V::Deferred)], Some((V::Deferred, "")), "postponed or no-dsa"),
        (vec![debian(open(), V::EndOfLife)], Some((V::EndOfLife, "")), "out of support"),
        (vec![debian(open(), V::NotAffected)], None, "not affected"),
        (vec![debian(open(), V::UnderInvestigation)], None, "undetermined"),
        (vec![affected("debian:11", "openssl", Names::Source, open(), V::Open)], None, "another release"),
        (
            vec![affected("debian:12", "libssl3", Names::Source, open(), V::Open)],
            None,
            "the binary's name is no source's name",
        ),
        (
            vec![affected("debian:12", "libssl3", Names::Binary, fixed("3.0.11-1+b2"), V::Fixed)],
            Some((V::Fixed, "3.0.11-1+b2")),
            "a binary name with the binary's version",
        ),
    ] {
        assert_eq!(judged(&installed, rows), want.map(|(state, fix)| (state, fix.to_owned())), "{reason}");
    }
}

#[test]
fn where_several_advisories_speak_the_affected_one_decides_and_the_nearest_clean_version_is_the_fix() {
    let between = |from: &str, to: &str| range(from, End::Fixed(to.into()));
    let last = |version: &str| vec![range("", End::LastAffected(version.into()))];
    for (version, rows, want, reason) in [
        (
            "2.2",
            vec![pypi(vec![between("2.0", "2.2.28"), between("3.0", "3.2.13")])],
            Some("2.2.28"),
            "the fix of its own branch",
        ),
        (
            "3.1",
            vec![pypi(vec![between("2.0", "2.2.28"), between("3.0", "3.2.13")])],
            Some("3.2.13"),
            "the fix of its own branch",
        ),
        ("2.5", vec![pypi(vec![between("2.0", "2.2.28"), between("3.0", "3.2.13")])], None, "between the branches"),
        ("1.0", vec![pypi(fixed("1.1")), pypi(fixed("1.3"))], Some("1.3"), "1.1 is still affected by the second"),
        ("1.2", vec![pypi(fixed("1.1")), pypi(fixed("1.3"))], Some("1.3"), "one calls it fixed, the other affected"),
        ("1.0", vec![pypi(last("1.4")), pypi(fixed("1.5"))], Some("1.5"), "the other one knows the fix"),
        ("1.4", vec![pypi(last("1.4"))], Some(""), "the last affected, fix unknown"),
        ("1.4.1", vec![pypi(last("1.4"))], None, "beyond the last affected"),
        ("1.0", vec![pypi(fixed("1.1")), pypi(open())], Some(""), "no version is clean"),
        ("2.0rc1", vec![pypi(fixed("2.0"))], Some("2.0"), "a pre-release is below its release"),
        ("2.6", vec![pypi(last("2.6.0-NA"))], Some(""), "a bound out of a product list"),
        ("2.6.1", vec![pypi(last("2.6.0-NA"))], None, "beyond it"),
        ("2.6+cu124", vec![pypi(last("2.6"))], Some(""), "a local build of the last affected release"),
        ("2.6+cu124", vec![pypi(fixed("2.6"))], None, "a local build of the fixed release"),
        ("5.0", vec![pypi(vec![range("", End::Limit("6".into()))])], Some(""), "below the limit"),
    ] {
        let found = judged(&django(version), rows);
        assert_eq!(found.map(|(_, fix)| fix).as_deref(), want, "{version}: {reason}");
    }
}

#[test]
fn a_listed_version_is_affected_however_it_is_spelt() {
    let listed = |version: &str| Affected { versions: vec![version.into()], ..pypi(Vec::new()) };
    for (installed, version, want) in [
        ("1.0", "1.0", true),
        ("1.0", "1.0.0", true),
        ("1.0", "1.0.1", false),
        ("1.0+cu118", "1.0", true),
        ("1.0+cu118", "1.0+cu121", false),
        ("no version", "no version", true),
    ] {
        assert_eq!(judged(&django(installed), vec![listed(version)]).is_some(), want, "{installed} against {version}");
    }
}

#[test]
fn a_version_that_cannot_be_read_is_noted_and_not_guessed() {
    let db = database(vec![advisory("CVE-2024-1", Source::OsvPypi, vec![pypi(open())])]);
    let judged = matches(&django("2.2-custom build"), &db);
    assert_eq!(judged.matches, []);
    assert_eq!(judged.notes.len(), 1);
    assert!(
        judged.notes[0].gap && judged.notes[0].code == "version-unreadable" && judged.notes[0].text.contains("django")
    );
    let unknown = PackageKey { name: "unheard-of".into(), ..django("2.2-custom build") };
    assert_eq!(matches(&unknown, &db), Judged::default(), "nothing is said of it, so nothing was missed");
    let bound = database(vec![advisory("CVE-2024-1", Source::OsvPypi, vec![pypi(fixed("not a version"))])]);
    let judged = matches(&django("2.2"), &bound);
    assert_eq!(judged.matches, [], "a bound that cannot be read bounds nothing");
    assert!(
        judged.notes[0].gap && judged.notes[0].text.contains("advisory CVE-2024-1 of django"),
        "{:?}",
        judged.notes
    );
}

#[test]
fn foreign_builds_owned_files_and_headers_are_judged_as_what_they_are() {
    use VendorState as V;
    let foreign = PackageKey { origin: "third-party:nginx".into(), ..libssl("3.0.11-1", "3.0.11-1") };
    assert_eq!(judged(&foreign, vec![debian(open(), V::Open)]), None, "Debian's open rows speak of Debian's builds");
    assert_eq!(judged(&foreign, vec![debian(open(), V::WillNotFix)]), None, "nor do the ignored ones");
    assert!(judged(&foreign, vec![debian(fixed("3.0.13-1"), V::Fixed)]).is_some(), "a fix above is still above");
    let owned = PackageKey { origin: "owned:debian:12/python3-django".into(), ..django("2.2") };
    assert_eq!(judged(&owned, vec![pypi(open()), debian(open(), V::Open)]), None, "the distribution speaks for it");
    assert!(judged(&owned, vec![pypi(open())]).is_some(), "nobody speaks of the distribution");
    for (name, want) in [
        ("linux-libc-dev", Category::KernelHeaders),
        ("linux-headers-6.1.0-13-amd64", Category::KernelHeaders),
        ("linux-image-amd64", Category::Vulnerability),
    ] {
        let package = PackageKey { name: name.into(), source: "linux".into(), ..libssl("6.1.55-1", "6.1.55-1") };
        let row = affected("debian:12", "linux", Names::Source, open(), V::Open);
        let judged = matches(&package, &database(vec![advisory("CVE-2024-1", Source::Debian, vec![row])]));
        assert_eq!(judged.matches[0].category, want, "{name}");
    }
}

#[test]
fn an_advisory_for_another_architecture_or_stream_says_nothing() {
    let rpm = |module: &str, version: &str| PackageKey {
        ecosystem: "rpm:almalinux:8".into(),
        name: "nodejs".into(),
        version: version.into(),
        arch: "x86_64".into(),
        module: module.into(),
        ..Default::default()
    };
    let row = |module: &str, fix: &str, arch: &[&str]| Affected {
        module: module.into(),
        arch: arch.iter().map(|a| (*a).into()).collect(),
        ..affected("rpm:almalinux:8", "nodejs", Names::Binary, fixed(fix), VendorState::Fixed)
    };
    for (package, row, want, reason) in [
        (rpm("", "1-1.el8"), row("", "2-1.el8", &[]), true, "no stream on either side"),
        (rpm("nodejs:18", "1-1.module_el8"), row("nodejs:18", "2-1.module_el8", &[]), true, "its own stream"),
        (rpm("nodejs:18", "1-1.module_el8"), row("nodejs:20", "2-1.module_el8", &[]), false, "another stream"),
        (rpm("", "1-1.el8"), row("nodejs:20", "2-1.module_el8", &[]), false, "a plain build against a stream"),
        (rpm("", "1-1.module_el8"), row("", "2-1.module_el8", &[]), true, "both of some stream, neither labelled"),
        (rpm("", "1-1.el8"), row("", "2-1.el8", &["aarch64"]), false, "another architecture"),
        (rpm("", "1-1.el8"), row("", "2-1.el8", &["aarch64", "x86_64"]), true, "its own architecture among others"),
    ] {
        assert_eq!(judged(&package, vec![row]).is_some(), want, "{reason}");
    }
}

#[test]
fn a_match_says_who_said_what() {
    let vector =
        CvssVector { vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into(), source: SeveritySource::Nvd };
    let scored = Advisory {
        cvss: vec![vector],
        ..advisory("CVE-2024-1", Source::Debian, vec![debian(fixed("3.0.13-1"), VendorState::Fixed)])
    };
    let found = matches(&libssl("3.0.11-1", "3.0.11-1"), &database(vec![scored.clone()])).matches.remove(0);
    assert_eq!((found.severity, found.severity_source), (Severity::Critical, SeveritySource::Nvd));
    assert_eq!(
        (found.vulnerability.as_str(), found.advisory.as_str(), found.source),
        ("CVE-2024-1", "CVE-2024-1", Source::Debian)
    );
    assert_eq!(found.comparison, "source package openssl: 3.0.11-1 < 3.0.13-1, as dpkg orders versions");
    let unimportant =
        Affected { severity: Some(Severity::Negligible), ..debian(fixed("3.0.13-1"), VendorState::Fixed) };
    let found =
        matches(&libssl("3.0.11-1", "3.0.11-1"), &database(vec![Advisory { affected: vec![unimportant], ..scored }]))
            .matches
            .remove(0);
    assert_eq!(
        (found.severity, found.severity_source),
        (Severity::Negligible, SeveritySource::Vendor),
        "Debian calls it unimportant"
    );
}

#[test]
fn aliases_make_one_match_with_the_cve_as_its_heading() {
    let ghsa = Advisory {
        aliases: vec!["CVE-2024-1".into()],
        ..advisory("GHSA-aaaa-bbbb-cccc", Source::OsvPypi, vec![pypi(fixed("2.3"))])
    };
    let pysec = Advisory {
        aliases: vec!["GHSA-aaaa-bbbb-cccc".into()],
        ..advisory("PYSEC-2024-1", Source::OsvPypi, vec![pypi(fixed("2.3"))])
    };
    let judged = matches(&django("2.2"), &database(vec![ghsa, pysec]));
    assert_eq!(judged.matches.iter().map(|m| m.vulnerability.as_str()).collect::<Vec<_>>(), ["CVE-2024-1"]);
}
