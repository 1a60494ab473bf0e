use super::*;
use crate::inventory::{Owned, PathSet, owned_hash};

fn found(purl_type: &str, name: &str, version: &str) -> Found {
    Found { purl_type: purl_type.into(), name: name.into(), version: version.into(), ..Found::default() }
}

fn file(path: &str, packages: Vec<Found>) -> FileReading {
    FileReading { path: path.into(), packages, ..FileReading::default() }
}

fn npm(path: &str, version: &str) -> FileReading {
    file(path, vec![found("npm", "x", version)])
}

fn layer(files: Vec<FileReading>) -> LayerInventory {
    LayerInventory { files, ..LayerInventory::default() }
}

fn paths(set: &[&str]) -> PathSet {
    PathSet::new(set.iter().map(|path| path_hash(path)).collect())
}

fn os(id: &str, version: &str, codename: &str, pretty: &str) -> OsRelease {
    let text = str::to_owned;
    OsRelease {
        id: id.into(),
        version_id: version.into(),
        codename: text(codename),
        pretty_name: text(pretty),
        id_like: String::new(),
    }
}

fn os_file(path: &str, id: &str, version: &str) -> FileReading {
    FileReading { path: path.into(), facts: vec![Fact::OsRelease(os(id, version, "", ""))], ..FileReading::default() }
}

/// `path version layer`, a line each.
fn seen(layers: &[&LayerInventory]) -> Vec<String> {
    let row = |p: &Placed| format!("{} {} {}", p.path, p.key.version, p.layer);
    overlay(layers).packages.iter().map(row).collect()
}

#[test]
fn what_a_later_layer_removes_or_hides_is_gone() {
    let base = layer(vec![npm("a/b/package.json", "1")]);
    let with = |edit: fn(&mut LayerInventory)| {
        let mut upper = LayerInventory::default();
        edit(&mut upper);
        upper
    };
    for (upper, there, why) in [
        (with(|_| {}), true, "an empty layer"),
        (with(|l| l.removed = vec![Removed::Path("a/b/package.json".into())]), false, "a whiteout of the file"),
        (with(|l| l.removed = vec![Removed::Path("a".into())]), false, "a whiteout of a folder above"),
        (
            with(|l| l.removed = vec![Removed::Path("a/b/p".into())]),
            true,
            "a whiteout of a name that it only begins with",
        ),
        (with(|l| l.removed = vec![Removed::Path("a/bb".into())]), true, "a whiteout beside it"),
        (with(|l| l.removed = vec![Removed::Under("a".into())]), false, "an opaque folder"),
        (with(|l| l.removed = vec![Removed::Under(String::new())]), false, "an opaque root"),
        (with(|l| l.removed = vec![Removed::Under("a/b/package.json".into())]), true, "opaque is not the thing itself"),
        (with(|l| l.others = paths(&["a/b"])), false, "a folder becomes a file"),
        (with(|l| l.others = paths(&["a/b/package.json"])), false, "it becomes a file that tells nothing"),
        (with(|l| l.folders = paths(&["a/b/package.json"])), false, "it becomes a folder"),
        (with(|l| l.folders = paths(&["a", "a/b"])), true, "its folders are there again"),
        (
            layer(vec![file("a/b", vec![found("npm", "y", "9")])]),
            false,
            "its folder becomes a file that tells something",
        ),
    ] {
        let rows = seen(&[&base, &upper]);
        assert_eq!(rows.contains(&"a/b/package.json 1 0".to_owned()), there, "{why}");
    }
}

#[test]
fn a_package_keeps_the_layer_since_which_its_file_lists_it() {
    let status = |versions: &[&str]| {
        let packages = versions.iter().map(|version| found("deb", "x", version)).collect();
        layer(vec![file("var/lib/dpkg/status", packages)])
    };
    let at = |rows: &[&str]| rows.iter().map(|row| format!("var/lib/dpkg/status {row}")).collect::<Vec<_>>();
    let (a, b, c) = (status(&["1"]), status(&["1", "2"]), status(&["2", "3"]));
    assert_eq!(seen(&[&a, &b, &c]), at(&["2 1", "3 2"]));
    assert_eq!(seen(&[&a, &c, &b]), at(&["1 2", "2 1"]), "one that went and came back is there since it came back");
    let mut gone = status(&[]);
    gone.files.clear();
    gone.removed = vec![Removed::Path("var".into())];
    assert_eq!(seen(&[&a, &gone, &a]), at(&["1 2"]));
    assert_eq!(seen(&[&a, &gone]), Vec::<String>::new());
}

#[test]
fn os_packages_are_qualified_with_the_release() {
    for (kind, os, want) in [
        ("deb", os("debian", "12", "bookworm", ""), "debian:12"),
        ("deb", os("debian", "12.5", "bookworm", ""), "debian:12"),
        ("deb", os("debian", "", "trixie", "Debian GNU/Linux trixie/sid"), "debian:sid"),
        ("deb", os("debian", "", "bookworm", "Debian GNU/Linux"), "debian:12"),
        ("deb", os("debian", "", "forky", ""), "debian:sid"),
        ("deb", os("ubuntu", "22.04", "jammy", ""), "ubuntu:22.04"),
        ("deb", os("kali", "2024.1", "", ""), "deb:kali:2024.1"),
        ("deb", os("", "", "", ""), "deb"),
        ("apk", os("alpine", "3.18.4", "", ""), "alpine:3.18"),
        ("apk", os("alpine", "3.21.0_alpha20240923", "", ""), "alpine:edge"),
        ("apk", os("alpine", "edge", "", ""), "alpine:edge"),
        ("apk", os("wolfi", "20230201", "", ""), "wolfi"),
        ("rpm", os("rocky", "9.3", "", ""), "rpm:rocky:9"),
        ("rpm", os("azurelinux", "3.0", "", ""), "rpm:azurelinux:3"),
        ("rpm", os("opensuse-leap", "15.5", "", ""), "rpm:opensuse-leap:15.5"),
        ("pypi", os("debian", "12", "", ""), "pypi"),
        ("golang", os("debian", "12", "", ""), "go"),
    ] {
        assert_eq!(ecosystem(kind, Some(&os)), want);
    }
    assert_eq!(ecosystem("rpm", None), "rpm");
    let image = layer(vec![
        os_file("etc/os-release", "debian", "12"),
        os_file("usr/lib/os-release", "debian", "11"),
        file("var/lib/dpkg/status", vec![found("deb", "x", "1")]),
    ]);
    let inventory = overlay(&[&image]);
    let key = &inventory.packages[0].key;
    assert_eq!((&*key.ecosystem, &*key.source, &*key.source_version), ("debian:12", "x", "1"));
}

#[test]
fn a_database_counts_in_its_place_or_where_a_link_leads() {
    let link = |path: &str, target: &str| Link { path: path.into(), target: target.into(), hard: false };
    let mut lower =
        layer(vec![file("opt/state/status", vec![found("deb", "x", "1")]), os_file("opt/os-release", "debian", "12")]);
    assert_eq!(seen(&[&lower]), Vec::<String>::new(), "no link leads there");
    lower.links = vec![link("var/lib/dpkg", "opt/state"), link("etc", "opt")];
    assert_eq!(seen(&[&lower]), ["opt/state/status 1 0"]);
    assert_eq!(overlay(&[&lower]).packages[0].key.ecosystem, "debian:12");
    let upper = LayerInventory { others: paths(&["var/lib/dpkg"]), ..LayerInventory::default() };
    assert_eq!(seen(&[&lower, &upper]), Vec::<String>::new(), "the link became something else");
    let mut lost = layer(vec![]);
    lost.links = vec![link("var/lib/dpkg", "var/lib/rpm"), link("var/lib/rpm", "var/lib/dpkg"), link("lib", "usr/lib")];
    let notes = overlay(&[&lost]).notes;
    assert!(!notes.is_empty() && notes.iter().all(|note| note.gap && !note.path.starts_with("lib/")), "{notes:?}");
}

const SIX: &str = "usr/lib/python3/dist-packages/six-1.16.0.dist-info";

fn list(owner: &str, paths: &[&str]) -> FileReading {
    let paths = PathSet::new(paths.iter().map(|path| owned_hash(path)).collect());
    let owned = vec![Owned { owner: owner.into(), paths }];
    FileReading { path: format!("var/lib/dpkg/info/{owner}.list"), owned, ..FileReading::default() }
}

fn status(packages: Vec<Found>) -> FileReading {
    file("var/lib/dpkg/status", packages)
}

fn pypi(path: &str, version: &str) -> FileReading {
    file(path, vec![found("pypi", "six", version)])
}

/// The origin of the one package of a language.
fn origin(layers: &[&LayerInventory]) -> String {
    let inventory = overlay(layers);
    inventory.packages.iter().find(|placed| placed.key.ecosystem == "pypi").unwrap().key.origin.clone()
}

#[test]
fn a_language_package_that_an_os_package_owns_is_marked() {
    let metadata = format!("{SIX}/METADATA");
    let merged = metadata.trim_start_matches("usr/").to_owned();
    let six = || status(vec![found("deb", "python3-six", "1")]);
    for (listed, path, want) in [
        (&*metadata, &*metadata, "owned:deb/python3-six"),
        (SIX, &metadata, "owned:deb/python3-six"),
        (&metadata, &merged, "owned:deb/python3-six"),
        ("usr/bin/six", &metadata, ""),
        ("opt/six.dist-info/METADATA", "opt/six.dist-info/METADATA", ""),
        ("usr/local/lib/six.egg-info/PKG-INFO", "usr/local/lib/six.egg-info/PKG-INFO", ""),
    ] {
        let layer = layer(vec![pypi(path, "1"), list("python3-six", &[listed]), six()]);
        assert_eq!(origin(&[&layer]), want, "{listed} {path}");
    }
    let base = layer(vec![
        pypi(&metadata, "1"),
        list("python3-six", &[SIX]),
        six(),
        os_file("etc/os-release", "debian", "12"),
    ]);
    let owned = "owned:debian:12/python3-six";
    assert_eq!(origin(&[&base]), owned, "with the release whose advisories answer for it");
    assert_eq!(origin(&[&base, &layer(vec![pypi(&metadata, "1")])]), owned, "touched, and still the same");
    assert_eq!(origin(&[&base, &layer(vec![pypi(&metadata, "2")])]), "", "replaced by somebody else");
    let gone = LayerInventory { removed: vec![Removed::Path(metadata.clone())], ..LayerInventory::default() };
    assert_eq!(
        origin(&[&base, &gone, &layer(vec![pypi(&metadata, "2")])]),
        "",
        "removed, and put there by somebody else"
    );
    let upgraded = status(vec![found("deb", "python3-six", "2")]);
    assert_eq!(
        origin(&[&base, &layer(vec![pypi(&metadata, "2"), list("python3-six", &[SIX]), upgraded])]),
        owned,
        "upgraded"
    );
    assert_eq!(origin(&[&base, &layer(vec![list("python3-six", &[SIX]), six()])]), owned, "installed again");
}

#[test]
fn only_an_installed_package_of_the_distribution_owns_anything() {
    let metadata = format!("{SIX}/METADATA");
    let of = |origin: &str| Found { origin: origin.into(), ..found("deb", "agent", "1") };
    let with = |packages: Vec<Found>| layer(vec![pypi(&metadata, "1"), list("agent", &[SIX]), status(packages)]);
    for (packages, want, why) in [
        (vec![of("")], "owned:deb/agent", "its own"),
        (vec![of("third-party:datadoghq.com")], "", "of somebody else, of whom its advisories do not speak"),
        (vec![of(""), of("third-party:datadoghq.com")], "", "one name, two makers"),
        (vec![found("deb", "bash", "1")], "", "a list of a package that is not installed"),
        (vec![], "", "no list of what is installed"),
    ] {
        assert_eq!(origin(&[&with(packages)]), want, "{why}");
    }
    let apk = |origin: &str| {
        let owned = list("py3-six", &[SIX]).owned;
        let packages = vec![Found { origin: origin.into(), ..found("apk", "py3-six", "1") }];
        let database = FileReading { owned, ..file("lib/apk/db/installed", packages) };
        layer(vec![pypi(&metadata, "1"), database, os_file("etc/os-release", "alpine", "3.22.1")])
    };
    assert_eq!(origin(&[&apk("")]), "owned:alpine:3.22/py3-six");
    assert_eq!(origin(&[&apk("third-party:x")]), "");
    let base = with(vec![of("")]);
    let gone = LayerInventory { removed: vec![Removed::Path("var/lib/dpkg/status".into())], ..layer(vec![]) };
    assert_eq!(origin(&[&base, &gone]), "", "the lists are left and what is installed is deleted");
    let all = layer(vec![list("zz", &[SIX])]);
    assert_eq!(
        origin(&[&layer(vec![pypi(&metadata, "1"), status(vec![of("")])]), &all]),
        "",
        "a list that somebody wrote"
    );
    let more = layer(vec![list("agent", &["usr/bin/agent", SIX])]);
    let before = layer(vec![pypi(&metadata, "1"), list("agent", &["usr/bin/agent"]), status(vec![of("")])]);
    assert_eq!(origin(&[&before, &more]), "", "a list that became longer while its package stayed as it was");
}

fn soft(path: &str, target: &str) -> Link {
    Link { path: path.into(), target: target.into(), hard: false }
}

#[test]
fn what_is_written_through_a_link_comes_to_stand_where_it_leads() {
    let base =
        LayerInventory { links: vec![soft("lib", "usr/lib")], ..layer(vec![npm("usr/lib/a/package.json", "1")]) };
    let with = |files: Vec<FileReading>, edit: fn(&mut LayerInventory)| {
        // Folders that paths imply, as a reader names them.
        let mut upper = LayerInventory { folders: paths(&["lib", "lib/a"]), ..layer(files) };
        edit(&mut upper);
        upper
    };
    for (upper, want, why) in [
        (with(vec![npm("lib/a/package.json", "2")], |_| {}), &["usr/lib/a/package.json 2 1"][..], "a newer one"),
        (
            with(vec![npm("lib/b/package.json", "2")], |_| {}),
            &["usr/lib/a/package.json 1 0", "usr/lib/b/package.json 2 1"],
            "another one",
        ),
        (with(vec![], |l| l.others = paths(&["lib/a/package.json"])), &[], "one that tells nothing"),
        (with(vec![], |l| l.others = paths(&["lib/a"])), &[], "its folder becomes a file"),
        (with(vec![], |l| l.removed = vec![Removed::Path("lib/a/package.json".into())]), &[], "a whiteout"),
        (with(vec![], |l| l.removed = vec![Removed::Under("lib".into())]), &[], "an opaque folder"),
        (
            with(vec![], |l| l.removed = vec![Removed::Path("lib".into())]),
            &["usr/lib/a/package.json 1 0"],
            "a whiteout of the link",
        ),
        (
            with(vec![npm("lib/a/package.json", "2")], |l| l.declared = paths(&["lib"])),
            &["usr/lib/a/package.json 1 0", "lib/a/package.json 2 1"],
            "the folder itself takes the place of the link",
        ),
        (
            with(vec![], |l| l.links = vec![Link { hard: true, ..soft("b/package.json", "lib/a/package.json") }]),
            &["b/package.json 1 1", "usr/lib/a/package.json 1 0"],
            "a hard link",
        ),
    ] {
        assert_eq!(seen(&[&base, &upper]), want, "{why}");
    }
    let own = LayerInventory {
        links: vec![soft("lib", "usr/lib")],
        others: paths(&["lib"]),
        folders: paths(&["lib", "lib/apk"]),
        ..layer(vec![file("lib/apk/db/installed", vec![found("apk", "x", "1")])])
    };
    assert_eq!(seen(&[&own]), ["usr/lib/apk/db/installed 1 0"], "a link and what is written through it in one layer");
    assert_eq!(
        seen(&[&base, &own]),
        ["usr/lib/apk/db/installed 1 1", "usr/lib/a/package.json 1 0"],
        "it covers itself only"
    );
}

#[test]
fn links_in_a_circle_and_paths_that_grow_are_not_followed() {
    let under = layer(vec![npm("lib/x/package.json", "1")]);
    for (target, want, why) in [
        ("usr/lib", "usr/lib/x/package.json 1 1", "as it is meant"),
        ("lib", "lib/x/package.json 1 1", "to itself"),
        (&format!("lib{}", "/a".repeat(100)), "lib/x/package.json 1 1", "longer with every turn"),
        (&"b/".repeat(3_000), "lib/x/package.json 1 1", "longer than a path can be"),
    ] {
        let base = LayerInventory { links: vec![soft("lib", target)], ..LayerInventory::default() };
        assert_eq!(seen(&[&base, &under]), [want], "{why}");
    }
}

#[test]
fn a_database_behind_a_link_stays_when_a_layer_writes_beside_it() {
    let lower = LayerInventory {
        links: vec![soft("var/lib/dpkg", "opt/state")],
        ..layer(vec![file("opt/state/status", vec![found("deb", "x", "1")])])
    };
    let folders = paths(&["var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info"]);
    let upper = LayerInventory { folders: folders.clone(), ..layer(vec![list("x", &[SIX])]) };
    assert_eq!(seen(&[&lower, &upper]), ["opt/state/status 1 0"]);
    let newer = LayerInventory { folders, ..layer(vec![status(vec![found("deb", "x", "2")])]) };
    assert_eq!(seen(&[&lower, &newer]), ["opt/state/status 2 1"]);
    let plain = layer(vec![status(vec![found("deb", "x", "2")])]);
    let replaced = LayerInventory { others: paths(&["etc/os-release"]), ..plain };
    assert_eq!(seen(&[&lower, &replaced]), ["opt/state/status 2 1"]);
    let os = LayerInventory { links: vec![soft("etc/os-release", "usr/lib/os-release")], ..layer(vec![]) };
    let base = layer(vec![os_file("usr/lib/os-release", "debian", "12")]);
    let own = layer(vec![os_file("etc/os-release", "alpine", "3.18")]);
    let id = |layers: &[&LayerInventory]| overlay(layers).os.unwrap().id;
    assert_eq!(
        (id(&[&base, &os]), id(&[&base, &os, &own])),
        ("debian".into(), "alpine".into()),
        "a file in a link's place"
    );
}

#[test]
fn a_hard_link_to_a_file_of_a_layer_below_counts_as_that_file() {
    let base = layer(vec![npm("a/package.json", "1")]);
    let hard = |removed: Vec<Removed>| LayerInventory {
        links: vec![Link { path: "b/package.json".into(), target: "a/package.json".into(), hard: true }],
        others: paths(&["b/package.json"]),
        removed,
        ..LayerInventory::default()
    };
    assert_eq!(seen(&[&base, &hard(vec![])]), ["a/package.json 1 0", "b/package.json 1 1"]);
    assert_eq!(seen(&[&base, &hard(vec![Removed::Path("a".into())])]), ["b/package.json 1 1"]);
}

#[test]
fn notes_go_with_what_they_are_about() {
    let note = |path: &str| Note { code: "file-unreadable".into(), path: path.into(), text: "x".into(), gap: true };
    let base = LayerInventory { notes: vec![note(""), note("a/b")], ..LayerInventory::default() };
    let upper = LayerInventory { removed: vec![Removed::Path("a".into())], ..LayerInventory::default() };
    assert_eq!(overlay(&[&base]).notes.len(), 2);
    assert_eq!(overlay(&[&base, &upper]).notes, [note("")]);
}

#[test]
fn many_whiteouts_over_many_files_are_no_hours_of_work() {
    let lower = layer((0..20_000).map(|n| npm(&format!("a/{n:05}/package.json"), "1")).collect());
    let upper = LayerInventory {
        removed: (1..40_000).map(|n| Removed::Path(format!("a/{n:05}"))).collect(),
        ..LayerInventory::default()
    };
    let begun = std::time::Instant::now();
    assert_eq!(seen(&[&lower, &upper]), ["a/00000/package.json 1 0"]);
    assert!(begun.elapsed().as_secs() < 5, "every whiteout was held against every file");
}

#[test]
fn many_hard_links_to_one_list_do_not_fill_the_memory() {
    let mut file = npm("a/package.json", "1");
    file.packages = vec![file.packages[0].clone(); 1_000];
    let lower = layer(vec![file]);
    let link = |n: u32| Link { path: format!("b/{n}"), target: "a/package.json".into(), hard: true };
    let upper = LayerInventory { links: (0..1_000).map(link).collect(), ..LayerInventory::default() };
    let image = overlay(&[&lower, &upper]);
    assert_eq!(image.packages.len(), 501, "the file, and as many links as the limit allows");
    let note = image.notes.iter().find(|note| note.code == "limit-packages").unwrap();
    assert!(note.gap && note.text.starts_with("500 hard links"), "{}", note.text);
}
