//! Layers whose paths lead through links, against the same layers unpacked into one folder by the system's `tar`.
//!
//! In: nothing; the layers are made here. Out: the packages of the image are those whose files are in the folder, at their real paths.

use ecosystem::layer::{Limits, SpillToMemory};
use model::overlay::overlay;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a layer has at a path.
enum Is {
    Folder,
    Link(&'static str),
    /// A package of this version, in the form that the path's name says.
    Package(&'static str),
    Other,
}
use Is::{Folder, Link, Other, Package};

type Layer<'a> = &'a [(&'static str, Is)];

fn body(path: &str, is: &Is) -> String {
    match is {
        Package(version) if path.ends_with("package.json") => format!(r#"{{"name":"x","version":"{version}"}}"#),
        Package(version) if path.ends_with("status") => format!("Package: x\nVersion: {version}\n\n"),
        Package(version) => format!("C:Q1\nP:x\nV:{version}-r0\n\n"),
        _ => String::new(),
    }
}

fn archive(layer: Layer<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, is) in layer {
        let body = body(path, is);
        let mut header = tar::Header::new_ustar();
        header.set_size(body.len() as u64);
        header.set_mode(0o755);
        header.set_entry_type(match is {
            Folder => tar::EntryType::Directory,
            Link(_) => tar::EntryType::Symlink,
            Package(_) | Other => tar::EntryType::Regular,
        });
        if let Link(target) = is {
            header.set_link_name(target).unwrap();
        }
        builder.append_data(&mut header, path, body.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Unpacks a layer over what is there, as `tar` does it.
fn unpack(tar: &[u8], folder: &Path) {
    let mut command = Command::new("tar");
    command.args(["-xPf", "-", "--no-same-owner", "-C"]).arg(folder).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(tar).unwrap();
    assert!(child.wait().unwrap().success(), "tar refuses the layer");
}

/// `path version` of every file that a package is read from.
fn found(folder: &Path, below: &str, out: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}/{}", entry.file_name().to_str().unwrap()).trim_start_matches('/').to_owned();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found(folder, &path, out);
        }
        let text = if kind.is_file() { std::fs::read_to_string(entry.path()).unwrap() } else { String::new() };
        let version = text.split(['"', '\n', ' ', ':']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        out.extend(version.map(|version| format!("{path} {version}")));
    }
}

fn read(layers: &[Vec<u8>]) -> BTreeSet<String> {
    let mut spill = SpillToMemory::default();
    let read = |tar: &Vec<u8>| ecosystem::layer::read(&tar[..], &Limits::default(), &mut spill).unwrap();
    let layers: Vec<_> = layers.iter().map(read).collect();
    let image = overlay(&layers.iter().collect::<Vec<_>>());
    image.packages.iter().map(|placed| format!("{} {}", placed.path, placed.key.version)).collect()
}

#[test]
fn what_layers_write_through_links_is_where_unpacking_puts_it() {
    if Command::new("tar").arg("--version").output().is_err() {
        println!("10 checks not run: no tar");
        return;
    }
    let merged = || ("lib", Link("usr/lib"));
    let old = || ("usr/lib/node_modules/x/package.json", Package("1.0.0"));
    let images: &[(&[Layer<'_>], &str)] = &[
        (
            &[&[old(), merged()], &[("lib/node_modules/x/package.json", Package("2.0.0"))]],
            "a newer package through a link",
        ),
        (&[&[old(), merged()], &[("lib/node_modules/y/package.json", Package("2.0.0"))]], "another one beside it"),
        (&[&[old(), merged()], &[("lib", Folder), ("lib/z", Other)]], "a folder in the place of the link"),
        (&[&[old(), merged()], &[("lib/node_modules/x/package.json", Other)]], "a package becomes an empty file"),
        (
            &[&[merged(), ("usr/lib", Folder), ("lib/apk/db/installed", Package("1"))]],
            "a link, then a database through it",
        ),
        (
            &[&[("usr/lib/apk/db/installed", Package("1")), merged()], &[("lib/apk/db/installed", Package("2"))]],
            "a newer database through a link",
        ),
        (
            &[
                &[("opt/state/status", Package("1")), ("var/lib/dpkg", Link("../../opt/state"))],
                &[("var/lib/dpkg/info/x.list", Other)],
            ],
            "something beside a database that a link leads to",
        ),
        (
            &[
                &[("opt/state/status", Package("1")), ("var/lib/dpkg", Link("../../opt/state"))],
                &[("var/lib/dpkg/status", Package("2"))],
            ],
            "a newer database where a link leads",
        ),
        (
            &[
                &[("state/status", Package("1")), ("opt/keep", Other), ("var", Link("opt"))],
                &[("var/lib/dpkg", Link("../../state"))],
            ],
            "a link that is written through a link",
        ),
        (
            &[
                &[("sbin", Link("usr/sbin")), ("usr/sbin/a", Other)],
                &[("sbin/node_modules/x/package.json", Package("1.0.0"))],
            ],
            "another folder that is merged",
        ),
    ];
    for (layers, why) in images {
        let folder = Folders::new();
        let tars: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
        tars.iter().for_each(|tar| unpack(tar, &folder.0));
        let mut want = BTreeSet::new();
        found(&folder.0, "", &mut want);
        let got = read(&tars).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(got, want, "{why}");
    }
}

/// A folder of its own that goes with its owner.
struct Folders(std::path::PathBuf);

impl Folders {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("layers-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
