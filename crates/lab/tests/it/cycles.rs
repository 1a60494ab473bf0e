use super::{crates, root, rust_files};
use std::collections::{BTreeMap, BTreeSet};

/// The top-level modules of a crate and which of them each one names by `crate::module`.
fn edges(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let src = root().join("crates").join(name).join("src");
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in rust_files(&src) {
        let inner = file.strip_prefix(&src).expect("below src");
        let first = inner.components().next().expect("a part").as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" || inner.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        let code = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let used = edges.entry(module).or_default();
        for part in code.split("crate::").skip(1) {
            let names = part.strip_prefix('{').map_or(part, |group| group.split("};").next().unwrap_or(""));
            let first_only = !part.starts_with('{');
            for word in names.split([',', '\n']).take(if first_only { 1 } else { usize::MAX }) {
                let word: String = word.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                used.insert(word);
            }
        }
    }
    let modules: BTreeSet<String> = edges.keys().cloned().collect();
    for (module, used) in &mut edges {
        used.retain(|u| modules.contains(u) && u != module);
    }
    edges
}

fn reaches(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = open.pop() {
        for next in edges.get(&module).into_iter().flatten() {
            if next == to {
                return true;
            }
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    false
}

#[test]
fn no_crate_has_modules_in_a_cycle() {
    let mut cycles = Vec::new();
    for name in crates() {
        let edges = edges(&name);
        let in_cycle: Vec<&String> = edges.keys().filter(|m| reaches(&edges, m, m)).collect();
        if !in_cycle.is_empty() {
            cycles.push(format!("{name}: {in_cycle:?}"));
        }
    }
    assert!(cycles.is_empty(), "modules in a cycle: {}", cycles.join("; "));
}
