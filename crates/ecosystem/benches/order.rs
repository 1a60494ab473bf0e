//! Time of one comparison of versions, by scheme: pairs that differ late, as two versions of one package do.

use ecosystem::order::{apk, dpkg, go, npm, pep440, rpm, semver};
use std::hint::black_box;

fn main() {
    divan::main();
}

/// Runs a comparison on a pair, so that a reported time is that of one.
fn pair<T>(bencher: divan::Bencher<'_, '_>, compare: fn(&str, &str) -> T, a: &str, b: &str) {
    bencher.bench_local(|| compare(black_box(a), black_box(b)));
}

#[divan::bench]
fn dpkg_security_update(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, dpkg::compare, "1:9.2p1-2+deb12u2", "1:9.2p1-2+deb12u10");
}

#[divan::bench]
fn rpm_modular(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, rpm::compare, "1:1.71-7.module_el8.4.0+2396+b2b60bb5", "1:1.71-7.module_el8.4.0+2766+8bf0b7ce");
}

#[divan::bench]
fn apk_revision(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, apk::compare, "1.2.4_git20230717-r4", "1.2.4_git20230717-r5");
}

#[divan::bench]
fn pep440_post(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, pep440::compare, "2.26.1rc1", "2.26.1.post1");
}

#[divan::bench]
fn semver_release(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, semver::compare, "4.17.20", "4.17.21");
}

#[divan::bench]
fn go_pseudo_version(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, go::compare, "v0.0.0-20220715151400-c0bba94af5f8", "v0.0.0-20220722155255-886fb9371eb4");
}

#[divan::bench]
fn npm_range(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, |range, version| npm::satisfies(range, version, false), "^1.2.3 || >=2.5.0 <3", "2.9.1");
}

#[divan::bench]
fn pep440_specifiers(bencher: divan::Bencher<'_, '_>) {
    pair(bencher, pep440::satisfies, ">=1.26.0,<2.0.7", "1.26.18");
}
