use super::{crates, root};

/// Which crate may use which. A new edge is a decision: change this table in a commit of its own.
const WALLS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ecosystem", &["model"]),
    ("advisory", &["model", "ecosystem"]),
    ("assess", &["model", "ecosystem", "advisory"]),
    ("fleet", &["model"]),
    ("oci", &["model"]),
    ("store", &["model"]),
    ("registry", &["model", "store"]),
    ("scan", &["model", "ecosystem", "advisory", "assess", "oci", "store"]),
    ("server", &["model", "assess", "fleet", "oci", "store"]),
    (
        "portwarden",
        &["model", "ecosystem", "advisory", "assess", "fleet", "oci", "store", "registry", "scan", "server"],
    ),
    ("lab", &["model", "ecosystem", "advisory", "assess", "fleet", "oci", "store", "registry", "scan", "server"]),
];
/// Crates that take values and give values.
const PURE: [&str; 5] = ["model", "ecosystem", "advisory", "assess", "fleet"];
/// What a pure crate never uses.
const WORLD: [&str; 8] = ["tokio", "reqwest", "axum", "sqlx", "object_store", "hyper", "memmap2", "rustix"];

fn dependencies(name: &str) -> Vec<String> {
    let manifest = root().join("crates").join(name).join("Cargo.toml");
    let text = std::fs::read_to_string(manifest).expect("a manifest");
    let section = text.split("[dependencies]").nth(1).unwrap_or("");
    let section = section.split("\n[").next().unwrap_or("");
    section
        .lines()
        .filter_map(|l| l.split(['.', ' ', '=']).next())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_crate_keeps_within_its_walls() {
    let known = crates();
    assert_eq!(known.len(), WALLS.len(), "a crate is missing from the table");
    for (name, may_use) in WALLS {
        for dependency in dependencies(name) {
            let ours = known.contains(&dependency);
            assert!(!ours || may_use.contains(&dependency.as_str()), "{name} may not use {dependency}");
        }
    }
}

#[test]
fn pure_crates_know_no_world() {
    for name in PURE {
        for dependency in dependencies(name) {
            assert!(!WORLD.contains(&dependency.as_str()), "{name} is pure: no {dependency}");
        }
        for file in super::rust_files(&root().join("crates").join(name).join("src")) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for word in [
                "std::fs",
                "std::net::Tcp",
                "std::net::Udp",
                "ToSocketAddrs",
                "SystemTime::now",
                "Instant::now",
                "std::env::var",
                "std::process",
            ] {
                let is_tests = file.file_name().is_some_and(|n| n == "tests.rs");
                assert!(is_tests || !code.contains(word), "{name} is pure: {} uses {word}", file.display());
            }
        }
    }
}

#[test]
fn unsafe_code_stands_only_in_the_sandbox_and_the_mapping() {
    for name in crates() {
        for file in super::rust_files(&root().join("crates").join(&name).join("src")) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let path = file.display().to_string();
            let allowed = path.contains("/scan/src/sandbox") || path.contains("/scan/src/database");
            assert!(allowed || !text.contains("unsafe {"), "{path} holds unsafe code");
        }
    }
}
