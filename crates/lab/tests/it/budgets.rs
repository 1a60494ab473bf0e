use super::{crates, root, rust_files};

/// Lines of a file without its inline tests.
fn lines(text: &str) -> usize {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or("").lines().count()
}

#[test]
fn files_stay_within_500_lines_and_open_with_a_header() {
    let mut long = Vec::new();
    for name in crates() {
        for file in rust_files(&root().join("crates").join(&name).join("src")) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let path = file.display().to_string();
            if path.ends_with("/tests.rs") || path.contains("/tests/") {
                continue;
            }
            if lines(&text) > 500 {
                long.push(format!("{path}: {}", lines(&text)));
            }
            assert!(text.starts_with("//!"), "{path} has no module header");
        }
    }
    assert!(long.is_empty(), "over 500 lines: is each one thing? {}", long.join("; "));
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let hosts = [concat!("arti", "factory."), concat!("/wo", "rk/"), concat!("/fa", "rm/")];
    let mut files = rust_files(&root().join("crates"));
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "Cargo.lock", "Cargo.toml", "test"] {
        files.push(root().join(name));
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        for word in hosts {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}
