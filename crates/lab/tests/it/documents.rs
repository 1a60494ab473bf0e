use super::root;

#[test]
fn every_reason_code_has_its_paragraph() {
    let text = std::fs::read_to_string(root().join("docs/reasons.md")).expect("docs/reasons.md");
    for reason in model::verdict::REASONS {
        assert!(text.contains(&format!("## `{}`", reason.code)), "docs/reasons.md says nothing of {}", reason.code);
    }
}

#[test]
fn the_readme_names_the_two_commands() {
    let text = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    for command in ["cargo run --release -- serve --sample", "./test"] {
        assert!(text.contains(command), "README.md does not name {command}");
    }
}
