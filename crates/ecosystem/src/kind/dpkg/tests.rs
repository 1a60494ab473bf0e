use super::*;
use crate::Content;

fn read(path: &str, text: &[u8]) -> FileReading {
    Dpkg.read(&mut File { path, size: text.len() as u64, content: Content::Whole(text) })
}

fn status(text: &str) -> Vec<Found> {
    read("var/lib/dpkg/status", text.as_bytes()).packages
}

#[test]
fn only_packages_whose_files_are_there_are_listed() {
    for (status_line, there) in [
        ("install ok installed", true),
        ("hold ok installed", true),
        ("deinstall ok installed", true),
        ("install ok half-configured", true),
        ("install ok unpacked", true),
        ("install reinstreq half-installed", true),
        ("install ok triggers-pending", true),
        ("install ok triggers-awaited", true),
        ("deinstall ok config-files", false),
        ("purge ok not-installed", false),
        ("", true),
    ] {
        let found = status(&format!("Package: a\nStatus: {status_line}\nVersion: 1\n\n"));
        assert_eq!(!found.is_empty(), there, "{status_line:?}");
    }
}

#[test]
fn source_and_its_version_are_taken_from_the_source_field() {
    for (field, source, version) in [
        ("Source: glibc", "glibc", ""),
        ("Source: gcc-12 (12.2.0-14)", "gcc-12", "12.2.0-14"),
        ("source:openssl(3.0)", "openssl", "3.0"),
        ("Section: libs", "", ""),
    ] {
        let found = status(&format!(
            "Package: a\n{field}\nVersion: 1:2-3+b1\nArchitecture: amd64\nDescription: x\n Source: no\n"
        ));
        assert_eq!((&*found[0].source, &*found[0].source_version), (source, version), "{field}");
        assert_eq!((&*found[0].version, &*found[0].arch), ("1:2-3+b1", "amd64"));
    }
}

#[test]
fn a_package_is_third_party_only_where_its_entry_says_so() {
    for (maintainer, origin, version, want) in [
        ("Marco d'Itri <md@linux.it>", "", "6.4", ""),
        ("Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>", "Ubuntu", "1-1ubuntu1", ""),
        ("Debian Go <x@lists.debian.org>", "Debian", "1", ""),
        ("Ondřej Surý <ondrej@debian.org>", "", "8.2.12-1~deb12u1", ""),
        ("Ondřej Surý <ondrej@debian.org>", "", "8.2.12-1+ubuntu22.04.1+deb.sury.org+1", "third-party:sury.org"),
        ("Docker <support@docker.com>", "", "5:24.0.7-1~debian.12~bookworm", "third-party:docker.com"),
        ("Someone <x@notdocker.com>", "", "1", ""),
        ("Debian PostgreSQL Maintainers <x@lists.debian.org>", "", "16.1-1.pgdg120+1", "third-party:postgresql.org"),
        ("x", "Artifactory", "1", "third-party:artifactory"),
    ] {
        let found = status(&format!("Package: a\nMaintainer: {maintainer}\nOrigin: {origin}\nVersion: {version}\n"));
        assert_eq!(found[0].origin, want, "{maintainer} {origin} {version}");
    }
}

#[test]
fn an_incomplete_or_damaged_stanza_is_noted_and_the_others_are_read() {
    let reading = read("var/lib/dpkg/status", b"Package: a\n\nVersion: 1\n\n\xff\xfe\n\nPackage: \xffb\nVersion: 2\n");
    assert_eq!(reading.packages.len(), 1);
    assert_eq!(reading.packages[0].name, "\u{fffd}b");
    assert!(reading.notes[0].text.starts_with("3 entries"), "{:?}", reading.notes);
}

#[test]
fn lists_and_sums_tell_what_a_package_owns() {
    let list = b"/.\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/lib/python3/dist-packages/x-1.dist-info\n/usr/lib/python3/dist-packages/x-1.dist-info/METADATA\n/usr/share/doc/x/copyright\n";
    let reading = read("var/lib/dpkg/info/x:amd64.list", list);
    assert_eq!(reading.owned[0].owner, "x");
    assert_eq!(reading.owned[0].paths.as_slice().len(), 3, "the program, the metadata and its folder");
    let sums = read("var/lib/dpkg/status.d/y.md5sums", b"0123  bin/tool\n0123  usr/share/doc/y/copyright\nnonsense\n");
    assert_eq!(sums.owned[0].paths.as_slice(), [owned_hash("usr/bin/tool")]);
    assert_eq!(read("var/lib/dpkg/info/z.list", b"/.\n/usr\n/usr/share\n/usr/share/z\n"), FileReading::default());
}

#[test]
fn the_database_is_known_by_its_place_or_by_its_first_line() {
    for (path, head, want) in [
        ("var/lib/dpkg/status", &b""[..], Wants::Whole),
        ("var/lib/dpkg/status-old", b"Package: a", Wants::Skip),
        ("var/lib/dpkg/status.d/base", b"", Wants::Whole),
        ("opt/state/status", b"Package: a", Wants::Whole),
        ("opt/state/status", b"ok", Wants::Skip),
        ("var/lib/dpkg/info/a.list", b"/.", Wants::Whole),
        ("var/lib/dpkg/info/a.postinst", b"#!", Wants::Skip),
        ("var/lib/dpkg/available", b"Package: a", Wants::Skip),
    ] {
        assert_eq!(Dpkg.wants(&Entry { path, size: 9, head }), want, "{path}");
    }
}
