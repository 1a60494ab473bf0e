use super::{root, rust_files};

#[test]
fn every_fuzz_target_is_declared_and_every_seed_has_a_target() {
    let folder = root().join("fuzz");
    let declared = std::fs::read_to_string(folder.join("Cargo.toml")).expect("fuzz/Cargo.toml");
    let stem = |file: &std::path::Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let targets: Vec<String> = rust_files(&folder.join("targets")).iter().map(|file| stem(file)).collect();
    assert!(!targets.is_empty(), "fuzz/targets is empty");
    for name in &targets {
        let entry = format!("[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"\n");
        assert!(declared.contains(&entry), "fuzz/Cargo.toml does not declare {name}");
    }
    assert_eq!(declared.matches("path = \"targets/").count(), targets.len(), "fuzz/Cargo.toml declares another target");
    for seeds in std::fs::read_dir(folder.join("seeds")).expect("fuzz/seeds").flatten() {
        let name = stem(&seeds.path());
        assert!(targets.contains(&name), "fuzz/seeds/{name} belongs to no target");
    }
}

#[test]
fn fuzz_targets_obey_the_lints_of_the_workspace() {
    let lints = |file: &str| {
        let text = std::fs::read_to_string(root().join(file)).expect(file).replace("[workspace.lints.", "[lints.");
        let from = text.find("[lints.rust]").unwrap_or_else(|| panic!("{file} has no lints"));
        let lines: Vec<String> = text[from..].lines().map(str::to_owned).collect();
        let lint =
            |line: &&String| line.ends_with("\"warn\"") || line.ends_with("\"deny\"") || line.starts_with("[lints.");
        lines.iter().filter(lint).cloned().collect::<Vec<_>>()
    };
    assert_eq!(lints("fuzz/Cargo.toml"), lints("Cargo.toml"));
}
