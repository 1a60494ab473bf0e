//! The crate from outside: children that misbehave, children that try to get out, images judged.
#![allow(clippy::unwrap_used)] // every function of this binary is a test or serves one

mod children;
mod escape;
mod images;
#[cfg(debug_assertions)] // steps have names in these builds only
mod pairs;
mod shared;
#[cfg(debug_assertions)] // steps have names in these builds only
mod swap;
mod walk;

/// Returns the program of the tests' children (`examples/child.rs`), which cargo builds before it runs tests.
fn child() -> std::path::PathBuf {
    let me = std::env::current_exe().expect("a test has a path");
    let folder = me.parent().and_then(std::path::Path::parent).expect("tests run in target/*/deps");
    let child = folder.join("examples/child");
    assert!(child.exists(), "{} is not built: run `cargo build -p scan --examples`", child.display());
    child
}
