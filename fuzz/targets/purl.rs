//! Package URLs of any package.
#![no_main]

use model::PackageKey;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [ecosystem, name, version, arch] = fuzz::texts::<4>(data);
    // The ecosystem's first part is a word of ours; the release behind it comes from the image.
    let kinds = ["debian", "ubuntu", "alpine", "wolfi", "rpm", "deb", "apk", "pypi", "npm", "go"];
    let (number, release) = ecosystem.split_at_checked(1).unwrap_or_default();
    let kind = kinds[usize::from(number.bytes().next().unwrap_or(0)) % kinds.len()];
    let ecosystem = if release.is_empty() { kind.to_owned() } else { format!("{kind}:{release}") };
    fuzz::purl(&PackageKey { ecosystem, name, version, arch, ..PackageKey::default() });
});
